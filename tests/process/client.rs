//! A well-behaved client of either wire. It keeps every operation it was shown.

use crate::ops::Op;
use crate::service::PATIENCE;
use crate::socket::{Message, Socket};
use crate::token::{self, TENANT};
use crate::wire::{Event, Outgoing, Wire, topic};
use levee_core::dialect::msgpack;
use levee_core::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Read,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// Why a client has no more to do.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The socket ended; the close code, if one was said, and whether `41` came before.
    Ended {
        code: Option<u16>,
        goodbye: bool,
    },
    /// `connect_document_error`.
    Refused(Value),
    Broken(io::Error),
}

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) document: String,
    /// The id that the service gave.
    pub(crate) id: String,
    pub(crate) mode: Mode,
    /// It speaks msgpack (`vsn=3.0.0`); in this file it is JSON all the same.
    is_packed: bool,
    pub(crate) socket: Socket,
    /// The payload of `connect_document_success`.
    pub(crate) success: Value,
    /// Every operation it was shown, in order.
    pub(crate) shown: Vec<Op>,
    pub(crate) signals: Vec<Value>,
    pub(crate) nacks: Vec<Value>,
    /// Numbers used for its own operations.
    pub(crate) client_seq: i64,
    /// The newest of its own operations that came back.
    pub(crate) echoed: i64,
    goodbye: bool,
    code: Option<u16>,
    pending: VecDeque<Event>,
}

impl Client {
    /// Connects in write mode and waits for its own join.
    pub(crate) fn connect(address: SocketAddr, wire: Wire, document: &str) -> Self {
        match Self::try_connect(address, wire, document, Mode::Write, &token::of(document)) {
            Ok(client) => client,
            Err(gone) => panic!("{wire:?} cannot connect to {document}: {gone:?}"),
        }
    }

    pub(crate) fn connect_to_read(address: SocketAddr, wire: Wire, document: &str) -> Self {
        match Self::try_connect(address, wire, document, Mode::Read, &token::of(document)) {
            Ok(client) => client,
            Err(gone) => panic!("{wire:?} cannot connect to {document}: {gone:?}"),
        }
    }

    pub(crate) fn try_connect(
        address: SocketAddr,
        wire: Wire,
        document: &str,
        mode: Mode,
        token: &str,
    ) -> Result<Self, Gone> {
        Self::introduced(address, wire, document, mode, introduction(document, mode, token))
    }

    /// Connects as the client that a container spawns to summarise.
    pub(crate) fn try_connect_summarizer(
        address: SocketAddr,
        wire: Wire,
        document: &str,
    ) -> Result<Self, Gone> {
        let mut payload = introduction(document, Mode::Write, &token::of(document));
        let details = json!({"capabilities": {"interactive": false}, "type": "summarizer"});
        payload["client"]["details"] = details;
        Self::introduced(address, wire, document, Mode::Write, payload)
    }

    fn introduced(
        address: SocketAddr,
        wire: Wire,
        document: &str,
        mode: Mode,
        payload: Value,
    ) -> Result<Self, Gone> {
        let socket = Socket::open(address, &wire.path(document))?;
        Self::introduced_on(socket, wire, document, mode, payload, false)
    }

    /// Connects as a Levee client that speaks msgpack.
    pub(crate) fn try_connect_packed(
        address: SocketAddr,
        document: &str,
        mode: Mode,
    ) -> Result<Self, Gone> {
        let socket = Socket::open(address, "/socket/websocket?vsn=3.0.0")?;
        let payload = introduction(document, mode, &token::of(document));
        Self::introduced_on(socket, Wire::Levee, document, mode, payload, true)
    }

    fn introduced_on(
        socket: Socket,
        wire: Wire,
        document: &str,
        mode: Mode,
        payload: Value,
        is_packed: bool,
    ) -> Result<Self, Gone> {
        let mut client = Self {
            wire,
            document: document.into(),
            id: String::new(),
            mode,
            is_packed,
            socket,
            success: Value::Null,
            shown: Vec::new(),
            signals: Vec::new(),
            nacks: Vec::new(),
            client_seq: 0,
            echoed: 0,
            goodbye: false,
            code: None,
            pending: VecDeque::new(),
        };
        client.introduce(payload)?;
        client.wait_for_answer()?;
        if mode == Mode::Write {
            client.wait_until(|client| client.has_joined())?;
        }
        Ok(client)
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        if !self.is_packed {
            return self.socket.send_text(text);
        }
        let mut packed = Vec::new();
        msgpack::from_json(text.as_bytes(), &mut packed).expect("JSON");
        self.socket.send(Opcode::Binary, true, &packed)
    }

    fn introduce(&mut self, payload: Value) -> Result<(), Gone> {
        let document = self.document.clone();
        match self.wire {
            Wire::Fluid => self.send("40")?,
            Wire::Levee => {
                let join = json!(["1", "1", topic(&document), "phx_join", {}]);
                self.send(&join.to_string())?;
            }
        }
        let connect = Outgoing::Connect(payload);
        let text = self.wire.message(&document, "connect_document", &connect);
        Ok(self.send(&text)?)
    }

    fn wait_for_answer(&mut self) -> Result<(), Gone> {
        let until = Instant::now() + PATIENCE;
        while self.id.is_empty() {
            match self.hear(until)? {
                None => panic!("connect_document is not answered"),
                Some(Event::Refused(error)) => return Err(Gone::Refused(error)),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn has_joined(&self) -> bool {
        let is_own = |op: &Op| op.kind == "join" && op.member.as_deref() == Some(&self.id);
        self.shown.iter().any(is_own)
    }

    /// The next event by then, noted in what this client knows.
    pub(crate) fn hear(&mut self, until: Instant) -> Result<Option<Event>, Gone> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(Some(event));
        }
        let text = match self.socket.receive(until) {
            Ok(None) => return Ok(None),
            Ok(Some(Message::Text(text))) => text,
            Ok(Some(Message::Binary(packed))) if self.is_packed => {
                let mut text = Vec::new();
                msgpack::to_json(&packed, &mut text).expect("msgpack");
                String::from_utf8(text).expect("UTF-8")
            }
            Ok(Some(Message::Close(code))) => {
                self.code = code;
                return Err(self.gone());
            }
            Ok(Some(other)) => panic!("unexpected: {other:?}"),
            Err(error) if self.goodbye => {
                drop(error);
                return Err(self.gone());
            }
            Err(error) => return Err(error.into()),
        };
        let event = self.wire.event(&text);
        match &event {
            Event::Connected { client, initial, payload } => {
                self.id.clone_from(client);
                self.success = payload.clone();
                self.note(initial);
            }
            Event::Ops(ops) => self.note(ops),
            Event::Signal(signal) => self.signals.push(signal.clone()),
            Event::Nack(nack) => self.nacks.push(nack.clone()),
            Event::Ping => self.send("3")?,
            Event::Goodbye => self.goodbye = true,
            Event::Refused(_) | Event::Other => {}
        }
        Ok(Some(event))
    }

    fn gone(&self) -> Gone {
        Gone::Ended { code: self.code, goodbye: self.goodbye }
    }

    fn note(&mut self, ops: &[Op]) {
        for op in ops {
            if op.client.as_deref() == Some(&self.id) && !self.id.is_empty() {
                self.echoed = self.echoed.max(op.client_seq);
            }
            self.shown.push(op.clone());
        }
    }

    /// The newest number it was shown.
    pub(crate) fn seen(&self) -> u64 {
        self.shown.iter().rev().take(64).map(|op| op.seq).max().unwrap_or(0)
    }

    /// Listens until something is so.
    pub(crate) fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), Gone> {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            if self.hear(until)?.is_none() {
                let (nacks, seen) = (&self.nacks, self.seen());
                panic!("{:?} waits in vain; seen {seen}, nacks {nacks:?}", self.wire);
            }
        }
        Ok(())
    }

    /// Submits one batch of plain operations.
    pub(crate) fn submit(&mut self, contents: &[&str]) -> Result<(), Gone> {
        let reference = self.seen();
        let mut batch = Vec::new();
        for contents in contents {
            self.client_seq += 1;
            batch.push(json!({
                "type": "op",
                "contents": contents,
                "clientSequenceNumber": self.client_seq,
                "referenceSequenceNumber": reference,
            }));
        }
        let ops = Value::from(batch).to_string();
        self.submit_raw(&ops)
    }

    /// Submits a batch as it stands; it need not be good.
    pub(crate) fn submit_raw(&mut self, ops: &str) -> Result<(), Gone> {
        let submit = Outgoing::Submit { client: &self.id, ops };
        let text = self.wire.message(&self.document, "submitOp", &submit);
        Ok(self.send(&text)?)
    }

    pub(crate) fn signal(&mut self, content: &str) -> Result<(), Gone> {
        let signal = Outgoing::Signal { client: &self.id, content };
        let text = self.wire.message(&self.document, "submitSignal", &signal);
        Ok(self.send(&text)?)
    }

    /// Submits one operation and waits for its echo: proof that the document is served.
    pub(crate) fn edit(&mut self, contents: &str) {
        let done = self.submit(&[contents]).and_then(|()| {
            let mine = self.client_seq;
            self.wait_until(|client| client.echoed >= mine)
        });
        if let Err(gone) = done {
            panic!("{:?} cannot edit {}: {gone:?}", self.wire, self.document);
        }
    }

    /// Waits until it has been shown a number.
    pub(crate) fn catch_up(&mut self, seq: u64) {
        if let Err(gone) = self.wait_until(|client| client.seen() >= seq) {
            panic!("{:?} cannot catch up: {gone:?}", self.wire);
        }
    }

    /// Leaves without a word.
    pub(crate) fn cut(self) -> Vec<Op> {
        self.socket.cut();
        self.shown
    }
}

/// The payload of `connect_document`.
pub(crate) fn introduction(document: &str, mode: Mode, token: &str) -> Value {
    let client = json!({
        "details": {"capabilities": {"interactive": true}},
        "permission": [],
        "scopes": [],
        "user": {"id": "u1", "name": "U"},
        "mode": mode.name(),
    });
    json!({
        "tenantId": TENANT,
        "id": document,
        "token": token,
        "client": client,
        "mode": mode.name(),
        "versions": ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
        "supportedFeatures": {"submit_signals_v2": true},
    })
}
