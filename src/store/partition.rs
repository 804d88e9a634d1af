//! A partition on its storage thread: moves what is committed from the log into the tree.

use crossbeam_channel::Receiver;
use levee_core::git::StoredObject;
use levee_core::ids::{DocKey, PartitionId};
use levee_core::record::StoreFault;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::config::{OpenError, PartitionReport, StoreConfig};
use super::disk::Disk;
use super::documents::Documents;
use super::fjall::{Tree, disk_fault};
use super::frame::Mark;
use super::listing::{Listing, Query, list};
use super::manifest::{DataDir, io_error};
use super::opening::{Recovered, recover, replay};
use super::recovery::LogImage;
use super::segment::{Segment, Segments};
use super::storage::{Job, LogStart, RETRY, Shared};
use super::values::Moved;
use super::view::View;

/// The tree is synced when this much was moved, so that no sync has much to do.
const SYNC_BYTES: u64 = 16 << 20;

/// A partition on its storage thread.
pub(crate) struct Partition {
    config: StoreConfig,
    path: PathBuf,
    partition: PartitionId,
    identity: u64,
    /// Absent while the disk keeps it from being opened again.
    tree: Option<Tree>,
    /// Deleted, but the tree could not be rid of them yet: nothing of them is shown.
    doomed: BTreeSet<DocKey>,
    /// Committed and not moved.
    recent: Documents,
    /// Records that `recent` was made of, bytes.
    recent_bytes: usize,
    /// End of what was committed.
    end: Mark,
    moved: Moved,
    /// The tree knows of this epoch, on the device. Nothing is logged before.
    has_begun: bool,
    /// Position up to which the tree is on the device.
    synced: u64,
    /// When the oldest of `recent` is to be moved.
    move_at: Option<Instant>,
    retry_at: Option<Instant>,
    segments: Segments,
    syncing: Option<Receiver<(u64, Result<(), StoreFault>)>>,
    shared: Arc<Shared>,
}

impl Partition {
    /// Opens the partition and moves into the tree what a crash left in the log.
    pub(crate) fn open(
        dir: &DataDir,
        partition: PartitionId,
        config: StoreConfig,
        shared: Arc<Shared>,
    ) -> Result<(Self, LogStart, PartitionReport), OpenError> {
        let path = dir.partition(partition.0);
        let log_path = path.join("log");
        fs::create_dir_all(&log_path).map_err(io_error("create", &log_path))?;
        let identity = dir.identity() as u64;
        let tree = Tree::open(&path.join("tree"), config.cache_bytes);
        let tree = tree.map_err(|source| OpenError::Tree { partition, source })?;
        sync_dirs(&path).map_err(io_error("sync", &path))?;
        // Before the log is read: it may have the same names anew.
        let doomed = finish_deletions(&tree, &config.disk);
        let doomed =
            doomed.map_err(|fault| OpenError::Replay { partition, source: fault.into() })?;
        let Recovered { before, moved, recent, end, fault } =
            recover(&tree, &log_path, identity, partition, &config)?;
        let (dir, bytes, disk) = (log_path.clone(), config.segment_bytes, config.disk.clone());
        let segments = Segments::new(dir, bytes, disk, end.mark.position);
        let mut segments = segments.map_err(io_error("read", &log_path))?;
        shared.set_moved(moved.mark.position, 0);
        shared.set_fault(fault);
        let first = match fault {
            Some(_) => None,
            None => first_segment(&mut segments, moved).map_err(io_error("create", &log_path))?,
        };
        let report = PartitionReport {
            partition,
            clean: before.clean,
            replayed_frames: end.frames,
            replayed_bytes: end.mark.position - before.mark.position,
            damage: end.damage,
            fault: fault.or_else(|| first.is_none().then_some(StoreFault::DiskFull)),
        };
        let start = LogStart {
            mark: end.mark,
            epoch: moved.epoch,
            serial: end.next_serial,
            segment: first,
        };
        let this = Self {
            config,
            path,
            partition,
            identity,
            tree: Some(tree),
            doomed,
            recent,
            recent_bytes: 0,
            end: end.mark,
            moved,
            has_begun: fault.is_none(),
            synced: moved.mark.position,
            move_at: None,
            retry_at: fault.map(|_| Instant::now() + RETRY),
            segments,
            syncing: None,
            shared,
        };
        Ok((this, start, report))
    }

    /// Serves jobs until the store is closed or dropped.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let never = crossbeam_channel::never();
        loop {
            let due = [self.move_at.filter(|_| self.may_move()), self.retry_at];
            let wait =
                due.into_iter().flatten().min().map_or(Duration::from_secs(60), |at| {
                    at.saturating_duration_since(Instant::now())
                });
            let synced = self.syncing.clone().unwrap_or_else(|| never.clone());
            crossbeam_channel::select! {
                recv(jobs) -> job => match job {
                    Ok(Job::Close { done }) => {
                        let result = self.close();
                        let _ = done.send(result);
                        return;
                    }
                    Ok(Job::Abandon) | Err(_) => return,
                    Ok(job) => self.handle(job),
                },
                recv(synced) -> ended => self.synced(ended.ok()),
                default(wait) => {}
            }
            self.work();
        }
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Committed { groups, bytes, end } => {
                groups.into_iter().flatten().for_each(|record| self.recent.apply(record));
                self.recent_bytes += bytes;
                self.end = end;
                let delay = Duration::from_millis(self.config.move_ms);
                self.move_at.get_or_insert_with(|| Instant::now() + delay);
            }
            Job::Prepare { least_bytes, make, done } => {
                self.segments.prepare(least_bytes, make, done);
            }
            Job::Retire { id, end, broken } => self.segments.retire(id, end, broken),
            Job::Ask(job) => job(self),
            Job::Close { .. } | Job::Abandon => unreachable!("these end the loop"),
        }
    }

    fn may_move(&self) -> bool {
        // The tree's own journal is locked while it syncs: a move then would hold up the reads.
        self.tree.is_some() && self.retry_at.is_none() && self.syncing.is_none()
    }

    fn work(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) && self.syncing.is_none() {
            self.retry();
        }
        let due = self.move_at.is_some_and(|at| at <= now)
            || self.recent.bytes() >= self.config.move_bytes
            || self.recent_bytes >= self.config.backlog_bytes_max / 2;
        if due && self.may_move() {
            self.move_recent(false);
        }
        self.shared.set_filled(self.segments.filled());
        let moved = self.moved.mark.position;
        let due = self.segments.frees(moved) || moved - self.synced >= SYNC_BYTES;
        if due && self.may_move() {
            self.start_sync();
        }
    }

    /// Takes everything committed into the tree.
    fn move_recent(&mut self, clean: bool) {
        let moved = Moved { mark: self.end, epoch: self.moved.epoch, clean };
        let applied = self.config.disk.check_tree().map_err(|error| disk_fault(&error));
        let applied = applied.and_then(|()| self.tree()?.apply(&self.recent, &moved));
        if let Err(fault) = applied {
            return self.tree_failed(fault);
        }
        self.moved = moved;
        self.recent.clear();
        self.move_at = None;
        let bytes = std::mem::take(&mut self.recent_bytes);
        self.shared.set_moved(moved.mark.position, bytes);
    }

    /// A sync takes its time, and readers should not wait for it: another thread does it.
    fn start_sync(&mut self) {
        let Some(tree) = self.tree.clone() else {
            return;
        };
        let (done, synced) = crossbeam_channel::bounded(1);
        let moved = self.moved.mark.position;
        let sync = move || {
            let result = tree.sync();
            // The tree can be opened again only when this clone is gone too.
            drop(tree);
            let _ = done.send((moved, result));
        };
        if thread::Builder::new().name("levee-sync".into()).spawn(sync).is_ok() {
            self.syncing = Some(synced);
        }
    }

    fn synced(&mut self, ended: Option<(u64, Result<(), StoreFault>)>) {
        self.syncing = None;
        match ended {
            Some((moved, Ok(()))) => {
                self.synced = moved;
                if let Err(error) = self.segments.release(moved) {
                    tracing::error!(%error, "cannot free log segments");
                }
            }
            Some((_, Err(fault))) => self.tree_failed(fault),
            None => self.tree_failed(StoreFault::DiskFailed),
        }
    }

    /// Nothing more is acknowledged until the tree has been opened again; reads go on.
    fn tree_failed(&mut self, fault: StoreFault) {
        tracing::error!(partition = self.partition.0, %fault, "the tree cannot be written");
        self.shared.set_fault(Some(fault));
        self.retry_at = Some(Instant::now() + RETRY);
    }

    /// Opens the tree again once the disk takes writes, and moves again what it may have lost.
    fn retry(&mut self) {
        self.retry_at = Some(Instant::now() + RETRY);
        if let Err(error) = self.probe() {
            self.shared.set_fault(Some(disk_fault(&error)));
            return;
        }
        // A tree that failed once takes no more writes; its files may be opened only once.
        self.tree = None;
        match self.reopen() {
            Ok(tree) => {
                self.tree = Some(tree);
                self.doomed.clear();
            }
            Err(error) => return tracing::error!(%error, "the tree cannot be opened again"),
        }
        if let Err(fault) = self.begin() {
            return self.tree_failed(fault);
        }
        self.retry_at = None;
        self.shared.set_fault(None);
        tracing::info!(partition = self.partition.0, "the tree can be written again");
    }

    /// Does what opening could not do for want of space.
    fn begin(&mut self) -> Result<(), StoreFault> {
        if self.has_begun {
            return Ok(());
        }
        let moved = Moved { mark: self.end, ..self.moved };
        let tree = self.tree()?;
        tree.apply(&self.recent, &moved)?;
        tree.sync()?;
        self.has_begun = true;
        self.moved = moved;
        self.recent.clear();
        self.shared.set_moved(moved.mark.position, 0);
        self.synced(Some((moved.mark.position, Ok(()))));
        Ok(())
    }

    fn probe(&self) -> io::Result<()> {
        static PROBE: [u8; 64 << 10] = [0x5a; 64 << 10];
        self.config.disk.check_space()?;
        self.config.disk.check_tree()?;
        let path = self.path.join("probe");
        let mut file = fs::File::create(&path)?;
        let written = (0..16).try_for_each(|_| file.write_all(&PROBE));
        let written = written.and_then(|()| file.sync_all());
        fs::remove_file(&path)?;
        written
    }

    fn reopen(&self) -> Result<Tree, OpenError> {
        let partition = self.partition;
        let replay_error = |source| OpenError::Replay { partition, source };
        let tree = Tree::open(&self.path.join("tree"), self.config.cache_bytes);
        let tree = tree.map_err(|source| OpenError::Tree { partition, source })?;
        let left = finish_deletions(&tree, &self.config.disk);
        if !left.map_err(|fault| replay_error(fault.into()))?.is_empty() {
            return Err(replay_error(StoreFault::DiskFull.into()));
        }
        let found = tree.moved().map_err(|fault| replay_error(fault.into()))?;
        let log_path = self.path.join("log");
        let log = LogImage::open(&log_path, self.identity, partition.0)
            .map_err(io_error("read", &log_path))?;
        let until = self.moved.mark.position;
        let end =
            replay(&tree, &log, found, until, self.config.move_bytes).map_err(replay_error)?;
        if end.mark.position < until {
            return Err(replay_error(StoreFault::Damaged.into()));
        }
        Ok(tree)
    }

    fn close(mut self) -> Result<(), StoreFault> {
        if let Some(syncing) = self.syncing.take() {
            let ended = syncing.recv();
            self.synced(ended.ok());
        }
        if self.retry_at.is_none() {
            self.move_recent(true);
        }
        match (self.shared.fault(), &self.tree) {
            (None, Some(tree)) => tree.sync(),
            (Some(fault), _) => Err(fault),
            (None, None) => Err(StoreFault::DiskFailed),
        }
    }

    fn tree(&self) -> Result<&Tree, StoreFault> {
        self.tree.as_ref().ok_or(StoreFault::DiskFailed)
    }

    /// One document, with everything that is committed.
    pub(crate) fn view<'a>(&'a self, doc: &'a DocKey) -> Result<View<'a>, StoreFault> {
        let tree = self.tree()?;
        let is_doomed = !self.doomed.is_empty() && self.doomed.contains(doc);
        Ok(View::new(doc, Some(tree).filter(|_| !is_doomed), &self.recent))
    }

    pub(crate) fn list(&self, query: &Query) -> Result<Listing, StoreFault> {
        list(query, Some(self.tree()?), &self.recent)
    }

    /// Objects too large for the log.
    pub(crate) fn put_objects(
        &mut self,
        doc: &DocKey,
        objects: &[StoredObject],
        sync: bool,
    ) -> Result<(), StoreFault> {
        self.write(|tree| tree.put_objects(doc, objects, sync))
    }

    /// Removes a document; nothing of it may be in flight.
    pub(crate) fn delete(&mut self, doc: &DocKey) -> Result<(), StoreFault> {
        if let Some(syncing) = self.syncing.take() {
            let ended = syncing.recv();
            self.synced(ended.ok());
        }
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        // What is in the log would come back with a replay, so the mark goes past it first.
        self.move_recent(false);
        self.write(|tree| tree.doom(doc))?;
        self.doomed.insert(doc.clone());
        let disk = self.config.disk.clone();
        self.write(|tree| {
            disk.check_tree().map_err(|error| disk_fault(&error))?;
            tree.finish(doc)
        })?;
        self.doomed.remove(doc);
        Ok(())
    }

    fn write(
        &mut self,
        write: impl FnOnce(&Tree) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        write(self.tree()?).inspect_err(|&fault| self.tree_failed(fault))
    }
}

/// Goes on with deletions that a crash has interrupted. Those that have to wait for room are
/// returned.
fn finish_deletions(tree: &Tree, disk: &Disk) -> Result<BTreeSet<DocKey>, StoreFault> {
    let mut left = BTreeSet::new();
    for doc in tree.doomed()? {
        let room = disk.check_tree().map_err(|error| disk_fault(&error));
        match room.and_then(|()| tree.finish(&doc)) {
            Ok(()) => {}
            Err(StoreFault::DiskFull) => {
                left.insert(doc);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(left)
}

/// The segment to begin with, when the tree has everything that is in the others; `None` when there
/// is no room for one.
fn first_segment(segments: &mut Segments, moved: Moved) -> io::Result<Option<Segment>> {
    segments.release(moved.mark.position)?;
    match segments.first() {
        Ok(first) => Ok(Some(first)),
        Err(error) if disk_fault(&error) == StoreFault::DiskFull => Ok(None),
        Err(error) => Err(error),
    }
}

/// A new partition's directories must outlive a power cut before what is in them can.
fn sync_dirs(path: &Path) -> io::Result<()> {
    let dirs = [Some(path), path.parent()];
    dirs.into_iter().flatten().try_for_each(|dir| fs::File::open(dir)?.sync_all())
}
