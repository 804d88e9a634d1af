//! Requests to a running service: one at a time, bounded in time and size.

use super::RemoteError;
use clap::Args;
use levee_core::wire::http::percent_encode;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::{Method, Request};

const TIMEOUT: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Which service, who asks, and how the answer is printed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Service")]
pub(in crate::cli) struct ServiceArgs {
    /// Where the service listens
    #[arg(
        long,
        global = true,
        env = "LEVEE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:4000"
    )]
    url: String,
    /// The service's admin key, or a user's session token; others on this machine can see it here
    /// [env: LEVEE_ADMIN_KEY]
    #[arg(long, global = true, value_name = "KEY")]
    admin_key: Option<String>,
    /// File that holds the key [env: LEVEE_ADMIN_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    admin_key_file: Option<String>,
    /// Print the API's JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ServiceArgs {
    /// The key that is given; what stands on the command line comes before the environment.
    fn key(&self) -> Result<Option<String>, RemoteError> {
        let env = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let (key, file) = match (&self.admin_key, &self.admin_key_file) {
            (None, None) => (env("LEVEE_ADMIN_KEY"), env("LEVEE_ADMIN_KEY_FILE")),
            (key, file) => (key.clone(), file.clone()),
        };
        let Some(path) = file.filter(|_| key.is_none()).map(PathBuf::from) else {
            return Ok(key);
        };
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) => Err(RemoteError::KeyFile { path, error }),
        }
    }
}

/// A service that runs somewhere.
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    key: Option<String>,
}

impl Client {
    pub(super) fn new(args: &ServiceArgs) -> Result<Self, RemoteError> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            // The key is for the service and nobody between.
            .proxy(None)
            .user_agent("levee")
            .http_status_as_error(false)
            .build();
        let key = args.key()?;
        let base = args.url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.into(), base, key: key.filter(|key| !key.is_empty()) })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, RemoteError> {
        self.send(Method::GET, path, None)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, RemoteError> {
        self.send(Method::DELETE, path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.send(Method::POST, path, Some(body))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.send(Method::PUT, path, Some(body))
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        self.send(Method::PATCH, path, Some(body))
    }

    /// The JSON of an answer that says it was done.
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, RemoteError> {
        let key = self.key.as_ref().ok_or(RemoteError::NoKey)?;
        let request = Request::builder()
            .method(method)
            .uri([self.base.as_str(), path].concat())
            .header("accept", "application/json")
            .header("authorization", format!("Bearer {key}"));
        let sent = match body {
            None => self.agent.run(request.body(()).map_err(RemoteError::Url)?),
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).map_err(RemoteError::Url)?)
            }
        };
        let unreachable = |error| RemoteError::Unreachable(self.base.clone(), Box::new(error));
        let mut response = sent.map_err(unreachable)?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
        let answer = serde_json::from_str(&text.map_err(unreachable)?);
        match (status, answer) {
            (200..300, Ok(answer)) => Ok(answer),
            (200..300, Err(_)) => Err(RemoteError::Strange(self.base.clone())),
            (_, answer) => Err(refusal(status, &answer.unwrap_or_default())),
        }
    }
}

/// What the API says of why not; its routes have three shapes of it.
fn refusal(status: u16, body: &Value) -> RemoteError {
    let shapes = [&body["error"]["message"], &body["error"], &body["errors"]["detail"]];
    match shapes.iter().find_map(|shape| shape.as_str()) {
        Some(message) => RemoteError::Refused(message.to_owned()),
        None => RemoteError::Status(status),
    }
}

/// A path of the API; every second part is an id and is encoded.
pub(super) fn path(parts: &[&str]) -> String {
    let encoded = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => format!("/{part}"),
        _ => format!("/{}", percent_encode(part)),
    });
    ["/api".to_owned()].into_iter().chain(encoded).collect()
}

/// A query string of those that are given.
pub(super) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.push_str(&format!("{name}={}", percent_encode(value)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(path(&["tenants", "a/../b?c"]), "/api/tenants/a%2F..%2Fb%3Fc");
        assert_eq!(path(&["tenants", "a", "members", "x y"]), "/api/tenants/a/members/x%20y");
        assert_eq!(path(&["users"]), "/api/users");
    }

    #[test]
    fn a_query_has_what_is_given() {
        let pairs = [("a", Some("1&b=2".into())), ("c", None), ("d", Some("x".into()))];
        assert_eq!(query(&pairs), "?a=1%26b%3D2&d=x");
        assert_eq!(query(&[("c", None)]), "");
    }

    #[test]
    fn every_shape_of_refusal_is_understood() {
        let says = |body: Value| refusal(418, &body).to_string();
        assert_eq!(
            says(json!({ "error": { "code": "x", "message": "No such user" } })),
            "No such user"
        );
        assert_eq!(says(json!({ "error": "Tenant not found" })), "Tenant not found");
        assert_eq!(says(json!({ "errors": { "detail": "Not Found" } })), "Not Found");
        assert_eq!(says(Value::Null), "the service answered with status 418");
    }
}
