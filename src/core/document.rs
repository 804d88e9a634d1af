//! One document: who is here, what is ordered, what is durable, what is shown.
//!
//! An operation is ordered at once, written with the next commit group (`in_flight`), and shown
//! only when the store has said that the group is durable. What a client is told about an operation
//! (its echo, a nack behind it) waits for the same moment. This file is the only place where
//! durable becomes visible.

mod audience;
mod load;
mod members;
mod signals;
mod summaries;
mod view;

pub use load::{ImageFault, initial_checkpoint};
pub use members::{Budget, Member, MemberSlot, Members};
pub use view::{MemberView, SessionView};

use crate::conns::Port;
use crate::dialect::{Dialect, Mode, OpKind, RawOp, ServerEvent, ops};
use crate::encode::RunBuilder;
use crate::fanout::frame;
use crate::history::History;
use crate::ids::{ClientId, ConnId, DocKey, Now, PartitionId, Seq};
use crate::limits::{CHECKPOINT_OPS, NOOP_CONSOLIDATION_MS};
use crate::nack::NackCause;
use crate::presence::Presence;
use crate::quorum::{Change, Quorum};
use crate::record::{OpRun, Record};
use crate::sequencer::{Sequencer, Submission, Ticket, Verdict};
use crate::summary::Summaries;
use crate::wire::json::Raw;
use bytes::Bytes;
use std::sync::Arc;

/// A client that wants in, admitted by the session.
pub struct Entrant<'a> {
    pub conn: ConnId,
    pub dialect: Dialect,
    pub join_ref: Option<Box<str>>,
    pub client: ClientId,
    pub detail: Bytes,
    pub mode: Mode,
    pub may_write: bool,
    pub may_summarize: bool,
    pub user: Arc<str>,
    /// The token's claims, raw.
    pub claims: &'a [u8],
    pub version: &'a str,
    pub signals_v2: bool,
    pub last_seen: Option<i64>,
}

/// What waits until the operations before it are visible.
#[derive(Debug)]
enum Deferred {
    Frame(ConnId, Bytes),
    /// Everything visible after a number, for a client that asked when it connected. The id tells
    /// it from a later member in its place.
    CatchUp(MemberSlot, ClientId, i64),
}

impl Deferred {
    fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Frame(_, frame) => frame.len(),
                Self::CatchUp(..) => 0,
            }
    }
}

#[derive(Debug)]
struct InFlight {
    run: OpRun,
    deferred: Vec<Deferred>,
    answers_summary: bool,
}

/// See the module's comment.
#[derive(Debug)]
pub struct Document {
    pub key: DocKey,
    pub partition: PartitionId,
    topic: Box<str>,
    sequencer: Sequencer,
    quorum: Quorum,
    summaries: Summaries,
    members: Members,
    presence: Presence,
    /// Ordered, waiting for the next group.
    pending: RunBuilder,
    pending_records: Vec<Record>,
    deferred: Vec<Deferred>,
    /// Bytes of all that is deferred, in the group under way and behind it.
    deferred_bytes: usize,
    answers_summary: bool,
    in_flight: Option<InFlight>,
    history: History,
    visible: Seq,
    checkpoint_seq: Seq,
    time_ms: u64,
    noop_due_ms: Option<u64>,
    empty_since_ms: u64,
    /// Whether the commit queue knows that something is pending.
    pub is_queued: bool,
}

impl Document {
    fn new(key: DocKey, partition: PartitionId, sequencer: Sequencer, mono_ms: u64) -> Self {
        let topic = format!("document:{}:{}", key.tenant(), key.document()).into();
        let visible = sequencer.head();
        Self {
            key,
            partition,
            topic,
            sequencer,
            quorum: Quorum::default(),
            summaries: Summaries::default(),
            members: Members::default(),
            presence: Presence::default(),
            pending: RunBuilder::default(),
            pending_records: Vec::new(),
            deferred: Vec::new(),
            deferred_bytes: 0,
            answers_summary: false,
            in_flight: None,
            history: History::default(),
            visible,
            checkpoint_seq: visible,
            time_ms: 0,
            noop_due_ms: None,
            empty_since_ms: mono_ms,
            is_queued: false,
        }
    }

    // walk 6/12
    /// Operations of a member, in order. The first one that is refused ends the submission: what
    /// was accepted before it is shown, then the nack.
    pub fn submit(&mut self, port: &mut Port<'_>, now: Now, slot: MemberSlot, batches: &[u8]) {
        let max = port.limits.batch_ops_max;
        for (count, op) in ops::each(batches).enumerate() {
            let refused = match op {
                Err(_) => Some((NackCause::MalformedSubmit, None)),
                Ok(op) if count >= max => {
                    Some((NackCause::BatchTooLarge { count: count + 1, max }, Some(op.raw)))
                }
                Ok(op) => {
                    let refused = self.submit_one(port, now, slot, &op).err();
                    refused.map(|cause| (cause, Some(op.raw)))
                }
            };
            if let Some((cause, raw)) = refused {
                self.nack(port, slot, cause, raw);
                return;
            }
        }
    }

    fn submit_one(
        &mut self,
        port: &mut Port<'_>,
        now: Now,
        slot: MemberSlot,
        op: &RawOp<'_>,
    ) -> Result<(), NackCause> {
        let member = self.members.get_mut(slot).ok_or(NackCause::NotConnected)?;
        let writer = match (member.mode, member.writer) {
            (Mode::Write, Some(writer)) => writer,
            (Mode::Write, None) => return Err(NackCause::UnknownClient),
            (Mode::Read, _) if member.may_write => return Err(NackCause::ReadOnlySession),
            (Mode::Read, _) => return Err(NackCause::NoWriteScope),
        };
        let is_behind = self.pending.size_bytes() >= port.limits.pending_bytes_max
            || (op.kind == OpKind::Summarize && self.summaries.is_full());
        if is_behind || !member.ops.take(now.mono_ms) {
            port.counters.throttled += 1;
            return Err(NackCause::Throttled { retry_after_s: 1 });
        }
        let client = member.client;
        let submission = Submission {
            kind: op.kind,
            client_seq: op.client_seq,
            reference_seq: op.reference_seq,
            null_contents: op.contents == Some(b"null"),
        };
        match self.sequencer.submit(writer, submission, now.mono_ms) {
            Verdict::Sequenced(ticket) => {
                self.order(now, client, op, ticket);
                port.counters.ops_sequenced += 1;
                Ok(())
            }
            Verdict::Absorbed => {
                self.expect_noop(now);
                port.counters.noops_absorbed += 1;
                Ok(())
            }
            Verdict::Duplicate => {
                port.counters.duplicates_dropped += 1;
                Ok(())
            }
            Verdict::Refused(cause) => Err(cause),
        }
    }

    /// A numbered client operation goes into the next group, and into what summaries need.
    fn order(&mut self, now: Now, client: ClientId, op: &RawOp<'_>, ticket: Ticket) {
        let time_ms = self.stamp(now);
        self.pending.push_op(client, op, ticket, time_ms);
        match op.kind {
            OpKind::Summarize => {
                let contents = Bytes::copy_from_slice(op.contents.unwrap_or_default());
                let reference_seq = ticket.reference_seq as u64;
                let quorum = self.quorum.blobs_at(Seq(reference_seq));
                self.summaries.proposed(ticket.seq, reference_seq, contents, quorum);
            }
            OpKind::Propose | OpKind::Reject => {
                let contents = op.contents.and_then(|raw| Raw::parse(raw).ok());
                if let Some(change) = load::change_of(op.kind.as_str(), contents, None) {
                    self.quorum.apply(ticket.seq, change);
                }
            }
            _ => {}
        }
        self.advance(ticket);
    }

    fn order_join(&mut self, now: Now, client: ClientId, detail: &[u8], ticket: Ticket) {
        let time_ms = self.stamp(now);
        self.pending.push_join(client, detail, ticket, time_ms);
        let detail = String::from_utf8_lossy(detail).into_owned();
        self.quorum.apply(ticket.seq, Change::Join { client: client.to_string(), detail });
        self.advance(ticket);
    }

    fn order_leave(&mut self, now: Now, client: ClientId, ticket: Ticket) {
        let time_ms = self.stamp(now);
        self.pending.push_leave(client, ticket, time_ms);
        self.quorum.apply(ticket.seq, Change::Leave { client: client.to_string() });
        self.advance(ticket);
    }

    /// Raises a client's reference number without an operation (Phoenix `noop`).
    pub fn heard(&mut self, now: Now, slot: MemberSlot, reference_seq: i64) {
        let writer = self.members.get(slot).and_then(|member| member.writer);
        if writer.is_some_and(|w| self.sequencer.heard(w, reference_seq, now.mono_ms)) {
            self.expect_noop(now);
        }
    }

    fn expect_noop(&mut self, now: Now) {
        self.noop_due_ms.get_or_insert(now.mono_ms + NOOP_CONSOLIDATION_MS);
    }

    /// What must be written for this document now, into `records`; shown once it is durable.
    pub fn take_group(&mut self, records: &mut Vec<Record>) {
        assert!(self.in_flight.is_none(), "one group of a document is under way at a time");
        let Some(run) = self.pending.take() else {
            return;
        };
        records.push(Record::Ops(self.key.clone(), run.clone()));
        records.append(&mut self.pending_records);
        let head = run.last();
        if head.0 - self.checkpoint_seq.0 >= CHECKPOINT_OPS {
            records.push(Record::Checkpoint(self.key.clone(), head, self.checkpoint()));
            self.checkpoint_seq = head;
        }
        self.in_flight = Some(InFlight {
            run,
            deferred: std::mem::take(&mut self.deferred),
            answers_summary: std::mem::take(&mut self.answers_summary),
        });
    }

    /// The group is durable: it becomes visible, here and nowhere else.
    pub fn publish(&mut self, port: &mut Port<'_>, now: Now) {
        let Some(InFlight { run, deferred, answers_summary }) = self.in_flight.take() else {
            return;
        };
        assert!(run.first == self.visible.next(), "operations become visible in order");
        self.visible = run.last();
        port.counters.ops_published += run.count() as u64;
        let event = ServerEvent::Ops { document: self.key.document(), run: &run.bytes };
        let heard = self.broadcast(port, event, run.bytes.len(), |_| true);
        port.counters.op_deliveries += (heard * run.count()) as u64;
        self.history.push(run);
        for deferred in deferred {
            self.deferred_bytes -= deferred.size_bytes();
            self.perform(port, deferred);
        }
        if answers_summary {
            self.summaries.settled();
        }
        self.start_summary(port, now);
    }

    /// When the clients' noops are consolidated into one of the service, if that is due at all.
    #[must_use]
    pub fn noop_due_ms(&self) -> Option<u64> {
        self.noop_due_ms
    }

    /// Sends the minimum with a noop of the service, if it rose since it was last sent.
    pub fn consolidate_noops(&mut self, now: Now) {
        self.noop_due_ms = None;
        if let Some(ticket) = self.sequencer.noop() {
            let time_ms = self.stamp(now);
            self.pending.push_noop(ticket, time_ms);
            self.advance(ticket);
        }
    }

    /// Writers that hold the minimum back in silence get a leave.
    pub fn evict_idle(&mut self, now: Now, idle_writer_ms: u64) {
        while let Some(writer) = self.sequencer.idle_writer(now.mono_ms, idle_writer_ms) {
            let Some(ticket) = self.sequencer.leave(writer) else {
                break;
            };
            let Some(member) = self.members.by_writer(writer) else {
                break;
            };
            member.writer = None;
            let client = member.client;
            self.order_leave(now, client, ticket);
        }
    }

    /// Tells one member why its operation was refused, after what it submitted before is shown.
    pub fn nack(
        &mut self,
        port: &mut Port<'_>,
        slot: MemberSlot,
        cause: NackCause,
        operation: Option<&[u8]>,
    ) {
        port.counters.nacks += 1;
        let Some(member) = self.members.get(slot) else {
            return;
        };
        let conn = member.conn;
        if self.deferred_bytes >= port.limits.pending_bytes_max {
            // It goes on and on although nothing it sends can be answered now.
            return port.abort(conn);
        }
        let frame = self.nack_frame(member, cause, operation);
        self.defer(port, Deferred::Frame(conn, frame));
    }

    /// A nack in the words of a member's wire.
    #[must_use]
    pub fn nack_frame(&self, member: &Member, cause: NackCause, operation: Option<&[u8]>) -> Bytes {
        let mut nack = cause.words(member.dialect);
        let document = if cause.is_sequencers() {
            nack.operation = operation;
            nack.sequence_number = self.sequencer.min().0 as i64;
            self.key.document()
        } else {
            ""
        };
        let event = ServerEvent::Nack { document, nack: &nack };
        frame(&member.address(&self.topic), &event, operation.map_or(0, <[u8]>::len))
    }

    /// Now, or when everything that is ordered so far has become visible.
    fn defer(&mut self, port: &mut Port<'_>, deferred: Deferred) {
        let waiting = match &mut self.in_flight {
            _ if !self.pending.is_empty() => &mut self.deferred,
            Some(in_flight) => &mut in_flight.deferred,
            None => return self.perform(port, deferred),
        };
        self.deferred_bytes += deferred.size_bytes();
        waiting.push(deferred);
    }

    fn perform(&self, port: &mut Port<'_>, deferred: Deferred) {
        match deferred {
            Deferred::Frame(conn, bytes) => port.push(conn, bytes),
            Deferred::CatchUp(slot, client, from) => {
                if self.members.get(slot).is_some_and(|member| member.client == client) {
                    self.catch_up(port, slot, from);
                }
            }
        }
    }

    fn advance(&mut self, ticket: Ticket) {
        if !self.quorum.is_quiet() {
            self.quorum.advance(ticket.seq, ticket.min);
        }
    }

    /// The wall clock, made to never run backwards within a document.
    fn stamp(&mut self, now: Now) -> u64 {
        self.time_ms = self.time_ms.max(now.unix_ms);
        self.time_ms
    }
}

/// What others may know about a document.
impl Document {
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    #[must_use]
    pub fn visible(&self) -> Seq {
        self.visible
    }

    #[must_use]
    pub fn min(&self) -> Seq {
        self.sequencer.min()
    }

    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.size_bytes()
    }

    /// Whether the document may leave memory: nobody is here and nothing is open.
    #[must_use]
    pub fn may_leave(&self, mono_ms: u64, idle_ms: u64) -> bool {
        self.members.is_empty()
            && self.is_settled()
            && mono_ms.saturating_sub(self.empty_since_ms) >= idle_ms
    }

    /// Whether nothing is to be written, being written or being decided.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.in_flight.is_none() && self.summaries.is_idle()
    }

    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }
}
