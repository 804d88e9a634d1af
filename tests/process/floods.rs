//! Floods and peers that do not read: each meets its bound, memory stays where it is, and the
//! others are served.

use crate::client::{Client, Gone, Mode};
use crate::rest;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::socket::{Message, Socket, upgrade_request};
use crate::token;
use crate::wire::{BOTH, Wire};
use crate::witness::Witness;
use socket2::SockRef;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// By how much a service may grow under a flood: its buffers and histories, bounded by themselves.
const GROWTH_MAX_BYTES: u64 = 64 << 20;

/// Ends a connection with a reset instead of a farewell.
fn reset(stream: &TcpStream) {
    // A socket that is gone already has no options.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Whether the service has ended a connection, whatever it said before.
fn has_ended(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("an open descriptor");
    let mut said = [0; 4096];
    loop {
        match stream.read(&mut said) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

fn assert_bounded(service: &Service, before: u64) {
    let grown = service.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more than before");
}

#[test]
fn floods_of_connections_pass() {
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path()).flag("log", "warn").start();
    let mut witness = Witness::new(&service, "d");
    witness.check(&mut service);
    let before = service.resident_bytes();
    let half_an_upgrade = &upgrade_request(service.address, "/socket.io/?EIO=4")[..60];
    for round in 0..3_000 {
        let mut stream = rest::open(service.address).expect("a connection");
        match round % 4 {
            0 => drop(stream),
            1 => {
                reset(&stream);
            }
            2 => {
                stream.write_all(half_an_upgrade.as_bytes()).expect("an open connection");
            }
            _ => {
                stream.write_all(half_an_upgrade.as_bytes()).expect("an open connection");
                reset(&stream);
            }
        }
        if round % 1_000 == 0 {
            witness.check(&mut service);
        }
    }
    witness.check(&mut service);
    assert_bounded(&service, before);
}

#[test]
fn clients_that_vanish_in_any_state_leave() {
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    for round in 0..60 {
        let wire = BOTH[round % 2];
        if round % 3 == 0 {
            let client = Client::connect(service.address, wire, "d");
            reset(&client.socket.stream);
            continue;
        }
        // Gone before the answer, at a moment of the machine's choosing.
        let mut socket = Socket::open(service.address, &wire.path("d")).expect("a socket");
        let introduction = crate::client::introduction("d", Mode::Write, &token::of("d"));
        let connect = crate::wire::Outgoing::Connect(introduction);
        let hello = match wire {
            Wire::Fluid => String::from("40"),
            Wire::Levee => String::from("[\"1\",\"1\",\"document:fluid:d\",\"phx_join\",{}]"),
        };
        socket.send_text(&hello).expect("an open socket");
        socket.send_text(&wire.message("d", "connect_document", &connect)).expect("an open socket");
        if round % 3 == 1 {
            reset(&socket.stream);
        }
    }
    // The witness's two are all that stay.
    service.wait_until("the leaves", |service| {
        let ops = rest::deltas(service.address, Wire::Fluid, "d", 0);
        crate::checker::members(&ops).len() == 2
    });
    witness.check(&mut service);
    crate::checker::Ledger::default().check(service.address, "d");
}

#[test]
fn malformed_submissions_are_nacked_and_nothing_grows() {
    let dir = Dir::new("floods");
    let mut service =
        Options::new(dir.path()).flag("outbox-bytes-max", "8MiB").flag("log", "error").start();
    let mut witness = Witness::new(&service, "d");
    witness.check(&mut service);
    let before = service.resident_bytes();
    let op = |kind: &str, contents: &str, client_seq: &str, reference: &str| {
        format!(
            "[{{\"type\":\"{kind}\",\"contents\":{contents},\"clientSequenceNumber\":{client_seq},\
             \"referenceSequenceNumber\":{reference}}}]"
        )
    };
    let mut bad: Vec<String> = [
        "7",
        "null",
        "\"x\"",
        "{}",
        "[]",
        "[7]",
        "[null]",
        "[[[[]]]]",
        "[{}]",
        "[{\"type\":7}]",
        "[{\"type\":\"op\"}]",
        "[{\"type\":\"op\",\"clientSequenceNumber\":\"1\"}]",
    ]
    .map(String::from)
    .into();
    bad.extend([
        op("op", "\"x\"", "-5", "0"),
        op("op", "\"x\"", "1e400", "0"),
        op("op", "\"x\"", "999999999999999999999", "0"),
        op("op", "\"x\"", "1", "99999"),
        op("op", "\"x\"", "1", "-9"),
        op("join", "\"x\"", "1", "1"),
        op("leave", "\"x\"", "1", "1"),
        op("summaryAck", "{}", "1", "1"),
        op("summarize", "\"{\"", "1", "1"),
        op("nonsense", "\"x\"", "1", "1"),
    ]);
    for wire in BOTH {
        // One at a time: each is answered by something, or by a close, and harms nobody.
        for ops in &bad {
            let mut client = Client::connect(service.address, wire, "d");
            let sent = client.submit_raw(ops);
            if sent.is_ok() {
                let _ =
                    client.socket.send(levee_core::wire::websocket::Opcode::Ping, true, b"there?");
            }
            let until = Instant::now() + PATIENCE;
            loop {
                match client.socket.receive(until) {
                    Ok(Some(Message::Pong(_))) | Err(_) => break,
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{wire:?} {ops}: no answer"),
                }
            }
            service.assert_alive();
        }
        witness.check(&mut service);
        // And a flood of them, by somebody who reads none of the answers.
        let mut client = Client::connect(service.address, wire, "d");
        client.socket.stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        for round in 0..20_000 {
            if client.submit_raw(&bad[round % bad.len()]).is_err() {
                break;
            }
        }
        witness.check(&mut service);
        client.cut();
    }
    witness.check(&mut service);
    assert_bounded(&service, before);
    // What was refused is not in the document, but everything that is there is in order.
    crate::checker::Ledger::default().check(service.address, "d");
}

#[test]
fn a_slow_reader_is_disconnected_by_its_own_bound() {
    const OP: usize = 256 << 10;
    const OPS: usize = 120;
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path())
        .flag("outbox-bytes-max", "8MiB")
        .flag("durability", "process")
        .flag("log", "warn")
        .start();
    rest::create(service.address, "d");
    let contents = "x".repeat(OP);
    let mut writer = Client::connect(service.address, Wire::Fluid, "d");
    // What the writing alone takes is not the slow reader's.
    (0..OPS).for_each(|_| writer.edit(&contents));
    for wire in BOTH {
        let before = service.resident_bytes();
        let mut slow = Client::connect_to_read(service.address, wire, "d");
        (0..OPS).for_each(|_| writer.edit(&contents));
        assert_bounded(&service, before);
        // What waits in the system's buffers can be read; then comes the end.
        let shown = slow.shown.len();
        let mut until = Instant::now() + PATIENCE;
        let end = loop {
            match slow.hear(until) {
                Ok(Some(_)) => until = Instant::now() + PATIENCE,
                Ok(None) => panic!("{wire:?}: the slow reader is still connected"),
                Err(gone) => break gone,
            }
        };
        assert!(matches!(end, Gone::Ended { .. } | Gone::Broken(_)), "{end:?}");
        assert!(slow.shown.len() - shown < OPS, "it was shown everything");
        service.assert_alive();
        // It comes back and reads everything.
        let mut again = Client::connect_to_read(service.address, wire, "d");
        writer.edit("again");
        again.catch_up(writer.seen());
        again.cut();
    }
}

#[test]
fn pipelined_requests_whose_answers_nobody_reads_are_not_answered_into_memory() {
    const SOCKETS: usize = 8;
    const REQUESTS: usize = 50;
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path()).flag("log", "warn").start();
    let mut witness = Witness::new(&service, "d");
    let mut writer = Client::connect(service.address, Wire::Fluid, "d");
    let contents = "x".repeat(256 << 10);
    (0..4).for_each(|_| writer.edit(&contents));
    witness.check(&mut service);
    let before = service.resident_bytes();
    let request = format!(
        "GET /deltas/fluid/d?from=0 HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n\r\n",
        token::of("d")
    );
    let open: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let mut stream = rest::open(service.address).expect("a connection");
            let pipelined = request.repeat(REQUESTS);
            stream.write_all(pipelined.as_bytes()).expect("room for the requests");
            stream
        })
        .collect();
    // Long enough for a service that goes on answering to have answered them all.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        witness.check(&mut service);
    }
    assert_bounded(&service, before);
    // Who reads after all gets every answer.
    let mut replies = rest::Replies::new(open.into_iter().next().expect("eight sockets"));
    for index in 0..REQUESTS {
        let reply = replies.next().unwrap_or_else(|error| panic!("answer {index}: {error}"));
        assert!(reply.status == 200 && reply.body.len() > 1 << 20, "{}", reply.status);
    }
    witness.check(&mut service);
}

#[test]
fn large_messages_that_never_end_have_one_bound_together() {
    const SOCKETS: usize = 30;
    const MESSAGE: usize = 6 << 20;
    let dir = Dir::new("floods");
    let mut service =
        Options::new(dir.path()).flag("unfinished-bytes-max", "16MiB").flag("log", "error").start();
    let mut witness = Witness::new(&service, "d");
    witness.check(&mut service);
    let before = service.resident_bytes();
    let head = format!(
        "POST /repos/fluid/git/blobs HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        2 * MESSAGE
    );
    let mut frame = vec![0x81, 0xFF];
    frame.extend_from_slice(&(2 * MESSAGE as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    let half = vec![b'x'; MESSAGE];
    let mut open = Vec::new();
    for index in 0..SOCKETS {
        let mut stream = if index % 2 == 0 {
            let mut stream = rest::open(service.address).expect("a connection");
            stream.write_all(head.as_bytes()).expect("an open connection");
            stream
        } else {
            let path = BOTH[index / 2 % 2].path("d");
            let mut socket = Socket::open(service.address, &path).expect("a socket");
            socket.stream.write_all(&frame).expect("an open socket");
            socket.stream
        };
        // It may be refused in the middle.
        let _ = stream.write_all(&half);
        open.push(stream);
    }
    // Who sends no more than everybody does is served all the same.
    witness.check(&mut service);
    assert_bounded(&service, before);
    let refused = open.iter().filter(|stream| has_ended(stream)).count();
    assert!(refused > SOCKETS / 3, "only {refused} were refused");
    assert!(refused < SOCKETS, "nobody was let send");
    drop(open);
    // And when they have gone, there is room again.
    let content = "x".repeat(MESSAGE);
    service.wait_until("room for a large message", |service| {
        let token = token::of("d");
        let client = Client::try_connect(service.address, Wire::Levee, "d", Mode::Write, &token);
        let mut client = client.unwrap_or_else(|gone| panic!("cannot connect: {gone:?}"));
        let sent = client.submit(&[&content]);
        let echoed = sent.and_then(|()| client.wait_until(|client| client.echoed > 0));
        client.cut();
        echoed.is_ok()
    });
    service.assert_alive();
}

#[test]
fn a_client_over_its_rate_is_throttled_alone() {
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path()).flag("ops-per-second-max", "50").start();
    let mut witness = Witness::new(&service, "d");
    for wire in BOTH {
        let mut client = Client::connect(service.address, wire, "d");
        for _ in 0..100 {
            client.submit(&["x", "y", "z"]).expect("an open socket");
        }
        client.wait_until(|client| !client.nacks.is_empty()).expect("a nack");
        let nack = &client.nacks[0];
        let content = if nack.is_array() { &nack[0]["content"] } else { &nack["content"] };
        assert_eq!(content["code"], 429, "{nack}");
        assert!(content["retryAfter"].as_f64().is_some_and(|after| after > 0.0), "{nack}");
        client.cut();
        witness.check(&mut service);
    }
    crate::checker::Ledger::default().check(service.address, "d");
}

#[test]
fn an_address_has_a_number_of_sockets_and_no_more() {
    const SOCKETS: usize = 20;
    let dir = Dir::new("floods");
    let mut service =
        Options::new(dir.path()).flag("sockets-per-address-max", &SOCKETS.to_string()).start();
    let mut open: Vec<_> = (0..SOCKETS)
        .map(|_| Socket::open(service.address, &Wire::Levee.path("d")).expect("a socket"))
        .collect();
    let refused = Socket::open(service.address, &Wire::Levee.path("d")).err();
    let refused = refused.expect("one socket too many");
    assert!(
        !matches!(refused.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        "it was let wait: {refused}"
    );
    // Those that are there are not touched, and a place that gets free is given again.
    let heartbeat = "[null,\"1\",\"phoenix\",\"heartbeat\",{}]";
    for socket in &mut open {
        socket.send_text(heartbeat).expect("an open socket");
        let answer = socket.receive(Instant::now() + PATIENCE);
        assert!(matches!(answer, Ok(Some(Message::Text(_)))), "{answer:?}");
    }
    open.pop();
    service.wait_until("a free place", |service| {
        Socket::open(service.address, &Wire::Levee.path("d")).is_ok()
    });
    drop(open);
    let mut client = None;
    service.wait_until("free places", |service| {
        let token = token::of("d");
        let connected = Client::try_connect(service.address, Wire::Levee, "d", Mode::Write, &token);
        client = connected.ok();
        client.is_some()
    });
    client.expect("a client").edit("served");
    service.assert_alive();
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    const REFUSED: usize = 2_000;
    let dir = Dir::new("floods");
    let mut service =
        Options::new(dir.path()).flag("sockets-per-address-max", "8").unread_log().start();
    let mut witness = Witness::new(&service, "d");
    witness.check(&mut service);
    // With the witness's two clients there is room for one more socket at a time.
    let held: Vec<_> = (0..6).map(|_| rest::open(service.address).expect("a connection")).collect();
    // One line each: more than twice what a pipe holds that nobody reads.
    for _ in 0..REFUSED {
        let stream = rest::open(service.address).expect("a connection");
        let until = Instant::now() + PATIENCE;
        while !has_ended(&stream) {
            assert!(Instant::now() < until, "it is neither refused nor served");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    drop(held);
    witness.check(&mut service);
    service.read_log();
    service.wait_until("the lines that wait", |service| {
        service.log().matches("socket refused").count() >= REFUSED
    });
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
fn peers_that_send_on_while_they_are_closed_are_cut() {
    const PEERS: usize = 6;
    let dir = Dir::new("floods");
    let mut service = Options::new(dir.path()).flag("log", "warn").start();
    let mut witness = Witness::new(&service, "d");
    let address = service.address;
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            std::thread::spawn(move || {
                let piece = vec![b'x'; 1 << 20];
                let mut stream = rest::open(address).expect("a connection");
                stream.write_all(b"nonsense\r\n\r\n").expect("an open connection");
                let until = Instant::now() + PATIENCE;
                while stream.write(&piece).is_ok() {
                    assert!(Instant::now() < until, "the service never stops listening");
                }
            })
        })
        .collect();
    witness.check(&mut service);
    for peer in peers {
        peer.join().expect("a peer that was cut");
    }
    witness.check(&mut service);
}
