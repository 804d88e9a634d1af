//! Scenarios: what a run does, read from TOML.

use serde::{Deserialize, Serialize};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// What a scenario exercises.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Writers submit ops; every client of the document receives them.
    Ops,
    /// Clients send broadcast signals.
    Signals,
    /// Joined clients that do nothing: memory and processor time of the service.
    Idle,
    /// Connect until `connect_document_success`, leave, again.
    Connect,
    /// All REST calls of opening a small document, again and again.
    ColdLoad,
}

/// Who decides when the next op is sent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(tag = "loop", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Load {
    /// Each client keeps `window` ops in flight and sends the next when one came back.
    Closed { window: u32 },
    /// A fixed rate over all clients, whatever the service does.
    Open { rate_per_s: f64 },
}

/// One scenario. All durations are wall-clock seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name used in reports.
    pub name: String,
    pub kind: Kind,
    /// Documents created for the run.
    #[serde(default = "one")]
    pub documents: u32,
    /// Clients of each document; for `connect` and `cold-load` the ones active at a time.
    pub clients_per_document: u32,
    /// Length of an op's contents, or of a signal's content, as the application sees it.
    #[serde(default = "default_payload_bytes")]
    pub payload_bytes: u32,
    #[serde(default = "default_load")]
    pub load: Load,
    /// Load before the measurement, which is checked but not counted.
    #[serde(default = "one")]
    pub warmup_s: u32,
    /// The measurement.
    #[serde(default = "default_seconds")]
    pub seconds: u32,
    /// Until every client must have joined.
    #[serde(default = "default_setup_limit_s")]
    pub setup_limit_s: u32,
    /// Until everything submitted must have come back.
    #[serde(default = "default_drain_limit_s")]
    pub drain_limit_s: u32,
    /// Handshakes in progress at a time while clients connect.
    #[serde(default = "default_connect_window")]
    pub connect_window: u32,
    /// What `ramp` holds the 99th percentile under.
    #[serde(default = "default_p99_bound_ms")]
    pub p99_bound_ms: u32,
    /// The rate that `ramp` starts with, ops per second over all clients.
    #[serde(default = "default_ramp_start_per_s")]
    pub ramp_start_per_s: f64,
    /// Whether `compare` measures this scenario by `ramp`.
    #[serde(default)]
    pub compare_by_ramp: bool,
}

fn one() -> u32 {
    1
}
fn default_payload_bytes() -> u32 {
    256
}
fn default_load() -> Load {
    Load::Closed { window: 1 }
}
fn default_seconds() -> u32 {
    10
}
fn default_setup_limit_s() -> u32 {
    60
}
fn default_drain_limit_s() -> u32 {
    20
}
fn default_connect_window() -> u32 {
    32
}
fn default_p99_bound_ms() -> u32 {
    50
}
fn default_ramp_start_per_s() -> f64 {
    50.0
}

/// Why a scenario cannot be used.
#[derive(Debug, Error)]
pub enum ScenarioError {
    #[error("cannot read {path}: {source}")]
    Read { path: Box<str>, source: io::Error },
    #[error("{path}: {source}")]
    Parse { path: Box<str>, source: Box<toml::de::Error> },
    #[error("{field} must be from {least} to {most}")]
    Range { field: &'static str, least: u32, most: u32 },
    #[error("{0} clients are more than one generator holds ({max})", max = MAX_CLIENTS)]
    TooManyClients(u64),
}

/// Most clients of one run: their local ports must suffice.
const MAX_CLIENTS: u64 = 25_000;

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// The file cannot be read, is no scenario, or asks for something out of bounds.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let name = || path.display().to_string().into_boxed_str();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: name(), source })?;
        let scenario: Self = toml::from_str(&text)
            .map_err(|source| ScenarioError::Parse { path: name(), source: Box::new(source) })?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Checks every bound; to be repeated after a change.
    ///
    /// # Errors
    /// Names the first field out of bounds.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let least_payload = match self.kind {
            Kind::Ops => 128,
            Kind::Signals => 32,
            Kind::Idle | Kind::Connect | Kind::ColdLoad => 0,
        };
        within("documents", self.documents, 1..=10_000)?;
        within("clients_per_document", self.clients_per_document, 1..=10_000)?;
        within("payload_bytes", self.payload_bytes, least_payload..=700_000)?;
        within("warmup_s", self.warmup_s, 0..=60)?;
        within("seconds", self.seconds, 1..=900)?;
        within("setup_limit_s", self.setup_limit_s, 1..=600)?;
        within("drain_limit_s", self.drain_limit_s, 1..=120)?;
        within("connect_window", self.connect_window, 1..=10_000)?;
        within("p99_bound_ms", self.p99_bound_ms, 1..=10_000)?;
        match self.load {
            Load::Closed { window } => within("load.window", window, 1..=4096)?,
            Load::Open { rate_per_s } => rate("load.rate_per_s", rate_per_s)?,
        }
        rate("ramp_start_per_s", self.ramp_start_per_s)?;
        let clients = self.clients();
        if clients > MAX_CLIENTS {
            return Err(ScenarioError::TooManyClients(clients));
        }
        Ok(())
    }

    /// Clients over all documents.
    #[must_use]
    pub fn clients(&self) -> u64 {
        u64::from(self.documents) * u64::from(self.clients_per_document)
    }

    /// Longest time that one run of this scenario takes.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        let seconds = self.setup_limit_s + self.warmup_s + self.seconds + self.drain_limit_s;
        Duration::from_secs(u64::from(seconds))
    }
}

fn within(
    field: &'static str,
    value: u32,
    bounds: RangeInclusive<u32>,
) -> Result<(), ScenarioError> {
    let (least, most) = (*bounds.start(), *bounds.end());
    if bounds.contains(&value) { Ok(()) } else { Err(ScenarioError::Range { field, least, most }) }
}

fn rate(field: &'static str, value: f64) -> Result<(), ScenarioError> {
    if (1.0..=10e6).contains(&value) {
        Ok(())
    } else {
        Err(ScenarioError::Range { field, least: 1, most: 10_000_000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenarios_of_this_repository_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let scenario = Scenario::read(&path).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
            count += 1;
        }
        assert!(count >= 7);
    }

    #[test]
    fn unknown_keys_and_bad_bounds_are_refused() {
        let parse = |text: &str| toml::from_str::<Scenario>(text);
        let base = "name = \"x\"\nkind = \"ops\"\nclients_per_document = 2\n";
        let mut scenario = parse(base).unwrap();
        assert!(scenario.check().is_ok());
        assert!(parse(&format!("{base}sekonds = 3")).is_err());
        scenario.payload_bytes = 5;
        assert!(scenario.check().is_err());
        let open = parse(&format!("{base}load = {{ loop = \"open\", rate_per_s = 5.0 }}")).unwrap();
        assert_eq!(open.load, Load::Open { rate_per_s: 5.0 });
    }
}
