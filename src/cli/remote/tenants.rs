//! `levee tenant|secret|member|invite`.

use super::client::{Client, path};
use super::table::View;
use super::{Done, Outcome, RemoteError};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

/// `levee tenant …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Tenant {
    /// All that one may see
    List,
    /// Make one; its secrets are made up by the service
    Create {
        /// Its id in URLs and tokens [default: one is made up]
        tenant: Option<String>,
        /// The name that people see [default: the id]
        #[arg(long, required_unless_present = "tenant")]
        name: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Name, limits and age of one
    Show { tenant: String },
    /// Change its name or limits
    #[command(arg_required_else_help = true)]
    Set {
        tenant: String,
        /// The name that people see
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Unregister one: its tokens open nothing any more
    Delete { tenant: String },
}

/// What a tenant may use of the service.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits: a number or `none`")]
pub(in crate::cli) struct Limits {
    /// Clients connected at once
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    connections: Option<Limit>,
    /// Documents
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    documents: Option<Limit>,
    /// Operations in a second, of all its clients together
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    ops_per_second: Option<Limit>,
    /// Bytes of operations and summaries
    #[arg(long, value_name = "BYTES", value_parser = limit)]
    stored_bytes: Option<Limit>,
}

/// A bound, or none.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<u64>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        text => text
            .parse()
            .map(|number| Limit(Some(number)))
            .map_err(|_| "expected a whole number or none".to_owned()),
    }
}

impl Limits {
    /// Those that are given, by their names in the API.
    fn given(&self) -> Map<String, Value> {
        let all = [
            ("connections", self.connections),
            ("documents", self.documents),
            ("ops_per_second", self.ops_per_second),
            ("stored_bytes", self.stored_bytes),
        ];
        let given = all.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
        given.map(|(name, Limit(bound))| (name.to_owned(), json!(bound))).collect()
    }
}

const TENANT: View = View::Fields("tenant");

impl Tenant {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List => {
                let view = View::Rows("tenants", &["id", "name", "role"]);
                Ok(Done::new(client.get(&path(&["tenants"]))?, view))
            }
            Self::Create { tenant, name, limits } => {
                let name = name.or_else(|| tenant.clone());
                let body = json!({ "id": tenant, "name": name, "limits": limits.given() });
                Ok(Done::new(client.post(&path(&["tenants"]), &body)?, TENANT))
            }
            Self::Show { tenant } => {
                Ok(Done::new(client.get(&path(&["tenants", &tenant]))?, TENANT))
            }
            Self::Set { tenant, name, limits } => set(client, &tenant, name, limits.given()),
            Self::Delete { tenant } => {
                Ok(Done::message(client.delete(&path(&["tenants", &tenant]))?))
            }
        }
    }
}

/// The API takes all limits at once; those that are not named stay as they are.
fn set(client: &Client, tenant: &str, name: Option<String>, limits: Map<String, Value>) -> Outcome {
    let path = path(&["tenants", tenant]);
    let mut body = Map::new();
    if let Some(name) = name {
        body.insert("name".to_owned(), json!(name));
    }
    if !limits.is_empty() {
        let mut all = client.get(&path)?["tenant"]["limits"].take();
        for (name, bound) in limits {
            all[name] = bound;
        }
        body.insert("limits".to_owned(), all);
    }
    Ok(Done::new(client.patch(&path, &Value::Object(body))?, TENANT))
}

/// One of a tenant's two secrets: the first signs, both are accepted.
#[derive(Args, Debug)]
pub(in crate::cli) struct Slot {
    tenant: String,
    /// Which of the two: the first signs, both are accepted
    #[arg(value_parser = ["1", "2"])]
    slot: String,
}

/// `levee secret …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Secret {
    /// Print one
    Show(Slot),
    /// Replace one and print the new one; what the old one signed is refused from then on
    Rotate(Slot),
}

impl Secret {
    pub(super) fn run(self, client: &Client) -> Outcome {
        let answer = match self {
            Self::Show(Slot { tenant, slot }) => {
                let secret = secret(client, &tenant, &slot)?;
                json!({ "secret": secret })
            }
            Self::Rotate(Slot { tenant, slot }) => {
                client.post(&path(&["tenants", &tenant, "secrets", &slot]), &json!({}))?
            }
        };
        Ok(Done::new(answer, View::Text("secret")))
    }
}

/// A tenant's secret; to those who may not see it the API gives an empty one.
pub(super) fn secret(client: &Client, tenant: &str, slot: &str) -> Result<String, RemoteError> {
    let answer = client.get(&path(&["tenants", tenant]))?;
    let secret = answer["tenant"][format!("secret{slot}")].as_str().unwrap_or_default();
    match secret.is_empty() {
        true => Err(RemoteError::Refused("only owners of a tenant see its secrets".to_owned())),
        false => Ok(secret.to_owned()),
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Role {
    /// Reads documents
    Viewer,
    /// Reads, writes and summarises
    Member,
    /// Also manages members, invites and API keys
    Admin,
    /// Also manages owners, secrets and the tenant
    Owner,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// `levee member …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Member {
    /// All of a tenant
    List { tenant: String },
    /// Give somebody a role in a tenant
    Set {
        tenant: String,
        /// Id or e-mail
        user: String,
        role: Role,
    },
    /// Take somebody out of a tenant
    Remove {
        tenant: String,
        /// Id or e-mail
        user: String,
    },
}

impl Member {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List { tenant } => {
                let columns = &["user", "email", "display_name", "role", "since_s"];
                let answer = client.get(&path(&["tenants", &tenant, "members"]))?;
                Ok(Done::new(answer, View::Rows("members", columns)))
            }
            Self::Set { tenant, user, role } => {
                let path = path(&["tenants", &tenant, "members", &user]);
                Ok(Done::message(client.put(&path, &json!({ "role": role.name() }))?))
            }
            Self::Remove { tenant, user } => {
                let user = member_id(client, &tenant, user)?;
                let path = path(&["tenants", &tenant, "members", &user]);
                Ok(Done::message(client.delete(&path)?))
            }
        }
    }
}

/// The id of a member that is named by id or e-mail.
fn member_id(client: &Client, tenant: &str, user: String) -> Result<String, RemoteError> {
    if !user.contains('@') {
        return Ok(user);
    }
    let answer = client.get(&path(&["tenants", tenant, "members"]))?;
    let has_email = |member: &&Value| {
        member["email"].as_str().is_some_and(|email| email.eq_ignore_ascii_case(&user))
    };
    let member = answer["members"].as_array().into_iter().flatten().find(has_email);
    let id = member.and_then(|member| member["user"].as_str()).map(str::to_owned);
    id.ok_or(RemoteError::NoUser(user))
}

/// `levee invite …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Invite {
    /// All of a tenant
    List { tenant: String },
    /// Make one and print its token, which is shown this once
    Create {
        tenant: String,
        role: Role,
        /// Only who has this address may accept it
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// Take one back
    Revoke { tenant: String, invite: String },
}

impl Invite {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List { tenant } => {
                let columns = &["id", "email", "role", "state", "expires_ms", "accepted_by"];
                let answer = client.get(&path(&["tenants", &tenant, "invites"]))?;
                Ok(Done::new(answer, View::Rows("invites", columns)))
            }
            Self::Create { tenant, role, email } => {
                let body = json!({ "email": email, "role": role.name() });
                let answer = client.post(&path(&["tenants", &tenant, "invites"]), &body)?;
                Ok(Done::new(answer, View::FieldsAnd("invite", "token")))
            }
            Self::Revoke { tenant, invite } => {
                let path = path(&["tenants", &tenant, "invites", &invite]);
                Ok(Done::message(client.delete(&path)?))
            }
        }
    }
}
