//! Watches the disk and every wire, and knows nothing of how the core works. What is wrong first
//! ends the simulation.

use crate::invariant::{Invariant, Violation};
use crate::log::{Log, Op};
use levee_core::dialect::Dialect;
use std::collections::{BTreeMap, BTreeSet};

/// A writer as the log shows it.
#[derive(Clone, Debug)]
pub struct Writer {
    client_seq: i64,
    /// The least that the service must know of its reference number.
    reference_seq: u64,
    join_min: u64,
    is_of_earlier_life: bool,
}

/// One document as the checker sees it.
#[derive(Debug, Default)]
pub struct Doc {
    pub log: Log,
    pub writers: BTreeMap<String, Writer>,
    pub open_summaries: BTreeSet<u64>,
    gone: BTreeSet<String>,
    marks: BTreeSet<String>,
}

impl Doc {
    /// Whether writers of an earlier life have not left yet.
    pub fn has_earlier_life(&self) -> bool {
        self.writers.values().any(|writer| writer.is_of_earlier_life)
    }
}

#[derive(Debug, Default)]
pub struct Checker {
    pub docs: BTreeMap<String, Doc>,
    pub violation: Option<Violation>,
    pub shown: u64,
    /// The highest reference number that each client has sent.
    said: BTreeMap<String, u64>,
    ids: BTreeSet<String>,
    readers: BTreeSet<String>,
}

impl Checker {
    pub fn fail(&mut self, invariant: Invariant, detail: impl Into<String>) {
        let detail = detail.into();
        self.violation.get_or_insert(Violation { invariant, detail });
    }

    pub fn require(&mut self, holds: bool, invariant: Invariant, detail: impl FnOnce() -> String) {
        if !holds {
            self.fail(invariant, detail());
        }
    }

    pub fn log(&self, document: &str) -> &Log {
        static NONE: Log = Log { start: 0, ops: Vec::new() };
        self.docs.get(document).map_or(&NONE, |doc| &doc.log)
    }

    pub fn created(&mut self, document: &str, start: u64) {
        self.docs.entry(document.to_owned()).or_default().log.start = start;
    }

    /// A document was read from disk into memory: its writers are of an earlier life from now on.
    pub fn loaded(&mut self, document: &str) {
        if let Some(doc) = self.docs.get_mut(document) {
            doc.writers.values_mut().for_each(|writer| writer.is_of_earlier_life = true);
        }
    }

    /// A load is forgotten: what it read was not the last word.
    pub fn unloaded(&mut self, document: &str) {
        if let Some(doc) = self.docs.get_mut(document) {
            doc.writers.values_mut().for_each(|writer| writer.is_of_earlier_life = false);
        }
    }

    /// A client says up to where it knows the document.
    pub fn said(&mut self, client: &str, reference_seq: u64) {
        let known = self.said.entry(client.to_owned()).or_default();
        *known = reference_seq.max(*known);
    }

    /// A client was let in.
    pub fn welcomed(&mut self, client: &str, is_reader: bool) {
        let is_new = self.ids.insert(client.to_owned());
        self.require(is_new, Invariant::ClientIdOnce, || client.to_owned());
        if is_reader {
            self.readers.insert(client.to_owned());
            let is_sequenced = self
                .docs
                .values()
                .any(|doc| doc.writers.contains_key(client) || doc.gone.contains(client));
            self.require(!is_sequenced, Invariant::ReaderNotSequenced, || client.to_owned());
        }
    }

    /// An operation is on disk.
    pub fn durable(&mut self, document: &str, seq: u64, bytes: &str) {
        let op = match Op::parse(bytes) {
            Ok(op) => op,
            Err(fault) => return self.fail(Invariant::WellFormed, fault),
        };
        let mut doc = self.docs.remove(document).unwrap_or_default();
        self.number(&doc, seq, &op);
        self.minimum(&doc, &op);
        self.time(&doc, &op);
        self.earlier_life(&doc, &op);
        self.client_order(&doc, &op);
        self.exactly_once(&mut doc, document, &op);
        self.summary(&mut doc, &op);
        self.membership(&mut doc, &op);
        doc.log.ops.push(op);
        self.docs.insert(document.to_owned(), doc);
    }

    fn number(&mut self, doc: &Doc, seq: u64, op: &Op) {
        let is_next = seq == op.seq && op.seq == doc.log.head() + 1;
        if let Some(there) = doc.log.get(op.seq).filter(|there| there.bytes != op.bytes) {
            let detail = format!("{} was {}", op.bytes, there.bytes);
            return self.fail(Invariant::SameBytes, detail);
        }
        let head = doc.log.head();
        self.require(is_next, Invariant::DurableOrder, || format!("{seq} after {head}"));
    }

    fn minimum(&mut self, doc: &Doc, op: &Op) {
        let before = doc.log.ops.last().map_or_else(|| doc.log.start.min(op.min), |last| last.min);
        let text = || format!("{} after a minimum of {before}", op.bytes);
        self.require(op.min >= before, Invariant::MinNeverFalls, text);
        // A client's operation is never its own minimum; nothing is ahead of the order.
        let most = if op.client.is_some() { op.seq - 1 } else { op.seq };
        self.require(op.min <= most, Invariant::MinIsExact, text);
        let present = || doc.writers.iter().filter(|(_, writer)| !writer.is_of_earlier_life);
        let goes = op.member.as_deref().filter(|_| op.kind == "leave");
        let stays = |id: &str| goes != Some(id);
        let said = |id: &str| self.said.get(id).copied().unwrap_or(0);
        let most =
            present().filter(|(id, _)| stays(id)).map(|(id, w)| said(id).max(w.join_min)).min();
        let least = present()
            .filter(|(id, _)| stays(id))
            .map(|(id, w)| match op.client.as_deref() {
                Some(client) if client == id => op.reference_seq as u64,
                _ => w.reference_seq,
            })
            .min();
        let (most, least) = match (most, least) {
            (Some(most), Some(least)) => (most, least),
            _ if op.kind == "join" => (op.seq - 1, before),
            _ => (op.seq, op.seq - 1),
        };
        let is_between = (least..=most).contains(&op.min);
        let text = || format!("{} not within {least}..={most}", op.bytes);
        self.require(is_between, Invariant::MinIsExact, text);
    }

    fn time(&mut self, doc: &Doc, op: &Op) {
        let before = doc.log.ops.last().map_or(0, |last| last.time_ms);
        let text = || format!("{} after {before}", op.bytes);
        self.require(op.time_ms >= before, Invariant::TimeNeverFalls, text);
    }

    fn earlier_life(&mut self, doc: &Doc, op: &Op) {
        let is_earlier = |id: &str| doc.writers.get(id).is_some_and(|w| w.is_of_earlier_life);
        let leaves = op.kind == "leave" && op.member.as_deref().is_some_and(is_earlier);
        self.require(!doc.has_earlier_life() || leaves, Invariant::EarlierLifeLeaves, || {
            op.bytes.clone()
        });
    }

    fn client_order(&mut self, doc: &Doc, op: &Op) {
        let Some(writer) = op.client.as_deref().and_then(|id| doc.writers.get(id)) else {
            return;
        };
        let text = || format!("{} after {}", op.bytes, writer.client_seq);
        self.require(op.client_seq > writer.client_seq, Invariant::ClientOrder, text);
    }

    fn exactly_once(&mut self, doc: &mut Doc, document: &str, op: &Op) {
        if let Some(mark) = &op.mark {
            let is_here = mark.split('-').next() == Some(document);
            self.require(is_here, Invariant::DocumentsApart, || {
                format!("{document}: {}", op.bytes)
            });
            let is_new = doc.marks.insert(mark.clone());
            self.require(is_new, Invariant::ExactlyOnce, || op.bytes.clone());
        }
    }

    fn summary(&mut self, doc: &mut Doc, op: &Op) {
        if op.kind == "summarize" {
            doc.open_summaries.insert(op.seq);
        }
        if let Some((proposal, _)) = &op.answers {
            let was_open = doc.open_summaries.remove(proposal);
            self.require(was_open, Invariant::SummaryAnswered, || op.bytes.clone());
        }
    }

    fn membership(&mut self, doc: &mut Doc, op: &Op) {
        let text = || op.bytes.clone();
        match (op.kind.as_str(), &op.member, &op.client) {
            ("join", Some(id), _) => {
                let is_new = !doc.writers.contains_key(id) && !doc.gone.contains(id);
                self.require(is_new, Invariant::Membership, text);
                let is_writer = !self.readers.contains(id);
                self.require(is_writer, Invariant::ReaderNotSequenced, text);
                let writer = Writer {
                    client_seq: 0,
                    reference_seq: op.min,
                    join_min: op.min,
                    is_of_earlier_life: false,
                };
                doc.writers.insert(id.clone(), writer);
            }
            ("leave", Some(id), _) => {
                let was_there = doc.writers.remove(id).is_some();
                self.require(was_there, Invariant::Membership, text);
                doc.gone.insert(id.clone());
            }
            (_, _, Some(id)) => match doc.writers.get_mut(id) {
                Some(writer) => {
                    writer.client_seq = op.client_seq;
                    writer.reference_seq = op.reference_seq as u64;
                }
                None => self.fail(Invariant::Membership, text()),
            },
            _ => {}
        }
    }

    /// Somebody is about to hear an operation.
    pub fn shown(&mut self, dialect: Dialect, document: &str, seq: u64, bytes: &str) {
        self.shown += 1;
        let Some(op) = self.log(document).get(seq) else {
            return self.fail(Invariant::ShownIsDurable, format!("{document}: {bytes}"));
        };
        let is_same = match dialect {
            Dialect::SocketIo => op.bytes == bytes,
            Dialect::Phoenix => op.phoenix_bytes == bytes,
            // Numbers and escapes may be spelled otherwise there.
            Dialect::PhoenixMsgpack => op.phoenix_bytes == bytes || op.is_phoenix(bytes),
        };
        if !is_same {
            let detail = format!("{bytes} is {}", op.bytes);
            self.fail(Invariant::SameBytes, detail);
        }
    }

    /// The records of one durable group: what moves versions.
    pub fn versions(&mut self, versions: &[String], acked: &[String]) {
        let text = || format!("versions {versions:?}, acks {acked:?}");
        self.require(versions == acked, Invariant::VersionWithAck, text);
    }

    /// Whether every summarize operation has its answer.
    pub fn summaries_are_answered(&mut self) {
        let open: Vec<String> = self
            .docs
            .iter()
            .filter(|(_, doc)| !doc.open_summaries.is_empty())
            .map(|(name, doc)| format!("{name}: {:?}", doc.open_summaries))
            .collect();
        self.require(open.is_empty(), Invariant::SummaryAnswered, || open.join(", "));
    }
}
