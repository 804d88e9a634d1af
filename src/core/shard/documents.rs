//! What the store answers: loaded documents, durable groups, finished summaries. And what happens
//! when a document fails.

use super::{DocSlot, Shard};
use crate::dialect::ConnectError;
use crate::document::Document;
use crate::event::{Action, LogLevel, SummaryOutcome};
use crate::ids::{BatchId, DocKey, Now, PartitionId, Seq};
use crate::nack::NackCause;
use crate::record::{DocumentImage, StoreFault};
use crate::session::Place;
use crate::shard::docs::{Entry, Stage};

/// Clients of a failed document are asked to come back after this long.
const RETRY_AFTER_S: u32 = 2;
/// How long the answer to a client of an absent document is held back.
const ABSENT_ANSWER_MS: u64 = 1_000;

impl Shard {
    pub(super) fn loaded(
        &mut self,
        now: Now,
        key: &DocKey,
        image: Result<Option<Box<DocumentImage>>, StoreFault>,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.docs.find(key) else {
            return;
        };
        let waiters = match self.docs.entry(slot) {
            Some(Entry::Loading { waiters }) => waiters,
            Some(Entry::Doomed { stage: stage @ Stage::Loading, .. }) => {
                *stage = Stage::Settling(None);
                return;
            }
            Some(Entry::Ready(_) | Entry::Doomed { .. }) | None => return,
        };
        let waiters = std::mem::take(waiters);
        let is_known = matches!(image, Ok(Some(_)));
        let creates = waiters.iter().any(|waiter| waiter.admitted.creates);
        let loaded = match image {
            Ok(None) if !creates => Err(not_found()),
            Ok(image) => self.open(now, key, *image.unwrap_or_default(), actions),
            Err(fault) => {
                let mut port = self.port(actions);
                port.log(LogLevel::Error, "document not loaded", Some(key), fault.to_string());
                Err(unavailable())
            }
        };
        match loaded {
            Ok(document) => {
                if let Some(entry) = self.docs.entry(slot) {
                    *entry = Entry::Ready(document);
                }
                self.counters.documents_loaded += 1;
                self.with(slot, actions, |document, _| document.settle_earlier_life(now));
                for waiter in waiters {
                    if is_known || waiter.admitted.creates {
                        self.attach(now, slot, waiter, actions);
                    } else {
                        self.refuse(&waiter, &not_found(), actions);
                    }
                }
            }
            Err(error) => {
                self.docs.remove(slot);
                for mut waiter in waiters {
                    if error.code == 404 {
                        waiter.since_ms = now.mono_ms;
                        self.absent.push(waiter);
                        continue;
                    }
                    self.refuse(&waiter, &error, actions);
                }
            }
        }
    }

    /// Answers clients of documents that do not exist. The answer is held back for a moment: a
    /// client looks into the storage at the same time, and what it finds there says more.
    pub(super) fn answer_absent(&mut self, now: Now, actions: &mut Vec<Action>) {
        let due_ms = now.mono_ms.saturating_sub(ABSENT_ANSWER_MS);
        while self.absent.first().is_some_and(|waiter| waiter.since_ms <= due_ms) {
            let waiter = self.absent.remove(0);
            self.refuse(&waiter, &not_found(), actions);
        }
    }

    fn open(
        &mut self,
        now: Now,
        key: &DocKey,
        image: DocumentImage,
        actions: &mut Vec<Action>,
    ) -> Result<Box<Document>, ConnectError> {
        let partition = self.config.placement.partition(key);
        Document::load(key.clone(), partition, image, now.mono_ms).map(Box::new).map_err(|fault| {
            let mut port = self.port(actions);
            port.log(LogLevel::Error, "document damaged", Some(key), fault.to_string());
            ConnectError {
                code: 500,
                message: "The document's stored state is damaged".into(),
                retry_after_ms: Some(60_000),
            }
        })
    }

    /// Forms the next group of every partition that has none under way.
    pub(super) fn flush(&mut self, actions: &mut Vec<Action>) {
        for queue in &mut self.commits {
            actions.extend(queue.flush(&mut self.docs));
        }
    }

    pub(super) fn persisted(
        &mut self,
        now: Now,
        partition: PartitionId,
        batch: BatchId,
        result: Result<(), StoreFault>,
        actions: &mut Vec<Action>,
    ) {
        let Some(queue) = self.commits.iter_mut().find(|queue| queue.partition == partition) else {
            return;
        };
        let members = queue.settled(batch);
        match result {
            Ok(()) => {
                self.counters.groups_committed += 1;
                for slot in members {
                    self.with(slot, actions, |document, port| document.publish(port, now));
                }
            }
            Err(fault) => {
                queue.freeze(now.mono_ms);
                self.counters.groups_failed += 1;
                for slot in members {
                    self.fail(now, slot, "store failed", &fault.to_string(), actions);
                }
            }
        }
        self.flush(actions);
    }

    pub(super) fn summarized(
        &mut self,
        now: Now,
        key: &DocKey,
        seq: Seq,
        verdict: Result<SummaryOutcome, StoreFault>,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.docs.find(key) else {
            return;
        };
        self.with(slot, actions, |document, port| match &verdict {
            Ok(outcome) => document.summarized(port, now, seq, outcome),
            Err(_) => document.summary_failed(port, now, seq),
        });
    }

    /// Drops documents whose handling panicked.
    pub(super) fn drop_broken(&mut self, now: Now, actions: &mut Vec<Action>) {
        while let Some(slot) = self.broken.pop() {
            self.fail(now, slot, "document panicked", "its state is dropped", actions);
        }
    }

    /// A document cannot go on: nothing unacknowledged is kept, its clients are told to come back,
    /// and its next use reads it from the store.
    fn fail(
        &mut self,
        now: Now,
        slot: DocSlot,
        what: &'static str,
        detail: &str,
        actions: &mut Vec<Action>,
    ) {
        if let Some(Entry::Doomed { stage, .. }) = self.docs.entry(slot) {
            // It is to go in any case, and nobody is there any more.
            *stage = Stage::Settling(None);
            return;
        }
        let Some(Entry::Ready(document)) = self.docs.remove(slot) else {
            return;
        };
        self.counters.documents_failed += 1;
        let mut port = self.port(actions);
        port.log(LogLevel::Error, what, Some(&document.key), detail);
        for member in document.members().iter() {
            if member.writer.is_some() {
                let cause = NackCause::Frozen { retry_after_s: RETRY_AFTER_S };
                let frame = document.nack_frame(member, cause, None);
                port.push(member.conn, frame);
                port.counters.nacks += 1;
            }
            if let Some(conn) = port.conn(member.conn) {
                conn.state.channels.retain(|channel| match &channel.place {
                    Place::Here(seat) => seat.doc != slot,
                    Place::Joined | Place::Waiting | Place::Elsewhere(_) => true,
                });
            }
            port.close(member.conn);
        }
        let _ = now;
    }
}

pub(super) fn not_found() -> ConnectError {
    ConnectError { code: 404, message: "Document not found".into(), retry_after_ms: None }
}

/// The store or the document cannot serve now: retryable on every client.
pub(super) fn unavailable() -> ConnectError {
    ConnectError {
        code: 503,
        message: "The document is not available now".into(),
        retry_after_ms: Some(u64::from(RETRY_AFTER_S) * 1000),
    }
}
