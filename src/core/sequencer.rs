//! One document's total order: sequence numbers, client and reference numbers, the minimum.
//!
//! Numbers are strictly consecutive. The minimum is the lowest reference number of the writers, or
//! the head when there are none, and never falls. A refused message changes nothing, but that a
//! client whose reference number fell below the minimum is refused from then on.

use crate::dialect::OpKind;
use crate::ids::{ClientId, Seq};
use crate::nack::NackCause;

/// The place of a numbered message in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub seq: Seq,
    pub min: Seq,
    /// The reference number as it counts (an exempt -1 is replaced).
    pub reference_seq: i64,
}

/// What became of a submitted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Sequenced(Ticket),
    /// A noop that moved nothing yet: a service noop may follow.
    Absorbed,
    /// Sent before: dropped in silence.
    Duplicate,
    Refused(NackCause),
}

/// A writer's place in its sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterSlot(u32);

/// A message as far as the order is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    pub kind: OpKind,
    pub client_seq: i64,
    pub reference_seq: Option<i64>,
    /// A noop whose `contents` is present and null: never numbered at once.
    pub null_contents: bool,
}

#[derive(Clone, Debug)]
struct Writer {
    id: ClientId,
    client_seq: i64,
    reference_seq: u64,
    last_heard_ms: u64,
    may_summarize: bool,
    refused: bool,
}

/// See the module's comment.
#[derive(Clone, Debug, Default)]
pub struct Sequencer {
    head: Seq,
    min: Seq,
    min_sent: Seq,
    /// Head at the last message that was not a noop: a writer that knows it holds nothing back.
    content_head: Seq,
    writers: Vec<Option<Writer>>,
    free: Vec<u32>,
    count: u32,
    /// How many writers have `reference_seq == min`; at zero the minimum is looked for anew.
    at_min: u32,
}

impl Sequencer {
    /// Continues after `head`; there are no writers yet, so the minimum is the head.
    #[must_use]
    pub fn resume(head: Seq, min: Seq) -> Self {
        assert!(min <= head, "the minimum is never ahead of the head");
        Self { head, min, min_sent: min, content_head: head, ..Self::default() }
    }

    #[must_use]
    pub fn head(&self) -> Seq {
        self.head
    }

    #[must_use]
    pub fn min(&self) -> Seq {
        self.min
    }

    #[must_use]
    pub fn writers(&self) -> u32 {
        self.count
    }

    /// The last client and reference sequence number of a writer.
    #[must_use]
    pub fn written(&self, slot: WriterSlot) -> Option<(i64, u64)> {
        let writer = self.writers.get(slot.0 as usize)?.as_ref()?;
        Some((writer.client_seq, writer.reference_seq))
    }

    /// A writer enters and its join takes a number.
    pub fn join(
        &mut self,
        id: ClientId,
        may_summarize: bool,
        mono_ms: u64,
    ) -> (WriterSlot, Ticket) {
        let writer = Writer {
            id,
            client_seq: 0,
            reference_seq: self.min.0,
            last_heard_ms: mono_ms,
            may_summarize,
            refused: false,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.writers.push(None);
            (self.writers.len() - 1) as u32
        });
        if let Some(place) = self.writers.get_mut(slot as usize) {
            *place = Some(writer);
        }
        self.count += 1;
        self.at_min += 1;
        (WriterSlot(slot), self.number_system())
    }

    /// A writer goes and its leave takes a number; with the last one the minimum becomes the head.
    pub fn leave(&mut self, slot: WriterSlot) -> Option<Ticket> {
        let writer = self.writers.get_mut(slot.0 as usize)?.take()?;
        self.free.push(slot.0);
        self.count -= 1;
        if writer.reference_seq == self.min.0 {
            self.at_min -= 1;
        }
        self.raise_min();
        if self.count == 0 {
            self.min = self.head.next();
        }
        Some(self.number_system())
    }

    /// The leave of a writer of an earlier life, known only from the stored order.
    pub fn leave_of_earlier_life(&mut self) -> Ticket {
        assert!(self.count == 0, "earlier writers leave before new ones join");
        self.min = self.min.max(self.head);
        self.number_system()
    }

    /// A message only the service writes takes a number: summary acks and nacks.
    pub fn system(&mut self) -> Ticket {
        if self.count == 0 {
            self.min = self.head.next();
        }
        self.number_system()
    }

    /// A service noop, if the minimum rose since it was last sent.
    pub fn noop(&mut self) -> Option<Ticket> {
        (self.min > self.min_sent).then(|| self.number(-1))
    }

    /// Raises a writer's reference number without a message.
    pub fn heard(&mut self, slot: WriterSlot, reference_seq: i64, mono_ms: u64) -> bool {
        let head = self.head.0;
        let Some(writer) = self.writer_mut(slot) else {
            return false;
        };
        writer.last_heard_ms = mono_ms;
        let known = writer.reference_seq;
        let Ok(raised) = u64::try_from(reference_seq) else {
            return false;
        };
        if raised <= known || raised > head {
            return false;
        }
        self.set_reference(slot, raised);
        true
    }

    // walk 7/12
    /// Orders a client's message. Checks in the reference service's order.
    pub fn submit(&mut self, slot: WriterSlot, message: Submission, mono_ms: u64) -> Verdict {
        let (head, min) = (self.head, self.min);
        let Some(writer) = self.writer_mut(slot) else {
            return Verdict::Refused(NackCause::UnknownClient);
        };
        writer.last_heard_ms = mono_ms;
        if message.client_seq <= writer.client_seq {
            return Verdict::Duplicate;
        }
        if writer.refused {
            return Verdict::Refused(NackCause::UnknownClient);
        }
        if message.client_seq != writer.client_seq + 1 {
            return Verdict::Refused(NackCause::Gap);
        }
        if matches!(message.kind, OpKind::System | OpKind::Unknown) {
            return Verdict::Refused(NackCause::TypeNotAllowed);
        }
        let reference_seq = match message.reference_seq {
            Some(-1) => head.0 as i64,
            Some(number) => number,
            None => 0,
        };
        if reference_seq > head.0 as i64 {
            return Verdict::Refused(NackCause::AheadOfHead { reference_seq, head: head.0 });
        }
        if reference_seq < min.0 as i64 {
            writer.refused = true;
            writer.client_seq = message.client_seq;
            return Verdict::Refused(NackCause::BelowWindow { reference_seq, min: min.0 });
        }
        if message.kind == OpKind::Summarize && !writer.may_summarize {
            return Verdict::Refused(NackCause::NoSummaryScope(writer.id));
        }
        writer.client_seq = message.client_seq;
        self.set_reference(slot, reference_seq as u64);
        if message.kind == OpKind::Noop && (message.null_contents || self.min <= self.min_sent) {
            return Verdict::Absorbed;
        }
        let ticket = self.number(reference_seq);
        if message.kind != OpKind::Noop {
            self.content_head = ticket.seq;
        }
        Verdict::Sequenced(ticket)
    }

    /// The writer that holds the minimum back and has said nothing for `idle_ms`.
    #[must_use]
    pub fn idle_writer(&self, mono_ms: u64, idle_ms: u64) -> Option<WriterSlot> {
        let holds_back = |writer: &Writer| {
            writer.reference_seq == self.min.0
                && writer.reference_seq < self.content_head.0
                && mono_ms.saturating_sub(writer.last_heard_ms) > idle_ms
        };
        let found = |writer: &Option<Writer>| writer.as_ref().is_some_and(holds_back);
        self.writers.iter().position(found).map(|at| WriterSlot(at as u32))
    }

    fn writer_mut(&mut self, slot: WriterSlot) -> Option<&mut Writer> {
        self.writers.get_mut(slot.0 as usize)?.as_mut()
    }

    fn set_reference(&mut self, slot: WriterSlot, reference_seq: u64) {
        let min = self.min.0;
        let Some(writer) = self.writer_mut(slot) else {
            return;
        };
        let before = std::mem::replace(&mut writer.reference_seq, reference_seq);
        if before == min && reference_seq != min {
            self.at_min -= 1;
            self.raise_min();
        } else if before != min && reference_seq == min {
            self.at_min += 1;
        }
    }

    /// Looks for the new minimum once nobody holds the old one. Costs one pass over the writers,
    /// about once for every time that all of them have moved on.
    fn raise_min(&mut self) {
        if self.at_min > 0 {
            return;
        }
        let lowest = self.writers.iter().flatten().map(|writer| writer.reference_seq).min();
        let Some(lowest) = lowest else { return };
        assert!(lowest >= self.min.0, "the minimum never falls");
        self.min = Seq(lowest);
        self.at_min =
            self.writers.iter().flatten().filter(|w| w.reference_seq == lowest).count() as u32;
    }

    fn number_system(&mut self) -> Ticket {
        let ticket = self.number(-1);
        self.content_head = ticket.seq;
        ticket
    }

    fn number(&mut self, reference_seq: i64) -> Ticket {
        self.head = self.head.next();
        assert!(self.min <= self.head, "the minimum is never ahead of the head");
        self.min_sent = self.min;
        Ticket { seq: self.head, min: self.min, reference_seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(client_seq: i64, reference_seq: i64) -> Submission {
        Submission {
            kind: OpKind::Op,
            client_seq,
            reference_seq: Some(reference_seq),
            null_contents: false,
        }
    }

    fn noop(client_seq: i64, reference_seq: i64) -> Submission {
        Submission { kind: OpKind::Noop, ..op(client_seq, reference_seq) }
    }

    fn id(n: u128) -> ClientId {
        ClientId::from_bits(n)
    }

    fn sequenced(verdict: Verdict) -> (u64, u64) {
        match verdict {
            Verdict::Sequenced(ticket) => (ticket.seq.0, ticket.min.0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_consecutive_and_the_minimum_follows_the_slowest() {
        let mut s = Sequencer::default();
        let (a, join) = s.join(id(1), false, 0);
        assert_eq!((join.seq.0, join.min.0), (1, 0));
        let (b, join) = s.join(id(2), false, 0);
        assert_eq!((join.seq.0, join.min.0), (2, 0));
        assert_eq!(sequenced(s.submit(a, op(1, 2), 0)), (3, 0));
        assert_eq!(sequenced(s.submit(b, op(1, 3), 0)), (4, 2));
        assert_eq!(sequenced(s.submit(a, op(2, 4), 0)), (5, 3));
        let leave = s.leave(b).expect("b is there");
        assert_eq!((leave.seq.0, leave.min.0), (6, 4));
        let leave = s.leave(a).expect("a is there");
        assert_eq!((leave.seq.0, leave.min.0), (7, 7), "empty: the minimum is the head");
        let (_, join) = s.join(id(3), false, 0);
        assert_eq!((join.seq.0, join.min.0), (8, 7));
    }

    #[test]
    fn duplicates_are_dropped_and_gaps_refused_without_a_change() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        assert_eq!(sequenced(s.submit(a, op(1, 1), 0)), (2, 1));
        assert_eq!(s.submit(a, op(1, 1), 0), Verdict::Duplicate);
        assert_eq!(s.submit(a, op(5, 1), 0), Verdict::Refused(NackCause::Gap));
        assert_eq!(sequenced(s.submit(a, op(2, 1), 0)), (3, 1));
    }

    #[test]
    fn impossible_reference_numbers_are_refused() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        let ahead = NackCause::AheadOfHead { reference_seq: 9999, head: 1 };
        assert_eq!(s.submit(a, op(1, 9999), 0), Verdict::Refused(ahead));
        assert_eq!(sequenced(s.submit(a, op(1, 1), 0)), (2, 1), "the state was kept");
        let below = NackCause::BelowWindow { reference_seq: 0, min: 1 };
        assert_eq!(s.submit(a, op(2, 0), 0), Verdict::Refused(below));
        assert_eq!(s.submit(a, op(3, 2), 0), Verdict::Refused(NackCause::UnknownClient));
    }

    #[test]
    fn system_types_do_not_use_up_a_client_number() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        let system = Submission { kind: OpKind::System, ..op(1, 1) };
        assert_eq!(s.submit(a, system, 0), Verdict::Refused(NackCause::TypeNotAllowed));
        assert_eq!(sequenced(s.submit(a, op(1, 1), 0)), (2, 1));
    }

    #[test]
    fn noops_take_a_number_only_when_the_minimum_rose() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        let (b, _) = s.join(id(2), false, 0);
        assert_eq!(s.submit(a, noop(1, 2), 0), Verdict::Absorbed);
        assert_eq!(sequenced(s.submit(b, noop(1, 2), 0)), (3, 2));
        assert_eq!(s.submit(b, noop(2, 2), 0), Verdict::Absorbed);
        assert_eq!(s.noop(), None);
        let null = Submission { null_contents: true, ..noop(2, 3) };
        assert_eq!(s.submit(a, null, 0), Verdict::Absorbed);
        let null = Submission { null_contents: true, ..noop(3, 3) };
        assert_eq!(s.submit(b, null, 0), Verdict::Absorbed);
        assert_eq!(s.noop().map(|t| (t.seq.0, t.min.0)), Some((4, 3)));
    }

    #[test]
    fn summaries_need_their_scope() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        let summarize = Submission { kind: OpKind::Summarize, ..op(1, 1) };
        let refused = Verdict::Refused(NackCause::NoSummaryScope(id(1)));
        assert_eq!(s.submit(a, summarize, 0), refused);
        let (b, _) = s.join(id(2), true, 0);
        assert!(matches!(s.submit(b, summarize, 0), Verdict::Sequenced(_)));
    }

    #[test]
    fn only_a_silent_writer_that_holds_the_minimum_back_is_idle() {
        let mut s = Sequencer::default();
        let (a, _) = s.join(id(1), false, 0);
        assert_eq!(sequenced(s.submit(a, noop(1, 1), 0)), (2, 1));
        assert_eq!(s.idle_writer(1_000_000, 300), None, "it knows all there is to know");
        let (b, _) = s.join(id(2), false, 1000);
        assert_eq!(sequenced(s.submit(b, op(1, 3), 1000)).0, 4);
        assert_eq!(s.idle_writer(1000, 300), Some(a));
        assert!(s.heard(a, 4, 1000));
        assert_eq!(s.idle_writer(1200, 300), None);
    }
}
