//! The connections of one core, and the port through which documents speak to them.

use crate::counters::Counters;
use crate::event::{Action, LogEvent, LogLevel, Mail};
use crate::fanout::{Outbox, Pushed};
use crate::ids::{ConnId, DocKey, ShardId};
use crate::limits::Limits;
use crate::session::Connection;
use bytes::Bytes;

/// One connection: its movable state and its outbox.
pub struct Conn {
    pub state: Box<Connection>,
    pub outbox: Outbox,
    /// Nothing more is read or queued; the socket closes once the outbox has drained.
    pub is_closing: bool,
    /// What it had received and not finished when that was last counted.
    unfinished_bytes: usize,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    conn: Option<Conn>,
}

/// All connections of one core, sockets and links alike, by slot and generation.
#[derive(Default)]
pub struct Conns {
    slots: Vec<Slot>,
    /// Slots of links, which this shard hands out itself; sockets get theirs from the shell.
    free_links: Vec<u32>,
    count: u32,
    unfinished_bytes: usize,
}

/// Slots from here on are links': the shell numbers its sockets from 0.
pub const LINK_SLOTS_FROM: u32 = 1 << 31;

impl Conns {
    pub fn insert(&mut self, id: ConnId, state: Box<Connection>) {
        let slot = id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            assert!(place.conn.is_none(), "a slot has one connection at a time");
            place.generation = id.generation;
            place.conn = Some(Conn {
                state,
                outbox: Outbox::default(),
                is_closing: false,
                unfinished_bytes: 0,
            });
            self.count += 1;
        }
    }

    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.conn.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.conn.as_mut().filter(|_| slot.generation == id.generation)
    }

    pub fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let conn = slot.conn.take()?;
        self.count -= 1;
        self.unfinished_bytes -= conn.unfinished_bytes;
        Some(conn)
    }

    /// Counts anew what a connection holds of messages that are not whole yet: its bytes, and
    /// those of all connections.
    pub fn recount(&mut self, id: ConnId) -> (usize, usize) {
        let Some(conn) = self.get_mut(id) else {
            return (0, self.unfinished_bytes);
        };
        let bytes = conn.state.unfinished_bytes();
        let counted = std::mem::replace(&mut conn.unfinished_bytes, bytes);
        self.unfinished_bytes = self.unfinished_bytes - counted + bytes;
        (bytes, self.unfinished_bytes)
    }

    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many slots there are, for a sweep in parts.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The connection in a slot, whoever it is.
    #[must_use]
    pub fn at_slot(&self, slot: usize) -> Option<ConnId> {
        let place = self.slots.get(slot)?;
        place.conn.as_ref().map(|_| ConnId { slot: slot as u32, generation: place.generation })
    }
}

/// What documents and sessions need to be heard: the connections, the actions, the counters.
pub struct Port<'a> {
    pub conns: &'a mut Conns,
    pub links: &'a mut Links,
    pub actions: &'a mut Vec<Action>,
    pub counters: &'a mut Counters,
    pub limits: &'a Limits,
}

/// Sockets of other cores that speak to documents of this one.
#[derive(Default)]
pub struct Links {
    conns: Conns,
    next_slot: u32,
    generation: u32,
    by_socket: foldhash::HashMap<(ShardId, ConnId), ConnId>,
}

impl Links {
    /// The link of a socket, if it has one.
    #[must_use]
    pub fn of(&self, shard: ShardId, socket: ConnId) -> Option<ConnId> {
        self.by_socket.get(&(shard, socket)).copied()
    }

    /// Opens a link for a socket of another core.
    pub fn open(&mut self, shard: ShardId, socket: ConnId, state: Box<Connection>) -> ConnId {
        let slot = self.conns.free_links.pop().unwrap_or_else(|| {
            self.next_slot += 1;
            self.next_slot - 1
        });
        self.generation = self.generation.wrapping_add(1);
        self.conns.insert(ConnId { slot, generation: self.generation }, state);
        let id = ConnId { slot: slot | LINK_SLOTS_FROM, generation: self.generation };
        self.by_socket.insert((shard, socket), id);
        id
    }

    #[must_use]
    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(inner(id))
    }

    /// Forgets a link.
    pub fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let conn = self.conns.remove(inner(id))?;
        self.conns.free_links.push(inner(id).slot);
        if let Some((shard, socket)) = conn.state.linked_socket() {
            self.by_socket.remove(&(shard, socket));
        }
        Some(conn)
    }

    #[must_use]
    pub fn slots(&self) -> usize {
        self.conns.slots()
    }

    #[must_use]
    pub fn at_slot(&self, slot: usize) -> Option<ConnId> {
        let id = self.conns.at_slot(slot)?;
        Some(ConnId { slot: id.slot | LINK_SLOTS_FROM, generation: id.generation })
    }
}

/// Whether the id names a link and not a socket of this core.
#[must_use]
pub fn is_link(id: ConnId) -> bool {
    id.slot >= LINK_SLOTS_FROM
}

fn inner(id: ConnId) -> ConnId {
    ConnId { slot: id.slot & !LINK_SLOTS_FROM, generation: id.generation }
}

impl Port<'_> {
    /// The connection of that id, socket or link.
    pub fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        if is_link(id) { self.links.conns.get_mut(inner(id)) } else { self.conns.get_mut(id) }
    }

    /// Queues a frame for a connection. A reader that is too slow is closed, alone.
    pub fn push(&mut self, id: ConnId, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        let outbox_bytes_max = self.limits.outbox_bytes_max;
        let Some(conn) = self.conn(id) else { return };
        if conn.is_closing {
            return;
        }
        if let Some((to, socket)) = conn.state.linked_socket() {
            self.actions.push(Action::Post { to, mail: Mail::Frame { conn: socket, frame } });
            return;
        }
        match conn.outbox.push(frame, outbox_bytes_max) {
            Pushed::Waits => {}
            Pushed::Start => self.actions.push(Action::Send(id)),
            Pushed::Overflow => {
                self.counters.slow_readers_closed += 1;
                self.log(LogLevel::Warn, "slow reader closed", None, "its outbox is full");
                self.abort(id);
            }
        }
    }

    /// Closes a connection once what was queued has left.
    pub fn close(&mut self, id: ConnId) {
        let Some(conn) = self.conn(id) else { return };
        if std::mem::replace(&mut conn.is_closing, true) {
            return;
        }
        match conn.state.linked_socket() {
            Some((to, socket)) => {
                self.actions.push(Action::Post { to, mail: Mail::Unlinked { conn: socket } });
            }
            None => self.actions.push(Action::Close { conn: id, at_once: false }),
        }
    }

    /// Closes a connection without waiting for its outbox; what a link has sent is not here any
    /// more.
    pub fn abort(&mut self, id: ConnId) {
        if is_link(id) {
            return self.close(id);
        }
        let Some(conn) = self.conn(id) else { return };
        if std::mem::replace(&mut conn.is_closing, true) {
            return;
        }
        self.actions.push(Action::Close { conn: id, at_once: true });
    }

    /// Tells the operator what a peer did wrong: once for each connection, whatever else it does.
    pub fn complain(&mut self, id: ConnId, what: &'static str, fault: &str) {
        self.counters.peer_faults += 1;
        let Some(conn) = self.conn(id) else { return };
        let state = &mut conn.state;
        if std::mem::replace(&mut state.has_complained, true) {
            return;
        }
        let client =
            state.seats().next().map_or_else(|| "none".into(), |seat| seat.client.to_string());
        let doc = state.channels.first().map(|channel| channel.key.clone());
        let detail = format!("{fault}, client {client}, from {}", state.peer);
        self.log(LogLevel::Warn, what, doc.as_ref(), detail);
    }

    /// Tells the operator.
    pub fn log(
        &mut self,
        level: LogLevel,
        what: &'static str,
        doc: Option<&DocKey>,
        detail: impl Into<Box<str>>,
    ) {
        let detail = detail.into();
        self.actions.push(Action::Log(LogEvent { level, what, doc: doc.cloned(), detail }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Protocol;
    use std::net::IpAddr;

    fn read_some(conns: &mut Conns, id: ConnId, bytes: &[u8]) -> (usize, usize) {
        if let Protocol::Http { reader, .. } = &mut conns.get_mut(id).unwrap().state.protocol {
            reader.push(bytes).unwrap();
        }
        conns.recount(id)
    }

    #[test]
    fn unfinished_bytes_are_counted_over_all_connections_and_go_with_them() {
        let mut conns = Conns::default();
        let ids = [0, 1].map(|slot| ConnId { slot, generation: 0 });
        let peer = IpAddr::from([127, 0, 0, 1]);
        for id in ids {
            conns.insert(id, Box::new(Connection::new(peer, 0, 0)));
            assert_eq!(conns.recount(id), (0, 0));
        }
        let (first, _) = read_some(&mut conns, ids[0], &[b'x'; 1000]);
        assert!(first >= 1000);
        let (second, total) = read_some(&mut conns, ids[1], &[b'x'; 5000]);
        assert_eq!(total, first + second);
        assert_eq!(conns.recount(ids[1]), (second, total), "nothing is counted twice");
        conns.remove(ids[0]);
        assert_eq!(conns.recount(ids[1]), (second, second));
        conns.remove(ids[1]);
        assert_eq!(conns.recount(ids[1]), (0, 0));
    }
}
