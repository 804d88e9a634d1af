//! Group commit: what has been ordered since the last group leaves as the next one, as soon as
//! that one is durable. One group of a partition is under way at a time.

use crate::document::Document;
use crate::event::Action;
use crate::ids::{BatchId, PartitionId};
use crate::limits::GROUP_BYTES_MAX;
use crate::record::Record;
use crate::shard::docs::{DocSlot, Docs};
use std::collections::VecDeque;

/// The documents of one partition that have something to write.
#[derive(Debug)]
pub struct CommitQueue {
    pub partition: PartitionId,
    last: BatchId,
    in_flight: Option<(BatchId, Vec<DocSlot>)>,
    waiting: VecDeque<DocSlot>,
    /// After a failed group: when the next one may be tried.
    frozen_until_ms: u64,
}

/// After a group failed, documents are refused this long before the store is tried again.
pub const FREEZE_MS: u64 = 1_000;

impl CommitQueue {
    #[must_use]
    pub fn new(partition: PartitionId) -> Self {
        let (last, waiting) = (BatchId(0), VecDeque::new());
        Self { partition, last, in_flight: None, waiting, frozen_until_ms: 0 }
    }

    // walk 9/12
    /// The document has something to write; it is queued once, however much that is.
    pub fn push(&mut self, slot: DocSlot, document: &mut Document) {
        if document.has_pending() && !document.is_queued {
            document.is_queued = true;
            self.waiting.push_back(slot);
        }
    }

    /// Forms the next group, if none is under way and there is something to write.
    pub fn flush(&mut self, docs: &mut Docs) -> Option<Action> {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return None;
        }
        let mut records: Vec<Record> = Vec::new();
        let mut members = Vec::new();
        let mut bytes = 0;
        while let Some(slot) = self.waiting.front().copied() {
            let Some(document) = docs.get_mut(slot) else {
                self.waiting.pop_front();
                continue;
            };
            let adds = document.pending_bytes();
            if bytes > 0 && bytes + adds > GROUP_BYTES_MAX {
                break;
            }
            bytes += adds;
            self.waiting.pop_front();
            document.is_queued = false;
            document.take_group(&mut records);
            members.push(slot);
        }
        if records.is_empty() {
            return None;
        }
        self.last = BatchId(self.last.0 + 1);
        self.in_flight = Some((self.last, members));
        Some(Action::Append { partition: self.partition, batch: self.last, records })
    }

    /// The group is settled, either way; the documents that were in it.
    pub fn settled(&mut self, batch: BatchId) -> Vec<DocSlot> {
        match self.in_flight.take() {
            Some((under_way, members)) if under_way == batch => members,
            other => {
                self.in_flight = other;
                Vec::new()
            }
        }
    }

    /// Whether the group under way has something of this document.
    #[must_use]
    pub fn is_writing(&self, slot: DocSlot) -> bool {
        self.in_flight.as_ref().is_some_and(|(_, members)| members.contains(&slot))
    }

    /// The store failed: refuse writers for a while.
    pub fn freeze(&mut self, mono_ms: u64) {
        self.frozen_until_ms = mono_ms + FREEZE_MS;
    }

    #[must_use]
    pub fn is_frozen(&self, mono_ms: u64) -> bool {
        mono_ms < self.frozen_until_ms
    }

    /// Whether everything has been written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty()
    }
}
