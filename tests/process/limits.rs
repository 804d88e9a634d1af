//! What the defaults of `--dev` let pass, and what a limit says to what is over it. Ten thousand
//! sockets from one address are in `idle`; what a limit keeps from the others is in `floods`.

use crate::checker::Ledger;
use crate::client::Client;
use crate::service::{Dir, Options};
use crate::wire::{BOTH, Wire};
use crate::{rest, token};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

const OPS_PER_SECOND: usize = 30_000;
const BODY_BYTES_MAX: usize = 100 << 20;
const FRAME_BYTES_MAX: usize = 16 << 20;

#[test]
fn thirty_thousand_operations_a_second_from_one_client_pass() {
    const SECONDS: usize = 3;
    const BATCH: usize = 1_000;
    let dir = Dir::new("limits");
    let mut service = Options::new(dir.path()).start();
    let contents = "x".repeat(64);
    let batch = [contents.as_str(); BATCH];
    for wire in BOTH {
        let document = format!("{wire:?}");
        rest::create(service.address, &document);
        let mut client = Client::connect(service.address, wire, &document);
        for second in 1..=SECONDS {
            let begun = Instant::now();
            // On a slow machine the burst takes longer than its second. The limit is no stricter
            // for that, and nothing here waits for it to be faster.
            (0..OPS_PER_SECOND / BATCH)
                .for_each(|_| client.submit(&batch).expect("an open socket"));
            let sent = client.client_seq;
            assert_eq!(sent as usize, second * OPS_PER_SECOND);
            client
                .wait_until(|client| client.echoed >= sent || !client.nacks.is_empty())
                .expect("every operation");
            assert!(client.nacks.is_empty(), "{wire:?}: {:?}", client.nacks);
            thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
        }
        let own = client.shown.iter().filter(|op| op.client.as_deref() == Some(&client.id));
        assert!(own.map(|op| op.client_seq).eq(1..=client.client_seq), "{wire:?}: all, in order");
        let mut ledger = Ledger::default();
        ledger.note(&document, wire, &client.cut());
        ledger.check(service.address, &document);
    }
    service.assert_alive();
}

#[test]
fn what_exceeds_the_rate_is_throttled_and_what_does_not_passes() {
    const LIMIT: usize = 200;
    let dir = Dir::new("limits");
    let mut service =
        Options::new(dir.path()).flag("ops-per-second-max", &LIMIT.to_string()).start();
    rest::create(service.address, "d");
    for wire in BOTH {
        let mut client = Client::connect(service.address, wire, "d");
        // One message is one moment to the service, so that no time passes in which the client
        // could earn more.
        client.submit(&["x"; LIMIT + 1]).expect("an open socket");
        client.wait_until(|client| !client.nacks.is_empty()).expect("a nack");
        assert_eq!(client.echoed as usize, LIMIT, "{wire:?}: what it had is sequenced first");
        let nack = &client.nacks[0];
        let nack = if nack.is_array() { &nack[0] } else { nack };
        let content = &nack["content"];
        assert_eq!(content["code"], 429, "{nack}");
        assert_eq!(content["type"], "ThrottlingError", "{nack}");
        assert!(content["retryAfter"].as_f64().is_some_and(|after| after > 0.0), "{nack}");
        // It comes back with what was refused when it was told to, and goes on.
        thread::sleep(Duration::from_secs_f64(content["retryAfter"].as_f64().expect("a time")));
        client.client_seq = client.echoed;
        client.edit("in time");
        assert_eq!(client.nacks.len(), 1, "{wire:?}");
        client.cut();
    }
    Ledger::default().check(service.address, "d");
    service.assert_alive();
}

#[test]
fn a_frame_of_sixteen_mebibytes_passes() {
    let dir = Dir::new("limits");
    let mut service = Options::new(dir.path()).start();
    for wire in BOTH {
        let document = format!("{wire:?}");
        rest::create(service.address, &document);
        let mut client = Client::connect(service.address, wire, &document);
        let op = |contents: &str| {
            json!([{
                "type": "op",
                "contents": contents,
                "clientSequenceNumber": 1,
                "referenceSequenceNumber": 1,
            }])
            .to_string()
        };
        let empty = crate::wire::Outgoing::Submit { client: &client.id, ops: &op("") };
        let overhead = wire.message(&document, "submitOp", &empty).len();
        let contents = numbered(FRAME_BYTES_MAX - overhead);
        client.client_seq = 1;
        client.submit_raw(&op(&contents)).expect("an open socket");
        client.wait_until(|client| client.echoed == 1).expect("its echo");
        let found = rest::deltas(service.address, wire, &document, 0);
        let echo = client.shown.last().expect("an operation");
        let kept = found.iter().find(|op| op.seq == echo.seq).expect("the same in /deltas");
        for op in [echo, kept] {
            let op: Value = serde_json::from_str(&op.json).expect("JSON");
            assert!(op["contents"] == contents.as_str(), "{wire:?}: it has changed");
        }
        assert!(client.nacks.is_empty());
        client.cut();
    }
    service.assert_alive();
}

#[test]
fn a_body_of_a_hundred_mebibytes_passes_and_reads_back() {
    let dir = Dir::new("limits");
    let mut service = Options::new(dir.path()).start();
    rest::create(service.address, "d");
    let overhead = rest::blob_body("").len();
    let content = numbered(BODY_BYTES_MAX - overhead);
    assert_eq!(rest::blob_body(&content).len(), BODY_BYTES_MAX);
    let id = rest::store_blob(service.address, "d", &content).expect("an answer");
    assert!(rest::blob(service.address, "d", &id) == content, "it has changed");
    // Others are served as before, and after a crash it is still there.
    Client::connect(service.address, Wire::Levee, "d").edit("beside it");
    service.assert_alive();
    service.kill();
    service = Options::new(dir.path()).start();
    assert!(rest::blob(service.address, "d", &id) == content, "it has changed in the crash");
    service.assert_alive();
}

#[test]
fn a_body_over_the_limit_is_refused_in_the_words_of_its_wire() {
    let dir = Dir::new("limits");
    let mut service = Options::new(dir.path()).start();
    rest::create(service.address, "d");
    let limit = 1 << 20;
    let small = Dir::new("limits");
    let mut strict = Options::new(small.path()).flag("body-bytes-max", "1MiB").start();
    rest::create(strict.address, "d");
    for wire in BOTH {
        // By its announced length, before any of it is sent; chunk by chunk; and after a client
        // that reads nothing before all is said, as most do.
        let announced = post(wire, &format!("content-length: {}", BODY_BYTES_MAX + 1));
        assert_refused(service.address, announced.as_bytes());
        let mut chunked = post(wire, "transfer-encoding: chunked");
        chunked.push_str(&format!("{limit:x}\r\n{}\r\n1\r\n", "x".repeat(limit)));
        assert_refused(strict.address, chunked.as_bytes());
        let mut whole = post(wire, &format!("content-length: {}", limit + 1));
        whole.push_str(&"x".repeat(limit + 1));
        assert_refused(strict.address, whole.as_bytes());
    }
    service.assert_alive();
    strict.assert_alive();
}

/// The head of a request for a blob to be stored.
fn post(wire: Wire, framing: &str) -> String {
    let authorization = match wire {
        Wire::Fluid => rest::storage_authorization("d"),
        Wire::Levee => rest::authorization(wire, &token::of("d")),
    };
    format!(
        "POST /repos/fluid/git/blobs HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    )
}

/// One answer, 413, and the end of the connection: what would follow is not a request.
fn assert_refused(address: SocketAddr, request: &[u8]) {
    let mut stream = rest::open(address).expect("a connection");
    stream.write_all(request).expect("a connection that is closed politely");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end without a reset");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(rest::header(head, "connection"), Some("close"), "{head}");
    assert_eq!(rest::header(head, "access-control-allow-origin"), Some("*"), "{head}");
    assert_eq!(body, "{\"errors\":{\"detail\":\"Request Entity Too Large\"}}");
}

/// A text of so many bytes, no two kilobytes of which are alike.
fn numbered(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 1024);
    let mut line = 0;
    while text.len() < bytes {
        text.push_str(&format!("{line:<1024}"));
        line += 1;
    }
    text.truncate(bytes);
    text
}
