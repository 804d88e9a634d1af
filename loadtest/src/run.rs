//! One run of one scenario against one service.

use crate::coldload::{ColdLoadError, ColdLoads};
use crate::process::{self, Sample};
use crate::report::{Latency, Report, ServiceUse};
use crate::scenario::{Kind, Load, Scenario};
use crate::session::{Session, SessionError, Target};
use crate::sys;
use std::io;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    ColdLoad(#[from] ColdLoadError),
    #[error("system: {0}")]
    Io(#[from] io::Error),
    #[error("ramp measures ops and signals only")]
    NotARate,
}

/// A service to run against.
#[derive(Clone, Debug)]
pub struct Service {
    /// What reports call it.
    pub name: String,
    pub target: Target,
    /// Its process, to be sampled.
    pub pid: Option<u32>,
}

impl Service {
    fn sample(&self) -> Option<Sample> {
        self.pid.and_then(process::sample)
    }
}

/// Processor times over one measurement.
struct Meter {
    start: Instant,
    generator: Sample,
    service: Option<Sample>,
}

/// What a [`Meter`] read at the end.
struct Reading {
    seconds: f64,
    generator_cpu_percent: f64,
    generator_waiting_percent: f64,
    service_use: Option<ServiceUse>,
}

impl Meter {
    fn start(service: &Service) -> Self {
        Self { start: Instant::now(), generator: own_sample(), service: service.sample() }
    }

    fn read(&self, service: &Service, before: Option<Sample>, clients: u64) -> Reading {
        let seconds = self.start.elapsed().as_secs_f64();
        let percent = |start: Duration, end: Duration| {
            end.saturating_sub(start).as_secs_f64() / seconds * 100.0
        };
        let (own_start, own_end) = (self.generator, own_sample());
        let used = |pid: u32| {
            let (start, end) = (self.service?, service.sample()?);
            let resident_before_bytes = before?.resident_bytes;
            let growth = end.resident_bytes as f64 - resident_before_bytes as f64;
            Some(ServiceUse {
                pid,
                cpu_percent: percent(start.cpu_time, end.cpu_time),
                waiting_percent: percent(start.wait_time, end.wait_time),
                resident_before_bytes,
                resident_after_bytes: end.resident_bytes,
                resident_per_client_bytes: growth / clients as f64,
            })
        };
        Reading {
            seconds,
            generator_cpu_percent: percent(own_start.cpu_time, own_end.cpu_time),
            generator_waiting_percent: percent(own_start.wait_time, own_end.wait_time),
            service_use: service.pid.and_then(used),
        }
    }
}

/// This process, with its processor time to the nanosecond.
fn own_sample() -> Sample {
    let sample = process::sample(std::process::id()).unwrap_or_default();
    Sample { cpu_time: sys::own_cpu_time(), ..sample }
}

fn report(scenario: &Scenario, service: &Service, reading: &Reading) -> Report {
    Report {
        scenario: scenario.name.clone(),
        kind: scenario.kind,
        service: service.name.clone(),
        documents: scenario.documents,
        clients: scenario.clients(),
        seconds: reading.seconds,
        wanted_per_s: None,
        rate_per_s: 0.0,
        deliveries_per_s: None,
        own: None,
        others: None,
        requests_per_load: None,
        signals_lost: None,
        service_use: reading.service_use,
        generator_cpu_percent: reading.generator_cpu_percent,
        generator_waiting_percent: reading.generator_waiting_percent,
        generator_is_bottleneck: Report::is_saturated(reading.generator_cpu_percent),
        fell_behind: false,
        faults: Vec::new(),
    }
}

/// Runs a scenario once.
///
/// # Errors
/// The run could not be carried out. What the service did wrong is in the report instead.
pub fn run(scenario: &Scenario, service: &Service) -> Result<Report, RunError> {
    if scenario.kind == Kind::ColdLoad {
        return run_cold_loads(scenario, service);
    }
    let mut run = Run::start(scenario, service)?;
    let seconds = Duration::from_secs(u64::from(scenario.seconds));
    let rate_per_s = match scenario.load {
        Load::Open { rate_per_s } => Some(rate_per_s),
        Load::Closed { .. } => None,
    };
    let report = run.measure(rate_per_s, seconds, false)?;
    run.finish(report)
}

/// Connected clients between measurements.
pub struct Run<'a> {
    scenario: &'a Scenario,
    service: &'a Service,
    session: Session<'a>,
    before: Option<Sample>,
}

impl<'a> Run<'a> {
    /// Creates the documents and connects the clients of a scenario over sockets.
    ///
    /// # Errors
    /// The service refuses.
    pub fn start(scenario: &'a Scenario, service: &'a Service) -> Result<Self, RunError> {
        let mut session = Session::prepare(scenario, &service.target)?;
        let before = service.sample();
        match scenario.kind {
            Kind::Connect => session.start_clients()?,
            Kind::Ops | Kind::Signals | Kind::Idle | Kind::ColdLoad => session.connect_all()?,
        }
        Ok(Self { scenario, service, session, before })
    }

    /// Loads for warm-up and `seconds`, at `rate_per_s` or as the scenario says, and waits until
    /// everything came back. If `stops_when_behind`, a service that falls behind ends it early.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn measure(
        &mut self,
        rate_per_s: Option<f64>,
        seconds: Duration,
        stops_when_behind: bool,
    ) -> Result<Report, RunError> {
        let session = &mut self.session;
        let warmup = Duration::from_secs(u64::from(self.scenario.warmup_s)).min(seconds);
        let behind = rate_per_s.filter(|_| stops_when_behind).map(|rate| rate as u64 + 500);
        let is_behind =
            |session: &Session<'_>| behind.is_some_and(|most| session.outstanding() > most);
        session.start_load(rate_per_s);
        let mut in_time = session.work(warmup, is_behind)?;
        let start_ns = session.now_ns();
        session.room.measure(start_ns..start_ns + seconds.as_nanos() as u64);
        let meter = Meter::start(self.service);
        in_time = in_time && session.work(seconds, is_behind)?;
        let reading = meter.read(self.service, self.before, self.scenario.clients());
        session.drain()?;

        let figures = &session.room.figures;
        let (kind, per_s) = (self.scenario.kind, |count: u64| count as f64 / reading.seconds);
        let mut report = report(self.scenario, self.service, &reading);
        report.wanted_per_s = rate_per_s;
        report.fell_behind = !in_time;
        report.faults.clone_from(&session.faults);
        match kind {
            Kind::Ops | Kind::Signals => {
                report.rate_per_s = per_s(figures.echoed);
                report.deliveries_per_s = Some(per_s(figures.deliveries));
                report.own = Latency::of(&figures.echo);
                report.others = Latency::of(&figures.fanout);
                report.signals_lost = (kind == Kind::Signals).then_some(figures.signals_lost);
            }
            Kind::Connect => {
                report.rate_per_s = per_s(figures.handshakes);
                report.own = Latency::of(&figures.handshake);
            }
            Kind::Idle | Kind::ColdLoad => {}
        }
        Ok(report)
    }

    /// Whether the service did something wrong, so that another measurement makes no sense.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        !self.session.faults.is_empty()
    }

    /// Lets the clients leave, and adds what went wrong with that to the report.
    ///
    /// # Errors
    /// The system's polling fails.
    pub fn finish(mut self, mut report: Report) -> Result<Report, RunError> {
        self.session.leave()?;
        report.faults = self.session.faults;
        Ok(report)
    }
}

fn run_cold_loads(scenario: &Scenario, service: &Service) -> Result<Report, RunError> {
    let before = service.sample();
    let mut loads = ColdLoads::prepare(scenario, &service.target)?;
    loads.start();
    loads.work(Duration::from_secs(u64::from(scenario.warmup_s)), false)?;
    let meter = Meter::start(service);
    loads.work(Duration::from_secs(u64::from(scenario.seconds)), true)?;
    let reading = meter.read(service, before, scenario.clients());
    let mut report = report(scenario, service, &reading);
    report.rate_per_s = loads.loads as f64 / reading.seconds;
    report.own = Latency::of(&loads.latency);
    report.requests_per_load = Some(loads.requests_per_load());
    report.faults = loads.faults;
    Ok(report)
}
