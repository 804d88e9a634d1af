//! One Fluid client over Socket.IO: handshake, ops and signals, as the official driver does it.

use crate::check::{ClientIndex, Receiver, Violation, contents_mark};
use crate::http::find_answer;
use crate::net::Stream;
use crate::room::Room;
use crate::scan::{self, Packet};
use crate::scenario::Kind;
use crate::ws::{self, Encoder, FrameError, Opcode};
use serde_json::json;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use thiserror::Error;

/// The key and answer of RFC 6455's example: any key does, and its answer is known.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const WEBSOCKET_ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What clients say they are.
const AGENT: &str = "; loaderVersion:2.111.0; driverVersion:2.111.0";
/// An op's contents have the shape of a map's, escaped as they stand in a frame: up to the mark.
const OP_OPEN: &str =
    r#"{\"type\":\"component\",\"contents\":{\"address\":\"A\",\"contents\":{\"key\":\""#;
/// Behind the mark, around the padding.
const OP_REST: &str = r#"\",\"value\":\"\"}}}"#;
/// Where the padding stands in [`OP_REST`].
const OP_MIDDLE_BYTES: usize = OP_REST.len() - r#"\"}}}"#.len();
/// Longest text quoted from a service in a fault.
const QUOTE_BYTES: usize = 300;

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// TCP connects.
    Connecting,
    /// The upgrade request is sent.
    Upgrading,
    /// WebSocket stands; Engine.IO and the namespace are opened, `connect_document` is on its way.
    Opening,
    /// `connect_document_success` has come.
    Joined,
    /// This client has said goodbye and waits for the service's.
    Leaving,
    /// Nothing more comes.
    Ended,
}

/// Why a client is of no more use. Every fault fails the run.
#[derive(Debug, Error)]
pub enum Fault {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("WebSocket: {0}")]
    Frame(#[from] FrameError),
    #[error("the WebSocket upgrade was not answered as it must be")]
    Upgrade,
    #[error("a service sent a binary frame")]
    Binary,
    #[error("connect_document was refused: {0}")]
    Refused(Box<str>),
    #[error("nack: {0}")]
    Nack(Box<str>),
    #[error("the service ended the session in phase {0:?}")]
    Disconnected(Phase),
    #[error("connection in phase {phase:?}: {source}")]
    Io { phase: Phase, source: io::Error },
}

/// One client of one document.
pub struct Client {
    pub index: ClientIndex,
    /// Index of its document.
    pub document: usize,
    pub phase: Phase,
    /// Given by the service; empty before [`Phase::Joined`].
    pub id: Box<[u8]>,
    pub receiver: Receiver,
    /// Ops or signals sent that have not come back to this client.
    pub in_flight: u32,
    pub stream: Stream,
    /// Last signal seen from each client of the document.
    pub last_signals: Vec<u64>,
    opened_ns: u64,
    encoder: Encoder,
    fragments: Vec<u8>,
}

impl Client {
    /// A client whose connection was just started.
    #[must_use]
    pub fn new(index: ClientIndex, document: usize, stream: Stream, now_ns: u64) -> Self {
        Self {
            index,
            document,
            phase: Phase::Connecting,
            id: Box::default(),
            receiver: Receiver::default(),
            in_flight: 0,
            stream,
            last_signals: Vec::new(),
            opened_ns: now_ns,
            encoder: Encoder::new(now_ns ^ u64::from(index) << 32),
            fragments: Vec::new(),
        }
    }

    /// Takes that the socket is writable: the connect has finished, or there is room again.
    ///
    /// # Errors
    /// The connect failed.
    pub fn writable(&mut self, host: SocketAddr, room: &Room) -> Result<(), Fault> {
        if self.phase != Phase::Connecting {
            return Ok(());
        }
        let phase = self.phase;
        self.stream.connected().map_err(|source| Fault::Io { phase, source })?;
        self.phase = Phase::Upgrading;
        let (document, tenant) = (room.document_id(self.document), room.signer.tenant());
        let request = format!(
            "GET /socket.io/?documentId={document}&tenantId={tenant}&EIO=4&transport=websocket \
             HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {WEBSOCKET_KEY}\r\n\r\n"
        );
        self.stream.out.extend_from_slice(request.as_bytes());
        Ok(())
    }

    /// Takes received bytes and answers how many of them were used.
    ///
    /// # Errors
    /// The service did something it must not.
    pub fn take(&mut self, bytes: &[u8], now_ns: u64, room: &mut Room) -> Result<usize, Fault> {
        let mut at = 0;
        if self.phase == Phase::Upgrading {
            let Some(answer) = find_answer(bytes).map_err(|_| Fault::Upgrade)? else {
                return Ok(0);
            };
            let head = &bytes[..answer.body.start];
            let accepted = memchr::memmem::find(head, WEBSOCKET_ACCEPT).is_some();
            if answer.status != 101 || !accepted {
                return Err(Fault::Upgrade);
            }
            self.phase = Phase::Opening;
            at = answer.body.end;
        }
        while let Some(frame) = ws::decode(bytes, at)? {
            at = frame.payload.end;
            let payload = &bytes[frame.payload];
            match (frame.opcode, frame.fin) {
                (Opcode::Text, true) => self.text(payload, now_ns, room)?,
                (Opcode::Text | Opcode::Continuation, fin) => {
                    self.fragment(payload, fin, now_ns, room)?;
                }
                (Opcode::Binary, _) => return Err(Fault::Binary),
                (Opcode::Ping, _) => {
                    let echo = |out: &mut Vec<u8>| out.extend_from_slice(payload);
                    self.encoder.frame(&mut self.stream.out, Opcode::Pong, echo);
                }
                (Opcode::Pong, _) => {}
                (Opcode::Close, _) => return self.ended().map(|()| at),
            }
        }
        Ok(at)
    }

    /// Takes that the service ended the connection.
    ///
    /// # Errors
    /// This client had not said goodbye.
    pub fn ended(&mut self) -> Result<(), Fault> {
        let phase = self.phase;
        self.phase = Phase::Ended;
        match phase {
            Phase::Leaving | Phase::Ended => Ok(()),
            Phase::Connecting | Phase::Upgrading | Phase::Opening | Phase::Joined => {
                Err(Fault::Disconnected(phase))
            }
        }
    }

    fn fragment(
        &mut self,
        payload: &[u8],
        fin: bool,
        now_ns: u64,
        room: &mut Room,
    ) -> Result<(), Fault> {
        if self.fragments.len() + payload.len() > ws::MAX_PAYLOAD_BYTES {
            return Err(FrameError::TooLarge((self.fragments.len() + payload.len()) as u64).into());
        }
        self.fragments.extend_from_slice(payload);
        if fin {
            let message = std::mem::take(&mut self.fragments);
            self.text(&message, now_ns, room)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8], now_ns: u64, room: &mut Room) -> Result<(), Fault> {
        match scan::classify(text).map_err(Violation::from)? {
            Packet::Ping => self.encoder.text(&mut self.stream.out, b"3"),
            Packet::Open => self.encoder.text(&mut self.stream.out, b"40"),
            Packet::NamespaceJoined => self.connect_document(room),
            Packet::NamespaceLeft => return self.ended(),
            Packet::ConnectSuccess(answer) => self.joined(answer, now_ns, room)?,
            Packet::ConnectError(answer) => return Err(Fault::Refused(quote(answer))),
            Packet::Nack(nack) => return Err(Fault::Nack(quote(nack))),
            // What still comes after the goodbye is no part of the check.
            Packet::Ops(_) | Packet::Signal(_) if self.phase == Phase::Leaving => {}
            Packet::Ops(frame) => {
                let own = room.ops(self.document, self.index, &mut self.receiver, frame, now_ns)?;
                self.came_back(own, now_ns, room);
            }
            Packet::Signal(signal) => {
                let own = room.signal(self.index, &mut self.last_signals, signal, now_ns)?;
                self.came_back(u32::from(own), now_ns, room);
            }
            Packet::Other => {}
        }
        Ok(())
    }

    fn connect_document(&mut self, room: &Room) {
        let document = room.document_id(self.document);
        let user = format!("user-{}", self.index);
        let request = json!(["connect_document", {
            "client": {
                "details": {"capabilities": {"interactive": true}, "environment": AGENT},
                "permission": [],
                "scopes": [],
                "user": {"id": user},
                "mode": "write",
            },
            "id": document,
            "mode": "write",
            "tenantId": room.signer.tenant(),
            "token": room.signer.token(document, &user),
            "versions": ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
            "relayUserAgent": AGENT,
            "supportedFeatures": {"submit_signals_v2": true},
        }]);
        let event = format!("42{request}");
        self.encoder.text(&mut self.stream.out, event.as_bytes());
    }

    fn joined(&mut self, answer: &[u8], now_ns: u64, room: &mut Room) -> Result<(), Fault> {
        let id = scan::text_field(answer, b"clientId");
        let id = id.ok_or_else(|| Fault::Refused(quote(answer)))?;
        self.id = id.into();
        self.phase = Phase::Joined;
        room.joined(self.document, self.index, &self.id, self.opened_ns, now_ns);
        if room.kind == Kind::Connect {
            self.leave(room);
        }
        Ok(())
    }

    fn came_back(&mut self, own: u32, now_ns: u64, room: &mut Room) {
        self.in_flight = self.in_flight.saturating_sub(own);
        if room.resubmits {
            (0..own).for_each(|_| self.submit(now_ns, room));
        }
    }

    /// Sends the next op or signal, meant for `due_ns`.
    pub fn submit(&mut self, due_ns: u64, room: &mut Room) {
        self.in_flight += 1;
        if room.kind == Kind::Signals {
            self.submit_signal(due_ns, room);
        } else {
            self.submit_op(due_ns, room);
        }
    }

    fn submit_op(&mut self, due_ns: u64, room: &mut Room) {
        let Some(csn) = room.op_submitted(self.document, &self.id, due_ns) else {
            return;
        };
        let reference = self.receiver.last();
        let mark = contents_mark(self.index, csn);
        let around = unescaped_length(OP_OPEN) + mark.len() + unescaped_length(OP_REST);
        let id = &self.id;
        self.encoder.frame(&mut self.stream.out, Opcode::Text, |out| {
            out.extend_from_slice(br#"42["submitOp",""#);
            out.extend_from_slice(id);
            out.extend_from_slice(br#"",[[{"contents":""#);
            out.extend_from_slice(OP_OPEN.as_bytes());
            out.extend_from_slice(mark.as_bytes());
            let (middle, close) = OP_REST.split_at(OP_MIDDLE_BYTES);
            out.extend_from_slice(middle.as_bytes());
            room.pad(out, csn as usize, around);
            out.extend_from_slice(close.as_bytes());
            put(out, format_args!(r#"","referenceSequenceNumber":{reference},"type":"op","#));
            put(out, format_args!(r#""clientSequenceNumber":{csn}}}]]]"#));
        });
    }

    fn submit_signal(&mut self, due_ns: u64, room: &mut Room) {
        let number = room.signal_sent(self.index, due_ns);
        let mark = format!("{}.{number}; ", self.index);
        let id = &self.id;
        self.encoder.frame(&mut self.stream.out, Opcode::Text, |out| {
            out.extend_from_slice(br#"42["submitSignal",""#);
            out.extend_from_slice(id);
            out.extend_from_slice(br#"",[{"content":""#);
            out.extend_from_slice(mark.as_bytes());
            room.pad(out, number as usize, mark.len());
            out.extend_from_slice(br#""}]]"#);
        });
    }

    /// Says goodbye; the service then ends the connection.
    pub fn leave(&mut self, room: &mut Room) {
        self.phase = Phase::Leaving;
        room.left(self.document, &self.id);
        self.encoder.text(&mut self.stream.out, b"41");
        self.encoder.frame(&mut self.stream.out, Opcode::Close, |_| {});
    }
}

/// Length of escaped text as the application sees it; it escapes nothing but quotes.
const fn unescaped_length(escaped: &str) -> usize {
    let (bytes, mut length, mut at) = (escaped.as_bytes(), 0, 0);
    while at < bytes.len() {
        length += (bytes[at] != b'\\') as usize;
        at += 1;
    }
    length
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

fn quote(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&text[..text.len().min(QUOTE_BYTES)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_json_of_the_length_that_is_counted() {
        let (mark, padding) = (contents_mark(3, 14), "y".repeat(50));
        let (middle, close) = OP_REST.split_at(OP_MIDDLE_BYTES);
        let escaped = format!("\"{OP_OPEN}{mark}{middle}{padding}{close}\"");
        let contents: String = serde_json::from_str(&escaped).unwrap();
        let around = unescaped_length(OP_OPEN) + mark.len() + unescaped_length(OP_REST);
        assert_eq!(contents.len(), around + padding.len());
        let inner: serde_json::Value = serde_json::from_str(&contents).unwrap();
        assert_eq!(inner["contents"]["contents"]["key"], mark);
        assert_eq!(inner["contents"]["contents"]["value"], padding);
    }
}
