//! One core's whole state: connections, documents, commit queues. Events in, actions out.
//!
//! The contract: after every [`Shard::handle`], perform all actions in order, then clear them, then
//! the next event. A shard has no clock, no randomness and no I/O; two shards that are given the
//! same events do the same. This file dispatches; the events are handled in `shard/`.

mod bytes;
mod connect;
mod deletion;
pub mod docs;
mod documents;
mod http;
mod mail;
mod messages;
mod timers;

use crate::auth::Keyring;
use crate::commit::CommitQueue;
use crate::conns::{Conns, Links, Port, is_link};
use crate::counters::Counters;
use crate::document::{Document, SessionView};
use crate::event::{Action, Event};
use crate::ids::{ClientId, ConnId, DocKey, Now, Seq, ShardId};
use crate::limits::Limits;
use crate::placement::Placement;
use crate::session::{Connection, Protocol};
use ::bytes::Bytes;
use docs::{DocSlot, Docs};
use std::sync::Arc;

/// What a shard is made of, fixed for its life.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub id: ShardId,
    pub placement: Placement,
    pub limits: Limits,
    pub keyring: Arc<Keyring>,
    /// 128 random bits from the operating system, different at every start.
    pub seed: u128,
}

/// See the module's comment.
pub struct Shard {
    config: ShardConfig,
    conns: Conns,
    links: Links,
    docs: Docs,
    commits: Vec<CommitQueue>,
    counters: Counters,
    per_address: foldhash::HashMap<std::net::IpAddr, u32>,
    random: Random,
    /// Where the sweeps over connections and documents go on.
    sweep: timers::Sweep,
    drain: Option<timers::Drain>,
    /// Msgpack frames are transcoded here.
    scratch: Vec<u8>,
    /// Clients of documents that do not exist, oldest first.
    absent: Vec<docs::Waiter>,
    /// Documents that wait to consolidate noops.
    noops: Vec<DocSlot>,
    /// Documents whose handling panicked, to be dropped after the event.
    broken: Vec<DocSlot>,
    /// Documents that are to be deleted once they have settled.
    doomed: Vec<DocSlot>,
}

/// What is visible of a document in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub head: Seq,
    pub min: Seq,
    /// Oldest operation that is in memory.
    pub first_in_history: Option<Seq>,
    pub clients: usize,
}

impl Shard {
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let owned = config.placement.owned_by(config.id);
        Self {
            commits: owned.map(CommitQueue::new).collect(),
            random: Random(config.seed),
            config,
            conns: Conns::default(),
            links: Links::default(),
            docs: Docs::default(),
            counters: Counters::default(),
            per_address: foldhash::HashMap::default(),
            sweep: timers::Sweep::default(),
            drain: None,
            scratch: Vec::new(),
            absent: Vec::new(),
            noops: Vec::new(),
            broken: Vec::new(),
            doomed: Vec::new(),
        }
    }

    // walk 2/12
    /// Handles one event. See the module's comment for what the caller owes.
    pub fn handle(&mut self, now: Now, event: Event<'_>, actions: &mut Vec<Action>) {
        match event {
            Event::Opened { conn, peer } => self.opened(now, conn, peer, actions),
            Event::Adopted { conn, state } => self.adopted(now, conn, state, actions),
            Event::Bytes { conn, bytes } => self.received(now, conn, bytes, actions),
            Event::Sent { conn, bytes } => self.sent(now, conn, bytes, actions),
            Event::Closed { conn } => self.closed(now, conn, actions),
            Event::Persisted { partition, batch, result } => {
                self.persisted(now, partition, batch, result, actions);
            }
            Event::Loaded { doc, image } => self.loaded(now, &doc, image, actions),
            Event::Summarized { doc, seq, verdict } => {
                self.summarized(now, &doc, seq, verdict, actions);
            }
            Event::Responded { conn, response, close } => {
                self.responded(now, conn, response, close, actions);
            }
            Event::Broadcast { doc, content } => {
                if let Some(slot) = self.docs.find(&doc) {
                    self.with(slot, actions, |d, port| d.broadcast_signal(port, &content));
                }
            }
            Event::Delete { doc } => self.delete(now, &doc, actions),
            Event::Deleted { doc } => self.deleted(&doc, actions),
            Event::Mail { from, mail } => self.mail(now, from, mail, actions),
            Event::Keyring(keyring) => self.keyring_changed(now, keyring, actions),
            Event::Turn => self.flush(actions),
            Event::Tick => self.tick(now, actions),
            Event::Drain { spread_ms } => self.start_drain(now, spread_ms),
        }
        self.drop_broken(now, actions);
        if !self.doomed.is_empty() {
            self.remove_settled(actions);
        }
    }

    /// Frames to write to a connection now, about `bytes_max` of them; returns their bytes.
    pub fn take_output(&mut self, conn: ConnId, bytes_max: usize, out: &mut Vec<Bytes>) -> usize {
        self.conns.get_mut(conn).map_or(0, |conn| conn.outbox.take(bytes_max, out))
    }

    /// The peer sends no more. True when it has asked for something that is still to come: then
    /// the connection closes by itself behind that.
    pub fn peer_ended(&mut self, conn: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(conn).filter(|conn| !conn.is_closing) else {
            return false;
        };
        let Protocol::Http { is_answering, .. } = conn.state.protocol else {
            return false;
        };
        conn.state.peer_has_ended = true;
        is_answering || !conn.outbox.is_drained()
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    #[must_use]
    pub fn connections(&self) -> u32 {
        self.conns.count()
    }

    #[must_use]
    pub fn documents(&self) -> usize {
        self.docs.count()
    }

    /// What is visible of a document; `None` when it is not in memory.
    #[must_use]
    pub fn published(&self, key: &DocKey) -> Option<Published> {
        let document = self.docs.get(self.docs.find(key)?)?;
        Some(Published {
            head: document.visible(),
            min: document.min(),
            first_in_history: document.history().first(),
            clients: document.members().len(),
        })
    }

    /// A document in memory as an operator may see it.
    #[must_use]
    pub fn session(&self, key: &DocKey) -> Option<SessionView> {
        Some(self.docs.get(self.docs.find(key)?)?.view())
    }

    /// Visible operations `from..=to` that are in memory, oldest first, in shared slices.
    #[must_use]
    pub fn history(&self, key: &DocKey, from: Seq, to: Seq) -> Vec<Bytes> {
        let document = self.docs.find(key).and_then(|slot| self.docs.get(slot));
        document.map_or_else(Vec::new, |d| d.history().slices(from, to).collect())
    }

    /// The ids of the clients of a document in memory.
    #[must_use]
    pub fn clients(&self, key: &DocKey) -> Vec<ClientId> {
        let document = self.docs.find(key).and_then(|slot| self.docs.get(slot));
        document.map_or_else(Vec::new, |d| d.members().iter().map(|m| m.client).collect())
    }

    /// Whether everything is written and every socket gone: a drained shard may stop.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.conns.count() == 0 && !self.is_committing()
    }

    /// Whether something waits for a commit, or is being committed.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        !self.commits.iter().all(CommitQueue::is_idle)
    }

    fn port<'a>(&'a mut self, actions: &'a mut Vec<Action>) -> Port<'a> {
        Port {
            conns: &mut self.conns,
            links: &mut self.links,
            actions,
            counters: &mut self.counters,
            limits: &self.config.limits,
        }
    }

    /// The state of a connection, socket or link.
    fn connection(&self, conn: ConnId) -> Option<&Connection> {
        let found = if is_link(conn) { self.links.get(conn) } else { self.conns.get(conn) };
        found.map(|c| &*c.state)
    }

    /// Runs `f` on a document in memory. A panic in it is that document's alone: its state is
    /// dropped after the event, and its next use rebuilds it from the store.
    fn with<T>(
        &mut self,
        slot: DocSlot,
        actions: &mut Vec<Action>,
        f: impl FnOnce(&mut Document, &mut Port<'_>) -> T,
    ) -> Option<T> {
        let mut port = Port {
            conns: &mut self.conns,
            links: &mut self.links,
            actions,
            counters: &mut self.counters,
            limits: &self.config.limits,
        };
        let document = self.docs.get_mut(slot)?;
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(document, &mut port)));
        match caught {
            Ok(done) => {
                let partition = document.partition;
                if let Some(queue) = self.commits.iter_mut().find(|q| q.partition == partition) {
                    queue.push(slot, document);
                }
                if document.noop_due_ms().is_some() && !self.noops.contains(&slot) {
                    self.noops.push(slot);
                }
                Some(done)
            }
            Err(_) => {
                self.broken.push(slot);
                None
            }
        }
    }

    /// Runs `f` on a document in memory as an event would. For the simulation, which brings a panic
    /// about with it: no input is known to.
    pub fn on_document(
        &mut self,
        now: Now,
        key: &DocKey,
        actions: &mut Vec<Action>,
        f: impl FnOnce(&mut Document, &mut Port<'_>),
    ) {
        if let Some(slot) = self.docs.find(key) {
            self.with(slot, actions, f);
        }
        self.drop_broken(now, actions);
    }

    fn client_id(&mut self) -> ClientId {
        ClientId::from_bits(self.random.next())
    }
}

/// A stream of 128-bit numbers from the seed: ids that are unique, not secrets.
#[derive(Clone, Debug)]
struct Random(u128);

impl Random {
    fn next(&mut self) -> u128 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 67)).wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0_49bb_1331_11eb);
        bits = (bits ^ (bits >> 61)).wrapping_mul(0xd6e8_feb8_6659_fd93_ff51_afd7_ed55_8ccd);
        bits ^ (bits >> 64)
    }
}
