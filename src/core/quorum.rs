//! Members, proposals and agreed values: what a snapshot's `.protocol` needs, at any number of the
//! collaboration window.
//!
//! The state at the minimum is kept, and the changes after it. A summary is taken at the
//! reference number of its operation, which is never below the minimum, so every state that can be
//! asked for is the kept one and some of the changes.

use crate::ids::{ClientId, Seq};
use crate::wire::json::{Raw, write_string, write_u64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One thing that changed the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Join {
        client: String,
        detail: String,
    },
    Leave {
        client: String,
    },
    Propose {
        key: String,
        value: String,
    },
    Reject {
        proposal: u64,
    },
    /// The minimum passed a proposal that nobody rejected.
    Settle {
        proposal: u64,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    members: Vec<Member>,
    proposals: Vec<Proposal>,
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    client: String,
    detail: String,
    seq: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proposal {
    seq: u64,
    key: String,
    value: String,
    rejected: bool,
}

/// A key and the raw JSON of its committed proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Value {
    key: String,
    committed: String,
}

/// See the module's comment. Serialises as part of a document's checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    base: State,
    changes: VecDeque<(u64, Change)>,
    /// Proposals that are neither settled nor dropped, ascending.
    open: VecDeque<u64>,
}

/// The JSON texts of a snapshot's quorum blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumBlobs {
    pub members: Vec<u8>,
    pub proposals: Vec<u8>,
    pub values: Vec<u8>,
}

impl Quorum {
    /// A new document's quorum: `values` is the raw JSON of its agreed values, `[[key, {…}], …]`.
    #[must_use]
    pub fn created(values: &[u8]) -> Self {
        let mut quorum = Self::default();
        let pairs = Raw::parse(values).ok().and_then(Raw::array);
        for pair in pairs.into_iter().flatten() {
            let mut parts = pair.array().into_iter().flatten();
            let (Some(key), Some(committed)) = (parts.next(), parts.next()) else {
                continue;
            };
            if let (Some(key), Ok(text)) = (key.as_str(), std::str::from_utf8(committed.bytes())) {
                let committed = text.to_owned();
                quorum.base.values.push(Value { key: key.into_owned(), committed });
            }
        }
        quorum
    }

    /// Takes note of a change at `seq`; changes come in ascending order.
    pub fn apply(&mut self, seq: Seq, change: Change) {
        if matches!(change, Change::Propose { .. }) {
            self.open.push_back(seq.0);
        }
        self.changes.push_back((seq.0, change));
    }

    /// The message `seq` carried the minimum `min`: settles what it passed, and folds what nobody
    /// can ask for any more.
    pub fn advance(&mut self, seq: Seq, min: Seq) {
        while let Some(proposal) = self.open.front().copied().filter(|open| *open <= min.0) {
            self.open.pop_front();
            self.changes.push_back((seq.0, Change::Settle { proposal }));
        }
        while self.changes.front().is_some_and(|(at, _)| *at <= min.0) {
            if let Some((at, change)) = self.changes.pop_front() {
                self.base.fold(at, change);
            }
        }
    }

    /// Whether [`Self::advance`] has anything to do: keeps the common operation at one compare.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.changes.is_empty() && self.open.is_empty()
    }

    /// The blobs of a snapshot taken after the message `seq`.
    #[must_use]
    pub fn blobs_at(&self, seq: Seq) -> QuorumBlobs {
        self.state_at(seq).blobs()
    }

    /// The writers after everything that was applied: after a load, those of the earlier life.
    #[must_use]
    pub fn members(&self) -> Vec<ClientId> {
        let state = self.state_at(Seq(u64::MAX));
        state.members.iter().filter_map(|member| ClientId::parse(&member.client)).collect()
    }

    fn state_at(&self, seq: Seq) -> State {
        let mut state = self.base.clone();
        for (at, change) in self.changes.iter().take_while(|(at, _)| *at <= seq.0) {
            state.fold(*at, change.clone());
        }
        state
    }
}

impl State {
    fn fold(&mut self, seq: u64, change: Change) {
        match change {
            Change::Join { client, detail } => self.members.push(Member { client, detail, seq }),
            Change::Leave { client } => self.members.retain(|member| member.client != client),
            Change::Propose { key, value } => {
                self.proposals.push(Proposal { seq, key, value, rejected: false });
            }
            Change::Reject { proposal } => {
                for open in self.proposals.iter_mut().filter(|open| open.seq == proposal) {
                    open.rejected = true;
                }
            }
            Change::Settle { proposal } => self.settle(seq, proposal),
        }
    }

    fn settle(&mut self, seq: u64, proposal: u64) {
        let Some(at) = self.proposals.iter().position(|open| open.seq == proposal) else {
            return;
        };
        let open = self.proposals.remove(at);
        if open.rejected {
            return;
        }
        let mut text = Vec::with_capacity(open.value.len() + 128);
        text.extend_from_slice(b"{\"approvalSequenceNumber\":");
        write_u64(&mut text, seq);
        text.extend_from_slice(b",\"commitSequenceNumber\":-1,\"key\":");
        write_string(&mut text, &open.key);
        text.extend_from_slice(b",\"sequenceNumber\":");
        write_u64(&mut text, open.seq);
        text.extend_from_slice(b",\"value\":");
        text.extend_from_slice(open.value.as_bytes());
        text.push(b'}');
        let committed = String::from_utf8(text).unwrap_or_default();
        match self.values.iter_mut().find(|value| value.key == open.key) {
            Some(value) => value.committed = committed,
            None => self.values.push(Value { key: open.key, committed }),
        }
    }

    fn blobs(&self) -> QuorumBlobs {
        let members = array(&self.members, |out, member| {
            write_string(out, &member.client);
            out.extend_from_slice(b",{\"client\":");
            out.extend_from_slice(member.detail.as_bytes());
            out.extend_from_slice(b",\"sequenceNumber\":");
            write_u64(out, member.seq);
            out.push(b'}');
        });
        let proposals = array(&self.proposals, |out, open| {
            write_u64(out, open.seq);
            out.extend_from_slice(b",{\"sequenceNumber\":");
            write_u64(out, open.seq);
            out.extend_from_slice(b",\"key\":");
            write_string(out, &open.key);
            out.extend_from_slice(b",\"value\":");
            out.extend_from_slice(open.value.as_bytes());
            out.extend_from_slice(b"},[]");
        });
        let values = array(&self.values, |out, value| {
            write_string(out, &value.key);
            out.push(b',');
            out.extend_from_slice(value.committed.as_bytes());
        });
        QuorumBlobs { members, proposals, values }
    }
}

/// A JSON array of arrays; `item` writes the inside of each.
fn array<T>(items: &[T], item: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, one) in items.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[" } else { b",[" });
        item(&mut out, one);
        out.push(b']');
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(n: u128) -> Change {
        Change::Join {
            client: ClientId::from_bits(n).to_string(),
            detail: r#"{"mode":"write"}"#.into(),
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn members_are_those_of_the_asked_number() {
        let mut quorum = Quorum::default();
        quorum.apply(Seq(1), join(1));
        quorum.apply(Seq(2), join(2));
        let client = ClientId::from_bits(1).to_string();
        quorum.apply(Seq(5), Change::Leave { client: client.clone() });
        quorum.advance(Seq(5), Seq(1));
        let at_four = text(quorum.blobs_at(Seq(4)).members);
        assert!(at_four.contains(&client));
        let at_five = text(quorum.blobs_at(Seq(5)).members);
        assert!(!at_five.contains(&client), "{at_five}");
        quorum.advance(Seq(9), Seq(8));
        assert!(quorum.is_quiet());
        assert_eq!(quorum.members(), vec![ClientId::from_bits(2)]);
    }

    #[test]
    fn a_proposal_is_agreed_when_the_minimum_passes_it() {
        let mut quorum = Quorum::created(br#"[["code",{"key":"code","value":{"a":1}}]]"#);
        quorum.apply(Seq(3), Change::Propose { key: "code".into(), value: "2".into() });
        quorum.advance(Seq(4), Seq(2));
        assert_eq!(
            text(quorum.blobs_at(Seq(4)).proposals),
            r#"[[3,{"sequenceNumber":3,"key":"code","value":2},[]]]"#
        );
        quorum.advance(Seq(5), Seq(3));
        let before = quorum.blobs_at(Seq(4));
        assert_eq!(text(before.values), r#"[["code",{"key":"code","value":{"a":1}}]]"#);
        let after = quorum.blobs_at(Seq(5));
        assert_eq!(text(after.proposals), "[]");
        assert_eq!(
            text(after.values),
            concat!(
                r#"[["code",{"approvalSequenceNumber":5,"commitSequenceNumber":-1,"key":"code","#,
                r#""sequenceNumber":3,"value":2}]]"#
            )
        );
    }

    #[test]
    fn a_rejected_proposal_is_dropped() {
        let mut quorum = Quorum::default();
        quorum.apply(Seq(1), Change::Propose { key: "k".into(), value: "1".into() });
        quorum.apply(Seq(2), Change::Reject { proposal: 1 });
        quorum.advance(Seq(3), Seq(2));
        let blobs = quorum.blobs_at(Seq(3));
        assert_eq!((text(blobs.proposals), text(blobs.values)), ("[]".into(), "[]".into()));
    }
}
