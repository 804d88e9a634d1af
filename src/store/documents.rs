//! Documents in memory: the whole of the memory store, and in front of the LSM tree whatever is
//! committed and not moved yet.

use bytes::Bytes;
use levee_core::git::{ObjectId, StoredObject};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::{OpRun, Record, StoreFault};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::keys;
use super::values::trim;

/// What memory holds of one document.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Ascending.
    pub(crate) ops: Vec<OpRun>,
    pub(crate) checkpoint: Option<(Seq, Bytes)>,
    pub(crate) version: Option<ObjectId>,
    pub(crate) objects: HashMap<ObjectId, StoredObject>,
}

impl Recent {
    /// The last operation, if there is one here.
    pub(crate) fn last(&self) -> Option<Seq> {
        self.ops.last().map(OpRun::last)
    }

    /// Objects alone do not make a document.
    pub(crate) fn is_document(&self) -> bool {
        !self.ops.is_empty() || self.checkpoint.is_some() || self.version.is_some()
    }

    /// Adds the operations of a range that are here.
    pub(crate) fn read_ops(&self, range: &mut OpRange) -> Result<(), StoreFault> {
        let start = self.ops.partition_point(|run| run.last() < range.next);
        for run in self.ops.get(start..).unwrap_or_default() {
            if !range.take(run)? {
                break;
            }
        }
        Ok(())
    }
}

/// A range of operations being read: ascending, without a gap, up to a bound in bytes.
#[derive(Debug)]
pub(crate) struct OpRange {
    /// The next number that is wanted.
    pub(crate) next: Seq,
    to: Seq,
    bytes_left: usize,
    runs: Vec<OpRun>,
}

impl OpRange {
    pub(crate) fn new(from: Seq, to: Seq, bytes_max: usize) -> Self {
        // The first operation has the number 1.
        Self { next: from.max(Seq(1)), to, bytes_left: bytes_max, runs: Vec::new() }
    }

    pub(crate) fn to(&self) -> Seq {
        self.to
    }

    /// Takes what the run adds; `false` when the range is complete or its bytes are used up.
    pub(crate) fn take(&mut self, run: &OpRun) -> Result<bool, StoreFault> {
        if self.bytes_left == 0 || run.first > self.to {
            return Ok(false);
        }
        if run.first > self.next {
            return Err(StoreFault::Damaged);
        }
        if let Some(mut part) = trim(run, self.next, self.to) {
            if part.bytes.len() > self.bytes_left {
                // Whole operations as far as they fit, but at least one, or a reader never gets on.
                let fits = part.ends.partition_point(|&end| end as usize <= self.bytes_left);
                let last = Seq(part.first.0 + fits.max(1) as u64 - 1);
                part = trim(&part, part.first, last).ok_or(StoreFault::Damaged)?;
                self.bytes_left = 0;
            }
            self.bytes_left -= part.bytes.len().min(self.bytes_left);
            self.next = part.last().next();
            self.runs.push(part);
        }
        Ok(self.bytes_left > 0 && self.next <= self.to)
    }

    pub(crate) fn into_runs(self) -> Vec<OpRun> {
        self.runs
    }
}

/// Documents by name.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    map: BTreeMap<DocKey, Recent>,
    /// Roughly what they hold.
    bytes: usize,
}

impl Documents {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(crate) fn get(&self, doc: &DocKey) -> Option<&Recent> {
        self.map.get(doc)
    }

    pub(crate) fn remove(&mut self, doc: &DocKey) {
        self.map.remove(doc);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DocKey, &Recent)> {
        self.map.iter()
    }

    /// Names of documents after this one, in the order of their keys: of one tenant, or of all.
    pub(crate) fn sorted<'a>(
        &'a self,
        tenant: Option<&'a str>,
        after: Option<&DocKey>,
    ) -> Box<dyn Iterator<Item = &'a DocKey> + 'a> {
        let is_document =
            |(doc, recent): (&'a DocKey, &Recent)| recent.is_document().then_some(doc);
        let Some(tenant) = tenant else {
            let after = after.map(keys::head);
            let named = self.map.iter().filter_map(is_document).map(|doc| (keys::head(doc), doc));
            let all: BTreeMap<_, _> = named.collect();
            let is_later = move |key: &Vec<u8>| after.as_ref().is_none_or(|after| key > after);
            return Box::new(
                all.into_iter().filter(move |(key, _)| is_later(key)).map(|row| row.1),
            );
        };
        let start = match after {
            Some(doc) => Bound::Excluded(doc.clone()),
            None => Bound::Included(DocKey::new(tenant, "")),
        };
        let found = self.map.range((start, Bound::Unbounded));
        let own = found.take_while(move |(doc, _)| doc.tenant() == tenant);
        Box::new(own.filter_map(is_document))
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.bytes = 0;
    }

    pub(crate) fn apply(&mut self, record: Record) {
        self.bytes += record.size_bytes();
        let recent = match self.map.get_mut(record.doc()) {
            Some(recent) => recent,
            None => self.map.entry(record.doc().clone()).or_default(),
        };
        match record {
            Record::Ops(_, run) => recent.ops.push(run),
            Record::Checkpoint(_, seq, state) => {
                if recent.checkpoint.as_ref().is_none_or(|(at, _)| *at <= seq) {
                    recent.checkpoint = Some((seq, state));
                }
            }
            Record::Version(_, id) => recent.version = Some(id),
            Record::Object(_, object) => {
                recent.objects.entry(object.id).or_insert(object);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn run(first: u64, ops: &[&str]) -> OpRun {
        let mut ends = Vec::new();
        let mut length = 0;
        for op in ops {
            length += op.len() as u32;
            ends.push(length);
            length += 1;
        }
        OpRun { first: Seq(first), ends: Arc::from(ends), bytes: Bytes::from(ops.join(",")) }
    }

    #[test]
    fn a_range_is_bounded_by_bytes_but_always_moves_on() {
        let mut recent = Recent::default();
        recent.ops.push(run(1, &["aa", "bb"]));
        recent.ops.push(run(3, &["cccccccc"]));
        let read = |from, to, bytes| {
            let mut range = OpRange::new(Seq(from), Seq(to), bytes);
            recent.read_ops(&mut range).unwrap();
            range.into_runs()
        };
        assert_eq!(read(0, 9, 99), vec![run(1, &["aa", "bb"]), run(3, &["cccccccc"])]);
        assert_eq!(read(2, 2, 99), vec![run(2, &["bb"])]);
        assert_eq!(read(1, 9, 2), vec![run(1, &["aa"])]);
        assert_eq!(read(1, 9, 6), vec![run(1, &["aa", "bb"]), run(3, &["cccccccc"])]);
        assert_eq!(read(3, 9, 1), vec![run(3, &["cccccccc"])]);
        assert_eq!(read(4, 9, 99), vec![]);
    }

    #[test]
    fn a_gap_is_damage() {
        let mut recent = Recent::default();
        recent.ops.push(run(3, &["c"]));
        let mut range = OpRange::new(Seq(2), Seq(9), 99);
        assert_eq!(recent.read_ops(&mut range), Err(StoreFault::Damaged));
    }
}
