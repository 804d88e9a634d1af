//! From a configuration to a running service and back: sockets, data, one pinned thread per core,
//! the signals, and the order of the end.

mod banner;
mod core_thread;
mod watchdog;

use crate::config::{Config, Durability, ProviderKind};
use crate::directory::{self, Directories, Hasher, Publish, Shelf, ShelfError};
use crate::http::ApiConfig;
use crate::identity::{self, Identities};
use crate::runtime::{Clock, DriverKind, allowed_cpus, pin_to_cpus};
use crate::server::control::{Control, Phase};
use crate::server::listener::{Bound, ListenError, bind};
use crate::server::mailbox::{Inbox, Letter, Outboxes, mesh};
use crate::store::{DataDir, OpenError, StoreConfig};
use core_thread::{CoreThread, Ready};
use levee_core::auth::{Keyring, KeyringFault, Tenant, TenantKeys};
use levee_core::directory::Seed;
use levee_core::ids::ShardId;
use levee_core::placement::Placement;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use watchdog::Watchdog;

/// Why the service did not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Data(#[from] OpenError),
    #[error("a tenant cannot be used: {0}")]
    Tenant(#[from] KeyringFault),
    #[error(transparent)]
    Directory(#[from] ShelfError),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("cannot run on CPUs {cpus:?}: {source}")]
    Pin { cpus: Vec<usize>, source: io::Error },
    #[error("core {core}: cannot start a loop: {source}")]
    Loop { core: u16, source: io::Error },
    #[error("core {core}: cannot watch a listening socket: {source}")]
    Watch { core: u16, source: io::Error },
    #[error("the kernel gives no random numbers")]
    NoRandom,
    #[error("core {0} ended unexpectedly")]
    CoreEnded(u16),
}

/// How a service ended that had started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Drained, or cut at the deadline, with everything written.
    Settled,
    /// By a second interrupt.
    Interrupted,
}

/// How often the main thread looks at signals and cores.
const WATCH: Duration = Duration::from_millis(50);
/// How long the cores may take to close their stores.
const CLOSE_DEADLINE: Duration = Duration::from_secs(30);

/// Signals that end the service.
struct Signals {
    term: Arc<AtomicBool>,
    int: Arc<AtomicBool>,
}

impl Signals {
    fn watch() -> Result<Self, BootError> {
        let flag = |signal| -> Result<_, BootError> {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, flag.clone()).map_err(BootError::Signals)?;
            Ok(flag)
        };
        let (term, int) = (signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT);
        Ok(Self { term: flag(term)?, int: flag(int)? })
    }

    /// Whether an interrupt came since the last call.
    fn interrupted(&self) -> bool {
        self.int.swap(false, Ordering::Relaxed)
    }

    fn asked_to_end(&self) -> bool {
        self.interrupted() || self.term.load(Ordering::Relaxed)
    }
}

/// Runs the service until it is told to end.
///
/// # Errors
/// When it cannot start, or a core ends by itself.
pub fn serve(config: &Config) -> Result<Ended, BootError> {
    let signals = Signals::watch()?;
    raise_descriptor_limit();
    if !config.cpus.is_empty() {
        let failed = |source| BootError::Pin { cpus: config.cpus.clone(), source };
        pin_to_cpus(&config.cpus).map_err(failed)?;
    }
    check_keys(config)?;
    let data = match config.durability {
        Durability::Memory => None,
        Durability::Power | Durability::Process => {
            Some(Arc::new(DataDir::open(&store_config(config, true))?))
        }
    };
    let shelf = match &data {
        None => Shelf::memory(),
        Some(data) => Shelf::open(&data.directory())?,
    };
    let (mut starting, keyring) =
        directory::start(shelf, config.policy.clone(), seeds(config), extra(config))?;
    let set_up = starting.set_up_token();
    let partitions = data.as_ref().map_or(config.partitions, |data| data.partitions());
    let bound = config.listen.iter().map(|address| bind(*address, config.cores));
    let bound = bound.collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<_> = bound.iter().map(|bound| bound.address).collect();
    let cpus = cpus(config);
    let mut mesh = mesh(config.cores + 1);
    // The last place is the directory's, which only sends.
    let publish = mesh.pop().map(|(_, outboxes)| publisher(config.cores, outboxes));
    let shared = Shared {
        placement: Placement::new(partitions, config.cores),
        keyring,
        directories: starting
            .run(publish.ok_or(BootError::NoRandom)?)
            .map_err(BootError::Thread)?,
        hasher: Hasher::start().map_err(BootError::Thread)?,
        identities: Identities::start(providers(config)).map_err(BootError::Thread)?,
        api: Arc::new(ApiConfig {
            admin_key: config.admin_key.as_ref().map(|key| key.expose().into()),
            open_registration: config.policy.open_registration,
        }),
        data,
        clock: Clock::start(),
    };
    let (service, reports) = Service::start(config, shared, &cpus, mesh, bound)?;
    let driver = match service.wait_until_ready(&reports) {
        Ok(driver) => driver,
        Err(error) => {
            service.stop();
            return Err(error);
        }
    };
    let place = banner::Place { addresses: &addresses, cpus: &cpus, partitions, driver };
    banner::print(config, place, set_up.as_deref());
    service.watch(&signals, config.drain_deadline)
}

/// What all cores are given alike.
#[derive(Clone)]
struct Shared {
    placement: Placement,
    keyring: Arc<Keyring>,
    directories: Directories,
    hasher: Hasher,
    identities: Identities,
    api: Arc<ApiConfig>,
    /// `None` keeps documents in memory only.
    data: Option<Arc<DataDir>>,
    clock: Clock,
}

type Reports = mpsc::Receiver<Result<Ready, BootError>>;

/// The running cores, as the main thread sees them.
struct Service {
    control: Arc<Control>,
    threads: Vec<JoinHandle<()>>,
    clock: Clock,
}

impl Service {
    /// Starts a thread for every core.
    fn start(
        config: &Config,
        shared: Shared,
        cpus: &[usize],
        mesh: Vec<(Inbox, Outboxes)>,
        bound: Vec<Bound>,
    ) -> Result<(Self, Reports), BootError> {
        let cores = config.cores;
        let spread_ms = u64::try_from(config.drain_spread.as_millis()).unwrap_or(u64::MAX);
        let control = Arc::new(Control::new(cores, spread_ms));
        let clock = shared.clock;
        let (report, reports) = mpsc::channel();
        let mut threads = Vec::new();
        let parts = mesh.into_iter().zip(per_core(bound, cores)).zip(cpus);
        for (number, (((inbox, outboxes), sockets), &cpu)) in (0..cores).zip(parts) {
            let thread = CoreThread {
                id: ShardId(number),
                cpu,
                config: config.clone(),
                shared: shared.clone(),
                control: control.clone(),
                sockets,
                inbox,
                outboxes,
                report: report.clone(),
            };
            let builder = std::thread::Builder::new().name(format!("levee-{number}"));
            threads.push(builder.spawn(move || thread.run()).map_err(BootError::Thread)?);
        }
        Ok((Self { control, threads, clock }, reports))
    }

    /// Waits until every core serves; the least of the drivers they run on.
    fn wait_until_ready(&self, reports: &Reports) -> Result<DriverKind, BootError> {
        let mut driver = None;
        for core in 0..self.threads.len() {
            let ready = reports.recv().map_err(|_| BootError::CoreEnded(core as u16))??;
            core_thread::log_report(&ready);
            if driver.is_none() || ready.driver == DriverKind::Epoll {
                driver = Some(ready.driver);
            }
        }
        driver.ok_or(BootError::CoreEnded(0))
    }

    /// Serves until a signal, then drains.
    fn watch(self, signals: &Signals, deadline: Duration) -> Result<Ended, BootError> {
        let mut watchdog = Watchdog::new(self.clock, self.threads.len());
        while !signals.asked_to_end() {
            std::thread::sleep(WATCH);
            watchdog.look(&self.control);
            if let Some(core) = self.threads.iter().position(JoinHandle::is_finished) {
                self.stop();
                return Err(BootError::CoreEnded(core as u16));
            }
        }
        tracing::info!("draining");
        self.control.advance(Phase::Drain);
        let started = Instant::now();
        while !self.control.is_settled() && started.elapsed() < deadline {
            if signals.interrupted() {
                return Ok(Ended::Interrupted);
            }
            std::thread::sleep(WATCH);
            watchdog.look(&self.control);
        }
        if !self.control.is_settled() {
            let now_ms = self.clock.mono_ms();
            let cores = self.control.pulses().zip(self.control.figures());
            for (core, (pulse, figures)) in cores.enumerate() {
                let (sockets, closing, work) = (figures.sockets, figures.closing, figures.work);
                let (letters, is_committing) = (figures.letters_waiting, figures.is_committing);
                let silent_ms = now_ms.saturating_sub(pulse.beat_ms);
                tracing::warn!(core, sockets, closing, work, letters, is_committing, silent_ms,
                    step = ?pulse.step, "cut at the drain's deadline");
            }
        }
        if self.stop() { Ok(Ended::Settled) } else { Ok(Ended::Interrupted) }
    }

    /// Has the cores close their stores and return; false when they do not in time.
    fn stop(&self) -> bool {
        self.control.advance(Phase::Stop);
        let started = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if started.elapsed() > CLOSE_DEADLINE {
                tracing::error!("a core did not end in time");
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        tracing::info!("stopped");
        true
    }
}

/// Tenants of the configuration whose tokens are signed.
fn seeds(config: &Config) -> Vec<Seed> {
    let signed = config.tenants.iter().filter(|tenant| !tenant.unverified);
    let seed = |tenant: &crate::config::Tenant| Seed {
        id: tenant.id.clone(),
        name: tenant.name.clone(),
        key: tenant.key.expose().to_owned(),
        key2: tenant.key2.as_ref().map(|key| key.expose().to_owned()),
    };
    signed.map(seed).collect()
}

/// Tenants that are not the directory's: the unverified one of `--dev`.
fn extra(config: &Config) -> Vec<Tenant> {
    let unverified = config.tenants.iter().filter(|tenant| tenant.unverified);
    let tenant = |t: &crate::config::Tenant| Tenant::new(&t.id, &t.name, TenantKeys::Unverified);
    unverified.map(tenant).collect()
}

/// Services to sign in with, as the configuration names them.
fn providers(config: &Config) -> Vec<identity::Provider> {
    let provider = |given: &crate::config::Provider| identity::Provider {
        name: given.name.clone(),
        kind: match given.kind.clone() {
            ProviderKind::GitHub { url, api_url } => identity::Kind::GitHub { url, api_url },
            ProviderKind::OpenId { issuer } => identity::Kind::OpenId { issuer },
        },
        client_id: given.client_id.clone(),
        client_secret: given.client_secret.expose().to_owned(),
        redirect_uri: given.redirect_uri.clone(),
        allowed_users: given.allowed_users.clone(),
        allowed_organizations: given.allowed_organizations.clone(),
        admin_users: given.admin_users.clone(),
        redirect_urls: given.redirect_urls.clone(),
    };
    config.providers.iter().map(provider).collect()
}

/// Every configured key can be one.
fn check_keys(config: &Config) -> Result<(), KeyringFault> {
    for tenant in config.tenants.iter().filter(|tenant| !tenant.unverified) {
        let second = tenant.key2.as_ref().map(crate::config::Secret::expose);
        TenantKeys::new(tenant.key.expose(), second)?;
    }
    Ok(())
}

/// Sends keyrings to every core.
fn publisher(cores: u16, mut outboxes: Outboxes) -> Publish {
    Box::new(move |keyring| {
        for core in 0..cores {
            if let Some(keyring) = &keyring {
                outboxes.post(ShardId(core), Letter::Keyring(keyring.clone()));
            }
        }
        outboxes.retry();
    })
}

/// How a configuration wants its data.
pub(crate) fn store_config(config: &Config, ring: bool) -> StoreConfig {
    StoreConfig {
        dir: config.data.clone(),
        durability: match config.durability {
            Durability::Power => crate::store::Durability::Power,
            Durability::Process => crate::store::Durability::Process,
            Durability::Memory => crate::store::Durability::Memory,
        },
        partitions: config.partitions,
        ring,
        accept_damage: config.accept_damage,
        ..StoreConfig::default()
    }
}

/// The CPU of each core. With more cores than CPUs, or only as many CPUs as were named, several
/// share one.
fn cpus(config: &Config) -> Vec<usize> {
    let pool = if config.cpus.is_empty() { allowed_cpus() } else { config.cpus.clone() };
    pool.into_iter().cycle().take(usize::from(config.cores)).collect()
}

/// Regroups the listening sockets: for each core, one of every address.
fn per_core(bound: Vec<Bound>, cores: u16) -> Vec<Vec<std::net::TcpListener>> {
    let mut grouped: Vec<Vec<_>> = (0..cores).map(|_| Vec::with_capacity(bound.len())).collect();
    for bound in bound {
        for (group, socket) in grouped.iter_mut().zip(bound.sockets) {
            group.push(socket);
        }
    }
    grouped
}

/// Every socket is a descriptor: take as many as the hard limit allows.
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives both calls; the calls have no other effect on memory.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Inputs;

    #[test]
    fn cores_get_cpus_in_turn_and_one_socket_of_each_address() {
        let flags = [("cpus", "0,2"), ("cores", "3"), ("listen", "127.0.0.1:0,127.0.0.1:0")];
        let flags = flags.into_iter().map(|(k, v)| (k, v.to_owned())).collect();
        let inputs = Inputs { flags, dev: true, ..Inputs::default() };
        let (config, _) = Config::load(&inputs).unwrap();
        assert_eq!(cpus(&config), [0, 2, 0]);
        let bound: Vec<_> = config.listen.iter().map(|a| bind(*a, 3).unwrap()).collect();
        let grouped = per_core(bound, 3);
        assert_eq!(grouped.len(), 3);
        assert!(grouped.iter().all(|sockets| sockets.len() == 2));
        check_keys(&config).unwrap();
        assert_eq!((seeds(&config).len(), extra(&config).len()), (2, 1));
    }
}
