//! People and tenants: accounts, sessions, tenants with their secrets, memberships, invites, API
//! keys, revoked tokens, and the log of who changed what.
//!
//! A pure state machine, like a shard: it has no clock, no disk and no randomness. One thread of
//! the shell owns it, calls a method, writes [`Directory::take_writes`] durably and only then
//! answers. What the cores need for checking tokens leaves as a [`Keyring`], which replaces the one
//! that they have.
//!
//! Two identities stand side by side and know nothing of each other: users, who have sessions, and
//! document tokens, signed with a tenant's secret. [`Directory::mint`] is the only bridge.

mod act;
mod audit;
mod backoff;
mod fault;
mod keys;
mod logins;
mod members;
mod names;
mod passwords;
mod sessions;
mod table;
mod tenants;
mod users;

pub use act::{Act, Actor, token_hash};
pub use audit::{AUDIT_PREFIX, AuditEntry, Deed, audit_key};
pub use fault::{DirectoryFault, Kind};
pub use keys::{ApiKey, Minted, MintedUser, NewApiKey};
pub use logins::{LoginStart, PendingLogin};
pub use members::{Invite, InviteState, Member, Membership, Role};
pub use passwords::{PASSWORD_BYTES_MAX, check_password};
pub use sessions::{Door, OpenedSession, Session};
pub use table::Write;
pub use tenants::{NewTenant, Seed, TenantRecord};
pub use users::{Account, Identity, LoginAttempt, Profile, User, UserChange};

use crate::auth::{Keyring, Tenant};
use backoff::{Backoff, FREE_OF_ACCOUNT, FREE_OF_ADDRESS};
use keys::{Revocation, RevokedUser};
use logins::Logins;
use std::collections::BTreeMap;
use table::Table;

/// How long sessions live, and who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A session ends this long after its last use.
    pub session_idle_ms: u64,
    /// A session ends this long after its login, used or not.
    pub session_ms: u64,
    /// Whether anybody may register; otherwise an invite is needed. Closed by default.
    pub open_registration: bool,
    /// Users become members of every tenant at each login, as in the original. Not by default.
    pub auto_membership: bool,
    /// How long a minted document token lives.
    pub token_s: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            session_idle_ms: 7 * 86_400_000,
            session_ms: 30 * 86_400_000,
            open_registration: false,
            auto_membership: false,
            token_s: 3600,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Directory {
    policy: Policy,
    users: Table<User>,
    /// E-mail in lower case to user.
    emails: BTreeMap<String, String>,
    identities: BTreeMap<Identity, String>,
    /// By the hash of the token.
    sessions: Table<Session>,
    tenants: Table<TenantRecord>,
    /// By `<tenant>/<user>`.
    members: Table<Membership>,
    invites: Table<Invite>,
    api_keys: Table<ApiKey>,
    /// By `<tenant>/<jti>`.
    revoked_tokens: Table<Revocation>,
    /// By `<tenant>/<user>`.
    revoked_users: Table<RevokedUser>,
    /// The hash of the set-up link's token, under one key.
    set_up: Table<String>,
    account_failures: Backoff,
    address_failures: Backoff,
    logins: Logins,
    audit_seq: u64,
    writes: Vec<Write>,
    /// Something of the keyring has changed since it was last taken.
    keyring_changed: bool,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            users: Table::new("user"),
            emails: BTreeMap::new(),
            identities: BTreeMap::new(),
            sessions: Table::new("session"),
            tenants: Table::new("tenant"),
            members: Table::new("member"),
            invites: Table::new("invite"),
            api_keys: Table::new("api_key"),
            revoked_tokens: Table::new("revoked_token"),
            revoked_users: Table::new("revoked_user"),
            set_up: Table::new("set_up"),
            account_failures: Backoff::new(FREE_OF_ACCOUNT),
            address_failures: Backoff::new(FREE_OF_ADDRESS),
            logins: Logins::default(),
            audit_seq: 0,
            writes: Vec::new(),
            keyring_changed: true,
        }
    }

    /// Takes in one stored row, of any table and in any order. Lines of the audit log only count.
    ///
    /// # Errors
    /// [`DirectoryFault::Damaged`] when the row cannot be read or belongs nowhere.
    pub fn load(&mut self, key: &str, value: &[u8]) -> Result<(), DirectoryFault> {
        if let Some(seq) = key.strip_prefix(AUDIT_PREFIX) {
            let seq = seq.parse().map_err(|_| DirectoryFault::Damaged)?;
            self.audit_seq = self.audit_seq.max(seq);
            return Ok(());
        }
        if let Some(id) = self.users.load(key, value)? {
            if let Some(user) = self.users.get(&id).cloned() {
                self.index_user(&user);
            }
            return Ok(());
        }
        let known = self.sessions.load(key, value)?.is_some()
            || self.tenants.load(key, value)?.is_some()
            || self.members.load(key, value)?.is_some()
            || self.invites.load(key, value)?.is_some()
            || self.api_keys.load(key, value)?.is_some()
            || self.revoked_tokens.load(key, value)?.is_some()
            || self.revoked_users.load(key, value)?.is_some()
            || self.set_up.load(key, value)?.is_some();
        if known { Ok(()) } else { Err(DirectoryFault::Damaged) }
    }

    /// What has changed since the last call, to be written whole or not at all. If that fails, this
    /// directory is ahead of its disk: drop it and load the stored one.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    /// The keyring if it changed since the last call. `extra` are tenants that are not in the
    /// directory, such as the unverified one of development.
    pub fn take_keyring(&mut self, extra: &[Tenant]) -> Option<Keyring> {
        std::mem::take(&mut self.keyring_changed).then(|| self.keyring(extra))
    }

    /// Removes what has expired: sessions, invites, revocations of tokens that are dead by now.
    pub fn sweep(&mut self, now_ms: u64) {
        self.logins.sweep(now_ms);
        self.sweep_sessions(now_ms);
        self.sweep_invites(now_ms);
        self.sweep_revocations(now_ms);
    }

    /// The head of the audit log.
    #[must_use]
    pub fn audit_seq(&self) -> u64 {
        self.audit_seq
    }
}

#[cfg(test)]
mod tests;
