//! A document's quorum at any number, by going through its whole log.

use crate::log::Log;
use levee_core::git::Protocol;
use serde_json::Value;
use std::collections::BTreeMap;

/// Members in the order they joined, and the agreed values by key: proposal and approval.
#[derive(Debug, Default, PartialEq)]
pub struct Quorum {
    members: Vec<(String, u64)>,
    open: Vec<u64>,
    values: BTreeMap<String, (u64, u64)>,
}

pub fn at(log: &Log, seq: u64) -> Quorum {
    let mut quorum = Quorum::default();
    let mut proposals: Vec<(u64, String, bool)> = Vec::new();
    for op in log.ops.iter().take_while(|op| op.seq <= seq) {
        let contents = || {
            let value = op.phoenix["contents"].clone();
            match value.as_str() {
                Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
                None => value,
            }
        };
        match (op.kind.as_str(), &op.member) {
            ("join", Some(id)) => quorum.members.push((id.clone(), op.seq)),
            ("leave", Some(id)) => quorum.members.retain(|(member, _)| member != id),
            ("propose", _) => {
                let key = contents()["key"].as_str().unwrap_or("").to_owned();
                proposals.push((op.seq, key, false));
            }
            ("reject", _) => {
                let number = contents().as_u64();
                for proposal in proposals.iter_mut().filter(|p| Some(p.0) == number) {
                    proposal.2 = true;
                }
            }
            _ => {}
        }
        let (settled, open) = proposals.into_iter().partition(|p| p.0 <= op.min);
        proposals = open;
        let settled: Vec<(u64, String, bool)> = settled;
        for (number, key, _) in settled.into_iter().filter(|p| !p.2) {
            quorum.values.insert(key, (number, op.seq));
        }
    }
    quorum.open = proposals.into_iter().map(|p| p.0).collect();
    quorum
}

/// The quorum that a version carries.
pub fn of(protocol: &Protocol) -> Quorum {
    let list = |bytes: &[u8]| -> Vec<Value> { serde_json::from_slice(bytes).unwrap_or_default() };
    let members: Vec<(String, u64)> = list(&protocol.members)
        .iter()
        .map(|entry| {
            let id = entry[0].as_str().unwrap_or("").to_owned();
            (id, entry[1]["sequenceNumber"].as_u64().unwrap_or(0))
        })
        .collect();
    let values = list(&protocol.values)
        .iter()
        .map(|entry| {
            let number = |name: &str| entry[1][name].as_u64().unwrap_or(0);
            let key = entry[0].as_str().unwrap_or("").to_owned();
            (key, (number("sequenceNumber"), number("approvalSequenceNumber")))
        })
        .collect();
    let open = list(&protocol.proposals).iter().filter_map(|entry| entry[0].as_u64()).collect();
    Quorum { members, open, values }
}
