//! What the operator decides: the table of options, its layers, and the typed result.

pub mod document;
pub mod options;
mod providers;
pub mod settings;
pub mod value;

pub use crate::runtime::RuntimeChoice;

pub use providers::{Provider, ProviderKind};
pub use settings::{ConfigError, Inputs, Secret, Settings, Tenant};

use levee_core::directory::Policy;
use levee_core::limits::Limits;
use options::Key;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an acknowledged operation survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: written and synced.
    Power,
    /// A killed process: written to the kernel.
    Process,
    /// Nothing.
    Memory,
}

impl Durability {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Process => "process",
            Self::Memory => "memory",
        }
    }
}

/// The configuration in force, typed. Everything in it has been checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub dev: bool,
    pub listen: Vec<SocketAddr>,
    /// Threads that serve, at least 1.
    pub cores: u16,
    /// CPUs to pin them to, one each; empty leaves the choice to the boot.
    pub cpus: Vec<usize>,
    pub runtime: RuntimeChoice,
    pub data: PathBuf,
    /// `None` keeps documents in memory only.
    pub durability: Durability,
    pub partitions: u16,
    pub accept_damage: bool,
    pub public_url: Option<String>,
    pub admin_key: Option<Secret>,
    pub log: tracing::Level,
    pub drain_spread: Duration,
    pub drain_deadline: Duration,
    pub policy: Policy,
    pub limits: Limits,
    pub tenants: Vec<Tenant>,
    /// Services that people can sign in with.
    pub providers: Vec<Provider>,
}

/// Ports of `--dev`: Levee's default, Tinylicious' default, azure-client's "local".
const DEV_PORTS: [u16; 3] = [4000, 7070, 7071];

impl Config {
    /// Loads, checks and types the configuration.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(inputs: &Inputs) -> Result<(Self, Settings), ConfigError> {
        let mut settings = Settings::load(inputs)?;
        if inputs.dev && !settings.is_set(Key::Listen) {
            settings.set_default(Key::Listen, &dev_addresses());
        }
        for key in [Key::OpenRegistration, Key::AutoMembership] {
            if inputs.dev && !settings.is_set(key) {
                settings.set_default(key, "true");
            }
        }
        let config = Self::from_settings(&settings, inputs.dev);
        config.check_dev()?;
        if config.tenants.is_empty() {
            return Err(ConfigError::NoTenant);
        }
        Ok((config, settings))
    }

    fn from_settings(settings: &Settings, dev: bool) -> Self {
        let optional = |key| Some(settings.text(key).to_owned()).filter(|text| !text.is_empty());
        let millis = |key| Duration::from_millis(settings.number(key));
        let cpus = value::cpu_list(settings.text(Key::Cpus)).unwrap_or_default();
        let cores = match settings.number(Key::Cores) {
            0 if !cpus.is_empty() => cpus.len(),
            0 => crate::runtime::allowed_cpus().len(),
            cores => cores as usize,
        };
        let cores = u16::try_from(cores).unwrap_or(u16::MAX).max(1);
        let partitions = match settings.number(Key::Partitions) as u16 {
            0 => cores.max(8),
            partitions => partitions,
        };
        let in_memory = settings.text(Key::Store) == "memory";
        let mut tenants = settings.tenants.clone();
        if dev {
            add_dev_tenants(&mut tenants);
        }
        Self {
            dev,
            listen: value::addresses(settings.text(Key::Listen)).unwrap_or_default(),
            cores,
            cpus,
            runtime: match settings.text(Key::Runtime) {
                "epoll" => RuntimeChoice::Epoll,
                _ => RuntimeChoice::Auto,
            },
            data: PathBuf::from(settings.text(Key::Data)),
            durability: match settings.text(Key::Durability) {
                _ if in_memory => Durability::Memory,
                "memory" => Durability::Memory,
                "process" => Durability::Process,
                _ => Durability::Power,
            },
            partitions,
            accept_damage: settings.text(Key::AcceptDamage) == "true",
            public_url: optional(Key::PublicUrl),
            admin_key: optional(Key::AdminKey).map(Secret::from),
            log: settings.text(Key::Log).parse().unwrap_or(tracing::Level::INFO),
            drain_spread: millis(Key::DrainMs),
            drain_deadline: millis(Key::DrainDeadlineMs),
            policy: policy(settings),
            limits: limits(settings),
            tenants,
            providers: settings.providers.clone(),
        }
    }

    /// Unverified tokens must never be reachable from another machine.
    fn check_dev(&self) -> Result<(), ConfigError> {
        let exposed = self.listen.iter().find(|address| !address.ip().is_loopback());
        match exposed {
            Some(address) if self.dev => Err(ConfigError::DevNotLoopback(*address)),
            Some(_) | None => Ok(()),
        }
    }
}

fn policy(settings: &Settings) -> Policy {
    Policy {
        session_idle_ms: settings.number(Key::SessionIdleMs),
        session_ms: settings.number(Key::SessionMs),
        open_registration: settings.text(Key::OpenRegistration) == "true",
        auto_membership: settings.text(Key::AutoMembership) == "true",
        token_s: settings.number(Key::TokenMs) / 1000,
    }
}

fn limits(settings: &Settings) -> Limits {
    let size = |key| usize::try_from(settings.number(key)).unwrap_or(usize::MAX);
    let count = |key| u32::try_from(settings.number(key)).unwrap_or(u32::MAX);
    Limits {
        frame_bytes_max: size(Key::FrameBytesMax),
        body_bytes_max: size(Key::BodyBytesMax),
        batch_ops_max: size(Key::BatchOpsMax),
        unfinished_bytes_max: size(Key::UnfinishedBytesMax),
        outbox_bytes_max: size(Key::OutboxBytesMax),
        pending_bytes_max: size(Key::PendingBytesMax),
        sockets_per_address_max: count(Key::SocketsPerAddressMax),
        sockets_max: count(Key::SocketsMax),
        ops_per_second_max: count(Key::OpsPerSecondMax),
        signals_per_second_max: count(Key::SignalsPerSecondMax),
        clients_per_document_max: count(Key::ClientsPerDocumentMax),
        idle_writer_ms: settings.number(Key::IdleWriterMs),
        idle_document_ms: settings.number(Key::IdleDocumentMs),
        handshake_ms: settings.number(Key::HandshakeMs),
    }
}

/// Both loopback addresses: `localhost` is either, as the client's system pleases.
fn dev_addresses() -> String {
    let hosts = ["127.0.0.1", "[::1]"];
    let here = hosts.iter().filter(|host| crate::runtime::is_local(host));
    let addresses = here.flat_map(|host| DEV_PORTS.map(|port| format!("{host}:{port}")));
    addresses.collect::<Vec<_>>().join(",")
}

/// The keys that the clients' own packages sign with, known to everyone: for this machine only.
fn add_dev_tenants(tenants: &mut Vec<Tenant>) {
    let known = [
        ("fluid", "dev-tenant-secret-key", false),
        ("tinylicious", "12345", false),
        ("local", "unverified", true),
    ];
    for (id, key, unverified) in known {
        if !tenants.iter().any(|tenant| tenant.id == id) {
            let (id, key) = (id.to_owned(), key.to_owned().into());
            tenants.push(Tenant { name: id.clone(), id, key, key2: None, unverified });
        }
    }
}

#[cfg(test)]
mod tests;
