//! The world: shards, a disk, a network and clients under one virtual clock. One thread, one queue
//! of steps; everything that happens is decided by the seed.

use crate::checker::Checker;
use crate::clients::{Around, Client, KEY, Session};
use crate::disk::Disk;
use crate::invariant::{Invariant, Violation};
use crate::network::Socket;
use crate::plant::Plant;
use crate::random::Random;
use crate::receivers::Receivers;
use levee_core::auth::{Keyring, Tenant, TenantKeys};
use levee_core::conns::LINK_SLOTS_FROM;
use levee_core::dialect::Dialect;
use levee_core::document::initial_checkpoint;
use levee_core::event::{Action, Event, Mail};
use levee_core::git::{SummaryVerdict, create_document};
use levee_core::ids::{BatchId, ConnId, DocKey, Now, PartitionId, Seq, ShardId};
use levee_core::limits::{Limits, TICK_MS};
use levee_core::placement::Placement;
use levee_core::record::StoreFault;
use levee_core::session::Connection;
use levee_core::shard::{Published, Shard, ShardConfig};
use levee_core::summary::SummaryJob;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the wall clock starts.
const UNIX_MS: u64 = 1_760_000_000_000;
/// How long everything may take to settle once nobody acts: dead peers, their leaves, answers.
const SETTLE_MS: u64 = 400_000;
/// How long one may wait who has asked by REST and ended its side.
const ASKED_MS: u64 = 20_000;
const DRAIN_MS: u64 = 30_000;
/// How long a process may take to end: a stalled store, and the patience with dead peers.
const SHUTDOWN_MS: u64 = 120_000;

/// Something that will happen. Steps of the process die with it.
#[derive(Debug)]
pub enum Step {
    Tick {
        shard: usize,
    },
    Turn {
        shard: usize,
    },
    Accept {
        socket: usize,
    },
    ServerBytes {
        socket: usize,
        bytes: Vec<u8>,
    },
    ServerEnd {
        socket: usize,
    },
    /// A document is removed from the disk.
    Deleted {
        doc: DocKey,
    },
    /// The shell closes a socket that it has been told to close.
    ShellClosed {
        socket: usize,
    },
    Linger {
        socket: usize,
    },
    Written {
        socket: usize,
        bytes: usize,
    },
    Respond {
        shard: usize,
        conn: ConnId,
    },
    Adopt {
        socket: usize,
        to: usize,
        state: Box<Connection>,
    },
    ClientHears {
        socket: usize,
        heard: Vec<crate::speech::Heard>,
    },
    ClientLost {
        socket: usize,
    },
    ClientActs {
        client: usize,
    },
    Persisted {
        partition: PartitionId,
        batch: BatchId,
        fault: Option<StoreFault>,
    },
    Load {
        doc: DocKey,
        fault: Option<StoreFault>,
    },
    Summarize {
        doc: DocKey,
        seq: Seq,
        job: Box<SummaryJob>,
        fails: bool,
    },
    Mail {
        from: ShardId,
        to: usize,
        mail: Mail,
    },
    Look,
    ClockJumps {
        by_ms: i64,
    },
    /// A document panics in the middle of something.
    Panic,
    Crash,
    /// SIGTERM: a drain while clients work, then the end of the process.
    Shutdown,
    Restart,
    Quiet,
    Drain,
}

/// What kind of world a seed makes.
#[derive(Clone, Debug)]
pub struct Plan {
    partitions: u16,
    pub placement: Placement,
    pub limits: Limits,
    pub documents: Vec<String>,
    pub active_ms: u64,
    /// Per mille of appends, loads and summaries that fail.
    pub faults: u64,
    /// Per mille of appends and loads that take very long.
    pub stalls: u64,
    pub crashes: u64,
    pub shutdowns: u64,
    pub panics: u64,
    pub slow_readers: u64,
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        let shards = random.between(1, 3) as u16;
        let small = random.chance(300);
        let limits = Limits {
            outbox_bytes_max: if small { 20_000 } else { 2 << 20 },
            ops_per_second_max: if random.chance(100) { 200 } else { 50_000 },
            batch_ops_max: if random.chance(100) { 100 } else { 10_000 },
            pending_bytes_max: if random.chance(300) { 5_000 } else { 1 << 20 },
            clients_per_document_max: if random.chance(50) { 2 } else { 1_000 },
            idle_writer_ms: random.between(3_000, 60_000),
            idle_document_ms: random.between(100, 20_000),
            ..Limits::default()
        };
        let partitions = shards + random.below(4) as u16;
        Self {
            partitions,
            placement: Placement::new(partitions, shards),
            limits,
            documents: (0..random.between(1, 4)).map(|n| format!("d{n}")).collect(),
            active_ms: if random.chance(100) { 40_000 } else { random.between(1_000, 8_000) },
            faults: if random.chance(400) { random.between(1, 100) } else { 0 },
            stalls: if random.chance(250) { random.between(10, 100) } else { 0 },
            crashes: if random.chance(500) { random.between(1, 4) } else { 0 },
            shutdowns: random.below(5) / 4,
            slow_readers: if random.chance(300) { 200 } else { 0 },
            panics: if random.chance(250) { random.between(1, 4) } else { 0 },
        }
    }
}

pub struct World {
    pub plan: Plan,
    pub plant: Option<Plant>,
    pub now_ms: u64,
    wall_ms: i64,
    steps: BTreeMap<(u64, u64), (u32, Step)>,
    ties: u64,
    /// How many times the process has been started.
    pub life: u32,
    pub shards: Vec<Shard>,
    pub turns: Vec<bool>,
    pub generations: u32,
    pub free_slots: Vec<Vec<u32>>,
    pub next_slots: Vec<u32>,
    pub disk: Disk,
    pub sockets: Vec<Socket>,
    pub by_conn: BTreeMap<(usize, ConnId), usize>,
    pub rings: BTreeMap<(ShardId, ShardId), u64>,
    pub clients: Vec<Client>,
    pub checker: Checker,
    pub receivers: Receivers,
    pub is_quiet: bool,
    pub is_draining: bool,
    /// A document is being deleted.
    is_deleting: bool,
    /// The process is asked to end, under load, since then.
    pub ends_since_ms: Option<u64>,
    /// The document that is made to panic.
    pub panics_wanted: Option<DocKey>,
    quiet_since_ms: u64,
    pub steps_taken: u64,
    is_traced: bool,
    pub net: Random,
    pub store: Random,
    pub fate: Random,
    keyring: Arc<Keyring>,
}

impl World {
    pub fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut fate = Random::new(seed, "fate");
        let mut plan = Plan::new(&mut Random::new(seed, "plan"));
        if plant == Some(Plant::SpreadPanic) {
            plan.panics = 4; // few worlds have any
        }
        let keys = TenantKeys::new(KEY, None).expect("a key");
        let tenant = Tenant::new("t", "T", keys);
        let mut world = Self {
            plant,
            now_ms: fate.below(1_000_000),
            wall_ms: 0,
            steps: BTreeMap::new(),
            ties: 0,
            life: 0,
            shards: Vec::new(),
            turns: Vec::new(),
            generations: 0,
            free_slots: Vec::new(),
            next_slots: Vec::new(),
            disk: Disk::default(),
            sockets: Vec::new(),
            by_conn: BTreeMap::new(),
            rings: BTreeMap::new(),
            clients: Vec::new(),
            checker: Checker::default(),
            receivers: Receivers::default(),
            is_quiet: false,
            is_draining: false,
            is_deleting: false,
            ends_since_ms: None,
            panics_wanted: None,
            quiet_since_ms: 0,
            steps_taken: 0,
            is_traced: std::env::var_os("SIM_TRACE").is_some(),
            net: Random::new(seed, "net"),
            store: Random::new(seed, "store"),
            fate,
            keyring: Arc::new(Keyring::new([tenant])),
            plan,
        };
        world.create_documents();
        world.create_clients(seed);
        world.start();
        world.plan_fate();
        world
    }

    fn create_documents(&mut self) {
        for name in self.plan.documents.clone() {
            let start = self.fate.below(3) * 2;
            let body = format!(
                r#"{{"id":"{name}","sequenceNumber":{start},"values":[],"summary":{{"type":1,"tree":{{"a":{{"type":2,"content":"x","encoding":"utf-8"}}}}}}}}"#
            );
            let created = create_document(body.as_bytes(), 1).expect("a document");
            let stored = self.disk.docs.entry(DocKey::new("t", &name)).or_default();
            stored.objects.insert(created.objects);
            stored.objects.head = created.version;
            stored.version = created.version;
            stored.checkpoint = Some((Seq(start), initial_checkpoint(start, b"[]")));
            self.checker.created(&name, start);
        }
    }

    fn create_clients(&mut self, seed: u64) {
        let dialects = [Dialect::SocketIo, Dialect::Phoenix, Dialect::PhoenixMsgpack];
        for id in 0..self.fate.between(2, 9) as usize {
            let dialect = *self.fate.pick(&dialects).unwrap_or(&Dialect::SocketIo);
            let mut names = self.plan.documents.clone();
            // Under a small bound no socket can take the welcomes of two documents at once.
            let is_small = self.plan.limits.outbox_bytes_max < 1 << 20;
            let several = !is_small && self.fate.chance(400);
            let wanted = if several { self.fate.between(1, 3) } else { 1 };
            let mut sessions = Vec::new();
            for _ in 0..wanted.min(names.len() as u64) {
                let name = names.swap_remove(self.fate.below(names.len() as u64) as usize);
                let head = self.disk.docs.get(&DocKey::new("t", &name)).and_then(|d| d.version);
                let start = self.checker.log(&name).start;
                let is_reader = self.fate.chance(200);
                let head = head.map(|head| head.to_string());
                sessions.push(Session::new(&name, is_reader, start, head));
            }
            let random = Random::new(seed, &format!("client {id}"));
            self.clients.push(Client::new(id, dialect, sessions, random));
            self.at(id as u64 * 7, Step::ClientActs { client: id });
        }
    }

    fn plan_fate(&mut self) {
        let active_ms = self.plan.active_ms;
        for _ in 0..self.plan.crashes {
            let at_ms = self.fate.below(active_ms);
            self.at(at_ms, Step::Crash);
        }
        for _ in 0..self.plan.shutdowns {
            let at_ms = self.fate.below(active_ms);
            self.at(at_ms, Step::Shutdown);
        }
        for _ in 0..self.plan.panics {
            let at_ms = self.fate.below(active_ms);
            self.at(at_ms, Step::Panic);
        }
        if self.fate.chance(300) {
            let at_ms = self.fate.below(active_ms);
            let by_ms = self.fate.below(7_200_000) as i64 - 3_600_000;
            self.at(at_ms, Step::ClockJumps { by_ms });
        }
        self.at(active_ms, Step::Quiet);
        self.at(300, Step::Look);
    }

    /// The process starts.
    fn start(&mut self) {
        self.life += 1;
        let shards = self.plan.placement.shards();
        self.shards = (0..shards)
            .map(|id| {
                Shard::new(ShardConfig {
                    id: ShardId(id),
                    placement: self.plan.placement,
                    limits: crate::plant::on_limits(self.plant, self.plan.limits),
                    keyring: self.keyring.clone(),
                    seed: self.fate.wide(),
                })
            })
            .collect();
        let shards = usize::from(shards);
        self.turns = vec![false; shards];
        self.free_slots = vec![Vec::new(); shards];
        self.next_slots = vec![0; shards];
        for shard in 0..shards {
            let at_ms = self.fate.below(TICK_MS);
            self.at(at_ms, Step::Tick { shard });
        }
    }

    /// Says what happens, when `SIM_TRACE` is set.
    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            let what = what();
            if !what.is_empty() {
                println!("{:>8} {}", self.now_ms, what.get(..600).unwrap_or(&what));
            }
        }
    }

    pub fn at(&mut self, delay_ms: u64, step: Step) {
        self.ties += 1;
        self.steps.insert((self.now_ms + delay_ms, self.ties), (self.life, step));
    }

    pub fn now(&self) -> Now {
        let unix_ms = (UNIX_MS + self.now_ms).saturating_add_signed(self.wall_ms);
        Now { mono_ms: self.now_ms, unix_ms }
    }

    /// Runs to the end; what went wrong first, if anything did.
    pub fn run(mut self) -> Outcome {
        while let Some(((at_ms, _), (life, step))) = self.steps.pop_first() {
            self.now_ms = at_ms;
            self.steps_taken += 1;
            self.step(life, step);
            if self.checker.violation.is_some() {
                break;
            }
        }
        Outcome {
            violation: self.checker.violation,
            shown: self.checker.shown,
            steps: self.steps_taken,
            counters: self.shards.iter().map(|shard| *shard.counters()).collect(),
        }
    }

    fn step(&mut self, life: u32, step: Step) {
        let is_alive = life == self.life && !self.shards.is_empty();
        match step {
            Step::ClientHears { socket, heard } => return self.client_hears(socket, heard),
            Step::ClientLost { socket } => return self.client_lost(socket),
            Step::ClientActs { client } => return self.client_acts(client),
            Step::Panic => return self.panic_somewhere(),
            Step::Crash => return self.crash(),
            Step::Shutdown => return self.shut_down(),
            Step::Restart => return self.restart(),
            Step::Quiet => return self.go_quiet(),
            Step::Drain => return self.drain(),
            Step::Look => return self.look(),
            Step::ClockJumps { by_ms } => {
                self.wall_ms += by_ms;
                return;
            }
            _ if !is_alive => return,
            _ => {}
        }
        match step {
            Step::Tick { shard } => {
                self.handle(shard, Event::Tick);
                self.at(TICK_MS, Step::Tick { shard });
            }
            Step::Turn { shard } => {
                self.turns[shard] = false;
                self.handle(shard, Event::Turn);
            }
            Step::Accept { socket } => self.accept(socket),
            Step::ServerBytes { socket, bytes } => self.server_bytes(socket, bytes),
            Step::ServerEnd { socket } => self.server_end(socket),
            Step::ShellClosed { socket } => self.shell_closed(socket),
            Step::Linger { socket } => self.lose_patience(socket),
            Step::Written { socket, bytes } => self.written(socket, bytes),
            Step::Respond { shard, conn } => self.respond(shard, conn),
            Step::Adopt { socket, to, state } => self.adopt(socket, to, state),
            Step::Persisted { partition, batch, fault } => self.persisted(partition, batch, fault),
            Step::Load { doc, fault } => self.load(&doc, fault),
            Step::Deleted { doc } => self.deleted(doc),
            Step::Summarize { doc, seq, job, fails } => self.summarize(&doc, seq, &job, fails),
            Step::Mail { from, to, mail } => self.handle(to, Event::Mail { from, mail }),
            _ => unreachable!("handled above"),
        }
    }

    pub fn shard_of(&self, doc: &DocKey) -> usize {
        usize::from(self.plan.placement.shard(doc).0)
    }

    fn persisted(&mut self, partition: PartitionId, batch: BatchId, fault: Option<StoreFault>) {
        let result = match fault {
            None => {
                self.commit(partition);
                Ok(())
            }
            Some(fault) => {
                self.disk.fail(partition);
                Err(fault)
            }
        };
        if self.checker.violation.is_some() || Plant::LosePersisted.strikes(self.plant, self.now_ms)
        {
            return;
        }
        let shard = usize::from(self.plan.placement.shard_of(partition).0);
        self.handle(shard, Event::Persisted { partition, batch, result });
    }

    fn load(&mut self, doc: &DocKey, fault: Option<StoreFault>) {
        if self.disk.under_way.contains_key(&self.plan.placement.partition(doc)) {
            // A partition does one thing after the other.
            return self.at(1, Step::Load { doc: doc.clone(), fault });
        }
        let image = match fault {
            Some(fault) => Err(fault),
            None => {
                let mut image = self.disk.image(doc, &mut self.store);
                if let Some(image) = &mut image {
                    crate::plant::on_image(self.plant, image);
                    self.checker.loaded(doc.document());
                }
                Ok(image.map(Box::new))
            }
        };
        let shard = self.shard_of(doc);
        self.handle(shard, Event::Loaded { doc: doc.clone(), image });
    }

    /// A document is deleted while its clients are there. It is the last thing that happens to it:
    /// everything else here is about documents that stay.
    fn delete(&mut self) {
        let doc = self.fate.pick(&self.plan.documents).map(|name| DocKey::new("t", name));
        let Some(doc) = doc.filter(|_| !self.is_crowded()) else { return };
        self.is_deleting = true;
        self.handle(self.shard_of(&doc), Event::Delete { doc });
    }

    fn deleted(&mut self, doc: DocKey) {
        let is_gone = !self.disk.docs.contains_key(&doc);
        self.checker.require(is_gone, Invariant::NothingAfterADeletion, || {
            format!("{doc} was written when it had been removed")
        });
        self.is_deleting = false;
        let shard = self.shard_of(&doc);
        self.handle(shard, Event::Deleted { doc: doc.clone() });
        let is_there = self.shards[shard].published(&doc).is_some();
        self.checker.require(!is_there, Invariant::NothingAfterADeletion, || {
            format!("{doc} is in memory when it has been removed")
        });
    }

    fn summarize(&mut self, doc: &DocKey, seq: Seq, job: &SummaryJob, fails: bool) {
        let shard = self.shard_of(doc);
        let Some(stored) = self.disk.docs.get_mut(doc) else {
            return;
        };
        let verdict = match job.run(&stored.objects) {
            _ if fails => Err(StoreFault::Busy),
            Err(_) => Err(StoreFault::Damaged),
            Ok(verdict) => {
                let outcome = (&verdict).into();
                if let SummaryVerdict::Ack { mut new_objects, .. } = verdict {
                    crate::plant::on_objects(self.plant, &mut new_objects);
                    stored.objects.insert(new_objects);
                }
                Ok(outcome)
            }
        };
        if Plant::LoseVerdict.strikes(self.plant, self.now_ms) {
            return;
        }
        self.handle(shard, Event::Summarized { doc: doc.clone(), seq, verdict });
    }

    fn client_acts(&mut self, client: usize) {
        let wishes = self.with_client(client, |client, around| client.act(around));
        self.grant(client, wishes);
        let pause_ms = match self.is_quiet {
            true => 500,
            false => self.clients[client].random.between(5, 400),
        };
        if !self.is_draining {
            self.at(pause_ms, Step::ClientActs { client });
        }
    }

    pub fn with_client<T>(
        &mut self,
        client: usize,
        f: impl FnOnce(&mut Client, &mut Around<'_>) -> T,
    ) -> T {
        let now = self.now();
        let mut around = Around {
            checker: &mut self.checker,
            receivers: &mut self.receivers,
            now_ms: now.mono_ms,
            unix_s: now.unix_s(),
            is_quiet: self.is_quiet,
        };
        f(&mut self.clients[client], &mut around)
    }

    /// The process is killed: what it holds in memory and on the network is gone.
    fn crash(&mut self) {
        if self.shards.is_empty() || self.is_quiet {
            return;
        }
        self.shards.clear();
        self.life += 1;
        for (had_failed, group) in self.disk.crash(&mut self.fate) {
            for document in group.settled.iter().filter(|_| had_failed) {
                // It is of the life before the last load, which has left nothing on disk.
                self.checker.unloaded(document);
            }
            self.now_durable(&group);
        }
        self.ends_since_ms = None;
        self.by_conn.clear();
        self.rings.clear();
        for socket in 0..self.sockets.len() {
            self.sockets[socket].asks_since_ms = None;
            if self.sockets[socket].is_open {
                self.sockets[socket].is_open = false;
                self.receivers.gone(socket);
                let delay_ms = self.net.below(30);
                self.at(delay_ms, Step::ClientLost { socket });
            }
        }
        let delay_ms = self.fate.between(1, 2_000);
        self.at(delay_ms, Step::Restart);
    }

    fn shut_down(&mut self) {
        if self.shards.is_empty() || self.is_quiet || self.ends_since_ms.is_some() {
            return;
        }
        self.ends_since_ms = Some(self.now_ms);
        self.drain();
    }

    /// A process that ends may take as long as the store does, and a drain.
    fn await_end(&mut self, since_ms: u64) {
        let is_closed = self.sockets.iter().all(|socket| !socket.is_open);
        if is_closed && self.shards.iter().all(Shard::is_settled) {
            self.ends_since_ms = None;
            if self.plan.faults == 0 {
                // A document that fails closes its sockets with no more than a nack.
                self.everyone_was_told();
            }
            self.crash();
        } else if self.now_ms - since_ms > SHUTDOWN_MS {
            let left: Vec<u32> = self.shards.iter().map(Shard::connections).collect();
            let detail = format!("sockets left at the end of a process: {left:?}");
            self.checker.fail(Invariant::DrainTellsEveryone, detail);
        }
    }

    /// The process starts again, on any number of cores.
    fn restart(&mut self) {
        if self.fate.chance(300) {
            let shards = self.fate.between(1, 3) as u16;
            self.plan.placement = Placement::new(self.plan.partitions, shards);
        }
        self.start();
    }

    fn go_quiet(&mut self) {
        if self.shards.is_empty() || self.ends_since_ms.is_some() {
            return self.at(100, Step::Quiet);
        }
        self.is_quiet = true;
        self.quiet_since_ms = self.now_ms;
        self.plan.faults = 0;
        self.plan.stalls = 0;
        self.plan.slow_readers = 0;
    }

    /// A document panics, with its state half changed.
    fn panic_somewhere(&mut self) {
        let Some(name) = self.fate.pick(&self.plan.documents).cloned() else {
            return;
        };
        let key = DocKey::new("t", &name);
        let shard = self.shard_of(&key);
        let others = self.plan.documents.iter().filter(|other| **other != name);
        let others: Vec<DocKey> = others.map(|other| DocKey::new("t", other)).collect();
        let Some(state) = self.shards.get_mut(shard).filter(|s| s.published(&key).is_some()) else {
            return;
        };
        let seen = |shard: &Shard| others.iter().map(|key| shard.published(key)).collect();
        let before: Vec<Option<Published>> = seen(state);
        let now = Now { mono_ms: self.now_ms, unix_ms: UNIX_MS + self.now_ms };
        let mut actions = Vec::new();
        let broken = [&key].into_iter().chain(crate::plant::on_panic(self.plant, &others));
        for key in broken {
            state.on_document(now, key, &mut actions, |document, _| {
                // Its writers leave, and nobody will know.
                document.evict_idle(now, 0);
                std::panic::resume_unwind(Box::new("a document panics"));
            });
        }
        let is_gone = state.published(&key).is_none();
        let after: Vec<Option<Published>> = seen(state);
        let strangers = actions.iter().filter(|action| match action {
            Action::Close { conn, .. } => {
                let socket = self.by_conn.get(&(shard, *conn));
                let client = socket.map(|socket| self.sockets[*socket].client);
                !client.is_some_and(|client| self.clients[client].is_in(&name))
            }
            _ => false,
        });
        let strangers = strangers.count();
        let is_alone = is_gone && before == after && strangers == 0;
        self.checker.require(is_alone, Invariant::PanicIsolated, || {
            format!("{name}: {before:?}, then {after:?}, {strangers} strangers closed")
        });
        // Its sockets close with no more than a nack, if a drain is under way too.
        for socket in &mut self.sockets {
            socket.was_open_at_drain &= !self.clients[socket.client].is_in(&name);
        }
        self.panics_wanted = Some(key);
        self.do_all(shard, actions);
        let is_told = self.panics_wanted.take().is_none();
        self.checker.require(is_told, Invariant::PanicIsolated, || format!("{name}: no word"));
    }

    /// Looks around now and then; once all is quiet, whether everything has settled.
    fn look(&mut self) {
        self.receivers.connects_are_answered(&mut self.checker, self.now_ms);
        self.askers_are_answered();
        self.compare_history();
        if !self.is_quiet && self.fate.chance(100) {
            self.broadcast();
        }
        if let Some(since_ms) = self.ends_since_ms {
            self.await_end(since_ms);
        }
        let quiet_ms = self.now_ms - self.quiet_since_ms;
        if self.is_draining {
            let is_closed = self.sockets.iter().all(|socket| !socket.is_open);
            if is_closed && !self.is_deleting && self.shards.iter().all(Shard::is_settled) {
                return self.end();
            }
            if quiet_ms > DRAIN_MS {
                let unsettled = self.shards.iter().map(Shard::connections).collect::<Vec<_>>();
                let detail = format!("sockets left: {unsettled:?}");
                return self.checker.fail(Invariant::DrainTellsEveryone, detail);
            }
        } else if self.is_quiet {
            self.look_for_rest(quiet_ms);
        }
        self.at(300, Step::Look);
    }

    /// Everything comes to rest, within its time; then the service drains.
    fn look_for_rest(&mut self, quiet_ms: u64) {
        let is_late = quiet_ms > SETTLE_MS;
        let unsettled = self.unsettled().map(|what| (Invariant::QuietSystemSettles, what));
        let strange = || Some((Invariant::PresenceConverges, self.strange_presence()?));
        match unsettled.or_else(strange) {
            Some((invariant, what)) if is_late => {
                self.checker.summaries_are_answered();
                self.checker.fail(invariant, what);
            }
            Some(_) => {}
            None => {
                self.checker.summaries_are_answered();
                self.is_draining = true;
                self.quiet_since_ms = self.now_ms;
                self.at(0, Step::Drain);
            }
        }
    }

    /// Nobody who has ended its side waits for long.
    fn askers_are_answered(&mut self) {
        for (at, socket) in self.sockets.iter().enumerate() {
            let since_ms = socket.asks_since_ms.filter(|_| socket.is_open && !socket.is_dead);
            let is_late = since_ms.is_some_and(|since_ms| self.now_ms - since_ms > ASKED_MS);
            self.checker.require(!is_late, Invariant::HalfClosedAnswered, || {
                format!("socket {at} waits since {since_ms:?}")
            });
        }
    }

    /// Where somebody's picture of who is present is not what those have said last.
    fn strange_presence(&self) -> Option<String> {
        let up = || {
            let sessions = self.clients.iter().flat_map(|client| {
                client.sessions.iter().map(move |session| (client.socket, session))
            });
            sessions.filter(|(_, session)| session.state == crate::clients::State::Up)
        };
        for (socket, session) in up() {
            let document = &session.document;
            let picture = socket.and_then(|socket| self.receivers.presence(socket, document));
            let Some(picture) = picture else { continue };
            let said = up().filter(|(_, other)| other.document == *document);
            let mut said: BTreeMap<&str, Option<u64>> =
                said.map(|(_, other)| (&*other.client, other.present)).collect();
            let key = DocKey::new("t", document);
            // Sockets that died are in the document until that is found out.
            let there = self.shards.get(self.shard_of(&key)).map(|shard| shard.clients(&key));
            let there = there.unwrap_or_default();
            let is_right = picture.iter().all(|(client, n)| match said.remove(&**client) {
                Some(present) => present == Some(*n),
                None => there.iter().any(|there| there.as_str() == client),
            });
            if !is_right || said.values().any(Option::is_some) {
                return Some(format!("{}: {picture:?}, not {said:?}", session.client));
            }
        }
        None
    }

    /// What has not settled yet.
    fn unsettled(&self) -> Option<String> {
        for client in &self.clients {
            for session in &client.sessions {
                let head = self.checker.log(&session.document).head();
                let is_settled = session.pending.is_empty()
                    && session.state == crate::clients::State::Up
                    && session.seen == head;
                if !is_settled && !self.is_crowded() {
                    return Some(format!("client {} at {head}: {session:?}", client.id));
                }
            }
        }
        let open = self.checker.docs.iter().find(|(_, doc)| !doc.open_summaries.is_empty());
        if let Some((name, doc)) = open {
            return Some(format!("{name} has open summaries {:?}", doc.open_summaries));
        }
        let busy = !self.disk.under_way.is_empty();
        busy.then(|| "the disk is writing".to_owned())
    }

    /// Some clients cannot get in, by plan.
    fn is_crowded(&self) -> bool {
        self.plan.limits.clients_per_document_max < 10
    }

    fn drain(&mut self) {
        for socket in &mut self.sockets {
            let is_up = socket.conn.is_some() && socket.ear.is_upgraded;
            socket.was_open_at_drain =
                socket.is_open && is_up && !socket.is_dead && !socket.is_closing && !socket.ended;
        }
        for shard in 0..self.shards.len() {
            let spread_ms = self.fate.below(3_000);
            self.handle(shard, Event::Drain { spread_ms });
        }
        // A process that ends in the middle of a run comes back, and its clients too.
        if self.is_draining {
            self.delete();
        }
    }

    fn end(&mut self) {
        self.everyone_was_told();
        self.steps.clear();
    }

    /// Sockets that were open when the drain began have heard of it; but for those that went by
    /// themselves, or took nothing more.
    fn everyone_was_told(&mut self) {
        for socket in &mut self.sockets {
            let is_excused =
                socket.heard_goodbye || socket.ended || socket.is_dead || socket.is_cut;
            if std::mem::take(&mut socket.was_open_at_drain) && !is_excused {
                let detail = format!("{socket:?}");
                return self.checker.fail(Invariant::DrainTellsEveryone, detail);
            }
        }
    }

    /// What a shard has in memory of its documents, against the disk.
    fn compare_history(&mut self) {
        for name in self.plan.documents.clone() {
            let key = DocKey::new("t", &name);
            let Some(shard) = self.shards.get(self.shard_of(&key)) else {
                return;
            };
            let Some(published) = shard.published(&key) else {
                continue;
            };
            let (Some(first), head) = (published.first_in_history, published.head) else {
                continue;
            };
            let from = Seq(first.0.max(head.0.saturating_sub(20)));
            let mut at = from.0;
            let mut text = Vec::new();
            let mut slices = shard.history(&key, from, head);
            crate::plant::on_history(self.plant, &mut slices);
            for slice in slices {
                text.extend_from_slice(if text.is_empty() { b"" } else { b"," });
                text.extend_from_slice(&slice);
            }
            let mut expected = Vec::new();
            while at <= head.0 {
                let op = self.checker.log(&name).get(at).map_or("", |op| op.bytes.as_str());
                expected.extend_from_slice(if expected.is_empty() { b"" } else { b"," });
                expected.extend_from_slice(op.as_bytes());
                at += 1;
            }
            self.checker.require(text == expected, Invariant::HistoryIsDisk, || {
                format!("{name} {from}..={head}: {}", String::from_utf8_lossy(&text))
            });
        }
    }

    /// A slot for a socket on a shard.
    pub fn new_conn(&mut self, shard: usize) -> ConnId {
        let slot = self.free_slots[shard].pop().unwrap_or_else(|| {
            self.next_slots[shard] += 1;
            self.next_slots[shard] - 1
        });
        assert!(slot < LINK_SLOTS_FROM);
        self.generations += 1;
        ConnId { slot, generation: self.generations }
    }
}

/// How a simulation ended.
#[derive(Debug)]
#[allow(dead_code)] // read in what a replay prints
pub struct Outcome {
    pub violation: Option<Violation>,
    pub shown: u64,
    pub steps: u64,
    pub counters: Vec<levee_core::counters::Counters>,
}
