//! One socket: the only place that reads it and the only one that writes to it.

use super::flag::{Flag, caught};
use super::shard_loop::Core;
use super::step::Step;
use crate::runtime::{Reader, Writer, register, sleep, spawn, timeout};
use bytes::{Buf, Bytes};
use levee_core::event::Event;
use levee_core::ids::{ConnId, ShardId};
use levee_core::session::Connection;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// Reads of one socket before others get their turn.
const READS_PER_WAKE: usize = 4;
/// Bytes of one write: enough to make the system call cheap, little enough to hold for a slow peer.
const WRITE_BYTES_MAX: usize = 256 << 10;
/// A socket that closes waits so long for its peer to take some more of its output.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a peer may take to answer our end with its own, before the socket is cut.
const LINGER: Duration = Duration::from_secs(1);
/// Pause between two looks at what a closing peer still sends.
const SWALLOW_PAUSE: Duration = Duration::from_millis(1);
/// How long reading rests when other cores do not keep up with this one's letters.
const CONGESTION_PAUSE: Duration = Duration::from_millis(1);

/// How a socket ends, decided by the core or by the peer.
pub enum Fate {
    /// It lives.
    Open,
    /// Once its output has left.
    Close,
    /// At once.
    Abort,
    /// On another core, once its output has left.
    Handoff { to: ShardId, state: Box<Connection> },
}

/// What the tasks of one socket share.
pub struct Conn {
    pub id: ConnId,
    /// Away while a write is under way.
    writer: RefCell<Option<Writer>>,
    /// Output waits for the end of the turn.
    pub dirty: Cell<bool>,
    /// How much the system has taken so far, for telling a slow peer from a dead one.
    written_bytes: Cell<u64>,
    fate: RefCell<Fate>,
    /// Raised when the socket is to end, whatever its task is waiting for.
    stop: Flag,
}

impl Conn {
    /// Puts a socket under this core's loop.
    pub fn register(id: ConnId, socket: OwnedFd) -> io::Result<(Rc<Self>, Reader)> {
        let (reader, writer) = register(socket)?;
        let conn = Self {
            id,
            writer: RefCell::new(Some(writer)),
            dirty: Cell::new(false),
            written_bytes: Cell::new(0),
            fate: RefCell::new(Fate::Open),
            stop: Flag::default(),
        };
        Ok((Rc::new(conn), reader))
    }

    /// Ends the socket. The first decision stands, but a cut overrides a polite end.
    pub fn end(&self, fate: Fate) {
        let mut decided = self.fate.borrow_mut();
        if matches!(*decided, Fate::Open) || matches!(fate, Fate::Abort) {
            *decided = fate;
        }
        self.stop.raise();
        self.stop.nudge();
    }

    /// Nothing waits to be written and nothing is being written.
    fn is_idle(&self) -> bool {
        !self.dirty.get() && self.writer.borrow().is_some()
    }

    /// Its end is decided.
    pub fn is_ending(&self) -> bool {
        self.stop.is_raised()
    }

    fn is_cut(&self) -> bool {
        matches!(*self.fate.borrow(), Fate::Abort)
    }
}

/// Why the reading of a socket ended.
enum Ended {
    /// The core wants it so; see its fate.
    Stopped,
    /// The peer sends no more, but may still listen.
    AllSaid,
    /// It broke.
    Gone,
}

/// The task of one socket, from its registration to its end.
pub(super) async fn run(core: Rc<Core>, conn: Rc<Conn>, reader: Reader) {
    match caught(read(&core, &conn, &reader)).await {
        Some(Ended::Stopped) => Box::pin(finish(&core, &conn, reader)).await,
        Some(Ended::AllSaid) if core.owes_answer(conn.id) => {
            conn.stop.until(|| conn.stop.is_raised()).await;
            Box::pin(finish(&core, &conn, reader)).await;
        }
        Some(Ended::AllSaid | Ended::Gone) => {
            reader.shut();
            core.closed(conn.id);
        }
        None => {
            core.panicked("socket");
            reader.shut();
            core.closed(conn.id);
        }
    }
}

/// Reads until the socket ends. Waiting for readiness instead of reading ahead keeps idle sockets
/// free of buffers, and nothing is lost when the wait is dropped.
async fn read(core: &Rc<Core>, conn: &Rc<Conn>, reader: &Reader) -> Ended {
    loop {
        match conn.stop.or(reader.ready()).await {
            None => return Ended::Stopped,
            Some(Err(_)) => return Ended::Gone,
            Some(Ok(())) => {}
        }
        core.breath.gate.pass().await;
        while core.is_congested() {
            sleep(CONGESTION_PAUSE).await;
        }
        for _ in 0..READS_PER_WAKE {
            if conn.stop.is_raised() {
                return Ended::Stopped;
            }
            match core.receive(conn.id, reader) {
                Ok(Received::Some) => {}
                Ok(Received::Drained) => break,
                Ok(Received::End) => return Ended::AllSaid,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ended::Gone,
            }
        }
    }
}

/// What one receive brought.
pub(super) enum Received {
    /// A full buffer: there may be more.
    Some,
    /// Less than the buffer holds: there is no more now.
    Drained,
    End,
}

impl Core {
    // walk 1/12
    /// Receives into the core's one buffer and has the shard use it up.
    fn receive(self: &Rc<Self>, conn: ConnId, reader: &Reader) -> io::Result<Received> {
        let mut buffer = self.buffer.borrow_mut();
        let count = reader.receive(&mut buffer)?;
        if count == 0 {
            return Ok(Received::End);
        }
        let is_full = count == buffer.len();
        if let Some(bytes) = buffer.get_mut(..count) {
            self.handle(Event::Bytes { conn, bytes });
        }
        Ok(if is_full { Received::Some } else { Received::Drained })
    }

    // walk 12/12
    /// Starts the one write of this turn for a socket, if it has output and none is under way.
    pub fn send(self: &Rc<Self>, conn: &Rc<Conn>) {
        let Some(writer) = conn.writer.borrow_mut().take() else {
            return;
        };
        conn.dirty.set(false);
        let output = self.gather(conn.id);
        if output.is_empty() {
            conn.writer.replace(Some(writer));
            return conn.stop.nudge();
        }
        let (core, conn) = (self.clone(), conn.clone());
        spawn(async move {
            if caught(write(&core, &conn, writer, output)).await.is_none() {
                core.panicked("write");
                conn.end(Fate::Abort);
            }
        });
    }

    /// The output of a socket for one write. Copying several frames into one buffer costs what a
    /// vectored write would, and is simpler.
    fn gather(&self, conn: ConnId) -> Bytes {
        let mut frames = self.frames.borrow_mut();
        let bytes = self.take_output(conn, WRITE_BYTES_MAX, &mut frames);
        match frames.pop() {
            Some(only) if frames.is_empty() => only,
            last => {
                let mut joined = Vec::with_capacity(bytes);
                for frame in frames.drain(..).chain(last) {
                    joined.extend_from_slice(&frame);
                }
                joined.into()
            }
        }
    }
}

async fn write(core: &Rc<Core>, conn: &Rc<Conn>, mut writer: Writer, mut output: Bytes) {
    let bytes = output.len();
    while !output.is_empty() {
        let (taken, rest) = writer.write(output).await;
        output = rest;
        let Ok(count) = taken else { break };
        output.advance(count);
        conn.written_bytes.set(conn.written_bytes.get() + count as u64);
    }
    conn.writer.replace(Some(writer));
    if output.is_empty() {
        let conn = conn.id;
        core.handle(Event::Sent { conn, bytes });
    } else {
        conn.end(Fate::Abort);
    }
    conn.stop.nudge();
}

/// Brings a socket to the end that was decided for it.
async fn finish(core: &Rc<Core>, conn: &Rc<Conn>, reader: Reader) {
    let left = drained(conn).await;
    let fate = conn.fate.replace(Fate::Abort);
    let writer = conn.writer.borrow_mut().take();
    match (fate, writer) {
        (Fate::Handoff { to, state }, Some(writer)) if left => {
            return core.hand_over(conn.id, to, state, reader, writer);
        }
        // The shard has given it up already; the peer will connect anew.
        (Fate::Handoff { .. }, _) => {
            reader.shut();
            return core.forget(conn.id);
        }
        (Fate::Close, Some(mut writer)) if left => {
            writer.finish().await;
            // The peer may have hung up before or never will; the socket is cut in both cases.
            let _ = timeout(LINGER, swallow(core, &reader)).await;
        }
        (Fate::Close | Fate::Abort | Fate::Open, _) => {}
    }
    reader.shut();
    core.closed(conn.id);
}

/// Waits until the output has left; false when the socket was cut, or the peer takes nothing more.
async fn drained(conn: &Conn) -> bool {
    loop {
        let written = conn.written_bytes.get();
        let drained = conn.stop.until(|| conn.is_idle() || conn.is_cut());
        if timeout(CLOSE_DEADLINE, drained).await.is_ok() {
            return !conn.is_cut();
        }
        if conn.written_bytes.get() == written {
            return false;
        }
    }
}

/// Reads and discards until the peer ends too: closing with unread bytes would make the system
/// reset the connection, and the peer could lose what it was sent last.
async fn swallow(core: &Rc<Core>, reader: &Reader) {
    while reader.ready().await.is_ok() {
        core.breath.gate.pass().await;
        let has_ended = core.during(Step::Swallow, || discard(core, reader));
        if has_ended {
            return;
        }
        // A peer that sends without end has others beside it; it gets its next turn after them.
        sleep(SWALLOW_PAUSE).await;
    }
}

/// Receives as much as a socket may at once; true when nothing follows.
fn discard(core: &Core, reader: &Reader) -> bool {
    let mut buffer = core.buffer.borrow_mut();
    for _ in 0..READS_PER_WAKE {
        match reader.receive(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    false
}
