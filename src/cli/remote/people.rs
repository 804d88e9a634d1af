//! `levee user`, `levee audit`.

use super::client::{Client, ServiceArgs, path, query};
use super::table::{View, rows};
use super::{Done, Outcome, RemoteError, print};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// `levee user …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum User {
    /// Accounts, oldest first
    List {
        /// Only those with this in their name or e-mail
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Leave out so many
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        from: u64,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: u64,
    },
    /// Make an account; its password is asked for, or the first line of standard input
    ///
    /// With --config, --data or --dev it is made in the data of that service, which must be
    /// stopped; a password that is not given is then made up and printed.
    Create(NewUser),
    /// An account, and the tenants it belongs to
    Show {
        /// Id or e-mail
        user: String,
    },
    /// Change an account
    #[command(arg_required_else_help = true)]
    Set(Change),
    /// Delete an account
    Delete {
        /// Id or e-mail
        user: String,
    },
}

/// An account to be made.
#[derive(Args, Debug)]
pub(in crate::cli) struct NewUser {
    /// How they sign in
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The name that others see [default: what is before the @]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// An administrator of the service
    #[arg(long)]
    admin: bool,
    /// Take the password from standard input even if that is a terminal
    #[arg(long)]
    password_stdin: bool,
}

/// What is to be another about an account.
#[derive(Args, Debug)]
pub(in crate::cli) struct Change {
    /// Id or e-mail
    user: String,
    /// The name that others see
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// An administrator of the service from now on
    #[arg(long, conflicts_with = "no_admin")]
    admin: bool,
    /// No administrator any more
    #[arg(long)]
    no_admin: bool,
    /// Cannot sign in any more; sessions end
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Can sign in again
    #[arg(long)]
    enable: bool,
}

impl User {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List { search, from, limit } => {
                let (from, limit) = (Some(from.to_string()), Some(limit.to_string()));
                let query = query(&[("search", search), ("from", from), ("limit", limit)]);
                let columns =
                    &["id", "email", "display_name", "is_admin", "is_disabled", "created_at"];
                let answer = client.get(&[path(&["users"]), query].concat())?;
                Ok(Done::new(answer, View::Rows("users", columns)))
            }
            Self::Create(new) => {
                let password = read_password(new.password_stdin);
                let body = json!({
                    "email": new.email, "display_name": new.name.unwrap_or_default(),
                    "is_admin": new.admin, "password": password.map_err(RemoteError::NoPassword)?,
                });
                Ok(Done::new(client.post(&path(&["users"]), &body)?, View::Fields("user")))
            }
            Self::Show { user } => {
                let id = user_id(client, user)?;
                let answer = client.get(&path(&["users", &id]))?;
                Ok(Done::new(answer, View::FieldsAnd("user", "memberships")))
            }
            Self::Set(change) => {
                let body = change.body();
                let id = user_id(client, change.user)?;
                let answer = client.patch(&path(&["users", &id]), &body)?;
                Ok(Done::new(answer, View::Fields("user")))
            }
            Self::Delete { user } => {
                let id = user_id(client, user)?;
                Ok(Done::message(client.delete(&path(&["users", &id]))?))
            }
        }
    }
}

impl Change {
    fn body(&self) -> Value {
        let either = |yes: bool, no: bool| (yes || no).then_some(json!(yes));
        let all = [
            ("display_name", self.name.as_ref().map(|name| json!(name))),
            ("is_admin", either(self.admin, self.no_admin)),
            ("is_disabled", either(self.disable, self.enable)),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// The id of somebody who is named by id or e-mail.
fn user_id(client: &Client, user: String) -> Result<String, RemoteError> {
    const PAGE: u64 = 1000;
    if !user.contains('@') {
        return Ok(user);
    }
    let mut from = 0;
    loop {
        let (start, limit) = (Some(from.to_string()), Some(PAGE.to_string()));
        let query = query(&[("search", Some(user.clone())), ("from", start), ("limit", limit)]);
        let answer = client.get(&[path(&["users"]), query].concat())?;
        let found = answer["users"].as_array().map_or(&[][..], Vec::as_slice);
        let has_email = |one: &&Value| {
            one["email"].as_str().is_some_and(|email| email.eq_ignore_ascii_case(&user))
        };
        if let Some(id) = found.iter().find(has_email).and_then(|one| one["id"].as_str()) {
            return Ok(id.to_owned());
        }
        if (found.len() as u64) < PAGE {
            return Err(RemoteError::NoUser(user));
        }
        from += PAGE;
    }
}

/// Never an argument: those are for everybody on the machine to see.
fn read_password(from_stdin: bool) -> io::Result<String> {
    if io::stdin().is_terminal() && !from_stdin {
        let _ = write!(io::stderr(), "Password: ");
        return rpassword::read_password();
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// `levee audit`
#[derive(Args, Debug)]
pub(in crate::cli) struct Audit {
    /// Only what belongs to this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only what came before this entry
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// At most so many entries
    #[arg(long, value_name = "COUNT", default_value_t = 100, conflicts_with = "all")]
    limit: u64,
    /// Every entry
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

impl Audit {
    /// Page by page; with `--json` one entry to a line.
    pub(super) fn run(self) -> Result<(), RemoteError> {
        const PAGE: u64 = 1000;
        const COLUMNS: [&str; 6] = ["seq", "at_ms", "actor", "from", "deed", "subject"];
        let client = Client::new(&self.service)?;
        let mut left = if self.all { u64::MAX } else { self.limit };
        let (mut before, mut is_first) = (self.before, true);
        while left > 0 {
            let limit = Some(left.min(PAGE).to_string());
            let pairs = [
                ("tenant", self.tenant.clone()),
                ("before", before.map(|seq| seq.to_string())),
                ("limit", limit),
            ];
            let answer = client.get(&[path(&["audit"]), query(&pairs)].concat())?;
            let entries = answer["entries"].as_array();
            match self.service.json {
                true => entries.into_iter().flatten().for_each(|one| print(&format!("{one}\n"))),
                false => print(&rows(entries, &COLUMNS, is_first)),
            }
            let last = entries.and_then(|entries| entries.last()?["seq"].as_u64());
            let Some(last) = last else { break };
            left = left.saturating_sub(entries.map_or(0, Vec::len) as u64);
            (before, is_first) = (Some(last), false);
        }
        Ok(())
    }
}
