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
                segments.push(Found {
                    header,
                    path,
                    bytes,
                });
            }
        }
        Ok(Self {
            partition,
            dir: dir.into(),
            segments,
        })
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
        let Moved {
            mut mark,
            mut epoch,
            ..
        } = from;
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
        let damage = if mark.position < until {
            self.damage(mark, epoch)?
        } else {
            None
        };
        let serials = self.segments.iter().map(|found| found.header.serial);
        let next_serial = serials.max().map_or(1, |serial| serial + 1);
        Ok(LogEnd {
            mark,
            frames,
            damage,
            next_serial,
        })
    }

    /// The segment to go on in at `mark`, if that is not the current one. One that begins right
    /// here goes first: a segment is left early when a write or a sync fails, and what it holds
    /// from there on was never acknowledged.
    fn segment_at(&self, mark: Mark, current: Option<&Found>) -> Option<&Found> {
        let begins = self
            .segments
            .iter()
            .filter(|found| found.header.base == mark);
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
    let offset = usize::try_from(offset)
        .ok()?
        .checked_add(SEGMENT_HEADER_BYTES)?;
    bytes.get(offset..)
}

fn frame_at<'a>(found: &Found, bytes: &'a [u8], mark: Mark) -> Option<frame::Frame<'a>> {
    frame::decode(at(found, bytes, mark)?).filter(|frame| frame.stamp.at == mark)
}

/// The body of a frame that is not sound, to say what it was about.
fn body_at<'a>(found: &Found, bytes: &'a [u8], mark: Mark) -> Option<&'a [u8]> {
    frame::unchecked_body(at(found, bytes, mark)?)
}
