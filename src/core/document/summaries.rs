//! Summaries in the order: which job runs, what its answer is, what an earlier life left open.

use super::Document;
use crate::conns::Port;
use crate::event::{Action, SummaryOutcome};
use crate::git::ObjectId;
use crate::ids::{Now, Seq};
use crate::quorum::Change;
use crate::record::Record;
use crate::summary::{ack_contents, nack_contents};
use crate::wire::json::Raw;

impl Document {
    /// Orders what an earlier life left open: its writers leave, its summaries are answered.
    pub fn settle_earlier_life(&mut self, now: Now) {
        for client in self.quorum.members() {
            let ticket = self.sequencer.leave_of_earlier_life();
            let time_ms = self.stamp(now);
            self.pending.push_leave(client, ticket, time_ms);
            self.quorum.apply(ticket.seq, Change::Leave { client: client.to_string() });
            self.quorum.advance(ticket.seq, ticket.min);
        }
        for proposal in self.summaries.unanswered() {
            let message = "The service was restarted before the summary was stored";
            self.answer_summary(now, proposal, None, message, Some(1));
        }
    }

    /// Starts the next summary job whose operation is visible.
    pub fn start_summary(&mut self, port: &mut Port<'_>, now: Now) {
        let history = &self.history;
        let min_of = |seq: Seq| {
            let op = history.op(seq)?;
            Raw::parse(&op).ok()?.field("minimumSequenceNumber")?.as_u64()
        };
        let job = self.summaries.start(self.visible, now.unix_s(), min_of);
        if let Some((seq, job)) = job {
            let doc = self.key.clone();
            port.actions.push(Action::Summarize { doc, seq, job: Box::new(job) });
        }
    }

    /// A job is done: its answer is ordered, and the version moves in the same group. A verdict
    /// that an earlier life asked for comes too late: that operation is answered.
    pub fn summarized(&mut self, port: &mut Port<'_>, now: Now, seq: Seq, done: &SummaryOutcome) {
        if !self.summaries.awaits(seq) {
            return;
        }
        match done {
            SummaryOutcome::Ack { version } => {
                port.counters.summaries_acked += 1;
                self.answer_summary(now, seq, Some(*version), "", None);
            }
            SummaryOutcome::Nack { message } => {
                port.counters.summaries_nacked += 1;
                self.answer_summary(now, seq, None, message, None);
            }
        }
        self.answers_summary = true;
    }

    /// A job could not be done now; the client may try again.
    pub fn summary_failed(&mut self, port: &mut Port<'_>, now: Now, seq: Seq) {
        if !self.summaries.awaits(seq) {
            return;
        }
        port.counters.summaries_nacked += 1;
        self.answer_summary(now, seq, None, "The store cannot be read now", Some(10));
        self.answers_summary = true;
    }

    fn answer_summary(
        &mut self,
        now: Now,
        proposal: Seq,
        version: Option<ObjectId>,
        message: &str,
        retry_after_s: Option<u32>,
    ) {
        let ticket = self.sequencer.system();
        let time_ms = self.stamp(now);
        let (kind, contents) = match version {
            Some(version) => {
                self.pending_records.push(Record::Version(self.key.clone(), version));
                ("summaryAck", ack_contents(version, proposal))
            }
            None => ("summaryNack", nack_contents(message, proposal, retry_after_s)),
        };
        self.pending.push_summary_answer(kind, &contents, ticket, time_ms);
        self.summaries.answered(proposal, version);
        self.advance(ticket);
    }
}
