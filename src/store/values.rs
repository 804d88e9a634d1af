//! Value bytes of the LSM tree.

use bytes::Bytes;
use levee_core::git::{Kind, ObjectId, StoredObject};
use levee_core::ids::Seq;
use levee_core::record::OpRun;
use std::sync::Arc;

use super::frame::{self, Mark, Reader};

/// A chunk of operations holds about this many bytes; one larger operation has its own chunk.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// What is known of a document without reading its operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last operation, 0 if there is none.
    pub(crate) last: Seq,
    /// First operation and size of the last chunk, so that small ones can be joined.
    pub(crate) tail_first: Seq,
    pub(crate) tail_bytes: u32,
    pub(crate) version: Option<ObjectId>,
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(40);
        value.extend_from_slice(&self.last.0.to_be_bytes());
        value.extend_from_slice(&self.tail_first.0.to_be_bytes());
        value.extend_from_slice(&self.tail_bytes.to_be_bytes());
        if let Some(version) = &self.version {
            value.extend_from_slice(version.as_bytes());
        }
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (last, rest) = value.split_first_chunk::<8>()?;
        let (tail_first, rest) = rest.split_first_chunk::<8>()?;
        let (tail_bytes, rest) = rest.split_first_chunk::<4>()?;
        let version = match rest {
            [] => None,
            id => Some(ObjectId::from_bytes(id.try_into().ok()?)),
        };
        Some(Self {
            last: Seq(u64::from_be_bytes(*last)),
            tail_first: Seq(u64::from_be_bytes(*tail_first)),
            tail_bytes: u32::from_be_bytes(*tail_bytes),
            version,
        })
    }
}

/// How far the log has been moved into the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) mark: Mark,
    /// Counts the openings of the partition.
    pub(crate) epoch: u64,
    /// The log holds nothing after the mark: the store was closed in good order.
    pub(crate) clean: bool,
}

impl Moved {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(25);
        value.extend_from_slice(&self.mark.position.to_be_bytes());
        value.extend_from_slice(&self.mark.chain.to_be_bytes());
        value.extend_from_slice(&self.epoch.to_be_bytes());
        value.push(u8::from(self.clean));
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (position, rest) = value.split_first_chunk::<8>()?;
        let (chain, rest) = rest.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let &[clean] = rest else { return None };
        Some(Self {
            mark: Mark {
                position: u64::from_be_bytes(*position),
                chain: u64::from_be_bytes(*chain),
            },
            epoch: u64::from_be_bytes(*epoch),
            clean: clean == 1,
        })
    }
}

/// A chunk being filled: consecutive operations of one document.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    first: Seq,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Chunk {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn first(&self) -> Seq {
        self.first
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn has_room(&self, op: &[u8]) -> bool {
        self.is_empty() || self.bytes.len() + 1 + op.len() <= CHUNK_BYTES
    }

    pub(crate) fn push(&mut self, seq: Seq, op: &[u8]) {
        if self.is_empty() {
            self.first = seq;
        } else {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(op);
        self.ends.push(self.bytes.len() as u32);
    }

    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(4 + 4 * self.ends.len() + self.bytes.len());
        value.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
        for end in &self.ends {
            value.extend_from_slice(&end.to_le_bytes());
        }
        value.extend_from_slice(&self.bytes);
        value
    }

    pub(crate) fn decode(first: Seq, value: &[u8]) -> Option<OpRun> {
        let mut reader = Reader::new(value);
        let ends = reader.ends()?;
        let bytes = reader.rest();
        checked_run(first, ends, bytes)
    }
}

/// A run whose ends fit its bytes; `None` for anything that damage could have made.
pub(crate) fn checked_run(first: Seq, ends: Arc<[u32]>, bytes: &[u8]) -> Option<OpRun> {
    let fits = ends.is_sorted() && ends.last().is_some_and(|&end| end as usize == bytes.len());
    fits.then(|| OpRun { first, ends, bytes: Bytes::copy_from_slice(bytes) })
}

/// The part of a run with `from <= seq <= to`, sharing its bytes.
pub(crate) fn trim(run: &OpRun, from: Seq, to: Seq) -> Option<OpRun> {
    let bytes = run.slice(from, to)?;
    let first = from.max(run.first);
    if bytes.len() == run.bytes.len() {
        return Some(run.clone());
    }
    let skip = (first.0 - run.first.0) as usize;
    let count = (to.min(run.last()).0 - first.0) as usize + 1;
    let base = match skip.checked_sub(1) {
        Some(before) => run.ends.get(before)? + 1,
        None => 0,
    };
    let ends = run.ends.get(skip..skip + count)?.iter().map(|end| end - base).collect();
    Some(OpRun { first, ends, bytes })
}

pub(crate) fn encode_object(object: &StoredObject) -> Vec<u8> {
    let mut value = Vec::with_capacity(1 + object.body.len());
    value.push(frame::kind_byte(object.kind));
    value.extend_from_slice(&object.body);
    value
}

pub(crate) fn decode_object(id: ObjectId, value: &[u8]) -> Option<StoredObject> {
    let (&kind, body) = value.split_first()?;
    let kind: Kind = frame::kind_of(kind)?;
    Some(StoredObject { id, kind, body: Bytes::copy_from_slice(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip() {
        let version = Some(StoredObject::blob("x").id);
        for version in [None, version] {
            let head = Head { last: Seq(9), tail_first: Seq(7), tail_bytes: 30, version };
            assert_eq!(Head::decode(&head.encode()), Some(head));
        }
        let mark = Mark { position: 1 << 40, chain: 0xfeed };
        let moved = Moved { mark, epoch: 3, clean: true };
        assert_eq!(Moved::decode(&moved.encode()), Some(moved));
        let object = StoredObject::new(Kind::Tree, &b"abc"[..]);
        assert_eq!(decode_object(object.id, &encode_object(&object)), Some(object));
    }

    #[test]
    fn chunks_join_and_trim() {
        let mut chunk = Chunk::default();
        for (seq, op) in [(5, "aa"), (6, "bbb"), (7, "c")] {
            assert!(chunk.has_room(op.as_bytes()));
            chunk.push(Seq(seq), op.as_bytes());
        }
        let run = Chunk::decode(Seq(5), &chunk.encode()).unwrap();
        assert_eq!(&run.bytes[..], b"aa,bbb,c");
        let part = trim(&run, Seq(6), Seq(9)).unwrap();
        assert_eq!(
            (part.first, &part.bytes[..], &part.ends[..]),
            (Seq(6), &b"bbb,c"[..], &[3, 5][..])
        );
        assert_eq!(trim(&run, Seq(6), Seq(6)).unwrap().bytes, "bbb");
        assert_eq!(trim(&run, Seq(0), Seq(9)), Some(run.clone()));
        assert_eq!(trim(&run, Seq(8), Seq(9)), None);
        assert_eq!(Chunk::decode(Seq(5), &chunk.encode()[..9]), None);
    }
}
