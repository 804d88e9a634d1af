//! Summaries: every summarize operation gets an ack or a nack, and the version moves with the ack.
//!
//! Jobs of one document run one after the other; the next starts when the answer to the last one
//! is visible, so that it sees the version the last one made.

use crate::git::{
    AcceptContext, Attributes, ObjectId, Objects, ObjectsUnavailable, Protocol, SummaryProposal,
    SummaryVerdict, accept_summary,
};
use crate::ids::Seq;
use crate::quorum::QuorumBlobs;
use crate::wire::json::{Raw, write_string, write_u64};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Everything a decision needs besides the document's objects. Runs on a storage thread.
#[derive(Debug)]
pub struct SummaryJob {
    proposal: Result<SummaryProposal, ()>,
    protocol: Protocol,
    context: AcceptContext,
}

impl SummaryJob {
    /// Decides. Errors: only objects that cannot be read now.
    pub fn run(&self, objects: &dyn Objects) -> Result<SummaryVerdict, ObjectsUnavailable> {
        match &self.proposal {
            Ok(proposal) => accept_summary(objects, proposal, &self.protocol, &self.context),
            Err(()) => Ok(SummaryVerdict::Nack {
                message: "The summarize op's contents are not readable".into(),
            }),
        }
    }
}

/// Summarize operations of one document that may wait for their turn, with their contents.
const SUMMARIES_WAITING_MAX: usize = 64;

/// A summarize operation that waits for its turn.
#[derive(Debug)]
struct Open {
    seq: Seq,
    reference_seq: u64,
    contents: Bytes,
    /// The quorum at the reference number, taken while the minimum had not passed it.
    quorum: QuorumBlobs,
}

/// What a document knows of its summaries. The durable part is in its checkpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Summaries {
    /// Hex id of the last acknowledged version, with the number of its summarize operation.
    last_acked: Option<(String, u64)>,
    /// A minimum that was in force at or before the last summary of this life: for one whose
    /// reference operation has left the history. Not in the order, so not in the checkpoint.
    #[serde(skip)]
    min_floor: u64,
    /// Summarize operations that are in the order and not yet answered.
    unanswered: Vec<u64>,
    #[serde(skip)]
    waiting: VecDeque<Open>,
    /// The operation whose job is under way, or whose answer is not visible yet.
    #[serde(skip)]
    running: Option<Seq>,
}

impl Summaries {
    /// Takes note of a summarize operation as it enters the order, with the quorum at its
    /// reference number: once the minimum has passed that, nobody knows it any more.
    pub fn proposed(&mut self, seq: Seq, reference_seq: u64, contents: Bytes, quorum: QuorumBlobs) {
        self.unanswered.push(seq.0);
        self.waiting.push_back(Open { seq, reference_seq, contents, quorum });
    }

    /// The next job, if none is running and one's operation is visible. `min_of` finds the minimum
    /// that the operation of a number carried.
    pub fn start(
        &mut self,
        visible: Seq,
        time_unix_s: u64,
        min_of: impl Fn(Seq) -> Option<u64>,
    ) -> Option<(Seq, SummaryJob)> {
        if self.running.is_some() || self.waiting.front().is_none_or(|open| open.seq > visible) {
            return None;
        }
        let open = self.waiting.pop_front()?;
        self.running = Some(open.seq);
        let reference = Seq(open.reference_seq);
        let blobs = open.quorum;
        let min = min_of(reference).unwrap_or(self.min_floor).min(open.reference_seq);
        self.min_floor = min;
        let protocol = Protocol {
            attributes: Attributes {
                minimum_sequence_number: min,
                sequence_number: open.reference_seq,
            },
            members: blobs.members.into(),
            proposals: blobs.proposals.into(),
            values: blobs.values.into(),
        };
        let proposal = SummaryProposal::parse(&open.contents, open.reference_seq, open.seq.0);
        let context = AcceptContext {
            last_acked: self.last_acked(),
            valid_parents: Vec::new(),
            time_unix_s: time_unix_s as i64,
        };
        let job = SummaryJob { proposal: proposal.map_err(|_| ()), protocol, context };
        Some((open.seq, job))
    }

    /// The version of the last acked summary.
    #[must_use]
    pub fn last_acked(&self) -> Option<ObjectId> {
        self.last_acked.as_ref().and_then(|(id, _)| id.parse().ok())
    }

    /// Handle and number of the last acked summary, for `summaryContext`.
    #[must_use]
    pub fn context(&self) -> Option<(&str, Seq)> {
        self.last_acked.as_ref().map(|(id, seq)| (id.as_str(), Seq(*seq)))
    }

    /// Whether the verdict of a job is wanted: it was started by this life of the document, and
    /// nobody has answered its operation.
    #[must_use]
    pub fn awaits(&self, proposal: Seq) -> bool {
        self.running == Some(proposal) && self.unanswered.contains(&proposal.0)
    }

    /// The answer to a summarize operation enters the order.
    pub fn answered(&mut self, proposal: Seq, version: Option<ObjectId>) {
        self.unanswered.retain(|open| *open != proposal.0);
        if let Some(version) = version {
            self.last_acked = Some((version.to_string(), proposal.0));
        }
    }

    /// A job's answer is visible: the next may start.
    pub fn settled(&mut self) {
        self.running = None;
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Whether so many wait for their turn that another one must wait outside.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= SUMMARIES_WAITING_MAX
    }

    /// Operations that an earlier life left without an answer.
    #[must_use]
    pub fn unanswered(&self) -> Vec<Seq> {
        self.unanswered.iter().copied().map(Seq).collect()
    }

    /// The same steps from stored operations: raw JSON of the operation's type and contents.
    pub fn replay(&mut self, kind: &str, seq: Seq, contents: Option<Raw<'_>>) {
        match kind {
            "summarize" => self.unanswered.push(seq.0),
            "summaryAck" | "summaryNack" => {
                let number = |raw: Raw<'_>| {
                    raw.field("summaryProposal")?.field("summarySequenceNumber")?.as_u64()
                };
                let Some(proposal) = contents.and_then(number) else {
                    return;
                };
                let handle = contents.and_then(|raw| raw.field("handle")?.as_str());
                let version = handle.and_then(|text| text.parse().ok());
                self.answered(Seq(proposal), version.filter(|_| kind == "summaryAck"));
            }
            _ => {}
        }
    }
}

/// The contents of a `summaryAck`.
#[must_use]
pub fn ack_contents(version: ObjectId, proposal: Seq) -> Vec<u8> {
    let mut out = b"{\"handle\":".to_vec();
    write_string(&mut out, &version.to_string());
    out.extend_from_slice(b",\"summaryProposal\":{\"summarySequenceNumber\":");
    write_u64(&mut out, proposal.0);
    out.extend_from_slice(b"}}");
    out
}

/// The contents of a `summaryNack`; with `retry_after_s` the client tries again after that time.
#[must_use]
pub fn nack_contents(message: &str, proposal: Seq, retry_after_s: Option<u32>) -> Vec<u8> {
    let mut out = b"{\"message\":".to_vec();
    write_string(&mut out, message);
    out.extend_from_slice(b",\"summaryProposal\":{\"summarySequenceNumber\":");
    write_u64(&mut out, proposal.0);
    out.push(b'}');
    if let Some(seconds) = retry_after_s {
        out.extend_from_slice(b",\"retryAfter\":");
        write_u64(&mut out, seconds.into());
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quorum::Quorum;

    #[test]
    fn jobs_run_one_after_the_other_once_their_operation_is_visible() {
        let mut summaries = Summaries::default();
        let quorum = || Quorum::default().blobs_at(Seq(4));
        summaries.proposed(Seq(5), 4, Bytes::from_static(br#"{"handle":"x"}"#), quorum());
        summaries.proposed(Seq(6), 4, Bytes::from_static(br#"{"handle":"y"}"#), quorum());
        assert!(summaries.start(Seq(4), 0, |_| None).is_none());
        let (seq, _) = summaries.start(Seq(6), 0, |_| Some(2)).expect("visible");
        assert_eq!(seq, Seq(5));
        assert!(summaries.awaits(Seq(5)));
        assert!(summaries.start(Seq(6), 0, |_| None).is_none(), "one at a time");
        summaries.answered(Seq(5), None);
        assert!(!summaries.awaits(Seq(5)) && !summaries.awaits(Seq(6)), "answered, not started");
        summaries.settled();
        assert_eq!(summaries.unanswered(), vec![Seq(6)]);
        assert!(summaries.start(Seq(6), 0, |_| None).is_some());
    }

    #[test]
    fn answers_are_read_back_from_the_order() {
        let mut summaries = Summaries::default();
        let version = ObjectId::from_bytes([7; 20]);
        summaries.replay("summarize", Seq(3), None);
        let ack = ack_contents(version, Seq(3));
        summaries.replay("summaryAck", Seq(4), Raw::parse(&ack).ok());
        assert_eq!(summaries.last_acked(), Some(version));
        assert!(summaries.unanswered().is_empty());
        summaries.replay("summarize", Seq(5), None);
        let nack = nack_contents("no", Seq(5), Some(3));
        summaries.replay("summaryNack", Seq(6), Raw::parse(&nack).ok());
        assert!(summaries.unanswered().is_empty());
        assert_eq!(summaries.last_acked(), Some(version));
    }
}
