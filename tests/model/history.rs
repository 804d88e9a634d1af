//! History and runs against a plain list of operations.

use bytes::Bytes;
use levee_core::history::History;
use levee_core::ids::Seq;
use levee_core::record::OpRun;
use proptest::prelude::*;
use std::sync::Arc;

fn run(first: u64, ops: &[String]) -> OpRun {
    let ends: Vec<u32> = ops
        .iter()
        .scan(0, |at, op| {
            *at += op.len() + 1;
            Some(*at as u32 - 1)
        })
        .collect();
    OpRun { first: Seq(first), ends: Arc::from(ends), bytes: Bytes::from(ops.join(",")) }
}

proptest! {
    #[test]
    fn any_range_is_a_part_of_the_list(
        start in 0..5_u64,
        sizes in prop::collection::vec(1..6_usize, 1..20),
        from in 0..90_u64,
        to in 0..90_u64,
    ) {
        let mut history = History::default();
        let (mut list, mut next): (Vec<(u64, String)>, u64) = (Vec::new(), start + 1);
        for size in sizes {
            let ops: Vec<String> = (next..).take(size).map(|n| "x".repeat(n as usize % 7 + 1)).collect();
            let run = run(next, &ops);
            list.extend((next..).zip(ops));
            let all: Vec<(u64, Vec<u8>)> =
                run.ops().map(|(seq, op)| (seq.0, op.to_vec())).collect();
            let tail = &list[list.len() - size..];
            prop_assert!(all.iter().zip(tail).all(|(a, b)| a.0 == b.0 && a.1 == b.1.as_bytes()));
            prop_assert_eq!((run.count(), run.last().0), (size, next + size as u64 - 1));
            next += size as u64;
            history.push(run);
        }
        let slices: Vec<Bytes> = history.slices(Seq(from), Seq(to)).collect();
        let wanted = list.iter().filter(|(seq, _)| (from..=to).contains(seq));
        let wanted: Vec<&str> = wanted.map(|(_, op)| op.as_str()).collect();
        prop_assert_eq!(slices.join(&b","[..]), wanted.join(",").into_bytes());
        let one = list.iter().find(|(seq, _)| *seq == from).map(|(_, op)| op.clone());
        prop_assert_eq!(history.op(Seq(from)), one.map(Bytes::from));
        prop_assert_eq!(history.first(), Some(Seq(start + 1)));
    }
}
