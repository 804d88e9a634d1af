//! Accounts: registration, login, what an administrator changes, and the first administrator.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Subject;
use super::{Act, Deed, Directory, DirectoryFault, Kind, Role, token_hash};

/// Accounts that one service holds.
const USERS_MAX: usize = 1_000_000;
const EMAIL_BYTES_MAX: usize = 254;
const NAME_CHARS_MAX: usize = 200;
/// The one row of the set-up table.
const SET_UP: &str = "link";

/// A person as another service knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// `github`, or the issuer's URL.
    pub issuer: String,
    /// Its id there.
    pub subject: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `usr_<uuid4>`
    pub id: String,
    /// As it was written; unique without case. Empty when another service told none.
    pub email: String,
    pub display_name: String,
    /// A PHC string; `None` when the account logs in elsewhere.
    pub password: Option<String>,
    pub identities: Vec<Identity>,
    pub is_admin: bool,
    pub is_disabled: bool,
    /// Unix time in seconds.
    pub created_at_s: u64,
}

impl User {
    /// The id at GitHub.
    #[must_use]
    pub fn github_id(&self) -> Option<&str> {
        let github = self.identities.iter().find(|identity| identity.issuer == "github")?;
        Some(&github.subject)
    }

    /// Whether they are an administrator who can sign in.
    fn may_administer(&self) -> bool {
        self.is_admin && !self.is_disabled
    }

    /// The account as API clients see it.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            id: self.id.clone(),
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            github_id: self.github_id().map(str::to_owned),
            is_admin: self.is_admin,
            is_disabled: self.is_disabled,
            created_at: self.created_at_s,
        }
    }

    /// What the audit log shows.
    fn shown(&self) -> Value {
        json!({
            "email": self.email, "display_name": self.display_name,
            "is_admin": self.is_admin, "is_disabled": self.is_disabled,
        })
    }
}

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: String,
    pub email: String,
    pub display_name: String,
    pub github_id: Option<String>,
    pub is_admin: bool,
    pub is_disabled: bool,
    /// Unix time in seconds.
    pub created_at: u64,
}

/// Who is to be registered.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    pub email: String,
    /// Empty: the part of the e-mail before `@`.
    pub display_name: String,
    /// A PHC string.
    pub password: Option<String>,
    pub identity: Option<Identity>,
    /// The token of an invite, which also opens a closed registration.
    pub invite: Option<String>,
}

/// What an administrator may change of an account; `None` leaves it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    pub display_name: Option<String>,
    pub is_admin: Option<bool>,
    pub is_disabled: Option<bool>,
}

/// What the shell needs for checking a password. There is always one to check against where the
/// account exists, and the shell's dummy where it does not, so that both take the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    pub user: Option<String>,
    pub password: Option<String>,
}

impl Directory {
    /// Registers a user.
    ///
    /// # Errors
    /// The e-mail or invite is not good, or registration is closed.
    pub fn register(&mut self, act: &mut Act, profile: Profile) -> Result<User, DirectoryFault> {
        if profile.invite.is_none() && !self.policy.open_registration {
            return Err(DirectoryFault::RegistrationClosed);
        }
        if let Some(token) = &profile.invite {
            self.invite_for(token, &profile.email, act.now_ms)?;
        }
        let invite = profile.invite.clone();
        let user = self.create_user(act, profile, false)?;
        if let Some(token) = invite {
            self.accept_invite(act, &user.id, &token)?;
        }
        if self.policy.auto_membership {
            self.join_all(act, &user.id);
        }
        Ok(user)
    }

    /// Makes an account, whoever may register: for administrators and the command line.
    ///
    /// # Errors
    /// The e-mail is not good or taken.
    pub fn create_user(
        &mut self,
        act: &mut Act,
        profile: Profile,
        is_admin: bool,
    ) -> Result<User, DirectoryFault> {
        let email = profile.email.trim();
        let must_have_email = profile.identity.is_none();
        if (must_have_email || !email.is_empty()) && !is_email(email) {
            return Err(DirectoryFault::InvalidEmail);
        }
        if !email.is_empty() && self.user_by_email(email).is_some() {
            return Err(DirectoryFault::EmailTaken);
        }
        if self.users.len() >= USERS_MAX {
            return Err(DirectoryFault::TooMany("users"));
        }
        let local = email.split('@').next().unwrap_or("");
        let name = match profile.display_name.trim() {
            "" => local,
            name => name,
        };
        let user = User {
            id: act.id("usr"),
            email: email.to_owned(),
            display_name: name.chars().take(NAME_CHARS_MAX).collect(),
            password: profile.password,
            identities: profile.identity.into_iter().collect(),
            is_admin,
            is_disabled: false,
            created_at_s: act.now_ms / 1000,
        };
        self.save_user(act, Deed::UserCreated, None, user.clone());
        Ok(user)
    }

    /// A token that makes the first administrator, once: `None` when there is one already. It
    /// takes the place of the one before.
    pub fn make_set_up_link(&mut self, act: &mut Act) -> Option<String> {
        if self.has_admin() {
            return None;
        }
        let token = act.token("set");
        self.set_up.put(&mut self.writes, SET_UP, token_hash(&token));
        let subject = Subject { kind: "set_up", id: SET_UP, tenant: None };
        self.note(act, Deed::SetUpLinkMade, subject, (Value::Null, Value::Null));
        Some(token)
    }

    /// Uses the set-up link up.
    ///
    /// # Errors
    /// [`DirectoryFault::SetUpSpent`], or what is wrong with the profile.
    pub fn set_up(
        &mut self,
        act: &mut Act,
        token: &str,
        profile: Profile,
    ) -> Result<User, DirectoryFault> {
        let hash = token_hash(token);
        if self.set_up.get(SET_UP) != Some(&hash) || self.has_admin() {
            return Err(DirectoryFault::SetUpSpent);
        }
        let user = self.create_user(act, profile, true)?;
        self.set_up.remove(&mut self.writes, SET_UP);
        self.join_all_as(act, &user.id, Role::Owner);
        Ok(user)
    }

    /// The first half of a login: may this account and address try, and what is to be checked?
    ///
    /// # Errors
    /// [`DirectoryFault::TooManyAttempts`].
    pub fn begin_login(&self, act: &Act, email: &str) -> Result<LoginAttempt, DirectoryFault> {
        let of_account = self.account_failures.wait_s(&account_key(email), act.now_ms);
        let of_address = address_key(act).map(|key| self.address_failures.wait_s(&key, act.now_ms));
        let wait_s = of_account.max(of_address.unwrap_or(0));
        if wait_s > 0 {
            return Err(DirectoryFault::TooManyAttempts(wait_s));
        }
        let user = self.user_by_email(email.trim());
        Ok(LoginAttempt {
            user: user.map(|user| user.id.clone()),
            password: user.and_then(|user| user.password.clone()),
        })
    }

    /// The second half: the password was right (then of which user) or wrong. `upgraded` replaces
    /// a stored hash of an older kind.
    ///
    /// # Errors
    /// [`DirectoryFault::InvalidCredentials`], [`DirectoryFault::UserDisabled`].
    pub fn end_login(
        &mut self,
        act: &Act,
        email: &str,
        right: Option<&str>,
        upgraded: Option<String>,
    ) -> Result<User, DirectoryFault> {
        let user = right.and_then(|id| self.users.get(id)).cloned();
        let Some(mut user) = user else {
            self.account_failures.failed(&account_key(email), act.now_ms);
            if let Some(key) = address_key(act) {
                self.address_failures.failed(&key, act.now_ms);
            }
            return Err(DirectoryFault::InvalidCredentials);
        };
        if user.is_disabled {
            return Err(DirectoryFault::UserDisabled);
        }
        self.account_failures.succeeded(&account_key(email));
        if upgraded.is_some() {
            user.password = upgraded;
            self.users.put(&mut self.writes, &user.id, user.clone());
        }
        Ok(user)
    }

    /// The user whom another service has vouched for: known by that identity, or by a verified
    /// e-mail (then linked), or new.
    ///
    /// # Errors
    /// As [`Self::register`], or the account is disabled.
    pub fn enter_with_identity(
        &mut self,
        act: &mut Act,
        identity: Identity,
        profile: Profile,
        email_verified: bool,
    ) -> Result<User, DirectoryFault> {
        let known = self.identities.get(&identity).and_then(|id| self.users.get(id));
        let by_email = || self.user_by_email(&profile.email).filter(|_| email_verified);
        let user = match (known, by_email()) {
            (Some(user), _) => user.clone(),
            // A closed account is not even linked: see below.
            (None, Some(user)) if user.is_disabled => user.clone(),
            (None, Some(user)) => {
                let mut user = user.clone();
                user.identities.push(identity);
                self.save_user(act, Deed::IdentityLinked, None, user.clone());
                user
            }
            (None, None) => {
                // An address that nobody verified must not take that address's account.
                let email = if email_verified { profile.email } else { String::new() };
                let profile = Profile { email, identity: Some(identity), ..profile };
                self.register(act, profile)?
            }
        };
        if user.is_disabled {
            return Err(DirectoryFault::UserDisabled);
        }
        Ok(user)
    }

    /// Replaces a password; every other session of the user ends.
    ///
    /// # Errors
    /// There is no such user.
    pub fn change_password(
        &mut self,
        act: &Act,
        user: &str,
        password: String,
        keep_session: Option<&str>,
    ) -> Result<(), DirectoryFault> {
        let mut user = self.user(user)?.clone();
        user.password = Some(password);
        let id = user.id.clone();
        self.users.put(&mut self.writes, &id, user);
        self.end_sessions_of(&id, keep_session);
        self.note_user(act, Deed::PasswordChanged, &id, (Value::Null, Value::Null));
        Ok(())
    }

    /// Changes an account. Disabling it ends its sessions and revokes its tokens.
    ///
    /// # Errors
    /// No such user; the last administrator must stay one.
    pub fn change_user(
        &mut self,
        act: &Act,
        id: &str,
        change: &UserChange,
    ) -> Result<User, DirectoryFault> {
        let before = self.user(id)?.clone();
        let mut user = before.clone();
        if let Some(name) = &change.display_name {
            user.display_name = name.trim().chars().take(NAME_CHARS_MAX).collect();
        }
        user.is_admin = change.is_admin.unwrap_or(user.is_admin);
        user.is_disabled = change.is_disabled.unwrap_or(user.is_disabled);
        let is_less = before.may_administer() && !user.may_administer();
        if is_less && self.admins() == 1 {
            return Err(DirectoryFault::LastAdmin);
        }
        let shown = before.shown();
        self.save_user(act, Deed::UserChanged, Some(shown), user.clone());
        if user.is_disabled && !before.is_disabled {
            self.end_sessions_of(id, None);
            self.revoke_user_everywhere(act, id);
        }
        Ok(user)
    }

    /// Deletes an account, its sessions and memberships, and revokes its tokens.
    ///
    /// # Errors
    /// No such user; the last administrator, or the last owner of a tenant.
    pub fn delete_user(&mut self, act: &Act, id: &str) -> Result<(), DirectoryFault> {
        let user = self.user(id)?.clone();
        if user.may_administer() && self.admins() == 1 {
            return Err(DirectoryFault::LastAdmin);
        }
        self.revoke_user_everywhere(act, id);
        self.end_sessions_of(id, None);
        self.leave_all(id);
        self.users.remove(&mut self.writes, id);
        self.emails.remove(&user.email.to_lowercase());
        for identity in &user.identities {
            self.identities.remove(identity);
        }
        self.note_user(act, Deed::UserDeleted, id, (user.shown(), Value::Null));
        Ok(())
    }

    /// An account by id.
    ///
    /// # Errors
    /// There is none.
    pub fn user(&self, id: &str) -> Result<&User, DirectoryFault> {
        self.users.get(id).ok_or(DirectoryFault::NotFound(Kind::User))
    }

    /// An account by its e-mail, without case.
    #[must_use]
    pub fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users.get(self.emails.get(&email.trim().to_lowercase())?)
    }

    /// A page of accounts whose e-mail or name contains `search` (without case), and how many
    /// there are in all.
    #[must_use]
    pub fn users(&self, search: &str, from: usize, limit: usize) -> (Vec<Account>, usize) {
        let search = search.trim().to_lowercase();
        let fits = |user: &&User| {
            user.email.to_lowercase().contains(&search)
                || user.display_name.to_lowercase().contains(&search)
                || user.id == search
        };
        let mut found: Vec<&User> = self.users.values().filter(fits).collect();
        found.sort_by(|a, b| (a.created_at_s, &a.id).cmp(&(b.created_at_s, &b.id)));
        let page = found.iter().skip(from).take(limit).map(|user| user.account());
        (page.collect(), found.len())
    }

    fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.is_admin)
    }

    fn admins(&self) -> usize {
        self.users.values().filter(|user| user.may_administer()).count()
    }

    fn save_user(&mut self, act: &Act, deed: Deed, before: Option<Value>, user: User) {
        let shown = user.shown();
        let id = user.id.clone();
        self.index_user(&user);
        self.users.put(&mut self.writes, &id, user);
        self.note_user(act, deed, &id, (before.unwrap_or(Value::Null), shown));
    }

    /// E-mails and identities of a user lead to it from now on; neither ever changes.
    pub(super) fn index_user(&mut self, user: &User) {
        if !user.email.is_empty() {
            self.emails.insert(user.email.to_lowercase(), user.id.clone());
        }
        for identity in &user.identities {
            self.identities.insert(identity.clone(), user.id.clone());
        }
    }

    fn note_user(&mut self, act: &Act, deed: Deed, id: &str, states: (Value, Value)) {
        self.note(act, deed, Subject { kind: "user", id, tenant: None }, states);
    }
}

fn account_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Whoever has one IPv6 address has the other 2^64 of its network too.
fn address_key(act: &Act) -> Option<String> {
    Some(match act.from?.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    })
}

fn is_email(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    text.len() <= EMAIL_BYTES_MAX
        && text.chars().all(is_plain)
        && text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}
