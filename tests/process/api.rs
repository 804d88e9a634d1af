//! A program, page or person that calls the routes below `/api`.

use crate::rest::{self, Reply};
use serde_json::{Value, json};
use std::net::SocketAddr;

pub(crate) const ADMIN_KEY: &str = "the-admin-key-of-these-tests";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer of this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// That it is a refusal of exactly this status, code and text.
    pub(crate) fn refuses(&self, status: u16, code: &str, message: &str) {
        let body = json!({"error": {"code": code, "message": message}});
        assert_eq!((self.status, &self.body), (status, &body));
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        rest::header(&self.head, name)
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let body = serde_json::from_slice(&reply.body);
        let body = body.unwrap_or_else(|_| panic!("no JSON: {} {}", reply.status, reply.text()));
        Self { status: reply.status, head: reply.head, body }
    }
}

/// One caller, with what proves who it is.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    address: SocketAddr,
    headers: Vec<(&'static str, String)>,
}

impl Caller {
    pub(crate) fn nobody(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    pub(crate) fn bearer(address: SocketAddr, token: &str) -> Self {
        Self::nobody(address).with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn admin(address: SocketAddr) -> Self {
        Self::bearer(address, ADMIN_KEY)
    }

    /// Registers somebody and comes back as them.
    pub(crate) fn register(address: SocketAddr, email: &str) -> (Self, Value) {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = Self::nobody(address).post("/api/auth/register", body).expect(201);
        let token = answer["token"].as_str().expect("a session");
        (Self::bearer(address, token), answer["user"].clone())
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, b"").into()
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes()).into()
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body.to_string().as_bytes()).into()
    }

    pub(crate) fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, body.to_string().as_bytes()).into()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, b"").into()
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        self.try_send(method, path, body).expect("an answer")
    }

    /// [`Self::send`], to a service that may be about to die.
    pub(crate) fn try_send(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Reply> {
        let mut headers: Vec<_> = self.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        rest::request(self.address, method, path, &headers, body)
    }
}

/// A text of a body.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
