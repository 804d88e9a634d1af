//! Bytes of the commit log: segment headers, frames (one write each), and the records in them.
//!
//! Numbers are little endian. A frame is a header of [`FRAME_HEADER_BYTES`] and the encoded records
//! of one or more groups, padded to a multiple of eight. Frames are chained: each carries the
//! checksum of the one before, which covers the whole history.

use bytes::Bytes;
use levee_core::git::{Kind, ObjectId, StoredObject};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::{OpRun, Record};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::values::checked_run;

/// Header at the start of a segment file.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// Header at the start of a frame.
pub(crate) const FRAME_HEADER_BYTES: usize = 56;
/// Frames start at multiples of this within their segment.
pub(crate) const ALIGN: usize = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"LEVEELOG";
const SEGMENT_FORMAT: u16 = 1;
const FRAME_MAGIC: [u8; 4] = *b"LvFr";

/// A point in a partition's log: bytes before it, and the checksum of the frame that ends there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: u64,
    pub(crate) chain: u64,
}

/// What a segment file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Of the data directory, so that a foreign file is never replayed.
    pub(crate) identity: u64,
    pub(crate) partition: u16,
    /// Counts the segments begun; of two that begin at one position the later is right.
    pub(crate) serial: u64,
    pub(crate) epoch: u64,
    /// Where the first frame stands.
    pub(crate) base: Mark,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&SEGMENT_FORMAT.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.partition.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.identity.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.serial.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.base.position.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.base.chain.to_le_bytes());
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are not a sound header of this format.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SEGMENT_HEADER_BYTES] = bytes.first_chunk()?;
        let mut reader = Reader::new(&bytes[10..56]);
        let sound = bytes[..8] == SEGMENT_MAGIC
            && bytes[8..10] == SEGMENT_FORMAT.to_le_bytes()
            && bytes[56..] == xxh3_64(&bytes[..56]).to_le_bytes();
        let partition = reader.u16()?;
        reader.take(4)?;
        let header = Self {
            partition,
            identity: reader.u64()?,
            serial: reader.u64()?,
            epoch: reader.u64()?,
            base: Mark { position: reader.u64()?, chain: reader.u64()? },
        };
        sound.then_some(header)
    }
}

/// Where and when a frame was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) partition: u16,
    pub(crate) epoch: u64,
    /// Where the frame begins, and the checksum of the frame before it.
    pub(crate) at: Mark,
    /// Everything before this position was synced when the frame was written. So damage that a
    /// later frame disproves is told from a torn end.
    pub(crate) synced: u64,
}

/// Bytes that [`encode`] will add for records of this many encoded bytes.
pub(crate) fn frame_bytes(records_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + records_bytes).next_multiple_of(ALIGN)
}

/// Appends one frame to `buffer` and returns where it ends.
pub(crate) fn encode<'a>(
    buffer: &mut Vec<u8>,
    stamp: &Stamp,
    records: impl Iterator<Item = &'a Record>,
) -> Mark {
    let start = buffer.len();
    buffer.resize(start + FRAME_HEADER_BYTES, 0);
    for record in records {
        encode_record(buffer, record);
    }
    let body_bytes = buffer.len() - start - FRAME_HEADER_BYTES;
    let header = &mut buffer[start..start + FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(&FRAME_MAGIC);
    header[4..8].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    header[8..10].copy_from_slice(&stamp.partition.to_le_bytes());
    header[16..24].copy_from_slice(&stamp.epoch.to_le_bytes());
    header[24..32].copy_from_slice(&stamp.at.position.to_le_bytes());
    header[32..40].copy_from_slice(&stamp.synced.to_le_bytes());
    header[40..48].copy_from_slice(&stamp.at.chain.to_le_bytes());
    let chain = checksum(&buffer[start..]);
    buffer[start + 48..start + 56].copy_from_slice(&chain.to_le_bytes());
    buffer.resize(start + frame_bytes(body_bytes), 0);
    let position = stamp.at.position + (buffer.len() - start) as u64;
    Mark { position, chain }
}

/// Of everything in the frame but the checksum itself.
fn checksum(frame: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&frame[..48]);
    hash.update(&frame[FRAME_HEADER_BYTES..]);
    hash.digest()
}

/// A frame read back, its checksum found right.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) stamp: Stamp,
    /// Where the next frame begins.
    pub(crate) end: Mark,
    pub(crate) body: &'a [u8],
}

/// Reads the frame at the start of `bytes`; `None` if there is no whole and sound one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    if bytes.get(..4)? != FRAME_MAGIC {
        return None;
    }
    let mut reader = Reader::new(bytes.get(4..FRAME_HEADER_BYTES)?);
    let body_bytes = reader.u32()? as usize;
    let partition = reader.u16()?;
    reader.take(6)?;
    let (epoch, position, synced) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let at = Mark { position, chain: reader.u64()? };
    let chain = reader.u64()?;
    let frame = bytes.get(..FRAME_HEADER_BYTES + body_bytes)?;
    if checksum(frame) != chain {
        return None;
    }
    let position = position.checked_add(frame_bytes(body_bytes) as u64)?;
    Some(Frame {
        stamp: Stamp { partition, epoch, at, synced },
        end: Mark { position, chain },
        body: &frame[FRAME_HEADER_BYTES..],
    })
}

const OPS: u8 = 1;
const CHECKPOINT: u8 = 2;
const VERSION: u8 = 3;
const OBJECT: u8 = 4;

/// Exactly what [`encode`] writes for the record, bytes.
pub(crate) fn record_bytes(record: &Record) -> usize {
    let doc = record.doc();
    let names = 1 + 4 + doc.tenant().len() + doc.document().len();
    names
        + match record {
            Record::Ops(_, run) => 8 + 4 + 4 * run.ends.len() + 4 + run.bytes.len(),
            Record::Checkpoint(_, _, state) => 8 + 4 + state.len(),
            Record::Version(..) => ObjectId::BYTES,
            Record::Object(_, object) => ObjectId::BYTES + 1 + 4 + object.body.len(),
        }
}

fn encode_record(buffer: &mut Vec<u8>, record: &Record) {
    let tag = match record {
        Record::Ops(..) => OPS,
        Record::Checkpoint(..) => CHECKPOINT,
        Record::Version(..) => VERSION,
        Record::Object(..) => OBJECT,
    };
    buffer.push(tag);
    for name in [record.doc().tenant(), record.doc().document()] {
        debug_assert!(name.len() <= usize::from(u16::MAX));
        buffer.extend_from_slice(&(name.len() as u16).to_le_bytes());
        buffer.extend_from_slice(name.as_bytes());
    }
    match record {
        Record::Ops(_, run) => {
            buffer.extend_from_slice(&run.first.0.to_le_bytes());
            buffer.extend_from_slice(&(run.ends.len() as u32).to_le_bytes());
            for end in run.ends.iter() {
                buffer.extend_from_slice(&end.to_le_bytes());
            }
            put_bytes(buffer, &run.bytes);
        }
        Record::Checkpoint(_, seq, state) => {
            buffer.extend_from_slice(&seq.0.to_le_bytes());
            put_bytes(buffer, state);
        }
        Record::Version(_, id) => buffer.extend_from_slice(id.as_bytes()),
        Record::Object(_, object) => {
            buffer.extend_from_slice(object.id.as_bytes());
            buffer.push(kind_byte(object.kind));
            put_bytes(buffer, &object.body);
        }
    }
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

/// The records in a frame's body; `None` if they do not fill it exactly.
pub(crate) fn records(body: &[u8]) -> Option<Vec<Record>> {
    let mut reader = Reader::new(body);
    let mut records = Vec::new();
    while !reader.rest().is_empty() {
        records.push(reader.record()?);
    }
    Some(records)
}

/// The records at the front of a body that may be damaged.
pub(crate) fn readable_records(body: &[u8]) -> impl Iterator<Item = Record> {
    let mut reader = Reader::new(body);
    std::iter::from_fn(move || reader.record())
}

/// What stands in the place of a frame's body, sound or not.
pub(crate) fn unchecked_body(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes.get(4..FRAME_HEADER_BYTES)?);
    let body_bytes = reader.u32()? as usize;
    bytes.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + body_bytes)
}

pub(crate) fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Blob => 1,
        Kind::Tree => 2,
        Kind::Commit => 3,
    }
}

pub(crate) fn kind_of(byte: u8) -> Option<Kind> {
    match byte {
        1 => Some(Kind::Blob),
        2 => Some(Kind::Tree),
        3 => Some(Kind::Commit),
        _ => None,
    }
}

/// Reads numbers and slices off the front of stored bytes; `None` where they end too early.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count, then that many 32-bit numbers.
    pub(crate) fn ends(&mut self) -> Option<Arc<[u32]>> {
        let count = self.u32()? as usize;
        let bytes = self.take(count.checked_mul(4)?)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Some(numbers.iter().map(|number| u32::from_le_bytes(*number)).collect())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    fn name(&mut self) -> Option<&'a str> {
        let count = usize::from(self.u16()?);
        std::str::from_utf8(self.take(count)?).ok()
    }

    fn record(&mut self) -> Option<Record> {
        let [tag] = self.array()?;
        let tenant = self.name()?;
        let doc = DocKey::new(tenant, self.name()?);
        match tag {
            OPS => {
                let first = Seq(self.u64()?);
                let ends = self.ends()?;
                let run: OpRun = checked_run(first, ends, self.bytes()?)?;
                Some(Record::Ops(doc, run))
            }
            CHECKPOINT => {
                let seq = Seq(self.u64()?);
                Some(Record::Checkpoint(doc, seq, Bytes::copy_from_slice(self.bytes()?)))
            }
            VERSION => Some(Record::Version(doc, ObjectId::from_bytes(self.array()?))),
            OBJECT => {
                let id = ObjectId::from_bytes(self.array()?);
                let [kind] = self.array()?;
                let kind = kind_of(kind)?;
                let body = Bytes::copy_from_slice(self.bytes()?);
                Some(Record::Object(doc, StoredObject { id, kind, body }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Record> {
        let doc = DocKey::new("tenant", "a document");
        let ends = Arc::from([2, 6]);
        let run = OpRun { first: Seq(5), ends, bytes: Bytes::from_static(b"aa,bbb") };
        let object = StoredObject::blob("hello");
        vec![
            Record::Ops(doc.clone(), run),
            Record::Checkpoint(doc.clone(), Seq(6), Bytes::from_static(b"{}")),
            Record::Object(doc.clone(), object.clone()),
            Record::Version(doc, object.id),
        ]
    }

    fn stamp() -> Stamp {
        let at = Mark { position: 640, chain: 7 };
        Stamp { partition: 3, epoch: 2, at, synced: 640 }
    }

    #[test]
    fn a_frame_round_trips() {
        let mut buffer = b"before".to_vec();
        let end = encode(&mut buffer, &stamp(), sample().iter());
        let size: usize = sample().iter().map(record_bytes).sum();
        assert_eq!(buffer.len(), 6 + frame_bytes(size));
        let frame = decode(&buffer[6..]).unwrap();
        assert_eq!((frame.stamp, frame.end), (stamp(), end));
        assert_eq!(end.position, 640 + frame_bytes(size) as u64);
        assert_eq!(records(frame.body).unwrap(), sample());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let mut buffer = Vec::new();
        encode(&mut buffer, &stamp(), sample().iter());
        let body_end = FRAME_HEADER_BYTES + sample().iter().map(record_bytes).sum::<usize>();
        // Bytes 10 to 15 of the header are spare; the checksum covers them too.
        for at in 0..body_end {
            assert!(decode(&buffer[..at]).is_none(), "cut at {at}");
            for bit in 0..8 {
                buffer[at] ^= 1 << bit;
                assert!(decode(&buffer).is_none(), "byte {at} bit {bit}");
                buffer[at] ^= 1 << bit;
            }
        }
        assert!(decode(&buffer).is_some());
    }

    #[test]
    fn a_segment_header_round_trips_and_finds_flipped_bits() {
        let base = Mark { position: 9, chain: 8 };
        let header = SegmentHeader { identity: 1, partition: 2, serial: 3, epoch: 4, base };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for at in 0..bytes.len() {
            bytes[at] ^= 4;
            assert_eq!(SegmentHeader::decode(&bytes), None, "byte {at}");
            bytes[at] ^= 4;
        }
    }
}
