//! What time alone brings: pings, silent peers, expired tokens, noops, documents that may leave
//! memory, and the goodbye of a drain.

use super::Shard;
use crate::auth::Keyring;
use crate::dialect::{Address, Dialect, ServerEvent};
use crate::document::Document;
use crate::event::{Action, LogLevel};
use crate::fanout::frame;
use crate::http_request::timeout_response;
use crate::ids::{ConnId, Now};
use crate::limits::{
    CONNECT_ANSWER_MS, PHOENIX_IDLE_MS, PING_INTERVAL_MS, PING_TIMEOUT_MS, TICK_MS,
};
use crate::session::{Connection, Protocol};
use crate::shard::docs::{DocSlot, Entry};
use crate::wire::websocket::close_frame;
use std::sync::Arc;

/// Every connection and document is looked at once in so many ticks.
const SWEEP_TICKS: usize = (1_000 / TICK_MS) as usize;

/// Where the sweeps go on at the next tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    conns: usize,
    links: usize,
    docs: usize,
}

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    started_ms: u64,
    spread_ms: u64,
    /// Slots whose sockets have been told.
    told: usize,
}

/// What to do about a connection that time has caught up with.
enum Due {
    Nothing,
    Ping,
    TimedOut,
    /// WebSocket close with a code.
    Silent(u16),
    Expired,
    Revoked,
}

impl Shard {
    pub(super) fn tick(&mut self, now: Now, actions: &mut Vec<Action>) {
        let part = |total: usize| total / SWEEP_TICKS + 1;
        for _ in 0..part(self.conns.slots()) {
            let id = self.conns.at_slot(self.sweep.conns);
            self.sweep.conns = next(self.sweep.conns, self.conns.slots());
            if let Some(conn) = id {
                self.look_at(now, conn, actions);
            }
        }
        for _ in 0..part(self.links.slots()) {
            let id = self.links.at_slot(self.sweep.links);
            self.sweep.links = next(self.sweep.links, self.links.slots());
            if let Some(link) = id {
                self.look_at(now, link, actions);
            }
        }
        for _ in 0..part(self.docs.slots()) {
            let id = self.docs.at_slot(self.sweep.docs);
            self.sweep.docs = next(self.sweep.docs, self.docs.slots());
            if let Some(id) = id {
                self.look_at_document(now, id, actions);
            }
        }
        self.consolidate_noops(now, actions);
        self.answer_absent(now, actions);
        self.say_goodbyes(now, actions);
        self.flush(actions);
    }

    fn look_at(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        let handshake_ms = self.config.limits.handshake_ms;
        let keyring = self.config.keyring.clone();
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn).filter(|c| !c.is_closing) else {
            return;
        };
        // A peer that takes nothing of its answer is cut by the system.
        let is_sending = !c.outbox.is_drained();
        match due(&mut c.state, is_sending, now, handshake_ms, &keyring) {
            Due::Nothing => {}
            Due::Ping => self.tell(conn, "", None, ServerEvent::Ping, actions),
            Due::TimedOut => {
                let is_between = matches!(&c.state.protocol,
                    Protocol::Http { reader, .. } if reader.is_idle());
                if !is_between {
                    port.push(conn, timeout_response());
                }
                port.close(conn);
            }
            Due::Silent(code) => {
                let mut close = Vec::with_capacity(4);
                close_frame(&mut close, Some(code), "");
                port.push(conn, close.into());
                port.close(conn);
                self.leave_all(now, conn, actions);
            }
            Due::Expired => {
                port.log(LogLevel::Info, "token expired", None, "the client is asked to come back");
                self.dismiss(now, conn, actions);
            }
            Due::Revoked => {
                port.log(LogLevel::Info, "token revoked", None, "the client is asked to come back");
                self.dismiss(now, conn, actions);
            }
        }
    }

    /// Takes effect on open sockets at once; a client that is being seated meanwhile is caught by
    /// the next sweep.
    pub(super) fn keyring_changed(
        &mut self,
        now: Now,
        keyring: Arc<Keyring>,
        actions: &mut Vec<Action>,
    ) {
        self.config.keyring = keyring;
        let conns = (0..self.conns.slots()).filter_map(|slot| self.conns.at_slot(slot));
        let links = (0..self.links.slots()).filter_map(|slot| self.links.at_slot(slot));
        let all: Vec<ConnId> = conns.chain(links).collect();
        for conn in all {
            let keyring = &self.config.keyring;
            if self.connection(conn).is_some_and(|state| !state.holds_with(keyring)) {
                self.look_at(now, conn, actions);
            }
        }
        self.flush(actions);
    }

    fn look_at_document(&mut self, now: Now, id: DocSlot, actions: &mut Vec<Action>) {
        let limits = self.config.limits;
        match self.docs.entry(id) {
            None => {}
            Some(Entry::Loading { waiters } | Entry::Doomed { waiters, .. }) => {
                let late = |since_ms: u64| now.mono_ms.saturating_sub(since_ms) > CONNECT_ANSWER_MS;
                if waiters.iter().any(|waiter| late(waiter.since_ms)) {
                    let waiters = std::mem::take(waiters);
                    for waiter in waiters {
                        self.refuse(&waiter, &super::documents::unavailable(), actions);
                    }
                }
            }
            Some(Entry::Ready(document)) => {
                if document.may_leave(now.mono_ms, limits.idle_document_ms) {
                    self.docs.remove(id);
                    self.counters.documents_evicted += 1;
                } else {
                    self.with(id, actions, |d, _| d.evict_idle(now, limits.idle_writer_ms));
                }
            }
        }
    }

    fn consolidate_noops(&mut self, now: Now, actions: &mut Vec<Action>) {
        for slot in std::mem::take(&mut self.noops) {
            let due = self.docs.get(slot).and_then(Document::noop_due_ms);
            match due {
                None => {}
                Some(due_ms) if due_ms > now.mono_ms => self.noops.push(slot),
                Some(_) => {
                    self.with(slot, actions, |document, _| document.consolidate_noops(now));
                }
            }
        }
    }

    pub(super) fn start_drain(&mut self, now: Now, spread_ms: u64) {
        self.drain.get_or_insert(Drain { started_ms: now.mono_ms, spread_ms, told: 0 });
    }

    /// Tells as many sockets as the time that has passed asks for, so that they do not all come
    /// back at once.
    fn say_goodbyes(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Some(mut drain) = self.drain else { return };
        let slots = self.conns.slots() as u64;
        let passed_ms = now.mono_ms.saturating_sub(drain.started_ms).min(drain.spread_ms);
        let reached = match drain.spread_ms {
            0 => slots,
            spread_ms => slots * passed_ms / spread_ms,
        };
        while (drain.told as u64) < reached {
            // A request that is being answered closes its connection with the answer.
            let conn = self.conns.at_slot(drain.told).filter(|conn| !self.is_answering(*conn));
            if let Some(conn) = conn {
                self.dismiss(now, conn, actions);
            }
            drain.told += 1;
        }
        self.drain = Some(drain);
    }

    fn is_answering(&self, conn: ConnId) -> bool {
        let state = self.connection(conn);
        state.is_some_and(|s| matches!(s.protocol, Protocol::Http { is_answering: true, .. }))
    }

    /// The polite goodbye: the dialect's word for "come back", then the close.
    pub(super) fn dismiss(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        if let Some(dialect) = c.state.dialect {
            let address = Address { dialect, topic: "", join_ref: None };
            port.push(conn, frame(&address, &ServerEvent::Goodbye, 0));
        }
        port.close(conn);
        self.leave_all(now, conn, actions);
    }
}

fn next(at: usize, total: usize) -> usize {
    if at + 1 >= total { 0 } else { at + 1 }
}

/// What time asks for on one connection; notes a ping as sent.
fn due(
    state: &mut Connection,
    is_sending: bool,
    now: Now,
    handshake_ms: u64,
    keyring: &Keyring,
) -> Due {
    let silent_ms = now.mono_ms.saturating_sub(state.heard_ms);
    let expired = state.seats().any(|seat| seat.expires_unix_s <= now.unix_s());
    match (&state.protocol, state.dialect) {
        (Protocol::Http { is_answering, .. }, _) if *is_answering || is_sending => Due::Nothing,
        (Protocol::Http { reader, .. }, _) if reader.is_idle() => {
            if silent_ms > handshake_ms {
                Due::TimedOut
            } else {
                Due::Nothing
            }
        }
        (Protocol::Http { reader, .. }, _) => {
            // A body may take longer, at no less than about 16 KB a second.
            let allowed_ms = handshake_ms + reader.buffered_bytes() as u64 / 16;
            let taken_ms = now.mono_ms.saturating_sub(state.opened_ms);
            if taken_ms > allowed_ms { Due::TimedOut } else { Due::Nothing }
        }
        (Protocol::Busy, _) => Due::Nothing,
        _ if expired => Due::Expired,
        _ if !state.holds_with(keyring) => Due::Revoked,
        (Protocol::Link { .. }, _) => Due::Nothing,
        (Protocol::WebSocket { .. }, Some(Dialect::SocketIo)) => {
            let unpinged_ms = now.mono_ms.saturating_sub(state.pinged_ms);
            if silent_ms > PING_INTERVAL_MS + PING_TIMEOUT_MS {
                Due::Silent(1001)
            } else if unpinged_ms >= PING_INTERVAL_MS {
                state.pinged_ms = now.mono_ms;
                Due::Ping
            } else {
                Due::Nothing
            }
        }
        (Protocol::WebSocket { .. }, _) if silent_ms > PHOENIX_IDLE_MS => Due::Silent(1002),
        (Protocol::WebSocket { .. }, _) => Due::Nothing,
    }
}
