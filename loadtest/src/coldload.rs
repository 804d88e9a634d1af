//! Cold loads: the REST calls of opening a small document, over keep-alive connections.

use crate::http::{Caller, HttpError, credential_for, find_answer, restless};
use crate::net::Stream;
use crate::rest::{self, RestError};
use crate::room::latency_histogram;
use crate::scenario::Scenario;
use crate::session::Target;
use crate::sys::Poller;
use hdrhistogram::Histogram;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Users that load in turn, so that a service cannot answer from one remembered token.
const USERS: usize = 16;

/// Why cold loads could not be measured.
#[derive(Debug, Error)]
pub enum ColdLoadError {
    #[error("system: {0}")]
    Io(#[from] io::Error),
    #[error("first load: {0}")]
    Rest(#[from] RestError),
}

/// A loader is asking for one step of one load.
struct Loader {
    stream: Stream,
    user: usize,
    step: usize,
    started_ns: u64,
}

/// Loads in progress and their figures.
pub struct ColdLoads {
    clock: Instant,
    poller: Poller,
    loaders: Vec<Loader>,
    /// By user and step.
    requests: Vec<Vec<Vec<u8>>>,
    bodies: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    window_ns: Range<u64>,
    /// Whole loads that ended within the window.
    pub loads: u64,
    /// Duration of those.
    pub latency: Histogram<u64>,
    /// What went wrong; every fault fails the run.
    pub faults: Vec<String>,
}

impl ColdLoads {
    /// Creates the document, loads it once to learn the calls, and connects the loaders.
    ///
    /// # Errors
    /// The service refuses a call, or the system a socket.
    pub fn prepare(scenario: &Scenario, target: &Target) -> Result<Self, ColdLoadError> {
        let signer = target.signer();
        let mut caller = Caller::connect(target.host).map_err(RestError::from)?;
        let document = rest::create_document(&mut caller, &signer)?;
        let steps = rest::probe_load(&mut caller, &signer, &document)?;
        let request = |user: usize, path: &str| {
            let token = signer.token(&document, &format!("user-{user}"));
            let credential = credential_for(path, signer.tenant(), &token);
            restless(target.host, "GET", path, credential, None)
        };
        let requests = (0..USERS)
            .map(|user| steps.iter().map(|step| request(user, &step.path)).collect())
            .collect();
        let poller = Poller::new()?;
        let loaders = (0..scenario.clients())
            .map(|token| {
                let stream = Stream::connect(target.host, &poller, token)?;
                Ok(Loader { stream, user: token as usize % USERS, step: 0, started_ns: 0 })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            clock: Instant::now(),
            poller,
            loaders,
            requests,
            bodies: steps.into_iter().map(|step| step.body).collect(),
            buffer: Vec::new(),
            window_ns: u64::MAX..u64::MAX,
            loads: 0,
            latency: latency_histogram(),
            faults: Vec::new(),
        })
    }

    /// Calls of one load.
    #[must_use]
    pub fn requests_per_load(&self) -> usize {
        self.bodies.len()
    }

    /// Begins the first load of every loader.
    pub fn start(&mut self) {
        for index in 0..self.loaders.len() {
            self.ask(index);
        }
    }

    /// Loads for a time, counting if `counts`, or until the first fault.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn work(&mut self, time: Duration, counts: bool) -> io::Result<()> {
        let start_ns = self.now_ns();
        let end_ns = start_ns + time.as_nanos() as u64;
        self.window_ns = if counts { start_ns..end_ns } else { u64::MAX..u64::MAX };
        let mut ready = Vec::new();
        while self.faults.is_empty() && self.now_ns() < end_ns {
            let left = Duration::from_nanos(end_ns.saturating_sub(self.now_ns()));
            self.poller.wait(left, &mut ready)?;
            for event in &ready {
                let index = event.token as usize;
                let outcome = match event.readable {
                    true => self.answer(index),
                    false => self.loaders[index].stream.flush(&self.poller).map_err(Into::into),
                };
                if let Err(error) = outcome {
                    self.faults.push(format!("loader {index}: {error}"));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    fn ask(&mut self, index: usize) {
        let now_ns = self.now_ns();
        let loader = &mut self.loaders[index];
        if loader.step == 0 {
            loader.started_ns = now_ns;
        }
        loader.stream.out.extend_from_slice(&self.requests[loader.user][loader.step]);
        if let Err(error) = loader.stream.flush(&self.poller)
            && error.kind() != io::ErrorKind::NotConnected
        {
            self.faults.push(format!("loader {index}: {error}"));
        }
    }

    fn answer(&mut self, index: usize) -> Result<(), HttpError> {
        let loader = &mut self.loaders[index];
        let Some(count) = loader.stream.read(&mut self.buffer)? else {
            return Ok(());
        };
        let bytes = &self.buffer[..count];
        let Some(answer) = find_answer(bytes)? else {
            loader.stream.keep(bytes);
            return Ok(());
        };
        let path = format!("step {}", loader.step).into_boxed_str();
        if answer.status != 200 {
            return Err(HttpError::Status { status: answer.status, path });
        }
        // The document is at rest: every load must answer what the first one did.
        if bytes[answer.body] != self.bodies[loader.step] {
            return Err(HttpError::Changed { path });
        }
        loader.step += 1;
        if loader.step == self.bodies.len() {
            self.loaded(index);
        }
        self.ask(index);
        Ok(())
    }

    fn loaded(&mut self, index: usize) {
        let now_ns = self.now_ns();
        let loader = &mut self.loaders[index];
        loader.step = 0;
        loader.user = (loader.user + 1) % USERS;
        if self.window_ns.contains(&now_ns) {
            self.loads += 1;
            self.latency.saturating_record((now_ns - loader.started_ns) / 1_000);
        }
    }
}
