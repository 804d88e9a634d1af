//! The order against a model that looks through all writers at every step.

use levee_core::dialect::OpKind;
use levee_core::ids::{ClientId, Seq};
use levee_core::nack::NackCause;
use levee_core::sequencer::{Sequencer, Submission, Ticket, Verdict, WriterSlot};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Writer {
    id: ClientId,
    client_seq: i64,
    reference_seq: u64,
    may_summarize: bool,
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Model {
    head: u64,
    writers: Vec<(WriterSlot, Writer)>,
    /// In force while nobody writes.
    min_when_empty: u64,
    min_sent: u64,
}

impl Model {
    fn min(&self) -> u64 {
        let refs = self.writers.iter().map(|(_, writer)| writer.reference_seq);
        refs.min().unwrap_or(self.min_when_empty)
    }

    fn number(&mut self, reference_seq: i64) -> Ticket {
        self.head += 1;
        self.min_sent = self.min();
        Ticket { seq: Seq(self.head), min: Seq(self.min_sent), reference_seq }
    }

    fn system(&mut self) -> Ticket {
        if self.writers.is_empty() {
            self.min_when_empty = self.head + 1;
        }
        self.number(-1)
    }

    fn submit(&mut self, at: usize, message: Submission) -> Verdict {
        let (head, min) = (self.head as i64, self.min());
        let writer = &mut self.writers[at].1;
        let refuse = Verdict::Refused;
        let reference_seq = match message.reference_seq.unwrap_or(0) {
            -1 => head,
            number => number,
        };
        match message.client_seq - writer.client_seq {
            ..=0 => return Verdict::Duplicate,
            _ if writer.is_refused => return refuse(NackCause::UnknownClient),
            1 => {}
            _ => return refuse(NackCause::Gap),
        }
        if matches!(message.kind, OpKind::System | OpKind::Unknown) {
            return refuse(NackCause::TypeNotAllowed);
        }
        if reference_seq > head {
            let head = self.head;
            return refuse(NackCause::AheadOfHead { reference_seq, head });
        }
        if reference_seq < min as i64 {
            (writer.is_refused, writer.client_seq) = (true, message.client_seq);
            return refuse(NackCause::BelowWindow { reference_seq, min });
        }
        if message.kind == OpKind::Summarize && !writer.may_summarize {
            return refuse(NackCause::NoSummaryScope(writer.id));
        }
        writer.client_seq += 1;
        writer.reference_seq = reference_seq as u64;
        let says_nothing = message.null_contents || self.min() == self.min_sent;
        if message.kind == OpKind::Noop && says_nothing {
            return Verdict::Absorbed;
        }
        Verdict::Sequenced(self.number(reference_seq))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Join {
        may_summarize: bool,
    },
    Leave {
        at: usize,
    },
    /// `csn` is relative to the next one, `rsn` to the head.
    Submit {
        at: usize,
        kind: OpKind,
        csn: i64,
        rsn: Option<i64>,
        null: bool,
    },
    Heard {
        at: usize,
        rsn: i64,
    },
    System,
    Noop,
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop_oneof![
        6 => Just(OpKind::Op),
        3 => Just(OpKind::Noop),
        1 => Just(OpKind::Summarize),
        1 => Just(OpKind::System),
    ];
    // Mostly what an honest client would say.
    let csn = prop_oneof![8 => Just(0_i64), 1 => -2..3_i64];
    let rsn = prop_oneof![8 => (-6..=0_i64).prop_map(Some), 1 => Just(Some(i64::MIN)),
        1 => (1..3_i64).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        2 => any::<bool>().prop_map(|may_summarize| Step::Join { may_summarize }),
        1 => (0..8_usize).prop_map(|at| Step::Leave { at }),
        10 => (0..8_usize, kinds, csn, rsn, any::<bool>())
            .prop_map(|(at, kind, csn, rsn, null)| Step::Submit { at, kind, csn, rsn, null }),
        2 => (0..8_usize, -9..3_i64).prop_map(|(at, rsn)| Step::Heard { at, rsn }),
        1 => Just(Step::System),
        1 => Just(Step::Noop),
    ]
}

fn apply(sequencer: &mut Sequencer, model: &mut Model, step: &Step, id: ClientId) {
    let head = model.head as i64;
    let choose = |at: usize, model: &Model| match model.writers.len() {
        0 => None,
        len => Some(at % len),
    };
    match *step {
        Step::Join { may_summarize } => {
            let reference_seq = model.min();
            let (slot, ticket) = sequencer.join(id, may_summarize, 0);
            let writer =
                Writer { id, client_seq: 0, reference_seq, may_summarize, is_refused: false };
            model.writers.push((slot, writer));
            assert_eq!(ticket, model.number(-1));
        }
        Step::Leave { at } => {
            let Some(at) = choose(at, model) else { return };
            let (slot, _) = model.writers.remove(at);
            if model.writers.is_empty() {
                model.min_when_empty = model.head + 1;
            }
            assert_eq!(sequencer.leave(slot), Some(model.number(-1)));
            assert_eq!(sequencer.leave(slot), None, "it has left");
        }
        Step::Submit { at, kind, csn, rsn, null } => {
            let Some(at) = choose(at, model) else { return };
            let (slot, writer) = model.writers[at];
            let reference_seq = match rsn {
                Some(i64::MIN) => Some(-1),
                Some(offset) => Some((head + offset).max(0)),
                None => None,
            };
            let message = Submission {
                kind,
                client_seq: writer.client_seq + 1 + csn,
                reference_seq,
                null_contents: null,
            };
            assert_eq!(sequencer.submit(slot, message, 0), model.submit(at, message));
        }
        Step::Heard { at, rsn } => {
            let Some(at) = choose(at, model) else { return };
            let reference_seq = head + rsn;
            let writer = &mut model.writers[at].1;
            let rises = reference_seq > writer.reference_seq as i64 && reference_seq <= head;
            if rises {
                writer.reference_seq = reference_seq as u64;
            }
            let slot = model.writers[at].0;
            assert_eq!(sequencer.heard(slot, reference_seq, 0), rises);
        }
        Step::System => assert_eq!(sequencer.system(), model.system()),
        Step::Noop => {
            let expected = (model.min() > model.min_sent).then(|| model.number(-1));
            assert_eq!(sequencer.noop(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_order_is_the_models(steps in prop::collection::vec(step(), 0..120)) {
        let mut sequencer = Sequencer::default();
        let mut model = Model::default();
        let mut min = 0;
        for (at, step) in steps.iter().enumerate() {
            apply(&mut sequencer, &mut model, step, ClientId::from_bits(at as u128));
            prop_assert_eq!(sequencer.head().0, model.head);
            prop_assert_eq!(sequencer.min().0, model.min());
            prop_assert_eq!(sequencer.writers() as usize, model.writers.len());
            prop_assert!(sequencer.min().0 >= min, "the minimum never falls");
            min = sequencer.min().0;
        }
    }
}
