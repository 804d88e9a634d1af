//! How a client comes to its document and leaves it: joins, connects, hand-offs, leaves.

use super::Shard;
use super::messages::Addressed;
use crate::admission::{admit, wrong_topic};
use crate::dialect::{Connect, ConnectError, Dialect, ServerEvent};
use crate::document::Entrant;
use crate::event::{Action, Mail};
use crate::ids::{ConnId, DocKey, Now, ShardId};
use crate::limits::CHANNELS_MAX;
use crate::session::{Carried, Channel, Place, Seat};
use crate::shard::docs::{DocSlot, Entry, Waiter};
use ::bytes::Bytes;

impl Shard {
    /// Phoenix `phx_join`.
    pub(super) fn join(
        &mut self,
        now: Now,
        conn: ConnId,
        text: &[u8],
        (topic, join_ref, message_ref): Addressed<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(key) = document_of(topic) else {
            let response: &[u8] = match topic.strip_prefix("document:") {
                Some(_) => br#"{"reason":"invalid_topic"}"#,
                None => br#"{"reason":"unmatched topic"}"#,
            };
            let event = ServerEvent::Reply { message_ref, ok: false, response };
            let join_ref = join_ref.filter(|_| topic.starts_with("document:"));
            return self.tell(conn, topic, join_ref, event, actions);
        };
        let is_full = self.connection(conn).is_some_and(|state| {
            state.channels.len() >= CHANNELS_MAX && state.channel(topic).is_none()
        });
        if is_full {
            let response = br#"{"reason":"too many topics"}"#;
            let event = ServerEvent::Reply { message_ref, ok: false, response };
            return self.tell(conn, topic, join_ref, event, actions);
        }
        if self.is_elsewhere(conn, &key, topic, text, actions) {
            return;
        }
        let had_channel = self.remove_channel(now, conn, topic, actions);
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        let channel = Channel {
            topic: topic.into(),
            join_ref: join_ref.map(Box::from),
            key,
            place: Place::Joined,
        };
        c.state.channels.push(channel);
        let event = ServerEvent::Reply { message_ref, ok: true, response: b"{}" };
        self.tell(conn, topic, join_ref, event, actions);
        if let Some(old_ref) = had_channel {
            self.tell(conn, topic, old_ref.as_deref(), ServerEvent::ChannelClosed, actions);
        }
    }

    /// Phoenix `phx_leave`.
    pub(super) fn leave_channel(
        &mut self,
        now: Now,
        conn: ConnId,
        (topic, join_ref, message_ref): Addressed<'_>,
        actions: &mut Vec<Action>,
    ) {
        let event = ServerEvent::Reply { message_ref, ok: true, response: b"{}" };
        self.tell(conn, topic, join_ref, event, actions);
        if let Some(join_ref) = self.remove_channel(now, conn, topic, actions) {
            self.tell(conn, topic, join_ref.as_deref(), ServerEvent::ChannelClosed, actions);
        }
    }

    /// `connect_document`, on both wires.
    #[allow(clippy::too_many_arguments)] // one message, taken apart
    pub(super) fn connect(
        &mut self,
        now: Now,
        conn: ConnId,
        dialect: Dialect,
        text: &[u8],
        (topic, join_ref): (&str, Option<&str>),
        connect: &Connect<'_>,
        actions: &mut Vec<Action>,
    ) {
        let key = DocKey::new(&connect.tenant, &connect.document);
        if dialect == Dialect::SocketIo {
            if self.is_elsewhere(conn, &key, topic, text, actions) {
                return;
            }
        } else if document_of(topic).as_ref() != Some(&key) {
            return self.refuse_at(conn, topic, join_ref, &wrong_topic(), actions);
        }
        let admitted = match admit(&self.config.keyring, now, dialect, connect) {
            Ok(admitted) => admitted,
            Err(error) => return self.refuse_at(conn, topic, join_ref, &error, actions),
        };
        if let Some(error) = self.closed_to_new_clients(now, &key) {
            return self.refuse_at(conn, topic, join_ref, &error, actions);
        }
        if dialect == Dialect::SocketIo {
            let mut port = self.port(actions);
            let Some(c) = port.conn(conn) else { return };
            if c.state.channels.len() >= CHANNELS_MAX {
                return port.abort(conn);
            }
            let place = Place::Waiting;
            let topic = "".into();
            c.state.channels.push(Channel { topic, join_ref: None, key: key.clone(), place });
        } else if !self.start_waiting(now, conn, topic, join_ref, actions) {
            return;
        }
        let waiter = Waiter {
            conn,
            topic: topic.into(),
            admitted: crate::admission::Admitted { join_ref: join_ref.map(Box::from), ..admitted },
            since_ms: now.mono_ms,
        };
        self.enter(now, &key, waiter, actions);
    }

    /// Phoenix: the channel of the topic begins to wait; a client it already has leaves first.
    fn start_waiting(
        &mut self,
        now: Now,
        conn: ConnId,
        topic: &str,
        join_ref: Option<&str>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else {
            return false;
        };
        let channel = c.state.channels.iter_mut().find(|channel| &*channel.topic == topic);
        let Some(channel) = channel.filter(|channel| channel.join_ref.as_deref() == join_ref)
        else {
            return false;
        };
        match std::mem::replace(&mut channel.place, Place::Waiting) {
            Place::Waiting => return false,
            Place::Here(seat) => {
                self.with(seat.doc, actions, |d, port| d.leave(port, now, seat.member));
            }
            Place::Joined | Place::Elsewhere(_) => {}
        }
        true
    }

    fn enter(&mut self, now: Now, key: &DocKey, waiter: Waiter, actions: &mut Vec<Action>) {
        let slot = self.docs.find(key);
        match slot.and_then(|slot| Some((slot, self.docs.entry(slot)?))) {
            Some((slot, Entry::Ready(_))) => self.attach(now, slot, waiter, actions),
            Some((_, Entry::Loading { waiters } | Entry::Doomed { waiters, .. })) => {
                waiters.push(waiter);
            }
            None => {
                self.docs.insert(key, Entry::Loading { waiters: vec![waiter] });
                actions.push(Action::Load { doc: key.clone() });
            }
        }
    }

    /// The document is in memory: the client takes its seat.
    pub(super) fn attach(
        &mut self,
        now: Now,
        slot: DocSlot,
        waiter: Waiter,
        actions: &mut Vec<Action>,
    ) {
        let Waiter { conn, admitted, .. } = &waiter;
        let conn = *conn;
        let client = self.client_id();
        let clients_max = self.config.limits.clients_per_document_max as usize;
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn).filter(|c| !c.is_closing) else {
            return;
        };
        if !c.state.channels.iter().any(|c| waiter.waits_at(c)) {
            return; // it has left meanwhile
        }
        if self.docs.get(slot).is_some_and(|d| d.members().len() >= clients_max) {
            let error = ConnectError {
                code: 429,
                message: "Too Many Clients Connected to Document".into(),
                retry_after_ms: Some(60_000),
            };
            return self.refuse(&waiter, &error, actions);
        }
        let member = self.with(slot, actions, |document, port| {
            let entrant = Entrant {
                conn,
                dialect: admitted.dialect,
                join_ref: admitted.join_ref.clone(),
                client,
                detail: admitted.detail.clone(),
                mode: admitted.mode,
                may_write: admitted.may_write,
                may_summarize: admitted.may_summarize,
                user: admitted.user.clone(),
                claims: &admitted.claims,
                version: admitted.version,
                signals_v2: admitted.signals_v2,
                last_seen: admitted.last_seen,
            };
            document.connect(port, now, entrant)
        });
        let Some(member) = member else { return };
        let (expires_unix_s, pass) = (admitted.expires_unix_s, admitted.pass);
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        let channel = c.state.channels.iter_mut().find(|c| waiter.waits_at(c));
        if let Some(channel) = channel {
            channel.place = Place::Here(Seat { doc: slot, member, client, expires_unix_s, pass });
        }
    }

    /// Why nobody may connect now: the service drains, or the partition cannot be written.
    fn closed_to_new_clients(&self, now: Now, key: &DocKey) -> Option<ConnectError> {
        let partition = self.config.placement.partition(key);
        let queue = self.commits.iter().find(|queue| queue.partition == partition);
        let is_frozen = queue.is_some_and(|queue| queue.is_frozen(now.mono_ms));
        (is_frozen || self.drain.is_some()).then(super::documents::unavailable)
    }

    /// Refuses a client that still waits.
    pub(super) fn refuse(
        &mut self,
        waiter: &Waiter,
        error: &ConnectError,
        actions: &mut Vec<Action>,
    ) {
        let mut port = self.port(actions);
        let Some(c) = port.conn(waiter.conn) else {
            return;
        };
        let at = c.state.channels.iter().position(|c| waiter.waits_at(c));
        let Some(at) = at else { return };
        if waiter.topic.is_empty() {
            c.state.channels.remove(at);
        } else if let Some(channel) = c.state.channels.get_mut(at) {
            channel.place = Place::Joined;
        }
        let join_ref = waiter.admitted.join_ref.as_deref();
        self.refuse_at(waiter.conn, &waiter.topic, join_ref, error, actions);
    }

    pub(super) fn refuse_at(
        &mut self,
        conn: ConnId,
        topic: &str,
        join_ref: Option<&str>,
        error: &ConnectError,
        actions: &mut Vec<Action>,
    ) {
        self.counters.connects_refused += 1;
        self.tell(conn, topic, join_ref, ServerEvent::ConnectError(error), actions);
    }

    /// Sends the message on if its document lives on another core: with the whole socket, if this
    /// is its first document, or as a letter, if it has others here.
    fn is_elsewhere(
        &mut self,
        conn: ConnId,
        key: &DocKey,
        topic: &str,
        text: &[u8],
        actions: &mut Vec<Action>,
    ) -> bool {
        let to = self.config.placement.shard(key);
        if to == self.config.id {
            return false;
        }
        let Some(c) = self.conns.get_mut(conn) else {
            return true;
        };
        if c.state.channels.is_empty() {
            let text = Bytes::copy_from_slice(text);
            c.state.carried = Some(Carried { text, rest: Bytes::new(), output: Vec::new() });
            return true;
        }
        c.state.channels.retain(|channel| &*channel.topic != topic || topic.is_empty());
        if c.state.channels.len() < CHANNELS_MAX {
            let place = Place::Elsewhere(to);
            let channel = Channel { topic: topic.into(), join_ref: None, key: key.clone(), place };
            c.state.channels.push(channel);
            let (peer, dialect) = (c.state.peer, c.state.dialect.unwrap_or(Dialect::Phoenix));
            let text = Bytes::copy_from_slice(text);
            let mail = Mail::Message { conn, dialect, peer, text };
            actions.push(Action::Post { to, mail });
        }
        true
    }

    /// The socket goes to the core of the document that its carried message names.
    pub(super) fn hand_off(&mut self, conn: ConnId, actions: &mut Vec<Action>) {
        let Some(mut c) = self.conns.remove(conn) else {
            return;
        };
        let Some(to) = self.destination(&c.state) else {
            return;
        };
        if let Some(carried) = &mut c.state.carried {
            c.outbox.take(usize::MAX, &mut carried.output);
        }
        self.forget_address(c.state.peer);
        self.counters.handoffs += 1;
        actions.push(Action::Handoff { conn, to, state: c.state });
    }

    fn destination(&self, state: &crate::session::Connection) -> Option<ShardId> {
        let carried = state.carried.as_ref()?;
        let inbound = crate::dialect::decode(state.dialect?, &carried.text);
        let key = match inbound.event {
            crate::dialect::ClientEvent::Connect(connect) => {
                DocKey::new(&connect.tenant, &connect.document)
            }
            _ => document_of(&inbound.topic)?,
        };
        Some(self.config.placement.shard(&key))
    }

    /// Takes a channel away, with the client it has; its join reference, if it was there.
    fn remove_channel(
        &mut self,
        now: Now,
        conn: ConnId,
        topic: &str,
        actions: &mut Vec<Action>,
    ) -> Option<Option<Box<str>>> {
        let mut port = self.port(actions);
        let c = port.conn(conn)?;
        let at = c.state.channels.iter().position(|channel| &*channel.topic == topic)?;
        let channel = c.state.channels.remove(at);
        self.leave_place(now, conn, &channel.place, actions);
        Some(channel.join_ref)
    }

    /// The connection leaves every document it is in.
    pub(super) fn leave_all(&mut self, now: Now, conn: ConnId, actions: &mut Vec<Action>) {
        let mut port = self.port(actions);
        let Some(c) = port.conn(conn) else { return };
        for channel in std::mem::take(&mut c.state.channels) {
            self.leave_place(now, conn, &channel.place, actions);
        }
    }

    fn leave_place(&mut self, now: Now, conn: ConnId, place: &Place, actions: &mut Vec<Action>) {
        match *place {
            Place::Here(seat) => {
                self.with(seat.doc, actions, |d, port| d.leave(port, now, seat.member));
            }
            Place::Elsewhere(to) => {
                actions.push(Action::Post { to, mail: Mail::Unlink { conn } });
            }
            Place::Joined | Place::Waiting => {}
        }
    }
}

/// The document that a Phoenix topic names: `document:<tenant>:<document>`.
fn document_of(topic: &str) -> Option<DocKey> {
    let (tenant, document) = topic.strip_prefix("document:")?.split_once(':')?;
    Some(DocKey::new(tenant, document))
}
