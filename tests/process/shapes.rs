//! Operations, batches, names and numbers of documents at the ends of what is allowed: they work,
//! and they are there after `kill -9`.

use crate::checker::{Ledger, check_history};
use crate::client::Client;
use crate::rest;
use crate::service::{Dir, Options};
use crate::wire::{BOTH, Wire};

#[test]
fn operations_of_every_size_outlive_a_kill() {
    // Around what clients send, what a group of the log takes, and what a frame takes.
    let sizes = [0, 1, 700 << 10, 5 << 20, (8 << 20) - 300, 9 << 20, 15 << 20];
    let dir = Dir::new("shapes");
    for (durability, runtime) in [("power", "auto"), ("process", "epoll")] {
        let options = Options::new(&dir.path().join(durability))
            .flag("durability", durability)
            .flag("runtime", runtime);
        let service = options.start();
        let mut ledger = Ledger::default();
        rest::create(service.address, "d");
        for wire in BOTH {
            let mut writer = Client::connect(service.address, wire, "d");
            let mut reader = Client::connect_to_read(service.address, Wire::Levee, "d");
            for size in sizes {
                writer.edit(&"x".repeat(size));
                reader.catch_up(writer.seen());
            }
            assert!(writer.nacks.is_empty(), "{:?}", writer.nacks);
            ledger.note("d", wire, &writer.cut());
            ledger.note("d", Wire::Levee, &reader.cut());
        }
        service.kill();
        let mut service = options.start();
        let ops = ledger.check(service.address, "d");
        let plain = ops.iter().filter(|op| op.kind == "op").count();
        assert_eq!(plain, BOTH.len() * sizes.len());
        service.assert_alive();
    }
}

#[test]
fn a_batch_over_its_bound_is_taken_up_to_it() {
    const OPS_MAX: usize = 500;
    let dir = Dir::new("shapes");
    let options = Options::new(dir.path()).flag("batch-ops-max", &OPS_MAX.to_string());
    let service = options.start();
    let mut ledger = Ledger::default();
    rest::create(service.address, "d");
    for wire in BOTH {
        let mut writer = Client::connect(service.address, wire, "d");
        let batch = vec!["x"; OPS_MAX];
        writer.submit(&batch).expect("an open socket");
        writer.wait_until(|writer| writer.echoed == OPS_MAX as i64).expect("every echo");
        let shown = writer.shown.len();
        writer.submit(&vec!["y"; OPS_MAX + 1]).expect("an open socket");
        writer.wait_until(|writer| !writer.nacks.is_empty()).expect("a nack");
        let echoed = writer.shown[shown..].iter().filter(|op| op.kind == "op").count();
        assert_eq!(echoed, OPS_MAX, "{wire:?}: {:?}", writer.nacks);
        ledger.note("d", wire, &writer.cut());
    }
    service.kill();
    let service = options.start();
    let ops = ledger.check(service.address, "d");
    assert_eq!(ops.iter().filter(|op| op.kind == "op").count(), 2 * BOTH.len() * OPS_MAX);
}

#[test]
fn documents_of_every_name_stay_apart() {
    let long = "n".repeat(400);
    let names = [
        "a",
        "A",
        "a ",
        "a.b",
        "..",
        "a:b",
        "a/b",
        "a%2Fb",
        "a%b",
        "a?b#c",
        "a+b",
        "ä",
        "ä\u{308}",
        "日本語",
        "🦀",
        "a\\b",
        "a\"b",
        "null",
        "0",
        &long,
    ];
    let dir = Dir::new("shapes");
    let options = Options::new(dir.path()).flag("partitions", "2");
    let service = options.start();
    let mut ledger = Ledger::default();
    for name in names {
        let mut client = Client::connect(service.address, Wire::Levee, name);
        client.edit(name);
        ledger.note(name, Wire::Levee, &client.cut());
    }
    service.kill();
    let mut service = options.start();
    for name in names {
        let ops = rest::deltas(service.address, Wire::Levee, name, 0);
        check_history(name, &ops);
        let edits: Vec<_> = ops.iter().filter(|op| op.kind == "op").collect();
        assert_eq!(edits.len(), 1, "{name:?}");
        let edit: serde_json::Value = serde_json::from_str(&edits[0].json).expect("JSON");
        assert_eq!(edit["contents"], name);
        ledger.check(service.address, name);
        for wire in BOTH {
            let mut client = Client::connect(service.address, wire, name);
            client.edit("again");
            client.cut();
        }
        service.assert_alive();
    }
}

#[test]
fn many_documents_come_back() {
    const DOCUMENTS: usize = 300;
    let dir = Dir::new("shapes");
    let options = Options::new(dir.path()).cores(2).flag("durability", "process");
    let service = options.start();
    let names: Vec<_> = (0..DOCUMENTS).map(|number| format!("document-{number}")).collect();
    let mut ledger = Ledger::default();
    for name in &names {
        let mut client = Client::connect(service.address, Wire::Levee, name);
        client.edit(name);
        ledger.note(name, Wire::Levee, &client.cut());
    }
    service.kill();
    let mut service = options.start();
    for name in &names {
        ledger.check(service.address, name);
        let mut client = Client::connect(service.address, Wire::Levee, name);
        client.edit("again");
        client.cut();
    }
    service.assert_alive();
}
