//! An answer, and its bytes on the wire.

use bytes::Bytes;
use levee_core::http_request::HttpRequest;
use levee_core::wire::http::{self, ResponseHead};
use serde::Serialize;
use std::borrow::Cow;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// The version of the text format that Prometheus asks for by default.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What Levee's clients may send across origins.
const ALLOWED_HEADERS: &str = "Authorization,Content-Type,Accept,Origin,User-Agent,DNT,\
    Cache-Control,X-Mx-ReqToken,Keep-Alive,X-Requested-With,If-Modified-Since,X-CSRF-Token";
const ALLOWED_METHODS: &str = "GET,POST,PUT,PATCH,DELETE,OPTIONS";
/// What a preflight asks for beyond this is not allowed.
const ALLOWED_BYTES_MAX: usize = 1200;

/// A whole response, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub bytes: Bytes,
    /// Close the connection after it.
    pub close: bool,
}

/// An answer before it is written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    content_type: Option<&'static str>,
    pub(super) body: Bytes,
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl Reply {
    fn new(status: u16, content_type: Option<&'static str>, body: Bytes) -> Self {
        let headers = Vec::new();
        Self { status, content_type, body, headers }
    }

    /// JSON text.
    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, Some(JSON), body.into())
    }

    /// A value as JSON. Ours are structs of texts and numbers, which always have a JSON form.
    pub(super) fn of(status: u16, value: &impl Serialize) -> Self {
        Self::json(status, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(super) fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, Some(TEXT), body.into())
    }

    pub(super) fn html(body: impl Into<Bytes>) -> Self {
        Self::new(200, Some(HTML), body.into())
    }

    pub(super) fn file(content_type: &'static str, body: Bytes) -> Self {
        Self::new(200, Some(content_type), body)
    }

    pub(super) fn metrics(body: String) -> Self {
        Self::new(200, Some(METRICS), body.into())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, None, Bytes::new())
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer to a CORS preflight. What is asked for is allowed: the origin of a request gives
    /// no rights here, only its token does.
    pub(super) fn preflight(asked_headers: &str) -> Self {
        let mut allowed = ALLOWED_HEADERS.to_owned();
        for name in asked_headers.split(',').map(str::trim) {
            let known = ALLOWED_HEADERS.split(',').any(|known| known.eq_ignore_ascii_case(name));
            let fits = allowed.len() + name.len() < ALLOWED_BYTES_MAX;
            if !known && fits && !name.is_empty() && name.bytes().all(is_name_byte) {
                allowed.push(',');
                allowed.push_str(name);
            }
        }
        Self::empty(204)
            .with("access-control-max-age", "1728000")
            .with("access-control-allow-headers", allowed)
            .with("access-control-allow-methods", ALLOWED_METHODS)
    }

    /// Writes the answer to a request: CORS headers on every one, no body on `HEAD`.
    pub(super) fn into_response(self, request: &HttpRequest) -> Response {
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(self.headers.len() + 4);
        headers.push(("access-control-allow-origin", "*"));
        if !request.is_restless {
            // As Levee's clients know them. Drivers with an envelope send no credentials.
            headers.push(("access-control-expose-headers", ""));
            headers.push(("access-control-allow-credentials", "true"));
        }
        if let Some(id) = request.request_id.as_deref().filter(|id| id.len() <= 200) {
            headers.push(("x-request-id", id));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_ref())));
        let head = ResponseHead {
            status: self.status,
            content_type: self.content_type,
            keep_alive: request.keep_alive,
            headers: &headers,
        };
        let mut bytes = Vec::with_capacity(self.body.len() + 512);
        http::respond(&mut bytes, request.method, &head, &self.body);
        Response { bytes: bytes.into(), close: !request.keep_alive }
    }
}

/// A byte of an HTTP token.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preflights_allow_what_is_asked_for_and_nothing_strange() {
        let allowed = |asked: &str| {
            let reply = Reply::preflight(asked);
            assert_eq!((reply.status, reply.content_type), (204, None));
            reply.headers[1].1.strip_prefix(ALLOWED_HEADERS).unwrap().to_owned()
        };
        assert_eq!(allowed(""), "");
        assert_eq!(allowed("authorization, content-type"), "");
        assert_eq!(allowed("authorization, x-driver-version"), ",x-driver-version");
        assert_eq!(allowed("a b,é,x\"y,,z"), ",z");
        assert!(allowed(&"long-name,".repeat(500)).len() <= ALLOWED_BYTES_MAX);
    }
}
