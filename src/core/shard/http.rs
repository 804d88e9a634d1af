//! A connection before it is a WebSocket: REST requests, their answers, the upgrade.

use super::Shard;
use crate::dialect::{Address, ServerEvent};
use crate::event::Action;
use crate::fanout::frame;
use crate::http_request::{HttpReader, Incoming, Upgrade, fault_response, upgrade_response};
use crate::ids::{ConnId, Now};
use crate::session::Protocol;
use crate::wire::websocket::FrameReader;
use ::bytes::Bytes;

impl Shard {
    pub(super) fn read_http(
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
            if !c.outbox.is_drained() {
                break; // answers that the peer does not take must not gather
            }
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
            c.state.protocol = Protocol::Http { reader, is_answering };
        }
    }

    /// The last answer has left: what was sent behind its request is read now, and the time that
    /// it took is not the peer's silence.
    pub(super) fn go_on_reading(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        let Some(c) = self.conns.get_mut(conn) else {
            return;
        };
        match std::mem::replace(&mut c.state.protocol, Protocol::Busy) {
            Protocol::Http { reader, is_answering: false } => {
                c.state.heard_ms = now.mono_ms;
                c.state.opened_ms = now.mono_ms;
                self.read_http(now, conn, reader, false, actions);
                self.bound_unfinished(now, conn, actions);
                self.end_with_peer(conn, actions);
            }
            other => c.state.protocol = other,
        }
    }

    /// Closes a connection whose peer has ended and has been answered everything.
    fn end_with_peer(&mut self, conn: ConnId, actions: &mut Vec<Action>) {
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        let is_answering = matches!(c.state.protocol, Protocol::Http { is_answering: true, .. });
        if c.state.peer_has_ended && !is_answering && c.outbox.is_drained() {
            port.close(conn);
        }
    }

    pub(super) fn answer(
        &mut self,
        conn: ConnId,
        response: Bytes,
        close: bool,
        actions: &mut Vec<Action>,
    ) {
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
        let is_draining = self.drain.is_some();
        let mut port = self.port(actions);
        port.push(conn, response);
        if close || is_draining {
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
        let event = ServerEvent::Open { sid: &sid, max_payload: limit_bytes };
        let address = Address { dialect, topic: "", join_ref: None };
        response.extend_from_slice(&frame(&address, &event, 0));
        self.port(actions).push(conn, response.into());
        let mut rest = upgrade.rest.to_vec();
        self.received(now, conn, &mut rest, actions);
    }
}
