//! What the store keeps: runs of operations, checkpoints, git objects, document versions.

use crate::git::{ObjectId, StoredObject};
use crate::ids::{DocKey, Seq};
use bytes::Bytes;
use std::sync::Arc;

/// Consecutive operations of one document, encoded once: JSON objects joined by commas, exactly
/// as they go to sockets and to `/deltas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpRun {
    /// Sequence number of the first operation.
    pub first: Seq,
    /// Where each operation ends in `bytes` (exclusive, without the comma); never empty.
    pub ends: Arc<[u32]>,
    pub bytes: Bytes,
}

impl OpRun {
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn last(&self) -> Seq {
        Seq(self.first.0 + self.ends.len() as u64 - 1)
    }

    /// The part of the run with `from <= seq <= to`, sharing the bytes; `None` when there is none.
    #[must_use]
    pub fn slice(&self, from: Seq, to: Seq) -> Option<Bytes> {
        let from = from.max(self.first);
        let to = to.min(self.last());
        if from > to {
            return None;
        }
        let index = |seq: Seq| (seq.0 - self.first.0) as usize;
        let end_of = |at: usize| self.ends.get(at).map(|&end| end as usize);
        let start = match index(from).checked_sub(1) {
            Some(before) => end_of(before)? + 1,
            None => 0,
        };
        Some(self.bytes.slice(start..end_of(index(to))?))
    }

    /// The operations one by one, with their numbers.
    pub fn ops(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(at, &end)| {
            let op = self.bytes.get(start..end as usize).unwrap_or_default();
            start = end as usize + 1;
            (Seq(self.first.0 + at as u64), op)
        })
    }
}

/// One thing to make durable. A group of records is written whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Operations; each run follows the document's last one without a gap.
    Ops(DocKey, OpRun),
    /// The document's state after the operation `Seq`, so that a load replays only what follows.
    Checkpoint(DocKey, Seq, Bytes),
    /// The document's current version (a commit). Moves only with a summary's ack.
    Version(DocKey, ObjectId),
    /// A git object, visible to its document alone.
    Object(DocKey, StoredObject),
}

impl Record {
    #[must_use]
    pub fn doc(&self) -> &DocKey {
        match self {
            Self::Ops(doc, _)
            | Self::Checkpoint(doc, ..)
            | Self::Version(doc, _)
            | Self::Object(doc, _) => doc,
        }
    }

    /// Roughly what the record adds to a group, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        64 + match self {
            Self::Ops(_, run) => run.bytes.len() + run.ends.len() * 4,
            Self::Checkpoint(_, _, state) => state.len(),
            Self::Version(..) => 20,
            Self::Object(_, object) => object.body.len(),
        }
    }
}

/// Everything a shard needs to bring a document back into memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentImage {
    /// The newest checkpoint, with the number it was taken at.
    pub checkpoint: Option<(Seq, Bytes)>,
    /// The current version, if the document has one.
    pub version: Option<ObjectId>,
    /// Every operation after the checkpoint, ascending and without gaps.
    pub ops: Vec<OpRun>,
}

/// Why the store could not do what it was asked. Reads of other documents may still work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    #[error("the disk is full")]
    DiskFull,
    #[error("the disk failed to write or sync")]
    DiskFailed,
    #[error("stored data is damaged")]
    Damaged,
    #[error("the store is closed")]
    Closed,
    #[error("the store is busy")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> OpRun {
        OpRun { first: Seq(5), ends: Arc::from([2, 6, 8]), bytes: Bytes::from_static(b"aa,bbb,c") }
    }

    #[test]
    fn slices_share_the_encoded_bytes() {
        let run = run();
        assert_eq!(run.last(), Seq(7));
        assert_eq!(run.slice(Seq(0), Seq(99)).as_deref(), Some(&b"aa,bbb,c"[..]));
        assert_eq!(run.slice(Seq(6), Seq(6)).as_deref(), Some(&b"bbb"[..]));
        assert_eq!(run.slice(Seq(6), Seq(7)).as_deref(), Some(&b"bbb,c"[..]));
        assert_eq!(run.slice(Seq(8), Seq(9)), None);
    }

    #[test]
    fn ops_are_numbered_in_order() {
        let run = run();
        let ops: Vec<_> = run.ops().collect();
        assert_eq!(ops, vec![(Seq(5), &b"aa"[..]), (Seq(6), b"bbb"), (Seq(7), b"c")]);
    }
}
