//! Two cores: sockets are handed to their document's core under load, one Phoenix socket has
//! documents on both, REST arrives anywhere.

use crate::checker::{Ledger, members};
use crate::client::{Client, Mode, introduction};
use crate::load::Load;
use crate::random::Random;
use crate::rest::{self, Reply};
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::socket::{Message, Socket};
use crate::token::{self, TENANT};
use crate::wire::{BOTH, Wire, topic};
use levee_core::ids::{DocKey, ShardId};
use levee_core::placement::Placement;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

const CORES: u16 = 2;
const PARTITIONS: u16 = 4;
/// Sockets that come, edit and go while the load is on.
const VISITORS: usize = 4;
const VISITS: usize = 12;

fn start(dir: &Dir) -> Service {
    let partitions = PARTITIONS.to_string();
    Options::new(dir.path()).cores(CORES).flag("partitions", &partitions).start()
}

/// A document of the tenant `fluid` that lives on a core.
fn document_on(core: u16, number: usize) -> String {
    let placement = Placement::new(PARTITIONS, CORES);
    let mut names = (0..).map(|index| format!("core-{core}-{number}-{index}"));
    let lives_there = |name: &String| placement.shard(&DocKey::new(TENANT, name)) == ShardId(core);
    names.find(lives_there).expect("some name hashes there")
}

#[test]
fn sockets_are_handed_over_under_load() {
    let dir = Dir::new("cores");
    let mut service = start(&dir);
    let documents: Vec<_> = (0..4).map(|n| document_on(n % CORES, usize::from(n))).collect();
    documents.iter().for_each(|document| rest::create(service.address, document));
    let mut load = Load::new();
    for (document, seed) in documents.iter().zip(1..) {
        for wire in BOTH {
            load.start(service.address, wire, document, Mode::Write, seed);
        }
        load.start_packed(service.address, document, seed);
    }
    let mut ledger = Ledger::default();
    let address = service.address;
    let visitors: Vec<_> = (0..VISITORS)
        .map(|visitor| {
            let documents = documents.clone();
            thread::spawn(move || {
                let mut seen = Vec::new();
                for visit in 0..VISITS {
                    let document = &documents[(visitor + visit) % documents.len()];
                    let wire = BOTH[visit / 2 % 2];
                    let mut client = Client::connect(address, wire, document);
                    client.edit("a visit");
                    // What was shown can be read at once, whichever core is asked.
                    let head = client.seen();
                    let page = rest::deltas_page(address, wire, document, head - 1);
                    assert_eq!(page.first(), client.shown.last(), "{document}");
                    seen.push((document.clone(), wire, client.cut()));
                }
                seen
            })
        })
        .collect();
    for visitor in visitors {
        for (document, wire, ops) in visitor.join().expect("a visitor that did not panic") {
            ledger.note(&document, wire, &ops);
        }
    }
    service.wait_until("enough operations", |_| load.echoes() > 500 || load.is_over());
    load.stop();
    for seen in load.join() {
        assert!(seen.end.is_none() && seen.nacks == 0, "{:?}", seen.end);
        ledger.note(&seen.document, seen.wire, &seen.ops);
    }
    for document in &documents {
        service.wait_until("everybody's leave", |service| {
            members(&rest::deltas(service.address, Wire::Fluid, document, 0)).is_empty()
        });
        let ops = ledger.check(service.address, document);
        let joins = ops.iter().filter(|op| op.kind == "join").count();
        assert_eq!(joins, 3 + VISITORS * VISITS / documents.len(), "{document}");
    }
    service.assert_alive();
}

#[test]
fn documents_leave_memory_and_come_back_whole() {
    const ROUNDS: usize = 25;
    let dir = Dir::new("cores");
    let partitions = PARTITIONS.to_string();
    let mut service = Options::new(dir.path())
        .cores(CORES)
        .flag("partitions", &partitions)
        .flag("idle-document-ms", "100")
        .start();
    let address = service.address;
    for number in 0..2 {
        (0..CORES).for_each(|core| rest::create(address, &document_on(core, number)));
    }
    let visitors: Vec<_> = (0..6_usize)
        .map(|visitor| {
            thread::spawn(move || {
                // Some documents are shared by visitors, so that one comes as the other goes.
                let document = document_on((visitor % 2) as u16, visitor / 3);
                let mut random = Random::new(visitor as u64);
                let mut seen = Vec::new();
                for round in 0..ROUNDS {
                    let wire = BOTH[(visitor + round) % 2];
                    let mut client = Client::connect(address, wire, &document);
                    (0..random.below(4)).for_each(|_| client.edit("here again"));
                    seen.push((document.clone(), wire, client.cut()));
                    // About the time after which a document may leave.
                    thread::sleep(Duration::from_millis(random.below(220)));
                }
                seen
            })
        })
        .collect();
    let mut ledger = Ledger::default();
    let mut documents = HashSet::new();
    for visitor in visitors {
        for (document, wire, ops) in visitor.join().expect("a visitor that did not panic") {
            ledger.note(&document, wire, &ops);
            documents.insert(document);
        }
    }
    for document in &documents {
        service.wait_until("everybody's leave", |service| {
            members(&rest::deltas(service.address, Wire::Fluid, document, 0)).is_empty()
        });
        ledger.check(service.address, document);
    }
    service.assert_alive();
}

#[test]
fn a_writer_that_says_nothing_leaves_and_hears_of_it() {
    let dir = Dir::new("cores");
    let service = Options::new(dir.path()).flag("idle-writer-ms", "1000").start();
    rest::create(service.address, "d");
    for wire in BOTH {
        let mut silent = Client::connect(service.address, wire, "d");
        let mut busy = Client::connect(service.address, wire, "d");
        let id = silent.id.clone();
        let has_left = |client: &Client| {
            client.shown.iter().any(|op| op.kind == "leave" && op.member.as_deref() == Some(&id))
        };
        // Somebody has to work for the silence to be in the way.
        let deadline = Instant::now() + PATIENCE;
        while !has_left(&busy) {
            assert!(Instant::now() < deadline, "{wire:?}: it may stay");
            busy.edit("work");
            thread::sleep(Duration::from_millis(20));
        }
        silent.wait_until(has_left).expect("its own leave");
        silent.submit(&["too late"]).expect("an open socket");
        silent.wait_until(|client| !client.nacks.is_empty()).expect("a nack");
        busy.edit("goes on");
        busy.cut();
        silent.cut();
    }
    Ledger::default().check(service.address, "d");
}

/// One Phoenix socket with a topic on each core.
struct TwoTopics {
    socket: Socket,
    heard: Vec<Value>,
}

impl TwoTopics {
    fn say(&mut self, document: &str, event: &str, payload: Value) {
        let message = json!(["1", "1", topic(document), event, payload]).to_string();
        self.socket.send_text(&message).expect("an open socket");
    }

    /// Listens until an event of a document is such.
    fn wait(&mut self, document: &str, event: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let topic = topic(document);
        let until = Instant::now() + PATIENCE;
        loop {
            let wanted = |heard: &&Value| {
                heard[2] == topic.as_str() && heard[3] == event && is_so(&heard[4])
            };
            if let Some(heard) = self.heard.iter().find(wanted) {
                return heard[4].clone();
            }
            match self.socket.receive(until) {
                Ok(Some(Message::Text(text))) => {
                    self.heard.push(serde_json::from_str(&text).expect("JSON"));
                }
                other => panic!("in vain waited for {event} of {document}: {other:?}"),
            }
        }
    }

    fn connect(&mut self, document: &str) -> String {
        self.say(document, "phx_join", json!({}));
        self.wait(document, "phx_reply", |reply| reply["status"] == "ok");
        let token = token::of(document);
        self.say(document, "connect_document", introduction(document, Mode::Write, &token));
        let success = self.wait(document, "connect_document_success", |_| true);
        success["clientId"].as_str().expect("a client id").to_owned()
    }

    fn edit(&mut self, document: &str, client: &str, client_seq: u64) {
        let op = json!({
            "type": "op",
            "contents": "both",
            "clientSequenceNumber": client_seq,
            "referenceSequenceNumber": 1,
        });
        self.say(document, "submitOp", json!({"clientId": client, "messageBatches": [[op]]}));
        self.wait(document, "op", |push| {
            push["op"].as_array().is_some_and(|ops| {
                ops.iter()
                    .any(|op| op["clientId"] == client && op["clientSequenceNumber"] == client_seq)
            })
        });
    }
}

#[test]
fn one_phoenix_socket_has_documents_on_both_cores() {
    let dir = Dir::new("cores");
    let mut service = start(&dir);
    let documents = [document_on(0, 0), document_on(1, 1)];
    let mut others: Vec<_> = documents
        .iter()
        .map(|document| Client::connect(service.address, Wire::Levee, document))
        .collect();
    let socket = Socket::open(service.address, &Wire::Levee.path("")).expect("a socket");
    let mut both = TwoTopics { socket, heard: Vec::new() };
    let clients = documents.each_ref().map(|document| both.connect(document));
    for client_seq in 1..=5 {
        for ((document, client), other) in documents.iter().zip(&clients).zip(&mut others) {
            both.edit(document, client, client_seq);
            other.edit("from the other");
            let seq = other.seen();
            both.wait(document, "op", |push| {
                let ops = push["op"].as_array();
                ops.is_some_and(|ops| ops.iter().any(|op| op["sequenceNumber"] == seq))
            });
        }
    }
    // It leaves one document and keeps the other.
    both.say(&documents[0], "phx_leave", json!({}));
    both.wait(&documents[0], "phx_close", |_| true);
    let has_left = |client: &Client, id: &str| {
        client.shown.iter().any(|op| op.kind == "leave" && op.member.as_deref() == Some(id))
    };
    others[0].wait_until(|client| has_left(client, &clients[0])).expect("a leave");
    both.edit(&documents[1], &clients[1], 6);
    // And the other goes with the socket, whichever core has the socket.
    both.socket.cut();
    others[1].wait_until(|client| has_left(client, &clients[1])).expect("a leave");
    for document in &documents {
        Ledger::default().check(service.address, document);
    }
    service.assert_alive();
}

#[test]
fn one_socketio_socket_has_documents_on_both_cores() {
    let dir = Dir::new("cores");
    let mut service = start(&dir);
    let documents = [document_on(0, 0), document_on(1, 1)];
    for document in &documents {
        rest::create(service.address, document);
    }
    let path = Wire::Fluid.path(&documents[0]);
    let mut socket = Socket::open(service.address, &path).expect("a socket");
    socket.send_text("40").expect("an open socket");
    let clients = documents.each_ref().map(|document| {
        let token = token::of(document);
        let connect = json!(["connect_document", introduction(document, Mode::Write, &token)]);
        socket.send_text(&format!("42{connect}")).expect("an open socket");
        let success = hear(&mut socket, |event| event[0] == "connect_document_success");
        success[1]["clientId"].as_str().expect("a client id").to_owned()
    });
    for client_seq in 1..=5 {
        for (document, client) in documents.iter().zip(&clients) {
            let op = json!({
                "type": "op",
                "contents": "both",
                "clientSequenceNumber": client_seq,
                "referenceSequenceNumber": 1,
            });
            let submit = json!(["submitOp", client, [[op]]]);
            socket.send_text(&format!("42{submit}")).expect("an open socket");
            hear(&mut socket, |event| {
                let ops = event[2].as_array().filter(|_| event[0] == "op");
                event[1] == document.as_str()
                    && ops.is_some_and(|ops| ops.iter().any(|op| op["clientId"] == client.as_str()))
            });
        }
    }
    socket.cut();
    for document in &documents {
        Ledger::default().check(service.address, document);
    }
    service.assert_alive();
}

/// Listens on a Socket.IO socket until an event is such.
fn hear(socket: &mut Socket, is_so: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    loop {
        match socket.receive(until) {
            Ok(Some(Message::Text(text))) => {
                let event = text.strip_prefix("42").map(serde_json::from_str::<Value>);
                if let Some(Ok(event)) = event.filter(|event| event.as_ref().is_ok_and(&is_so)) {
                    return event;
                }
                heard.push(text);
            }
            other => panic!("in vain waited for an event: {other:?}, heard {heard:?}"),
        }
    }
}

#[test]
fn rest_is_answered_in_order_whichever_core_it_reaches() {
    let dir = Dir::new("cores");
    let mut service = start(&dir);
    let documents = [document_on(0, 0), document_on(1, 1)];
    for document in &documents {
        rest::create(service.address, document);
        let mut client = Client::connect(service.address, Wire::Fluid, document);
        client.edit(document);
        client.cut();
        service.wait_until("the leave", |service| {
            members(&rest::deltas(service.address, Wire::Fluid, document, 0)).is_empty()
        });
    }
    let tokens = documents.each_ref().map(|document| token::of(document));
    // Several connections, so that some reach one core and some the other.
    for _ in 0..8 {
        let mut stream = rest::open(service.address).expect("a connection");
        let mut pipelined = String::new();
        for index in 0..20 {
            let (document, token) = (&documents[index % 2], &tokens[index % 2]);
            pipelined.push_str(&format!(
                "GET /deltas/fluid/{document}?from=0 HTTP/1.1\r\nhost: x\r\n\
                 authorization: Basic {token}\r\n\r\n"
            ));
        }
        stream.write_all(pipelined.as_bytes()).expect("room for twenty requests");
        let mut replies = rest::Replies::new(stream);
        for index in 0..20 {
            let Reply { status, body, .. } = replies.next().expect("an answer");
            assert_eq!(status, 200);
            let text = String::from_utf8(body).expect("JSON");
            assert!(text.contains(&documents[index % 2]), "answer {index}: {text}");
        }
    }
    service.assert_alive();
}
