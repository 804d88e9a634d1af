//! HTTP/1.1: request heads and bodies in, response heads out.
//!
//! [`parse`] reads one head out of bytes that hold all of it; [`RequestReader`] collects whole
//! requests from whatever a socket delivers. Whatever two readers could understand differently (two
//! lengths, a length beside chunks, folded lines, two hosts) is refused, because a proxy in front
//! may have understood it in the other way.

mod body;
mod fault;
mod form;
mod reader;
mod response;
pub mod restless;

use std::borrow::Cow;
use std::mem::MaybeUninit;

pub use body::{BodyReader, Framing, Progress};
pub use fault::HttpFault;
pub use form::{Pairs, pairs, percent_decode, percent_encode};
pub use reader::{Incoming, RequestReader};
pub use response::{ResponseHead, continue_head, reason, respond, switching_protocols};

/// Header lines that a request may have.
pub const HEADERS_MAX: usize = 64;

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Request line and headers together, in bytes.
    pub head_bytes: usize,
    /// Body after chunks have been joined, in bytes.
    pub body_bytes: u64,
}

/// The methods that some route answers or may come to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: a GET whose answer has no body.
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`: mostly CORS preflights.
    Options,
}

impl Method {
    /// Names are case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// Which HTTP/1 the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// No chunks, closes unless asked otherwise.
    Http10,
    /// Stays open unless asked otherwise.
    Http11,
}

/// The `Authorization` header; more than one is never usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorization<'a> {
    /// No such header.
    #[default]
    None,
    /// Exactly one, its value as sent.
    One(&'a str),
    /// Several.
    Many,
}

/// The headers that something here reads, as sent. The rest is found by [`Headers::get`].
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // each is the header of its name
pub struct Headers<'a> {
    pub host: Option<&'a str>,
    pub authorization: Authorization<'a>,
    pub content_type: Option<&'a str>,
    pub accept: Option<&'a str>,
    pub accept_encoding: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub access_control_request_method: Option<&'a str>,
    pub access_control_request_headers: Option<&'a str>,
    pub x_forwarded_proto: Option<&'a str>,
    pub x_request_id: Option<&'a str>,
    pub upgrade: Option<&'a str>,
    pub sec_websocket_key: Option<&'a str>,
    pub sec_websocket_version: Option<&'a str>,
    pub sec_websocket_extensions: Option<&'a str>,
    /// The header lines as they arrived.
    raw: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The first header of this name (case does not matter) if its value is UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All headers of this name whose values are UTF-8.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.raw.split(|&byte| byte == b'\n').filter_map(move |line| {
            let (key, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            let value = std::str::from_utf8(value).ok()?;
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    /// True if the client takes gzip.
    pub fn accepts_gzip(&self) -> bool {
        self.accept_encoding.is_some_and(|value| {
            value.split(',').any(|coding| {
                let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
                let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                matches!(name.trim(), "gzip" | "*") && !refused
            })
        })
    }

    /// Notes a header of interest, the first of its name; returns whether it is one.
    fn note(&mut self, name: &str, value: &'a str) -> bool {
        if name.eq_ignore_ascii_case("authorization") {
            self.authorization = match self.authorization {
                Authorization::None => Authorization::One(value),
                Authorization::One(_) | Authorization::Many => Authorization::Many,
            };
            return true;
        }
        match self.slot(name) {
            Some(slot) => {
                slot.get_or_insert(value);
                true
            }
            None => false,
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        let slots = [
            ("host", &mut self.host),
            ("content-type", &mut self.content_type),
            ("accept", &mut self.accept),
            ("accept-encoding", &mut self.accept_encoding),
            ("origin", &mut self.origin),
            ("if-none-match", &mut self.if_none_match),
            ("access-control-request-method", &mut self.access_control_request_method),
            ("access-control-request-headers", &mut self.access_control_request_headers),
            ("x-forwarded-proto", &mut self.x_forwarded_proto),
            ("x-request-id", &mut self.x_request_id),
            ("upgrade", &mut self.upgrade),
            ("sec-websocket-key", &mut self.sec_websocket_key),
            ("sec-websocket-version", &mut self.sec_websocket_version),
            ("sec-websocket-extensions", &mut self.sec_websocket_extensions),
        ];
        let found = slots.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, slot)| slot)
    }
}

/// One request head, borrowed from the bytes it arrived in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// The path as sent, percent-encoding untouched; starts with `/`, or is `*`.
    pub path: &'a str,
    /// What follows the first `?`, without it.
    pub query: &'a str,
    /// The client's HTTP.
    pub version: Version,
    /// Headers of interest and the rest.
    pub headers: Headers<'a>,
    /// How the body's end is known.
    pub framing: Framing,
    /// Whether the connection stays open after the answer.
    pub keep_alive: bool,
    /// The client waits for [`continue_head`] before it sends the body.
    pub expects_continue: bool,
    /// `Connection: upgrade` was sent.
    wants_upgrade: bool,
}

/// What [`parse`] found.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant)] // lives on the stack, for one call
pub enum Parsed<'a> {
    /// The head has not fully arrived.
    Incomplete,
    /// A head, and how many bytes it took; the body follows.
    Head {
        /// The head itself.
        request: Request<'a>,
        /// Its length in bytes, the empty line included.
        head_bytes: usize,
    },
}

/// Reads the head at the start of `bytes`.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, HttpFault> {
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut []);
    let head_bytes = match head.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(httparse::Status::Complete(len)) if len <= limits.head_bytes => len,
        Ok(httparse::Status::Partial) if bytes.len() < limits.head_bytes => {
            return Ok(Parsed::Incomplete);
        }
        Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => {
            return Err(HttpFault::HeadTooLarge);
        }
        Err(httparse::Error::TooManyHeaders) => return Err(HttpFault::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(HttpFault::BadVersion),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
            return Err(HttpFault::BadHeader);
        }
        Err(_) => return Err(HttpFault::BadRequestLine),
    };
    let (Some(name), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(HttpFault::BadRequestLine);
    };
    let method = Method::parse(name).ok_or(HttpFault::UnknownMethod)?;
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let (path, query) = split_target(method, target)?;
    let mut scan = HeadScan::default();
    for line in head.headers.iter() {
        scan.line(line.name, line.value)?;
    }
    scan.headers.raw = &bytes[..head_bytes];
    if version == Version::Http11 && scan.headers.host.is_none() {
        return Err(HttpFault::BadHost);
    }
    let framing = scan.framing(version)?;
    if let Framing::Length(len) = framing
        && len > limits.body_bytes
    {
        return Err(HttpFault::BodyTooLarge);
    }
    let keep_alive = match version {
        Version::Http10 => scan.keep_alive && !scan.close,
        Version::Http11 => !scan.close,
    };
    let request = Request {
        method,
        path,
        query,
        version,
        headers: scan.headers,
        framing,
        keep_alive,
        expects_continue: scan.expects_continue && version == Version::Http11,
        wants_upgrade: scan.upgrade && version == Version::Http11,
    };
    Ok(Parsed::Head { request, head_bytes })
}

/// Path and query of a request target. Proxies send the absolute form, whose host is dropped.
fn split_target(method: Method, target: &str) -> Result<(&str, &str), HttpFault> {
    if target == "*" && method == Method::Options {
        return Ok((target, ""));
    }
    let path = match target.split_once("://") {
        Some(("http" | "https", rest)) => match rest.find(['/', '?']) {
            Some(start) if rest[start..].starts_with('/') => &rest[start..],
            Some(_) | None => "/",
        },
        Some(_) | None => target,
    };
    if !path.starts_with('/') || path.contains('#') {
        return Err(HttpFault::BadTarget);
    }
    Ok(path.split_once('?').unwrap_or((path, "")))
}

/// What the header lines say, gathered line by line.
#[derive(Default)]
struct HeadScan<'a> {
    headers: Headers<'a>,
    content_length: Option<u64>,
    is_chunked: bool,
    keep_alive: bool,
    close: bool,
    upgrade: bool,
    expects_continue: bool,
}

impl<'a> HeadScan<'a> {
    fn line(&mut self, name: &str, value: &'a [u8]) -> Result<(), HttpFault> {
        let Ok(value) = std::str::from_utf8(value) else {
            // Only a header that nothing reads may hold other bytes.
            let is_read = Headers::default().note(name, "") || Self::is_framing(name);
            return if is_read { Err(HttpFault::BadHeader) } else { Ok(()) };
        };
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("host") && self.headers.host.is_some() {
            return Err(HttpFault::BadHost);
        }
        if self.headers.note(name, value) {
            return Ok(());
        }
        if name.eq_ignore_ascii_case("content-length") {
            if self.content_length.is_some() {
                return Err(HttpFault::BadContentLength);
            }
            self.content_length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case("chunked") {
                return Err(HttpFault::UnknownTransferEncoding);
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for option in value.split(',').map(str::trim_ascii) {
                self.keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                self.close |= option.eq_ignore_ascii_case("close");
                self.upgrade |= option.eq_ignore_ascii_case("upgrade");
            }
        } else if name.eq_ignore_ascii_case("expect") {
            if !value.eq_ignore_ascii_case("100-continue") {
                return Err(HttpFault::UnknownExpectation);
            }
            self.expects_continue = true;
        }
        Ok(())
    }

    fn is_framing(name: &str) -> bool {
        ["content-length", "transfer-encoding", "connection", "expect"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }

    fn framing(&self, version: Version) -> Result<Framing, HttpFault> {
        match (self.is_chunked, self.content_length, version) {
            (true, Some(_), _) => Err(HttpFault::LengthBesideChunks),
            (true, None, Version::Http10) => Err(HttpFault::UnknownTransferEncoding),
            (true, None, Version::Http11) => Ok(Framing::Chunked),
            (false, Some(len), _) if len > 0 => Ok(Framing::Length(len)),
            (false, _, _) => Ok(Framing::None),
        }
    }
}

/// Digits only: no sign, no list, no space.
fn content_length(value: &str) -> Result<u64, HttpFault> {
    match value.bytes().all(|byte| byte.is_ascii_digit()) {
        true => value.parse().map_err(|_| HttpFault::BadContentLength),
        false => Err(HttpFault::BadContentLength),
    }
}

impl<'a> Request<'a> {
    /// The first query parameter of this name, decoded once; empty if it has no value.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        pairs(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The `Sec-WebSocket-Key`, if the client asks to speak WebSocket (RFC 6455 section 4.2.1);
    /// `None` if it does not.
    pub fn websocket_key(&self) -> Result<Option<&'a str>, HttpFault> {
        let names_websocket = self.headers.upgrade.is_some_and(|value| {
            value.split(',').any(|name| name.trim_ascii().eq_ignore_ascii_case("websocket"))
        });
        if !self.wants_upgrade || !names_websocket || self.method != Method::Get {
            return Ok(None);
        }
        if self.headers.sec_websocket_version != Some("13") {
            return Err(HttpFault::WebSocketVersion);
        }
        match self.headers.sec_websocket_key {
            // 16 bytes in base64
            Some(key) if key.len() == 24 && key.ends_with("==") => Ok(Some(key)),
            Some(_) | None => Err(HttpFault::BadWebSocketKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head_bytes: 8192, body_bytes: 1000 };

    fn head(text: &str) -> Request<'_> {
        match parse(text.as_bytes(), &LIMITS).unwrap() {
            Parsed::Head { request, head_bytes } => {
                assert_eq!(head_bytes, text.len());
                request
            }
            Parsed::Incomplete => panic!("incomplete"),
        }
    }

    fn fault(text: &str) -> HttpFault {
        parse(text.as_bytes(), &LIMITS).expect_err(text)
    }

    #[test]
    fn a_browser_upgrade() {
        let request = head(
            "GET /socket.io/?documentId=d%2520x&EIO=4&transport=websocket&flag HTTP/1.1\r\n\
             Host: localhost:7070\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Origin: http://example.com\r\nX-Custom:  two \r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        );
        assert_eq!((request.method, request.path), (Method::Get, "/socket.io/"));
        assert_eq!(request.query("documentId").unwrap(), "d%20x");
        assert_eq!(request.query("flag").unwrap(), "");
        assert_eq!(request.query("none"), None);
        assert_eq!(request.websocket_key(), Ok(Some("dGhlIHNhbXBsZSBub25jZQ==")));
        assert_eq!(request.headers.origin, Some("http://example.com"));
        assert_eq!(request.headers.get("x-custom"), Some("two"));
        assert_eq!(request.headers.get("x-custo"), None);
        assert_eq!(request.headers.all("host").collect::<Vec<_>>(), ["localhost:7070"]);
        assert!(request.keep_alive && request.framing == Framing::None);
    }

    #[test]
    fn upgrades_that_are_none_or_wrong() {
        let get = |extra: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{extra}\r\n");
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\n";
        for (extra, expected) in [
            (String::new(), Ok(None)),
            ("Upgrade: websocket\r\n".to_string(), Ok(None)),
            ("Upgrade: h2c\r\nConnection: upgrade\r\n".to_string(), Ok(None)),
            (format!("{upgrade}{key}"), Err(HttpFault::WebSocketVersion)),
            (format!("{upgrade}Sec-WebSocket-Version: 13\r\n"), Err(HttpFault::BadWebSocketKey)),
        ] {
            assert_eq!(head(&get(&extra)).websocket_key(), expected, "{extra}");
        }
    }

    #[test]
    fn targets() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/a%2Fb?x=1?y", "/a%2Fb", "x=1?y"),
            ("/a?", "/a", ""),
            ("http://host/a?b", "/a", "b"),
            ("https://host", "/", ""),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let request = head(&text);
            assert_eq!((request.path, request.query), (path, query), "{target}");
        }
        assert_eq!(head("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").path, "*");
        for bad in ["*", "a/b", "/a#b", "ftp://host/a"] {
            let text = format!("GET {bad} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(fault(&text), HttpFault::BadTarget, "{bad}");
        }
    }

    #[test]
    fn what_is_refused() {
        use HttpFault::*;
        let post = |extra: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{extra}\r\n\r\n");
        for (text, expected, status) in [
            ("GET / HTTP/1.1\r\n\r\n".to_string(), BadHost, 400),
            (post("Host: other"), BadHost, 400),
            ("BREW / HTTP/1.1\r\nHost: h\r\n\r\n".to_string(), UnknownMethod, 501),
            ("get / HTTP/1.1\r\nHost: h\r\n\r\n".to_string(), UnknownMethod, 501),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_string(), BadVersion, 505),
            ("GET /\r\n\r\n".to_string(), BadRequestLine, 400),
            ("G<T / HTTP/1.1\r\n\r\n".to_string(), BadRequestLine, 400),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked"), LengthBesideChunks, 400),
            (post("Transfer-Encoding: chunked\r\nContent-Length: 0"), LengthBesideChunks, 400),
            (post("Content-Length: 5\r\nContent-Length: 5"), BadContentLength, 400),
            (post("Content-Length: +5"), BadContentLength, 400),
            (post("Content-Length: 5, 5"), BadContentLength, 400),
            (post("Content-Length: "), BadContentLength, 400),
            (post("Content-Length: 99999999999999999999999"), BadContentLength, 400),
            (post("Content-Length: 1001"), BodyTooLarge, 413),
            (post("Transfer-Encoding: gzip, chunked"), UnknownTransferEncoding, 501),
            (post("Transfer-Encoding: xchunked"), UnknownTransferEncoding, 501),
            (post("Transfer-Encoding : chunked"), BadHeader, 400),
            (post("X: a\r\n folded"), BadHeader, 400),
            (post("X: a\0b"), BadHeader, 400),
            (post("Expect: a-miracle"), UnknownExpectation, 417),
            (post(&"A: b\r\n".repeat(64)), HeadTooLarge, 431),
            (post(&format!("A: {}", "b".repeat(9000))), HeadTooLarge, 431),
            ("GET /".to_string() + &"a".repeat(9000), HeadTooLarge, 431),
            (
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_string(),
                UnknownTransferEncoding,
                501,
            ),
        ] {
            assert_eq!(fault(&text), expected, "{text}");
            assert_eq!(expected.status(), status);
        }
        let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: \xff\r\n\r\n";
        assert_eq!(parse(bytes, &LIMITS).unwrap_err(), BadHeader);
        let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nX-Name: \xff\r\n\r\n";
        assert!(matches!(parse(bytes, &LIMITS), Ok(Parsed::Head { .. })));
    }

    #[test]
    fn connections_stay_open_or_not() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("GET / HTTP/1.1\nHost: h\n\n", true),
        ] {
            assert_eq!(head(text).keep_alive, expected, "{text}");
        }
    }

    #[test]
    fn authorization_is_one_or_useless() {
        let of = |extra: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{extra}\r\n");
        let (none, one) = (of(""), of("authorization: Bearer x\r\n"));
        let many = of("Authorization: a\r\nAuthorization: a\r\n");
        assert_eq!(head(&none).headers.authorization, Authorization::None);
        assert_eq!(head(&one).headers.authorization, Authorization::One("Bearer x"));
        assert_eq!(head(&many).headers.authorization, Authorization::Many);
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        for (value, expected) in [
            ("gzip, deflate", true),
            ("br;q=1, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            let headers = Headers { accept_encoding: Some(value), ..Headers::default() };
            assert_eq!(headers.accepts_gzip(), expected, "{value}");
        }
    }

    #[test]
    fn every_cut_of_a_head_is_incomplete() {
        let text =
            "PATCH /repos/t/git/refs/heads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        for cut in 0..text.len() {
            let parsed = parse(&text.as_bytes()[..cut], &LIMITS);
            assert!(matches!(parsed, Ok(Parsed::Incomplete)), "{cut}");
        }
    }
}
