//! The thread itself: one closure after the other, each durable before it is answered.

use super::shelf::{Shelf, ShelfError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use futures_channel::oneshot;
use levee_core::auth::{Keyring, Tenant};
use levee_core::directory::{
    AUDIT_PREFIX, Act, Actor, AuditEntry, Directory, DirectoryFault, Policy, Seed, audit_key,
};
use std::net::IpAddr;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Requests that may wait for the thread; more are told that it is busy.
const WAITING_MAX: usize = 1024;
/// How often letters that found a full ring are tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How often what has expired is removed.
const SWEEP_MS: u64 = 60_000;
/// Lines of the audit log in one answer at most.
const AUDIT_PAGE_MAX: usize = 1000;

/// Tells every core of a new keyring; `None` only tries again what could not be delivered.
pub type Publish = Box<dyn FnMut(Option<Arc<Keyring>>) + Send>;

/// Does something and returns what tells the one who asked.
type Job = Box<dyn FnOnce(&mut Keeper) -> Box<dyn FnOnce()> + Send>;

/// The cores' end of the thread. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Directories {
    jobs: Sender<Job>,
}

/// Who asks, and from where.
pub type From = (Actor, Option<IpAddr>);

impl Directories {
    /// Has the thread do something, and waits until that is durable.
    ///
    /// # Errors
    /// What the closure returns, or [`DirectoryFault::Unavailable`]: then nothing was done.
    pub async fn call<T: Send + 'static>(
        &self,
        from: From,
        job: impl FnOnce(&mut Directory, &mut Act) -> Result<T, DirectoryFault> + Send + 'static,
    ) -> Result<T, DirectoryFault> {
        self.ask(move |keeper| keeper.act(from, job)).await
    }

    /// A page of the audit log, newest first, from the line before `before` on; of one tenant if
    /// that is given.
    ///
    /// # Errors
    /// [`DirectoryFault::Unavailable`], [`DirectoryFault::Damaged`].
    pub async fn audit(
        &self,
        before: Option<u64>,
        tenant: Option<String>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, DirectoryFault> {
        self.ask(move |keeper| keeper.audit(before, tenant.as_deref(), limit)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Keeper) -> Result<T, DirectoryFault> + Send + 'static,
    ) -> Result<T, DirectoryFault> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |keeper| {
            let outcome = job(keeper);
            Box::new(move || {
                // Whoever asked may be gone.
                let _ = done.send(outcome);
            })
        });
        self.jobs.try_send(job).map_err(|_| DirectoryFault::Unavailable)?;
        answer.await.unwrap_or(Err(DirectoryFault::Unavailable))
    }
}

/// Loads the directory, takes in the configured tenants and starts the thread. The keyring is the
/// one to begin with. Blocks: call it before serving.
///
/// # Errors
/// The rows cannot be read.
pub fn start(
    shelf: Shelf,
    policy: Policy,
    seeds: Vec<Seed>,
    extra: Vec<Tenant>,
) -> Result<(Starting, Arc<Keyring>), ShelfError> {
    let mut keeper = Keeper { directory: load(&shelf, &policy)?, shelf, policy, extra };
    let seeded = keeper.act((Actor::Service, None), |directory, act| {
        for seed in seeds {
            directory.seed_tenant(act, seed);
        }
        Ok(())
    });
    if let Err(fault) = seeded {
        // A full disk: the tenants are served all the same, from memory.
        tracing::error!(%fault, "configured tenants could not be written down");
    }
    let keyring = keeper.directory.take_keyring(&keeper.extra).unwrap_or_default();
    Ok((Starting { keeper }, Arc::new(keyring)))
}

/// A directory that is loaded and whose thread does not run yet.
pub struct Starting {
    keeper: Keeper,
}

impl Starting {
    /// A token for the link that makes the first administrator; `None` when there is one, or when
    /// it cannot be written down.
    pub fn set_up_token(&mut self) -> Option<String> {
        let made =
            self.act((Actor::Service, None), |directory, act| Ok(directory.make_set_up_link(act)));
        made.unwrap_or_else(|fault| {
            tracing::error!(%fault, "there is no set-up link");
            None
        })
    }

    /// Does something at once, durably: for the command line, where no thread is needed.
    ///
    /// # Errors
    /// What the closure returns, or [`DirectoryFault::Unavailable`]: then nothing was done.
    pub fn act<T>(
        &mut self,
        from: From,
        job: impl FnOnce(&mut Directory, &mut Act) -> Result<T, DirectoryFault>,
    ) -> Result<T, DirectoryFault> {
        self.keeper.act(from, job)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn run(self, publish: Publish) -> std::io::Result<Directories> {
        let (jobs, waiting) = bounded(WAITING_MAX);
        let builder = thread::Builder::new().name("levee-directory".into());
        builder.spawn(move || serve(self.keeper, &waiting, publish))?;
        Ok(Directories { jobs })
    }
}

fn serve(mut keeper: Keeper, jobs: &Receiver<Job>, mut publish: Publish) {
    let mut swept_ms = 0;
    loop {
        let answer = match jobs.recv_timeout(RETRY) {
            // A panic is the end of one request, not of the directory.
            Ok(job) => catch_unwind(AssertUnwindSafe(|| job(&mut keeper))).map_or_else(
                |_| {
                    tracing::error!("a request to the directory panicked");
                    keeper.reload();
                    None
                },
                Some,
            ),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Cores are told first: whoever is given a new secret may use it at once.
        let keyring = keeper.directory.take_keyring(&keeper.extra);
        publish(keyring.map(Arc::new));
        if let Some(answer) = answer {
            answer();
        }
        let now_ms = now_ms();
        if now_ms >= swept_ms + SWEEP_MS {
            swept_ms = now_ms;
            keeper.directory.sweep(now_ms);
            if keeper.save().is_err() {
                tracing::warn!("what has expired could not be removed from the directory");
            }
        }
    }
}

/// What the thread owns.
struct Keeper {
    directory: Directory,
    shelf: Shelf,
    policy: Policy,
    /// Tenants beside the directory's.
    extra: Vec<Tenant>,
}

impl Keeper {
    fn act<T>(
        &mut self,
        (actor, from): From,
        job: impl FnOnce(&mut Directory, &mut Act) -> Result<T, DirectoryFault>,
    ) -> Result<T, DirectoryFault> {
        let mut act = Act::new(now_ms(), actor, from, fresh().ok_or(DirectoryFault::Unavailable)?);
        let result = job(&mut self.directory, &mut act);
        // A refusal may have written too: what it learned about who guesses passwords.
        self.save()?;
        result
    }

    fn save(&mut self) -> Result<(), DirectoryFault> {
        let writes = self.directory.take_writes();
        if writes.is_empty() {
            return Ok(());
        }
        self.shelf.write(writes).map_err(|error| {
            tracing::error!(%error, "the directory cannot be written");
            self.reload();
            DirectoryFault::Unavailable
        })
    }

    /// Back to what is on the disk. Until that can be read, the memory is all there is.
    fn reload(&mut self) {
        match load(&self.shelf, &self.policy) {
            Ok(directory) => self.directory = directory,
            Err(error) => tracing::error!(%error, "the directory cannot be read"),
        }
    }

    fn audit(
        &self,
        before: Option<u64>,
        tenant: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, DirectoryFault> {
        let end = before.map_or_else(|| format!("{AUDIT_PREFIX}~"), audit_key);
        let limit = limit.min(AUDIT_PAGE_MAX);
        let mut page: Vec<AuditEntry> = Vec::new();
        let mut damaged = false;
        let bounds = (Bound::Included(AUDIT_PREFIX), Bound::Excluded(end.as_str()));
        let scanned = self.shelf.scan(bounds, true, |_, value| {
            match serde_json::from_slice::<AuditEntry>(value) {
                Ok(entry) if tenant.is_none() || entry.tenant.as_deref() == tenant => {
                    page.push(entry);
                }
                Ok(_) => {}
                Err(_) => damaged = true,
            }
            page.len() < limit && !damaged
        });
        match scanned {
            Err(_) => Err(DirectoryFault::Unavailable),
            Ok(()) if damaged => Err(DirectoryFault::Damaged),
            Ok(()) => Ok(page),
        }
    }
}

fn load(shelf: &Shelf, policy: &Policy) -> Result<Directory, ShelfError> {
    let mut directory = Directory::new(policy.clone());
    let mut damaged = None;
    shelf.scan((Bound::Unbounded, Bound::Unbounded), false, |key, value| {
        damaged = directory.load(key, value).err().map(|_| key.to_owned());
        damaged.is_none()
    })?;
    match damaged {
        None => Ok(directory),
        Some(key) => Err(ShelfError::Damaged(key)),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn fresh() -> Option<[[u8; 32]; 4]> {
    let mut fresh = [[0; 32]; 4];
    for bits in &mut fresh {
        for half in bits.chunks_exact_mut(16) {
            half.copy_from_slice(&crate::runtime::random()?.to_ne_bytes());
        }
    }
    Some(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use levee_core::directory::{NewTenant, Profile};
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Wake};

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn done<T>(future: impl Future<Output = T>) -> T {
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    fn seeds() -> Vec<Seed> {
        vec![Seed { id: "t".into(), name: "T".into(), key: "key".into(), key2: None }]
    }

    #[test]
    fn what_is_answered_is_on_the_disk_and_cores_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        for round in 0..3_usize {
            let shelf = Shelf::open(dir.path()).unwrap();
            let (starting, keyring) = start(shelf, Policy::default(), seeds(), vec![]).unwrap();
            assert_eq!(keyring.tenants().count(), 1 + round);
            let telling = told.clone();
            let tell = Box::new(move |keyring: Option<Arc<Keyring>>| {
                if let Some(keyring) = keyring {
                    telling.lock().unwrap().push(keyring.tenants().count());
                }
            });
            let directories = starting.run(tell).unwrap();
            let new = NewTenant { name: format!("number {round}"), ..NewTenant::default() };
            let from = (Actor::AdminKey, None);
            done(directories.call(from.clone(), |d, act| d.create_tenant(act, new))).unwrap();
            assert_eq!(told.lock().unwrap().last(), Some(&(2 + round)), "told before answered");
            let fault = done(directories.call(from.clone(), |directory, act| {
                directory.create_user(act, Profile::default(), false)
            }));
            assert_eq!(fault.unwrap_err(), DirectoryFault::InvalidEmail);
            // A panic in one request is nobody else's; what it had begun is not there.
            let panicked = done(directories.call::<()>(from.clone(), |directory, act| {
                let new = NewTenant { name: "half".into(), ..NewTenant::default() };
                directory.create_tenant(act, new).unwrap();
                panic!("a bug")
            }));
            assert_eq!(panicked.unwrap_err(), DirectoryFault::Unavailable);
            let count = done(directories.call(from, |d, _| Ok(d.tenants().count()))).unwrap();
            assert_eq!(count, 2 + round);
            let lines = done(directories.audit(None, None, 100)).unwrap();
            assert!(lines.iter().rev().map(|line| line.seq).eq(1..=lines.len() as u64));
            let older = done(directories.audit(Some(lines[0].seq), None, 1)).unwrap();
            assert_eq!(older.first(), lines.get(1));
            let of_t = done(directories.audit(None, Some("t".into()), 100)).unwrap();
            assert_eq!(of_t.len(), 1);
            drop(directories);
            // The files are closed when the thread has ended.
            while Arc::strong_count(&told) > 1 {
                thread::sleep(Duration::from_millis(5));
            }
        }
        assert!([2, 3, 4].iter().all(|count| told.lock().unwrap().contains(count)));
    }
}
