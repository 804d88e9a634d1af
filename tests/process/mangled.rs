//! The same edit session directly and through the mangling proxy gives the same results.

use crate::checker::{Ledger, check_history};
use crate::client::{Client, Mode};
use crate::load::Load;
use crate::proxy::Proxy;
use crate::rest;
use crate::service::{Dir, Options};
use crate::token;
use crate::wire::{BOTH, Wire};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Seeds of the proxy, each a session.
const SEEDS: u64 = 6;

#[test]
fn a_session_through_a_mangling_proxy_gives_the_same_results() {
    let dir = Dir::new("proxy");
    let mut service = Options::new(dir.path()).start();
    let direct = session(service.address, "direct");
    assert!(direct.len() > 60, "a session worth the name: {}", direct.len());
    for seed in 0..SEEDS {
        let proxy = Proxy::start(service.address, seed);
        let mangled = session(proxy.address, &format!("mangled-{seed}"));
        assert_eq!(mangled.len(), direct.len(), "seed {seed}");
        for (mangled, direct) in mangled.iter().zip(&direct) {
            assert_eq!(mangled, direct, "seed {seed}");
        }
        service.assert_alive();
    }
}

#[test]
fn documents_under_load_through_a_mangling_proxy_stay_in_order() {
    let dir = Dir::new("proxy");
    let mut service = Options::new(dir.path()).start();
    let proxy = Proxy::start(service.address, 77);
    let mut load = Load::new();
    let documents = ["one", "two"];
    for (document, seed) in documents.iter().zip(1..) {
        rest::create(proxy.address, document);
        for wire in BOTH {
            load.start(proxy.address, wire, document, Mode::Write, seed);
            load.start(proxy.address, wire, document, Mode::Read, seed);
        }
        load.start_packed(proxy.address, document, seed);
    }
    service.wait_until("enough operations", |_| load.echoes() > 600 || load.is_over());
    load.stop();
    let mut ledger = Ledger::default();
    for seen in load.join() {
        assert!(seen.end.is_none() && seen.nacks == 0, "{:?} ended: {:?}", seen.id, seen.end);
        ledger.note(&seen.document, seen.wire, &seen.ops);
    }
    assert!(ledger.count() > 600);
    for document in documents {
        ledger.check(service.address, document);
    }
    service.assert_alive();
}

/// A scripted session of three clients, step by step; what each of them heard, and `/deltas`, with
/// the names and the times of this run taken out.
pub(crate) fn session(address: SocketAddr, document: &str) -> Vec<String> {
    rest::create(address, document);
    let mut fluid = Client::connect(address, Wire::Fluid, document);
    let mut levee = Client::connect(address, Wire::Levee, document);
    let token = token::of(document);
    let reader = Client::try_connect(address, Wire::Fluid, document, Mode::Read, &token);
    let mut reader = reader.unwrap_or_else(|gone| panic!("no reader: {gone:?}"));
    let mut head = 2;
    for step in 0..20_usize {
        // Small ones, then sizes around the borders of frames, then large ones.
        let size = [0, 1, 100, 125, 126, 127, 1000, 65_530, 65_536, 300_000][step % 10];
        let text = "x".repeat(size);
        let batch: Vec<_> = (0..1 + step % 3).map(|_| text.as_str()).collect();
        let writer = if step % 2 == 0 { &mut fluid } else { &mut levee };
        writer.submit(&batch).unwrap_or_else(|gone| panic!("cannot submit: {gone:?}"));
        head += batch.len() as u64;
        for client in [&mut fluid, &mut levee, &mut reader] {
            client.catch_up(head);
        }
    }
    fluid.signal("to all").unwrap_or_else(|gone| panic!("cannot signal: {gone:?}"));
    for client in [&mut fluid, &mut levee, &mut reader] {
        let heard = client
            .wait_until(|client| client.signals.iter().any(|signal| signal["content"] == "to all"));
        // The sender hears itself only on its own wire's terms.
        heard.unwrap_or_else(|gone| panic!("no signal: {gone:?}"));
    }
    let mut names = HashMap::new();
    for (client, name) in [(&fluid, "fluid"), (&levee, "levee"), (&reader, "reader")] {
        names.insert(client.id.clone(), name);
    }
    names.insert(document.to_owned(), "document");
    let mut lines = Vec::new();
    for wire in BOTH {
        let ops = rest::deltas(address, wire, document, 0);
        check_history(document, &ops);
        lines.extend(ops.iter().map(|op| anonymous(&op.json, &names)));
    }
    for client in [fluid, levee, reader] {
        lines.extend(client.shown.iter().map(|op| anonymous(&op.json, &names)));
        let signals = client.signals.iter().map(Value::to_string);
        lines.extend(signals.map(|signal| anonymous(&signal, &names)));
        client.cut();
    }
    left(address, document);
    lines
}

/// Waits until the writers' leaves are in: the next session must not see this one's end.
fn left(address: SocketAddr, document: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ops = rest::deltas(address, Wire::Fluid, document, 0);
        if ops.iter().filter(|op| op.kind == "leave").count() == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "the leaves are missing");
    }
}

/// Takes out what differs from run to run.
fn anonymous(json: &str, names: &HashMap<String, &str>) -> String {
    let mut text = json.to_owned();
    for (id, name) in names {
        text = text.replace(id, name);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\"timestamp\":") {
        let (before, after) = rest.split_at(at + "\"timestamp\":".len());
        out.push_str(before);
        out.push('0');
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out.push_str(rest);
    out
}
