//! Writers and listeners that keep documents busy, each on a thread of its own, until the service
//! dies under them or they are told to stop.

use crate::client::{Client, Gone, Mode};
use crate::ops::Op;
use crate::random::Random;
use crate::token;
use crate::wire::Wire;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Operations that a writer lets be under way.
const WINDOW: i64 = 16;
/// How long a writer listens before it looks whether there is more to say.
const PAUSE: Duration = Duration::from_millis(5);

/// What one client was shown, and how it ended.
pub(crate) struct Seen {
    pub(crate) document: String,
    pub(crate) wire: Wire,
    pub(crate) id: String,
    pub(crate) ops: Vec<Op>,
    pub(crate) submitted: i64,
    pub(crate) echoed: i64,
    pub(crate) nacks: usize,
    pub(crate) end: Option<Gone>,
}

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Option<Seen>>>,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self { stop: Arc::default(), echoes: Arc::default(), threads: Vec::new() }
    }

    /// Starts a client; one in write mode submits batches of random sizes.
    pub(crate) fn start(
        &mut self,
        address: SocketAddr,
        wire: Wire,
        document: &str,
        mode: Mode,
        seed: u64,
    ) {
        let document = document.to_owned();
        let connect = move || {
            let token = token::of(&document);
            Client::try_connect(address, wire, &document, mode, &token)
        };
        self.start_as(connect, seed);
    }

    /// Starts a client that speaks msgpack.
    pub(crate) fn start_packed(&mut self, address: SocketAddr, document: &str, seed: u64) {
        let document = document.to_owned();
        self.start_as(move || Client::try_connect_packed(address, &document, Mode::Write), seed);
    }

    fn start_as(
        &mut self,
        connect: impl FnOnce() -> Result<Client, Gone> + Send + 'static,
        seed: u64,
    ) {
        let (stop, echoes) = (self.stop.clone(), self.echoes.clone());
        self.threads.push(thread::spawn(move || {
            let mut client = match connect() {
                Ok(client) => client,
                // The service was killed meanwhile; what was shown before is shown to others too.
                Err(Gone::Refused(error)) => panic!("refused: {error}"),
                Err(Gone::Ended { .. } | Gone::Broken(_)) => return None,
            };
            let end = work(&mut client, &stop, &echoes, &mut Random::new(seed)).err();
            client.socket.cut();
            Some(Seen {
                document: client.document,
                wire: client.wire,
                id: client.id,
                ops: client.shown,
                submitted: client.client_seq,
                echoed: client.echoed,
                nacks: client.nacks.len(),
                end,
            })
        }));
    }

    /// Operations that came back to their writers so far.
    pub(crate) fn echoes(&self) -> usize {
        self.echoes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Tells the clients to stop without waiting.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Collects what the clients saw, once they have ended.
    pub(crate) fn join(self) -> Vec<Seen> {
        let ended = self.threads.into_iter().map(JoinHandle::join);
        ended.filter_map(|seen| seen.expect("a client that did not panic")).collect()
    }
}

fn work(
    client: &mut Client,
    stop: &AtomicBool,
    echoes: &AtomicUsize,
    random: &mut Random,
) -> Result<(), Gone> {
    let mut counted = client.echoed;
    while !stop.load(Ordering::Relaxed) {
        let is_open = client.mode == Mode::Write && client.nacks.is_empty();
        if is_open && client.client_seq - client.echoed < WINDOW {
            submit(client, random)?;
        }
        client.hear(Instant::now() + PAUSE)?;
        let new = client.echoed - counted;
        echoes.fetch_add(usize::try_from(new).unwrap_or(0), Ordering::Relaxed);
        counted = client.echoed;
    }
    Ok(())
}

fn submit(client: &mut Client, random: &mut Random) -> Result<(), Gone> {
    let first = client.client_seq + 1;
    let contents: Vec<_> = (0..random.size(1, 4) as i64)
        .map(|index| {
            let filler = "é".repeat(random.size(0, 120));
            format!("{{\"writer\":\"{}\",\"n\":{},\"x\":\"{filler}\"}}", client.id, first + index)
        })
        .collect();
    let contents: Vec<_> = contents.iter().map(String::as_str).collect();
    client.submit(&contents)
}
