//! What passes through a document without a number: signals and presence. Never stored.

use super::{Document, Member, MemberSlot};
use crate::conns::Port;
use crate::dialect::{
    Address, Dialect, PresenceEvent, PresenceRequest, RawSignal, ServerEvent, SignalOut, Targets,
    signals,
};
use crate::encode::write_member;
use crate::fanout::frame;
use crate::ids::{ClientId, ConnId, Now};
use crate::nack::NackCause;
use crate::presence::PresenceFault;
use crate::wire::json::write_string;

impl Document {
    /// Signals of a member; the sender hears its own, on both wires (who hears a signal is the
    /// document's rule, so it is Fluid's). Targets are looked for in this document only.
    pub fn signal(&mut self, port: &mut Port<'_>, now: Now, slot: MemberSlot, batches: &[u8]) {
        let Some(member) = self.members.get(slot) else {
            return;
        };
        let (dialect, signals_v2) = (member.dialect, member.signals_v2);
        for signal in signals::each(dialect, signals_v2, batches) {
            let Some(member) = self.members.get_mut(slot) else {
                return;
            };
            if !member.signals.take(now.mono_ms) {
                port.counters.throttled += 1;
                self.nack(port, slot, NackCause::Throttled { retry_after_s: 1 }, None);
                return;
            }
            let client = member.client;
            match signal {
                Ok(signal) => self.deliver(port, client, &signal),
                // The Phoenix wire has no answer to a signal and drops it.
                Err(_) if dialect == Dialect::SocketIo => {
                    self.nack(port, slot, NackCause::MalformedSignal, None);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn deliver(&self, port: &mut Port<'_>, sender: ClientId, signal: &RawSignal<'_>) {
        let out = SignalOut {
            client_id: Some(sender.as_str()),
            content: &signal.content,
            extra: &signal.extra,
        };
        let event = ServerEvent::Signal(&out);
        port.counters.signals_received += 1;
        let bytes = signal.content.len() + signal.extra.len();
        let named = |names: &[std::borrow::Cow<'_, str>], member: &Member| {
            names.iter().any(|name| name.as_ref() == member.client.as_str())
        };
        let heard = match &signal.targets {
            Targets::Everyone => self.broadcast(port, event, bytes, |_| true),
            Targets::One(name) => match self.members.by_client(name) {
                Some(member) => {
                    port.push(member.conn, frame(&member.address(&self.topic), &event, bytes));
                    1
                }
                None => 0,
            },
            Targets::Only(names) => self.broadcast(port, event, bytes, |m| named(names, m)),
            Targets::Except(names) => self.broadcast(port, event, bytes, |m| !named(names, m)),
        };
        port.counters.signal_deliveries += heard as u64;
    }

    /// A signal of the service itself: raw JSON content, no sender.
    pub fn broadcast_signal(&self, port: &mut Port<'_>, content: &[u8]) {
        let out = SignalOut { client_id: None, content, extra: b"" };
        self.broadcast(port, ServerEvent::Signal(&out), content.len(), |_| true);
    }

    pub(super) fn announce_join(&self, port: &mut Port<'_>, client: ClientId, detail: &[u8]) {
        self.broadcast_signal(port, &join_content(client, detail));
    }

    pub(super) fn announce_leave(&self, port: &mut Port<'_>, client: ClientId) {
        let inner = format!(r#"{{"type":"leave","content":"{client}"}}"#);
        let mut content = Vec::with_capacity(inner.len() + 16);
        write_string(&mut content, &inner);
        self.broadcast_signal(port, &content);
    }

    /// On Socket.IO the joiner hears its own join signal, before the success.
    pub(super) fn send_own_join(
        &self,
        port: &mut Port<'_>,
        conn: ConnId,
        address: &Address<'_>,
        client: ClientId,
        detail: &[u8],
    ) {
        let content = join_content(client, detail);
        let out = SignalOut { client_id: None, content: &content, extra: b"" };
        port.push(conn, frame(address, &ServerEvent::Signal(&out), content.len()));
    }

    /// A `presence_v1` request of a member.
    pub fn presence(
        &mut self,
        port: &mut Port<'_>,
        slot: MemberSlot,
        request: PresenceRequest<'_>,
    ) {
        let Some(member) = self.members.get(slot) else {
            return;
        };
        let client = member.client;
        let done = match request {
            PresenceRequest::Join { meta } => {
                let user = member.user.clone();
                let joined = self.presence.join(client, &user, meta);
                if joined.is_ok() {
                    let state = self.presence.state();
                    self.tell_presence(port, slot, PresenceEvent::State, &state);
                }
                joined
            }
            PresenceRequest::Update { meta } => self.presence.update(client, meta),
            PresenceRequest::Leave => self.presence.leave(client).ok_or(PresenceFault::NotJoined),
            PresenceRequest::Malformed => Err(PresenceFault::NotAnObject),
        };
        match done {
            Ok(diff) => self.broadcast_presence(port, &diff),
            Err(fault) => {
                self.tell_presence(port, slot, PresenceEvent::Error, fault.payload());
            }
        }
    }

    fn tell_presence(
        &self,
        port: &mut Port<'_>,
        slot: MemberSlot,
        event: PresenceEvent,
        payload: &[u8],
    ) {
        let Some(member) = self.members.get(slot) else {
            return;
        };
        let event = ServerEvent::Presence { document: self.key.document(), event, payload };
        port.push(member.conn, frame(&member.address(&self.topic), &event, payload.len()));
    }

    pub(super) fn broadcast_presence(&self, port: &mut Port<'_>, diff: &[u8]) {
        let event = PresenceEvent::Diff;
        let document = self.key.document();
        let event = ServerEvent::Presence { document, event, payload: diff };
        self.broadcast(port, event, diff.len(), |_| true);
    }
}

/// `"{\"type\":\"join\",\"content\":{\"clientId\":…,\"client\":…}}"`: a string with JSON inside.
fn join_content(client: ClientId, detail: &[u8]) -> Vec<u8> {
    let mut inner = b"{\"type\":\"join\",\"content\":".to_vec();
    write_member(&mut inner, "client", client, detail);
    inner.push(b'}');
    let mut content = Vec::with_capacity(inner.len() + inner.len() / 4);
    write_string(&mut content, std::str::from_utf8(&inner).unwrap_or_default());
    content
}
