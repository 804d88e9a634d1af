//! Watches what each client hears, between the core and the network.

use crate::checker::Checker;
use crate::invariant::Invariant;
use crate::speech::{At, Heard};
use levee_core::dialect::Dialect;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Slack over `CONNECT_ANSWER_MS`: one sweep, one tick, the network on the way there.
const ANSWER_SLACK_MS: u64 = 4_000;

/// One client of one document at one socket.
#[derive(Debug, Default)]
struct Receiver {
    client: String,
    join_ref: Option<String>,
    /// The number that must come next, once one has come.
    next: Option<u64>,
    /// Repetitions that it asked for.
    catch_ups: u32,
    own_seen: i64,
    nacked: Option<i64>,
    /// Who is present, once it has been told: client and what it said, by reference.
    presence: Option<BTreeMap<String, (String, u64)>>,
    signals: BTreeSet<String>,
}

#[derive(Debug)]
struct SentSignal {
    sender: String,
    document: String,
    target: Option<String>,
}

/// A `connect_document` that waits for its answer.
#[derive(Debug)]
struct Waiting {
    join_ref: Option<String>,
    since_ms: u64,
}

#[derive(Debug, Default)]
pub struct Receivers {
    receivers: BTreeMap<(usize, String), Receiver>,
    waiting: BTreeMap<(usize, String), Waiting>,
    signals: BTreeMap<String, SentSignal>,
}

impl Receivers {
    pub fn signal_sent(
        &mut self,
        mark: &str,
        (document, sender): (&str, &str),
        target: Option<&str>,
    ) {
        let sender = sender.to_owned();
        let (document, target) = (document.to_owned(), target.map(str::to_owned));
        self.signals.insert(mark.to_owned(), SentSignal { sender, document, target });
    }

    pub fn connect_sent(&mut self, socket: usize, document: &str, at: &At, now_ms: u64) {
        let waiting = Waiting { join_ref: at.join_ref.clone(), since_ms: now_ms };
        self.waiting.insert((socket, document.to_owned()), waiting);
    }

    pub fn catch_up_asked(&mut self, socket: usize, document: &str) {
        let receiver = self.receivers.entry((socket, document.to_owned())).or_default();
        receiver.catch_ups += 1;
    }

    /// The channel or the socket is left: nothing is owed there any more.
    pub fn left(&mut self, socket: usize, document: &str) {
        self.waiting.remove(&(socket, document.to_owned()));
    }

    /// The client is done with the socket; the service may not know yet.
    pub fn closed(&mut self, socket: usize) {
        self.waiting.retain(|(of, _), _| *of != socket);
    }

    /// The service is done with the socket too.
    pub fn gone(&mut self, socket: usize) {
        self.closed(socket);
        self.receivers.retain(|(of, _), _| *of != socket);
    }

    pub fn connects_are_answered(&self, checker: &mut Checker, now_ms: u64) {
        let late_ms = levee_core::limits::CONNECT_ANSWER_MS + ANSWER_SLACK_MS;
        for ((socket, document), waiting) in &self.waiting {
            let is_late = now_ms.saturating_sub(waiting.since_ms) > late_ms;
            checker.require(!is_late, Invariant::ConnectAnswered, || {
                format!("socket {socket}, {document}, since {}", waiting.since_ms)
            });
        }
    }

    /// `document` is the one that the event is about, `visible` its head in memory.
    pub fn heard(
        &mut self,
        checker: &mut Checker,
        (socket, dialect): (usize, Dialect),
        (document, visible): (&str, u64),
        heard: &Heard,
    ) {
        let key = (socket, document.to_owned());
        match heard {
            Heard::Connected(connected) => {
                self.answered(&key, &connected.at);
                checker.welcomed(&connected.client, connected.mode == "read");
                let before = self.receivers.remove(&key).unwrap_or_default();
                let mut receiver = Receiver {
                    client: connected.client.clone(),
                    join_ref: connected.at.join_ref.clone(),
                    catch_ups: before.catch_ups,
                    ..Receiver::default()
                };
                receiver.ops(checker, dialect, document, visible, &connected.ops);
                self.receivers.insert(key, receiver);
            }
            Heard::ConnectError { at, .. } => self.answered(&key, at),
            Heard::Ops { ops, .. } => {
                let receiver = self.receivers.entry(key).or_default();
                receiver.ops(checker, dialect, document, visible, ops);
            }
            Heard::Nack { at, client_seq, .. } => {
                let receiver = self.receivers.get_mut(&key);
                // One for an earlier join of the topic may come late; nobody listens to it.
                if let Some(receiver) = receiver.filter(|r| r.join_ref == at.join_ref) {
                    receiver.nacked = receiver.nacked.or(*client_seq);
                }
            }
            Heard::Signal { sender, content, .. } => {
                self.signal(checker, key, sender.as_ref(), content)
            }
            Heard::Presence { payload, is_state, .. } => {
                let text = payload.to_string();
                let foreign = text.split("\"doc\":\"").skip(1).any(|rest| {
                    !rest.strip_prefix(document).is_some_and(|rest| rest.starts_with('"'))
                });
                checker.require(!foreign, Invariant::SignalStays, || format!("{document}: {text}"));
                if let Some(receiver) = self.receivers.get_mut(&key) {
                    receiver.presence(payload, *is_state);
                }
            }
            _ => {}
        }
    }

    /// In which document a signal was sent.
    pub fn document_of(&self, content: &str) -> Option<&str> {
        Some(&self.signals.get(content)?.document)
    }

    /// Who is present, as far as this receiver has been told.
    pub fn presence(&self, socket: usize, document: &str) -> Option<Vec<&(String, u64)>> {
        let receiver = self.receivers.get(&(socket, document.to_owned()))?;
        Some(receiver.presence.as_ref()?.values().collect())
    }

    fn answered(&mut self, key: &(usize, String), at: &At) {
        if self.waiting.get(key).is_some_and(|waiting| waiting.join_ref == at.join_ref) {
            self.waiting.remove(key);
        }
    }

    fn signal(
        &mut self,
        checker: &mut Checker,
        key: (usize, String),
        sender: Option<&String>,
        content: &str,
    ) {
        let Some(sent) = self.signals.get(content) else {
            return; // one of the service's own
        };
        let receiver = self.receivers.entry(key.clone()).or_default();
        let is_for = |target: &String| receiver.client.is_empty() || *target == receiver.client;
        let is_meant = sent.document == key.1
            && sender.map_or("", String::as_str) == sent.sender
            && sent.target.as_ref().is_none_or(is_for);
        let is_new = receiver.signals.insert(content.to_owned());
        checker.require(is_meant && is_new, Invariant::SignalStays, || {
            format!("{content} ({sent:?}) at {key:?} ({})", receiver.client)
        });
    }
}

/// The entries of `{user: {metas: […]}}`: reference, client and what it said.
fn entries(users: &Value) -> impl Iterator<Item = (String, (String, u64))> {
    let users = users.as_object().into_iter().flat_map(|users| users.values());
    users.filter_map(|user| user["metas"].as_array()).flatten().map(|meta| {
        let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
        (text("phx_ref"), (text("clientId"), meta["n"].as_u64().unwrap_or(0)))
    })
}

impl Receiver {
    /// As Phoenix.Presence does: a state replaces all, a diff adds and then takes away.
    fn presence(&mut self, payload: &Value, is_state: bool) {
        if is_state {
            self.presence = Some(entries(payload).collect());
        } else if let (Some(present), true) = (&mut self.presence, payload["joins"].is_object()) {
            present.extend(entries(&payload["joins"]));
            for (reference, _) in entries(&payload["leaves"]) {
                present.remove(&reference);
            }
        }
    }

    fn ops(
        &mut self,
        checker: &mut Checker,
        dialect: Dialect,
        document: &str,
        visible: u64,
        ops: &[(u64, String)],
    ) {
        let Some(first) = ops.first().map(|(seq, _)| *seq) else {
            return;
        };
        let is_expected = match self.next {
            None => first <= visible + 1,
            Some(next) if first < next && self.catch_ups > 0 => {
                self.catch_ups -= 1;
                true
            }
            Some(next) => first == next,
        };
        let is_dense = ops.iter().zip(first..).all(|((seq, _), at)| *seq == at);
        let (next, client) = (self.next, self.client.clone());
        checker.require(is_expected && is_dense, Invariant::ReceiverOrder, || {
            let last = ops.last().map(|(seq, _)| *seq);
            format!("{client} of {document} hears {first}..={last:?}, expects {next:?}")
        });
        for (seq, bytes) in ops {
            checker.shown(dialect, document, *seq, bytes);
            let op = checker.log(document).get(*seq);
            let own = op.filter(|op| op.client.as_deref() == Some(&*self.client));
            if let Some(client_seq) = own.map(|op| op.client_seq) {
                let is_late = self
                    .nacked
                    .is_some_and(|nacked| client_seq < nacked && client_seq > self.own_seen);
                self.own_seen = self.own_seen.max(client_seq);
                checker.require(!is_late, Invariant::NackAfterPrefix, || bytes.clone());
            }
        }
        let after = first + ops.len() as u64;
        self.next = Some(self.next.unwrap_or(0).max(after));
    }
}
