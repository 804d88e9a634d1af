//! Letters between cores: one single-producer ring for every ordered pair, and a doorbell per core
//! that is rung only when its core is not looking.

use crate::http::Errand;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use crossbeam_utils::CachePadded;
use levee_core::auth::Keyring;
use levee_core::event::Mail;
use levee_core::http_request::HttpRequest;
use levee_core::ids::{ConnId, ShardId};
use levee_core::session::Connection;
use rtrb::{Consumer, Producer, PushError, RingBuffer};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll};

/// What one core tells another.
pub enum Letter {
    /// For the shard itself.
    Mail(Mail),
    /// A socket that moves here, with its state.
    Adopt { socket: OwnedFd, state: Box<Connection> },
    /// A REST request about a document of the receiving core, from a socket of the sending one.
    Request { conn: ConnId, request: Box<HttpRequest> },
    /// The answer to a `Request`.
    Response { conn: ConnId, response: Bytes, close: bool },
    /// Part of an answer that takes all cores; it goes back by itself.
    Errand(Box<Errand>),
    /// Tenants, secrets or revocations have changed.
    Keyring(Arc<Keyring>),
}

/// Letters that the rings of one core hold together, spread over its peers.
const RING_LETTERS: usize = 16_384;
/// Letters behind a full ring from which on a core stops reading its sockets.
const CONGESTED_LETTERS: usize = 4_096;

/// Whether a core is looking at its rings, and how to make it look.
#[derive(Default)]
struct Doorbell {
    awake: CachePadded<AtomicBool>,
    waker: AtomicWaker,
}

impl Doorbell {
    /// Called after a push. The fence orders the push before the look at `awake`, as
    /// `poll_letters` orders its own store before the look at the rings: one of the two sees the
    /// other.
    fn ring(&self) {
        fence(Ordering::SeqCst);
        if !self.awake.load(Ordering::Relaxed) && !self.awake.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }
}

/// The ends of all rings that lead to one core.
pub struct Inbox {
    doorbell: Arc<Doorbell>,
    rings: Vec<(ShardId, Consumer<Letter>)>,
}

/// The ends of all rings that lead away from one core.
pub struct Outboxes {
    to: Vec<Outbox>,
    waiting: usize,
}

struct Outbox {
    ring: Producer<Letter>,
    /// Letters that found the ring full, in order.
    overflow: VecDeque<Letter>,
    doorbell: Arc<Doorbell>,
}

/// Connects every core with every core, itself included.
#[must_use]
pub fn mesh(cores: u16) -> Vec<(Inbox, Outboxes)> {
    let count = usize::from(cores);
    let ring_letters = (RING_LETTERS / count.max(1)).clamp(128, 1024);
    let bells: Vec<_> = (0..count).map(|_| Arc::new(Doorbell::default())).collect();
    let mut inboxes: Vec<_> = bells
        .iter()
        .map(|doorbell| Inbox { doorbell: doorbell.clone(), rings: Vec::with_capacity(count) })
        .collect();
    let mut outboxes = Vec::with_capacity(count);
    for from in 0..cores {
        let mut to = Vec::with_capacity(count);
        for (inbox, doorbell) in inboxes.iter_mut().zip(&bells) {
            let (ring, consumer) = RingBuffer::new(ring_letters);
            inbox.rings.push((ShardId(from), consumer));
            to.push(Outbox { ring, overflow: VecDeque::new(), doorbell: doorbell.clone() });
        }
        outboxes.push(Outboxes { to, waiting: 0 });
    }
    inboxes.into_iter().zip(outboxes).collect()
}

impl Outboxes {
    /// Sends a letter. It is never lost: what finds its ring full waits for [`Outboxes::retry`].
    pub fn post(&mut self, to: ShardId, letter: Letter) {
        let Some(outbox) = self.to.get_mut(usize::from(to.0)) else {
            return;
        };
        if outbox.overflow.is_empty() {
            match outbox.ring.push(letter) {
                Ok(()) => return outbox.doorbell.ring(),
                Err(PushError::Full(letter)) => outbox.overflow.push_back(letter),
            }
        } else {
            outbox.overflow.push_back(letter);
        }
        self.waiting += 1;
    }

    /// Moves letters that had to wait into their rings, as far as these have room.
    pub fn retry(&mut self) {
        if self.waiting == 0 {
            return;
        }
        for outbox in &mut self.to {
            let mut moved = 0;
            while let Some(letter) = outbox.overflow.pop_front() {
                if let Err(PushError::Full(letter)) = outbox.ring.push(letter) {
                    outbox.overflow.push_front(letter);
                    break;
                }
                moved += 1;
            }
            if moved > 0 {
                self.waiting -= moved;
                outbox.doorbell.ring();
            }
        }
    }

    /// Letters that wait behind full rings.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// So many letters wait that this core should take in nothing new.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.waiting >= CONGESTED_LETTERS
    }
}

impl Inbox {
    /// Ready when there are letters; otherwise the task is woken by the next one.
    pub fn poll_letters(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.has_letters() {
            return Poll::Ready(());
        }
        self.doorbell.waker.register(context.waker());
        self.doorbell.awake.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.has_letters() {
            self.doorbell.awake.store(true, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Hands over every letter that is there now, and none that arrive meanwhile: that bounds the
    /// work of a turn. True when there are more.
    pub fn read(&mut self, mut each: impl FnMut(ShardId, Letter)) -> bool {
        for (from, ring) in &mut self.rings {
            for _ in 0..ring.slots() {
                if let Ok(letter) = ring.pop() {
                    each(*from, letter);
                }
            }
        }
        self.has_letters()
    }

    fn has_letters(&self) -> bool {
        self.rings.iter().any(|(_, ring)| !ring.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuntimeChoice;
    use crate::runtime::{Loop, sleep};
    use std::future::poll_fn;
    use std::time::Duration;

    fn letter(number: u32) -> Letter {
        let conn = ConnId { slot: number, generation: 0 };
        Letter::Response { conn, response: Bytes::new(), close: false }
    }

    fn number(letter: &Letter) -> u32 {
        match letter {
            Letter::Response { conn, .. } => conn.slot,
            Letter::Mail(_)
            | Letter::Adopt { .. }
            | Letter::Request { .. }
            | Letter::Errand(_)
            | Letter::Keyring(_) => u32::MAX,
        }
    }

    #[test]
    fn letters_beyond_the_ring_wait_in_order() {
        let mut cores = mesh(2);
        let (mut inbox, _) = cores.pop().unwrap();
        let (_, mut outboxes) = cores.pop().unwrap();
        for n in 0..5000 {
            outboxes.post(ShardId(1), letter(n));
        }
        assert_eq!(outboxes.waiting(), 5000 - 1024);
        let mut seen = Vec::new();
        while seen.len() < 5000 {
            inbox.read(|from, letter| {
                assert_eq!(from, ShardId(0));
                seen.push(number(&letter));
            });
            outboxes.retry();
        }
        assert!(seen.iter().copied().eq(0..5000));
        assert!(!outboxes.is_congested());
    }

    /// Every letter wakes a sleeping core, on the ring and on epoll.
    fn across_threads(choice: RuntimeChoice) {
        let mut cores = mesh(2);
        let (mut inbox, _) = cores.pop().unwrap();
        let (_, mut outboxes) = cores.pop().unwrap();
        let sender = std::thread::spawn(move || {
            for n in 0..200 {
                outboxes.post(ShardId(1), letter(n));
                if n % 3 == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        });
        let (mut looped, _) = Loop::build(choice).unwrap();
        let seen = looped.block_on(async move {
            let mut seen = Vec::new();
            while seen.len() < 200 {
                poll_fn(|context| inbox.poll_letters(context)).await;
                if inbox.read(|_, letter| seen.push(number(&letter))) {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            seen
        });
        sender.join().unwrap();
        assert!(seen.into_iter().eq(0..200));
    }

    #[test]
    fn a_letter_wakes_a_sleeping_core() {
        across_threads(RuntimeChoice::Auto);
        across_threads(RuntimeChoice::Epoll);
    }
}
