//! The command line of the load tester.

use clap::{Args, Parser, Subcommand};
use levee_loadtest::capacity::{self, CapacityError};
use levee_loadtest::compare::Comparison;
use levee_loadtest::report::Report;
use levee_loadtest::run::{RunError, Service};
use levee_loadtest::scenario::{Load, Scenario, ScenarioError};
use levee_loadtest::session::Target;
use levee_loadtest::survival::{self, SurvivalError};
use levee_loadtest::{compare, process, ramp, run, sys};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use thiserror::Error;

/// What Tinylicious' own client signs its tokens with; every service here knows it.
const TENANT: &str = "tinylicious";
const KEY: &str = "12345";

/// Load tester for any Fluid service over Socket.IO; it verifies while it measures.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a scenario once.
    Run {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        service: ServiceOptions,
        /// Open loop at this rate, ops per second over all clients.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Finds the highest rate under the scenario's latency bound.
    Ramp {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        service: ServiceOptions,
        /// Length of each measurement.
        #[arg(long, default_value_t = 3)]
        step_seconds: u32,
        /// The rate to start with, instead of the scenario's.
        #[arg(long)]
        start: Option<f64>,
    },
    /// Runs a scenario against several services in turn and prints medians and ratios.
    Compare {
        #[command(flatten)]
        options: Options,
        /// A service: NAME=URL with optional ,pid=PID ,tenant=TENANT ,key=KEY. Ratios are to the
        /// first.
        #[arg(long = "peer", required = true)]
        peers: Vec<String>,
        /// Repetitions for each service.
        #[arg(long, default_value_t = 3)]
        repeat: u32,
        /// Length of each measurement of a ramp.
        #[arg(long, default_value_t = 3)]
        step_seconds: u32,
    },
    /// Kills a service under load with kill -9, starts it again, and counts the acknowledged ops
    /// that are gone. The exit code is 1 if there are any.
    Kill {
        #[command(flatten)]
        options: Options,
        /// A script of loadtest/peers: it gets a port and a processor and becomes the service.
        #[arg(long)]
        peer: PathBuf,
        #[arg(long, default_value_t = 7190)]
        port: u16,
        /// Pins the service to one processor.
        #[arg(long, default_value_t = 0)]
        service_cpu: usize,
        /// How often, each time with fresh data.
        #[arg(long, default_value_t = 1)]
        repeat: u32,
    },
    /// Prints medians and ratios of the reports that `--json` collected.
    Table {
        /// The file of reports.
        reports: PathBuf,
    },
    /// Measures what this generator itself can receive and verify, against a stub on loopback.
    Capacity {
        /// Pins the generator to one processor.
        #[arg(long)]
        cpu: Option<usize>,
        /// Pins the stub to another.
        #[arg(long)]
        stub_cpu: Option<usize>,
        /// Ops in each frame.
        #[arg(long, default_value_t = 16)]
        batch: u32,
    },
}

#[derive(Args)]
struct Options {
    /// A file of loadtest/scenarios.
    scenario: PathBuf,
    /// Length of the measurement, instead of the scenario's.
    #[arg(long)]
    seconds: Option<u32>,
    /// Ramp bound on the 99th percentile, instead of the scenario's.
    #[arg(long)]
    p99_ms: Option<u32>,
    /// Pins this generator to one processor.
    #[arg(long)]
    cpu: Option<usize>,
    /// Appends each report to this file as one line of JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Allows a service that is not on this machine's loopback.
    #[arg(long)]
    allow_remote: bool,
}

#[derive(Args)]
struct ServiceOptions {
    /// Where the service listens.
    #[arg(long, default_value = "http://127.0.0.1:7070")]
    url: String,
    #[arg(long, default_value = TENANT)]
    tenant: String,
    /// The tenant's secret, which tokens are signed with.
    #[arg(long, default_value = KEY)]
    key: String,
    /// The service's process; found by its port if it is not given.
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    #[error(transparent)]
    Survival(#[from] SurvivalError),
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    #[error("{0} is not http://HOST:PORT")]
    Url(Box<str>),
    #[error("{0} is not on this machine: --allow-remote sends load there")]
    Remote(SocketAddr),
    #[error("{0} is not NAME=URL[,pid=PID][,tenant=TENANT][,key=KEY]")]
    Peer(Box<str>),
    #[error("--repeat and --step-seconds must be from 1 to 100")]
    Repeat,
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("levee-loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

/// Answers whether every run was without fault.
fn execute(command: Command) -> Result<bool, CliError> {
    match command {
        Command::Run { options, service, rate } => {
            let mut scenario = prepare(&options)?;
            if let Some(rate_per_s) = rate {
                scenario.load = Load::Open { rate_per_s };
                scenario.check()?;
            }
            sys::end_process_after(scenario.time_limit() * 2 + GRACE);
            let report = run::run(&scenario, &service.resolve(&options)?)?;
            show(&report, &options)?;
            Ok(report.faults.is_empty())
        }
        Command::Ramp { options, service, step_seconds, start } => {
            let scenario = prepare(&options)?;
            let step = step(step_seconds)?;
            sys::end_process_after(ramp_limit(&scenario, step));
            let start = start.unwrap_or(scenario.ramp_start_per_s).clamp(1.0, 1e6);
            let service = service.resolve(&options)?;
            let report = ramp::ramp(&scenario, &service, start, step, show_step)?;
            show(&report, &options)?;
            Ok(report.faults.is_empty())
        }
        Command::Compare { options, peers, repeat, step_seconds } => {
            let scenario = prepare(&options)?;
            let step = step(step_seconds)?;
            let services = peers
                .iter()
                .map(|peer| parse_peer(peer, &options))
                .collect::<Result<Vec<_>, _>>()?;
            if !(1..=100).contains(&repeat) {
                return Err(CliError::Repeat);
            }
            let runs = repeat * services.len() as u32;
            sys::end_process_after(ramp_limit(&scenario, step) * runs);
            let mut shown = Ok(());
            let comparison = compare::compare(&scenario, &services, repeat, step, |report| {
                let shown_now = show(report, &options);
                shown = std::mem::replace(&mut shown, Ok(())).and(shown_now);
            })?;
            shown?;
            print!("{comparison}");
            Ok(comparison.is_clean())
        }
        Command::Kill { options, peer, port, service_cpu, repeat } => {
            let scenario = prepare(&options)?;
            if !(1..=100).contains(&repeat) {
                return Err(CliError::Repeat);
            }
            sys::end_process_after((scenario.time_limit() * 2 + GRACE * 2) * repeat);
            kill(&scenario, &peer, (port, service_cpu), repeat)
        }
        Command::Table { reports } => {
            let comparisons = compare::group(&read_reports(&reports)?);
            comparisons.iter().for_each(|comparison| print!("{comparison}"));
            Ok(comparisons.iter().all(Comparison::is_clean))
        }
        Command::Capacity { cpu, stub_cpu, batch } => {
            sys::end_process_after(GRACE);
            let result = capacity::measure(capacity::FRAMES, batch.clamp(1, 1024), cpu, stub_cpu)?;
            print!("{result}");
            Ok(true)
        }
    }
}

/// Kills a peer so often; answers whether nothing was ever lost.
fn kill(
    scenario: &Scenario,
    peer: &Path,
    (port, cpu): (u16, usize),
    repeat: u32,
) -> Result<bool, CliError> {
    let host = SocketAddr::from(([127, 0, 0, 1], port));
    let target = Target { host, tenant: TENANT.to_owned(), key: KEY.to_owned() };
    let mut lost = 0;
    for _ in 0..repeat {
        let survival = survival::measure(scenario, &target, peer, cpu)?;
        println!("{}: {survival}", peer.display());
        lost += survival.lost;
    }
    Ok(lost == 0)
}

fn read_reports(path: &Path) -> Result<Vec<Report>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::Io("reports", error))?;
    let reports = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    reports.map_err(|error| CliError::Io("reports", error.into()))
}

/// Added to the longest time that a command can take before the kernel ends it.
const GRACE: Duration = Duration::from_secs(60);

fn step(seconds: u32) -> Result<Duration, CliError> {
    let allowed = (1..=100).contains(&seconds);
    allowed.then(|| Duration::from_secs(u64::from(seconds))).ok_or(CliError::Repeat)
}

fn ramp_limit(scenario: &Scenario, step: Duration) -> Duration {
    let drain = Duration::from_secs(u64::from(scenario.drain_limit_s));
    scenario.time_limit() * 2 + (step * 2 + drain) * 24 + GRACE
}

fn prepare(options: &Options) -> Result<Scenario, CliError> {
    let mut scenario = Scenario::read(&options.scenario)?;
    scenario.seconds = options.seconds.unwrap_or(scenario.seconds);
    scenario.p99_bound_ms = options.p99_ms.unwrap_or(scenario.p99_bound_ms);
    scenario.check()?;
    if let Some(cpu) = options.cpu {
        sys::pin_to_cpu(cpu).map_err(|error| CliError::Io("--cpu", error))?;
    }
    sys::raise_descriptor_limit().map_err(|error| CliError::Io("descriptor limit", error))?;
    sys::sharpen_timers();
    Ok(scenario)
}

impl ServiceOptions {
    fn resolve(&self, options: &Options) -> Result<Service, CliError> {
        let host = parse_url(&self.url, options.allow_remote)?;
        let (tenant, key) = (self.tenant.clone(), self.key.clone());
        Ok(Service {
            name: self.url.clone(),
            target: Target { host, tenant, key },
            pid: self.pid.or_else(|| process::listener(host)),
        })
    }
}

fn parse_url(url: &str, allow_remote: bool) -> Result<SocketAddr, CliError> {
    let invalid = || CliError::Url(url.into());
    let authority = url.strip_prefix("http://").ok_or_else(invalid)?.trim_end_matches('/');
    let addresses = authority.to_socket_addrs().map_err(|_| invalid())?;
    // Services listen on IPv4 first; "localhost" may name both.
    let host = addresses.min_by_key(SocketAddr::is_ipv6).ok_or_else(invalid)?;
    if host.ip().is_loopback() || allow_remote { Ok(host) } else { Err(CliError::Remote(host)) }
}

fn parse_peer(text: &str, options: &Options) -> Result<Service, CliError> {
    let invalid = || CliError::Peer(text.into());
    let mut parts = text.split(',');
    let (name, url) = parts.next().and_then(|part| part.split_once('=')).ok_or_else(invalid)?;
    let mut service = ServiceOptions {
        url: url.to_owned(),
        tenant: TENANT.to_owned(),
        key: KEY.to_owned(),
        pid: None,
    };
    for part in parts {
        match part.split_once('=').ok_or_else(invalid)? {
            ("pid", pid) => service.pid = Some(pid.parse().map_err(|_| invalid())?),
            ("tenant", tenant) => service.tenant = tenant.to_owned(),
            ("key", key) => service.key = key.to_owned(),
            _ => return Err(invalid()),
        }
    }
    let mut resolved = service.resolve(options)?;
    resolved.name = name.to_owned();
    Ok(resolved)
}

fn show(report: &Report, options: &Options) -> Result<(), CliError> {
    print!("{report}");
    match &options.json {
        Some(path) => report.append_to(path).map_err(|error| CliError::Io("--json", error)),
        None => Ok(()),
    }
}

fn show_step(report: &Report, passes: bool) {
    let wanted = report.wanted_per_s.unwrap_or(0.0);
    let p99_ms = report.p99_us().unwrap_or(0) as f64 / 1e3;
    let verdict = match (passes, report.is_disturbed()) {
        (true, _) => "passes",
        (false, false) => "fails",
        (false, true) => "fails, disturbed by other work",
    };
    let reached = report.rate_per_s;
    println!("  {wanted:>10.0}/s wanted, {reached:>10.1}/s, p99 {p99_ms:>9.2} ms: {verdict}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_loaded_without_asking() {
        assert!(parse_url("http://127.0.0.1:7070", false).is_ok());
        assert!(parse_url("http://localhost:7070/", false).is_ok());
        let remote = parse_url("http://192.0.2.1:7070", false);
        assert!(matches!(remote, Err(CliError::Remote(_))));
        assert!(parse_url("http://192.0.2.1:7070", true).is_ok());
        assert!(matches!(parse_url("127.0.0.1:7070", false), Err(CliError::Url(_))));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
