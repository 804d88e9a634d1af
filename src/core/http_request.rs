//! What a connection says before it is a WebSocket: REST requests, and upgrades.
//!
//! [`HttpReader`] turns the bytes of one connection into [`Incoming`]s. A request comes out owned,
//! its RestLess envelope opened, so that it can cross cores and outlive the bytes it arrived in.

use crate::dialect::Dialect;
use crate::ids::DocKey;
use crate::limits::{HEAD_BYTES_MAX, Limits};
use crate::wire::http::{
    self, Authorization, HttpFault, Method, Request, RequestReader, ResponseHead, pairs,
    restless::{self, RestLessFault},
};
use crate::wire::json::Raw;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// Bytes that may wait behind a request under way. Clients of this service do not pipeline; a
/// proxy that does sends small requests.
pub const PIPELINED_BYTES_MAX: usize = 1 << 20;
/// A body above this is left as it came: it is not searched for Plug's `_method`, which only small
/// forms use, and one in an envelope stays escaped. Decoding takes milliseconds a megabyte.
const DECODED_BYTES_MAX: usize = 64 << 10;
/// The reader's buffer is kept up to this size while its connection is quiet.
const BUFFER_KEPT_BYTES: usize = 4096;

/// One REST request, whole.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method that counts: inside an envelope, or after `_method`.
    pub method: Method,
    /// As sent, percent-encoding untouched.
    pub path: Box<str>,
    /// What follows the first `?`, without it.
    pub query: Box<str>,
    pub authorization: OwnedAuthorization,
    pub host: Option<Box<str>>,
    pub origin: Option<Box<str>>,
    pub accept: Option<Box<str>>,
    pub if_none_match: Option<Box<str>>,
    pub forwarded_proto: Option<Box<str>>,
    /// All of the `Cookie` header.
    pub cookie: Option<Box<str>>,
    /// `X-CSRF-Token`
    pub csrf_token: Option<Box<str>>,
    pub user_agent: Option<Box<str>>,
    pub request_id: Option<Box<str>>,
    /// `Access-Control-Request-Method` and `-Headers` of a CORS preflight.
    pub preflight: Option<Preflight>,
    /// JSON in nearly all requests; whatever its content type says.
    pub body: Body,
    /// It came in a RestLess envelope, as official Fluid drivers send it.
    pub is_restless: bool,
    pub peer: IpAddr,
    /// The connection stays open after the answer.
    pub keep_alive: bool,
    /// The document it is about, once the shell has found out where it belongs.
    pub document: Option<DocKey>,
}

/// A request's body. A large one out of an envelope is still escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// What came; if escaped, with the name of its form field in front.
    bytes: Bytes,
    is_escaped: bool,
}

impl Body {
    /// The bytes that are meant. Takes time in proportion to a large body that is escaped, so ask
    /// for them where nobody waits.
    #[must_use]
    pub fn decode(&self) -> Bytes {
        if !self.is_escaped {
            return self.bytes.clone();
        }
        let text = pairs(&self.bytes).next().map(|(_, text)| text.into_owned());
        text.map_or_else(Bytes::new, Bytes::from)
    }

    /// Whether the body may have a member of this name: cheap, for bodies spelled as usual, with
    /// letters that are not escaped.
    fn may_have(&self, name: &str) -> bool {
        let quote = if self.is_escaped { "%22" } else { "\"" };
        let spelled = [quote, name, quote].concat();
        memchr::memmem::find(&self.bytes, spelled.as_bytes()).is_some()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, is_escaped: false }
    }
}

/// The `Authorization` header, kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum OwnedAuthorization {
    #[default]
    None,
    One(Box<str>),
    Many,
}

/// What a browser asks before it sends a request across origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    pub headers: Box<str>,
}

impl HttpRequest {
    fn new(request: &Request<'_>, body: Body, peer: IpAddr) -> Self {
        let headers = &request.headers;
        let own = |text: Option<&str>| text.map(Box::from);
        Self {
            method: request.method,
            path: request.path.into(),
            query: request.query.into(),
            authorization: match headers.authorization {
                Authorization::None => OwnedAuthorization::None,
                Authorization::One(value) => OwnedAuthorization::One(value.into()),
                Authorization::Many => OwnedAuthorization::Many,
            },
            host: own(headers.host),
            origin: own(headers.origin),
            accept: own(headers.accept),
            if_none_match: own(headers.if_none_match),
            forwarded_proto: own(headers.x_forwarded_proto),
            cookie: own(headers.get("cookie")),
            csrf_token: own(headers.get("x-csrf-token")),
            user_agent: own(headers.get("user-agent")),
            request_id: own(headers.x_request_id),
            preflight: headers.access_control_request_method.map(|_| Preflight {
                headers: headers.access_control_request_headers.unwrap_or("").into(),
            }),
            body,
            is_restless: false,
            peer,
            keep_alive: request.keep_alive,
            document: None,
        }
    }

    /// The first query parameter of this name, decoded once; empty if it has no value.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        pairs(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookie.as_deref()?.split(';').map(str::trim);
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// The text of this member of the body, if that is a JSON object. A body that nowhere spells
    /// the name is not parsed.
    #[must_use]
    pub fn text_in_body(&self, name: &str) -> Option<String> {
        if !self.body.may_have(name) {
            return None;
        }
        let body = self.body.decode();
        let text = Raw::parse(&body).ok()?.field(name)?.as_str()?;
        Some(text.into_owned())
    }
}

/// Without query, token and body: what may stand in a log.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, body, .. } = self;
        write!(f, "{} {path} ({} bytes)", method.as_str(), body.bytes.len())
    }
}

/// A client that wants to speak one of the dialects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub dialect: Dialect,
    /// `Sec-WebSocket-Key`, for [`upgrade_response`].
    pub key: Box<str>,
    pub origin: Option<Box<str>>,
    pub host: Option<Box<str>>,
    /// Socket.IO's query names a document; only a hint of where the socket may belong.
    pub hint: Option<DocKey>,
    /// What came behind the head: the first frames.
    pub rest: Bytes,
}

/// What a connection said.
#[derive(Debug)]
pub enum Incoming {
    /// To be answered before the next one is read.
    Request(Box<HttpRequest>),
    /// Answer with [`upgrade_response`]; the reader has ended.
    Upgrade(Upgrade),
    /// Send this as it is, close if told to, and read on.
    Answer { response: Bytes, close: bool },
}

/// Reads one connection until it is upgraded. Holds no memory between requests.
#[derive(Debug, Default)]
pub struct HttpReader {
    requests: RequestReader,
    pending: Vec<u8>,
}

impl HttpReader {
    /// True between requests: nothing of a next one has arrived.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.requests.is_idle()
    }

    /// Bytes of heap that the connection holds.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.pending.capacity() + self.requests.buffered_bytes()
    }

    /// Takes what arrived; [`Self::next`] reads it.
    ///
    /// Errors: too much behind a request under way. Send [`fault_response`] and close.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), HttpFault> {
        let waits = !self.pending.is_empty();
        if waits && self.pending.len() + bytes.len() > PIPELINED_BYTES_MAX {
            return Err(HttpFault::HeadTooLarge);
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// The next thing said, or `None` when more bytes are needed. Call it again after an
    /// [`Incoming::Answer`], and after an [`Incoming::Request`] once that has been answered.
    ///
    /// Errors: send [`fault_response`] and close.
    pub fn next(&mut self, peer: IpAddr, limits: &Limits) -> Result<Option<Incoming>, HttpFault> {
        let bounds =
            http::Limits { head_bytes: HEAD_BYTES_MAX, body_bytes: limits.body_bytes_max as u64 };
        let mut used = 0;
        let mut found = match self.requests.next(&self.pending, &mut used, &bounds)? {
            None => None,
            Some(http::Incoming::ExpectsContinue) => {
                let mut response = Vec::new();
                http::continue_head(&mut response);
                let response = response.into();
                Some(Incoming::Answer { response, close: false })
            }
            Some(http::Incoming::Request { request, body }) => {
                let said = understand(&request, body, peer)?;
                // Its buffers may hold a large body, which now exists a second time.
                self.requests = RequestReader::default();
                Some(said)
            }
        };
        if let Some(Incoming::Upgrade(upgrade)) = &mut found {
            upgrade.rest = Bytes::copy_from_slice(&self.pending[used..]);
            used = self.pending.len();
        }
        self.pending.drain(..used);
        if self.pending.is_empty() && self.pending.capacity() > BUFFER_KEPT_BYTES {
            self.pending = Vec::new();
        }
        if self.is_idle() {
            self.pending = Vec::new();
        }
        Ok(found)
    }
}

fn understand(request: &Request<'_>, body: &[u8], peer: IpAddr) -> Result<Incoming, HttpFault> {
    match request.path {
        // A preflight of the polling transport is answered like any other.
        "/socket.io" | "/socket.io/" if request.method != Method::Options => engine_io(request),
        "/socket/websocket" if request.method != Method::Options => phoenix(request),
        _ => Ok(rest(request, body, peer)),
    }
}

/// Opens the envelope if there is one. Official drivers put every request into one.
fn rest(request: &Request<'_>, body: &[u8], peer: IpAddr) -> Incoming {
    let is_envelope =
        request.method == Method::Post && restless::applies(request.headers.content_type);
    if !is_envelope {
        let body = Bytes::copy_from_slice(body).into();
        let mut owned = HttpRequest::new(request, body, peer);
        owned.method = overridden_method(&owned).unwrap_or(owned.method);
        return Incoming::Request(Box::new(owned));
    }
    let (envelope, large) = without_large_body(body);
    let opened = restless::unwrap(&envelope);
    match opened {
        Ok(inner) if large.is_none() || inner.body.is_empty() => {
            let inside = inner.request(request);
            let body = match large {
                Some(escaped) => escaped,
                None => Bytes::copy_from_slice(inner.body.as_bytes()).into(),
            };
            let mut owned = HttpRequest::new(&inside, body, peer);
            owned.is_restless = true;
            Incoming::Request(Box::new(owned))
        }
        Ok(_) => refuse_envelope(request, RestLessFault::Body),
        Err(fault) => refuse_envelope(request, fault),
    }
}

fn refuse_envelope(request: &Request<'_>, fault: RestLessFault) -> Incoming {
    let json = format!("{{\"code\":400,\"message\":\"{fault}\"}}");
    refuse(request, 400, &json)
}

/// An envelope without its body field if that is large, and that field as it is.
fn without_large_body(envelope: &[u8]) -> (Cow<'_, [u8]>, Option<Body>) {
    if envelope.len() <= DECODED_BYTES_MAX {
        return (Cow::Borrowed(envelope), None);
    }
    let name = b"body=";
    let start = if envelope.starts_with(name) {
        Some(0)
    } else {
        memchr::memmem::find(envelope, b"&body=").map(|at| at + 1)
    };
    let Some(start) = start else {
        return (Cow::Borrowed(envelope), None);
    };
    let length = memchr::memchr(b'&', &envelope[start..]);
    let end = length.map_or(envelope.len(), |length| start + length);
    let body = Body { bytes: Bytes::copy_from_slice(&envelope[start..end]), is_escaped: true };
    let rest = [&envelope[..start], &envelope[end..]].concat();
    (Cow::Owned(rest), Some(body))
}

/// Plug's way to send PUT, PATCH and DELETE from a form: `_method` in the body or the query.
fn overridden_method(request: &HttpRequest) -> Option<Method> {
    if request.method != Method::Post {
        return None;
    }
    let named = |name: &str| match name.to_ascii_uppercase().as_str() {
        "PUT" => Some(Method::Put),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        _ => None,
    };
    if let Some(name) = request.query("_method") {
        return named(&name);
    }
    let body = &request.body.bytes[..];
    if body.len() > DECODED_BYTES_MAX {
        return None;
    }
    if body.trim_ascii_start().first() != Some(&b'{') {
        let (_, name) = pairs(body).find(|(name, _)| name == "_method")?;
        return named(&name);
    }
    named(&request.text_in_body("_method")?)
}

/// Engine.IO's handshake in the order of its checks. Its polling transport is not served: a client
/// whose WebSocket failed is told so at once, and comes back with a WebSocket.
fn engine_io(request: &Request<'_>) -> Result<Incoming, HttpFault> {
    let (code, message) = if request.query("transport").as_deref() != Some("websocket") {
        (0, "Transport unknown")
    } else if request.query("sid").is_some() {
        (1, "Session ID unknown")
    } else if request.method != Method::Get {
        (2, "Bad handshake method")
    } else if request.query("EIO").as_deref() != Some("4") {
        (5, "Unsupported protocol version")
    } else if let Some(key) = request.websocket_key()? {
        let tenant = request.query("tenantId").unwrap_or_default();
        let document = request.query("documentId").filter(|id| !id.is_empty());
        let hint = document.map(|document| DocKey::new(&tenant, &document));
        return Ok(upgrade(request, Dialect::SocketIo, key, hint));
    } else {
        (3, "Bad request")
    };
    let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    Ok(refuse(request, 400, &body))
}

/// Phoenix' handshake: the version of its serializer decides the dialect.
fn phoenix(request: &Request<'_>) -> Result<Incoming, HttpFault> {
    if request.method != Method::Get {
        return Ok(refuse(request, 400, ""));
    }
    let version = request.query("vsn").unwrap_or_default();
    let dialect = match version.split('.').collect::<Vec<_>>()[..] {
        ["2", "0", patch] if is_number(patch) => Dialect::Phoenix,
        ["3", "0", patch] if is_number(patch) => Dialect::PhoenixMsgpack,
        _ => return Ok(refuse(request, 403, "")),
    };
    match request.websocket_key() {
        Ok(Some(key)) => Ok(upgrade(request, dialect, key, None)),
        Ok(None) => Ok(refuse(request, 400, "")),
        Err(fault) => Err(fault),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn upgrade(request: &Request<'_>, dialect: Dialect, key: &str, hint: Option<DocKey>) -> Incoming {
    Incoming::Upgrade(Upgrade {
        dialect,
        key: key.into(),
        origin: request.headers.origin.map(Box::from),
        host: request.headers.host.map(Box::from),
        hint,
        rest: Bytes::new(),
    })
}

/// A refusal that needs nothing but the request. Engine.IO's are read across origins, with
/// credentials, so the origin is named.
fn refuse(request: &Request<'_>, status: u16, json: &str) -> Incoming {
    let headers = [
        ("access-control-allow-origin", request.headers.origin.unwrap_or("*")),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ];
    let named = if request.headers.origin.is_some() { 3 } else { 1 };
    let head = ResponseHead {
        status,
        content_type: (!json.is_empty()).then_some("application/json"),
        keep_alive: request.keep_alive,
        headers: &headers[..named],
    };
    let mut response = Vec::new();
    http::respond(&mut response, request.method, &head, json.as_bytes());
    Incoming::Answer { response: response.into(), close: !request.keep_alive }
}

/// The answer that turns the connection into a WebSocket.
#[must_use]
pub fn upgrade_response(upgrade: &Upgrade) -> Vec<u8> {
    let mut response = Vec::new();
    http::switching_protocols(&mut response, &upgrade.key);
    response
}

/// The last answer on a connection whose bytes cannot be understood further.
#[must_use]
pub fn fault_response(fault: HttpFault) -> Bytes {
    last_response(fault.status(), fault == HttpFault::WebSocketVersion)
}

/// The last answer on a connection that took too long to send a request.
#[must_use]
pub fn timeout_response() -> Bytes {
    last_response(408, false)
}

/// The last answer on a connection that sends more than there is room for at present.
#[must_use]
pub fn overload_response() -> Bytes {
    last_response(503, false)
}

fn last_response(status: u16, names_websocket_version: bool) -> Bytes {
    let headers = [("access-control-allow-origin", "*"), ("sec-websocket-version", "13")];
    let head = ResponseHead {
        status,
        content_type: Some("application/json"),
        keep_alive: false,
        headers: &headers[..1 + usize::from(names_websocket_version)],
    };
    let detail = match status {
        413 => "Request Entity Too Large", // Phoenix' words, which its clients may read
        status => http::reason(status),
    };
    let body = format!("{{\"errors\":{{\"detail\":\"{detail}\"}}}}");
    let mut response = Vec::new();
    http::respond(&mut response, Method::Get, &head, body.as_bytes());
    response.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn said(reader: &mut HttpReader) -> Option<Incoming> {
        reader.next(PEER, &Limits::default()).unwrap()
    }

    fn only(text: &str) -> Incoming {
        let mut reader = HttpReader::default();
        reader.push(text.as_bytes()).unwrap();
        let said = said(&mut reader).expect(text);
        assert!(reader.is_idle());
        said
    }

    fn request(text: &str) -> HttpRequest {
        match only(text) {
            Incoming::Request(request) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(text: &str) -> (String, String) {
        let Incoming::Answer { response, .. } = only(text) else {
            panic!("{text}");
        };
        let text = String::from_utf8(response.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.to_owned(), body.to_owned())
    }

    fn upgrade_request(target: &str) -> String {
        format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    }

    fn post(target: &str, content_type: &str, body: &str) -> String {
        format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    const RESTLESS: &str = "application/x-www-form-urlencoded;restless";

    #[test]
    fn plain_requests_and_what_is_kept_of_them() {
        let plain = request(
            "GET /deltas/t/d?from=1&to=%2B2 HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer x\r\n\
             Accept: a\r\nOrigin: o\r\nX-Request-Id: r\r\nConnection: close\r\n\r\n",
        );
        assert_eq!((plain.method, &*plain.path), (Method::Get, "/deltas/t/d"));
        assert_eq!(plain.query("to").as_deref(), Some("+2"));
        assert_eq!(plain.query("no"), None);
        assert_eq!(plain.authorization, OwnedAuthorization::One("Bearer x".into()));
        assert_eq!(plain.host.as_deref(), Some("h:1"));
        assert!(!plain.keep_alive && !plain.is_restless);
        assert_eq!(format!("{plain:?}"), "GET /deltas/t/d (0 bytes)");
    }

    #[test]
    fn envelopes_are_opened() {
        let inner = "method=PATCH&header=Authorization%3A+Basic+a&body=%7B%22sha%22%3A1%7D";
        let opened = request(&post("/repos/t/git/refs/heads/d?x=1", RESTLESS, inner));
        assert_eq!(opened.method, Method::Patch);
        assert_eq!(opened.authorization, OwnedAuthorization::One("Basic a".into()));
        assert_eq!(&opened.body.decode()[..], b"{\"sha\":1}");
        assert!(opened.is_restless && opened.keep_alive);
        let (status, body) = refusal(&post("/documents/t", RESTLESS, "method=FETCH"));
        assert_eq!(status, "400");
        assert_eq!(body, "{\"code\":400,\"message\":\"Invalid RestLess Method Property\"}");
    }

    #[test]
    fn a_large_body_stays_escaped_until_it_is_wanted() {
        let text = format!("{{\"summary\":\"{}\",\"id\":\"d\"}}", "ü &=+%".repeat(20_000));
        let escape = |byte: u8| match byte {
            b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let escaped: String = text.bytes().map(escape).collect();
        for form in [
            format!("method=POST&header=Authorization%3A+Basic+a&body={escaped}"),
            format!("body={escaped}&method=POST&header=Authorization%3A+Basic+a"),
        ] {
            let opened = request(&post("/documents/t", RESTLESS, &form));
            assert!(opened.body.is_escaped);
            assert_eq!(opened.method, Method::Post);
            assert_eq!(opened.authorization, OwnedAuthorization::One("Basic a".into()));
            assert_eq!(&opened.body.decode()[..], text.as_bytes());
            assert_eq!(opened.text_in_body("id").as_deref(), Some("d"));
            assert_eq!(opened.text_in_body("di"), None);
        }
        let twice = format!("method=POST&body={escaped}&body=%7B%7D");
        assert_eq!(refusal(&post("/documents/t", RESTLESS, &twice)).0, "400");
        let none = format!("method=POST&padding={}", "x".repeat(DECODED_BYTES_MAX));
        assert_eq!(request(&post("/x", RESTLESS, &none)).body.decode(), Bytes::new());
    }

    #[test]
    fn methods_are_overridden_as_in_plug() {
        let form = "application/x-www-form-urlencoded";
        for (text, expected) in [
            (post("/x", "application/json", "{\"a\":[],\"_method\":\"patch\"}"), Method::Patch),
            (post("/x", form, "a=1&_method=DELETE"), Method::Delete),
            (post("/x?_method=PUT", form, ""), Method::Put),
            (post("/x", "application/json", "{\"_method\":\"GET\"}"), Method::Post),
            (post("/x", "application/json", "{\"a\":{\"_method\":\"PUT\"}}"), Method::Post),
            (post("/x", "application/json", "{\"_method\":"), Method::Post),
        ] {
            assert_eq!(request(&text).method, expected, "{text}");
        }
    }

    #[test]
    fn socket_io_upgrades() {
        let target = "/socket.io/?documentId=d&tenantId=t&EIO=4&transport=websocket";
        let mut reader = HttpReader::default();
        reader.push(upgrade_request(target).as_bytes()).unwrap();
        reader.push(b"frames").unwrap();
        let Some(Incoming::Upgrade(upgrade)) = said(&mut reader) else {
            panic!("no upgrade");
        };
        assert_eq!(upgrade.dialect, Dialect::SocketIo);
        assert_eq!(upgrade.hint, Some(DocKey::new("t", "d")));
        assert_eq!(&upgrade.rest[..], b"frames");
        assert_eq!(reader.buffered_bytes(), 0);
        let answer = String::from_utf8(upgrade_response(&upgrade)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }

    #[test]
    fn engine_io_refuses_in_its_own_words() {
        let plain =
            |target| format!("GET {target} HTTP/1.1\r\nHost: h\r\nOrigin: http://o\r\n\r\n");
        for (text, code, message) in [
            (plain("/socket.io/?EIO=4&transport=polling"), 0, "Transport unknown"),
            (plain("/socket.io/?EIO=4&transport=polling&sid=x"), 0, "Transport unknown"),
            (plain("/socket.io/"), 0, "Transport unknown"),
            (plain("/socket.io/?EIO=4&transport=websocket&sid=x"), 1, "Session ID unknown"),
            (
                post("/socket.io/?EIO=4&transport=websocket", "text/plain", "40"),
                2,
                "Bad handshake method",
            ),
            (plain("/socket.io/?EIO=4&transport=websocket"), 3, "Bad request"),
            (
                upgrade_request("/socket.io/?EIO=3&transport=websocket"),
                5,
                "Unsupported protocol version",
            ),
        ] {
            let expected = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            assert_eq!(refusal(&text), ("400".to_owned(), expected), "{text}");
        }
        let Incoming::Answer { response, close } = only(&plain("/socket.io/?transport=polling"))
        else {
            panic!("no answer");
        };
        let text = String::from_utf8(response.to_vec()).unwrap();
        assert!(text.contains("access-control-allow-origin: http://o\r\n"));
        assert!(text.contains("access-control-allow-credentials: true\r\n"));
        assert!(!close);
    }

    #[test]
    fn phoenix_upgrades_by_the_version_of_its_serializer() {
        for (query, expected) in [
            ("token=x&vsn=2.0.0", Some(Dialect::Phoenix)),
            ("vsn=2.0.7", Some(Dialect::Phoenix)),
            ("vsn=3.0.0", Some(Dialect::PhoenixMsgpack)),
            ("vsn=1.0.0", None),
            ("vsn=2.1.0", None),
            ("vsn=2.0.x", None),
            ("vsn=2.0", None),
            ("", None),
        ] {
            let text = upgrade_request(&format!("/socket/websocket?{query}"));
            match (only(&text), expected) {
                (Incoming::Upgrade(upgrade), Some(dialect)) => {
                    assert_eq!((upgrade.dialect, upgrade.hint), (dialect, None));
                }
                (Incoming::Answer { .. }, None) => {
                    assert_eq!(refusal(&text), ("403".to_owned(), String::new()), "{query}");
                }
                (other, _) => panic!("{query}: {other:?}"),
            }
        }
        let not_an_upgrade = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\n\r\n";
        assert_eq!(refusal(not_an_upgrade), ("400".to_owned(), String::new()));
        let wrong_method = post("/socket/websocket?vsn=2.0.0", "text/plain", "");
        assert_eq!(refusal(&wrong_method), ("400".to_owned(), String::new()));
    }

    #[test]
    fn unusable_handshakes_are_faults() {
        let target = "/socket/websocket?vsn=2.0.0";
        for (old, new, status) in [
            ("Version: 13", "Version: 8", 426),
            ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: short", 400),
        ] {
            let mut reader = HttpReader::default();
            reader.push(upgrade_request(target).replace(old, new).as_bytes()).unwrap();
            let fault = reader.next(PEER, &Limits::default()).unwrap_err();
            assert_eq!(fault.status(), status);
            let text = String::from_utf8(fault_response(fault).to_vec()).unwrap();
            assert_eq!(text.contains("sec-websocket-version: 13"), status == 426);
            assert!(text.contains("connection: close"));
        }
        let timeout = String::from_utf8(timeout_response().to_vec()).unwrap();
        assert!(timeout.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        assert!(timeout.ends_with("{\"errors\":{\"detail\":\"Request Timeout\"}}"));
    }

    #[test]
    fn pipelined_requests_wait_and_are_bounded() {
        let mut reader = HttpReader::default();
        reader
            .push(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        for path in ["/a", "/b"] {
            let Some(Incoming::Request(request)) = said(&mut reader) else {
                panic!("{path}");
            };
            assert_eq!(&*request.path, path);
        }
        assert!(said(&mut reader).is_none() && reader.is_idle());
        assert_eq!(reader.buffered_bytes(), 0);
        let flood = vec![b'x'; PIPELINED_BYTES_MAX / 2 + 1];
        reader.push(&flood).unwrap();
        assert_eq!(reader.push(&flood), Err(HttpFault::HeadTooLarge));
    }

    #[test]
    fn a_waiting_client_is_told_to_go_on() {
        let mut reader = HttpReader::default();
        let head =
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        reader.push(head.as_bytes()).unwrap();
        let Some(Incoming::Answer { response, close: false }) = said(&mut reader) else {
            panic!("no answer");
        };
        assert_eq!(&response[..], b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(said(&mut reader).is_none());
        reader.push(b"ok").unwrap();
        assert!(
            matches!(said(&mut reader), Some(Incoming::Request(r)) if &r.body.decode()[..] == b"ok")
        );
    }

    #[test]
    fn bodies_have_a_limit() {
        let limits = Limits { body_bytes_max: 10, ..Limits::default() };
        let mut reader = HttpReader::default();
        reader.push(post("/x", "text/plain", "elevenbytes").as_bytes()).unwrap();
        let fault = reader.next(PEER, &limits).unwrap_err();
        assert_eq!(fault.status(), 413);
        let text = String::from_utf8(fault_response(fault).to_vec()).unwrap();
        assert!(text.ends_with("{\"errors\":{\"detail\":\"Request Entity Too Large\"}}"));
    }

    proptest! {
        #[test]
        fn every_cut_says_the_same(cut in 0_usize..200) {
            let text = post("/documents/t", RESTLESS, "method=POST&body=%7B%7D") + &upgrade_request(
                "/socket.io/?EIO=4&transport=websocket",
            );
            let cut = cut.min(text.len());
            let mut reader = HttpReader::default();
            let mut seen = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                reader.push(part.as_bytes()).unwrap();
                while let Some(said) = said(&mut reader) {
                    seen.push(match said {
                        Incoming::Request(request) => format!("{request:?}"),
                        Incoming::Upgrade(upgrade) => format!("{:?}", upgrade.dialect),
                        Incoming::Answer { .. } => "answer".to_owned(),
                    });
                }
            }
            prop_assert_eq!(seen, ["POST /documents/t (2 bytes)", "SocketIo"]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = HttpReader::default();
            if reader.push(&bytes).is_ok() {
                while let Ok(Some(_)) = reader.next(PEER, &Limits::default()) {}
            }
        }
    }
}
