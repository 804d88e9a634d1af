//! A WebSocket client for tests: blocking, with a deadline on everything, and able to misbehave.

use crate::rest;
use levee_core::wire::websocket::{Opcode, accept_key, client_frame};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const RECEIVE_BYTES: usize = 64 << 10;

/// One whole message of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// Its code, if it has one.
    Close(Option<u16>),
}

pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    /// Received and not yet understood, from `start`.
    bytes: Vec<u8>,
    start: usize,
    frames_sent: u32,
}

impl Socket {
    /// Opens a connection and upgrades it.
    pub(crate) fn open(address: SocketAddr, path: &str) -> io::Result<Self> {
        let mut stream = rest::open(address)?;
        stream.write_all(upgrade_request(address, path).as_bytes())?;
        Self::upgraded(stream)
    }

    /// Reads the answer to an upgrade that has been asked for. What follows it stays.
    fn upgraded(mut stream: TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut one = [0; 4096];
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let count = stream.read(&mut one)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&one[..count]);
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 101") {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, head));
        }
        let accept = rest::header(&head, "sec-websocket-accept").unwrap_or("");
        assert_eq!(accept.as_bytes(), accept_key(KEY), "{head}");
        Ok(Self { stream, bytes, start: end, frames_sent: 0 })
    }

    pub(crate) fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send(Opcode::Text, true, text.as_bytes())
    }

    pub(crate) fn send(
        &mut self,
        opcode: Opcode,
        is_final: bool,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 16);
        self.frames_sent = self.frames_sent.wrapping_add(1);
        let mask = self.frames_sent.wrapping_mul(0x9E37_79B9).to_be_bytes();
        client_frame(&mut frame, opcode, is_final, mask, payload);
        self.stream.write_all(&frame)
    }

    /// The next message; `None` when there is none by then, `Err` when the socket has ended.
    pub(crate) fn receive(&mut self, until: Instant) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            let left = until.saturating_duration_since(Instant::now());
            // A zero timeout would mean to wait for ever.
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            self.compact();
            let len = self.bytes.len();
            self.bytes.resize(len + RECEIVE_BYTES, 0);
            let received = self.stream.read(&mut self.bytes[len..]);
            self.bytes.truncate(len + received.as_ref().map_or(0, |count| *count));
            match received {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        if Instant::now() >= until {
                            return Ok(None);
                        }
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn compact(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 4 * RECEIVE_BYTES {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Takes one message out of what was received. The service never fragments nor masks.
    fn next(&mut self) -> io::Result<Option<Message>> {
        let bytes = &self.bytes[self.start..];
        let &[first, second, ..] = bytes else {
            return Ok(None);
        };
        let (len, at) = match second {
            126 => match bytes.get(2..4) {
                Some(len) => (usize::from(u16::from_be_bytes([len[0], len[1]])), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(len) => {
                    let len = u64::from_be_bytes(len.try_into().expect("eight bytes"));
                    (usize::try_from(len).expect("a length that fits"), 10)
                }
                None => return Ok(None),
            },
            len => (usize::from(len), 2),
        };
        let Some(payload) = bytes.get(at..at + len) else {
            return Ok(None);
        };
        let message = match first {
            0x81 => Message::Text(String::from_utf8(payload.to_vec()).expect("UTF-8")),
            0x82 => Message::Binary(payload.to_vec()),
            0x88 => {
                Message::Close(payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]])))
            }
            0x8A => Message::Pong(payload.to_vec()),
            other => return Err(io::Error::other(format!("a frame that starts {other:#x}"))),
        };
        self.start += at + len;
        Ok(Some(message))
    }

    /// Reads to the end of the socket; the close code on the way, if there was one.
    pub(crate) fn read_to_end(&mut self, until: Instant) -> Ended {
        let mut code = None;
        loop {
            match self.receive(until) {
                Ok(Some(Message::Close(found))) => code = Some(found),
                Ok(Some(_)) => {}
                Ok(None) => panic!("the socket is still open"),
                Err(_) => return Ended { code },
            }
        }
    }

    /// Ends it without a word.
    pub(crate) fn cut(self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// How a socket ended: a close frame with or without a code, or none at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<Option<u16>>,
}

impl Ended {
    pub(crate) fn with(code: u16) -> Self {
        Self { code: Some(Some(code)) }
    }
}

/// The request that makes a WebSocket of a connection.
pub(crate) fn upgrade_request(address: SocketAddr, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
    )
}
