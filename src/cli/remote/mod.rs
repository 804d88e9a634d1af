//! Commands that have a running service do something, over its API.
//!
//! A command asks through [`client`] and gives back the API's answer with how people want to see
//! it; with `--json` the answer is printed as it came.

mod client;
mod documents;
mod people;
mod table;
mod tenants;
mod tokens;

use self::client::{Client, ServiceArgs};
use self::table::View;
use super::export::GitExportError;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("no key: give --admin-key-file, or set LEVEE_ADMIN_KEY")]
    NoKey,
    #[error("cannot read the key in {}: {error}", .path.display())]
    KeyFile { path: PathBuf, error: io::Error },
    #[error("not a URL of a service: {0}")]
    Url(ureq::http::Error),
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, Box<ureq::Error>),
    #[error("{0} answers, but not as a levee service does")]
    Strange(String),
    /// The API's own message.
    #[error("{0}")]
    Refused(String),
    #[error("the service answered with status {0}")]
    Status(u16),
    #[error("nobody has the e-mail {0}")]
    NoUser(String),
    #[error("cannot read the password: {0}")]
    NoPassword(io::Error),
    #[error("the kernel gives no random numbers")]
    NoRandom,
    #[error(transparent)]
    Export(#[from] GitExportError),
}

impl RemoteError {
    /// Whether the command line is to blame.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::NoKey | Self::KeyFile { .. } | Self::Url(_) => true,
            Self::Unreachable(..)
            | Self::Strange(_)
            | Self::Refused(_)
            | Self::Status(_)
            | Self::NoUser(_)
            | Self::NoPassword(_)
            | Self::NoRandom
            | Self::Export(_) => false,
        }
    }
}

/// An answer, and how to show it.
struct Done {
    answer: Value,
    view: View,
}

impl Done {
    fn new(answer: Value, view: View) -> Self {
        Self { answer, view }
    }

    /// What the API says it did.
    fn message(answer: Value) -> Self {
        Self::new(answer, View::Text("message"))
    }
}

type Outcome = Result<Done, RemoteError>;

/// What a running service is asked to do.
#[derive(Debug, Subcommand)]
pub(super) enum Remote {
    /// Tenants: whose documents a service keeps, and how much of it they may use
    Tenant(On<tenants::Tenant>),
    /// The two secrets that sign a tenant's document tokens
    Secret(On<tenants::Secret>),
    /// Who belongs to a tenant
    Member(On<tenants::Member>),
    /// Invites to a tenant
    Invite(On<tenants::Invite>),
    /// API keys, with which services mint document tokens
    Key(On<tokens::Key>),
    /// Accounts
    User(On<people::User>),
    /// Document tokens: sign one, or take some back
    Token(On<tokens::Token>),
    /// Documents
    Document(On<documents::Document>),
    /// Who changed what, newest first
    Audit(people::Audit),
}

/// Commands with the options that say on which service.
#[derive(Args, Debug)]
pub(super) struct On<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    service: ServiceArgs,
}

impl<C: Subcommand> On<C> {
    fn run(self, run: impl FnOnce(C, &Client) -> Outcome) -> Result<(), RemoteError> {
        let client = Client::new(&self.service)?;
        let Done { answer, view } = run(self.command, &client)?;
        print(&match self.service.json {
            true => format!("{answer}\n"),
            false => view.of(&answer),
        });
        Ok(())
    }
}

impl Remote {
    /// Does it and prints the answer.
    ///
    /// # Errors
    /// The service cannot be reached, or refuses.
    pub(super) fn run(self) -> Result<(), RemoteError> {
        match self {
            Self::Tenant(on) => on.run(tenants::Tenant::run),
            Self::Secret(on) => on.run(tenants::Secret::run),
            Self::Member(on) => on.run(tenants::Member::run),
            Self::Invite(on) => on.run(tenants::Invite::run),
            Self::Key(on) => on.run(tokens::Key::run),
            Self::User(on) => on.run(people::User::run),
            Self::Token(on) => on.run(tokens::Token::run),
            Self::Document(on) => on.run(documents::Document::run),
            Self::Audit(audit) => audit.run(),
        }
    }
}

/// Standard output may be a closed pipe (`levee audit | head`); that is no failure.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
