//! One core's loop: events into the shard, actions out of it, once around per turn.
//!
//! Tasks run in the order in which they became ready, so the turn's task, which is woken whenever
//! the shard has handled something, runs behind everything that was ready in the same turn: what
//! has gathered is then committed, and each socket with output gets one write.

use super::conn::{self, Conn, Fate};
use super::control::{Control, Phase};
use super::flag::{Flag, Gate, caught};
use super::handoff::Conns;
use super::listener;
use super::mailbox::{Inbox, Letter, Outboxes};
use super::step::Step;
use super::work::Work;
use crate::http::{CoreContext, Response};
use crate::observe::{self, Figures};
use crate::runtime::{Accepted, Clock, Listener, Reader, sleep, spawn, thread_id};
use crate::store::Store;
use bytes::Bytes;
use levee_core::event::{Action, Event};
use levee_core::ids::{ConnId, ShardId};
use levee_core::limits::TICK_MS;
use levee_core::shard::Shard;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Bytes received at once, into a buffer that all sockets of a core share.
const RECEIVE_BYTES: usize = 256 << 10;
/// A turn that takes longer is told to the operator.
const LONG_TURN_MS: u64 = 25;
/// A turn that has taken so long takes in nothing more.
const TURN_MS: u64 = 8;
/// The store is asked for its figures every so many ticks: they are histograms.
const STORE_FIGURES_TICKS: u64 = 20;
/// How long a pause between two readings of a mailbox that fills faster than it is read: it lets
/// the loop look at its sockets.
const MAILBOX_PAUSE: Duration = Duration::from_millis(1);
/// The least time that the runtime's timers can tell.
const BREATH_TIMER: Duration = Duration::from_millis(1);
/// Errors of accepting are told once in so many ticks.
const ACCEPT_LOG_TICKS: u64 = 100;

/// So long the loop may go around without looking at its timers and at other threads' wakes.
const BREATH_MS: u64 = 5;

/// Lets a busy loop breathe. The runtime looks at timers and at wakes from other threads only when
/// it has no task left to run, which under load may be never: then this core stops taking in and
/// sending for the blink of an eye, until its tasks have run out and a timer has fired.
#[derive(Default)]
pub(super) struct Breath {
    /// Sockets wait here before they are read: while the core rests, and once a turn has taken so
    /// long that what it has gathered must leave first.
    pub(super) gate: Gate,
    /// When the timer was started that has not fired yet.
    since_ms: Cell<Option<u64>>,
    is_resting: Cell<bool>,
}

/// Everything of one core. Shared by its tasks, never by threads.
pub struct Core {
    pub id: ShardId,
    pub(super) clock: Clock,
    pub(super) store: Rc<Store>,
    pub(super) context: CoreContext,
    control: Arc<Control>,
    shard: Rc<RefCell<Shard>>,
    actions: Cell<Vec<Action>>,
    pub(super) buffer: RefCell<Box<[u8]>>,
    /// Frames of the write that is being gathered.
    pub(super) frames: RefCell<Vec<Bytes>>,
    conns: RefCell<Conns>,
    outboxes: RefCell<Outboxes>,
    /// Sockets with output, in the order in which it came.
    dirty: RefCell<Vec<Rc<Conn>>>,
    turn: Flag,
    pub(super) breath: Breath,
    inbox: RefCell<Inbox>,
    /// When the turn that is under way handled its first event.
    turn_started_ms: Cell<Option<u64>>,
    figures: RefCell<Figures>,
    ticks: Cell<u64>,
    ticked_ms: Cell<Option<u64>>,
    accept_error_tick: Cell<Option<u64>>,
    draining: Cell<bool>,
    /// Raised when this core drains: its listeners end.
    listeners: RefCell<Vec<Rc<Flag>>>,
    /// Raised when the loop is to return.
    stopped: Flag,
    /// Work that runs beside the shard and will come back as an event.
    pub(super) work: Work,
}

/// What a core is made of.
pub struct CoreParts {
    pub id: ShardId,
    pub clock: Clock,
    pub shard: Rc<RefCell<Shard>>,
    pub store: Rc<Store>,
    pub context: CoreContext,
    pub control: Arc<Control>,
    pub inbox: Inbox,
    pub outboxes: Outboxes,
}

impl Core {
    #[must_use]
    pub fn new(parts: CoreParts) -> Self {
        Self {
            id: parts.id,
            clock: parts.clock,
            store: parts.store,
            context: parts.context,
            control: parts.control,
            shard: parts.shard,
            actions: Cell::default(),
            buffer: RefCell::new(vec![0; RECEIVE_BYTES].into_boxed_slice()),
            frames: RefCell::default(),
            conns: RefCell::default(),
            outboxes: RefCell::new(parts.outboxes),
            dirty: RefCell::default(),
            turn: Flag::default(),
            breath: Breath::default(),
            inbox: RefCell::new(parts.inbox),
            turn_started_ms: Cell::new(None),
            figures: RefCell::default(),
            ticks: Cell::new(0),
            ticked_ms: Cell::new(None),
            accept_error_tick: Cell::new(None),
            draining: Cell::new(false),
            listeners: RefCell::default(),
            stopped: Flag::default(),
            work: Work::default(),
        }
    }

    /// Whether every partition of this core takes writes.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.figures.borrow().can_write()
    }

    /// Serves until the process stops. All tasks but those of sockets have ended then.
    pub async fn run(self: &Rc<Self>, listeners: Vec<Listener>) {
        self.control.began(self.id.0, self.clock.mono_ms(), thread_id());
        self.spawn_turns();
        self.spawn_mailbox();
        for listener in listeners {
            let stop = Rc::new(Flag::default());
            self.listeners.borrow_mut().push(stop.clone());
            spawn(listener::accept(self.clone(), listener, stop));
        }
        while self.control.phase() != Phase::Stop {
            sleep(Duration::from_millis(TICK_MS)).await;
            if caught(async { self.tick() }).await.is_none() {
                self.panicked("tick");
            }
        }
        self.stopped.raise();
        self.turn.raise();
        self.end_listeners();
        self.conns.borrow().each(|conn| conn.end(Fate::Abort));
    }

    /// Has the shard handle an event and performs what it asks for.
    pub fn handle(self: &Rc<Self>, event: Event<'_>) {
        let now = self.clock.now();
        match self.turn_started_ms.get() {
            None => self.turn_started_ms.set(Some(now.mono_ms)),
            Some(started_ms) if now.mono_ms > started_ms + TURN_MS => self.breath.gate.shut(),
            Some(_) => {}
        }
        let mut actions = self.actions.take();
        self.during(Step::from(&event), || {
            self.shard.borrow_mut().handle(now, event, &mut actions);
            for action in actions.drain(..) {
                self.perform(action);
            }
        });
        self.actions.set(actions);
        self.turn.raise();
    }

    /// Runs a step of this core in view of the watchdog.
    pub(super) fn during<T>(&self, step: Step, f: impl FnOnce() -> T) -> T {
        self.control.during(self.id.0, step, f)
    }

    fn perform(self: &Rc<Self>, action: Action) {
        match action {
            Action::Send(conn) => self.mark_dirty(conn),
            Action::Close { conn, at_once } => {
                let fate = if at_once { Fate::Abort } else { Fate::Close };
                self.end(conn, fate);
            }
            Action::Append { partition, batch, records } => {
                self.append(partition, batch, records);
            }
            Action::Load { doc } => self.load(doc),
            Action::Summarize { doc, seq, job } => self.summarize(doc, seq, job),
            Action::Delete { doc } => self.delete(doc),
            Action::Post { to, mail } => self.post(to, Letter::Mail(mail)),
            Action::Handoff { conn, to, state } => self.end(conn, Fate::Handoff { to, state }),
            Action::Http { conn, request } => self.request(conn, request),
            Action::Log(event) => observe::log(self.id, &event),
        }
    }

    fn end(&self, conn: ConnId, fate: Fate) {
        if let Some(conn) = self.conns.borrow().get(conn) {
            conn.end(fate);
        }
    }

    fn mark_dirty(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow().get(id)
            && !conn.dirty.replace(true)
        {
            self.dirty.borrow_mut().push(conn.clone());
        }
    }

    pub(super) fn take_output(
        &self,
        conn: ConnId,
        bytes_max: usize,
        out: &mut Vec<Bytes>,
    ) -> usize {
        self.shard.borrow_mut().take_output(conn, bytes_max, out)
    }

    pub(super) fn post(&self, to: ShardId, letter: Letter) {
        self.outboxes.borrow_mut().post(to, letter);
    }

    /// Other cores do not keep up with this one's letters.
    pub(super) fn is_congested(&self) -> bool {
        self.outboxes.borrow().is_congested()
    }

    fn spawn_turns(self: &Rc<Self>) {
        let core = self.clone();
        spawn(async move {
            while !core.stopped.is_raised() {
                core.turn.take().await;
                if caught(async { core.end_turn() }).await.is_none() {
                    core.panicked("turn");
                }
            }
        });
    }

    /// Takes in the mail, commits what has gathered, sends what is ready, one write per socket.
    fn end_turn(self: &Rc<Self>) {
        if self.must_breathe() {
            return;
        }
        self.read_mail();
        self.handle(Event::Turn);
        // Nothing but this event has happened since, and it needs no turn of its own.
        self.turn.lower();
        self.outboxes.borrow_mut().retry();
        let mut dirty = self.dirty.take();
        self.during(Step::Writes, || dirty.drain(..).for_each(|conn| self.send(&conn)));
        self.dirty.replace(dirty);
        self.breath.gate.open();
        if let Some(started_ms) = self.turn_started_ms.take() {
            let took_ms = self.clock.mono_ms().saturating_sub(started_ms);
            if took_ms > LONG_TURN_MS {
                self.figures.borrow_mut().long_turn(took_ms);
                tracing::warn!(core = self.id.0, took_ms, "long turn");
            }
        }
    }

    /// Starts a timer if none is on its way. True when the last one is overdue: then everything
    /// rests until it fires, and goes on with a turn.
    fn must_breathe(self: &Rc<Self>) -> bool {
        let now_ms = self.clock.mono_ms();
        if let Some(since_ms) = self.breath.since_ms.get() {
            if now_ms > since_ms + BREATH_MS {
                self.breath.is_resting.set(true);
                self.breath.gate.shut();
            }
            return self.breath.is_resting.get();
        }
        self.breath.since_ms.set(Some(now_ms));
        let core = self.clone();
        spawn(async move {
            sleep(BREATH_TIMER).await;
            core.breath.since_ms.set(None);
            if core.breath.is_resting.replace(false) {
                core.breath.gate.open();
                core.turn.raise();
            }
        });
        false
    }

    fn spawn_mailbox(self: &Rc<Self>) {
        let core = self.clone();
        spawn(async move {
            let listen = || poll_fn(|context| core.inbox.borrow_mut().poll_letters(context));
            while let Some(()) = core.stopped.or(listen()).await {
                match caught(async { core.read_mail() }).await {
                    Some(false) => {}
                    Some(true) => sleep(MAILBOX_PAUSE).await,
                    None => core.panicked("mailbox"),
                }
            }
        });
    }

    /// Opens the letters that are there; true when more have come meanwhile.
    fn read_mail(self: &Rc<Self>) -> bool {
        self.inbox.borrow_mut().read(|from, letter| self.open_letter(from, letter))
    }

    fn open_letter(self: &Rc<Self>, from: ShardId, letter: Letter) {
        match letter {
            Letter::Mail(mail) => self.handle(Event::Mail { from, mail }),
            Letter::Adopt { socket, state } => self.adopted(socket, state),
            Letter::Request { conn, request } => self.foreign_request(from, conn, request),
            Letter::Response { conn, response, close } => {
                self.responded(conn, Response { bytes: response, close });
            }
            Letter::Errand(errand) => self.run_errand(*errand),
            Letter::Keyring(keyring) => {
                self.context.set_keyring(keyring.clone());
                self.handle(Event::Keyring(keyring));
            }
        }
    }

    fn tick(self: &Rc<Self>) {
        self.ticks.set(self.ticks.get() + 1);
        if self.control.phase() == Phase::Drain && !self.draining.replace(true) {
            self.end_listeners();
            self.handle(Event::Drain { spread_ms: self.control.drain_spread_ms() });
        }
        self.handle(Event::Tick);
        self.outboxes.borrow_mut().retry();
        let mut figures = self.figures.borrow_mut();
        let now_ms = self.clock.mono_ms();
        figures.ticked(now_ms - self.ticked_ms.replace(Some(now_ms)).unwrap_or(now_ms));
        let shard = self.shard.borrow();
        let waiting = self.outboxes.borrow().waiting();
        figures.shard(&shard, self.conns.borrow().count(), waiting);
        if self.ticks.get() % STORE_FIGURES_TICKS == 1 {
            figures.store(&self.store.stats());
        }
        figures.work = self.work.count() as u64;
        figures.closing = 0;
        self.conns.borrow().each(|conn| figures.closing += u64::from(conn.is_ending()));
        figures.is_committing = shard.is_committing();
        let is_idle = waiting == 0 && figures.sockets == 0 && figures.work == 0;
        let settled = self.draining.get() && is_idle && shard.is_settled();
        self.control.report(self.id.0, now_ms, settled, &figures);
    }

    fn end_listeners(&self) {
        for flag in self.listeners.take() {
            flag.raise();
        }
    }

    /// A socket was accepted here.
    pub(super) fn opened(self: &Rc<Self>, accepted: Accepted) {
        let Some((conn, reader)) = self.register(accepted.socket) else {
            return;
        };
        let id = conn.id;
        self.handle(Event::Opened { conn: id, peer: accepted.peer });
        self.start(conn, reader);
    }

    pub(super) fn register(&self, socket: OwnedFd) -> Option<(Rc<Conn>, Reader)> {
        let id = self.conns.borrow_mut().vacant();
        match Conn::register(id, socket) {
            Ok((conn, reader)) => {
                self.conns.borrow_mut().insert(conn.clone());
                Some((conn, reader))
            }
            Err(error) => {
                tracing::warn!(core = self.id.0, %error, "a socket could not be watched");
                self.forget(id);
                None
            }
        }
    }

    pub(super) fn start(self: &Rc<Self>, conn: Rc<Conn>, reader: Reader) {
        spawn(conn::run(self.clone(), conn, reader));
    }

    /// A peer sends no more: whether its socket stays until its last answer has left.
    pub(super) fn owes_answer(&self, conn: ConnId) -> bool {
        self.shard.borrow_mut().peer_ended(conn)
    }

    /// A socket is gone.
    pub(super) fn closed(self: &Rc<Self>, conn: ConnId) {
        self.handle(Event::Closed { conn });
        self.forget(conn);
    }

    /// Frees the id of a socket that the shard knows no more.
    pub(super) fn forget(&self, conn: ConnId) {
        self.conns.borrow_mut().remove(conn);
    }

    pub(super) fn cannot_accept(&self, error: &std::io::Error) {
        let tick = self.ticks.get();
        let is_news =
            self.accept_error_tick.get().is_none_or(|last| tick >= last + ACCEPT_LOG_TICKS);
        if is_news {
            self.accept_error_tick.set(Some(tick));
            tracing::error!(core = self.id.0, %error, "cannot accept sockets");
        }
    }

    /// A task of the shell panicked: the message has been printed, the core goes on.
    pub(super) fn panicked(&self, task: &'static str) {
        // The figures may be what was borrowed when the task panicked.
        if let Ok(mut figures) = self.figures.try_borrow_mut() {
            figures.panics += 1;
        }
        tracing::error!(core = self.id.0, task, "a task panicked");
    }
}
