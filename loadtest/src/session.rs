//! A run over sockets: connects all clients, drives load, and waits until everything came back.

use crate::check::Violation;
use crate::client::{Client, Fault, Phase};
use crate::http::Caller;
use crate::net::Stream;
use crate::pace::Pacer;
use crate::rest::{self, RestError};
use crate::room::Room;
use crate::scenario::{Kind, Load, Scenario};
use crate::sys::{Poller, Ready};
use crate::token::Signer;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Most ops a client has in flight in the open loop; later ones wait, and are charged for it.
const MAX_IN_FLIGHT: u32 = 8_192;
/// How often conditions that look at every client are checked.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// Most faults kept word for word.
const FAULTS_KEPT: usize = 20;

/// Why a run could not be carried out at all.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error("system: {0}")]
    Io(#[from] io::Error),
    #[error("creating documents: {0}")]
    Create(#[from] RestError),
    #[error("only {joined} of {clients} clients joined in time")]
    Setup { joined: usize, clients: u64 },
}

/// The service under load.
#[derive(Clone, Debug)]
pub struct Target {
    pub host: SocketAddr,
    pub tenant: String,
    pub key: String,
}

impl Target {
    /// Signs this tenant's tokens.
    #[must_use]
    pub fn signer(&self) -> Signer {
        Signer::new(&self.tenant, &self.key)
    }
}

/// A run in progress.
pub struct Session<'a> {
    scenario: &'a Scenario,
    host: SocketAddr,
    clock: Instant,
    poller: Poller,
    ready: Vec<Ready>,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    /// Shared by all clients.
    pub room: Room,
    pacer: Option<Pacer>,
    next_sender: usize,
    /// Faults so far, as text; every one fails the run.
    pub faults: Vec<String>,
    checked_ns: u64,
}

impl<'a> Session<'a> {
    /// Creates the documents of a scenario.
    ///
    /// # Errors
    /// The service refuses, or the system has no more descriptors.
    pub fn prepare(scenario: &'a Scenario, target: &Target) -> Result<Self, SessionError> {
        let signer = target.signer();
        let mut caller = Caller::connect(target.host).map_err(RestError::from)?;
        let ids = (0..scenario.documents)
            .map(|_| rest::create_document(&mut caller, &signer))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            scenario,
            host: target.host,
            clock: Instant::now(),
            poller: Poller::new()?,
            ready: Vec::new(),
            buffer: Vec::new(),
            clients: Vec::new(),
            room: Room::new(scenario, signer, ids),
            pacer: None,
            next_sender: 0,
            faults: Vec::new(),
            checked_ns: 0,
        })
    }

    /// Nanoseconds since the run began.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Connects all clients and waits until each has seen its own join and all there is.
    ///
    /// # Errors
    /// Not everybody joined within the scenario's limit.
    pub fn connect_all(&mut self) -> Result<(), SessionError> {
        let limit = Duration::from_secs(u64::from(self.scenario.setup_limit_s));
        let settled = self.run_until(limit, |session| {
            session.start_clients()?;
            Ok(session.is_time_to_check() && session.is_settled())
        })?;
        if settled || !self.faults.is_empty() {
            return Ok(());
        }
        let joined = self.clients.iter().filter(|client| client.phase == Phase::Joined).count();
        Err(SessionError::Setup { joined, clients: self.scenario.clients() })
    }

    /// Starts handshakes as far as the scenario's window allows.
    ///
    /// # Errors
    /// The system refuses another socket.
    pub fn start_clients(&mut self) -> io::Result<()> {
        let total = self.scenario.clients() as usize;
        let busy = |client: &&Client| {
            matches!(client.phase, Phase::Connecting | Phase::Upgrading | Phase::Opening)
        };
        // Only the youngest can be busy in numbers; looking at those is enough to hold the window.
        let window = self.scenario.connect_window as usize;
        let mut starting = self.clients.iter().rev().take(2 * window).filter(busy).count();
        while self.clients.len() < total && starting < window {
            let index = self.clients.len();
            let stream = Stream::connect(self.host, &self.poller, index as u64)?;
            let document = index / self.scenario.clients_per_document as usize;
            self.clients.push(Client::new(index as u32, document, stream, self.now_ns()));
            starting += 1;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let ready = |client: &Client| {
            let document = self.room.document(client.document);
            let join = document.join_of(&client.id);
            client.phase == Phase::Joined
                && join.is_some_and(|join| client.receiver.has_seen(join))
                && client.receiver.last() == document.head()
        };
        self.clients.len() as u64 == self.scenario.clients() && self.clients.iter().all(ready)
    }

    /// Lets the clients work for a time, or until the first fault. `give_up` is asked regularly
    /// whether going on makes sense; the answer is whether it was to the end.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn work(
        &mut self,
        time: Duration,
        mut give_up: impl FnMut(&Self) -> bool,
    ) -> Result<bool, SessionError> {
        let mut gave_up = false;
        self.run_until(time, |session| {
            gave_up = session.is_time_to_check() && give_up(session);
            Ok(gave_up || !session.faults.is_empty())
        })?;
        Ok(!gave_up)
    }

    /// Starts the load, at `rate_per_s` or as the scenario says.
    pub fn start_load(&mut self, rate_per_s: Option<f64>) {
        let load = rate_per_s.map_or(self.scenario.load, |rate_per_s| Load::Open { rate_per_s });
        match self.room.kind {
            Kind::Ops | Kind::Signals => {}
            Kind::Connect => {
                self.room.resubmits = true;
                return;
            }
            Kind::Idle | Kind::ColdLoad => return,
        }
        match load {
            Load::Open { rate_per_s } => self.pacer = Some(Pacer::new(self.now_ns(), rate_per_s)),
            Load::Closed { window } => {
                self.room.resubmits = true;
                let now_ns = self.now_ns();
                for client in &mut self.clients {
                    (0..window).for_each(|_| client.submit(now_ns, &mut self.room));
                    flush(client, &self.poller, &mut self.faults);
                }
            }
        }
    }

    /// Stops the load and waits until all that was submitted came to everybody. What did not is a
    /// fault, but for signals, which may be dropped.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn drain(&mut self) -> Result<(), SessionError> {
        self.pacer = None;
        self.room.resubmits = false;
        let limit = Duration::from_secs(u64::from(self.scenario.drain_limit_s));
        self.run_until(limit, |session| {
            let faulty = !session.faults.is_empty();
            Ok(faulty || (session.is_time_to_check() && session.is_drained()))
        })?;
        if self.faults.is_empty() && self.room.kind == Kind::Ops {
            self.check_completeness();
        }
        self.room.figures.signals_lost += self.room.signals_outstanding();
        Ok(())
    }

    fn is_drained(&self) -> bool {
        let caught_up =
            |client: &Client| client.receiver.last() == self.room.document(client.document).head();
        self.outstanding() == 0 && self.clients.iter().all(caught_up)
    }

    fn check_completeness(&mut self) {
        let lost = self.outstanding();
        if lost > 0 {
            self.faults.push(Violation::Lost(lost).to_string());
        }
        for client in &self.clients {
            let head = self.room.document(client.document).head();
            let found = client.receiver.last();
            if found != head && self.faults.len() < FAULTS_KEPT {
                self.faults.push(Violation::Behind { head, found }.to_string());
            }
        }
    }

    /// Ops that came back to nobody yet, or signals' deliveries.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let ops: u64 = self.room.documents().iter().map(|document| document.outstanding()).sum();
        ops + self.room.signals_outstanding()
    }

    /// Sends every client's goodbye and waits a moment for the service's.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn leave(&mut self) -> Result<(), SessionError> {
        for client in &mut self.clients {
            if client.phase == Phase::Joined {
                client.leave(&mut self.room);
                flush(client, &self.poller, &mut self.faults);
            }
        }
        self.run_until(Duration::from_secs(2), |session| {
            let ended = |client: &Client| client.phase == Phase::Ended;
            Ok(session.is_time_to_check() && session.clients.iter().all(ended))
        })?;
        Ok(())
    }

    fn is_time_to_check(&mut self) -> bool {
        let now_ns = self.now_ns();
        let due = now_ns - self.checked_ns >= CHECK_EVERY.as_nanos() as u64;
        if due {
            self.checked_ns = now_ns;
            self.trim_documents();
        }
        due
    }

    fn trim_documents(&mut self) {
        if !self.room.documents().iter().any(crate::check::Document::wants_trim) {
            return;
        }
        let mut lowest = vec![u64::MAX; self.room.documents().len()];
        for client in self.clients.iter().filter(|client| client.phase == Phase::Joined) {
            let place = &mut lowest[client.document];
            *place = client.receiver.last().min(*place);
        }
        for (document, lowest) in self.room.documents_mut().iter_mut().zip(lowest) {
            document.trim(lowest);
        }
    }

    /// Turns the loop until `done` or the limit; answers whether it was `done`.
    fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> io::Result<bool>,
    ) -> Result<bool, SessionError> {
        let end = Instant::now() + limit;
        loop {
            if done(self)? {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.turn(left.min(CHECK_EVERY))?;
        }
    }

    fn turn(&mut self, most: Duration) -> Result<(), SessionError> {
        let until_due = self.pacer.as_ref().map_or(most, |pacer| {
            Duration::from_nanos(pacer.next_due_ns().saturating_sub(self.now_ns()))
        });
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(most.min(until_due), &mut ready)?;
        for event in &ready {
            self.client_ready(event);
            self.submit_due();
        }
        self.ready = ready;
        self.submit_due();
        Ok(())
    }

    fn client_ready(&mut self, event: &Ready) {
        let now_ns = self.now_ns();
        let Some(client) = self.clients.get_mut(event.token as usize) else {
            return;
        };
        if client.phase == Phase::Ended {
            return;
        }
        let outcome = match event.writable {
            true => client.writable(self.host, &self.room),
            false => Ok(()),
        };
        let outcome = outcome.and_then(|()| match event.readable {
            true => receive(client, &mut self.buffer, &self.clock, &mut self.room),
            false => Ok(()),
        });
        match outcome {
            Ok(()) => flush(client, &self.poller, &mut self.faults),
            Err(fault) => note(&mut self.faults, client, &fault),
        }
        let goes_on = self.room.kind == Kind::Connect && self.room.resubmits;
        if client.phase == Phase::Ended && goes_on && self.faults.is_empty() {
            let (index, document) = (client.index, client.document);
            match Stream::connect(self.host, &self.poller, u64::from(index)) {
                Ok(stream) => *client = Client::new(index, document, stream, now_ns),
                Err(error) => self.faults.push(error.to_string()),
            }
        }
    }

    fn submit_due(&mut self) {
        let now_ns = self.clock.elapsed().as_nanos() as u64;
        let Some(pacer) = &mut self.pacer else { return };
        while !self.clients.is_empty() {
            let index = self.next_sender % self.clients.len();
            let client = &mut self.clients[index];
            if client.in_flight >= MAX_IN_FLIGHT {
                return;
            }
            let Some((_, due_ns)) = pacer.take(now_ns) else {
                return;
            };
            self.next_sender = index + 1;
            client.submit(due_ns, &mut self.room);
            flush(client, &self.poller, &mut self.faults);
        }
    }
}

fn receive(
    client: &mut Client,
    buffer: &mut Vec<u8>,
    clock: &Instant,
    room: &mut Room,
) -> Result<(), Fault> {
    let phase = client.phase;
    match client.stream.read(buffer) {
        Ok(None) => Ok(()),
        Ok(Some(count)) => {
            let now_ns = clock.elapsed().as_nanos() as u64;
            let used = client.take(&buffer[..count], now_ns, room)?;
            client.stream.keep(&buffer[used..count]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => client.ended(),
        // A service may reset a connection that said goodbye.
        Err(_) if phase == Phase::Leaving => client.ended(),
        Err(source) => Err(Fault::Io { phase, source }),
    }
}

fn flush(client: &mut Client, poller: &Poller, faults: &mut Vec<String>) {
    let phase = client.phase;
    if phase == Phase::Ended {
        return;
    }
    if let Err(source) = client.stream.flush(poller) {
        if phase == Phase::Leaving {
            client.phase = Phase::Ended;
        } else {
            note(faults, client, &Fault::Io { phase, source });
        }
    }
}

fn note(faults: &mut Vec<String>, client: &mut Client, fault: &Fault) {
    client.phase = Phase::Ended;
    if faults.len() < FAULTS_KEPT {
        faults.push(format!("client {}: {fault}", client.index));
    }
}
