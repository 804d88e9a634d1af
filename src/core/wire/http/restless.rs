//! The RestLess envelope of official Fluid drivers: any request, sent as a form by POST.
//!
//! A browser asks no permission (CORS preflight) for a form, so the drivers put method, headers
//! and body into one: `method=GET&header=<name>%3A+<value>&header=…&body=<json>`.

use std::borrow::Cow;

use super::{Authorization, Framing, HEADERS_MAX, Headers, Method, Request, pairs};

/// Why an envelope cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestLessFault {
    /// No method, several, or an unknown one. The text is the reference service's.
    #[error("Invalid RestLess Method Property")]
    Method,
    /// A header without `: `, or too many of them.
    #[error("Invalid RestLess Header Property")]
    Header,
    /// Several bodies.
    #[error("Invalid RestLess Body Property")]
    Body,
}

/// One header inside an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerHeader<'a> {
    text: Cow<'a, str>,
    colon: usize,
}

impl InnerHeader<'_> {
    /// What stands before the first `: `.
    pub fn name(&self) -> &str {
        &self.text[..self.colon]
    }

    /// What stands after it.
    pub fn value(&self) -> &str {
        &self.text[self.colon + 2..]
    }
}

/// The request inside an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inner<'a> {
    /// What is to be done.
    pub method: Method,
    /// Headers in order.
    pub headers: Vec<InnerHeader<'a>>,
    /// The body, empty if there is none.
    pub body: Cow<'a, str>,
}

/// True if a request with this content type holds an envelope.
pub fn applies(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| value.contains("restless"))
}

/// Opens the envelope in a body.
pub fn unwrap(body: &[u8]) -> Result<Inner<'_>, RestLessFault> {
    let mut method = None;
    let mut headers = Vec::new();
    let mut inner_body = None;
    for (name, value) in pairs(body) {
        match &*name {
            "method" => {
                let parsed = Method::parse(&value).ok_or(RestLessFault::Method)?;
                if method.replace(parsed).is_some() {
                    return Err(RestLessFault::Method);
                }
            }
            "header" => {
                let colon = value.find(": ").ok_or(RestLessFault::Header)?;
                if headers.len() == HEADERS_MAX {
                    return Err(RestLessFault::Header);
                }
                headers.push(InnerHeader { text: value, colon });
            }
            "body" if inner_body.is_none() => inner_body = Some(value),
            "body" => return Err(RestLessFault::Body),
            _ => {}
        }
    }
    let method = method.ok_or(RestLessFault::Method)?;
    Ok(Inner { method, headers, body: inner_body.unwrap_or_default() })
}

impl Inner<'_> {
    /// The request that the envelope stands for: path and connection from outside, method and the
    /// application's headers from inside. Its body is JSON unless the inside says otherwise.
    pub fn request<'b>(&'b self, outer: &Request<'b>) -> Request<'b> {
        let mut inner = Headers { content_type: None, ..outer.headers };
        if self.headers.iter().any(|header| header.name().eq_ignore_ascii_case("authorization")) {
            inner.authorization = Authorization::None;
        }
        for header in &self.headers {
            inner.note(header.name(), header.value());
        }
        inner.content_type = inner.content_type.or(Some("application/json"));
        Request {
            method: self.method,
            headers: inner,
            framing: Framing::None,
            expects_continue: false,
            wants_upgrade: false,
            ..*outer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::{Limits, Parsed, parse};

    const OUTER: &[u8] = b"POST /deltas/t/d?from=1 HTTP/1.1\r\nHost: h\r\nOrigin: o\r\n\
        Content-Type: application/x-www-form-urlencoded;restless\r\n\r\n";

    fn outer() -> Request<'static> {
        match parse(OUTER, &Limits { head_bytes: 1000, body_bytes: 0 }).unwrap() {
            Parsed::Head { request, .. } => request,
            Parsed::Incomplete => panic!("incomplete"),
        }
    }

    #[test]
    fn an_envelope_as_the_driver_writes_it() {
        let outer = outer();
        assert!(applies(outer.headers.content_type));
        assert!(!applies(Some("application/x-www-form-urlencoded")));
        let inner = unwrap(
            b"method=GET&header=x-driver-version%3A+2.111.0&header=Authorization%3A+Basic+a.b.c",
        )
        .unwrap();
        assert_eq!(inner.headers[0].name(), "x-driver-version");
        assert_eq!(inner.headers[0].value(), "2.111.0");
        let request = inner.request(&outer);
        assert_eq!((request.method, request.path), (Method::Get, "/deltas/t/d"));
        assert_eq!(request.query("from").unwrap(), "1");
        assert_eq!(request.headers.authorization, Authorization::One("Basic a.b.c"));
        assert_eq!(request.headers.content_type, Some("application/json"));
        assert_eq!(request.headers.origin, Some("o"));
        assert_eq!(inner.body, "");
    }

    #[test]
    fn bodies_and_their_type() {
        let inner = unwrap(
            b"method=POST&body=%7B%22a%22%3A%22%2B+%C3%BC%22%7D&header=Content-Type%3A+text/plain",
        )
        .unwrap();
        assert_eq!(inner.body, "{\"a\":\"+ ü\"}");
        assert_eq!(inner.request(&outer()).headers.content_type, Some("text/plain"));
    }

    #[test]
    fn bad_envelopes() {
        for (body, expected) in [
            ("", RestLessFault::Method),
            ("method=", RestLessFault::Method),
            ("method=get", RestLessFault::Method),
            ("method=GET&method=POST", RestLessFault::Method),
            ("body=1", RestLessFault::Method),
            ("method=GET&header=nothing", RestLessFault::Header),
            ("method=GET&body=1&body=2", RestLessFault::Body),
            (&("method=GET".to_string() + &"&header=a: b".repeat(65)), RestLessFault::Header),
        ] {
            assert_eq!(unwrap(body.as_bytes()).unwrap_err(), expected, "{body}");
        }
        assert_eq!(RestLessFault::Method.to_string(), "Invalid RestLess Method Property");
    }

    #[test]
    fn two_inner_authorizations_are_useless() {
        let inner = unwrap(b"method=GET&header=authorization: a&header=authorization: b").unwrap();
        assert_eq!(inner.request(&outer()).headers.authorization, Authorization::Many);
    }
}
