//! From received bytes to what a client said: HTTP until an upgrade, WebSocket messages after it.

use super::Shard;
use crate::dialect::{
    Address, ClientEvent, Dialect, Heartbeat, Inbound, Malformed, ServerEvent, decode, msgpack,
};
use crate::event::{Action, LogLevel, Mail};
use crate::fanout::frame;
use crate::http_request::{HttpReader, Incoming, Upgrade, fault_response, upgrade_response};
use crate::ids::{ConnId, Now};
use crate::nack::NackCause;
use crate::session::{Carried, Connection, Place, Protocol};
use crate::wire::websocket::{FrameReader, Message, PeerFault, close_frame, pong_frame};
use ::bytes::Bytes;
use std::net::IpAddr;

impl Shard {
    pub(super) fn opened(
        &mut self,
        now: Now,
        conn: ConnId,
        peer: IpAddr,
        actions: &mut Vec<Action>,
    ) {
        self.counters.connections_opened += 1;
        let sid = self.random.next();
        self.conns
            .insert(conn, Box::new(Connection::new(peer, sid, now.mono_ms)));
        let from_peer = self.per_address.entry(peer).or_default();
        *from_peer += 1;
        let too_many = *from_peer > self.config.limits.sockets_per_address_max
            || self.conns.count() > self.config.limits.sockets_max;
        if too_many {
            let mut port = self.port(actions);
            port.log(
                LogLevel::Warn,
                "socket refused",
                None,
                format!("too many from {peer}"),
            );
            port.abort(conn);
        }
    }

    /// A socket came from another core: the message that brought it is handled here.
    pub(super) fn adopted(
        &mut self,
        now: Now,
        conn: ConnId,
        mut state: Box<Connection>,
        actions: &mut Vec<Action>,
    ) {
        let carried = state.carried.take();
        *self.per_address.entry(state.peer).or_default() += 1;
        let dialect = state.dialect;
        self.conns.insert(conn, state);
        let (Some(Carried { text, rest }), Some(dialect)) = (carried, dialect) else {
            return;
        };
        self.said(now, conn, dialect, &text, actions);
        let mut rest = rest.to_vec();
        self.received(now, conn, &mut rest, actions);
    }

    pub(super) fn received(
        &mut self,
        now: Now,
        conn: ConnId,
        bytes: &mut [u8],
        actions: &mut Vec<Action>,
    ) {
        let Some(c) = self.conns.get_mut(conn).filter(|c| !c.is_closing) else {
            return;
        };
        c.state.heard_ms = now.mono_ms;
        match std::mem::replace(&mut c.state.protocol, Protocol::Busy) {
            Protocol::Http {
                mut reader,
                is_answering,
            } => match reader.push(bytes) {
                Ok(()) => self.read_http(now, conn, reader, is_answering, actions),
                Err(fault) => self.answer(conn, fault_response(fault), true, actions),
            },
            Protocol::WebSocket { reader } => {
                self.read_frames(now, conn, reader, bytes, actions);
            }
            link @ (Protocol::Link { .. } | Protocol::Busy) => c.state.protocol = link,
        }
    }

    fn read_http(
        &mut self,
        now: Now,
        conn: ConnId,
        mut reader: HttpReader,
        mut is_answering: bool,
        actions: &mut Vec<Action>,
    ) {
        while !is_answering {
            let Some(c) = self.conns.get_mut(conn) else {
                return;
            };
            let peer = c.state.peer;
            match reader.next(peer, &self.config.limits) {
                Ok(None) => break,
                Ok(Some(Incoming::Request(request))) => {
                    is_answering = true;
                    self.counters.requests += 1;
                    actions.push(Action::Http { conn, request });
                }
                Ok(Some(Incoming::Answer { response, close })) => {
                    self.answer(conn, response, close, actions);
                    if close {
                        return;
                    }
                }
                Ok(Some(Incoming::Upgrade(upgrade))) => {
                    return self.upgrade(now, conn, &upgrade, actions);
                }
                Err(fault) => return self.answer(conn, fault_response(fault), true, actions),
            }
        }
        if let Some(c) = self.conns.get_mut(conn) {
            c.state.protocol = Protocol::Http {
                reader,
                is_answering,
            };
        }
    }

    fn answer(&mut self, conn: ConnId, response: Bytes, close: bool, actions: &mut Vec<Action>) {
        let mut port = self.port(actions);
        port.push(conn, response);
        if close {
            port.counters.peer_faults += 1;
            port.close(conn);
        }
    }

    /// A REST response is ready; the next pipelined request may be read.
    pub(super) fn responded(
        &mut self,
        now: Now,
        conn: ConnId,
        response: Bytes,
        close: bool,
        actions: &mut Vec<Action>,
    ) {
        let mut port = self.port(actions);
        port.push(conn, response);
        if close {
            return port.close(conn);
        }
        let Some(c) = self.conns.get_mut(conn) else {
            return;
        };
        match std::mem::replace(&mut c.state.protocol, Protocol::Busy) {
            Protocol::Http { reader, .. } => self.read_http(now, conn, reader, false, actions),
            other => c.state.protocol = other,
        }
    }

    fn upgrade(&mut self, now: Now, conn: ConnId, upgrade: &Upgrade, actions: &mut Vec<Action>) {
        let limit_bytes = self.config.limits.frame_bytes_max;
        let Some(c) = self.conns.get_mut(conn) else {
            return;
        };
        let dialect = upgrade.dialect;
        let reader = FrameReader::new(u32::try_from(limit_bytes).unwrap_or(u32::MAX));
        c.state.protocol = Protocol::WebSocket { reader };
        c.state.dialect = Some(dialect);
        c.state.pinged_ms = now.mono_ms;
        let sid = c.state.sid_text();
        let mut response = upgrade_response(upgrade);
        let event = ServerEvent::Open {
            sid: &sid,
            max_payload: limit_bytes,
        };
        let address = Address {
            dialect,
            topic: "",
            join_ref: None,
        };
        response.extend_from_slice(&frame(&address, &event, 0));
        self.port(actions).push(conn, response.into());
        let mut rest = upgrade.rest.to_vec();
        self.received(now, conn, &mut rest, actions);
    }

    fn read_frames(
        &mut self,
        now: Now,
        conn: ConnId,
        mut reader: FrameReader,
        bytes: &mut [u8],
        actions: &mut Vec<Action>,
    ) {
        let dialect = self.conns.get(conn).and_then(|c| c.state.dialect);
        let Some(dialect) = dialect else { return };
        let mut at = 0;
        loop {
            let fault = match reader.next(bytes, &mut at) {
                Ok(None) => break,
                Ok(Some(message)) => self.message(now, conn, dialect, message, actions).err(),
                Err(fault) => Some(fault),
            };
            if let Some(fault) = fault {
                return self.close_faulty(conn, fault, actions);
            }
            match self.conns.get_mut(conn) {
                None => return,
                Some(c) if c.is_closing => return,
                // The message asked for another core: what is behind it goes along.
                Some(c) if c.state.carried.is_some() => {
                    if let Some(carried) = &mut c.state.carried {
                        carried.rest = Bytes::copy_from_slice(bytes.get(at..).unwrap_or_default());
                    }
                    c.state.protocol = Protocol::WebSocket { reader };
                    return self.hand_off(conn, actions);
                }
                Some(_) => {}
            }
        }
        if let Some(c) = self.conns.get_mut(conn) {
            c.state.protocol = Protocol::WebSocket { reader };
        }
    }

    fn message(
        &mut self,
        now: Now,
        conn: ConnId,
        dialect: Dialect,
        message: Message<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), PeerFault> {
        match message {
            Message::Text(text) | Message::Binary(text) if dialect == Dialect::PhoenixMsgpack => {
                let mut json = std::mem::take(&mut self.scratch);
                json.clear();
                if msgpack::to_json(text, &mut json).is_ok() {
                    self.said(now, conn, dialect, &json, actions);
                } else {
                    self.malformed(conn, Malformed::Frame, None, "", actions);
                }
                self.scratch = if json.capacity() > 1 << 20 {
                    Vec::new()
                } else {
                    json
                };
            }
            Message::Text(text) => self.said(now, conn, dialect, text, actions),
            Message::Binary(_) => {
                self.malformed(conn, Malformed::Frame, None, "", actions);
            }
            Message::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                pong_frame(&mut pong, payload);
                self.port(actions).push(conn, pong.into());
            }
            Message::Pong => {}
            Message::Close { code } => {
                let mut close = Vec::with_capacity(4);
                close_frame(&mut close, code, "");
                let mut port = self.port(actions);
                port.push(conn, close.into());
                port.close(conn);
                self.leave_all(now, conn, actions);
            }
        }
        Ok(())
    }

    fn close_faulty(&mut self, conn: ConnId, fault: PeerFault, actions: &mut Vec<Action>) {
        let mut close = Vec::with_capacity(4);
        close_frame(&mut close, Some(fault.close_code()), "");
        let mut port = self.port(actions);
        port.counters.peer_faults += 1;
        let peer = port
            .conn(conn)
            .map(|c| c.state.peer.to_string())
            .unwrap_or_default();
        port.log(
            LogLevel::Warn,
            "bad frame",
            None,
            format!("{fault} (from {peer})"),
        );
        port.push(conn, close.into());
        port.close(conn);
    }

    /// One decoded message of a socket or a link.
    pub(super) fn said(
        &mut self,
        now: Now,
        conn: ConnId,
        dialect: Dialect,
        text: &[u8],
        actions: &mut Vec<Action>,
    ) {
        let inbound = decode(dialect, text);
        if self.forward(conn, dialect, &inbound, text, actions) {
            return;
        }
        let Inbound {
            topic,
            join_ref,
            message_ref,
            event,
        } = inbound;
        let topic = &*topic;
        match event {
            ClientEvent::OpenNamespace => {
                let sid = self
                    .connection(conn)
                    .map(Connection::sid_text)
                    .unwrap_or_default();
                let event = ServerEvent::NamespaceOpened { sid: &sid };
                self.tell(conn, topic, join_ref, event, actions);
            }
            ClientEvent::OpenForeignNamespace(namespace) => {
                let event = ServerEvent::NamespaceRefused { namespace };
                self.tell(conn, topic, join_ref, event, actions);
            }
            ClientEvent::Join => {
                self.join(now, conn, text, (topic, join_ref, message_ref), actions);
            }
            ClientEvent::Leave => {
                self.leave_channel(now, conn, (topic, join_ref, message_ref), actions);
            }
            ClientEvent::Disconnect => {
                self.leave_all(now, conn, actions);
            }
            ClientEvent::Heartbeat(heartbeat) => {
                let event = ServerEvent::Pong {
                    heartbeat,
                    message_ref,
                };
                let topic = if heartbeat == Heartbeat::Phoenix {
                    "phoenix"
                } else {
                    topic
                };
                self.tell(conn, topic, None, event, actions);
            }
            ClientEvent::Alive => {}
            ClientEvent::Connect(connect) => {
                self.connect(
                    now,
                    conn,
                    dialect,
                    text,
                    (topic, join_ref),
                    &connect,
                    actions,
                );
            }
            ClientEvent::Malformed(malformed) => {
                self.malformed(conn, malformed, join_ref, topic, actions);
            }
            ClientEvent::Unknown => {}
            other => self.seated(
                now,
                conn,
                dialect,
                (topic, join_ref, message_ref),
                other,
                actions,
            ),
        }
    }

    /// Sends a message on to the core that has its channel's document.
    fn forward(
        &mut self,
        conn: ConnId,
        dialect: Dialect,
        inbound: &Inbound<'_>,
        text: &[u8],
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(c) = self.conns.get(conn) else {
            return false;
        };
        let to = c
            .state
            .channels
            .iter()
            .find_map(|channel| match channel.place {
                Place::Elsewhere(shard) if !inbound.topic.is_empty() => {
                    (*channel.topic == inbound.topic).then_some(shard)
                }
                _ => None,
            });
        let Some(to) = to else { return false };
        let text = Bytes::copy_from_slice(text);
        let mail = Mail::Message {
            conn,
            dialect,
            peer: c.state.peer,
            text,
        };
        actions.push(Action::Post { to, mail });
        true
    }

    /// Events that need a seat in a document.
    fn seated(
        &mut self,
        now: Now,
        conn: ConnId,
        dialect: Dialect,
        (topic, join_ref, message_ref): (&str, Option<&str>, Option<&str>),
        event: ClientEvent<'_>,
        actions: &mut Vec<Action>,
    ) {
        let client_id = match &event {
            ClientEvent::Submit(submit) => Some(submit.client_id),
            ClientEvent::Signals(signals) => Some(signals.client_id),
            _ => None,
        };
        let Some(state) = self.connection(conn) else {
            return;
        };
        let seat = if dialect == Dialect::SocketIo {
            match client_id {
                Some(id) => state.seat_of(id),
                None => state.seats().next(),
            }
        } else {
            let Some(channel) = state.channel(topic) else {
                let response = br#"{"reason":"unmatched topic"}"#;
                let event = ServerEvent::Reply {
                    message_ref,
                    ok: false,
                    response,
                };
                return self.tell(conn, topic, None, event, actions);
            };
            if channel.join_ref.as_deref() != join_ref {
                return; // of an earlier join of the topic
            }
            match channel.place {
                Place::Here(seat) if client_id.is_none_or(|id| id == seat.client.as_str()) => {
                    Some(seat)
                }
                _ => None,
            }
        };
        let Some(seat) = seat else {
            return self.unseated(conn, dialect, topic, join_ref, &event, actions);
        };
        // walk 5/12
        self.with(seat.doc, actions, |document, port| match event {
            ClientEvent::Submit(submit) => {
                document.submit(port, now, seat.member, submit.batches);
            }
            ClientEvent::Signals(signals) => {
                document.signal(port, now, seat.member, signals.batches);
            }
            ClientEvent::Noop { reference_seq } => document.heard(now, seat.member, reference_seq),
            ClientEvent::RequestOps { from } => document.request_ops(port, seat.member, from),
            ClientEvent::Presence(request) => document.presence(port, seat.member, request),
            _ => {}
        });
    }

    /// An event of a client that has no seat (any more): refused where the wire has a word for it.
    fn unseated(
        &mut self,
        conn: ConnId,
        dialect: Dialect,
        topic: &str,
        join_ref: Option<&str>,
        event: &ClientEvent<'_>,
        actions: &mut Vec<Action>,
    ) {
        let cause = match event {
            ClientEvent::Submit(_) => NackCause::NotConnected,
            ClientEvent::Signals(_) if dialect == Dialect::SocketIo => NackCause::NotConnected,
            _ => return,
        };
        self.nack_session(conn, dialect, topic, join_ref, cause, actions);
    }

    fn malformed(
        &mut self,
        conn: ConnId,
        malformed: Malformed,
        join_ref: Option<&str>,
        topic: &str,
        actions: &mut Vec<Action>,
    ) {
        self.counters.peer_faults += 1;
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        let (peer, dialect) = (c.state.peer, c.state.dialect.unwrap_or(Dialect::SocketIo));
        port.log(
            LogLevel::Warn,
            "malformed message",
            None,
            format!("{malformed:?} from {peer}"),
        );
        let cause = match malformed {
            Malformed::Submit => NackCause::MalformedSubmit,
            Malformed::Signal if dialect == Dialect::SocketIo => NackCause::MalformedSignal,
            Malformed::Signal => return,
            Malformed::Connect(missing) => {
                let error = crate::admission::malformed(dialect, missing);
                return self.refuse_at(conn, topic, join_ref, &error, actions);
            }
            Malformed::Frame => return self.close_faulty(conn, PeerFault::NotUtf8, actions),
        };
        self.nack_session(conn, dialect, topic, join_ref, cause, actions);
    }

    fn nack_session(
        &mut self,
        conn: ConnId,
        dialect: Dialect,
        topic: &str,
        join_ref: Option<&str>,
        cause: NackCause,
        actions: &mut Vec<Action>,
    ) {
        self.counters.nacks += 1;
        let nack = cause.words(dialect);
        let event = ServerEvent::Nack {
            document: "",
            nack: &nack,
        };
        self.tell(conn, topic, join_ref, event, actions);
    }

    /// Sends one event to one connection.
    pub(super) fn tell(
        &mut self,
        conn: ConnId,
        topic: &str,
        join_ref: Option<&str>,
        event: ServerEvent<'_>,
        actions: &mut Vec<Action>,
    ) {
        let mut port = self.port(actions);
        let Some(dialect) = port.conn(conn).and_then(|c| c.state.dialect) else {
            return;
        };
        let bytes = frame(
            &Address {
                dialect,
                topic,
                join_ref,
            },
            &event,
            0,
        );
        port.push(conn, bytes);
    }

    /// The output of a connection has left.
    pub(super) fn sent(&mut self, conn: ConnId, bytes: usize, actions: &mut Vec<Action>) {
        let Some(c) = self.conns.get_mut(conn) else {
            return;
        };
        if c.outbox.sent(bytes) {
            actions.push(Action::Send(conn));
        }
    }

    pub(super) fn closed(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        self.leave_all(now, conn, actions);
        let Some(c) = self.conns.remove(conn) else {
            return;
        };
        self.counters.connections_closed += 1;
        self.forget_address(c.state.peer);
    }

    pub(super) fn forget_address(&mut self, peer: IpAddr) {
        if let Some(count) = self.per_address.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&peer);
            }
        }
    }
}
