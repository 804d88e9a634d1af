//! From received bytes to what a client said: HTTP until an upgrade, WebSocket messages after it.

use super::Shard;
use crate::dialect::{Dialect, Malformed, msgpack};
use crate::event::{Action, LogLevel};
use crate::http_request::{fault_response, overload_response};
use crate::ids::{ConnId, Now};
use crate::limits::UNFINISHED_BYTES_FREE;
use crate::session::{Carried, Connection, Protocol};
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
        self.conns.insert(conn, Box::new(Connection::new(peer, sid, now.mono_ms)));
        let from_peer = self.per_address.entry(peer).or_default();
        *from_peer += 1;
        let too_many = *from_peer > self.config.limits.sockets_per_address_max
            || self.conns.count() > self.config.limits.sockets_max;
        if too_many {
            let mut port = self.port(actions);
            port.log(LogLevel::Warn, "socket refused", None, format!("too many from {peer}"));
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
        let (Some(carried), Some(dialect)) = (carried, dialect) else {
            return;
        };
        let Carried { text, rest, output } = carried;
        for frame in output {
            self.port(actions).push(conn, frame);
        }
        self.said(now, conn, dialect, &text, actions);
        let mut rest = rest.to_vec();
        self.received(now, conn, &mut rest, actions);
        if self.drain.is_some() {
            self.dismiss(now, conn, actions);
        }
    }

    pub(super) fn received(
        &mut self,
        now: Now,
        conn: ConnId,
        bytes: &mut [u8],
        actions: &mut Vec<Action>,
    ) {
        self.take_in(now, conn, bytes, actions);
        self.bound_unfinished(now, conn, actions);
    }

    /// Many large messages at once would take all memory: who asks for more than there is for
    /// all has to come back later.
    pub(super) fn bound_unfinished(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        let (own_bytes, all_bytes) = self.conns.recount(conn);
        let is_over = all_bytes > self.config.limits.unfinished_bytes_max;
        if !is_over || own_bytes <= UNFINISHED_BYTES_FREE {
            return;
        }
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        // The reader goes at once, and with it what it holds.
        let protocol = std::mem::replace(&mut c.state.protocol, Protocol::Busy);
        let last_words = match protocol {
            Protocol::Http { .. } => overload_response(),
            Protocol::WebSocket { .. } | Protocol::Link { .. } | Protocol::Busy => {
                let mut close = Vec::with_capacity(4);
                close_frame(&mut close, Some(1013), "");
                close.into()
            }
        };
        port.log(LogLevel::Warn, "large message refused", None, "too many are under way at once");
        port.push(conn, last_words);
        port.close(conn);
        self.leave_all(now, conn, actions);
        self.conns.recount(conn);
    }

    fn take_in(&mut self, now: Now, conn: ConnId, bytes: &mut [u8], actions: &mut Vec<Action>) {
        let Some(c) = self.conns.get_mut(conn).filter(|c| !c.is_closing) else {
            return;
        };
        c.state.heard_ms = now.mono_ms;
        match std::mem::replace(&mut c.state.protocol, Protocol::Busy) {
            Protocol::Http { mut reader, is_answering } => {
                if reader.is_idle() {
                    c.state.opened_ms = now.mono_ms;
                }
                match reader.push(bytes) {
                    Ok(()) => self.read_http(now, conn, reader, is_answering, actions),
                    Err(fault) => self.answer(conn, fault_response(fault), true, actions),
                }
            }
            Protocol::WebSocket { reader } => {
                self.read_frames(now, conn, reader, bytes, actions);
            }
            link @ (Protocol::Link { .. } | Protocol::Busy) => c.state.protocol = link,
        }
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
                self.scratch = if json.capacity() > 1 << 20 { Vec::new() } else { json };
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

    pub(super) fn close_faulty(
        &mut self,
        conn: ConnId,
        fault: PeerFault,
        actions: &mut Vec<Action>,
    ) {
        let mut close = Vec::with_capacity(4);
        close_frame(&mut close, Some(fault.close_code()), "");
        let mut port = self.port(actions);
        port.complain(conn, "bad frame", &fault.to_string());
        port.push(conn, close.into());
        port.close(conn);
    }

    /// The output of a connection has left.
    pub(super) fn sent(&mut self, now: Now, conn: ConnId, bytes: usize, actions: &mut Vec<Action>) {
        let Some(c) = self.conns.get_mut(conn) else {
            return;
        };
        if c.outbox.sent(bytes) {
            actions.push(Action::Send(conn));
        }
        if c.outbox.is_drained() && !c.is_closing {
            self.go_on_reading(now, conn, actions);
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
