//! Requests to other services: bounded in time and size.

use super::IdentityFault;
use levee_core::auth::KeySet;
use serde::Deserialize;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: u64 = 1 << 20;
/// How long what an issuer publishes is believed.
const KEEP: Duration = Duration::from_secs(600);

/// What an issuer says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Discovery {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
}

/// One thread's client.
pub(super) struct Client {
    agent: ureq::Agent,
    issuers: RefCell<HashMap<String, (Instant, Discovery)>>,
}

impl Client {
    pub(super) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .user_agent("levee")
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), issuers: RefCell::default() }
    }

    /// Status and JSON body of a `GET`, with a bearer token if one is given.
    pub(super) fn get(&self, url: &str, bearer: Option<&str>) -> Result<Value, IdentityFault> {
        let mut request = self.agent.get(url).header("accept", "application/json");
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| unreachable(url, &error))?;
        if response.status() != 200 {
            let status = response.status().as_u16();
            tracing::warn!(url, status, "a service to sign in with refused");
            return Err(IdentityFault::Unreachable);
        }
        read(url, &mut response)
    }

    /// Exchanges a code for tokens.
    pub(super) fn exchange(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, IdentityFault> {
        let request = self.agent.post(url).header("accept", "application/json");
        let mut response =
            request.send_form(form.iter().copied()).map_err(|error| unreachable(url, &error))?;
        let status = response.status().as_u16();
        let body = read(url, &mut response)?;
        // GitHub refuses with 200 and an `error`.
        match status {
            200 if body.get("error").is_none() => Ok(body),
            200 | 400 | 401 => Err(IdentityFault::CodeRefused),
            _ => Err(IdentityFault::Unreachable),
        }
    }

    /// What the issuer publishes about itself.
    pub(super) fn discover(&self, issuer: &str) -> Result<Discovery, IdentityFault> {
        let known = self.issuers.borrow().get(issuer).cloned();
        if let Some((when, discovery)) = known
            && when.elapsed() < KEEP
        {
            return Ok(discovery);
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Discovery = parse(&url, self.get(&url, None)?)?;
        if found.issuer != issuer {
            tracing::warn!(issuer, says = found.issuer, "an issuer calls itself something else");
            return Err(IdentityFault::Unreachable);
        }
        let mut issuers = self.issuers.borrow_mut();
        issuers.insert(issuer.to_owned(), (Instant::now(), found.clone()));
        Ok(found)
    }

    /// The issuer's keys. Logins are rare, so they are fetched for each: a replaced key is known
    /// at once.
    pub(super) fn keys(&self, discovery: &Discovery) -> Result<KeySet, IdentityFault> {
        parse(&discovery.jwks_uri, self.get(&discovery.jwks_uri, None)?)
    }
}

fn read(
    url: &str,
    response: &mut ureq::http::Response<ureq::Body>,
) -> Result<Value, IdentityFault> {
    let body = response.body_mut().with_config().limit(BODY_BYTES_MAX);
    body.read_json().map_err(|error| unreachable(url, &error))
}

fn parse<T: serde::de::DeserializeOwned>(url: &str, value: Value) -> Result<T, IdentityFault> {
    serde_json::from_value(value).map_err(|error| {
        tracing::warn!(url, %error, "a service to sign in with answered something else");
        IdentityFault::Unreachable
    })
}

fn unreachable(url: &str, error: &ureq::Error) -> IdentityFault {
    tracing::warn!(url, %error, "a service to sign in with cannot be reached");
    IdentityFault::Unreachable
}
