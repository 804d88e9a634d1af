//! A document in memory against the one that a load makes of its records: from the beginning, and
//! from any checkpoint on the way.

use bytes::Bytes;
use levee_core::conns::{Conns, Links, Port};
use levee_core::counters::Counters;
use levee_core::dialect::{Dialect, Mode};
use levee_core::document::{Document, Entrant, MemberSlot};
use levee_core::event::{Action, SummaryOutcome};
use levee_core::git::ObjectId;
use levee_core::ids::{ClientId, ConnId, DocKey, Now, PartitionId, Seq};
use levee_core::limits::Limits;
use levee_core::record::{DocumentImage, OpRun, Record};
use levee_core::session::Connection;
use proptest::prelude::*;
use serde_json::Value;

#[derive(Clone, Debug)]
enum Step {
    Connect,
    Leave(usize),
    Submit(usize, u8, u64),
    Heard(usize),
    Commit,
    Answer(bool),
    Fail,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Connect),
        1 => (0..9_usize).prop_map(Step::Leave),
        9 => (0..9_usize, 0..6_u8, 0..4_u64)
            .prop_map(|(at, kind, back)| Step::Submit(at, kind, back)),
        1 => (0..9_usize).prop_map(Step::Heard),
        5 => Just(Step::Commit),
        3 => any::<bool>().prop_map(Step::Answer),
        1 => Just(Step::Fail),
        1 => Just(Step::Reload),
    ]
}

/// One document with what would be around it.
struct Bench {
    document: Document,
    members: Vec<(MemberSlot, i64)>,
    conns: Conns,
    links: Links,
    actions: Vec<Action>,
    counters: Counters,
    runs: Vec<OpRun>,
    checkpoints: Vec<(Seq, Bytes)>,
    jobs: Vec<Seq>,
    ids: u128,
    now: Now,
}

fn key() -> DocKey {
    DocKey::new("t", "d")
}

fn load(image: DocumentImage) -> Document {
    Document::load(key(), PartitionId(0), image, 0).unwrap()
}

impl Bench {
    fn new() -> Self {
        Self {
            document: load(DocumentImage::default()),
            members: Vec::new(),
            conns: Conns::default(),
            links: Links::default(),
            actions: Vec::new(),
            counters: Counters::default(),
            runs: Vec::new(),
            checkpoints: Vec::new(),
            jobs: Vec::new(),
            ids: 0,
            now: Now { mono_ms: 0, unix_ms: 1_000 },
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Document, &mut Port<'_>, Now) -> T) -> T {
        let limits = Limits::default();
        let mut port = Port {
            conns: &mut self.conns,
            links: &mut self.links,
            actions: &mut self.actions,
            counters: &mut self.counters,
            limits: &limits,
        };
        f(&mut self.document, &mut port, self.now)
    }

    fn connect(&mut self) {
        self.ids += 1;
        let entrant = Entrant {
            conn: ConnId { slot: 0, generation: 0 },
            dialect: Dialect::SocketIo,
            join_ref: None,
            client: ClientId::from_bits(self.ids),
            detail: Bytes::from_static(br#"{"user":{"id":"\"u\""}}"#),
            mode: Mode::Write,
            may_write: true,
            may_summarize: true,
            user: "u".into(),
            claims: b"{}",
            version: "0.4.0",
            signals_v2: true,
            last_seen: None,
        };
        let member = self.with(|document, port, now| document.connect(port, now, entrant));
        self.members.push((member, 0));
    }

    fn submit(&mut self, at: usize, kind: u8, back: u64) {
        let visible = self.document.visible().0;
        let Some((member, client_seq)) = choose(&mut self.members, at) else {
            return;
        };
        *client_seq += 1;
        let (kind, contents) = match kind {
            0 | 1 => ("op", r#"{"a":1}"#.to_owned()),
            2 => ("noop", "null".to_owned()),
            3 => ("propose", format!(r#""{{\"key\":\"k{back}\",\"value\":{{\"n\":1}}}}""#)),
            4 => ("reject", visible.saturating_sub(back).to_string()),
            _ => ("summarize", r#""{\"handle\":\"h\"}""#.to_owned()),
        };
        let op = format!(
            r#"{{"clientSequenceNumber":{client_seq},"referenceSequenceNumber":{},"type":"{kind}","contents":{contents}}}"#,
            visible.saturating_sub(back)
        );
        let member = *member;
        self.with(|document, port, now| document.submit(port, now, member, op.as_bytes()));
    }

    /// Everything that is ordered becomes durable and visible, the minimum included.
    fn commit(&mut self) {
        self.now.unix_ms += 1;
        self.document.consolidate_noops(self.now);
        let mut records = Vec::new();
        self.document.take_group(&mut records);
        for record in records {
            if let Record::Ops(_, run) = record {
                self.runs.push(run);
            }
        }
        self.with(|document, port, now| document.publish(port, now));
        for action in self.actions.drain(..) {
            if let Action::Summarize { seq, .. } = action {
                self.jobs.push(seq);
            }
        }
        let taken = (self.document.visible(), self.document.checkpoint());
        self.checkpoints.push(taken);
    }

    fn answer(&mut self, seq: Option<Seq>, accepts: bool) {
        let Some(seq) = seq else { return };
        let version = ObjectId::from_bytes([seq.0 as u8; 20]);
        let outcome = match accepts {
            true => SummaryOutcome::Ack { version },
            false => SummaryOutcome::Nack { message: "no \"way\"".to_owned() },
        };
        self.with(|document, port, now| document.summarized(port, now, seq, &outcome));
    }

    fn image(&self, checkpoint: Option<(Seq, Bytes)>) -> DocumentImage {
        let from = checkpoint.as_ref().map_or(Seq(0), |(seq, _)| *seq);
        let ops = self.runs.iter().filter(|run| run.first > from).cloned().collect();
        DocumentImage { checkpoint, version: None, ops }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Connect => self.connect(),
            Step::Leave(at) if !self.members.is_empty() => {
                let at = at % self.members.len();
                let (member, _) = self.members.swap_remove(at);
                self.with(|document, port, now| document.leave(port, now, member));
            }
            Step::Leave(_) => {}
            Step::Submit(at, kind, back) => self.submit(at, kind, back),
            Step::Heard(at) => {
                let visible = self.document.visible().0 as i64;
                let now = self.now;
                if let Some((member, _)) = choose(&mut self.members, at) {
                    self.document.heard(now, *member, visible);
                }
            }
            Step::Commit => self.commit(),
            Step::Answer(accepts) => {
                let seq = self.jobs.pop();
                self.answer(seq, accepts);
                // Nobody waits for a verdict twice.
                self.answer(seq, accepts);
            }
            Step::Fail => {
                if let Some(seq) = self.jobs.pop() {
                    self.with(|document, port, now| document.summary_failed(port, now, seq));
                }
            }
            Step::Reload => {
                self.document = load(self.image(self.checkpoints.last().cloned()));
                self.document.settle_earlier_life(self.now);
                self.members.clear();
                self.commit();
                assert!(self.document.members().is_empty());
            }
        }
    }
}

fn choose<T>(items: &mut [T], at: usize) -> Option<&mut T> {
    let len = items.len().max(1);
    items.get_mut(at % len)
}

/// A checkpoint's state; without writers the minimum is the head, whatever is written there.
fn state(document: &Document) -> Value {
    let mut state: Value = serde_json::from_slice(&document.checkpoint()).unwrap();
    state["min"] = document.min().0.into();
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_load_makes_the_same_document(steps in prop::collection::vec(step(), 1..90)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step);
        }
        bench.commit();
        let (head, live) = (bench.document.visible(), bench.document.checkpoint());
        let mut from: Vec<Option<(Seq, Bytes)>> = vec![None];
        from.extend(bench.checkpoints.iter().cloned().map(Some));
        let has_writers = !bench.members.is_empty();
        for checkpoint in from {
            let loaded = load(bench.image(checkpoint.clone()));
            prop_assert_eq!(loaded.visible(), head);
            if has_writers {
                prop_assert_eq!(loaded.checkpoint(), live.clone(), "from {:?}", checkpoint);
            } else {
                let mut expected = state(&bench.document);
                expected["min"] = head.0.into();
                prop_assert_eq!(state(&loaded), expected, "from {:?}", checkpoint);
            }
        }
    }
}

/// A writer that is refused again and again while the store stands still is cut off in the end.
#[test]
fn refusals_that_wait_are_bounded() {
    let mut bench = Bench::new();
    bench.connect();
    bench.commit();
    let limits = Limits { pending_bytes_max: 10_000, ..Limits::default() };
    bench.connect(); // is ordered, so that what follows waits
    let conn = bench.members[0].0;
    let gap = br#"{"clientSequenceNumber":9,"referenceSequenceNumber":1,"type":"op"}"#;
    let mut port = Port {
        conns: &mut bench.conns,
        links: &mut bench.links,
        actions: &mut bench.actions,
        counters: &mut bench.counters,
        limits: &limits,
    };
    let id = ConnId { slot: 0, generation: 0 };
    let state = Connection::new(std::net::Ipv4Addr::LOCALHOST.into(), 0, 0);
    port.conns.insert(id, Box::new(state));
    for _ in 0..1_000 {
        bench.document.submit(&mut port, bench.now, conn, gap);
    }
    let cuts = |action: &&Action| matches!(action, Action::Close { at_once: true, .. });
    assert_eq!(bench.actions.iter().filter(cuts).count(), 1);
    assert!(bench.counters.nacks < 1_100, "{:?}", bench.counters);
}

/// Summaries that wait for their turn are bounded: one more is asked to come again.
#[test]
fn summaries_that_wait_are_bounded() {
    let mut bench = Bench::new();
    bench.connect();
    bench.commit();
    for _ in 0..100 {
        bench.submit(0, 5, 0);
        bench.commit();
    }
    assert_eq!(bench.jobs.len(), 1, "one runs at a time");
    assert_eq!(bench.document.visible().0, 1 + 1 + 64, "and so many wait");
    assert_eq!(bench.counters.throttled, 100 - 65, "the rest is refused");
}
