//! The store's twin: groups whole or not at all, images, objects; faults and crashes as
//! `src/store` describes them.
//!
//! A group that failed may be found after a crash, as long as nothing was appended in its place.

use crate::random::Random;
use bytes::Bytes;
use levee_core::git::{MemoryObjects, ObjectId};
use levee_core::ids::{DocKey, PartitionId, Seq};
use levee_core::record::{DocumentImage, OpRun, Record};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One document on disk.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Encoded operations by number.
    pub ops: BTreeMap<u64, Bytes>,
    pub checkpoint: Option<(Seq, Bytes)>,
    pub version: Option<ObjectId>,
    pub objects: MemoryObjects,
}

/// A group that a partition has been asked to write.
#[derive(Clone, Debug)]
pub struct Group {
    /// Documents whose earlier life had left before this group was formed.
    pub settled: Vec<String>,
    pub records: Vec<Record>,
}

#[derive(Debug, Default)]
pub struct Disk {
    pub docs: BTreeMap<DocKey, Stored>,
    /// Groups that are being written: a crash decides what becomes of them.
    pub under_way: BTreeMap<PartitionId, Group>,
    /// Groups that failed, and may turn up again.
    ghosts: BTreeMap<PartitionId, Group>,
}

impl Disk {
    /// The group under way is durable.
    pub fn commit(&mut self, partition: PartitionId) -> Option<Group> {
        let group = self.under_way.remove(&partition)?;
        self.ghosts.remove(&partition);
        self.apply(&group);
        Some(group)
    }

    /// The group under way has failed.
    pub fn fail(&mut self, partition: PartitionId) {
        if let Some(group) = self.under_way.remove(&partition) {
            self.ghosts.insert(partition, group);
        }
    }

    /// The process is killed: groups under way, and those that failed last, are there or not.
    /// Returns those that are, and whether each had failed.
    pub fn crash(&mut self, random: &mut Random) -> Vec<(bool, Group)> {
        let mut found = Vec::new();
        let ghosts = std::mem::take(&mut self.ghosts);
        let under_way = std::mem::take(&mut self.under_way);
        for (partition, group) in ghosts {
            // What failed and what was written over it cannot both be there.
            if !under_way.contains_key(&partition) && random.chance(300) {
                found.push((true, group));
            }
        }
        for group in under_way.into_values() {
            if random.chance(500) {
                found.push((false, group));
            }
        }
        for (_, group) in &found {
            self.apply(group);
        }
        found
    }

    fn apply(&mut self, group: &Group) {
        for record in &group.records {
            let stored = self.docs.entry(record.doc().clone()).or_default();
            match record {
                Record::Ops(_, run) => {
                    for (seq, op) in run.ops() {
                        stored.ops.insert(seq.0, Bytes::copy_from_slice(op));
                    }
                }
                Record::Checkpoint(_, seq, bytes) => {
                    stored.checkpoint = Some((*seq, bytes.clone()))
                }
                Record::Version(_, version) => {
                    stored.version = Some(*version);
                    stored.objects.head = Some(*version);
                }
                Record::Object(_, object) => stored.objects.insert([object.clone()]),
            }
        }
    }

    /// What a load reads: the newest checkpoint and everything after it, in chunks of any size.
    pub fn image(&self, doc: &DocKey, random: &mut Random) -> Option<DocumentImage> {
        let stored = self.docs.get(doc)?;
        let from = stored.checkpoint.as_ref().map_or(0, |(seq, _)| seq.0) + 1;
        let mut ops: Vec<OpRun> = Vec::new();
        let mut chunk: Vec<&Bytes> = Vec::new();
        let mut first = from;
        let mut room = random.between(1, 50);
        for (seq, op) in stored.ops.range(from..) {
            if chunk.is_empty() {
                first = *seq;
            }
            chunk.push(op);
            if chunk.len() as u64 >= room {
                ops.push(run_of(first, &chunk));
                chunk.clear();
                room = random.between(1, 50);
            }
        }
        if !chunk.is_empty() {
            ops.push(run_of(first, &chunk));
        }
        Some(DocumentImage { checkpoint: stored.checkpoint.clone(), version: stored.version, ops })
    }
}

/// Encoded operations as one run.
pub fn run_of(first: u64, ops: &[&Bytes]) -> OpRun {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for op in ops {
        if !bytes.is_empty() {
            bytes.push(b',');
        }
        bytes.extend_from_slice(op);
        ends.push(bytes.len() as u32);
    }
    OpRun { first: Seq(first), ends: Arc::from(ends), bytes: Bytes::from(bytes) }
}
