//! What the handlers of one core may use.

use super::errand::Errand;
use super::objects::ObjectCache;
use crate::directory::{Directories, Hasher};
use crate::identity::Identities;
use crate::observe::Figures;
use crate::store::Store;
use bytes::Bytes;
use futures_channel::oneshot;
use levee_core::auth::Keyring;
use levee_core::document::SessionView;
use levee_core::ids::{DocKey, Now, Seq, ShardId};
use levee_core::placement::Placement;
use levee_core::record::StoreFault;
use levee_core::shard::Published;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// Everything that a handler needs of its core. Lives as long as the core's loop.
pub struct CoreContext {
    keyring: RefCell<Arc<Keyring>>,
    pub directories: Directories,
    pub hasher: Hasher,
    pub identities: Identities,
    pub api: Arc<ApiConfig>,
    /// The core that this is.
    pub id: ShardId,
    pub placement: Placement,
    pub store: Rc<Store>,
    pub live: Live,
    /// How clients reach the service, without a slash at the end; `None`: as the request's `Host`
    /// says.
    pub public_url: Option<Box<str>>,
    /// Started with `--dev`: the home page shows keys.
    pub is_dev: bool,
    pub clock: Box<dyn Fn() -> Now>,
    /// 128 random bits from a generator that nobody can predict: ids of documents.
    pub random: Box<dyn Fn() -> u128>,
    pub(super) objects: RefCell<ObjectCache>,
    /// How many requests are storing objects of a document.
    pub(super) uploads: RefCell<HashMap<DocKey, usize>>,
    /// Documents being created or deleted: a second create of the same id waits for nothing, it is
    /// refused.
    pub(super) creating: RefCell<HashSet<DocKey>>,
}

/// What the routes below `/api` know of the configuration.
#[derive(Debug, Default)]
pub struct ApiConfig {
    /// Opens everything below `/api` but what needs a user.
    pub admin_key: Option<Box<str>>,
    /// Whether anybody may register.
    pub open_registration: bool,
}

/// A question about a document.
pub type Ask<T> = Box<dyn Fn(&DocKey) -> T>;
/// A question about a range of a document's operations, both bounds inclusive.
pub type AskRange<T> = Box<dyn Fn(&DocKey, Seq, Seq) -> T>;

/// Questions to the core's shard, and the one thing that a request can tell it.
pub struct Live {
    /// A document that is in memory.
    pub published: Ask<Option<Published>>,
    /// The same, with everybody who is there.
    pub session: Ask<Option<SessionView>>,
    /// Visible operations `from..=to` of a document in memory, in shared slices: each a run of JSON
    /// objects joined by commas.
    pub history: AskRange<Vec<Bytes>>,
    /// Sends a service-side signal (raw JSON content) to everyone in a document.
    pub broadcast: Box<dyn Fn(DocKey, Bytes)>,
    /// The service's counters as Prometheus text.
    pub metrics: Box<dyn Fn() -> String>,
    /// Deletes a document of this core, whose end the answer tells.
    pub delete: Box<dyn Fn(DocKey) -> oneshot::Receiver<Result<(), StoreFault>>>,
    /// The figures of every core, as of their last ticks.
    pub figures: Box<dyn Fn() -> Vec<Figures>>,
    /// Has another core do something.
    pub errand: Box<dyn Fn(ShardId, Errand)>,
    /// Whether this core takes new work: its store writes and it is not draining.
    pub is_ready: Box<dyn Fn() -> bool>,
    /// Why some document of the service, on whatever core, takes no writes at present.
    pub fault: Box<dyn Fn() -> Option<StoreFault>>,
}

/// What [`CoreContext::new`] is made from.
pub struct ContextConfig {
    pub keyring: Arc<Keyring>,
    pub directories: Directories,
    pub hasher: Hasher,
    pub identities: Identities,
    pub api: Arc<ApiConfig>,
    pub id: ShardId,
    pub placement: Placement,
    pub public_url: Option<Box<str>>,
    pub is_dev: bool,
    /// Bytes of git objects kept in memory for cold loads.
    pub cache_bytes: usize,
}

/// Enough for the cold loads of some hundred documents.
pub const CACHE_BYTES_DEFAULT: usize = 64 << 20;

impl CoreContext {
    /// A context around the store and shard of one core. `random` must not be predictable.
    #[must_use]
    pub fn new(
        config: ContextConfig,
        store: Rc<Store>,
        live: Live,
        clock: Box<dyn Fn() -> Now>,
        random: Box<dyn Fn() -> u128>,
    ) -> Self {
        Self {
            keyring: RefCell::new(config.keyring),
            directories: config.directories,
            hasher: config.hasher,
            identities: config.identities,
            api: config.api,
            id: config.id,
            placement: config.placement,
            store,
            live,
            public_url: config.public_url,
            is_dev: config.is_dev,
            clock,
            random,
            objects: RefCell::new(ObjectCache::new(config.cache_bytes)),
            uploads: RefCell::default(),
            creating: RefCell::default(),
        }
    }

    /// What tokens are checked with now.
    #[must_use]
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.borrow().clone()
    }

    /// Tenants, secrets or revocations have changed.
    pub fn set_keyring(&self, keyring: Arc<Keyring>) {
        self.keyring.replace(keyring);
    }

    /// Seconds since the Unix epoch.
    pub(super) fn now_unix_s(&self) -> i64 {
        i64::try_from((self.clock)().unix_s()).unwrap_or(i64::MAX)
    }
}
