//! The shell's twin: performs what shards ask for, in order, and moves bytes.

use crate::clients::Wish;
use crate::disk::Group;
use crate::invariant::Invariant;
use crate::network::Socket;
use crate::plant::Plant;
use crate::speech::{Ear, Heard};
use crate::world::{Step, World};
use bytes::Bytes;
use levee_core::event::{Action, Event, LogEvent};
use levee_core::git::{Mode, Objects, Protocol, StoredObject, TreeEntry, write_tree};
use levee_core::ids::{ConnId, DocKey, PartitionId, ShardId};
use levee_core::record::{Record, StoreFault};
use levee_core::session::Connection;
use std::net::{IpAddr, Ipv4Addr};

/// A socket that is closing has this long to take what is queued.
const LINGER_MS: u64 = 5_000;

impl World {
    pub fn handle(&mut self, shard: usize, event: Event<'_>) {
        let now = self.now();
        self.trace(|| match &event {
            Event::Tick | Event::Turn => String::new(),
            Event::Bytes { conn, bytes } => format!("shard {shard}: {conn:?}, {}", bytes.len()),
            other => format!("shard {shard}: {other:?}"),
        });
        let is_turn = matches!(event, Event::Turn);
        let mut actions = Vec::new();
        self.shards[shard].handle(now, event, &mut actions);
        self.do_all(shard, actions);
        if !is_turn && !std::mem::replace(&mut self.turns[shard], true) {
            let delay_ms = self.fate.below(3);
            self.at(delay_ms, Step::Turn { shard });
        }
    }

    pub fn do_all(&mut self, shard: usize, actions: Vec<Action>) {
        for action in actions {
            self.perform(shard, action);
        }
    }

    fn perform(&mut self, shard: usize, action: Action) {
        let socket_of = |conn: ConnId| self.by_conn.get(&(shard, conn)).copied();
        match action {
            Action::Send(conn) => {
                if let Some(socket) = socket_of(conn) {
                    self.write(socket);
                }
            }
            Action::Close { conn, at_once } => {
                let Some(socket) = socket_of(conn) else {
                    return self.checker.fail(Invariant::WellFormed, format!("close of {conn:?}"));
                };
                self.sockets[socket].is_closing = true;
                if at_once {
                    self.sockets[socket].is_cut = true;
                    self.close_now(socket);
                } else {
                    self.write(socket);
                    self.at(LINGER_MS, Step::Linger { socket });
                }
            }
            Action::Append { partition, batch, records } => {
                self.append(partition, batch, records);
            }
            Action::Load { doc } => {
                let fault = self.chance_of_fault();
                let delay_ms = self.store_delay();
                self.at(delay_ms, Step::Load { doc, fault });
            }
            Action::Summarize { doc, seq, job } => {
                let fails = self.store.chance(self.plan.faults);
                // Under faults some jobs outlive the document that asked for them.
                let is_long = self.plan.faults > 0 && self.store.chance(300);
                let more_ms = if is_long { self.store.below(6_000) } else { 0 };
                let delay_ms = self.store_delay() + more_ms;
                self.at(delay_ms, Step::Summarize { doc, seq, job, fails });
            }
            Action::Delete { doc } => {
                let partition = self.plan.placement.partition(&doc);
                let writes = self.disk.under_way.get(&partition);
                let is_under_way = writes
                    .is_some_and(|group| group.records.iter().any(|record| *record.doc() == doc));
                self.checker.require(!is_under_way, Invariant::NothingAfterADeletion, || {
                    format!("{doc} is being written while it is removed")
                });
                self.disk.docs.remove(&doc);
                let delay_ms = self.store_delay();
                self.at(delay_ms, Step::Deleted { doc });
            }
            Action::Post { to, mail } => {
                let from = ShardId(shard as u16);
                let ring = self.rings.entry((from, to)).or_default();
                *ring = (self.now_ms + self.net.below(4)).max(*ring);
                let delay_ms = *ring - self.now_ms;
                self.at(delay_ms, Step::Mail { from, to: usize::from(to.0), mail });
            }
            Action::Handoff { conn, to, state } => self.hand_off(shard, conn, to, state),
            Action::Http { conn, .. } => {
                let delay_ms = self.net.below(100);
                self.at(delay_ms, Step::Respond { shard, conn });
            }
            Action::Log(log) => self.logged(&log),
        }
    }

    fn logged(&mut self, log: &LogEvent) {
        let is_wanted = log.what == "document panicked"
            && self.panics_wanted.is_some()
            && log.doc == self.panics_wanted;
        if is_wanted {
            self.panics_wanted = None;
        } else if matches!(log.what, "document panicked" | "document damaged") {
            self.checker.fail(Invariant::NoPanic, format!("{log:?}"));
        }
    }

    fn chance_of_fault(&mut self) -> Option<StoreFault> {
        let faults = [StoreFault::DiskFull, StoreFault::DiskFailed, StoreFault::Busy];
        if self.store.chance(self.plan.faults) {
            return self.store.pick(&faults).copied();
        }
        None
    }

    fn store_delay(&mut self) -> u64 {
        match self.store.chance(self.plan.stalls) {
            true => self.store.between(1_000, 25_000),
            false => self.store.below(12),
        }
    }

    fn append(
        &mut self,
        partition: PartitionId,
        batch: levee_core::ids::BatchId,
        mut records: Vec<Record>,
    ) {
        crate::plant::on_records(self.plant, self.now_ms, &mut records);
        let names = records.iter().map(|record| record.doc().document());
        let settled = names
            .filter(|name| self.checker.docs.get(*name).is_some_and(|doc| !doc.has_earlier_life()));
        let settled = settled.map(str::to_owned).collect();
        let before = self.disk.under_way.insert(partition, Group { settled, records });
        self.pending_is_bounded(partition);
        let is_alone = before.is_none();
        self.checker.require(is_alone, Invariant::DurableOrder, || {
            format!("two groups of {partition:?} are under way")
        });
        let fault = self.chance_of_fault();
        let delay_ms = self.store_delay();
        self.at(delay_ms, Step::Persisted { partition, batch, fault });
    }

    /// Where a group's last operation of a client begins, so much was waiting when it came.
    fn pending_is_bounded(&mut self, partition: PartitionId) {
        let bound = self.plan.limits.pending_bytes_max;
        let records = self.disk.under_way.get(&partition).map(|group| &*group.records);
        for record in records.unwrap_or_default() {
            let Record::Ops(doc, run) = record else {
                continue;
            };
            let ops = run.ops().scan(0, |at, (_, op)| {
                let start = std::mem::replace(at, *at + op.len() + 1);
                Some((start, op))
            });
            let last = ops.filter(|(_, op)| !op.starts_with(br#"{"clientId":null"#)).last();
            let start = last.map_or(0, |(start, _)| start);
            self.checker.require(start <= bound, Invariant::PendingBounded, || {
                format!("{start} bytes of {doc} waited")
            });
        }
    }

    /// The disk says that the group is durable.
    pub fn commit(&mut self, partition: PartitionId) {
        if Plant::LoseAppend.strikes(self.plant, self.now_ms) {
            self.disk.under_way.remove(&partition);
            return;
        }
        if let Some(group) = self.disk.under_way.get_mut(&partition) {
            crate::plant::on_commit(self.plant, &self.checker, group);
        }
        if let Some(group) = self.disk.commit(partition) {
            self.now_durable(&group);
        }
    }

    pub fn now_durable(&mut self, group: &Group) {
        let (mut versions, mut acked) = (Vec::new(), Vec::new());
        for record in &group.records {
            match record {
                Record::Ops(doc, run) => {
                    for (seq, op) in run.ops() {
                        let text = String::from_utf8_lossy(op);
                        self.checker.durable(doc.document(), seq.0, &text);
                        self.acked(doc, seq.0, &mut acked);
                    }
                }
                Record::Version(_, version) => versions.push(version.to_string()),
                Record::Checkpoint(..) | Record::Object(..) => {}
            }
        }
        versions.sort();
        acked.sort();
        self.checker.versions(&versions, &acked);
    }

    /// An ack: its version's protocol must be the quorum at the reference number.
    fn acked(&mut self, doc: &DocKey, seq: u64, acked: &mut Vec<String>) {
        let log = self.checker.log(doc.document());
        let Some((proposal, Some(handle))) = log.get(seq).and_then(|op| op.answers.clone()) else {
            return;
        };
        let reference = log.get(proposal).map_or(0, |op| op.reference_seq as u64);
        let expected = crate::quorum::at(log, reference);
        let objects = self.disk.docs.get(doc).map(|stored| &stored.objects);
        let protocol = objects
            .zip(handle.parse().ok())
            .and_then(|(objects, id)| Protocol::of_version(objects as &dyn Objects, &id).ok());
        let found = protocol.map(|protocol| crate::quorum::of(&protocol));
        self.checker.require(
            found.as_ref() == Some(&expected),
            Invariant::ProtocolAtReference,
            || format!("{doc} {proposal} at {reference}: {found:?}, expected {expected:?}"),
        );
        acked.push(handle);
    }

    /// Starts a write to a socket, if none is under way.
    pub fn write(&mut self, socket: usize) {
        let Socket { conn: Some(conn), shard, is_writing: false, .. } = self.sockets[socket] else {
            return;
        };
        let takes_all = self.net.chance(250);
        let bytes_max = if takes_all { usize::MAX } else { self.net.between(1, 65_536) as usize };
        let mut frames = Vec::new();
        let bytes = self.shards[shard].take_output(conn, bytes_max, &mut frames);
        if bytes == 0 {
            if self.sockets[socket].is_closing {
                self.close_now(socket);
            }
            return;
        }
        let bound = self.plan.limits.outbox_bytes_max;
        self.checker.require(bytes <= bound || frames.len() == 1, Invariant::OutboxBounded, || {
            format!("{bytes} bytes waited for socket {socket}")
        });
        self.sockets[socket].is_writing = true;
        let mut carried = frames.concat();
        if self.sockets[socket].ear.is_upgraded {
            crate::plant::on_bytes(self.plant, self.now_ms, &mut carried);
        }
        let heard = self.sockets[socket].ear.hear(&carried);
        match heard {
            Ok(heard) => self.tap(socket, heard),
            Err(fault) => self.checker.fail(Invariant::WellFormed, fault),
        }
        if !self.sockets[socket].is_dead {
            let is_slow = self.sockets[socket].is_slow && !self.is_quiet;
            let delay_ms = if is_slow { self.net.between(50, 2_000) } else { self.net.below(5) };
            self.at(delay_ms, Step::Written { socket, bytes });
        }
    }

    /// What a client will hear passes by here as it leaves the core.
    fn tap(&mut self, socket: usize, heard: Vec<Heard>) {
        let (client, dialect) = {
            let client = &self.clients[self.sockets[socket].client];
            (self.sockets[socket].client, client.dialect)
        };
        let only = self.clients[client].sessions.first().map(|s| s.document.clone());
        let heard = crate::plant::on_heard(self.plant, heard, self.now_ms);
        for heard in &heard {
            self.trace(|| format!("socket {socket} (client {client}) hears {heard:?}"));
            let document = match heard {
                Heard::Connected(connected) => connected.at.document.clone(),
                Heard::ConnectError { at, .. }
                | Heard::Ops { at, .. }
                | Heard::Nack { at, .. }
                | Heard::Presence { at, .. } => at.document.clone(),
                // Socket.IO does not say, and what is in it does.
                Heard::Signal { at, content, .. } => at.document.clone().or_else(|| {
                    let sent_in = self.receivers.document_of(content)?;
                    self.clients[client].is_in(sent_in).then(|| sent_in.to_owned())
                }),
                Heard::Answered | Heard::Refused(_) => {
                    self.sockets[socket].asks_since_ms = None;
                    continue;
                }
                Heard::Goodbye | Heard::Close(_) => {
                    self.sockets[socket].heard_goodbye = true;
                    continue;
                }
                _ => continue,
            };
            let Some(document) = document.or_else(|| only.clone()) else {
                continue;
            };
            let is_of_socket =
                matches!(heard, Heard::Signal { .. }) || self.clients[client].is_in(&document);
            self.checker.require(is_of_socket, Invariant::DocumentsApart, || {
                format!("client {client} hears {heard:?}")
            });
            let key = DocKey::new("t", &document);
            let published = self.shards[self.shard_of(&key)].published(&key);
            let head = self.checker.log(&document).head();
            let visible = published.map_or(head, |published| published.head.0);
            let at = (document.as_str(), visible);
            self.receivers.heard(&mut self.checker, (socket, dialect), at, heard);
        }
        let state = &mut self.sockets[socket];
        state.out_ms = (self.now_ms + self.net.below(20)).max(state.out_ms);
        let delay_ms = state.out_ms - self.now_ms;
        self.at(delay_ms, Step::ClientHears { socket, heard });
    }

    /// REST answers after a while; the socket may be anywhere by then.
    pub fn respond(&mut self, shard: usize, conn: ConnId) {
        let response = Bytes::from_static(b"HTTP/1.1 204 No Content\r\n\r\n");
        let close = self.net.chance(100);
        self.handle(shard, Event::Responded { conn, response, close });
    }

    /// The service has something to say to everyone in a document.
    pub fn broadcast(&mut self) {
        let Some(name) = self.fate.pick(&self.plan.documents).cloned() else {
            return;
        };
        let mark = format!("{name}-service-{}", self.now_ms);
        self.receivers.signal_sent(&mark, (&name, ""), None);
        let key = DocKey::new("t", &name);
        let shard = self.shard_of(&key);
        if shard < self.shards.len() {
            let content = Bytes::from(format!("\"{mark}\""));
            self.handle(shard, Event::Broadcast { doc: key, content });
        }
    }

    pub fn written(&mut self, socket: usize, bytes: usize) {
        self.sockets[socket].is_writing = false;
        if let Some((to, state)) = self.sockets[socket].moves.take() {
            return self.at(1, Step::Adopt { socket, to, state });
        }
        let Socket { conn: Some(conn), shard, .. } = self.sockets[socket] else {
            return;
        };
        self.handle(shard, Event::Sent { conn, bytes });
        self.write(socket);
    }

    fn hand_off(&mut self, shard: usize, conn: ConnId, to: ShardId, state: Box<Connection>) {
        let Some(socket) = self.by_conn.remove(&(shard, conn)) else {
            return self.checker.fail(Invariant::WellFormed, format!("hand-off of {conn:?}"));
        };
        self.free_slots[shard].push(conn.slot);
        let to = usize::from(to.0);
        let state_of = &mut self.sockets[socket];
        state_of.conn = None;
        if state_of.is_writing {
            state_of.moves = Some((to, state));
            self.at(LINGER_MS, Step::Linger { socket });
        } else {
            let delay_ms = self.net.below(4);
            self.at(delay_ms, Step::Adopt { socket, to, state });
        }
    }

    pub fn adopt(&mut self, socket: usize, to: usize, state: Box<Connection>) {
        let conn = self.new_conn(to);
        self.by_conn.insert((to, conn), socket);
        (self.sockets[socket].conn, self.sockets[socket].shard) = (Some(conn), to);
        self.handle(to, Event::Adopted { conn, state });
        let bytes = std::mem::take(&mut self.sockets[socket].backlog);
        if !bytes.is_empty() {
            self.server_bytes(socket, bytes);
        }
        if self.sockets[socket].ended {
            self.server_end(socket);
        }
    }

    pub fn accept(&mut self, socket: usize) {
        let shard = self.sockets[socket].shard;
        let conn = self.new_conn(shard);
        self.by_conn.insert((shard, conn), socket);
        self.sockets[socket].conn = Some(conn);
        let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.sockets[socket].client as u8));
        self.handle(shard, Event::Opened { conn, peer });
    }

    pub fn server_bytes(&mut self, socket: usize, mut bytes: Vec<u8>) {
        if !self.sockets[socket].is_open {
            return; // the shell reads no more
        }
        let Some(conn) = self.sockets[socket].conn else {
            self.sockets[socket].backlog.extend_from_slice(&bytes);
            return;
        };
        let shard = self.sockets[socket].shard;
        self.handle(shard, Event::Bytes { conn, bytes: &mut bytes });
    }

    /// The client's end of the stream has arrived.
    pub fn server_end(&mut self, socket: usize) {
        self.sockets[socket].ended = true;
        let Socket { conn: Some(conn), shard, is_dead, .. } = self.sockets[socket] else {
            return;
        };
        let owes_answer = !is_dead && self.shards[shard].peer_ended(conn);
        if !owes_answer || self.plant == Some(Plant::CutHalfClosed) {
            self.close_now(socket);
        }
    }

    /// A peer that takes nothing more does not keep its socket from closing, or from moving on.
    pub fn lose_patience(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        if state.is_closing || state.moves.is_some() {
            state.is_cut = true;
            self.close_now(socket);
        }
    }

    /// The shell lets go of the socket; the shard is told in the next step.
    pub fn close_now(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        if state.moves.take().is_some() {
            // Its peer takes nothing more: neither core will have it.
            state.is_open = false;
            return self.at(0, Step::ClientLost { socket });
        }
        if state.conn.is_none() {
            return;
        }
        if std::mem::replace(&mut self.sockets[socket].is_open, false) {
            let delay_ms = self.net.below(20);
            self.at(delay_ms, Step::ShellClosed { socket });
            let state = &mut self.sockets[socket];
            state.out_ms = (self.now_ms + 1).max(state.out_ms);
            let delay_ms = state.out_ms - self.now_ms;
            self.at(delay_ms, Step::ClientLost { socket });
        }
    }

    pub fn shell_closed(&mut self, socket: usize) {
        let Some(conn) = self.sockets[socket].conn.take() else {
            return;
        };
        let shard = self.sockets[socket].shard;
        self.by_conn.remove(&(shard, conn));
        self.free_slots[shard].push(conn.slot);
        self.receivers.gone(socket);
        self.handle(shard, Event::Closed { conn });
    }

    pub fn client_hears(&mut self, socket: usize, heard: Vec<Heard>) {
        let client = self.sockets[socket].client;
        for heard in heard {
            if self.clients[client].socket != Some(socket) {
                return;
            }
            let wishes = self.with_client(client, |client, around| client.hear(heard, around));
            self.grant(client, wishes);
        }
    }

    pub fn client_lost(&mut self, socket: usize) {
        let client = self.sockets[socket].client;
        let state = &mut self.sockets[socket];
        let is_unanswered = state.asks_since_ms.take().is_some() && !state.is_cut;
        // A process that ends closes who has not finished asking.
        let is_excused = self.is_draining || self.ends_since_ms.is_some();
        self.checker.require(!is_unanswered || is_excused, Invariant::HalfClosedAnswered, || {
            format!("client {client}, socket {socket}")
        });
        if self.clients[client].socket == Some(socket) {
            self.with_client(client, |client, around| client.lost(around));
        }
    }

    /// Does what a client wants. Its socket is the one that it had before it wished.
    pub fn grant(&mut self, client: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            self.trace(|| match &wish {
                Wish::Send(bytes) => format!("client {client} sends {} bytes", bytes.len()),
                other => format!("client {client}: {other:?}"),
            });
            let socket = self.sockets.iter().rposition(|socket| socket.client == client);
            match (wish, socket) {
                (Wish::Open, _) => self.open(client),
                (Wish::Send(bytes), Some(socket)) => self.client_sends(socket, bytes),
                (Wish::FinishAsking, Some(socket)) => {
                    self.sockets[socket].asks_since_ms = Some(self.now_ms);
                    let delay_ms = self.arrives(socket);
                    self.at(delay_ms, Step::ServerEnd { socket });
                }
                (Wish::Finish, Some(socket)) => {
                    let delay_ms = self.arrives(socket);
                    self.at(delay_ms, Step::ServerEnd { socket });
                }
                (Wish::Reset, Some(socket)) => {
                    // What is under way is lost: the end overtakes it.
                    self.sockets[socket].is_dead = true;
                    self.at(0, Step::ServerEnd { socket });
                }
                (Wish::Vanish, Some(socket)) => self.sockets[socket].is_dead = true,
                (Wish::Summarize { session, is_honest }, Some(_)) => {
                    self.upload(client, session, is_honest);
                }
                (_, None) => {}
            }
        }
    }

    fn open(&mut self, client: usize) {
        if self.shards.is_empty() || self.is_draining || self.ends_since_ms.is_some() {
            return;
        }
        let shard = self.net.below(self.shards.len() as u64) as usize;
        let is_slow = self.net.chance(self.plan.slow_readers);
        let ear = Ear::new(self.clients[client].dialect);
        let mut socket = Socket::new(client, shard, ear, is_slow);
        let delay_ms = self.net.between(1, 20);
        socket.in_ms = self.now_ms + delay_ms;
        self.sockets.push(socket);
        let socket = self.sockets.len() - 1;
        self.at(delay_ms, Step::Accept { socket });
        let now_ms = self.now_ms;
        let wishes = self.clients[client].opened(socket, now_ms);
        self.grant(client, wishes);
    }

    /// When the next bytes of a client arrive: never before those sent earlier.
    fn arrives(&mut self, socket: usize) -> u64 {
        let delay_ms = if self.net.chance(50) { self.net.below(300) } else { self.net.below(15) };
        let state = &mut self.sockets[socket];
        state.in_ms = (self.now_ms + delay_ms).max(state.in_ms);
        state.in_ms - self.now_ms
    }

    /// A stream has no borders: what was sent at once arrives in pieces of any size.
    fn client_sends(&mut self, socket: usize, bytes: Vec<u8>) {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let len = match self.net.below(4) {
                0 => self.net.between(1, 20),
                1 => self.net.between(1, 400),
                _ => rest.len() as u64,
            };
            let (piece, after) = rest.split_at(rest.len().min(len as usize));
            rest = after;
            let delay_ms = self.arrives(socket);
            if !self.sockets[socket].is_dead {
                self.at(delay_ms, Step::ServerBytes { socket, bytes: piece.to_vec() });
            }
        }
    }

    /// REST: the tree of a summary is stored at once.
    fn upload(&mut self, client: usize, session: usize, is_honest: bool) {
        let Some(document) = self.clients[client].sessions.get(session) else {
            return;
        };
        let key = DocKey::new("t", &document.document);
        let blob = StoredObject::blob(format!("state at {}", self.now_ms));
        let tree = write_tree(vec![TreeEntry::new("state", Mode::File, blob.id)]);
        let Ok(tree) = tree else { return };
        let handle = match is_honest {
            true => tree.id.to_string(),
            false => "0123456789abcdef0123456789abcdef01234567".to_owned(),
        };
        if let Some(stored) = self.disk.docs.get_mut(&key) {
            stored.objects.insert([blob, tree]);
        }
        let wishes = self
            .with_client(client, |client, around| client.summarize_with(session, &handle, around));
        self.grant(client, wishes);
    }
}
