//! The verifier: what each receiver gets is compared with one log per document.
//!
//! The first receiver that sees a sequence number adds it to the document's log, where it must
//! follow the last one and be the next op of a known author, with the contents that were sent.
//! Every receiver must then see exactly the log, without gap, repetition or difference. Together
//! that proves the same order everywhere, and that each op came back exactly once.

use crate::scan::{Op, OpScanner, ScanError, joined_client_id};
use std::collections::{HashMap, VecDeque};
use thiserror::Error;

/// Most ops a document's log holds for its slowest receiver.
const LOG_OPS: usize = 1 << 20;
/// How many ops are added between two looks at what every receiver has passed.
const TRIM_EVERY_OPS: u64 = 4096;
/// Most bytes of recent frames kept to compare other receivers' frames with.
const FRAMES_BYTES: usize = 512 << 10;

/// What a service did wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Violation {
    #[error("a receiver expected sequence number {expected} and got {found}")]
    Sequence { expected: u64, found: u64 },
    #[error("sequence number {0} differs between receivers")]
    Differs(u64),
    #[error("sequence number {0} is from a client that never connected")]
    UnknownAuthor(u64),
    #[error("sequence number {at}: author's op {expected} was due and {found} came")]
    AuthorOrder { at: u64, expected: i64, found: i64 },
    #[error("sequence number {0} was never submitted")]
    NeverSubmitted(u64),
    #[error("sequence number {0} has other contents than were submitted")]
    Contents(u64),
    #[error("sequence number {at}: the minimum fell from {before} to {after}")]
    MinimumFell { at: u64, before: u64, after: u64 },
    #[error("sequence number {at} has a minimum of {minimum}, above it")]
    MinimumAhead { at: u64, minimum: u64 },
    #[error("a receiver lags so far behind that sequence number {0} can no longer be checked")]
    Unchecked(u64),
    #[error("{0} ops were submitted and never came back")]
    Lost(u64),
    #[error("a receiver stopped at {found} while its document reached {head}")]
    Behind { head: u64, found: u64 },
    #[error("a signal from one sender came as {found} after {last}")]
    SignalOrder { last: u64, found: u64 },
    #[error("unreadable frame: {0}")]
    Scan(#[from] ScanError),
}

/// Index of a client among a run's clients.
pub type ClientIndex = u32;

/// What one op means to a receiver's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `None` for ops of the service itself.
    pub author: Option<ClientIndex>,
    /// When the author meant to send it.
    pub sent_ns: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    digest: u64,
    delivery: Delivery,
}

/// A frame that was verified op by op; equal bytes at the same place need no second look.
struct Frame {
    first: u64,
    last: u64,
    bytes: Vec<u8>,
}

/// A receiver's place in its document.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// First sequence number seen, 0 before any.
    first: u64,
    /// Last sequence number seen, 0 before any.
    last: u64,
    /// Number of the frame expected next.
    frame: u64,
}

impl Receiver {
    /// The last sequence number seen, 0 before any.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether this sequence number was among those seen.
    #[must_use]
    pub fn has_seen(&self, sequence_number: u64) -> bool {
        self.first != 0 && (self.first..=self.last).contains(&sequence_number)
    }
}

/// What an author has submitted and not seen sequenced.
struct Author {
    client: ClientIndex,
    /// Client sequence number of the first one outstanding.
    next_csn: i64,
    sent_ns: VecDeque<u64>,
}

/// One document's log and authors.
#[derive(Default)]
pub struct Document {
    /// Sequence number of the first entry.
    base: u64,
    /// `None` is a hole: somebody has seen what follows, nobody yet the op itself.
    entries: VecDeque<Option<Entry>>,
    is_trimmed: bool,
    minimum: u64,
    frames: VecDeque<Frame>,
    frames_base: u64,
    frames_bytes: usize,
    authors: HashMap<Box<[u8]>, Author>,
    joins: HashMap<Box<[u8]>, u64>,
    sequenced_ops: u64,
}

impl Document {
    /// The highest sequence number seen by anybody, 0 before any.
    #[must_use]
    pub fn head(&self) -> u64 {
        (self.base + self.entries.len() as u64).saturating_sub(1)
    }

    /// How many submitted ops came back.
    #[must_use]
    pub fn sequenced_ops(&self) -> u64 {
        self.sequenced_ops
    }

    /// Sequence number of a client's join, once anybody has seen it.
    #[must_use]
    pub fn join_of(&self, client_id: &[u8]) -> Option<u64> {
        self.joins.get(client_id).copied()
    }

    /// Makes a connected client known as an author.
    pub fn add_author(&mut self, client_id: &[u8], client: ClientIndex) {
        let author = Author { client, next_csn: 1, sent_ns: VecDeque::new() };
        self.authors.insert(client_id.into(), author);
    }

    /// Forgets a client that left with nothing outstanding.
    pub fn remove_author(&mut self, client_id: &[u8]) {
        self.authors.remove(client_id);
        self.joins.remove(client_id);
    }

    /// Notes a submitted op and answers its client sequence number.
    pub fn submitted(&mut self, client_id: &[u8], sent_ns: u64) -> Option<i64> {
        let author = self.authors.get_mut(client_id)?;
        author.sent_ns.push_back(sent_ns);
        Some(author.next_csn + author.sent_ns.len() as i64 - 1)
    }

    /// How many submitted ops have not come back to anybody.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.authors.values().map(|author| author.sent_ns.len() as u64).sum()
    }

    /// Takes an `op` frame for one receiver and reports each of its ops to `deliver`.
    ///
    /// # Errors
    /// The first thing that is wrong with it; the receiver's place is then not to be trusted.
    pub fn receive(
        &mut self,
        receiver: &mut Receiver,
        frame: &[u8],
        mut deliver: impl FnMut(Delivery),
    ) -> Result<(), Violation> {
        if let Some(last) = self.same_frame(receiver, frame) {
            let from = (receiver.last + 1 - self.base) as usize;
            let to = (last + 1 - self.base) as usize;
            let entries = self.entries.range(from..to).flatten();
            entries.for_each(|entry| deliver(entry.delivery));
            receiver.last = last;
            receiver.frame += 1;
            return Ok(());
        }
        let head_before = self.head();
        let mut first = 0;
        for op in OpScanner::new(frame) {
            let op = op?;
            first = if first == 0 { op.sequence_number } else { first };
            deliver(self.receive_op(receiver, &op)?);
        }
        if first == 0 {
            return Ok(());
        }
        if receiver.last > head_before {
            self.keep_frame(first, receiver.last, frame);
        }
        receiver.frame = self.frames_base
            + self.frames.partition_point(|kept| kept.first <= receiver.last) as u64;
        Ok(())
    }

    /// The last sequence number of the frame expected next, if these are its bytes.
    fn same_frame(&self, receiver: &Receiver, bytes: &[u8]) -> Option<u64> {
        let index = receiver.frame.checked_sub(self.frames_base)? as usize;
        let frame = self.frames.get(index)?;
        let usable = frame.first == receiver.last + 1 && frame.first >= self.base;
        (usable && receiver.first != 0 && frame.bytes == bytes).then_some(frame.last)
    }

    fn keep_frame(&mut self, first: u64, last: u64, bytes: &[u8]) {
        let mut storage = Vec::new();
        while self.frames_bytes + bytes.len() > FRAMES_BYTES {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.frames_base += 1;
            self.frames_bytes -= oldest.bytes.len();
            storage = oldest.bytes;
        }
        storage.clear();
        storage.extend_from_slice(bytes);
        self.frames_bytes += bytes.len();
        self.frames.push_back(Frame { first, last, bytes: storage });
    }

    fn receive_op(&mut self, receiver: &mut Receiver, op: &Op<'_>) -> Result<Delivery, Violation> {
        let found = op.sequence_number;
        if receiver.first == 0 {
            receiver.first = found;
        } else if found != receiver.last + 1 {
            return Err(Violation::Sequence { expected: receiver.last + 1, found });
        }
        receiver.last = found;
        if self.entries.is_empty() && self.base == 0 {
            self.base = found;
        }
        self.extend_back_to(found)?;
        let digest = digest(op);
        self.extend_to(receiver, found)?;
        let index = (found - self.base) as usize;
        if let Some(entry) = self.entries[index] {
            let same = entry.digest == digest;
            return if same { Ok(entry.delivery) } else { Err(Violation::Differs(found)) };
        }
        let delivery = self.accept(op, index + 1 == self.entries.len())?;
        self.entries[index] = Some(Entry { digest, delivery });
        Ok(delivery)
    }

    /// Makes room in the log before its base: whoever was read first need not have joined first.
    fn extend_back_to(&mut self, found: u64) -> Result<(), Violation> {
        if found < self.base && (self.is_trimmed || self.base - found > LOG_OPS as u64) {
            return Err(Violation::Unchecked(found));
        }
        while found < self.base {
            self.entries.push_front(None);
            self.base -= 1;
        }
        Ok(())
    }

    /// Makes room in the log for `found`. Only the first op of a new receiver may leave a hole
    /// behind it: its socket can be read before those of the receivers that saw what it missed.
    fn extend_to(&mut self, receiver: &Receiver, found: u64) -> Result<(), Violation> {
        let next = self.base + self.entries.len() as u64;
        let hole = found.saturating_sub(next);
        if hole > 0 && (receiver.first != found || hole > LOG_OPS as u64) {
            return Err(Violation::Sequence { expected: next, found });
        }
        for _ in next..=found {
            self.entries.push_back(None);
        }
        Ok(())
    }

    /// Checks an op that nobody has seen before.
    fn accept(&mut self, op: &Op<'_>, is_newest: bool) -> Result<Delivery, Violation> {
        let (at, minimum) = (op.sequence_number, op.minimum_sequence_number);
        if minimum > at {
            return Err(Violation::MinimumAhead { at, minimum });
        }
        if is_newest && minimum < self.minimum {
            return Err(Violation::MinimumFell { at, before: self.minimum, after: minimum });
        }
        self.minimum = self.minimum.max(minimum);
        let Some(client_id) = op.client_id else {
            if op.kind == b"join"
                && let Some(joined) = joined_client_id(op.data)
            {
                self.joins.insert(joined.into(), at);
            }
            return Ok(Delivery { author: None, sent_ns: 0 });
        };
        let author = self.authors.get_mut(client_id).ok_or(Violation::UnknownAuthor(at))?;
        if op.client_sequence_number != author.next_csn {
            let (expected, found) = (author.next_csn, op.client_sequence_number);
            return Err(Violation::AuthorOrder { at, expected, found });
        }
        let sent_ns = author.sent_ns.pop_front().ok_or(Violation::NeverSubmitted(at))?;
        author.next_csn += 1;
        let mark = contents_mark(author.client, op.client_sequence_number);
        if memchr::memmem::find(op.contents, mark.as_bytes()).is_none() {
            return Err(Violation::Contents(at));
        }
        self.sequenced_ops += 1;
        Ok(Delivery { author: Some(author.client), sent_ns })
    }

    /// Drops what every receiver has passed, given the lowest place among them. Some more is kept
    /// for a receiver that has joined but whose socket was not read yet.
    pub fn trim(&mut self, lowest: u64) {
        let keep_from = lowest.min(self.head()).saturating_sub(TRIM_EVERY_OPS);
        while self.base < keep_from || self.entries.len() > LOG_OPS {
            if self.entries.pop_front().is_none() {
                break;
            }
            self.base += 1;
            self.is_trimmed = true;
        }
    }

    /// Whether the log has grown enough since its base to look for what can be dropped.
    #[must_use]
    pub fn wants_trim(&self) -> bool {
        self.entries.len() as u64 > 3 * TRIM_EVERY_OPS
    }
}

/// A text that stands in an op's contents and names its author and number.
#[must_use]
pub fn contents_mark(client: ClientIndex, csn: i64) -> String {
    format!("#{client}.{csn};")
}

fn digest(op: &Op<'_>) -> u64 {
    let numbers = [
        op.minimum_sequence_number,
        op.reference_sequence_number as u64,
        op.client_sequence_number as u64,
        op.timestamp_ms as u64,
    ];
    let start = numbers.into_iter().fold(op.sequence_number, mix);
    [op.client_id.unwrap_or(b""), op.kind, op.contents, op.data].into_iter().fold(start, mix_bytes)
}

fn mix(hash: u64, value: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(value ^ 0xd6e8_feb8_6659_fd93);
    (product as u64) ^ ((product >> 64) as u64)
}

fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(seq: u64, client: &str, csn: i64) -> String {
        let (minimum, mark) = (seq / 2, contents_mark(7, csn));
        [
            format!(r#"{{"clientId":"{client}","clientSequenceNumber":{csn},"contents":"{mark}","#),
            format!(r#""minimumSequenceNumber":{minimum},"referenceSequenceNumber":1,"#),
            format!(r#""sequenceNumber":{seq},"timestamp":5,"type":"op"}}"#),
        ]
        .concat()
    }

    fn frame(ops: &[String]) -> Vec<u8> {
        format!(r#"42["op","d",[{}]]"#, ops.join(",")).into_bytes()
    }

    fn document(submitted: usize) -> Document {
        let mut document = Document::default();
        document.add_author(b"a", 7);
        for n in 0..submitted {
            document.submitted(b"a", n as u64);
        }
        document
    }

    fn receive(
        document: &mut Document,
        receiver: &mut Receiver,
        ops: &[String],
    ) -> Result<usize, Violation> {
        let mut count = 0;
        document.receive(receiver, &frame(ops), |_| count += 1).map(|()| count)
    }

    #[test]
    fn receivers_agree_however_the_ops_are_cut_into_frames() {
        let ops: Vec<_> = (1..=6).map(|n| op(n + 10, "a", n as i64)).collect();
        let mut document = document(6);
        for cut in [&[6][..], &[2, 4], &[1, 1, 1, 1, 1, 1], &[2, 4], &[6]] {
            let mut receiver = Receiver::default();
            let mut rest = &ops[..];
            for &size in cut {
                let (now, later) = rest.split_at(size);
                assert_eq!(receive(&mut document, &mut receiver, now), Ok(size));
                rest = later;
            }
            assert_eq!(receiver.last(), 16);
        }
        assert_eq!((document.outstanding(), document.sequenced_ops()), (0, 6));
    }

    #[test]
    fn equal_frames_take_the_short_way_with_the_same_result() {
        let mut document = document(4);
        let (mut first, mut second) = (Receiver::default(), Receiver::default());
        let frames: Vec<_> = (1..=4).map(|n| frame(&[op(n, "a", n as i64)])).collect();
        let mut seen = [Vec::new(), Vec::new()];
        for bytes in &frames {
            document.receive(&mut first, bytes, |delivery| seen[0].push(delivery)).unwrap();
        }
        for (n, bytes) in frames.iter().enumerate() {
            assert_eq!(document.same_frame(&second, bytes).is_some(), n > 0);
            document.receive(&mut second, bytes, |delivery| seen[1].push(delivery)).unwrap();
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0][3], Delivery { author: Some(7), sent_ns: 3 });
    }

    #[test]
    fn a_gap_is_caught() {
        let mut document = document(3);
        let (mut first, mut second) = (Receiver::default(), Receiver::default());
        let ops: Vec<_> = (1..=3).map(|n| op(n, "a", n as i64)).collect();
        assert_eq!(receive(&mut document, &mut first, &ops), Ok(3));
        assert_eq!(receive(&mut document, &mut second, &ops[..1]), Ok(1));
        let gap = Violation::Sequence { expected: 2, found: 3 };
        assert_eq!(receive(&mut document, &mut second, &ops[2..]), Err(gap.clone()));
        let mut alone = Receiver { first: 1, last: 1, frame: 0 };
        assert_eq!(receive(&mut document, &mut alone, &ops[2..]), Err(gap));
    }

    #[test]
    fn a_duplicate_is_caught() {
        let mut document = document(3);
        let mut receiver = Receiver::default();
        let ops = [op(1, "a", 1), op(2, "a", 1)];
        let again = Violation::AuthorOrder { at: 2, expected: 2, found: 1 };
        assert_eq!(receive(&mut document, &mut receiver, &ops), Err(again));
        let mut receiver = Receiver { first: 1, last: 1, frame: 0 };
        let repeated = Violation::Sequence { expected: 2, found: 1 };
        assert_eq!(receive(&mut document, &mut receiver, &ops[..1]), Err(repeated));
    }

    #[test]
    fn a_reordering_is_caught() {
        let mut document = document(3);
        document.add_author(b"b", 7);
        document.submitted(b"b", 0);
        let (mut first, mut second) = (Receiver::default(), Receiver::default());
        receive(&mut document, &mut first, &[op(1, "a", 1), op(2, "b", 1)]).unwrap();
        let swapped = [op(1, "b", 1), op(2, "a", 1)];
        assert_eq!(receive(&mut document, &mut second, &swapped), Err(Violation::Differs(1)));
        let skipped = Violation::AuthorOrder { at: 3, expected: 2, found: 3 };
        assert_eq!(receive(&mut document, &mut first, &[op(3, "a", 3)]), Err(skipped));
    }

    #[test]
    fn a_new_receiver_may_be_ahead_and_the_others_fill_the_hole() {
        let mut document = document(4);
        let (mut old, mut new) = (Receiver::default(), Receiver::default());
        let system = |seq| op(seq, "a", 1).replace(r#""clientId":"a""#, r#""clientId":null"#);
        assert_eq!(receive(&mut document, &mut old, &[system(1)]), Ok(1));
        assert_eq!(receive(&mut document, &mut new, &[system(4)]), Ok(1));
        assert_eq!(document.head(), 4);
        let filled = [system(2), system(3), system(4), op(5, "a", 1)];
        assert_eq!(receive(&mut document, &mut old, &filled), Ok(4));
        let gap = Violation::Sequence { expected: 5, found: 6 };
        assert_eq!(receive(&mut document, &mut new, &[op(6, "a", 2)]), Err(gap));
    }

    #[test]
    fn whoever_is_read_first_need_not_have_joined_first() {
        let mut document = document(2);
        let (mut old, mut new) = (Receiver::default(), Receiver::default());
        let system = |seq| op(seq, "a", 1).replace(r#""clientId":"a""#, r#""clientId":null"#);
        assert_eq!(receive(&mut document, &mut new, &[system(3), system(4)]), Ok(2));
        let all = [system(1), system(2), system(3), system(4), op(5, "a", 1)];
        assert_eq!(receive(&mut document, &mut old, &all), Ok(5));
        assert_eq!(receive(&mut document, &mut new, &all[4..]), Ok(1));
    }

    #[test]
    fn changed_contents_are_caught() {
        let mut document = document(2);
        let (mut first, mut second) = (Receiver::default(), Receiver::default());
        let wrong = op(1, "a", 1).replace("#7.1;", "#7.2;");
        let contents = Err(Violation::Contents(1));
        assert_eq!(receive(&mut document, &mut first, &[wrong]), contents);
        let mut document = self::document(2);
        let mut first = Receiver::default();
        receive(&mut document, &mut first, &[op(1, "a", 1)]).unwrap();
        let other_time = op(1, "a", 1).replace(r#""timestamp":5"#, r#""timestamp":6"#);
        let differs = Err(Violation::Differs(1));
        assert_eq!(receive(&mut document, &mut second, &[other_time]), differs);
    }

    #[test]
    fn strangers_and_ops_never_submitted_are_caught() {
        let mut document = document(0);
        let stranger = receive(&mut document, &mut Receiver::default(), &[op(1, "z", 1)]);
        assert_eq!(stranger, Err(Violation::UnknownAuthor(1)));
        let never = receive(&mut document, &mut Receiver::default(), &[op(1, "a", 1)]);
        assert_eq!(never, Err(Violation::NeverSubmitted(1)));
    }

    #[test]
    fn a_falling_minimum_is_caught() {
        let mut document = document(2);
        let mut receiver = Receiver::default();
        receive(&mut document, &mut receiver, &[op(10, "a", 1)]).unwrap();
        let low =
            op(11, "a", 2).replace(r#"minimumSequenceNumber":5"#, r#"minimumSequenceNumber":4"#);
        let fell = Violation::MinimumFell { at: 11, before: 5, after: 4 };
        assert_eq!(receive(&mut document, &mut receiver, &[low]), Err(fell));
    }

    #[test]
    fn trimming_keeps_what_the_slowest_needs() {
        let count = 4 * TRIM_EVERY_OPS;
        let mut document = document(count as usize);
        let (mut fast, mut slow) = (Receiver::default(), Receiver::default());
        let ops: Vec<_> = (1..=count).map(|n| op(n, "a", n as i64)).collect();
        let (passed, ahead) = ops.split_at(2 * TRIM_EVERY_OPS as usize);
        receive(&mut document, &mut fast, &ops).unwrap();
        receive(&mut document, &mut slow, passed).unwrap();
        assert!(document.wants_trim());
        document.trim(slow.last());
        assert_eq!(document.base, TRIM_EVERY_OPS);
        assert_eq!(document.head(), count);
        assert_eq!(receive(&mut document, &mut slow, ahead), Ok(ahead.len()));
        let early = receive(&mut document, &mut Receiver::default(), &ops[..1]);
        assert_eq!(early, Err(Violation::Unchecked(1)));
    }

    #[test]
    fn a_join_is_remembered_and_seen() {
        let mut document = document(0);
        let mut receiver = Receiver::default();
        let join = op(1, "a", -1)
            .replace(r#""clientId":"a""#, r#""clientId":null"#)
            .replace(r#""type":"op""#, r#""type":"join","data":"{\"clientId\":\"a\"}""#);
        receive(&mut document, &mut receiver, &[join]).unwrap();
        assert_eq!(document.join_of(b"a"), Some(1));
        assert!(receiver.has_seen(1));
        assert!(!receiver.has_seen(2));
    }
}
