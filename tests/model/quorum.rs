//! The quorum at any number of the window against a replay of everything.

use levee_core::ids::Seq;
use levee_core::quorum::{Change, Quorum};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Nothing,
    Join,
    Leave { at: usize },
    Propose { key: u8 },
    Reject { back: u64 },
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let step = prop_oneof![
        3 => Just(Step::Nothing),
        2 => Just(Step::Join),
        1 => (0..8_usize).prop_map(|at| Step::Leave { at }),
        2 => (0..3_u8).prop_map(|key| Step::Propose { key }),
        1 => (0..4_u64).prop_map(|back| Step::Reject { back }),
    ];
    (step, 0..4_u64)
}

fn name(seq: u64) -> String {
    format!("00000000-0000-4000-8000-{seq:012}")
}

/// Members, proposals and values after `upto`, from the whole list of changes.
fn naive(log: &[(u64, u64, Option<Change>)], upto: u64) -> (Value, Value, Value) {
    let mut members: Vec<(String, u64)> = Vec::new();
    let mut open: Vec<(u64, String, bool)> = Vec::new();
    let mut values: Vec<(String, Value)> = Vec::new();
    for (seq, min, change) in log.iter().filter(|(seq, ..)| *seq <= upto) {
        match change {
            Some(Change::Join { client, .. }) => members.push((client.clone(), *seq)),
            Some(Change::Leave { client }) => members.retain(|(id, _)| id != client),
            Some(Change::Propose { key, .. }) => open.push((*seq, key.clone(), false)),
            Some(Change::Reject { proposal }) => {
                open.iter_mut().filter(|p| p.0 == *proposal).for_each(|p| p.2 = true);
            }
            Some(Change::Settle { .. }) | None => {}
        }
        let (settled, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|p| p.0 <= *min);
        open = rest;
        for (proposal, key, _) in settled.into_iter().filter(|p| !p.2) {
            let committed = json!({"approvalSequenceNumber": seq, "commitSequenceNumber": -1,
                "key": key, "sequenceNumber": proposal, "value": proposal});
            match values.iter_mut().find(|(known, _)| *known == key) {
                Some(value) => value.1 = committed,
                None => values.push((key, committed)),
            }
        }
    }
    let members =
        members.iter().map(|(id, seq)| json!([id, {"client": {"n": seq}, "sequenceNumber": seq}]));
    let open = open
        .iter()
        .map(|(seq, key, _)| json!([seq, {"sequenceNumber": seq, "key": key, "value": seq}, []]));
    let values = values.iter().map(|(key, value)| json!([key, value]));
    (members.collect(), open.collect(), values.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_number_of_the_window_is_known(steps in prop::collection::vec(step(), 1..60)) {
        let mut quorum = Quorum::default();
        let (mut log, mut present, mut min) = (Vec::new(), Vec::new(), 0);
        for (at, (step, rise)) in steps.iter().enumerate() {
            let seq = at as u64 + 1;
            min = (min + rise).min(seq - 1);
            let change = match step {
                Step::Nothing => None,
                Step::Join => {
                    present.push(name(seq));
                    Some(Change::Join { client: name(seq), detail: format!("{{\"n\":{seq}}}") })
                }
                Step::Leave { at } if !present.is_empty() => {
                    let client = present.remove(at % present.len());
                    Some(Change::Leave { client })
                }
                Step::Leave { .. } => None,
                Step::Propose { key } => {
                    Some(Change::Propose { key: format!("k{key}"), value: seq.to_string() })
                }
                Step::Reject { back } => {
                    Some(Change::Reject { proposal: seq.saturating_sub(*back) })
                }
            };
            if let Some(change) = change.clone() {
                quorum.apply(Seq(seq), change);
            }
            log.push((seq, min, change));
            quorum.advance(Seq(seq), Seq(min));
            for asked in min..=seq {
                let blobs = quorum.blobs_at(Seq(asked));
                let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
                let found = (read(&blobs.members), read(&blobs.proposals), read(&blobs.values));
                prop_assert_eq!(found, naive(&log, asked), "at {} after {}", asked, seq);
            }
            let ids: Vec<String> = quorum.members().iter().map(ToString::to_string).collect();
            prop_assert_eq!(&ids, &present);
            let bytes = serde_json::to_vec(&quorum).unwrap();
            let read: Quorum = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&read, &quorum, "a checkpoint keeps it");
        }
    }
}
