//! The life of one core's thread: pin, loop, store, serve, close.

use super::{BootError, Shared, store_config};
use crate::config::{Config, Durability};
use crate::http::{self, CoreContext, Live};
use crate::observe::{self, Figures};
use crate::runtime::{self, DriverKind, Listener, Loop, pin_to_cpus, sleep};
use crate::server::control::{Control, Phase};
use crate::server::mailbox::{Inbox, Outboxes};
use crate::server::shard_loop::{Core, CoreParts};
use crate::store::{OpenReport, Store};
use levee_core::event::Event;
use levee_core::ids::ShardId;
use levee_core::shard::{Shard, ShardConfig};
use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Everything a core's thread takes with it.
pub(super) struct CoreThread {
    pub id: ShardId,
    pub cpu: usize,
    pub config: Config,
    pub shared: Shared,
    pub control: Arc<Control>,
    pub sockets: Vec<TcpListener>,
    pub inbox: Inbox,
    pub outboxes: Outboxes,
    pub report: mpsc::Sender<Result<Ready, BootError>>,
}

/// A core serves.
pub(super) struct Ready {
    pub core: ShardId,
    pub driver: DriverKind,
    pub store: OpenReport,
}

/// How long the last tasks may take to let go of the store before it is left as a crash leaves it.
const RELEASE_DEADLINE: Duration = Duration::from_secs(10);

impl CoreThread {
    /// Runs the core until the process stops.
    pub(super) fn run(self) {
        let core = self.id.0;
        let report = self.report.clone();
        let refuse = |error| {
            // Nobody listens when another core was refused first.
            let _ = report.send(Err(error));
        };
        let (mut looped, driver) = match Loop::build(self.config.runtime) {
            Ok(built) => built,
            Err(source) => return refuse(BootError::Loop { core, source }),
        };
        if let Err(error) = looped.block_on(self.serve(driver)) {
            refuse(error);
        }
    }

    async fn serve(self, driver: DriverKind) -> Result<(), BootError> {
        let core = self.id.0;
        // The store's threads inherit the CPUs of this one, and are to use any that are free.
        let (store, opened) = self.open_store(driver).await?;
        let store = Rc::new(store);
        let cpus = [self.cpu];
        pin_to_cpus(&cpus).map_err(|source| BootError::Pin { cpus: cpus.into(), source })?;
        let watch = |socket| Listener::new(socket);
        let listeners = self.sockets.into_iter().map(watch).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.map_err(|source| BootError::Watch { core, source })?;
        let shard = Rc::new(RefCell::new(Shard::new(ShardConfig {
            id: self.id,
            placement: self.shared.placement,
            limits: self.config.limits,
            keyring: self.shared.keyring.clone(),
            seed: runtime::random().ok_or(BootError::NoRandom)?,
        })));
        let core = Rc::new_cyclic(|weak: &Weak<Core>| {
            let live = live(&shard, weak, &self.control);
            let config = http::ContextConfig {
                keyring: self.shared.keyring,
                directories: self.shared.directories,
                hasher: self.shared.hasher,
                identities: self.shared.identities,
                api: self.shared.api,
                id: self.id,
                placement: self.shared.placement,
                public_url: self.config.public_url.as_deref().map(Box::from),
                is_dev: self.config.dev,
                cache_bytes: http::CACHE_BYTES_DEFAULT,
            };
            let clock = self.shared.clock;
            let random = || runtime::random().unwrap_or_else(|| std::process::abort());
            let context = CoreContext::new(
                config,
                store.clone(),
                live,
                Box::new(move || clock.now()),
                Box::new(random),
            );
            Core::new(CoreParts {
                id: self.id,
                clock,
                shard,
                store: store.clone(),
                context,
                control: self.control,
                inbox: self.inbox,
                outboxes: self.outboxes,
            })
        });
        let _ = self.report.send(Ok(Ready { core: self.id, driver, store: opened }));
        core.run(listeners).await;
        drop(core);
        close(store).await;
        Ok(())
    }

    async fn open_store(&self, driver: DriverKind) -> Result<(Store, OpenReport), BootError> {
        let Some(data) = &self.shared.data else {
            return Ok((Store::memory(), OpenReport::default()));
        };
        debug_assert_ne!(self.config.durability, Durability::Memory);
        let ring = driver != DriverKind::Epoll;
        let owned = self.shared.placement.owned_by(self.id);
        Ok(Store::open(data, &store_config(&self.config, ring), owned).await?)
    }
}

/// The shard's answers to REST. Weak, because the core owns the context that asks.
fn live(shard: &Rc<RefCell<Shard>>, core: &Weak<Core>, control: &Arc<Control>) -> Live {
    let (published, history) = (shard.clone(), shard.clone());
    let broadcaster = core.clone();
    let (figures, phase, own) = (control.clone(), control.clone(), core.clone());
    let (faults, counted, sender) = (control.clone(), control.clone(), core.clone());
    let (session, deleter) = (shard.clone(), core.clone());
    Live {
        published: Box::new(move |doc| published.borrow().published(doc)),
        session: Box::new(move |doc| session.borrow().session(doc)),
        history: Box::new(move |doc, from, to| history.borrow().history(doc, from, to)),
        delete: Box::new(move |doc| {
            let gone = || futures_channel::oneshot::channel().1;
            deleter.upgrade().map_or_else(gone, |core| core.start_deletion(doc))
        }),
        broadcast: Box::new(move |doc, content| {
            if let Some(core) = broadcaster.upgrade() {
                core.handle(Event::Broadcast { doc, content });
            }
        }),
        metrics: Box::new(move || observe::prometheus(&figures.figures())),
        figures: Box::new(move || counted.figures()),
        errand: Box::new(move |to, errand| {
            if let Some(core) = sender.upgrade() {
                core.send_errand(to, errand);
            }
        }),
        is_ready: Box::new(move || {
            let can_write = own.upgrade().is_some_and(|core| core.can_write());
            phase.phase() == Phase::Serve && can_write
        }),
        fault: Box::new(move || faults.figures().iter().find_map(Figures::fault)),
    }
}

/// Closes the store in good order once the last task has let go of it.
async fn close(mut store: Rc<Store>) {
    let started = Instant::now();
    let store = loop {
        match Rc::try_unwrap(store) {
            Ok(store) => break store,
            Err(shared) if started.elapsed() < RELEASE_DEADLINE => store = shared,
            Err(_) => return tracing::error!("the store is still in use; it will be recovered"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    if let Err(fault) = store.close().await {
        tracing::error!(%fault, "the store did not close in good order");
    }
}

/// Tells what opening the partitions of one core has found.
pub(super) fn log_report(ready: &Ready) {
    let core = ready.core.0;
    for partition in &ready.store.partitions {
        let (number, frames) = (partition.partition.0, partition.replayed_frames);
        if frames > 0 {
            tracing::info!(core, partition = number, frames, "recovered after an unclean end");
        }
        if let Some(fault) = partition.fault {
            tracing::error!(core, partition = number, %fault, "starts without taking writes");
        }
        if let Some(damage) = &partition.damage {
            tracing::error!(core, %damage, "damage was accepted");
        }
    }
}
