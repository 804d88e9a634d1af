//! `levee key`, `levee token`.

use super::client::{Client, path};
use super::table::View;
use super::{Done, Outcome, RemoteError, tenants};
use crate::config::value::Kind;
use crate::runtime;
use clap::{ArgGroup, Args, Subcommand};
use levee_core::auth::{Scope, sign};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const SCOPES: [&str; 4] = [
    Scope::DocRead.as_str(),
    Scope::DocWrite.as_str(),
    Scope::SummaryRead.as_str(),
    Scope::SummaryWrite.as_str(),
];

/// `levee key …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Key {
    /// All of a tenant
    List { tenant: String },
    /// Make one and print it, which is done this once
    Create {
        tenant: String,
        /// What it is for
        name: String,
        /// What its tokens may grant; may be given again
        #[arg(long = "scope", required = true, value_parser = SCOPES)]
        scopes: Vec<String>,
        /// How long it is good: 90s, 30m, 720h [default: until it is revoked]
        #[arg(long, value_parser = duration_ms)]
        ttl: Option<u64>,
    },
    /// Take one back
    Revoke { tenant: String, key: String },
}

impl Key {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::List { tenant } => {
                let columns = &["id", "name", "scopes", "created_ms", "expires_ms"];
                let answer = client.get(&path(&["tenants", &tenant, "api-keys"]))?;
                Ok(Done::new(answer, View::Rows("api_keys", columns)))
            }
            Self::Create { tenant, name, scopes, ttl } => {
                let expires_ms = ttl.map(|ttl_ms| (now_s() * 1000).saturating_add(ttl_ms));
                let body = json!({ "name": name, "scopes": scopes, "expires_ms": expires_ms });
                let answer = client.post(&path(&["tenants", &tenant, "api-keys"]), &body)?;
                Ok(Done::new(answer, View::FieldsAnd("api_key", "key")))
            }
            Self::Revoke { tenant, key } => {
                let path = path(&["tenants", &tenant, "api-keys", &key]);
                Ok(Done::message(client.delete(&path)?))
            }
        }
    }
}

/// `levee token …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Token {
    /// Sign a document token here, with the tenant's first secret, and print it
    Mint(Mint),
    /// Take back one token, or all that a user has; open connections end
    #[command(group = ArgGroup::new("whose").required(true).args(["jti", "user"]))]
    Revoke {
        tenant: String,
        /// The token with this `jti`
        #[arg(long)]
        jti: Option<String>,
        /// All tokens of this user that were issued until now
        #[arg(long)]
        user: Option<String>,
        /// When the token expires anyhow, Unix time in seconds
        #[arg(long, value_name = "SECONDS", requires = "jti")]
        expires: Option<u64>,
    },
}

/// A document token to be signed.
#[derive(Args, Debug)]
pub(in crate::cli) struct Mint {
    tenant: String,
    /// Its id; empty for creating a document
    document: String,
    /// What it grants; may be given again
    #[arg(
        long = "scope",
        value_parser = SCOPES,
        default_values = ["doc:read", "doc:write", "summary:write"]
    )]
    scopes: Vec<String>,
    /// Id of the user it is for
    #[arg(long, default_value = "operator")]
    user: String,
    /// The name that others see [default: the id]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// How long it is good: 90s, 30m, 24h
    #[arg(long, default_value = "1h", value_parser = duration_ms)]
    ttl: u64,
}

/// Holds the secret to sign with, so that the API need not be asked. It is no option: those are for
/// everybody on the machine to see.
const SECRET: &str = "LEVEE_TENANT_SECRET";

impl Token {
    pub(super) fn run(self, client: &Client) -> Outcome {
        match self {
            Self::Mint(mint) => mint.run(client),
            Self::Revoke { tenant, jti, user, expires } => {
                let body = json!({ "jti": jti, "user": user, "expires": expires });
                let path = path(&["tenants", &tenant, "revocations"]);
                Ok(Done::message(client.post(&path, &body)?))
            }
        }
    }
}

impl Mint {
    /// The answer has the shape of the API's own.
    fn run(self, client: &Client) -> Outcome {
        let secret = match std::env::var(SECRET) {
            Ok(secret) if !secret.is_empty() => secret,
            Ok(_) | Err(_) => tenants::secret(client, &self.tenant, "1")?,
        };
        let jti = format!("jwt_{:032x}", runtime::random().ok_or(RemoteError::NoRandom)?);
        let user = json!({ "id": self.user, "name": self.name.as_ref().unwrap_or(&self.user) });
        let (now_s, ttl_s) = (now_s(), self.ttl.div_ceil(1000));
        let claims = json!({
            "documentId": self.document, "tenantId": self.tenant, "scopes": self.scopes,
            "user": user, "iat": now_s, "exp": now_s.saturating_add(ttl_s), "ver": "1.0",
            "jti": jti,
        });
        let jwt = sign(&claims.to_string(), secret.as_bytes());
        let answer = json!({ "jwt": jwt, "expiresIn": ttl_s, "user": user, "jti": jti });
        Ok(Done::new(answer, View::Text("jwt")))
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The options' way of writing a time.
fn duration_ms(text: &str) -> Result<u64, String> {
    const LONGEST_MS: u64 = 10 * 366 * 86_400_000;
    let kind = Kind::Millis { min: 1000, max: LONGEST_MS };
    kind.check(text).map_err(|fault| fault.to_string())?;
    kind.number(text).ok_or_else(|| "not a time".to_owned())
}
