//! What all clients of a run share: documents, figures, and whether answers call for more load.

use crate::check::{ClientIndex, Document, Receiver, Violation};
use crate::scan;
use crate::scenario::{Kind, Scenario};
use crate::token::Signer;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::ops::Range;

/// Most signals of one sender that are waited for.
const SIGNALS_OUTSTANDING: usize = 1 << 16;
/// Text that ops and signals are padded with, from a changing place.
const PAD_BYTES: usize = 64 << 10;

/// A histogram of microseconds up to two minutes, exact to three digits.
#[must_use]
pub fn latency_histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, 120_000_000, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("the bounds are constants that the constructor allows"),
    }
}

/// The figures of one measurement.
pub struct Figures {
    /// Submit to own echo.
    pub echo: Histogram<u64>,
    /// Submit to each other receiver.
    pub fanout: Histogram<u64>,
    /// Start of connect to `connect_document_success`.
    pub handshake: Histogram<u64>,
    /// Own ops or signals that came back within the window.
    pub echoed: u64,
    /// Ops or signals that came to anybody within the window.
    pub deliveries: u64,
    /// Clients that joined within the window.
    pub handshakes: u64,
    /// Signals that never came to some receiver.
    pub signals_lost: u64,
}

impl Figures {
    fn new() -> Self {
        Self {
            echo: latency_histogram(),
            fanout: latency_histogram(),
            handshake: latency_histogram(),
            echoed: 0,
            deliveries: 0,
            handshakes: 0,
            signals_lost: 0,
        }
    }
}

/// A sender's signals on their way.
#[derive(Default)]
struct SentSignals {
    first: u64,
    waiting: VecDeque<SentSignal>,
}

struct SentSignal {
    sent_ns: u64,
    receivers_left: u32,
}

/// The shared part of a run.
pub struct Room {
    pub kind: Kind,
    pub signer: Signer,
    /// Closed loop: whatever comes back is followed by the next.
    pub resubmits: bool,
    pub figures: Figures,
    documents: Vec<Document>,
    document_ids: Vec<String>,
    clients_per_document: u32,
    signals: Vec<SentSignals>,
    window_ns: Range<u64>,
    pad: Vec<u8>,
    payload_bytes: usize,
}

impl Room {
    /// A room with the documents that were created for the run.
    #[must_use]
    pub fn new(scenario: &Scenario, signer: Signer, document_ids: Vec<String>) -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let alphanumeric = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            const LETTERS: &[u8; 64] =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            LETTERS[(state >> 58) as usize]
        };
        let payload_bytes = scenario.payload_bytes as usize;
        Self {
            kind: scenario.kind,
            signer,
            resubmits: false,
            figures: Figures::new(),
            documents: document_ids.iter().map(|_| Document::default()).collect(),
            document_ids,
            clients_per_document: scenario.clients_per_document,
            signals: (0..scenario.clients()).map(|_| SentSignals::default()).collect(),
            window_ns: u64::MAX..u64::MAX,
            pad: (0..PAD_BYTES + payload_bytes).map(alphanumeric).collect(),
            payload_bytes,
        }
    }

    /// Starts fresh figures for what is sent or happens within `window_ns`.
    pub fn measure(&mut self, window_ns: Range<u64>) {
        self.window_ns = window_ns;
        self.figures = Figures::new();
    }

    /// Service's id of a document.
    #[must_use]
    pub fn document_id(&self, document: usize) -> &str {
        &self.document_ids[document]
    }

    /// A document's log.
    #[must_use]
    pub fn document(&self, document: usize) -> &Document {
        &self.documents[document]
    }

    /// All documents' logs.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// All documents' logs, to be trimmed.
    pub fn documents_mut(&mut self) -> &mut [Document] {
        &mut self.documents
    }

    /// Appends padding that makes a payload with `around` other bytes as long as the scenario says.
    pub fn pad(&self, out: &mut Vec<u8>, number: usize, around: usize) {
        let from = number.wrapping_mul(61) % PAD_BYTES;
        let length = self.payload_bytes.saturating_sub(around);
        out.extend_from_slice(&self.pad[from..from + length]);
    }

    /// Takes that a client has joined.
    pub fn joined(
        &mut self,
        document: usize,
        client: ClientIndex,
        client_id: &[u8],
        opened_ns: u64,
        now_ns: u64,
    ) {
        self.documents[document].add_author(client_id, client);
        if self.window_ns.contains(&now_ns) {
            self.figures.handshakes += 1;
            record(&mut self.figures.handshake, opened_ns, now_ns);
        }
    }

    /// Takes that a client says goodbye.
    pub fn left(&mut self, document: usize, client_id: &[u8]) {
        self.documents[document].remove_author(client_id);
    }

    /// Notes an op and answers its client sequence number, if the client is known.
    pub fn op_submitted(&mut self, document: usize, client_id: &[u8], due_ns: u64) -> Option<i64> {
        self.documents[document].submitted(client_id, due_ns)
    }

    /// Checks and counts an `op` frame; answers how many of its ops are the receiver's own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ops(
        &mut self,
        document: usize,
        client: ClientIndex,
        receiver: &mut Receiver,
        frame: &[u8],
        now_ns: u64,
    ) -> Result<u32, Violation> {
        let (window_ns, figures) = (&self.window_ns, &mut self.figures);
        let (mut own, mut others) = (0, 0);
        self.documents[document].receive(receiver, frame, |delivery| {
            let Some(author) = delivery.author else {
                return;
            };
            let counts = window_ns.contains(&delivery.sent_ns);
            if author == client {
                own += 1;
                if counts {
                    record(&mut figures.echo, delivery.sent_ns, now_ns);
                }
            } else {
                others += 1;
                if counts {
                    record(&mut figures.fanout, delivery.sent_ns, now_ns);
                }
            }
        })?;
        if self.window_ns.contains(&now_ns) {
            self.figures.echoed += u64::from(own);
            self.figures.deliveries += u64::from(own + others);
        }
        Ok(own)
    }

    /// Notes a signal and answers its number.
    pub fn signal_sent(&mut self, client: ClientIndex, sent_ns: u64) -> u64 {
        let sent = &mut self.signals[client as usize];
        if sent.waiting.len() == SIGNALS_OUTSTANDING
            && let Some(oldest) = sent.waiting.pop_front()
        {
            sent.first += 1;
            self.figures.signals_lost += u64::from(oldest.receivers_left);
        }
        let receivers_left = self.clients_per_document;
        sent.waiting.push_back(SentSignal { sent_ns, receivers_left });
        sent.first + sent.waiting.len() as u64
    }

    /// Checks and counts a signal; answers whether it is the receiver's own. A service may drop
    /// signals, but not repeat or reorder those of one sender.
    ///
    /// # Errors
    /// It came after a later one of the same sender.
    pub fn signal(
        &mut self,
        client: ClientIndex,
        last_signals: &mut Vec<u64>,
        signal: &[u8],
        now_ns: u64,
    ) -> Result<bool, Violation> {
        let content = scan::text_field(signal, b"content").and_then(|content| {
            let (sender, number) =
                std::str::from_utf8(content).ok()?.split_once("; ")?.0.split_once('.')?;
            Some((sender.parse::<ClientIndex>().ok()?, number.parse::<u64>().ok()?))
        });
        // Anything else is one of the service's own: somebody joined or left.
        let Some((sender, found)) = content else {
            return Ok(false);
        };
        let Some(sent) = self.signals.get_mut(sender as usize) else {
            return Ok(false);
        };
        last_signals.resize(self.clients_per_document as usize, 0);
        let last = &mut last_signals[(sender % self.clients_per_document) as usize];
        if found <= *last {
            return Err(Violation::SignalOrder { last: *last, found });
        }
        *last = found;
        let place = found.checked_sub(sent.first + 1).map(|place| place as usize);
        if let Some(waiting) = place.and_then(|place| sent.waiting.get_mut(place)) {
            waiting.receivers_left = waiting.receivers_left.saturating_sub(1);
            if self.window_ns.contains(&waiting.sent_ns) {
                let figures = &mut self.figures;
                let own = sender == client;
                let histogram = if own { &mut figures.echo } else { &mut figures.fanout };
                record(histogram, waiting.sent_ns, now_ns);
            }
        }
        while sent.waiting.front().is_some_and(|oldest| oldest.receivers_left == 0) {
            sent.waiting.pop_front();
            sent.first += 1;
        }
        if self.window_ns.contains(&now_ns) {
            self.figures.echoed += u64::from(sender == client);
            self.figures.deliveries += 1;
        }
        Ok(sender == client)
    }

    /// Deliveries of signals that are still waited for.
    #[must_use]
    pub fn signals_outstanding(&self) -> u64 {
        let waiting = self.signals.iter().flat_map(|sent| &sent.waiting);
        waiting.map(|signal| u64::from(signal.receivers_left)).sum()
    }
}

fn record(histogram: &mut Histogram<u64>, from_ns: u64, to_ns: u64) {
    histogram.saturating_record(to_ns.saturating_sub(from_ns) / 1_000);
}
