//! The core's end of a partition's storage thread, which moves what is committed into the tree and
//! answers every read: the cores never wait for the tree.

use atomic_waker::AtomicWaker;
use crossbeam_channel::Sender;
use futures_channel::oneshot;
use levee_core::ids::PartitionId;
use levee_core::record::{Record, StoreFault};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::config::{OpenError, PartitionReport, StoreConfig};
use super::frame::Mark;
use super::manifest::DataDir;
use super::partition::Partition;
use super::segment::{Make, Segment};

/// Reads that may wait for the thread; more are told that the store is busy.
const READS_MAX: usize = 4_096;
/// A disk that failed or was full is tried again after this time.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
pub(crate) enum Job {
    /// These groups are as durable as promised.
    Committed {
        groups: Vec<Vec<Record>>,
        bytes: usize,
        end: Mark,
    },
    Prepare {
        least_bytes: u64,
        make: Make,
        done: oneshot::Sender<io::Result<Segment>>,
    },
    Retire {
        id: u64,
        end: u64,
        broken: bool,
    },
    Ask(Box<dyn FnOnce(&mut Partition) + Send>),
    Close {
        done: oneshot::Sender<Result<(), StoreFault>>,
    },
    /// End without a close, leaving everything as a crash would.
    Abandon,
}

/// What the core and the thread both look at.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Committed and not moved, bytes.
    backlog_bytes: AtomicUsize,
    reads: AtomicUsize,
    fault: AtomicU8,
    moved: AtomicU64,
    filled: AtomicUsize,
    /// The log's writer, waiting for room in the backlog.
    pub(crate) writer: AtomicWaker,
}

impl Shared {
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes.load(Ordering::Acquire)
    }

    /// Position up to which the log is in the tree.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Segments that the log has left and that are still needed.
    pub(crate) fn filled(&self) -> usize {
        self.filled.load(Ordering::Relaxed)
    }

    /// What is wrong with the tree's disk.
    pub(crate) fn fault(&self) -> Option<StoreFault> {
        match self.fault.load(Ordering::Acquire) {
            0 => None,
            1 => Some(StoreFault::DiskFull),
            _ => Some(StoreFault::DiskFailed),
        }
    }

    /// A read was taken out of the queue.
    fn read_begins(&self) {
        self.reads.fetch_sub(1, Ordering::AcqRel);
    }

    /// The log is in the tree up to `position`, which took `bytes` off the backlog.
    pub(crate) fn set_moved(&self, position: u64, bytes: usize) {
        self.moved.store(position, Ordering::Relaxed);
        self.backlog_bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.writer.wake();
    }

    pub(crate) fn set_filled(&self, segments: usize) {
        self.filled.store(segments, Ordering::Relaxed);
    }

    pub(crate) fn set_fault(&self, fault: Option<StoreFault>) {
        let code = match fault {
            None => 0,
            Some(StoreFault::DiskFull) => 1,
            Some(
                StoreFault::DiskFailed
                | StoreFault::Damaged
                | StoreFault::Closed
                | StoreFault::Busy,
            ) => 2,
        };
        self.fault.store(code, Ordering::Release);
        self.writer.wake();
    }
}

/// The core's end of a storage thread.
#[derive(Clone)]
pub(crate) struct Storage {
    jobs: Sender<Job>,
    pub(crate) shared: Arc<Shared>,
}

/// Where a partition's log goes on.
#[derive(Debug)]
pub(crate) struct LogStart {
    pub(crate) mark: Mark,
    pub(crate) epoch: u64,
    pub(crate) serial: u64,
    /// `None` when there is no room for one: the log begins when there is.
    pub(crate) segment: Option<Segment>,
}

/// What a storage thread says once its partition is open.
pub(crate) type Opened = Result<(LogStart, PartitionReport), OpenError>;

impl Storage {
    /// Starts the thread of one partition; it opens and recovers it, then says so.
    pub(crate) fn start(
        dir: &Arc<DataDir>,
        partition: PartitionId,
        config: &StoreConfig,
    ) -> Result<(Self, oneshot::Receiver<Opened>), OpenError> {
        let (jobs, received) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared::default());
        let (ready, opened) = oneshot::channel();
        let (dir, config, there) = (Arc::clone(dir), config.clone(), Arc::clone(&shared));
        let run = move || {
            match Partition::open(&dir, partition, config, there) {
                Ok((partition, start, report)) => {
                    let _ = ready.send(Ok((start, report)));
                    partition.run(&received);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
            // Only now may another process, or this one, open the directory again.
            drop(dir);
        };
        let name = format!("levee-store-{}", partition.0);
        thread::Builder::new().name(name).spawn(run).map_err(|_| OpenError::Thread)?;
        Ok((Self { jobs, shared }, opened))
    }

    fn send(&self, job: Job) -> Result<(), StoreFault> {
        self.jobs.send(job).map_err(|_| StoreFault::Closed)
    }

    pub(crate) fn committed(
        &self,
        groups: Vec<Vec<Record>>,
        bytes: usize,
        end: Mark,
    ) -> Result<(), StoreFault> {
        self.shared.backlog_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.send(Job::Committed { groups, bytes, end })
    }

    /// Asks for a segment with room for at least so many bytes.
    pub(crate) fn prepare(
        &self,
        least_bytes: u64,
        make: Make,
    ) -> oneshot::Receiver<io::Result<Segment>> {
        let (done, segment) = oneshot::channel();
        // A closed thread drops `done`, which the receiver sees.
        let _ = self.send(Job::Prepare { least_bytes, make, done });
        segment
    }

    /// The log has left this segment, which ends at `end`.
    pub(crate) fn retire(&self, id: u64, end: u64, broken: bool) {
        // A closed thread needs no segments.
        let _ = self.send(Job::Retire { id, end, broken });
    }

    /// Runs a job on the thread, after everything that was committed before.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Partition) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.begin(job)?.await.unwrap_or(Err(StoreFault::Closed))
    }

    /// The same, begun at once and to be waited for later.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Partition) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreFault>>, StoreFault> {
        if self.shared.reads.fetch_add(1, Ordering::AcqRel) >= READS_MAX {
            self.shared.reads.fetch_sub(1, Ordering::AcqRel);
            return Err(StoreFault::Busy);
        }
        let (done, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = move |partition: &mut Partition| {
            shared.read_begins();
            // A job that panics answers for itself alone: it has found something no reader expects.
            let result = catch_unwind(AssertUnwindSafe(|| job(partition)));
            let _ = done.send(result.unwrap_or(Err(StoreFault::Damaged)));
        };
        self.send(Job::Ask(Box::new(job)))?;
        Ok(answer)
    }

    /// Ends the thread of a store that is dropped.
    pub(crate) fn abandon(&self) {
        // It may have ended already.
        let _ = self.send(Job::Abandon);
    }

    /// Moves everything, syncs it and ends the thread; begins at once.
    pub(crate) fn close(&self) -> impl Future<Output = Result<(), StoreFault>> + use<> {
        let (done, closed) = oneshot::channel();
        let sent = self.send(Job::Close { done });
        async move {
            sent?;
            closed.await.unwrap_or(Err(StoreFault::Closed))
        }
    }
}
