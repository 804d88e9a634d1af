//! What must hold of a document whatever happens to the process: one check per promise.

use crate::ops::Op;
use crate::rest;
use crate::wire::{BOTH, Wire};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

/// Every operation that any client was shown, over all lives of the service.
#[derive(Default)]
pub(crate) struct Ledger {
    shown: HashMap<(String, Wire), BTreeMap<u64, String>>,
}

impl Ledger {
    /// Notes what one client was shown; nobody may be shown anything else under the same number.
    pub(crate) fn note(&mut self, document: &str, wire: Wire, ops: &[Op]) {
        let shown = self.shown.entry((document.into(), wire)).or_default();
        for op in ops {
            let known = shown.entry(op.seq).or_insert_with(|| op.json.clone());
            assert_eq!(*known, op.json, "{document}: {} was shown in two forms", op.seq);
        }
    }

    /// How many operations were shown, over all documents.
    pub(crate) fn count(&self) -> usize {
        self.shown.values().map(BTreeMap::len).sum()
    }

    /// Reads a document back and checks it from its first operation.
    pub(crate) fn check(&self, address: SocketAddr, document: &str) -> Vec<Op> {
        let mut found = Vec::new();
        for wire in BOTH {
            let ops = rest::deltas(address, wire, document, 0);
            check_history(document, &ops);
            let empty = BTreeMap::new();
            let shown = self.shown.get(&(document.into(), wire)).unwrap_or(&empty);
            check_nothing_lost(document, shown, &ops);
            found = ops;
        }
        found
    }
}

/// Numbers are consecutive from 1, nothing is there twice, the minimum never falls nor passes.
pub(crate) fn check_history(document: &str, ops: &[Op]) {
    let mut submitted = HashSet::new();
    let (mut min, mut time_ms) = (0, 0);
    for (op, expected) in ops.iter().zip(1..) {
        assert_eq!(op.seq, expected, "{document}: numbers are consecutive from 1");
        assert!(op.min >= min, "{document}: the minimum falls at {}: {}", op.seq, op.json);
        assert!(op.min <= op.seq, "{document}: the minimum is ahead at {}", op.seq);
        min = op.min;
        assert!(op.timestamp_ms >= time_ms, "{document}: time goes back at {}", op.seq);
        time_ms = op.timestamp_ms;
        if let Some(client) = &op.client {
            let is_first = submitted.insert((client.clone(), op.client_seq));
            assert!(is_first, "{document}: {client} {} is there twice", op.client_seq);
        }
    }
    check_members(document, ops);
}

/// Only members speak: after their join, before their leave, which come once each.
fn check_members(document: &str, ops: &[Op]) {
    let mut present = HashSet::new();
    let mut past = HashSet::new();
    for op in ops {
        match (op.kind.as_str(), &op.member) {
            ("join", Some(member)) => {
                assert!(!past.contains(member), "{document}: {member} joins again");
                assert!(present.insert(member), "{document}: {member} joins twice");
            }
            ("leave", Some(member)) => {
                assert!(present.remove(member), "{document}: {member} leaves without a join");
                past.insert(member);
            }
            _ => {}
        }
        if let Some(client) = &op.client {
            assert!(present.contains(client), "{document}: {client} is no member at {}", op.seq);
        }
    }
}

/// Summaries that were proposed and have no ack or nack yet; none has two.
pub(crate) fn unanswered_summaries(document: &str, ops: &[Op]) -> Vec<u64> {
    let mut answered = HashSet::new();
    for op in ops {
        if let Some(summary) = op.answers {
            assert!(answered.insert(summary), "{document}: {summary} is answered twice");
        }
    }
    let proposed = ops.iter().filter(|op| op.kind == "summarize").map(|op| op.seq);
    proposed.filter(|seq| !answered.contains(seq)).collect()
}

/// What anybody was shown is there, byte for byte.
fn check_nothing_lost(document: &str, shown: &BTreeMap<u64, String>, ops: &[Op]) {
    for (seq, json) in shown {
        let index = usize::try_from(*seq).expect("a number") - 1;
        let Some(stored) = ops.get(index) else {
            panic!("{document}: {seq} was shown and is lost; {} are left", ops.len());
        };
        assert_eq!(stored.json, *json, "{document}: {seq} has changed");
    }
}

/// Writers that joined and have not left.
pub(crate) fn members(ops: &[Op]) -> HashSet<&str> {
    let mut present = HashSet::new();
    for op in ops {
        match (op.kind.as_str(), op.member.as_deref()) {
            ("join", Some(member)) => {
                present.insert(member);
            }
            ("leave", Some(member)) => {
                present.remove(member);
            }
            _ => {}
        }
    }
    present
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    /// A history of a join and plain operations, from `(number, min, client_seq)`.
    fn history(ops: &[(u64, u64, i64)]) -> Vec<Op> {
        let join = json!({
            "sequenceNumber": 1, "minimumSequenceNumber": 0, "clientId": null, "type": "join",
            "clientSequenceNumber": -1, "timestamp": 5, "data": "{\"clientId\":\"c\"}",
        });
        let ops = ops.iter().map(|(seq, min, client_seq)| {
            json!({
                "sequenceNumber": seq, "minimumSequenceNumber": min, "clientId": "c",
                "type": "op", "clientSequenceNumber": client_seq, "timestamp": 6,
            })
        });
        let all = std::iter::once(join).chain(ops);
        all.map(|op| Op::parse(&RawValue::from_string(op.to_string()).expect("JSON"))).collect()
    }

    #[test]
    fn a_good_history_passes() {
        let ops = history(&[(2, 0, 1), (3, 1, 2)]);
        check_history("d", &ops);
        assert_eq!(members(&ops).into_iter().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    #[should_panic(expected = "consecutive")]
    fn a_gap_is_found() {
        check_history("d", &history(&[(2, 0, 1), (4, 0, 2)]));
    }

    #[test]
    #[should_panic(expected = "minimum falls")]
    fn a_falling_minimum_is_found() {
        check_history("d", &history(&[(2, 2, 1), (3, 1, 2)]));
    }

    #[test]
    #[should_panic(expected = "time goes back")]
    fn a_clock_that_goes_back_is_found() {
        let mut ops = history(&[(2, 0, 1)]);
        ops[1].timestamp_ms = 4;
        check_history("d", &ops);
    }

    #[test]
    fn an_unanswered_summary_is_found() {
        let mut ops = history(&[(2, 0, 1), (3, 0, 2)]);
        ops[1].kind = "summarize".into();
        assert_eq!(unanswered_summaries("d", &ops), [2]);
        ops[2].answers = Some(2);
        assert!(unanswered_summaries("d", &ops).is_empty());
    }

    #[test]
    #[should_panic(expected = "there twice")]
    fn a_double_is_found() {
        check_history("d", &history(&[(2, 0, 1), (3, 0, 1)]));
    }

    #[test]
    #[should_panic(expected = "no member")]
    fn a_stranger_is_found() {
        let mut ops = history(&[(2, 0, 1)]);
        ops[1].client = Some("stranger".into());
        check_history("d", &ops);
    }

    #[test]
    #[should_panic(expected = "is lost")]
    fn a_loss_is_found() {
        let shown = BTreeMap::from([(2, String::from("x"))]);
        check_nothing_lost("d", &shown, &history(&[]));
    }

    #[test]
    #[should_panic(expected = "has changed")]
    fn a_change_is_found() {
        let shown = BTreeMap::from([(2, String::from("x"))]);
        check_nothing_lost("d", &shown, &history(&[(2, 0, 1)]));
    }

    #[test]
    #[should_panic(expected = "in two forms")]
    fn two_forms_of_one_number_are_found() {
        let mut ledger = Ledger::default();
        ledger.note("d", Wire::Fluid, &history(&[(2, 0, 1)]));
        ledger.note("d", Wire::Fluid, &history(&[(2, 0, 2)]));
    }
}
