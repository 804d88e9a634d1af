//! A Fluid client of the tests: blocking, Socket.IO over a plain WebSocket, no cleverness.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tungstenite::{Message, WebSocket};

pub(crate) const TENANT: &str = "fluid";
const KEY: &[u8] = b"dev-tenant-secret-key";

/// An operation as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) seq: u64,
    pub(crate) body: Value,
}

impl Op {
    fn new(body: &Value) -> Self {
        Self { seq: body["sequenceNumber"].as_u64().unwrap(), body: body.clone() }
    }
}

pub(crate) fn token(document: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let claims = json!({
        "documentId": document,
        "tenantId": TENANT,
        "scopes": ["doc:read", "doc:write", "summary:write"],
        "user": {"id": "tester"},
        "iat": now.as_secs(),
        "exp": now.as_secs() + 3600,
        "ver": "1.0",
    });
    levee_core::auth::sign(&claims.to_string(), KEY)
}

/// One REST call on a connection of its own: status and body.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let document = path.split(['/', '?']).nth(3).unwrap_or("");
    call_for(address, method, path, body, document)
}

/// The same with a token for that document.
pub(crate) fn call_for(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    document: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = token(document);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Makes a document; its id.
pub(crate) fn create(address: SocketAddr) -> String {
    let summary = json!({"type": 1, "tree": {
        ".app": {"type": 1, "tree": {}},
        ".protocol": {"type": 1, "tree": {}},
    }});
    let body = json!({"summary": summary, "sequenceNumber": 0, "values": []}).to_string();
    let (status, answer) = call(address, "POST", &format!("/documents/{TENANT}"), &body);
    assert_eq!(status, 201, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer.as_str().or_else(|| answer["id"].as_str()).unwrap().to_owned()
}

/// All operations of a document, by REST.
pub(crate) fn deltas(address: SocketAddr, document: &str) -> Vec<Op> {
    let mut all: Vec<Op> = Vec::new();
    loop {
        let from = all.last().map_or(0, |op| op.seq);
        let path = format!("/deltas/{TENANT}/{document}?from={from}");
        let (status, body) = call(address, "GET", &path, "");
        assert_eq!(status, 200, "{body}");
        let page: Vec<Value> = serde_json::from_str(&body).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().map(Op::new));
    }
}

/// A client in write mode.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    pub(crate) id: String,
    client_seq: u64,
    /// Every operation seen, the ones of the connect answer included.
    pub(crate) seen: Vec<Op>,
}

impl Client {
    pub(crate) fn join(address: SocketAddr, document: &str) -> Option<Self> {
        Self::join_with(address, document, true)
    }

    /// Joins without waiting for the answers in between.
    pub(crate) fn rush(address: SocketAddr, document: &str) -> Option<Self> {
        Self::join_with(address, document, false)
    }

    fn join_with(address: SocketAddr, document: &str, is_patient: bool) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!(
            "ws://{address}/socket.io/?EIO=4&transport=websocket&tenantId={TENANT}\
             &documentId={document}"
        );
        let (socket, _) = tungstenite::client(url, stream).ok()?;
        let mut client = Self { socket, id: String::new(), client_seq: 0, seen: Vec::new() };
        let connect = json!(["connect_document", {
            "tenantId": TENANT,
            "id": document,
            "token": token(document),
            "client": {
                "mode": "write",
                "details": {"capabilities": {"interactive": true}},
                "permission": [],
                "user": {"id": "tester"},
                "scopes": [],
            },
            "versions": ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
            "mode": "write",
            "supportedFeatures": {"submit_signals_v2": true},
        }]);
        if is_patient {
            client.expect("0")?;
        }
        client.send("40");
        if is_patient {
            client.expect("40")?;
        }
        client.send(&format!("42{connect}"));
        if !is_patient {
            client.expect("0")?;
            client.expect("40")?;
        }
        let answer = client.event("connect_document_success")?;
        client.id = answer["clientId"].as_str().unwrap().to_owned();
        let initial = answer["initialMessages"].as_array().cloned().unwrap_or_default();
        client.seen.extend(initial.iter().map(Op::new));
        // Nobody submits before the own join is in the order.
        let id = client.id.clone();
        let joined = move |seen: &[Op]| {
            let mut joins = seen.iter().filter(|op| op.body["type"] == "join");
            joins.any(|op| op.body["data"].as_str().is_some_and(|data| data.contains(&id)))
        };
        client.read_until(joined).then_some(client)
    }

    fn send(&mut self, text: &str) {
        // A socket that has ended is noticed when it is read.
        let _ = self.socket.send(Message::text(text));
    }

    /// The next text that is no ping; `None` when the socket has ended.
    fn text(&mut self) -> Option<String> {
        loop {
            match self.socket.read().ok()? {
                Message::Text(text) if text.as_str() == "2" => self.send("3"),
                Message::Text(text) => return Some(text.to_string()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    fn expect(&mut self, start: &str) -> Option<()> {
        let text = self.text()?;
        assert!(text.starts_with(start), "{text}");
        Some(())
    }

    /// The first argument of the next event of that name; operations before it are kept.
    fn event(&mut self, name: &str) -> Option<Value> {
        loop {
            let text = self.text()?;
            let Some(event) = text.strip_prefix("42") else {
                continue;
            };
            let event: Value = serde_json::from_str(event).unwrap();
            if event[0] == "op" {
                self.seen.extend(event[2].as_array().unwrap().iter().map(Op::new));
            }
            if event[0] == name {
                return Some(event[1].clone());
            }
            assert_ne!(event[0], "nack", "{event}");
            assert_ne!(event[0], "connect_document_error", "{event}");
        }
    }

    /// Submits one operation with these contents.
    pub(crate) fn submit(&mut self, contents: &str) {
        self.client_seq += 1;
        let op = json!({
            "type": "op",
            "clientSequenceNumber": self.client_seq,
            "referenceSequenceNumber": self.seen.last().map_or(0, |op| op.seq),
            "contents": contents,
        });
        let event = json!(["submitOp", self.id, [op]]);
        self.send(&format!("42{event}"));
    }

    /// Reads until `enough` holds of what was seen; false when the socket ended before.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&[Op]) -> bool) -> bool {
        while !enough(&self.seen) {
            if self.event("op").is_none() {
                return false;
            }
        }
        true
    }

    /// Ends without a word, as a lost network does.
    pub(crate) fn vanish(self) {
        let _ = self.socket.get_ref().shutdown(std::net::Shutdown::Both);
    }
}

/// No gap, no repetition.
pub(crate) fn assert_consecutive(ops: &[Op]) {
    for pair in ops.windows(2) {
        assert_eq!(pair[0].seq + 1, pair[1].seq, "{pair:?}");
    }
}
