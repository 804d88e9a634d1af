//! Socket.IO sessions of official clients, recorded against the reference service, replayed: what
//! the recorded clients sent is sent to the real binary, and what they heard is compared with what
//! comes back, event by event, in names, keys and types, and in the members that say who and what.
//!
//! The fixtures are distilled from the recordings: one step is what one socket sent or heard. Long
//! texts that only clients read are shortened; a token stands as its claims and is signed afresh.
//! Where the recording of a frame is cut, an event's name is left (`cut`), and an operation's text
//! says so. One recording leaves out the middle of a long edit: its numbers are closed up. Another
//! (04, whole summaries) leaves out too much to be replayed. Nothing was recorded of Phoenix.

use crate::service::{Dir, Options, PATIENCE, Service};
use crate::socket::{Message, Socket};
use crate::token::{KEY, TENANT, now_unix_s};
use crate::{rest, wire::Wire};
use levee_core::auth::sign;
use levee_core::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Nothing is answered later than this; the heartbeat that these sockets do not answer ends them at
/// 45 s.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Members that the reference sends and we do not.
const NOT_SENT: &[(&str, &str)] = &[
    ("expHash1", "the reference's check of itself; no client reads it"),
    ("traces", "telemetry of the reference's own services; no client needs it"),
    ("additionalContent", "the reference's state on its way from one service to another"),
];

/// Members that we send and the reference does not.
const ADDED: &[(&str, &str)] = &[("presence_v1", "a feature of ours, over which others pass")];

/// Members of an operation that come back as they were sent.
const TEXTS: &[&str] = &["contents", "metadata"];

/// Members of an operation that are the same wherever the same was said in the same order.
const NUMBERS: &[&str] = &["minimumSequenceNumber", "referenceSequenceNumber", "sequenceNumber"];

/// Where an answer is another on purpose.
struct Difference {
    /// The step of the fixture that tells what the reference answered.
    step: usize,
    /// The kinds of events that stand in its place.
    instead: &'static [&'static str],
    reason: &'static str,
}

/// An event, and an operation out of an `op` event, by its kind.
type Heard = BTreeMap<String, Vec<Value>>;

struct Peer {
    socket: Socket,
    heard: Heard,
    expected: BTreeMap<String, Vec<Expected>>,
}

enum Expected {
    Like(Value),
    /// The recording is cut, or the difference is explained: only that it comes.
    Any,
}

struct Replay<'a> {
    service: &'a Service,
    peers: BTreeMap<u64, Peer>,
    /// Recorded client ids and those of today.
    ids: HashMap<String, String>,
    /// The client ids that each socket was given in the recording, the next one last.
    recorded_ids: HashMap<u64, Vec<String>>,
    document: String,
    /// Up to here the numbers are the recorded ones: until a summary is answered, in its own time,
    /// or a difference moves them.
    exact_to: u64,
}

impl Replay<'_> {
    fn to_ours(&self, text: &str) -> String {
        let swap = |text: String, (theirs, ours): (&String, &String)| text.replace(theirs, ours);
        self.ids.iter().fold(text.to_owned(), swap)
    }

    fn to_theirs(&self, text: &str) -> String {
        let swap = |text: String, (theirs, ours): (&String, &String)| text.replace(ours, theirs);
        self.ids.iter().fold(text.to_owned(), swap)
    }

    /// Says what was recorded, with today's ids, token and objects.
    fn send(&mut self, number: u64, packet: &Value) {
        self.wait_all();
        if packet[0] == "41" {
            self.leave(number);
            return;
        }
        let head = packet[0].as_str().expect("a packet's head");
        let mut event = packet[1].clone();
        match event[0].as_str() {
            Some("connect_document") => self.sign(&mut event[1]),
            Some("submitOp") => self.store(&mut event[2]),
            _ => {}
        }
        let body = if event.is_null() { String::new() } else { event.to_string() };
        let text = format!("{head}{}", self.to_ours(&body));
        let peer = self.peers.get_mut(&number).expect("an open socket");
        peer.socket.send_text(&text).expect("an open socket");
        // So that what another socket says next comes after it.
        peer.socket.send(Opcode::Ping, true, b"").expect("an open socket");
        let until = Instant::now() + PATIENCE;
        while self.hear(number, until) != Some(Told::Pong) {}
    }

    /// Says goodbye; what the recording heard after it depends on who was faster.
    fn leave(&mut self, number: u64) {
        let mut peer = self.peers.remove(&number).expect("an open socket");
        peer.socket.send_text("41").expect("an open socket");
        peer.socket.send(Opcode::Close, true, b"").expect("an open socket");
        peer.socket.read_to_end(Instant::now() + SILENCE_MAX);
        self.compare(number, &peer);
    }

    fn sign(&self, payload: &mut Value) {
        if payload.get("tenantId").is_some() {
            payload["tenantId"] = TENANT.into();
        }
        let Some(claims) = payload.get_mut("token").and_then(|token| token.get_mut("claims"))
        else {
            return;
        };
        let time = |claims: &Value, name| claims[name].as_i64().expect("a time");
        let lifetime_s = time(claims, "exp") - time(claims, "iat");
        let now = i64::try_from(now_unix_s()).expect("a time");
        claims["tenantId"] = TENANT.into();
        claims["iat"] = now.into();
        claims["exp"] = (now + lifetime_s).into();
        payload["token"] = sign(&claims.to_string(), KEY).into();
    }

    /// Recorded handles lead nowhere today: a summary's tree is stored, and it follows our version.
    fn store(&self, batches: &mut Value) {
        let batches = batches.as_array_mut().expect("batches");
        for op in batches.iter_mut().filter_map(Value::as_array_mut).flatten() {
            let text = op["contents"].as_str().unwrap_or_default();
            let Ok(mut proposal) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            if op["type"] != "summarize" || proposal["head"] == "" {
                continue;
            }
            let address = self.service.address;
            let tree = rest::store_tree(address, &self.document, text).expect("a stored tree");
            let versions = rest::versions(address, &self.document).expect("versions");
            proposal["handle"] = tree.into();
            proposal["head"] = versions[0].clone().into();
            proposal["parents"] = json!([versions[0]]);
            op["contents"] = proposal.to_string().into();
        }
    }

    fn expect(&mut self, number: u64, difference: &Difference) {
        assert!(!difference.reason.is_empty());
        let expected = &mut self.peers.get_mut(&number).expect("an open socket").expected;
        for kind in difference.instead {
            expected.entry((*kind).to_owned()).or_default().push(Expected::Any);
        }
    }

    fn wait_all(&mut self) {
        let numbers: Vec<u64> = self.peers.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.wait(number));
    }

    /// Until this socket has heard what its recording had heard by now.
    fn wait(&mut self, number: u64) {
        let until = Instant::now() + SILENCE_MAX;
        while let Some(lacking) = self.lacking(number) {
            if self.hear(number, until) == Some(Told::Nothing) {
                let heard = json!(self.peers[&number].heard);
                panic!("socket {number} lacks {lacking}; heard {heard}");
            }
        }
    }

    /// What the recording had heard by now and this socket has not.
    fn lacking(&self, number: u64) -> Option<String> {
        let peer = &self.peers[&number];
        let count = |kind: &String| peer.heard.get(kind).map_or(0, Vec::len);
        let few = peer.expected.iter().find(|(kind, all)| count(kind) < all.len());
        if let Some((kind, all)) = few {
            return Some(format!("{} of {} {kind}", all.len() - count(kind), all.len()));
        }
        let mut ops = self.heard(peer, "op");
        let expected = peer.expected.get("op").into_iter().flatten();
        expected.into_iter().find_map(|theirs| match theirs {
            Expected::Like(theirs) => match take(&mut ops, theirs) {
                Some(_) => None,
                None => Some(theirs.to_string()),
            },
            Expected::Any => None,
        })
    }

    /// Events of a kind, with the recorded client ids.
    fn heard(&self, peer: &Peer, kind: &str) -> Vec<Value> {
        let heard = peer.heard.get(kind).into_iter().flatten();
        let translated = heard.map(|event| self.to_theirs(&event.to_string()));
        translated.map(|text| serde_json::from_str(&text).expect("JSON")).collect()
    }

    fn hear(&mut self, number: u64, until: Instant) -> Option<Told> {
        let peer = self.peers.get_mut(&number).expect("an open socket");
        let received = peer.socket.receive(until);
        let text = match received.unwrap_or_else(|end| panic!("socket {number}: {end}")) {
            Some(Message::Text(text)) => text,
            Some(Message::Pong(_)) => return Some(Told::Pong),
            Some(other) => panic!("socket {number}: {other:?}"),
            None => return Some(Told::Nothing),
        };
        for (kind, value) in events(&text) {
            if kind == "connect_document_success" {
                let ids = self.recorded_ids.get_mut(&number);
                let theirs = ids.and_then(Vec::pop).expect("the recording connects as often");
                self.ids.insert(theirs, value["clientId"].as_str().expect("an id").to_owned());
            }
            let peer = self.peers.get_mut(&number).expect("an open socket");
            peer.heard.entry(kind).or_default().push(value);
        }
        None
    }

    /// Everything that a socket heard with what it heard in the recording.
    fn compare(&self, number: u64, peer: &Peer) {
        for refusal in ["nack", "connect_document_error"] {
            let heard = peer.heard.get(refusal).map_or(0, Vec::len);
            let expected = peer.expected.get(refusal).map_or(0, Vec::len);
            assert_eq!(heard, expected, "socket {number}: {refusal}: {:?}", peer.heard);
        }
        for (kind, expected) in &peer.expected {
            let mut heard = self.heard(peer, kind);
            for (at, theirs) in expected.iter().enumerate() {
                let Expected::Like(theirs) = theirs else { continue };
                let what = format!("socket {number}: {kind} {at}");
                if kind != "op" {
                    compare(&heard[at], theirs, &what);
                    continue;
                }
                let ours = take(&mut heard, theirs).expect("heard, or it would be waited for");
                compare(&ours, theirs, &what);
                compare_values(&ours, theirs, self.exact_to, &what);
            }
        }
    }
}

/// Which operation it is. The answer to a summary comes in its own time, so places say nothing.
fn identity(op: &Value) -> (&Value, &Value, &Value, Option<&Value>) {
    let is_membership = op["type"] == "join" || op["type"] == "leave";
    let data = is_membership.then(|| &op["data"]);
    (&op["type"], &op["clientId"], &op["clientSequenceNumber"], data)
}

/// Takes the same operation out of those that were heard.
fn take(ops: &mut Vec<Value>, wanted: &Value) -> Option<Value> {
    let at = ops.iter().position(|op| identity(op) == identity(wanted))?;
    Some(ops.remove(at))
}

fn compare_values(ours: &Value, theirs: &Value, exact_to: u64, what: &str) {
    // A summary's handles are different commits on every service.
    let is_summary = matches!(theirs["type"].as_str(), Some("summarize" | "summaryAck"));
    let texts = TEXTS.iter().filter(|_| !is_summary);
    let is_exact = theirs["sequenceNumber"].as_u64() <= Some(exact_to);
    let numbers = NUMBERS.iter().filter(|_| is_exact);
    for name in texts.chain(numbers) {
        assert_eq!(ours[name], theirs[name], "{what}: {name}: {ours}");
    }
}

#[derive(PartialEq)]
enum Told {
    Pong,
    Nothing,
}

/// The events of one packet by their kinds; an `op` event is as many as it has operations, for
/// services may send several operations at once.
fn events(text: &str) -> Vec<(String, Value)> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (head, body) = text.split_at(at);
    let body: Value = match body {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")),
    };
    packet_events(head, &body)
}

fn packet_events(head: &str, body: &Value) -> Vec<(String, Value)> {
    match (head, body[0].as_str()) {
        // The heartbeat has its own time.
        ("2", _) => Vec::new(),
        ("42", Some("op")) => {
            let ops = body[2].as_array().expect("operations");
            ops.iter().map(|op| ("op".to_owned(), op.clone())).collect()
        }
        ("42", Some("nack")) => vec![("nack".to_owned(), body.clone())],
        ("42", Some(name)) => vec![(name.to_owned(), body[1].clone())],
        _ => vec![(head.to_owned(), body.clone())],
    }
}

/// Both have the same keys and types; lists are compared by their first items, and JSON in a string
/// as the JSON it is.
fn compare(ours: &Value, theirs: &Value, what: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names = ours.keys().chain(theirs.keys());
            let explained =
                |name: &&String| [NOT_SENT, ADDED].concat().iter().any(|(n, _)| n == *name);
            for name in names.filter(|name| !explained(name)) {
                let (Some(ours), Some(theirs)) = (ours.get(name), theirs.get(name)) else {
                    panic!("{what}: {name} is not on both sides: {ours:?} for {theirs:?}");
                };
                compare(ours, theirs, &format!("{what} {name}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{what}: {ours:?} for {theirs:?}");
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(ours, theirs, &format!("{what}[{at}]"));
            }
        }
        (Value::String(our_text), Value::String(their_text)) => {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
            match (parsed(our_text), parsed(their_text)) {
                (Some(ours @ Value::Object(_)), Some(theirs @ Value::Object(_))) => {
                    compare(&ours, &theirs, what);
                }
                (ours, theirs) => {
                    let is_object = |value: &Option<Value>| matches!(value, Some(Value::Object(_)));
                    assert_eq!(is_object(&ours), is_object(&theirs), "{what}: {our_text}");
                }
            }
        }
        (ours, theirs) => {
            let kind = std::mem::discriminant;
            assert_eq!(kind(ours), kind(theirs), "{what}: {ours} for {theirs}");
        }
    }
}

fn recorded_ids(fixture: &Value) -> HashMap<u64, Vec<String>> {
    let mut ids: HashMap<u64, Vec<String>> = HashMap::new();
    for step in fixture["steps"].as_array().expect("steps").iter().rev() {
        let heard = &step["hears"];
        let id = match heard[1][0] == "connect_document_success" {
            true => &heard[1][1]["clientId"],
            false => &heard["clientId"],
        };
        let socket = step["socket"].as_u64().expect("a socket");
        ids.entry(socket).or_default().extend(id.as_str().map(str::to_owned));
    }
    ids
}

fn replay(fixture: &str, exact_to: u64, differences: &[Difference]) {
    let fixture: Value = serde_json::from_str(fixture).expect("a fixture");
    let dir = Dir::new("captures");
    let mut service = Options::new(dir.path()).start();
    let documents = fixture["documents"].as_array().expect("documents");
    let documents: Vec<&str> = documents.iter().filter_map(Value::as_str).collect();
    for document in documents.iter().filter(|document| **document != "no-such-doc") {
        rest::create(service.address, document);
    }
    let mut replay = Replay {
        service: &service,
        peers: BTreeMap::new(),
        ids: HashMap::new(),
        recorded_ids: recorded_ids(&fixture),
        document: documents[0].to_owned(),
        exact_to,
    };
    for (at, step) in fixture["steps"].as_array().expect("steps").iter().enumerate() {
        let number = step["socket"].as_u64().expect("a socket");
        if step["opens"] == true {
            let socket = Socket::open(service.address, &Wire::Fluid.path(&replay.document));
            let socket = socket.expect("a socket");
            let (heard, expected) = (BTreeMap::new(), BTreeMap::new());
            replay.peers.insert(number, Peer { socket, heard, expected });
        } else if let Some(packet) = step.get("sends") {
            replay.send(number, packet);
            if let Some(difference) = differences.iter().find(|known| known.step == at) {
                replay.expect(number, difference);
            }
        } else if let Some(heard) = step.get("hears") {
            if let Some(difference) = differences.iter().find(|known| known.step == at) {
                replay.expect(number, difference);
                continue;
            }
            let Some(peer) = replay.peers.get_mut(&number) else {
                continue; // it has said goodbye
            };
            let expected = &mut peer.expected;
            let mut expect = |kind: String, event| expected.entry(kind).or_default().push(event);
            if let Some(name) = heard["cut"].as_str() {
                expect(name.to_owned(), Expected::Any);
            } else {
                let body = heard.get(1).cloned().unwrap_or_default();
                for (kind, event) in packet_events(heard[0].as_str().expect("a head"), &body) {
                    expect(kind, Expected::Like(event));
                }
            }
        }
    }
    replay.wait_all();
    for (number, peer) in &replay.peers {
        replay.compare(*number, peer);
    }
    service.assert_alive();
}

#[test]
fn two_clients_edit_and_one_reconnects() {
    replay(include_str!("fixtures/edit_and_reconnect.json"), u64::MAX, &[]);
}

#[test]
fn presence_and_an_attachment() {
    replay(include_str!("fixtures/presence_and_blob.json"), u64::MAX, &[]);
}

#[test]
fn a_summarizer_comes_and_is_acknowledged() {
    replay(include_str!("fixtures/summary.json"), 8, &[]);
}

#[test]
fn readers_become_writers_and_summaries_are_forced() {
    replay(include_str!("fixtures/read_to_write.json"), 7, &[]);
}

#[test]
fn probes_of_nacks_and_refusals() {
    let differences = [
        Difference {
            step: 18,
            instead: &["nack"],
            reason: "a reference ahead of the document would carry the minimum past its end",
        },
        Difference { step: 123, instead: &[], reason: "nobody has joined, see the next" },
        Difference {
            step: 124,
            instead: &["connect_document_error"],
            reason: "the token has expired, at which the reference does not look",
        },
        Difference {
            step: 132,
            instead: &["connect_document_error"],
            reason: "a document that does not exist is refused; the reference never answers",
        },
    ];
    replay(include_str!("fixtures/probes.json"), 3, &differences);
}
