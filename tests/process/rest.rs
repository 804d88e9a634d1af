//! The least of HTTP that a test needs: one request, one answer, byte for byte.

use crate::ops::Op;
use crate::service::PATIENCE;
use crate::token::{self, TENANT};
use crate::wire::Wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one answer; `Err` when the peer closes or says nothing before it is whole.
    pub(crate) fn read(stream: TcpStream) -> io::Result<Self> {
        Replies::new(stream).next()
    }
}

/// The answers on one connection, in order.
pub(crate) struct Replies {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Replies {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 << 10];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    pub(crate) fn next(&mut self) -> io::Result<Reply> {
        let end = loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes.drain(..end);
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, head.clone());
        let status = head.get(9..12).and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
        let length = match status {
            101 | 204 | 304 => 0,
            _ => header(&head, "content-length")
                .and_then(|text| text.parse().ok())
                .ok_or_else(invalid)?,
        };
        while self.bytes.len() < length {
            self.more()?;
        }
        let body = self.bytes.drain(..length).collect();
        Ok(Reply { status, head, body })
    }
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A connection on which nothing waits longer than a test's patience.
pub(crate) fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut stream = open(address)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    Reply::read(stream)
}

pub(crate) fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Reply> {
    request(address, "GET", path, headers, b"")
}

/// The `Authorization` by which a wire calls `/deltas` and `/documents`.
pub(crate) fn authorization(wire: Wire, token: &str) -> String {
    match wire {
        Wire::Fluid => format!("Basic {token}"),
        Wire::Levee => format!("Bearer {token}"),
    }
}

/// Creates a document of the tenant `fluid`, as an attaching container does.
pub(crate) fn create(address: SocketAddr, document: &str) {
    let reply = try_create(address, document).expect("an answer to a creation");
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// [`create`], on a service that may be about to die.
pub(crate) fn try_create(address: SocketAddr, document: &str) -> io::Result<Reply> {
    let authorization = authorization(Wire::Fluid, &token::of(document));
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let tree = r#"{"type":1,"tree":{"header":{"type":2,"content":"x"}}}"#;
    let body = format!(r#"{{"id":"{document}","summary":{tree},"sequenceNumber":0,"values":[]}}"#);
    request(address, "POST", "/documents/fluid", &headers, body.as_bytes())
}

/// The `Authorization` by which a Fluid client calls the storage of a document.
pub(crate) fn storage_authorization(document: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{TENANT}:{}", token::of(document))))
}

/// Asks for a git object to be stored.
fn try_store(address: SocketAddr, document: &str, kind: &str, body: &str) -> io::Result<Reply> {
    let authorization = storage_authorization(document);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let path = format!("/repos/fluid/git/{kind}");
    request(address, "POST", &path, &headers, body.as_bytes())
}

/// Stores a git object; its id.
fn store(address: SocketAddr, document: &str, kind: &str, body: &str) -> io::Result<String> {
    let reply = try_store(address, document, kind, body)?;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let stored: serde_json::Value = serde_json::from_slice(&reply.body)?;
    Ok(stored["sha"].as_str().expect("an id").to_owned())
}

/// What a request to store a blob holds.
pub(crate) fn blob_body(content: &str) -> String {
    serde_json::json!({"content": content, "encoding": "utf-8"}).to_string()
}

/// [`store_blob`], on a service that may refuse it.
pub(crate) fn try_store_blob(
    address: SocketAddr,
    document: &str,
    content: &str,
) -> io::Result<Reply> {
    try_store(address, document, "blobs", &blob_body(content))
}

/// Stores a blob; its id.
pub(crate) fn store_blob(address: SocketAddr, document: &str, content: &str) -> io::Result<String> {
    store(address, document, "blobs", &blob_body(content))
}

/// Stores a tree of one blob; its id.
pub(crate) fn store_tree(address: SocketAddr, document: &str, content: &str) -> io::Result<String> {
    let sha = store_blob(address, document, content)?;
    let entry = serde_json::json!({"mode": "100644", "path": "header", "sha": sha, "type": "blob"});
    store(address, document, "trees", &serde_json::json!({"tree": [entry]}).to_string())
}

/// A blob's content.
pub(crate) fn blob(address: SocketAddr, document: &str, id: &str) -> String {
    let authorization = storage_authorization(document);
    let path = format!("/repos/fluid/git/blobs/{id}");
    let reply = get(address, &path, &[("authorization", &authorization)]).expect("an answer");
    assert_eq!(reply.status, 200, "blob {id}: {}", reply.text());
    let stored: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let content = stored["content"].as_str().expect("content");
    let bytes = STANDARD.decode(content).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

/// The newest versions of a document, newest first.
pub(crate) fn versions(address: SocketAddr, document: &str) -> io::Result<Vec<String>> {
    let authorization = storage_authorization(document);
    let path = format!("/repos/fluid/commits?count=5&sha={document}");
    let reply = get(address, &path, &[("authorization", &authorization)])?;
    assert_eq!(reply.status, 200, "{document}: {}", reply.text());
    let versions: Vec<serde_json::Value> = serde_json::from_slice(&reply.body)?;
    let ids = versions.iter().map(|version| version["sha"].as_str().expect("an id").to_owned());
    Ok(ids.collect())
}

/// A name as it stands in a path.
pub(crate) fn escaped(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut path = String::new();
    for byte in name.bytes() {
        match is_plain(byte) {
            true => path.push(char::from(byte)),
            false => path.push_str(&format!("%{byte:02X}")),
        }
    }
    // Else a path's own dots, to some readers.
    path.replace("..", "%2E%2E")
}

/// One call of `/deltas`, as it stands there.
pub(crate) fn deltas_page(address: SocketAddr, wire: Wire, document: &str, from: u64) -> Vec<Op> {
    let token = token::of(document);
    let authorization = authorization(wire, &token);
    let document = escaped(document);
    let path = format!("/deltas/fluid/{document}?from={from}");
    let reply = get(address, &path, &[("authorization", &authorization)]);
    let reply = reply.expect("an answer to /deltas");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let ops: Vec<Box<RawValue>> = match wire {
        Wire::Fluid => serde_json::from_slice(&reply.body).expect("an array"),
        Wire::Levee => {
            #[derive(serde::Deserialize)]
            struct Page {
                value: Vec<Box<RawValue>>,
            }
            let page: Page = serde_json::from_slice(&reply.body).expect("a page");
            page.value
        }
    };
    // Levee's rule lets the operation at the bound come along.
    ops.iter().map(|op| Op::parse(op)).filter(|op| op.seq > from).collect()
}

/// Everything that `/deltas` has after a number.
pub(crate) fn deltas(address: SocketAddr, wire: Wire, document: &str, mut from: u64) -> Vec<Op> {
    let mut all = Vec::new();
    loop {
        let page = deltas_page(address, wire, document, from);
        let Some(last) = page.last() else { return all };
        assert!(last.seq > from, "pages must go on");
        from = last.seq;
        all.extend(page);
    }
}
