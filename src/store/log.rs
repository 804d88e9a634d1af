//! The commit log of one partition, on its core: groups in, one write and one sync at a time.
//!
//! Whatever is waiting when a sync comes back is written as the next frame, so the load itself sets
//! the size of a frame. A frame holds whole groups only.

use futures_channel::oneshot;
use hdrhistogram::Histogram;
use levee_core::ids::PartitionId;
use levee_core::limits::{COMMIT_QUEUE_BYTES_MAX, GROUP_BYTES_MAX};
use levee_core::record::{Record, StoreFault};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::runtime;

use super::config::StoreConfig;
use super::frame;
use super::storage::{LogStart, Storage};
use super::writer::Writer;

/// Figures of one partition's log since it was opened.
#[derive(Clone, Debug)]
pub(crate) struct LogFigures {
    pub(crate) write_us: Histogram<u64>,
    pub(crate) sync_us: Histogram<u64>,
    pub(crate) groups: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) position: u64,
}

impl LogFigures {
    fn new(position: u64) -> Self {
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 2);
        let write_us = histogram.unwrap_or_else(|_| unreachable!("the bounds are sound constants"));
        let sync_us = write_us.clone();
        Self { write_us, sync_us, groups: 0, frames: 0, bytes: 0, position }
    }
}

/// The handle by which groups are appended.
pub(crate) struct Log {
    queue: Rc<Queue>,
    figures: Rc<RefCell<LogFigures>>,
    finished: RefCell<Option<oneshot::Receiver<()>>>,
}

pub(crate) struct Queue {
    state: RefCell<QueueState>,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    writer: Option<Waker>,
    refuse: Option<StoreFault>,
    closing: bool,
}

/// A group that waits for its commit.
pub(crate) struct Waiting {
    pub(crate) records: Vec<Record>,
    /// Encoded.
    pub(crate) bytes: usize,
    pub(crate) done: oneshot::Sender<Result<(), StoreFault>>,
}

impl Log {
    /// Starts the writer on the running core.
    pub(crate) fn start(
        partition: PartitionId,
        identity: u64,
        config: &StoreConfig,
        start: LogStart,
        storage: Storage,
    ) -> Self {
        let queue = Rc::new(Queue { state: RefCell::default() });
        let figures = Rc::new(RefCell::new(LogFigures::new(start.mark.position)));
        let (done, finished) = oneshot::channel();
        let writer = Writer::new(&queue, &figures, storage, config, (partition.0, identity), start);
        runtime::spawn(async move {
            writer.run().await;
            let _ = done.send(());
        });
        Self { queue, figures, finished: RefCell::new(Some(finished)) }
    }

    /// Appends a group: whole or not at all, in the order of the calls (not of the polls).
    // walk 10/12
    pub(crate) fn append(
        &self,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), StoreFault>> + use<> {
        let bytes = records.iter().map(frame::record_bytes).sum();
        let (done, result) = oneshot::channel();
        let pushed = self.queue.push(Waiting { records, bytes, done });
        async move {
            pushed?;
            result.await.unwrap_or(Err(StoreFault::Closed))
        }
    }

    pub(crate) fn figures(&self) -> LogFigures {
        self.figures.borrow().clone()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.state.borrow().bytes
    }

    /// Why appends are refused at present.
    pub(crate) fn refuses(&self) -> Option<StoreFault> {
        self.queue.state.borrow().refuse
    }

    /// Commits what is waiting and ends the writer.
    pub(crate) async fn close(&self) {
        self.queue.close();
        let finished = self.finished.borrow_mut().take();
        if let Some(finished) = finished {
            // An error means that the writer has ended already.
            let _ = finished.await;
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The storage thread may let go of the directory now, so nothing is acknowledged any more.
        self.queue.refuse(StoreFault::Closed);
        self.queue.close();
    }
}

impl Queue {
    fn push(&self, waiting: Waiting) -> Result<(), StoreFault> {
        let mut state = self.state.borrow_mut();
        if state.closing {
            return Err(StoreFault::Closed);
        }
        if let Some(fault) = state.refuse {
            return Err(fault);
        }
        // A queue without groups takes any one of them, or a large one could never be written.
        if !state.waiting.is_empty() && state.bytes + waiting.bytes > COMMIT_QUEUE_BYTES_MAX {
            return Err(StoreFault::Busy);
        }
        state.bytes += waiting.bytes;
        state.waiting.push_back(waiting);
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Ok(())
    }

    /// The groups of the next frame; none when the log is closing and everything is written.
    pub(crate) async fn next(&self) -> Option<Vec<Waiting>> {
        poll_fn(|context| {
            let mut state = self.state.borrow_mut();
            if state.waiting.is_empty() {
                if state.closing {
                    return Poll::Ready(None);
                }
                state.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let mut groups = Vec::new();
            let mut bytes = 0;
            while let Some(first) = state.waiting.front()
                && (groups.is_empty() || bytes + first.bytes <= GROUP_BYTES_MAX)
            {
                bytes += first.bytes;
                groups.extend(state.waiting.pop_front());
            }
            state.bytes -= bytes;
            Poll::Ready(Some(groups))
        })
        .await
    }

    /// Answers everything that waits, and what comes until [`Self::accept`], with the fault.
    pub(crate) fn refuse(&self, fault: StoreFault) {
        let mut state = self.state.borrow_mut();
        state.refuse = Some(fault);
        state.bytes = 0;
        for waiting in state.waiting.drain(..) {
            let _ = waiting.done.send(Err(fault));
        }
    }

    /// Takes groups again, unless the log is closing.
    pub(crate) fn accept(&self) {
        let mut state = self.state.borrow_mut();
        if !state.closing {
            state.refuse = None;
        }
    }

    /// Whether what is committed now may be acknowledged.
    pub(crate) fn accepts(&self) -> Result<(), StoreFault> {
        self.state.borrow().refuse.map_or(Ok(()), Err)
    }

    fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.closing = true;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state.borrow().closing
    }
}
