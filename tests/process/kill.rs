//! `kill -9` under load, again and again on one data directory: nothing that anybody was shown may
//! be lost or changed, whatever moment the kill hits.

use crate::checker::{Ledger, members, unanswered_summaries};
use crate::client::{Client, Gone, Mode};
use crate::load::Load;
use crate::ops::Op;
use crate::random::Random;
use crate::rest;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::wire::{BOTH, Wire};
use serde_json::json;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Kills of each durability, unless `LEVEE_PROCESS_KILLS` asks for a longer run.
const KILLS: usize = 30;
const DOCUMENTS: [&str; 3] = ["one", "two", "three"];
const SUMMARIZED: &str = DOCUMENTS[2];
/// A life ends only after so many operations came back to their writers.
const ECHOES_PER_LIFE: u64 = 40;
/// Everything is read back from the start after so many lives; the last one included.
const LIVES_PER_AUDIT: usize = 10;
/// Every so many lives, starts are killed too.
const LIVES_PER_FALSE_START: usize = 5;

#[test]
fn nothing_shown_is_lost_with_durability_power() {
    Lives::new("power", "auto", 2, 1).live(kills());
}

#[test]
fn nothing_shown_is_lost_with_durability_process() {
    Lives::new("process", "auto", 1, 2).live(kills());
}

#[test]
fn nothing_shown_is_lost_on_the_epoll_fallback() {
    Lives::new("power", "epoll", 1, 3).live(kills() / 3);
}

fn kills() -> usize {
    asked_for("LEVEE_PROCESS_KILLS").map_or(KILLS, |kills| kills as usize)
}

/// A number in the environment.
fn asked_for(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A data directory through many lives of its service.
struct Lives {
    /// Kept for as long as the data is needed.
    _dir: Dir,
    options: Options,
    random: Random,
    ledger: Ledger,
    objects: Vec<Object>,
    /// Summaries that became versions.
    acks: usize,
}

/// What was answered with success besides operations.
enum Object {
    Document(String),
    Blob { id: String, content: String },
}

impl Lives {
    fn new(durability: &str, runtime: &str, cores: u16, seed: u64) -> Self {
        let dir = Dir::new("kill");
        let options = Options::new(dir.path())
            .cores(cores)
            .flag("durability", durability)
            .flag("runtime", runtime)
            .flag("partitions", "2")
            .flag("log", "warn");
        Self {
            _dir: dir,
            options,
            random: Random::new(asked_for("LEVEE_PROCESS_SEED").unwrap_or(0) + seed),
            ledger: Ledger::default(),
            objects: Vec::new(),
            acks: 0,
        }
    }

    fn live(&mut self, kills: usize) {
        let mut service = self.options.start();
        for document in DOCUMENTS {
            rest::create(service.address, document);
        }
        for life in 1..=kills {
            let objects_before = self.objects.len();
            self.one_life(service, life);
            if life % LIVES_PER_FALSE_START == 0 {
                self.false_starts();
            }
            service = self.options.start();
            let is_audit = life % LIVES_PER_AUDIT == 0;
            for document in DOCUMENTS {
                self.everybody_left(&service, document);
                if is_audit {
                    self.ledger.check(service.address, document);
                }
            }
            let from = if is_audit { 0 } else { objects_before };
            self.objects[from..].iter().for_each(|object| object.check(service.address));
        }
        let echoes = kills * ECHOES_PER_LIFE as usize;
        assert!(self.ledger.count() > echoes, "there was no load");
        assert!(self.acks > 0, "no summary was acked");
        assert!(self.objects.len() > kills, "{} objects", self.objects.len());
    }

    /// One life under load, to its violent end.
    fn one_life(&mut self, service: Service, life: usize) {
        let address = service.address;
        let mut load = Load::new();
        for document in DOCUMENTS {
            for wire in BOTH {
                load.start(address, wire, document, Mode::Write, self.random.next());
            }
        }
        load.start(address, Wire::Fluid, DOCUMENTS[0], Mode::Read, self.random.next());
        load.start_packed(address, DOCUMENTS[1], self.random.next());
        let random = Random::new(self.random.next());
        let keeper = thread::spawn(move || store_objects(address, life, random));
        let wire = BOTH[life % 2];
        let summarizer = thread::spawn(move || summarize(address, wire, SUMMARIZED));
        let echoes = (ECHOES_PER_LIFE + self.random.below(4 * ECHOES_PER_LIFE)) as usize;
        let deadline = Instant::now() + PATIENCE;
        while load.echoes() < echoes {
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "no load: {} echoes\n{}", load.echoes(), service.log());
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(self.random.below(20_000)));
        service.kill();
        for seen in load.join() {
            assert_eq!(seen.nacks, 0, "a good client was nacked");
            assert!(seen.end.is_some(), "the client did not notice");
            self.ledger.note(&seen.document, seen.wire, &seen.ops);
        }
        if let Some(ops) = summarizer.join().expect("a summarizer that did not panic") {
            self.ledger.note(SUMMARIZED, wire, &ops);
        }
        self.objects.extend(keeper.join().expect("a keeper that did not panic"));
    }

    /// Recovery may be interrupted as well, at any moment and several times.
    fn false_starts(&mut self) {
        for _ in 0..3 {
            let after = Duration::from_millis(self.random.below(250));
            self.options.start_and_kill(after);
        }
    }

    /// After the next connect, the writers of the earlier life have left.
    fn everybody_left(&mut self, service: &Service, document: &str) {
        let client = Client::connect(service.address, Wire::Fluid, document);
        let id = client.id.clone();
        let ops = rest::deltas(service.address, Wire::Fluid, document, 0);
        let present: Vec<_> = members(&ops).into_iter().collect();
        assert_eq!(present, [&id], "{document}");
        // What the earlier life has proposed is answered, be it now.
        service.wait_until("the answers to summaries", |service| {
            let ops = rest::deltas(service.address, Wire::Fluid, document, 0);
            let acks = ops.iter().filter(|op| op.kind == "summaryAck").count();
            self.acks = self.acks.max(acks);
            // The newest version is what the last ack has named.
            if let Some(handle) = ops.iter().rev().find_map(Op::acked_handle) {
                let versions = rest::versions(service.address, document).expect("an answer");
                assert_eq!(versions.first(), Some(&handle), "{document}");
            }
            unanswered_summaries(document, &ops).is_empty()
        });
        self.ledger.note(document, Wire::Fluid, &client.shown);
        self.ledger.note(document, Wire::Fluid, &ops);
        client.cut();
    }
}

/// Summarises a document again and again until the service is gone; what it was shown.
fn summarize(address: SocketAddr, wire: Wire, document: &str) -> Option<Vec<Op>> {
    let mut client = Client::try_connect_summarizer(address, wire, document).ok()?;
    let mut summaries = || -> Result<(), Gone> {
        for round in 0.. {
            let head = rest::versions(address, document)?.swap_remove(0);
            let tree = rest::store_tree(address, document, &format!("{} {round}", client.id))?;
            client.client_seq += 1;
            let contents = json!({
                "handle": tree, "head": head, "parents": [head], "message": "a summary",
                "details": {"includesProtocolTree": false},
            });
            let op = json!([{
                "type": "summarize",
                "contents": contents.to_string(),
                "clientSequenceNumber": client.client_seq,
                "referenceSequenceNumber": client.seen(),
            }]);
            client.submit_raw(&op.to_string())?;
            client.wait_until(|client| {
                let own = client.shown.iter().rfind(|op| op.client.as_deref() == Some(&client.id));
                let own = own.filter(|op| op.client_seq == client.client_seq);
                let is_answer = |op: &Op| op.answers == own.map(|own| own.seq);
                own.is_some() && client.shown.iter().rev().any(is_answer)
            })?;
        }
        Ok(())
    };
    let end = summaries();
    assert!(client.nacks.is_empty(), "{:?} {end:?}", client.nacks);
    Some(client.shown)
}

/// Creates documents and stores blobs until the service is gone; what it has confirmed.
fn store_objects(address: SocketAddr, life: usize, mut random: Random) -> Vec<Object> {
    let mut stored = Vec::new();
    for index in 0.. {
        let document = format!("life-{life}-{index}");
        match rest::try_create(address, &document) {
            Ok(reply) => assert_eq!(reply.status, 201, "{}", reply.text()),
            Err(_) => break,
        }
        stored.push(Object::Document(document));
        // Small ones go through the log, large ones do not.
        let size = if index % 4 == 3 { 300_000 } else { random.size(0, 6_000) };
        let content = format!("{life} {index} {}", "b".repeat(size));
        match rest::store_blob(address, DOCUMENTS[1], &content) {
            Ok(id) => stored.push(Object::Blob { id, content }),
            Err(_) => break,
        }
    }
    stored
}

impl Object {
    fn check(&self, address: SocketAddr) {
        match self {
            Self::Document(document) => {
                let versions = rest::versions(address, document).expect("an answer");
                assert_eq!(versions.len(), 1, "{document}");
            }
            Self::Blob { id, content } => {
                let is_same = rest::blob(address, DOCUMENTS[1], id) == *content;
                assert!(is_same, "blob {id} has changed");
            }
        }
    }
}
