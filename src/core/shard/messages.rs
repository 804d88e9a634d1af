//! What a client said, by event: answered here, or given to the document it has a seat in.

use super::Shard;
use crate::conns::is_link;
use crate::dialect::{
    Address, ClientEvent, Dialect, Heartbeat, Inbound, Malformed, ServerEvent, decode,
};
use crate::event::{Action, Mail};
use crate::fanout::frame;
use crate::ids::{ConnId, Now, ShardId};
use crate::nack::NackCause;
use crate::session::{Connection, Place};
use crate::wire::websocket::PeerFault;
use ::bytes::Bytes;

/// Topic, `join_ref` and `ref` of a message.
pub(super) type Addressed<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

impl Shard {
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
        let Inbound { topic, join_ref, message_ref, event } = inbound;
        let topic = &*topic;
        match event {
            ClientEvent::OpenNamespace => {
                let sid = self.connection(conn).map(Connection::sid_text).unwrap_or_default();
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
                let event = ServerEvent::Pong { heartbeat, message_ref };
                let topic = if heartbeat == Heartbeat::Phoenix { "phoenix" } else { topic };
                self.tell(conn, topic, None, event, actions);
            }
            ClientEvent::Alive => {}
            ClientEvent::Malformed(Malformed::Frame) => {
                self.malformed(conn, Malformed::Frame, join_ref, topic, actions);
            }
            other => {
                let addressed = (topic, join_ref, message_ref);
                if dialect == Dialect::SocketIo || self.is_on_channel(conn, addressed, actions) {
                    self.said_to_document(now, conn, text, addressed, other, actions);
                }
            }
        }
    }

    /// Whether a Phoenix message belongs to a joined topic. One of an earlier join is ignored.
    fn is_on_channel(
        &mut self,
        conn: ConnId,
        (topic, join_ref, message_ref): Addressed<'_>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let state = self.connection(conn);
        match state.and_then(|state| state.channel(topic)) {
            Some(channel) => channel.join_ref.as_deref() == join_ref,
            None => {
                let response = br#"{"reason":"unmatched topic"}"#;
                let event = ServerEvent::Reply { message_ref, ok: false, response };
                self.tell(conn, topic, None, event, actions);
                false
            }
        }
    }

    /// Events that are addressed to a document.
    fn said_to_document(
        &mut self,
        now: Now,
        conn: ConnId,
        text: &[u8],
        (topic, join_ref, _): Addressed<'_>,
        event: ClientEvent<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(dialect) = self.connection(conn).and_then(|state| state.dialect) else {
            return;
        };
        match event {
            ClientEvent::Connect(connect) => {
                self.connect(now, conn, dialect, text, (topic, join_ref), &connect, actions);
            }
            ClientEvent::Malformed(malformed) => {
                self.malformed(conn, malformed, join_ref, topic, actions);
            }
            ClientEvent::Unknown => {}
            other => self.seated(now, conn, dialect, (topic, join_ref), other, actions),
        }
    }

    /// Sends a message on to the core that has its channel's document. A Socket.IO message names a
    /// client only; what no client of this core says goes to the other cores of the socket.
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
        let client_id = inbound.event.client_id();
        let is_foreign = client_id.is_some_and(|id| c.state.seat_of(id).is_none());
        let mut cores: Vec<ShardId> = Vec::new();
        for channel in &c.state.channels {
            if let Place::Elsewhere(shard) = channel.place {
                let is_meant = match dialect {
                    Dialect::SocketIo => is_foreign,
                    Dialect::Phoenix | Dialect::PhoenixMsgpack => *channel.topic == inbound.topic,
                };
                if is_meant && !cores.contains(&shard) {
                    cores.push(shard);
                }
            }
        }
        let peer = c.state.peer;
        for &to in &cores {
            let mail = Mail::Message { conn, dialect, peer, text: Bytes::copy_from_slice(text) };
            actions.push(Action::Post { to, mail });
        }
        !cores.is_empty()
    }

    /// Events that need a seat in a document.
    fn seated(
        &mut self,
        now: Now,
        conn: ConnId,
        dialect: Dialect,
        (topic, join_ref): (&str, Option<&str>),
        event: ClientEvent<'_>,
        actions: &mut Vec<Action>,
    ) {
        let client_id = event.client_id();
        let Some(state) = self.connection(conn) else {
            return;
        };
        let seat = if dialect == Dialect::SocketIo {
            match client_id {
                Some(id) => state.seat_of(id),
                None => state.seats().next(),
            }
        } else {
            match state.channel(topic).map(|channel| &channel.place) {
                Some(Place::Here(seat)) => Some(*seat),
                Some(Place::Joined | Place::Waiting | Place::Elsewhere(_)) | None => None,
            }
        };
        let Some(seat) = seat else {
            return self.unseated(conn, dialect, topic, join_ref, &event, actions);
        };
        if let Some(id) = client_id.filter(|id| *id != seat.client.as_str()) {
            if matches!(event, ClientEvent::Submit(_)) {
                let mut nack = NackCause::OtherClient.words(dialect);
                let got: String = id.chars().take(64).collect();
                nack.message =
                    format!("{}: expected {}, got {got}", nack.message, seat.client).into();
                self.counters.nacks += 1;
                let event = ServerEvent::Nack { document: "", nack: &nack };
                self.tell(conn, topic, join_ref, event, actions);
            }
            return;
        }
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
            ClientEvent::Presence { request, .. } => document.presence(port, seat.member, request),
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
        if dialect == Dialect::SocketIo && is_link(conn) {
            return; // another core of the socket may know the client
        }
        self.nack_session(conn, dialect, topic, join_ref, cause, actions);
    }

    pub(super) fn malformed(
        &mut self,
        conn: ConnId,
        malformed: Malformed,
        join_ref: Option<&str>,
        topic: &str,
        actions: &mut Vec<Action>,
    ) {
        let mut port = self.port(actions);
        port.complain(conn, "malformed message", &format!("{malformed:?}"));
        let Some(c) = port.conn(conn) else { return };
        let dialect = c.state.dialect.unwrap_or(Dialect::SocketIo);
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
        let event = ServerEvent::Nack { document: "", nack: &nack };
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
        let bytes = frame(&Address { dialect, topic, join_ref }, &event, 0);
        port.push(conn, bytes);
    }
}
