//! Logins at other services that are under way, and the one-time codes that hand a session over to
//! an app of another origin. Both live in memory: after a restart one starts again.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

use super::{Act, Directory, DirectoryFault, token_hash};

/// How long somebody may take at the other service.
const LOGIN_MS: u64 = 180_000;
/// How long an app has to fetch its session.
const HANDOVER_MS: u64 = 30_000;
/// Logins under way, and sessions to be fetched, at most.
const WAITING_MAX: usize = 10_000;

/// A login under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogin {
    pub provider: String,
    /// PKCE: its hash went to the service, it follows itself with the code.
    pub verifier: String,
    /// OpenID Connect: comes back inside the identity token.
    pub nonce: String,
    /// Where the browser goes afterwards; was checked when the login began.
    pub redirect: Option<String>,
    expires_ms: u64,
}

/// What the browser takes to the other service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginStart {
    /// Comes back with the answer; single use. The browser keeps it in a cookie too.
    pub state: String,
    /// `S256`
    pub challenge: String,
    pub nonce: String,
}

/// What waits for somebody to come back.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// By the hash of the state.
    pending: HashMap<String, PendingLogin>,
    /// Session tokens by the hash of their one-time code.
    handovers: HashMap<String, (String, u64)>,
}

impl Logins {
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.pending.retain(|_, login| login.expires_ms > now_ms);
        self.handovers.retain(|_, (_, expires_ms)| *expires_ms > now_ms);
    }
}

impl Directory {
    /// Begins a login at another service.
    ///
    /// # Errors
    /// [`DirectoryFault::TooManyAttempts`] when too many are under way.
    pub fn begin_provider_login(
        &mut self,
        act: &mut Act,
        provider: &str,
        redirect: Option<String>,
    ) -> Result<LoginStart, DirectoryFault> {
        self.logins.sweep(act.now_ms);
        if self.logins.pending.len() >= WAITING_MAX {
            return Err(DirectoryFault::TooManyAttempts(60));
        }
        let mut text = || URL_SAFE_NO_PAD.encode(act.bits());
        let (state, verifier, nonce) = (text(), text(), text());
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        let login = PendingLogin {
            provider: provider.to_owned(),
            verifier,
            nonce: nonce.clone(),
            redirect,
            expires_ms: act.now_ms + LOGIN_MS,
        };
        self.logins.pending.insert(token_hash(&state), login);
        Ok(LoginStart { state, challenge: URL_SAFE_NO_PAD.encode(hash), nonce })
    }

    /// The login of a state that came back from this service; nobody gets it twice.
    pub fn take_provider_login(
        &mut self,
        provider: &str,
        state: &str,
        now_ms: u64,
    ) -> Option<PendingLogin> {
        let login = self.logins.pending.remove(&token_hash(state))?;
        (login.provider == provider && login.expires_ms > now_ms).then_some(login)
    }

    /// A one-time code for a session's token, which thus stands in no URL.
    ///
    /// # Errors
    /// [`DirectoryFault::TooManyAttempts`] when too many wait to be fetched.
    pub fn offer_session(
        &mut self,
        act: &mut Act,
        token: String,
    ) -> Result<String, DirectoryFault> {
        self.logins.sweep(act.now_ms);
        if self.logins.handovers.len() >= WAITING_MAX {
            return Err(DirectoryFault::TooManyAttempts(30));
        }
        let code = act.token("cod");
        let expires_ms = act.now_ms + HANDOVER_MS;
        self.logins.handovers.insert(token_hash(&code), (token, expires_ms));
        Ok(code)
    }

    /// The session's token for a code, once.
    ///
    /// # Errors
    /// [`DirectoryFault::NoSession`]: not known, used, or too old.
    pub fn take_session(&mut self, code: &str, now_ms: u64) -> Result<String, DirectoryFault> {
        let found = self.logins.handovers.remove(&token_hash(code));
        let found = found.filter(|(_, expires_ms)| *expires_ms > now_ms);
        found.map(|(token, _)| token).ok_or(DirectoryFault::NoSession)
    }
}
