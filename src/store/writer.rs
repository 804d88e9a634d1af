//! The task that writes a partition's log: one write and one sync at a time.

use futures_channel::oneshot;
use levee_core::record::StoreFault;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::runtime;

use super::config::{Durability, StoreConfig};
use super::disk::LogFile;
use super::fjall::disk_fault;
use super::frame::{self, Mark, SEGMENT_HEADER_BYTES, SegmentHeader, Stamp};
use super::log::{LogFigures, Queue, Waiting};
use super::segment::{Make, Segment};
use super::storage::{LogStart, RETRY, Storage};

/// A write buffer that grew beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// How far the log is synced; shared with the delayed sync of [`Durability::Process`].
struct SyncState {
    /// Everything before this position is on the device.
    synced: Cell<u64>,
    failed: Cell<bool>,
}

impl SyncState {
    fn new(position: u64) -> Self {
        Self { synced: Cell::new(position), failed: Cell::new(false) }
    }
}

/// The segment being filled.
struct Active {
    id: u64,
    target: Rc<Target>,
    base: Mark,
    bytes: u64,
    /// Its header is written.
    begun: bool,
}

/// What a delayed sync needs of a segment.
struct Target {
    file: LogFile,
    /// What is written to it ends here.
    end: Cell<u64>,
    sync_scheduled: Cell<bool>,
}

impl Active {
    fn new(segment: Segment, base: Mark, config: &StoreConfig) -> io::Result<Self> {
        let Segment { id, file, bytes } = segment;
        let file = LogFile::new(file, config.ring, config.disk.clone())?;
        let (end, sync_scheduled) = (Cell::new(base.position), Cell::new(false));
        let target = Rc::new(Target { file, end, sync_scheduled });
        Ok(Self { id, target, base, bytes, begun: false })
    }

    fn offset(&self, position: u64) -> u64 {
        SEGMENT_HEADER_BYTES as u64 + position - self.base.position
    }
}

/// The task that writes.
pub(crate) struct Writer {
    queue: Rc<Queue>,
    figures: Rc<RefCell<LogFigures>>,
    storage: Storage,
    config: StoreConfig,
    partition: u16,
    identity: u64,
    epoch: u64,
    /// Of the next segment.
    serial: u64,
    /// Where the next frame goes.
    at: Mark,
    sync: Rc<SyncState>,
    active: Option<Active>,
    spare: Option<oneshot::Receiver<io::Result<Segment>>>,
    buffer: Vec<u8>,
}

impl Writer {
    /// `place` is the partition's number and the identity of the data directory.
    pub(crate) fn new(
        queue: &Rc<Queue>,
        figures: &Rc<RefCell<LogFigures>>,
        storage: Storage,
        config: &StoreConfig,
        (partition, identity): (u16, u64),
        start: LogStart,
    ) -> Self {
        let LogStart { mark, epoch, serial, segment } = start;
        Self {
            queue: Rc::clone(queue),
            figures: Rc::clone(figures),
            spare: segment.map(ready),
            storage,
            config: config.clone(),
            partition,
            identity,
            epoch,
            serial,
            at: mark,
            sync: Rc::new(SyncState::new(mark.position)),
            active: None,
            buffer: Vec::new(),
        }
    }

    /// Commits what comes until the log is closed.
    pub(crate) async fn run(mut self) {
        if self.spare.is_none() {
            self.recover().await;
        }
        while let Some(groups) = self.queue.next().await {
            let committed = self.commit(&groups).await;
            match committed.and_then(|()| self.queue.accepts()) {
                Ok(()) => self.acknowledge(groups),
                Err(fault) => {
                    self.queue.refuse(fault);
                    for group in groups {
                        let _ = group.done.send(Err(fault));
                    }
                    self.recover().await;
                }
            }
        }
        // A sync that is still scheduled finds its file; here the store moves everything anyway.
        self.leave_segment(false).await;
    }

    /// Writes one frame and waits until it is as durable as promised.
    async fn commit(&mut self, groups: &[Waiting]) -> Result<(), StoreFault> {
        self.wait_for_room().await?;
        let records_bytes = groups.iter().map(|group| group.bytes).sum();
        let frame_bytes = frame::frame_bytes(records_bytes) as u64;
        self.write(groups, frame_bytes).await.map_err(|error| {
            tracing::error!(partition = self.partition, %error, "the log cannot be written");
            disk_fault(&error)
        })
    }

    async fn write(&mut self, groups: &[Waiting], frame_bytes: u64) -> io::Result<()> {
        self.make_room(frame_bytes).await?;
        let Some(active) = &mut self.active else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let offset = if active.begun {
            active.offset(self.at.position)
        } else {
            let header = SegmentHeader {
                identity: self.identity,
                partition: self.partition,
                serial: self.serial,
                epoch: self.epoch,
                base: active.base,
            };
            self.serial += 1;
            buffer.extend_from_slice(&header.encode());
            0
        };
        let stamp = Stamp {
            partition: self.partition,
            epoch: self.epoch,
            at: self.at,
            synced: self.sync.synced.get(),
        };
        let records = groups.iter().flat_map(|group| group.records.iter());
        let end = frame::encode(&mut buffer, &stamp, records);
        let written = buffer.len() as u64;
        let start = Instant::now();
        let (result, buffer) = active.target.file.write(buffer, offset).await;
        if buffer.capacity() <= BUFFER_BYTES_KEPT {
            self.buffer = buffer;
        }
        result?;
        self.figures.borrow_mut().write_us.saturating_record(elapsed_us(start));
        active.begun = true;
        active.target.end.set(end.position);
        let target = Rc::clone(&active.target);
        match self.config.durability {
            Durability::Power => self.sync_now(&target.file, end).await?,
            Durability::Process => self.sync_soon(target)?,
            Durability::Memory => {}
        }
        self.at = end;
        let mut figures = self.figures.borrow_mut();
        figures.groups += groups.len() as u64;
        figures.frames += 1;
        figures.bytes += written;
        figures.position = end.position;
        Ok(())
    }

    async fn sync_now(&self, file: &LogFile, end: Mark) -> io::Result<()> {
        let start = Instant::now();
        file.sync().await?;
        self.figures.borrow_mut().sync_us.saturating_record(elapsed_us(start));
        self.sync.synced.set(end.position);
        Ok(())
    }

    /// Syncs this and what comes after it in a while, if that is not about to happen anyway.
    fn sync_soon(&self, target: Rc<Target>) -> io::Result<()> {
        if self.sync.failed.get() {
            return Err(io::Error::other("a sync in the background failed"));
        }
        if target.sync_scheduled.replace(true) {
            return Ok(());
        }
        let sync = Rc::clone(&self.sync);
        let delay = Duration::from_millis(self.config.sync_ms);
        runtime::spawn(async move {
            runtime::sleep(delay).await;
            target.sync_scheduled.set(false);
            let end = target.end.get();
            match target.file.sync().await {
                Ok(()) => sync.synced.set(end.max(sync.synced.get())),
                Err(_) => sync.failed.set(true),
            }
            close(target).await;
        });
        Ok(())
    }

    /// A slow move holds back the log rather than filling the memory.
    async fn wait_for_room(&self) -> Result<(), StoreFault> {
        let shared = &self.storage.shared;
        poll_fn(|context| {
            shared.writer.register(context.waker());
            if let Some(fault) = shared.fault() {
                return Poll::Ready(Err(fault));
            }
            match shared.backlog_bytes() < self.config.backlog_bytes_max {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Makes sure that a segment with room for the frame is open.
    async fn make_room(&mut self, frame_bytes: u64) -> io::Result<()> {
        if let Some(active) = &self.active {
            let used = active.offset(self.at.position);
            if used > active.bytes / 8 && self.spare.is_none() {
                self.spare = Some(self.storage.prepare(0, Make::Written));
            }
            if used + frame_bytes <= active.bytes {
                return Ok(());
            }
        }
        let segment = self.next_segment(SEGMENT_HEADER_BYTES as u64 + frame_bytes).await?;
        if let (Durability::Process, Some(active)) = (self.config.durability, &self.active) {
            // So that "synced up to here" holds across segments.
            active.target.file.sync().await?;
            self.sync.synced.set(self.at.position);
        }
        self.leave_segment(false).await;
        self.active = Some(Active::new(segment, self.at, &self.config)?);
        Ok(())
    }

    async fn next_segment(&mut self, least_bytes: u64) -> io::Result<Segment> {
        if let Some(mut spare) = self.spare.take() {
            match spare.try_recv() {
                Ok(Some(segment)) => {
                    let segment = segment?;
                    if segment.bytes >= least_bytes {
                        return Ok(segment);
                    }
                    // Too small for this frame; it may be as well for what follows.
                    self.storage.retire(segment.id, 0, true);
                }
                // Not ready: it will be for the next time.
                Ok(None) => self.spare = Some(spare),
                Err(oneshot::Canceled) => {}
            }
        }
        received(self.storage.prepare(least_bytes, Make::Reserved)).await
    }

    async fn leave_segment(&mut self, broken: bool) {
        let Some(active) = self.active.take() else {
            return;
        };
        self.storage.retire(active.id, self.at.position, broken);
        close(active.target).await;
    }

    /// After a failure: leaves the segment for good, and refuses everything until the disk takes a
    /// new one and the tree is well.
    async fn recover(&mut self) {
        self.leave_segment(true).await;
        self.sync = Rc::new(SyncState::new(self.sync.synced.get()));
        while !self.queue.is_closing() {
            let fault = match self.storage.shared.fault() {
                Some(fault) => fault,
                None => match self.next_segment(0).await {
                    Ok(segment) => {
                        self.spare = Some(ready(segment));
                        self.queue.accept();
                        return;
                    }
                    Err(error) => disk_fault(&error),
                },
            };
            self.queue.refuse(fault);
            runtime::sleep(RETRY).await;
        }
    }

    /// Hands the groups on to the storage thread, then tells those who wait: whoever reads after
    /// that finds them.
    fn acknowledge(&mut self, groups: Vec<Waiting>) {
        let mut bytes = 0;
        let mut waiting = Vec::with_capacity(groups.len());
        let mut moving = Vec::with_capacity(groups.len());
        for group in groups {
            bytes += group.bytes;
            waiting.push(group.done);
            moving.push(group.records);
        }
        // If the thread is gone the groups are still in the log, and the next open finds them.
        let _ = self.storage.committed(moving, bytes, self.at);
        for done in waiting {
            let _ = done.send(Ok(()));
        }
    }
}

/// A segment that need not be waited for.
fn ready(segment: Segment) -> oneshot::Receiver<io::Result<Segment>> {
    let (ready, spare) = oneshot::channel();
    let _ = ready.send(Ok(segment));
    spare
}

/// The ring closes a file when its last user is done with it.
async fn close(target: Rc<Target>) {
    if let Some(target) = Rc::into_inner(target) {
        target.file.close().await;
    }
}

fn elapsed_us(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

async fn received(segment: oneshot::Receiver<io::Result<Segment>>) -> io::Result<Segment> {
    let ended = |_| Err(io::Error::other("the storage thread gave no segment"));
    segment.await.unwrap_or_else(ended)
}
