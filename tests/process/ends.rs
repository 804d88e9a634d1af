//! How a life ends and the next begins: the drain, the torn log, other cores, the other runtime,
//! a second process.

use crate::checker::{Ledger, members};
use crate::client::{Client, Gone, Mode};
use crate::load::{Load, Seen};
use crate::rest;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::socket::upgrade_request;
use crate::wire::{BOTH, Wire};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 3] = ["one", "two", "three"];

#[test]
fn a_drain_under_load_keeps_everything_and_says_goodbye() {
    let dir = Dir::new("ends");
    let options = Options::new(dir.path()).cores(2).flag("drain-ms", "500");
    let mut ledger = Ledger::default();
    let mut heads = Vec::new();
    for life in 1..=3_u64 {
        let service = options.start();
        if life == 1 {
            DOCUMENTS.iter().for_each(|document| rest::create(service.address, document));
        }
        let mut load = Load::new();
        for document in DOCUMENTS {
            for wire in BOTH {
                for mode in [Mode::Write, Mode::Read] {
                    load.start(service.address, wire, document, mode, life);
                }
            }
        }
        service.wait_until("enough operations", |_| load.echoes() > 300 || load.is_over());
        let status = service.terminate();
        assert_eq!(status.code(), Some(0), "{status}");
        for seen in load.join() {
            assert_goodbye(&seen);
            ledger.note(&seen.document, seen.wire, &seen.ops);
        }
        // The next life goes on with the numbers; nobody is left over from this one.
        let mut service = options.start();
        heads.clear();
        for document in DOCUMENTS {
            let ops = ledger.check(service.address, document);
            let mut client = Client::connect(service.address, Wire::Levee, document);
            client.edit("the next life");
            assert!(client.seen() > ops.len() as u64);
            heads.push(client.seen());
            ledger.note(document, Wire::Levee, &client.shown);
            let ops = ledger.check(service.address, document);
            assert_eq!(members(&ops).into_iter().collect::<Vec<_>>(), [&client.id]);
        }
        service.assert_alive();
        assert_eq!(service.terminate().code(), Some(0));
    }
    assert!(ledger.count() > 900, "{}", ledger.count());
}

fn assert_goodbye(seen: &Seen) {
    assert_eq!(seen.nacks, 0);
    match (seen.wire, &seen.end) {
        (Wire::Fluid, Some(Gone::Ended { goodbye: true, .. })) => {}
        (Wire::Levee, Some(Gone::Ended { code: Some(1012), .. })) => {}
        // A writer that was held up for longer than the service lingers finds its words gone.
        (_, Some(Gone::Broken(_))) if seen.submitted > seen.echoed => {}
        (wire, end) => panic!("{wire:?} was sent away with {end:?}"),
    }
}

/// Opens a socket of every kind that can be open when a drain begins, and leaves it there.
fn leave_open(service: &Service, kind: usize) -> TcpStream {
    let mut stream = rest::open(service.address).expect("a connection");
    let upgrade = upgrade_request(service.address, "/socket.io/?EIO=4&transport=websocket");
    let request = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let (half, _) = upgrade.split_at(upgrade.len() / 2);
    let said = match kind {
        0 => String::new(),
        1 => half.into(),
        2 => upgrade,
        // A frame that has only begun; the first bytes of its payload are missing.
        3 => format!("{upgrade}\u{1}"),
        4 => request.repeat(500),
        5 => format!("{}content-length: 9999\r\n\r\nx", "POST / HTTP/1.1\r\nhost: x\r\n"),
        _ => request.into(),
    };
    // A service that is draining already may have hung up.
    let _ = stream.write_all(said.as_bytes());
    if kind > 5 {
        let _ = stream.shutdown(Shutdown::Write);
    }
    stream
}

#[test]
fn a_drain_ends_by_itself_whatever_its_sockets_are_doing() {
    const LIVES: u64 = 4;
    let dir = Dir::new("ends");
    // A deadline that no test would outlive: whatever stays open is found.
    let deadline = PATIENCE.as_millis() * 2;
    let options = Options::new(dir.path())
        .cores(2)
        .flag("drain-ms", "100")
        .flag("drain-deadline-ms", &deadline.to_string());
    for life in 1..=LIVES {
        let mut service = options.start();
        if life == 1 {
            DOCUMENTS.iter().for_each(|document| rest::create(service.address, document));
        }
        let mut load = Load::new();
        for document in DOCUMENTS {
            for wire in BOTH {
                load.start(service.address, wire, document, Mode::Write, life);
            }
        }
        service.wait_until("enough operations", |_| load.echoes() > 50 || load.is_over());
        let before: Vec<_> = (0..28).map(|number| leave_open(&service, number % 7)).collect();
        service.signal(libc::SIGTERM);
        assert_eq!(service.wait().code(), Some(0));
        let log = service.log();
        assert!(!log.contains("deadline"), "{log}");
        drop(before);
        load.join();
    }
}

#[test]
fn a_log_torn_at_its_end_starts_with_what_is_whole() {
    let dir = Dir::new("ends");
    let options = Options::new(dir.path()).flag("partitions", "1").flag("durability", "process");
    for (torn_bytes, what) in [(1, "zeros"), (7, "garbage"), (60, "zeros"), (300, "garbage")] {
        let service = options.start();
        let mut client = Client::connect(service.address, Wire::Levee, "d");
        (0..30).for_each(|_| client.edit("a line of a good length, so that records have some"));
        let shown = client.shown.clone();
        service.kill();
        tear(&newest_log(dir.path()), torn_bytes, what == "garbage");
        let mut service = options.start();
        let mut client = Client::connect(service.address, Wire::Levee, "d");
        client.edit("after the tear");
        // Whatever is left is what was shown, to the last whole record and no further.
        let ops = rest::deltas(service.address, Wire::Levee, "d", 0);
        crate::checker::check_history("d", &ops);
        let joined = ops.iter().position(|op| op.member.as_deref() == Some(&client.id));
        let kept = &ops[..joined.expect("the new client's join")];
        let is_shown = |op: &crate::ops::Op| shown.iter().any(|shown| shown.json == op.json);
        let lost = shown.iter().filter(|op| kept.iter().all(|kept| kept.json != op.json)).count();
        assert!(lost <= 8, "{torn_bytes} torn bytes took {lost} operations");
        let first = shown.first().map_or(0, |op| op.seq);
        let unknown = kept.iter().filter(|op| op.seq >= first && op.kind == "op" && !is_shown(op));
        assert_eq!(unknown.count(), 0, "operations that nobody was shown");
        service.assert_alive();
        service.kill();
    }
}

/// The log segment that was written last.
fn newest_log(data: &Path) -> PathBuf {
    let logs = fs::read_dir(data.join("p0000/log")).expect("the log's directory");
    let logs = logs.map(|entry| entry.expect("an entry").path());
    logs.max_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).expect("a time"))
        .expect("a log")
}

/// Overwrites the last bytes that were written: the rest of a segment is zeros from the start.
fn tear(path: &Path, bytes: usize, garbage: bool) {
    let mut file = fs::File::options().read(true).write(true).open(path).expect("the log");
    let mut log = Vec::new();
    file.read_to_end(&mut log).expect("the log's bytes");
    let end = log.iter().rposition(|byte| *byte != 0).expect("a log with records") + 1;
    let start = end - bytes;
    file.seek(SeekFrom::Start(start as u64)).expect("a place in the log");
    let torn = vec![if garbage { 0xA5 } else { 0 }; bytes];
    file.write_all(&torn).expect("room in the log");
}

#[test]
fn data_opens_on_another_number_of_cores() {
    let dir = Dir::new("ends");
    let mut ledger = Ledger::default();
    let documents: Vec<_> = (0..12).map(|number| format!("d{number}")).collect();
    for (cores, partitions) in [(1, "4"), (2, "16"), (1, "1")] {
        let service = Options::new(dir.path()).cores(cores).flag("partitions", partitions).start();
        let banner = service.banner();
        for (document, wire) in documents.iter().zip(BOTH.iter().cycle()) {
            if cores == 1 && partitions == "4" {
                rest::create(service.address, document);
            }
            let mut client = Client::connect(service.address, *wire, document);
            client.edit("a life");
            ledger.note(document, *wire, &client.cut());
            ledger.check(service.address, document);
        }
        // The directory's own number stands, whatever is asked for later.
        let banner = if banner.contains("partitions") { banner } else { service.banner() };
        assert!(banner.contains(" 4 partitions"), "{banner}");
        service.kill();
    }
}

#[test]
fn the_epoll_fallback_gives_the_same_results() {
    let transcripts = ["auto", "epoll"].map(|runtime| {
        let dir = Dir::new("ends");
        let mut service = Options::new(dir.path()).env("LEVEE_RUNTIME", runtime).start();
        let transcript = crate::mangled::session(service.address, "a-session");
        service.wait_until("the banner", |service| service.banner().contains("cores"));
        assert_eq!(service.banner().contains("epoll"), runtime == "epoll");
        service.assert_alive();
        assert_eq!(service.terminate().code(), Some(0));
        transcript
    });
    let [auto, epoll] = transcripts;
    assert_eq!(auto.len(), epoll.len());
    for (auto, epoll) in auto.iter().zip(&epoll) {
        assert_eq!(auto, epoll);
    }
}

#[test]
fn a_second_process_is_kept_off_the_data() {
    let dir = Dir::new("ends");
    let options = Options::new(dir.path());
    let mut service = options.start();
    let mut client = Client::connect(service.address, Wire::Levee, "d");
    let refused = options.try_start().err().expect("a refusal");
    assert_eq!(refused.status.code(), Some(1), "{}", refused.error);
    assert!(refused.error.contains("in use by another process"), "{}", refused.error);
    client.edit("the first goes on");
    service.assert_alive();
    // And the data is free the moment its process is gone.
    service.kill();
    let service = options.start();
    Client::connect(service.address, Wire::Levee, "d").edit("the next");
}
