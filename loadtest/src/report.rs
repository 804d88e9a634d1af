//! A run's result: one JSON line for programs, a few lines for people.

use crate::scenario::Kind;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Share of one processor above which the generator's own speed is what was measured.
const SATURATED_PERCENT: f64 = 90.0;
/// Share of a processor that service or generator may lose to others.
const DISTURBED_PERCENT: f64 = 5.0;

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Latency {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Latency {
    /// The usual quantiles, or `None` of nothing.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1e3;
        let (p50, p90, p99) = (ms(self.p50_us), ms(self.p90_us), ms(self.p99_us));
        let (p999, max) = (ms(self.p999_us), ms(self.max_us));
        write!(
            out,
            "p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2} ms \
             ({} samples)",
            self.count
        )
    }
}

/// What the service's process used.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct ServiceUse {
    pub pid: u32,
    /// Over the measurement, 100 is one processor.
    pub cpu_percent: f64,
    /// How much more it wanted and did not get because others had the processor.
    pub waiting_percent: f64,
    /// Before the first client connected.
    pub resident_before_bytes: u64,
    /// At the end of the measurement.
    pub resident_after_bytes: u64,
    /// The growth in between, for each client.
    pub resident_per_client_bytes: f64,
}

/// The result of one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    pub scenario: String,
    pub kind: Kind,
    pub service: String,
    pub documents: u32,
    pub clients: u64,
    pub seconds: f64,
    /// Of an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_per_s: Option<f64>,
    /// What the scenario counts: ops or signals echoed, connects, cold loads.
    pub rate_per_s: f64,
    /// Receptions over all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_per_s: Option<f64>,
    /// Submit to own echo; the whole connect; the whole cold load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Latency>,
    /// Submit to every other receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_load: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals_lost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_use: Option<ServiceUse>,
    pub generator_cpu_percent: f64,
    /// How much more the generator wanted and did not get.
    pub generator_waiting_percent: f64,
    pub generator_is_bottleneck: bool,
    /// The measurement was cut short because the service fell behind.
    pub fell_behind: bool,
    /// Everything the service did wrong; a run with any is a failure.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether the generator had reserves at this share of a processor.
    #[must_use]
    pub fn is_saturated(generator_cpu_percent: f64) -> bool {
        generator_cpu_percent > SATURATED_PERCENT
    }

    /// Whether other work on the machine took so much that latencies say little.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        // Threads of a service that has its processors to itself wait for each other: only what is
        // missing to whole processors can have gone to others.
        let lost =
            |cpu: f64, waiting: f64| waiting.min((cpu / 100.0).ceil().max(1.0) * 100.0 - cpu);
        let service =
            self.service_use.map_or(0.0, |used| lost(used.cpu_percent, used.waiting_percent));
        let generator = lost(self.generator_cpu_percent, self.generator_waiting_percent);
        service.max(generator) > DISTURBED_PERCENT
    }

    /// The worse 99th percentile of own echoes and others' receptions.
    #[must_use]
    pub fn p99_us(&self) -> Option<u64> {
        let p99 = |latency: Latency| latency.p99_us;
        self.own.map(p99).max(self.others.map(p99))
    }

    /// The one figure that services are compared by, and its unit. Less is better for memory.
    #[must_use]
    pub fn headline(&self) -> (f64, &'static str) {
        match self.kind {
            Kind::Ops => (self.rate_per_s, "ops/s"),
            Kind::Signals => (self.deliveries_per_s.unwrap_or(0.0), "deliveries/s"),
            Kind::Connect => (self.rate_per_s, "connects/s"),
            Kind::ColdLoad => (self.rate_per_s, "loads/s"),
            Kind::Idle => {
                let growth = self.service_use.map_or(0.0, |used| used.resident_per_client_bytes);
                (growth / 1024.0, "KiB/client")
            }
        }
    }

    /// Appends the report to a file as one line of JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_string(self).map_err(io::Error::other)?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line.as_bytes())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, service) = (&self.scenario, &self.service);
        let (documents, clients) = (self.documents, self.clients);
        write!(out, "{scenario} on {service}: {documents} document(s), {clients} client(s), ")?;
        writeln!(out, "{:.1} s", self.seconds)?;
        let (value, unit) = self.headline();
        write!(out, "  {value:.1} {unit}")?;
        if let Some(wanted) = self.wanted_per_s {
            write!(out, " of {wanted:.0} wanted")?;
        }
        if let (Some(deliveries), false) = (self.deliveries_per_s, self.kind == Kind::Signals) {
            write!(out, ", {deliveries:.0} deliveries/s")?;
        }
        if let Some(requests) = self.requests_per_load {
            write!(out, ", {requests} requests each")?;
        }
        writeln!(out)?;
        if let Some(own) = self.own {
            writeln!(out, "  own     {own}")?;
        }
        if let Some(others) = self.others {
            writeln!(out, "  others  {others}")?;
        }
        if let Some(lost) = self.signals_lost {
            writeln!(out, "  {lost} deliveries of signals lost")?;
        }
        if let Some(used) = self.service_use {
            let mib = |bytes: u64| bytes as f64 / 1048576.0;
            let (before, after) = (mib(used.resident_before_bytes), mib(used.resident_after_bytes));
            write!(out, "  service {:.1} % CPU, ", used.cpu_percent)?;
            write!(out, "{:.1} % waiting, ", used.waiting_percent)?;
            write!(out, "resident {before:.1} MiB ")?;
            let growth = used.resident_per_client_bytes / 1024.0;
            writeln!(out, "-> {after:.1} MiB ({growth:.1} KiB per client)")?;
        }
        let (cpu, waiting) = (self.generator_cpu_percent, self.generator_waiting_percent);
        writeln!(out, "  generator {cpu:.1} % CPU, {waiting:.1} % waiting")?;
        if self.is_disturbed() {
            writeln!(out, "  other work took the processors: latencies and rates say little")?;
        }
        if self.generator_is_bottleneck {
            writeln!(out, "  the generator is the bottleneck: the service may be faster")?;
        }
        if self.fell_behind {
            writeln!(out, "  stopped early: the service fell behind")?;
        }
        for fault in &self.faults {
            writeln!(out, "  FAULT {fault}")?;
        }
        Ok(())
    }
}
