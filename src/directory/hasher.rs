//! Password hashes, on threads of their own: one takes tens of milliseconds and tens of megabytes.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::{Sender, bounded};
use futures_channel::oneshot;
use levee_core::directory::DirectoryFault;
use ring::pbkdf2;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Threads, and with them the hashes that are computed at once: each takes 19 MiB.
const THREADS: usize = 2;
/// Passwords that may wait; more are told to come back.
const WAITING_MAX: usize = 64;
/// Rounds that a stored hash of the original may ask for at most.
const ROUNDS_MAX: u32 = 10_000_000;

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// The cores' end of the threads.
#[derive(Clone)]
pub struct Hasher {
    jobs: Sender<Job>,
    /// Checked against when there is no account, so that this takes as long.
    dummy: Arc<str>,
    /// Passwords checked so far, those of nobody included.
    computed: Arc<AtomicU64>,
}

/// What came of checking a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub is_right: bool,
    /// A hash to replace one of the original's kind with.
    pub upgraded: Option<String>,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (jobs, waiting) = bounded::<Job>(WAITING_MAX);
        for _ in 0..THREADS {
            let waiting = waiting.clone();
            let builder = thread::Builder::new().name("levee-hash".into());
            // Argon2id with 19 MiB, 2 passes, 1 lane: OWASP's first choice, and the crate's.
            builder.spawn(move || {
                let argon2 = Argon2::default();
                waiting.iter().for_each(|job| job(&argon2));
            })?;
        }
        let dummy = hash(&Argon2::default(), "nobody's").map_err(std::io::Error::other)?;
        Ok(Self { jobs, dummy: dummy.into(), computed: Arc::default() })
    }

    /// A PHC string of a new password.
    ///
    /// # Errors
    /// [`DirectoryFault::TooManyAttempts`] when too many wait.
    pub async fn hash(&self, password: String) -> Result<String, DirectoryFault> {
        self.run(move |argon2| hash(argon2, &password))
            .await?
            .map_err(|_| DirectoryFault::Unavailable)
    }

    /// Checks a password against a stored hash. With none it is wrong, after the same time.
    ///
    /// # Errors
    /// [`DirectoryFault::TooManyAttempts`] when too many wait.
    pub async fn check(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<Checked, DirectoryFault> {
        let dummy = self.dummy.clone();
        let computed = self.computed.clone();
        self.run(move |argon2| {
            let checked = check_or_pretend(argon2, &password, stored.as_deref(), &dummy);
            computed.fetch_add(1, Ordering::Relaxed);
            checked
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, DirectoryFault> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |argon2| {
            // Whoever asked may be gone.
            let _ = done.send(job(argon2));
        });
        self.jobs.try_send(job).map_err(|_| DirectoryFault::TooManyAttempts(1))?;
        answer.await.map_err(|_| DirectoryFault::Unavailable)
    }
}

/// A PHC string of a new password, computed here and now: for the command line.
///
/// # Errors
/// [`DirectoryFault::Unavailable`] when there is no randomness for a salt.
pub fn hash_password(password: &str) -> Result<String, DirectoryFault> {
    hash(&Argon2::default(), password).map_err(|_| DirectoryFault::Unavailable)
}

/// With a fresh salt of the system's randomness.
fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    let hash: PasswordHash = argon2.hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// One and the same check whether there is an account or not.
fn check_or_pretend(
    argon2: &Argon2<'_>,
    password: &str,
    stored: Option<&str>,
    dummy: &str,
) -> Checked {
    let checked = check(argon2, password, stored.unwrap_or(dummy));
    match stored {
        Some(_) => checked,
        None => Checked { is_right: false, upgraded: None },
    }
}

fn check(argon2: &Argon2<'_>, password: &str, stored: &str) -> Checked {
    if let Some(record) = Pbkdf2::parse(stored) {
        let is_right = record.is_of(password);
        let upgraded = if is_right { hash(argon2, password).ok() } else { None };
        return Checked { is_right, upgraded };
    }
    let is_right = PasswordHash::new(stored)
        .is_ok_and(|stored| argon2.verify_password(password.as_bytes(), &stored).is_ok());
    Checked { is_right, upgraded: None }
}

/// A record of the original: `$pbkdf2-sha256$<rounds>$<salt>$<hash>`, in base64 with padding.
struct Pbkdf2 {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    fn parse(stored: &str) -> Option<Self> {
        let mut parts = stored.strip_prefix("$pbkdf2-sha256$")?.split('$');
        let rounds: NonZeroU32 = parts.next()?.parse().ok()?;
        let salt = STANDARD.decode(parts.next()?).ok()?;
        let hash = STANDARD.decode(parts.next()?).ok()?;
        let is_whole = parts.next().is_none() && rounds.get() <= ROUNDS_MAX;
        is_whole.then_some(Self { rounds, salt, hash })
    }

    fn is_of(&self, password: &str) -> bool {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(algorithm, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn nobody_is_checked_as_somebody_is_and_never_right() {
        let hasher = Hasher::start().unwrap();
        let stored = hash(&Argon2::default(), "correct horse").unwrap();
        let check = |password: &str, stored: Option<String>| {
            let before = hasher.computed.load(Ordering::Relaxed);
            let mut answer = std::pin::pin!(hasher.check(password.into(), stored));
            let mut context = Context::from_waker(Waker::noop());
            let checked = loop {
                match answer.as_mut().poll(&mut context) {
                    Poll::Ready(checked) => break checked.unwrap(),
                    Poll::Pending => thread::yield_now(),
                }
            };
            (checked.is_right, hasher.computed.load(Ordering::Relaxed) - before)
        };
        assert_eq!(check("correct horse", Some(stored.clone())), (true, 1));
        assert_eq!(check("wrong horse", Some(stored)), (false, 1));
        assert_eq!(check("wrong horse", None), (false, 1));
        assert_eq!(check("nobody's", None), (false, 1), "the dummy's own password");
        // The dummy costs what a real one does.
        let cost = |phc: &str| phc.rsplitn(3, '$').nth(2).unwrap().to_owned();
        let real = hash(&Argon2::default(), "x").unwrap();
        assert_eq!(cost(&hasher.dummy), cost(&real));
    }

    #[test]
    fn hashes_verify_and_those_of_the_original_are_upgraded() {
        let argon2 = Argon2::default();
        let stored = hash(&argon2, "correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert_ne!(stored, hash(&argon2, "correct horse").unwrap(), "salted");
        let right = Checked { is_right: true, upgraded: None };
        let wrong = Checked { is_right: false, upgraded: None };
        assert_eq!(check(&argon2, "correct horse", &stored), right);
        assert_eq!(check(&argon2, "wrong horse", &stored), wrong);
        let mut derived = [0; 32];
        let rounds = NonZeroU32::new(1000).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt", b"battery", &mut derived);
        let salt = STANDARD.encode(b"salt");
        let old = format!("$pbkdf2-sha256$1000${salt}${}", STANDARD.encode(derived));
        let checked = check(&argon2, "battery", &old);
        assert!(checked.is_right);
        assert_eq!(check(&argon2, "battery", &checked.upgraded.unwrap()), right);
        assert_eq!(check(&argon2, "staple", &old), wrong);
        for bad in ["", "$pbkdf2-sha256$0$c2FsdA==$AAAA", "$pbkdf2-sha256$9$!$!", "$argon2id$x"] {
            assert_eq!(check(&argon2, "battery", bad), wrong, "{bad}");
        }
    }
}
