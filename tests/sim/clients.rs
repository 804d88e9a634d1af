//! Simulated clients. They follow the Fluid loader's rules: process in order, fetch what is
//! missing, wait for the leave of their earlier self, then submit again what is not in the order.

use crate::checker::Checker;
use crate::invariant::Invariant;
use crate::random::Random;
use crate::receivers::Receivers;
use crate::speech::{At, Connected, Heard, Line, framed, topic_of, upgrade};
use levee_core::auth::sign;
use levee_core::dialect::Dialect;
use std::collections::VecDeque;

pub const KEY: &str = "a-key-of-the-simulation";
/// How often a Phoenix client says that it is there.
const HEARTBEAT_MS: u64 = 25_000;

/// What a client wants done to its socket.
#[derive(Debug)]
pub enum Wish {
    Open,
    Send(Vec<u8>),
    /// End of stream, after what was sent.
    Finish,
    /// The same, but the answers are waited for.
    FinishAsking,
    /// Everything under way is lost, in both directions.
    Reset,
    /// The machine is gone: no byte and no sign any more.
    Vanish,
    /// Store a summary's tree and submit it.
    Summarize {
        session: usize,
        is_honest: bool,
    },
}

/// What the client may look at and leave word with.
pub struct Around<'a> {
    pub checker: &'a mut Checker,
    pub receivers: &'a mut Receivers,
    pub now_ms: u64,
    pub unix_s: u64,
    /// Nobody acts any more, but comes back and says what is left to say.
    pub is_quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Away,
    Joining,
    Connecting,
    Up,
}

/// One document of a client.
#[derive(Debug)]
pub struct Session {
    pub document: String,
    pub is_reader: bool,
    pub state: State,
    pub client: String,
    pub seen: u64,
    /// Marks of what the client has changed and not yet found in the order.
    pub pending: VecDeque<String>,
    /// What it has last said of itself, if it is present.
    pub present: Option<u64>,
    join_ref: u64,
    client_seq: i64,
    mode: String,
    has_joined: bool,
    has_submitted: bool,
    /// Submitted under this id: the next one waits for its leave.
    earlier: Option<String>,
    is_current: bool,
    others: Vec<String>,
    head: Option<String>,
    retry_at_ms: u64,
}

impl Session {
    pub fn new(document: &str, is_reader: bool, start: u64, head: Option<String>) -> Self {
        Self {
            document: document.to_owned(),
            is_reader,
            state: State::Away,
            client: String::new(),
            seen: start,
            pending: VecDeque::new(),
            present: None,
            join_ref: 0,
            client_seq: 0,
            mode: String::new(),
            has_joined: false,
            has_submitted: false,
            earlier: None,
            is_current: false,
            others: Vec::new(),
            head,
            retry_at_ms: 0,
        }
    }

    /// The connection is gone, for whatever reason.
    fn drop_out(&mut self) {
        if self.has_submitted {
            self.earlier = Some(std::mem::take(&mut self.client));
        }
        self.state = State::Away;
        self.client.clear();
        (self.client_seq, self.has_joined, self.has_submitted) = (0, false, false);
        (self.is_current, self.present) = (false, None);
    }

    fn is_writer(&self) -> bool {
        self.state == State::Up && self.mode == "write"
    }

    /// May submit: it is in the order, and its earlier self is not.
    fn may_submit(&self) -> bool {
        self.is_writer() && self.has_joined && self.earlier.is_none()
    }
}

#[derive(Debug)]
pub struct Client {
    pub id: usize,
    pub dialect: Dialect,
    pub socket: Option<usize>,
    pub sessions: Vec<Session>,
    pub is_summarizer: bool,
    pub v2: bool,
    /// Does not wait for the namespace before it connects.
    is_eager: bool,
    /// Says that it is present as soon as it is connected.
    is_social: bool,
    is_upgraded: bool,
    pub random: Random,
    counter: u64,
    heartbeat_ms: u64,
    batch_max: u64,
}

impl Client {
    pub fn new(id: usize, dialect: Dialect, sessions: Vec<Session>, mut random: Random) -> Self {
        Self {
            id,
            dialect,
            socket: None,
            sessions,
            is_summarizer: random.chance(300),
            v2: random.chance(700),
            is_eager: random.chance(300),
            is_social: random.chance(400),
            is_upgraded: false,
            counter: 0,
            heartbeat_ms: 0,
            batch_max: if random.chance(30) { 120 } else { 4 },
            random,
        }
    }

    pub fn is_in(&self, document: &str) -> bool {
        self.sessions.iter().any(|session| session.document == document)
    }

    fn line(&self, session: usize) -> Line {
        let session = &self.sessions[session];
        Line {
            dialect: self.dialect,
            topic: topic_of(&session.document),
            join_ref: session.join_ref.to_string(),
        }
    }

    fn at(&self, session: usize) -> At {
        let session = &self.sessions[session];
        match self.dialect {
            Dialect::SocketIo => At::default(),
            _ => At {
                document: Some(session.document.clone()),
                join_ref: Some(session.join_ref.to_string()),
            },
        }
    }

    fn mark(&mut self, session: usize) -> String {
        self.counter += 1;
        format!("{}-{}-{}", self.sessions[session].document, self.id, self.counter)
    }

    fn send(&mut self, text: &str) -> Wish {
        Wish::Send(framed(self.dialect, text, &mut self.random))
    }

    /// The socket is open: the client upgrades it.
    pub fn opened(&mut self, socket: usize, now_ms: u64) -> Vec<Wish> {
        self.socket = Some(socket);
        (self.is_upgraded, self.heartbeat_ms) = (false, now_ms);
        const REQUEST: &[u8] = b"GET /documents/t/d0 HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut bytes = Vec::new();
        match self.random.below(100) {
            // A connection that was used for REST before.
            0..10 => bytes.extend_from_slice(REQUEST),
            // One that is used for nothing else: says all it has to say, then listens.
            10..15 => return vec![Wish::Send(REQUEST.to_vec()), Wish::FinishAsking],
            _ => {}
        }
        bytes.extend(upgrade(self.dialect));
        vec![Wish::Send(bytes)]
    }

    /// The socket is gone.
    pub fn lost(&mut self, around: &mut Around<'_>) {
        if let Some(socket) = self.socket.take() {
            around.receivers.closed(socket);
        }
        self.sessions.iter_mut().for_each(Session::drop_out);
    }

    fn give_up(&mut self, around: &mut Around<'_>) -> Wish {
        self.lost(around);
        if self.random.chance(700) { Wish::Finish } else { Wish::Reset }
    }

    /// Which session an event is for; none for those of an earlier join.
    fn session_at(&self, at: &At) -> Option<usize> {
        let Some(document) = &at.document else {
            return (!self.sessions.is_empty()).then_some(0);
        };
        self.sessions.iter().position(|session| {
            session.document == *document
                && (self.dialect == Dialect::SocketIo
                    || at.join_ref.as_deref() == Some(&*session.join_ref.to_string()))
        })
    }

    pub fn hear(&mut self, heard: Heard, around: &mut Around<'_>) -> Vec<Wish> {
        match heard {
            Heard::Upgraded => self.upgraded(around),
            Heard::Namespace if !self.is_eager => self.connect_all(around),
            Heard::Ping => vec![self.send("3")],
            Heard::Reply { document, join_ref, ok } => {
                let at = At { document: Some(document), join_ref: Some(join_ref) };
                match self.session_at(&at) {
                    Some(session) if ok && self.sessions[session].state == State::Joining => {
                        self.connect(session, around)
                    }
                    _ => Vec::new(),
                }
            }
            Heard::Connected(connected) => match self.session_at(&connected.at) {
                Some(session) => self.connected(session, *connected, around),
                None => Vec::new(),
            },
            Heard::ConnectError { at, .. } => match self.session_at(&at) {
                Some(session) => self.refused(session, around),
                None => Vec::new(),
            },
            Heard::Ops { at, ops } => match (self.session_at(&at), ops.last()) {
                (Some(session), Some((last, _))) => self.advance(session, *last, around),
                _ => Vec::new(),
            },
            Heard::Nack { at, .. } => match self.session_at(&at) {
                Some(session) => self.reconnect(session, around),
                None => Vec::new(),
            },
            Heard::ChannelClosed { document, join_ref } => {
                let at = At { document: Some(document), join_ref: Some(join_ref) };
                if let Some(session) = self.session_at(&at) {
                    self.sessions[session].drop_out();
                }
                Vec::new()
            }
            Heard::Goodbye | Heard::Close(_) | Heard::Refused(_) => vec![self.give_up(around)],
            Heard::Opened
            | Heard::Namespace
            | Heard::Pong
            | Heard::Answered
            | Heard::Signal { .. }
            | Heard::Presence { .. } => Vec::new(),
        }
    }

    fn upgraded(&mut self, around: &mut Around<'_>) -> Vec<Wish> {
        self.is_upgraded = true;
        if self.dialect == Dialect::SocketIo {
            let mut wishes = vec![self.send("40")];
            if self.is_eager {
                wishes.extend(self.connect_all(around));
            }
            return wishes;
        }
        (0..self.sessions.len()).flat_map(|session| self.join(session, around)).collect()
    }

    /// Phoenix: joins the topic anew.
    fn join(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let state = &mut self.sessions[session];
        if around.now_ms < state.retry_at_ms {
            return Vec::new();
        }
        state.join_ref += 1;
        state.state = State::Joining;
        let join = self.line(session).phoenix("phx_join", "{}");
        let mut wishes = vec![self.send(&join)];
        if self.is_eager {
            wishes.extend(self.connect(session, around));
        }
        wishes
    }

    /// Socket.IO: every document in turn, over the one socket.
    fn connect_all(&mut self, around: &mut Around<'_>) -> Vec<Wish> {
        (0..self.sessions.len()).flat_map(|session| self.connect(session, around)).collect()
    }

    fn connect(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let (random, unix_s, v2) = (&mut self.random, around.unix_s, self.v2);
        let state = &mut self.sessions[session];
        state.state = State::Connecting;
        let scopes = match state.is_reader {
            true => r#"["doc:read"]"#,
            false => r#"["doc:read","doc:write","summary:write"]"#,
        };
        let (document, id) = (state.document.clone(), self.id);
        let life_s = if random.chance(100) { 20 } else { 36_000 };
        let claims = format!(
            r#"{{"documentId":"{document}","tenantId":"t","scopes":{scopes},"user":{{"id":"u{id}"}},"iat":{unix_s},"exp":{},"ver":"1.0"}}"#,
            unix_s + life_s
        );
        let mode = if state.is_reader { "read" } else { "write" };
        let client = format!(
            r#"{{"details":{{"capabilities":{{"interactive":{}}}}},"permission":[],"scopes":[],"user":{{"id":"u{id}"}},"mode":"{mode}"}}"#,
            !self.is_summarizer
        );
        let mut fields = format!(
            r#""tenantId":"t","id":"{document}","token":"{}","client":{client},"mode":"{mode}","versions":["^0.4.0","^0.1.0"],"supportedFeatures":{{"submit_signals_v2":{v2}}}"#,
            sign(&claims, KEY.as_bytes())
        );
        let socket = self.socket.unwrap_or_default();
        if self.dialect != Dialect::SocketIo && random.chance(200) {
            fields.push_str(&format!(r#","lastSeenSequenceNumber":{}"#, state.seen));
            around.receivers.catch_up_asked(socket, &document);
        }
        let text = self.line(session).connect(&fields);
        around.receivers.connect_sent(socket, &document, &self.at(session), around.now_ms);
        vec![self.send(&text)]
    }

    fn connected(
        &mut self,
        session: usize,
        connected: Connected,
        around: &mut Around<'_>,
    ) -> Vec<Wish> {
        let state = &mut self.sessions[session];
        state.state = State::Up;
        state.client = connected.client;
        state.mode = connected.mode;
        state.others = connected.clients;
        // What is missing comes by REST, which reads the disk.
        let head = around.checker.log(&state.document).head();
        let mut wishes = self.advance(session, head, around);
        if self.is_social && self.sessions[session].state == State::Up {
            wishes.extend(self.presence(session, "joinPresence"));
        }
        wishes
    }

    fn refused(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let delay_ms = self.random.between(100, 3_000);
        let state = &mut self.sessions[session];
        state.drop_out();
        state.retry_at_ms = around.now_ms + delay_ms;
        match self.dialect {
            Dialect::SocketIo => vec![self.give_up(around)],
            _ => Vec::new(),
        }
    }

    /// A nack: back under a new id.
    fn reconnect(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        if self.dialect == Dialect::SocketIo || self.random.chance(300) {
            return vec![self.give_up(around)];
        }
        self.leave(session, around)
    }

    /// Phoenix: leaves the topic.
    fn leave(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let leave = self.line(session).phoenix("phx_leave", "{}");
        let wish = self.send(&leave);
        if let Some(socket) = self.socket {
            around.receivers.left(socket, &self.sessions[session].document);
        }
        self.sessions[session].drop_out();
        vec![wish]
    }

    /// Processes everything up to `to`, reading from disk what it has not heard.
    fn advance(&mut self, session: usize, to: u64, around: &mut Around<'_>) -> Vec<Wish> {
        let state = &mut self.sessions[session];
        let mut is_evicted = false;
        while state.seen < to {
            let Some(op) = around.checker.log(&state.document).get(state.seen + 1) else {
                break;
            };
            state.seen += 1;
            let member = op.member.as_deref();
            if op.kind == "join" && member == Some(&*state.client) {
                state.has_joined = true;
            }
            if op.kind == "leave" && member.is_some() {
                if member == Some(&*state.client) {
                    // Evicted: it has seen its own leave and need not wait for it.
                    (is_evicted, state.has_submitted) = (true, false);
                }
                if member == state.earlier.as_deref() {
                    state.earlier = None;
                }
            }
            if let Some((_, Some(handle))) = &op.answers {
                state.head = Some(handle.clone());
            }
            if let Some(mark) = op.mark.as_ref().filter(|mark| state.pending.contains(mark)) {
                let detail = format!("{mark} before {:?}", state.pending.front());
                let is_first = state.pending.pop_front().as_ref() == Some(mark);
                around.checker.require(is_first, Invariant::ClientOrder, || detail);
            }
        }
        if is_evicted {
            return self.reconnect(session, around);
        }
        let state = &mut self.sessions[session];
        if !state.may_submit() || std::mem::replace(&mut state.is_current, true) {
            return Vec::new();
        }
        let marks: Vec<String> = state.pending.iter().cloned().collect();
        let ops: Vec<String> = marks.iter().map(|mark| self.op(session, mark)).collect();
        self.submit(session, &ops, around)
    }

    /// The next operation of a session, with a mark as its contents.
    fn op(&mut self, session: usize, mark: &str) -> String {
        let text = self.random.chance(500);
        let state = &mut self.sessions[session];
        state.client_seq += 1;
        let contents = match text {
            true => format!(r#"{{"mark":"{mark}"}}"#),
            false => format!(r#""{{\"mark\":\"{mark}\"}}""#),
        };
        let metadata = if text { "" } else { r#","metadata":{"batchId":"b"}"# };
        self.raw_op(session, "op", &contents, metadata)
    }

    fn raw_op(&self, session: usize, kind: &str, contents: &str, more: &str) -> String {
        let state = &self.sessions[session];
        format!(
            r#"{{"clientSequenceNumber":{},"referenceSequenceNumber":{},"type":"{kind}","contents":{contents}{more}}}"#,
            state.client_seq, state.seen
        )
    }

    fn submit(&mut self, session: usize, ops: &[String], around: &mut Around<'_>) -> Vec<Wish> {
        if ops.is_empty() {
            return Vec::new();
        }
        let state = &mut self.sessions[session];
        state.has_submitted = true;
        around.checker.said(&state.client, state.seen);
        let client = state.client.clone();
        let text = self.line(session).submit(&client, &ops.join(","));
        vec![self.send(&text)]
    }

    /// The client's turn to do something.
    pub fn act(&mut self, around: &mut Around<'_>) -> Vec<Wish> {
        if self.socket.is_none() {
            let waits = self.sessions.iter().any(|s| around.now_ms < s.retry_at_ms);
            return if waits { Vec::new() } else { vec![Wish::Open] };
        }
        if !self.is_upgraded {
            return Vec::new();
        }
        let mut wishes = Vec::new();
        if self.dialect != Dialect::SocketIo && around.now_ms >= self.heartbeat_ms + HEARTBEAT_MS {
            self.heartbeat_ms = around.now_ms;
            wishes.push(self.send(r#"[null,"h","phoenix","heartbeat",{}]"#));
        }
        let session = self.random.below(self.sessions.len() as u64) as usize;
        match self.sessions[session].state {
            State::Away if self.dialect != Dialect::SocketIo => {
                wishes.extend(self.join(session, around));
            }
            State::Up if !around.is_quiet => wishes.extend(self.play(session, around)),
            State::Joining | State::Connecting if !around.is_quiet => {
                wishes.extend(self.lose_patience(session, around));
            }
            State::Away | State::Joining | State::Connecting | State::Up => {}
        }
        wishes
    }

    /// Starts anew before the answer is there.
    fn lose_patience(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        match self.random.below(30) {
            0 => vec![self.give_up(around)],
            1..6 if self.dialect != Dialect::SocketIo => {
                let mut wishes = Vec::new();
                if self.random.chance(500) {
                    wishes.extend(self.leave(session, around));
                }
                wishes.extend(self.join(session, around));
                wishes
            }
            _ => Vec::new(),
        }
    }

    fn play(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        match self.random.below(100) {
            0..55 => self.edit(session, around),
            55..62 => self.noop(session, around),
            62..72 => self.signal(session, around),
            72..76 => {
                let names = ["joinPresence", "updatePresence", "leavePresence"];
                let name = self.random.pick(&names).copied().unwrap_or_default();
                self.presence(session, name)
            }
            76..79 => self.ask_again(session, around),
            79..85 => self.summarize(session),
            85..88 => self.propose(session, around),
            88..92 => self.misbehave(session, around),
            92..94 if self.dialect != Dialect::SocketIo => self.leave(session, around),
            92..96 => vec![self.give_up(around)],
            96 => {
                self.lost(around);
                vec![Wish::Vanish]
            }
            _ => Vec::new(),
        }
    }

    fn edit(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        if self.sessions[session].mode != "write" {
            return Vec::new();
        }
        let mut ops = Vec::new();
        for _ in 0..self.random.between(1, self.batch_max) {
            let mark = self.mark(session);
            self.sessions[session].pending.push_back(mark.clone());
            if self.sessions[session].may_submit() {
                ops.push(self.op(session, &mark));
            }
        }
        self.submit(session, &ops, around)
    }

    fn noop(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        if !self.sessions[session].may_submit() {
            return Vec::new();
        }
        if self.dialect != Dialect::SocketIo && self.random.chance(500) {
            let state = &self.sessions[session];
            let payload = format!(
                r#"{{"clientId":"{}","referenceSequenceNumber":{}}}"#,
                state.client, state.seen
            );
            around.checker.said(&state.client, state.seen);
            let text = self.line(session).phoenix("noop", &payload);
            return vec![self.send(&text)];
        }
        self.sessions[session].client_seq += 1;
        let contents = if self.random.chance(500) { "null" } else { "\"\"" };
        let op = self.raw_op(session, "noop", contents, "");
        self.submit(session, &[op], around)
    }

    fn signal(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let mark = self.mark(session);
        let state = &self.sessions[session];
        let may_target = self.dialect != Dialect::SocketIo || self.v2;
        let target = self.random.pick(&state.others).filter(|_| may_target).cloned();
        let target = target.filter(|_| self.random.chance(500));
        around.receivers.signal_sent(&mark, (&state.document, &state.client), target.as_deref());
        let client = state.client.clone();
        let text = self.line(session).signal(&client, &mark, target.as_deref(), self.v2);
        vec![self.send(&text)]
    }

    fn presence(&mut self, session: usize, name: &str) -> Vec<Wish> {
        self.counter += 1;
        let n = self.counter;
        let state = &mut self.sessions[session];
        let meta = format!(r#"{{"doc":"{}","n":{n}}}"#, state.document);
        state.present = match name {
            "joinPresence" => Some(n),
            // Refused to those who are not present.
            "updatePresence" => state.present.map(|_| n),
            _ => None,
        };
        let client = state.client.clone();
        let text = self.line(session).presence(name, &client, &meta);
        vec![self.send(&text)]
    }

    fn ask_again(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let (Some(socket), false) = (self.socket, self.dialect == Dialect::SocketIo) else {
            return Vec::new();
        };
        let state = &self.sessions[session];
        around.receivers.catch_up_asked(socket, &state.document);
        let payload = format!(r#"{{"from":{}}}"#, self.random.below(state.seen + 2));
        let text = self.line(session).phoenix("requestOps", &payload);
        vec![self.send(&text)]
    }

    fn summarize(&mut self, session: usize) -> Vec<Wish> {
        if !self.is_summarizer || !self.sessions[session].may_submit() {
            return Vec::new();
        }
        let is_honest = self.random.chance(700);
        vec![Wish::Summarize { session, is_honest }]
    }

    /// The tree of a summary is stored: its operation.
    pub fn summarize_with(
        &mut self,
        session: usize,
        handle: &str,
        around: &mut Around<'_>,
    ) -> Vec<Wish> {
        let state = &mut self.sessions[session];
        state.client_seq += 1;
        let head = state.head.clone().unwrap_or_default();
        let contents = format!(
            r#""{{\"handle\":\"{handle}\",\"head\":\"{head}\",\"message\":\"m\",\"parents\":[\"{head}\"]}}""#
        );
        let mut ops = vec![self.raw_op(session, "summarize", &contents, "")];
        // What comes behind moves the minimum while the summary waits for its turn.
        for _ in 0..self.random.below(3) {
            let mark = self.mark(session);
            self.sessions[session].pending.push_back(mark.clone());
            ops.push(self.op(session, &mark));
        }
        self.submit(session, &ops, around)
    }

    fn propose(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        if !self.sessions[session].may_submit() {
            return Vec::new();
        }
        self.sessions[session].client_seq += 1;
        let (n, seen) = (self.random.below(4), self.sessions[session].seen);
        let op = if self.random.chance(700) {
            let contents = format!(r#""{{\"key\":\"k{n}\",\"value\":{}}}""#, self.counter);
            self.raw_op(session, "propose", &contents, "")
        } else {
            self.raw_op(session, "reject", &seen.saturating_sub(n).to_string(), "")
        };
        self.submit(session, &[op], around)
    }

    /// Sends what no client should.
    fn misbehave(&mut self, session: usize, around: &mut Around<'_>) -> Vec<Wish> {
        let choice = self.random.below(9);
        if choice == 0 {
            return vec![Wish::Send((0..40).map(|_| self.random.next() as u8).collect())];
        }
        if choice == 1 {
            let text = match self.dialect {
                Dialect::SocketIo => r#"42["submitOp",7]"#.to_owned(),
                _ => self.line(session).phoenix("submitOp", "{}"),
            };
            return vec![self.send(&text)];
        }
        if choice == 2 {
            let text = self.line(session).submit("nobody", "{}");
            return vec![self.send(&text)];
        }
        if !self.sessions[session].may_submit() {
            return Vec::new();
        }
        let mut ops = Vec::new();
        for _ in 0..self.random.below(3) {
            let mark = self.mark(session);
            self.sessions[session].pending.push_back(mark.clone());
            ops.push(self.op(session, &mark));
        }
        let (seen, before) = (self.sessions[session].seen, self.sessions[session].client_seq);
        let next = before + 1;
        let (client_seq, reference_seq, kind) = match choice {
            3 => (before + 5, seen, "op"),
            4 => (next, seen + 100_000, "op"),
            5 => (next, 0, "op"),
            6 => (next, seen, "join"),
            7 => (before, seen, "op"),
            _ => (next, seen, "nonsense"),
        };
        ops.push(format!(
            r#"{{"clientSequenceNumber":{client_seq},"referenceSequenceNumber":{reference_seq},"type":"{kind}","contents":null}}"#
        ));
        self.sessions[session].client_seq = next.max(client_seq);
        self.submit(session, &ops, around)
    }
}
