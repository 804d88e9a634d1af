//! The newest visible operations of a live document, for catch-up without the store.

use crate::ids::Seq;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_OPS_MAX};
use crate::record::OpRun;
use bytes::Bytes;
use std::collections::VecDeque;

/// A bounded ring of runs without gaps; the newest run stays whatever its size.
#[derive(Debug, Default)]
pub struct History {
    runs: VecDeque<OpRun>,
    bytes: usize,
    ops: usize,
}

impl History {
    /// Adds the run that follows the last one.
    pub fn push(&mut self, run: OpRun) {
        if let Some(last) = self.runs.back() {
            assert!(run.first == last.last().next(), "history has no gap");
        }
        self.bytes += run.bytes.len();
        self.ops += run.count();
        self.runs.push_back(run);
        while self.runs.len() > 1 && (self.bytes > HISTORY_BYTES_MAX || self.ops > HISTORY_OPS_MAX)
        {
            if let Some(old) = self.runs.pop_front() {
                self.bytes -= old.bytes.len();
                self.ops -= old.count();
            }
        }
    }

    /// The oldest number that is here.
    #[must_use]
    pub fn first(&self) -> Option<Seq> {
        self.runs.front().map(|run| run.first)
    }

    /// The encoded operations `from..=to` that are here, oldest first, in shared slices.
    pub fn slices(&self, from: Seq, to: Seq) -> impl Iterator<Item = Bytes> {
        let start = self.runs.partition_point(|run| run.last() < from);
        self.runs.range(start..).map_while(move |run| run.slice(from, to))
    }

    /// One operation, if it is here.
    #[must_use]
    pub fn op(&self, seq: Seq) -> Option<Bytes> {
        self.slices(seq, seq).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn run(first: u64, ops: &[&str]) -> OpRun {
        let bytes = ops.join(",").into_bytes();
        let mut end = 0;
        let ends: Vec<u32> = ops
            .iter()
            .map(|op| {
                end += op.len() as u32 + 1;
                end - 1
            })
            .collect();
        OpRun { first: Seq(first), ends: Arc::from(ends), bytes: Bytes::from(bytes) }
    }

    #[test]
    fn ranges_cross_runs() {
        let mut history = History::default();
        history.push(run(1, &["a", "bb"]));
        history.push(run(3, &["c"]));
        history.push(run(4, &["d", "e"]));
        let slices: Vec<_> = history.slices(Seq(2), Seq(4)).collect();
        assert_eq!(slices, vec!["bb", "c", "d"]);
        assert_eq!(history.slices(Seq(6), Seq(9)).count(), 0);
        assert_eq!(history.op(Seq(5)).as_deref(), Some(&b"e"[..]));
    }

    #[test]
    fn old_runs_go_first() {
        let mut history = History::default();
        for n in 0..(HISTORY_OPS_MAX as u64 + 10) {
            history.push(run(n + 1, &["x"]));
        }
        assert_eq!(history.first(), Some(Seq(11)));
    }
}
