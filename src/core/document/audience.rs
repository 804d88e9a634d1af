//! Who hears what: entering, leaving, catching up, and the broadcast to everyone.

use super::{Budget, Deferred, Document, Entrant, Member, MemberSlot};
use crate::conns::Port;
use crate::dialect::{Address, Connected, Dialect, InitialClient, Mode, ServerEvent};
use crate::fanout::{Frames, frame};
use crate::ids::{Now, Seq};
use crate::limits::INITIAL_MESSAGES_MAX;
use bytes::Bytes;

impl Document {
    /// A client enters. Its join signal goes to everyone, the success to itself, and a writer's
    /// join operation follows when it is durable.
    pub fn connect(&mut self, port: &mut Port<'_>, now: Now, entrant: Entrant<'_>) -> MemberSlot {
        let Entrant { conn, client, mode, dialect, may_write, signals_v2, .. } = entrant;
        let writer = (mode == Mode::Write).then(|| {
            let (slot, ticket) = self.sequencer.join(client, entrant.may_summarize, now.mono_ms);
            self.order_join(now, client, &entrant.detail, ticket);
            (slot, ticket.seq)
        });
        let checkpoint_seq = writer.map_or(self.visible, |(_, seq)| seq);
        self.announce_join(port, client, &entrant.detail);
        let member = Member {
            conn,
            client,
            detail: entrant.detail.clone(),
            mode,
            writer: writer.map(|(slot, _)| slot),
            may_write,
            signals_v2,
            dialect,
            join_ref: entrant.join_ref.clone(),
            user: entrant.user.clone(),
            ops: Budget::new(port.limits.ops_per_second_max, now.mono_ms),
            signals: Budget::new(port.limits.signals_per_second_max, now.mono_ms),
        };
        let address = member.address(&self.topic);
        if dialect == Dialect::SocketIo {
            self.send_own_join(port, conn, &address, client, &entrant.detail);
        }
        let success = self.welcome(now, &address, &entrant, checkpoint_seq);
        port.push(conn, success);
        let slot = self.members.insert(member);
        if let Some(from) = entrant.last_seen {
            self.defer(port, Deferred::CatchUp(slot, client, from));
        }
        port.counters.connects_accepted += 1;
        slot
    }

    /// The frame of `connect_document_success`: the state before the entrant.
    fn welcome(
        &self,
        now: Now,
        address: &Address<'_>,
        entrant: &Entrant<'_>,
        checkpoint_seq: Seq,
    ) -> Bytes {
        let clients: Vec<InitialClient<'_>> = self
            .members
            .iter()
            .map(|m| InitialClient { client_id: m.client, client: &m.detail, mode: m.mode })
            .collect();
        let messages = match address.dialect {
            Dialect::SocketIo => Vec::new(),
            Dialect::Phoenix | Dialect::PhoenixMsgpack => self.newest(INITIAL_MESSAGES_MAX),
        };
        let connected = Connected {
            client_id: entrant.client,
            mode: entrant.mode,
            claims: entrant.claims,
            initial_clients: &clients,
            initial_messages: &messages,
            version: entrant.version,
            signals_v2: entrant.signals_v2,
            checkpoint_seq,
            timestamp_ms: now.unix_ms,
            summary: self.summaries.context(),
        };
        frame(address, &ServerEvent::Connected(&connected), messages.len() + 2048)
    }

    /// A client goes: its leave is ordered if it was a writer, and signalled to all who stay.
    pub fn leave(&mut self, port: &mut Port<'_>, now: Now, slot: MemberSlot) {
        let Some(member) = self.members.remove(slot) else {
            return;
        };
        if let Some(diff) = self.presence.leave(member.client) {
            self.broadcast_presence(port, &diff);
        }
        if let Some(writer) = member.writer
            && let Some(ticket) = self.sequencer.leave(writer)
        {
            self.order_leave(now, member.client, ticket);
        }
        self.announce_leave(port, member.client);
        if self.members.is_empty() {
            self.empty_since_ms = now.mono_ms;
        }
    }

    /// Sends one client everything visible after `from` that is in memory.
    pub fn request_ops(&mut self, port: &mut Port<'_>, slot: MemberSlot, from: i64) {
        self.catch_up(port, slot, from);
    }

    pub(super) fn catch_up(&self, port: &mut Port<'_>, slot: MemberSlot, from: i64) {
        let Some(member) = self.members.get(slot) else {
            return;
        };
        let run = self.visible_after(Seq(u64::try_from(from).unwrap_or(0)));
        if run.is_empty() {
            return;
        }
        let event = ServerEvent::Ops { document: self.key.document(), run: &run };
        port.push(member.conn, frame(&member.address(&self.topic), &event, run.len()));
    }

    /// Visible operations after a number that are in memory, joined by commas.
    fn visible_after(&self, after: Seq) -> Vec<u8> {
        let slices: Vec<Bytes> = self.history.slices(after.next(), self.visible).collect();
        slices.join(&b","[..])
    }

    fn newest(&self, count: usize) -> Vec<u8> {
        self.visible_after(Seq(self.visible.0.saturating_sub(count as u64)))
    }

    pub(super) fn broadcast(
        &self,
        port: &mut Port<'_>,
        event: ServerEvent<'_>,
        bytes_hint: usize,
        hears: impl Fn(&Member) -> bool,
    ) -> usize {
        let mut frames = Frames::new(event, bytes_hint);
        let mut count = 0;
        for member in self.members.iter().filter(|member| hears(member)) {
            port.push(member.conn, frames.of(&member.address(&self.topic)));
            count += 1;
        }
        count
    }
}
