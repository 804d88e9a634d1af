//! A socket moves to the core of its document, with its state and what was read of it.

use super::conn::Conn;
use super::mailbox::Letter;
use super::shard_loop::Core;
use crate::runtime::{Reader, Writer, join};
use levee_core::event::Event;
use levee_core::ids::{ConnId, ShardId};
use levee_core::session::Connection;
use std::os::fd::OwnedFd;
use std::rc::Rc;

impl Core {
    /// Sends a socket whose output has left to another core. Its id is free afterwards.
    pub(super) fn hand_over(
        self: &Rc<Self>,
        conn: ConnId,
        to: ShardId,
        state: Box<Connection>,
        reader: Reader,
        writer: Writer,
    ) {
        self.forget(conn);
        match join(reader, writer) {
            Ok(socket) => self.post(to, Letter::Adopt { socket, state }),
            Err(error) => tracing::warn!(%error, "a socket could not move to its core"),
        }
    }

    /// Takes in a socket of another core.
    pub(super) fn adopted(self: &Rc<Self>, socket: OwnedFd, state: Box<Connection>) {
        let Some((conn, reader)) = self.register(socket) else {
            return;
        };
        let id = conn.id;
        self.start(conn, reader);
        self.handle(Event::Adopted { conn: id, state });
    }
}

/// The sockets of one core by slot; a slot's generation tells its successive users apart.
#[derive(Default)]
pub(super) struct Conns {
    slots: Vec<(u32, Option<Rc<Conn>>)>,
    free: Vec<u32>,
}

impl Conns {
    /// An id that is in nobody's use.
    pub(super) fn vacant(&mut self) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let generation = self.slots.get(slot as usize).map_or(0, |(generation, _)| *generation);
        ConnId { slot, generation }
    }

    pub(super) fn insert(&mut self, conn: Rc<Conn>) {
        if let Some((_, place)) = self.slots.get_mut(conn.id.slot as usize) {
            *place = Some(conn);
        }
    }

    #[must_use]
    pub(super) fn get(&self, id: ConnId) -> Option<&Rc<Conn>> {
        let (generation, conn) = self.slots.get(id.slot as usize)?;
        conn.as_ref().filter(|_| *generation == id.generation)
    }

    /// Frees an id for a next user.
    pub(super) fn remove(&mut self, id: ConnId) {
        if let Some((generation, conn)) = self.slots.get_mut(id.slot as usize)
            && *generation == id.generation
        {
            *conn = None;
            *generation = generation.wrapping_add(1);
            self.free.push(id.slot);
        }
    }

    /// Runs `f` on every socket.
    pub(super) fn each(&self, f: impl FnMut(&Rc<Conn>)) {
        self.slots.iter().filter_map(|(_, conn)| conn.as_ref()).for_each(f);
    }

    /// Sockets that are open or on their way out.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_never_the_same_id_twice() {
        let mut conns = Conns::default();
        let first = conns.vacant();
        let second = conns.vacant();
        assert_ne!(first.slot, second.slot);
        conns.remove(first);
        conns.remove(first);
        let third = conns.vacant();
        assert_eq!(third.slot, first.slot);
        assert_ne!(third.generation, first.generation);
        assert!(conns.get(first).is_none());
        assert_eq!(conns.count(), 2);
    }
}
