//! `kill -9` under load, again and again on one data directory: nothing that anybody was shown may
//! be lost or changed, whatever moment the kill hits.

use crate::checker::{Ledger, members};
use crate::client::{Client, Mode};
use crate::load::Load;
use crate::random::Random;
use crate::rest;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::wire::{BOTH, Wire};
use std::thread;
use std::time::{Duration, Instant};

/// Kills of each durability.
const KILLS: usize = 30;
const DOCUMENTS: [&str; 3] = ["one", "two", "three"];
/// A life ends only after so many operations came back to their writers.
const ECHOES_PER_LIFE: u64 = 40;
/// Everything is read back from the start after so many lives; the last one included.
const LIVES_PER_AUDIT: usize = 10;

#[test]
fn nothing_shown_is_lost_with_durability_power() {
    lives("power", "auto", KILLS, 1);
}

#[test]
fn nothing_shown_is_lost_with_durability_process() {
    lives("process", "auto", KILLS, 2);
}

#[test]
fn nothing_shown_is_lost_on_the_epoll_fallback() {
    lives("power", "epoll", KILLS / 3, 3);
}

fn lives(durability: &str, runtime: &str, kills: usize, seed: u64) {
    let dir = Dir::new("kill");
    let options = Options::new(dir.path())
        .flag("durability", durability)
        .flag("runtime", runtime)
        .flag("partitions", "2")
        .flag("log", "warn");
    let mut random = Random::new(seed);
    let mut ledger = Ledger::default();
    let mut service = options.start();
    DOCUMENTS
        .iter()
        .for_each(|document| rest::create(service.address, document));
    for life in 1..=kills {
        live(service, &mut ledger, &mut random);
        service = options.start();
        for document in DOCUMENTS {
            everybody_left(&service, document, &mut ledger);
            if life % LIVES_PER_AUDIT == 0 {
                ledger.check(service.address, document);
            }
        }
    }
    assert!(
        ledger.count() > kills * ECHOES_PER_LIFE as usize,
        "there was no load"
    );
}

/// One life under load, to its violent end.
fn live(service: Service, ledger: &mut Ledger, random: &mut Random) {
    let mut load = Load::new();
    for document in DOCUMENTS {
        for wire in BOTH {
            load.start(service.address, wire, document, Mode::Write, random.next());
        }
    }
    load.start(
        service.address,
        Wire::Fluid,
        DOCUMENTS[0],
        Mode::Read,
        random.next(),
    );
    let echoes = (ECHOES_PER_LIFE + random.below(4 * ECHOES_PER_LIFE)) as usize;
    let deadline = Instant::now() + PATIENCE;
    while load.echoes() < echoes {
        assert!(
            Instant::now() < deadline,
            "no load: {} echoes\n{}",
            load.echoes(),
            service.log()
        );
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_micros(random.below(20_000)));
    service.kill();
    for seen in load.join() {
        assert_eq!(seen.nacks, 0, "a good client was nacked");
        assert!(seen.end.is_some(), "the client did not notice");
        ledger.note(&seen.document, seen.wire, &seen.ops);
    }
}

/// After the next connect, the writers of the earlier life have left.
fn everybody_left(service: &Service, document: &str, ledger: &mut Ledger) {
    let client = Client::connect(service.address, Wire::Fluid, document);
    let id = client.id.clone();
    let ops = rest::deltas(service.address, Wire::Fluid, document, 0);
    assert_eq!(
        members(&ops).into_iter().collect::<Vec<_>>(),
        [&id],
        "{document}"
    );
    ledger.note(document, Wire::Fluid, &client.shown);
    ledger.note(document, Wire::Fluid, &ops);
    client.cut();
}
