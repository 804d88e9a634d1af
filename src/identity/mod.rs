//! Services that people sign in with: what the browser is sent to, and what comes of it.
//!
//! Talking to them takes as long as they take, so it happens on threads of its own; a core is
//! answered by a future.

mod client;
mod github;
mod openid;

use client::Client;
use crossbeam_channel::{Sender, bounded};
use futures_channel::oneshot;
use levee_core::auth::IdTokenFault;
use levee_core::directory::{Identity, LoginStart};
use std::sync::Arc;
use std::thread;

/// Logins that may talk to a service at once.
const THREADS: usize = 2;
/// Logins that may wait for a thread; more are told to come back.
const WAITING_MAX: usize = 256;

/// One service to sign in with.
#[derive(Clone, Debug)]
pub struct Provider {
    /// In paths: `/auth/<name>`.
    pub name: String,
    pub kind: Kind,
    pub client_id: String,
    pub client_secret: String,
    /// Where the service sends the browser back to; `None`: this service's own callback.
    pub redirect_uri: Option<String>,
    /// Logins or e-mails that may come in; empty lets in everybody whom the rest lets in.
    pub allowed_users: Vec<String>,
    /// Organisations whose members may come in.
    pub allowed_organizations: Vec<String>,
    /// Logins or e-mails that become administrators.
    pub admin_users: Vec<String>,
    /// Pages of other origins that a login may end at, word for word.
    pub redirect_urls: Vec<String>,
}

/// What a service speaks.
#[derive(Clone, Debug)]
pub enum Kind {
    GitHub { url: String, api_url: String },
    OpenId { issuer: String },
}

/// Whom a service vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub identity: Identity,
    /// As the lists of users name them: a GitHub login, or the verified e-mail.
    pub login: String,
    pub email: String,
    pub email_verified: bool,
    pub display_name: String,
    /// GitHub organisations, if the provider's entry asks for any.
    pub organizations: Vec<String>,
}

impl Vouched {
    /// Whether the provider's lists let them in.
    #[must_use]
    pub fn may_enter(&self, provider: &Provider) -> bool {
        let (users, organizations) = (&provider.allowed_users, &provider.allowed_organizations);
        let is_open = users.is_empty() && organizations.is_empty();
        let in_organization =
            || self.organizations.iter().any(|organization| is_in(organization, organizations));
        is_open || is_in(&self.login, users) || in_organization() || self.is_admin(provider)
    }

    /// Whether the provider's list makes them an administrator.
    #[must_use]
    pub fn is_admin(&self, provider: &Provider) -> bool {
        is_in(&self.login, &provider.admin_users)
    }
}

fn is_in(name: &str, list: &[String]) -> bool {
    !name.is_empty() && list.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

/// Why a login at another service came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// The service does not know the code, or it is not ours.
    #[error("the code was refused")]
    CodeRefused,
    #[error("the service cannot be reached or answers nothing useful")]
    Unreachable,
    #[error(transparent)]
    Token(#[from] IdTokenFault),
    #[error("too many logins are under way")]
    Busy,
}

/// What comes back with the browser, and what we remembered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: String,
    pub verifier: String,
    pub nonce: String,
    /// As it was when the login began.
    pub redirect_uri: String,
    pub now_unix_s: i64,
}

type Job = Box<dyn FnOnce(&Client) + Send>;

/// The cores' end of the threads.
#[derive(Clone)]
pub struct Identities {
    providers: Arc<[Provider]>,
    jobs: Sender<Job>,
}

impl Identities {
    /// Starts the threads; none where nothing is configured.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(providers: Vec<Provider>) -> std::io::Result<Self> {
        let (jobs, waiting) = bounded::<Job>(WAITING_MAX);
        let threads = if providers.is_empty() { 0 } else { THREADS };
        for _ in 0..threads {
            let waiting = waiting.clone();
            let builder = thread::Builder::new().name("levee-identity".into());
            builder.spawn(move || {
                let client = Client::new();
                waiting.iter().for_each(|job| job(&client));
            })?;
        }
        Ok(Self { providers: providers.into(), jobs })
    }

    /// The service of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Names of all services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| provider.name.as_str())
    }

    /// Where the browser goes to sign in.
    ///
    /// # Errors
    /// [`IdentityFault::Unreachable`] when the issuer must be asked and does not answer.
    pub async fn sign_in_url(
        &self,
        provider: &Provider,
        start: LoginStart,
        redirect_uri: String,
    ) -> Result<String, IdentityFault> {
        match &provider.kind {
            Kind::GitHub { url, .. } => {
                Ok(github::sign_in_url(url, provider, &start, &redirect_uri))
            }
            Kind::OpenId { issuer } => {
                let (issuer, provider) = (issuer.clone(), provider.clone());
                self.run(move |client| {
                    openid::sign_in_url(client, &issuer, &provider, &start, &redirect_uri)
                })
                .await
            }
        }
    }

    /// Turns the code that came back into whom the service vouches for.
    ///
    /// # Errors
    /// See [`IdentityFault`].
    pub async fn vouch(
        &self,
        provider: &Provider,
        answer: Answer,
    ) -> Result<Vouched, IdentityFault> {
        let provider = provider.clone();
        self.run(move |client| match &provider.kind {
            Kind::GitHub { url, api_url } => {
                github::vouch(client, (url, api_url), &provider, &answer)
            }
            Kind::OpenId { issuer } => openid::vouch(client, issuer, &provider, &answer),
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Client) -> Result<T, IdentityFault> + Send + 'static,
    ) -> Result<T, IdentityFault> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |client| {
            // Whoever asked may be gone.
            let _ = done.send(job(client));
        });
        self.jobs.try_send(job).map_err(|_| IdentityFault::Busy)?;
        answer.await.unwrap_or(Err(IdentityFault::Unreachable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_decide_who_comes_in() {
        let provider = |users: &[&str], organizations: &[&str], admins: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Provider {
                name: "github".into(),
                kind: Kind::GitHub { url: String::new(), api_url: String::new() },
                client_id: String::new(),
                client_secret: String::new(),
                redirect_uri: None,
                allowed_users: list(users),
                allowed_organizations: list(organizations),
                admin_users: list(admins),
                redirect_urls: vec![],
            }
        };
        let ann = Vouched {
            identity: Identity { issuer: "github".into(), subject: "1".into() },
            login: "Ann".into(),
            email: String::new(),
            email_verified: false,
            display_name: String::new(),
            organizations: vec!["Acme".into()],
        };
        assert!(ann.may_enter(&provider(&[], &[], &[])));
        assert!(ann.may_enter(&provider(&["ann"], &[], &[])));
        assert!(ann.may_enter(&provider(&["bob"], &["acme"], &[])));
        assert!(!ann.may_enter(&provider(&["bob"], &[], &[])));
        assert!(!ann.may_enter(&provider(&[], &["other"], &[])));
        let admins = provider(&["bob"], &[], &["ANN"]);
        assert!(ann.may_enter(&admins) && ann.is_admin(&admins));
        let nameless = Vouched { login: String::new(), organizations: vec![], ..ann };
        assert!(!nameless.may_enter(&provider(&[""], &[""], &[""])));
    }
}
