//! Letters from other cores: sockets that live there and speak to documents here, and answers to
//! sockets of this core.

use super::Shard;
use crate::event::{Action, Mail};
use crate::ids::{Now, ShardId};
use crate::session::{Connection, Protocol};

impl Shard {
    pub(super) fn mail(&mut self, now: Now, from: ShardId, mail: Mail, actions: &mut Vec<Action>) {
        match mail {
            Mail::Message { conn, dialect, peer, text } => {
                let link = self.links.of(from, conn).unwrap_or_else(|| {
                    let mut state = Connection::new(peer, self.random.next(), now.mono_ms);
                    state.dialect = Some(dialect);
                    state.protocol = Protocol::Link { shard: from, socket: conn };
                    self.links.open(from, conn, Box::new(state))
                });
                self.said(now, link, dialect, &text, actions);
            }
            Mail::Unlink { conn } => {
                if let Some(link) = self.links.of(from, conn) {
                    self.leave_all(now, link, actions);
                    self.links.remove(link);
                }
            }
            Mail::Frame { conn, frame } => self.port(actions).push(conn, frame),
            Mail::Unlinked { conn } => self.port(actions).close(conn),
        }
    }
}
