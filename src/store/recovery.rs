//! Reads a partition's log back: what follows the tree's mark, where it ends, and whether that end
//! is a torn one or damage.

use levee_core::record::{Record, StoreFault};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use levee_core::ids::{DocKey, PartitionId};

use super::config::Damage;
use super::frame::{self, ALIGN, Mark, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::segment;
use super::values::Moved;

/// A segment file with a sound header.
#[derive(Debug)]
struct Found {
    header: SegmentHeader,
    path: PathBuf,
    bytes: u64,
}

/// One partition's log as found on the disk.
#[derive(Debug)]
pub(crate) struct LogImage {
    partition: u16,
    dir: PathBuf,
    segments: Vec<Found>,
}

/// Why the log could not be moved into the tree.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the log cannot be read: {0}")]
    Log(#[from] io::Error),
    #[error("the tree cannot take the log in: {0}")]
    Tree(#[from] StoreFault),
}

/// Where reading ended.
#[derive(Debug)]
pub(crate) struct LogEnd {
    pub(crate) mark: Mark,
    pub(crate) frames: u64,
    pub(crate) damage: Option<Damage>,
    /// Above every serial in use.
    pub(crate) next_serial: u64,
}

impl LogImage {
    pub(crate) fn open(dir: &Path, identity: u64, partition: u16) -> io::Result<Self> {
        let mut segments = Vec::new();
        for (_, path) in segment::list(dir)? {
            let mut file = File::open(&path)?;
            let bytes = file.metadata()?.len();
            let mut header = [0; SEGMENT_HEADER_BYTES];
            match file.read_exact(&mut header) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(error),
            }
            if let Some(header) = SegmentHeader::decode(&header)
                && (header.identity, header.partition) == (identity, partition)
            {
                segments.push(Found { header, path, bytes });
            }
        }
        Ok(Self { partition, dir: dir.into(), segments })
    }

    /// Keeps the files out of the log's way, for those who want to look into the damage.
    pub(crate) fn set_aside(&self) -> io::Result<()> {
        segment::list(&self.dir)?
            .into_iter()
            .try_for_each(|(_, path)| fs::rename(&path, path.with_extension("damaged")))
    }

    /// Calls `visit` with the records of each frame after `from`, and with the frame's end, in
    /// order, up to `until` or the first frame that is not sound.
    pub(crate) fn read(
        &self,
        from: Moved,
        until: u64,
        mut visit: impl FnMut(Vec<Record>, Mark) -> Result<(), StoreFault>,
    ) -> Result<LogEnd, ReplayError> {
        let Moved { mut mark, mut epoch, .. } = from;
        let mut frames = 0;
        let mut open: Option<(&Found, Vec<u8>)> = None;
        while mark.position < until {
            if let Some(next) = self.segment_at(mark, open.as_ref().map(|(found, _)| *found)) {
                open = Some((next, fs::read(&next.path)?));
            }
            let Some((found, bytes)) = &open else { break };
            let Some(frame) = frame_at(found, bytes, mark) else {
                break;
            };
            let Some(records) = frame::records(frame.body) else {
                break;
            };
            if frame.stamp.partition != self.partition || frame.stamp.epoch < epoch {
                break;
            }
            epoch = frame.stamp.epoch;
            mark = frame.end;
            frames += 1;
            visit(records, mark)?;
        }
        let damage = if mark.position < until { self.damage(mark, epoch)? } else { None };
        let serials = self.segments.iter().map(|found| found.header.serial);
        let next_serial = serials.max().map_or(1, |serial| serial + 1);
        Ok(LogEnd { mark, frames, damage, next_serial })
    }

    /// The segment to go on in at `mark`, if that is not the current one. One that begins right
    /// here goes first: a segment is left early when a write or a sync fails, and what it holds
    /// from there on was never acknowledged.
    fn segment_at(&self, mark: Mark, current: Option<&Found>) -> Option<&Found> {
        let begins = self.segments.iter().filter(|found| found.header.base == mark);
        if let Some(found) = begins.max_by_key(|found| found.header.serial) {
            let same = current.is_some_and(|current| current.header == found.header);
            return (!same).then_some(found);
        }
        if current.is_some() {
            return None;
        }
        let holds = self.segments.iter().filter(|found| {
            let base = found.header.base.position;
            base < mark.position && mark.position - base < found.bytes
        });
        holds.max_by_key(|found| (found.header.base.position, found.header.serial))
    }

    /// The log is not sound at `mark`. That is its end, unless some later frame says that more than
    /// this was synced when it was written.
    fn damage(&self, mark: Mark, epoch: u64) -> io::Result<Option<Damage>> {
        let mut damaged = false;
        let mut documents = BTreeSet::new();
        if let Some(found) = self.segment_at(mark, None)
            && let Some(body) = body_at(found, &fs::read(&found.path)?, mark)
        {
            collect(&mut documents, body);
        }
        for (_, path) in segment::list(&self.dir)? {
            let bytes = fs::read(path)?;
            let mut at = SEGMENT_HEADER_BYTES;
            while let Some(rest) = bytes.get(at..) {
                let frame = frame::decode(rest).filter(|frame| {
                    frame.stamp.partition == self.partition
                        && frame.stamp.epoch >= epoch
                        && frame.stamp.at.position >= mark.position
                });
                let Some(frame) = frame else {
                    at += ALIGN;
                    continue;
                };
                damaged |= frame.stamp.synced > mark.position;
                at += (frame.end.position - frame.stamp.at.position) as usize;
                collect(&mut documents, frame.body);
            }
        }
        Ok(damaged.then(|| Damage {
            partition: PartitionId(self.partition),
            position: mark.position,
            documents: documents.into_iter().collect(),
        }))
    }
}

fn collect(documents: &mut BTreeSet<DocKey>, body: &[u8]) {
    let records = frame::readable_records(body);
    documents.extend(records.map(|record| record.doc().clone()));
}

fn at<'a>(found: &Found, bytes: &'a [u8], mark: Mark) -> Option<&'a [u8]> {
    let offset = mark.position.checked_sub(found.header.base.position)?;
    let offset = usize::try_from(offset).ok()?.checked_add(SEGMENT_HEADER_BYTES)?;
    bytes.get(offset..)
}

fn frame_at<'a>(found: &Found, bytes: &'a [u8], mark: Mark) -> Option<frame::Frame<'a>> {
    frame::decode(at(found, bytes, mark)?).filter(|frame| frame.stamp.at == mark)
}

/// The body of a frame that is not sound, to say what it was about.
fn body_at<'a>(found: &Found, bytes: &'a [u8], mark: Mark) -> Option<&'a [u8]> {
    frame::unchecked_body(at(found, bytes, mark)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use levee_core::ids::Seq;
    use levee_core::record::OpRun;
    use std::sync::Arc;

    const IDENTITY: u64 = 0xfeed;

    /// A log directory that is removed with this.
    struct TestLog(PathBuf);

    impl Drop for TestLog {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn doc(seq: u64) -> DocKey {
        DocKey::new("t", &format!("d{seq}"))
    }

    fn record(seq: u64, text: &'static str) -> Record {
        let bytes = Bytes::from_static(text.as_bytes());
        let ends = Arc::from([text.len() as u32]);
        Record::Ops(doc(seq), OpRun { first: Seq(seq), ends, bytes })
    }

    /// A segment file in the making.
    struct Script {
        bytes: Vec<u8>,
        at: Mark,
        epoch: u64,
    }

    impl Script {
        fn new(serial: u64, epoch: u64, base: Mark) -> Self {
            let partition = 0;
            let header = SegmentHeader { identity: IDENTITY, partition, serial, epoch, base };
            Self { bytes: header.encode().to_vec(), at: base, epoch }
        }

        fn frame(mut self, seq: u64, text: &'static str) -> Self {
            let synced = self.at.position;
            self = self.frame_synced(seq, text, synced);
            self
        }

        fn frame_synced(mut self, seq: u64, text: &'static str, synced: u64) -> Self {
            let stamp = frame::Stamp { partition: 0, epoch: self.epoch, at: self.at, synced };
            self.at = frame::encode(&mut self.bytes, &stamp, [record(seq, text)].iter());
            self
        }
    }

    impl TestLog {
        fn new(name: &str) -> Self {
            let name = format!("levee-recovery-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn put(&self, id: u64, bytes: &[u8]) {
            // As in a preallocated file, zeros follow.
            let bytes = [bytes, &[0; 256]].concat();
            fs::write(segment::path(&self.0, id), bytes).unwrap();
        }

        fn read_from(&self, from: Moved) -> (Vec<Record>, LogEnd) {
            let mut found = Vec::new();
            let log = LogImage::open(&self.0, IDENTITY, 0).unwrap();
            let end = log.read(from, u64::MAX, |records, _| {
                found.extend(records);
                Ok(())
            });
            (found, end.unwrap())
        }

        fn read(&self) -> (Vec<Record>, LogEnd) {
            self.read_from(Moved::default())
        }
    }

    #[test]
    fn reads_through_segments_and_from_any_mark() {
        let log = TestLog::new("segments");
        let first = Script::new(1, 1, Mark::default()).frame(1, "one").frame(2, "two");
        let second = Script::new(2, 1, first.at).frame(3, "three");
        let third = Script::new(3, 2, second.at).frame(4, "four");
        let (end, after_second) = (third.at, second.at);
        log.put(7, &first.bytes);
        log.put(2, &second.bytes);
        log.put(5, &third.bytes);
        let all = [record(1, "one"), record(2, "two"), record(3, "three"), record(4, "four")];
        let (found, stop) = log.read();
        assert_eq!((&found[..], stop.mark, stop.next_serial), (&all[..], end, 4));
        assert_eq!(stop.damage, None);
        let from = |mark| Moved { mark, epoch: 1, clean: false };
        assert_eq!(log.read_from(from(after_second)).0, all[3..]);
        let (found, stop) = log.read_from(from(end));
        assert!(found.is_empty() && stop.damage.is_none() && stop.mark == end);
    }

    #[test]
    fn an_end_torn_at_any_byte_is_cut_there() {
        let log = TestLog::new("torn");
        let script = Script::new(1, 1, Mark::default()).frame(1, "one").frame(2, "two");
        let (whole, kept) = (script.bytes.len(), script.at);
        let script = script.frame(3, "three");
        let (full, end) = (script.bytes, script.at);
        // The last bytes are padding, which says nothing.
        let told = full.len() - full.iter().rev().take_while(|&&byte| byte == 0).count();
        for cut in whole..told {
            for fill in [0, 0xff] {
                let mut bytes = full.clone();
                bytes[cut..].iter_mut().for_each(|byte| *byte = fill);
                if bytes == full {
                    continue;
                }
                log.put(1, &bytes);
                let (found, stop) = log.read();
                assert_eq!((found.len(), stop.mark, stop.damage), (2, kept, None), "cut at {cut}");
                fs::write(segment::path(&log.0, 1), &full[..cut]).unwrap();
                assert_eq!(log.read().1.mark, kept, "file ends at {cut}");
            }
        }
        log.put(1, &full);
        assert_eq!(log.read().1.mark, end);
    }

    #[test]
    fn every_flipped_bit_before_the_last_frame_is_damage() {
        let log = TestLog::new("flipped");
        let script = Script::new(1, 1, Mark::default()).frame(1, "one");
        let (start, kept) = (script.bytes.len(), script.at);
        let script = script.frame(2, "two");
        let stop = script.bytes.len();
        let script = script.frame(3, "three");
        let padding = script.bytes[..stop].iter().rev().take_while(|&&byte| byte == 0).count();
        for at in start..stop - padding {
            for bit in 0..8 {
                let mut bytes = script.bytes.clone();
                bytes[at] ^= 1 << bit;
                log.put(1, &bytes);
                let (found, end) = log.read();
                assert_eq!((found.len(), end.mark), (1, kept), "byte {at} bit {bit}");
                let damage = end.damage.unwrap();
                assert_eq!(damage.position, kept.position);
                assert!(damage.documents.contains(&doc(3)), "{damage}");
            }
        }
        // Where the names can still be read, the damaged frame's documents are named too.
        let mut bytes = script.bytes.clone();
        bytes[stop - padding - 1] ^= 1;
        log.put(1, &bytes);
        assert_eq!(log.read().1.damage.unwrap().documents, vec![doc(2), doc(3)]);
    }

    #[test]
    fn frames_lost_by_a_power_cut_are_no_damage_unless_they_were_synced() {
        let log = TestLog::new("unsynced");
        let base = Script::new(1, 1, Mark::default()).frame(1, "one");
        let (start, kept) = (base.bytes.len(), base.at);
        let base = base.frame(2, "two");
        let stop = base.bytes.len();
        let script = base.frame_synced(3, "three", kept.position);
        let mut bytes = script.bytes.clone();
        bytes[start..stop].iter_mut().for_each(|byte| *byte = 0);
        log.put(1, &bytes);
        let (found, end) = log.read();
        assert_eq!((found.len(), end.mark, end.damage), (1, kept, None));
    }

    #[test]
    fn what_a_failed_segment_holds_past_its_end_is_superseded() {
        let log = TestLog::new("superseded");
        let first = Script::new(1, 1, Mark::default()).frame(1, "one");
        let left = first.at;
        log.put(1, &first.frame(2, "never acknowledged").bytes);
        assert_eq!(log.read().0.len(), 2);
        log.put(2, &Script::new(2, 1, left).frame(2, "acknowledged").bytes);
        assert_eq!(log.read().0, [record(1, "one"), record(2, "acknowledged")]);
    }

    #[test]
    fn a_lost_segment_is_damage_and_foreign_files_are_left_alone() {
        let log = TestLog::new("lost");
        let first = Script::new(1, 1, Mark::default()).frame(1, "one");
        let second = Script::new(2, 1, first.at).frame(2, "two");
        let third = Script::new(3, 1, second.at).frame(3, "three");
        log.put(1, &first.bytes);
        log.put(3, &third.bytes);
        log.put(4, b"not a segment");
        fs::write(log.0.join("00000009.damaged"), b"set aside").unwrap();
        let (found, end) = log.read();
        assert_eq!((found, end.mark), (vec![record(1, "one")], first.at));
        assert_eq!(end.damage.unwrap().documents, vec![doc(3)]);
        log.put(2, &second.bytes);
        assert_eq!(log.read().0.len(), 3);
        // A header that is damaged loses its segment, too.
        let mut bytes = second.bytes.clone();
        bytes[20] ^= 1;
        log.put(2, &bytes);
        let damage = log.read().1.damage.unwrap();
        assert_eq!(damage.documents, vec![doc(2), doc(3)]);
    }
}
