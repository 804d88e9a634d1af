//! Stores to test, directories to put them in, records to feed them.

use bytes::Bytes;
use levee::store::{DataDir, Disk, Durability, Faults, OpenError, OpenReport, Store, StoreConfig};
use levee_core::ids::{DocKey, PartitionId, Seq};
use levee_core::placement::Placement;
use levee_core::record::{OpRun, Record};
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const PARTITIONS: u16 = 2;

/// A directory that is removed with this.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What a machine that loses its power now would find.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_dir(&self.0, &copy.0);
        copy
    }

    /// The log segments of all partitions.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for partition in 0..PARTITIONS {
            let log = self.0.join(format!("p{partition:04}/log"));
            found.extend(fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.sort();
        found
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A storage thread of a dropped store may still be about to end; leftovers do no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The kinds of store that the contract holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    /// Through the ring if there is one, synced.
    Power,
    /// The same, synced later.
    Process,
    /// On epoll with a helper thread.
    Thread,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Memory, Kind::Power, Kind::Process, Kind::Thread];
pub(crate) const ON_DISK: [Kind; 3] = [Kind::Power, Kind::Process, Kind::Thread];

impl Kind {
    pub(crate) fn config(self, dir: &Path) -> StoreConfig {
        StoreConfig {
            dir: dir.into(),
            durability: match self {
                Self::Memory => Durability::Memory,
                Self::Process => Durability::Process,
                Self::Power | Self::Thread => Durability::Power,
            },
            partitions: PARTITIONS,
            ring: self != Self::Thread && monoio::utils::detect_uring(),
            // Small, so that a test fills several.
            segment_bytes: 64 << 10,
            ..StoreConfig::default()
        }
    }

    /// Runs a future on a core of this kind.
    pub(crate) fn run<T>(self, future: impl Future<Output = T>) -> T {
        if self == Self::Thread {
            let builder = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer();
            return builder.build().unwrap().block_on(future);
        }
        let builder = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().enable_timer();
        builder.with_entries(256).build().unwrap().block_on(future)
    }
}

pub(crate) fn all_partitions() -> Vec<PartitionId> {
    (0..PARTITIONS).map(PartitionId).collect()
}

pub(crate) async fn open(config: &StoreConfig) -> Store {
    open_with_report(config).await.unwrap().0
}

/// Waits for a store that was dropped just now to let go of the directory.
pub(crate) async fn open_with_report(
    config: &StoreConfig,
) -> Result<(Store, OpenReport), OpenError> {
    if config.durability == Durability::Memory {
        return Ok((Store::memory(), OpenReport::default()));
    }
    let dir = loop {
        match DataDir::open(config) {
            Err(OpenError::Locked(_)) => monoio::time::sleep(Duration::from_millis(5)).await,
            opened => break Arc::new(opened?),
        }
    };
    Store::open(&dir, config, all_partitions()).await
}

/// A configuration with a disk that can be made to fail.
pub(crate) fn faulty(kind: Kind, dir: &Path) -> (StoreConfig, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let disk = Disk::Faulty(Arc::clone(&faults));
    (StoreConfig { disk, ..kind.config(dir) }, faults)
}

pub(crate) fn doc(name: &str) -> DocKey {
    DocKey::new("tenant", name)
}

pub(crate) fn partition(doc: &DocKey) -> PartitionId {
    Placement::new(PARTITIONS, 1).partition(doc)
}

/// Documents that share a partition.
pub(crate) fn neighbours(count: usize) -> Vec<DocKey> {
    let all = (0..).map(|n| doc(&format!("neighbour {n}")));
    all.filter(|doc| partition(doc) == PartitionId(0)).take(count).collect()
}

/// The text of an operation, by its number.
pub(crate) fn op(seq: u64) -> String {
    format!("{{\"sequenceNumber\":{seq},\"contents\":\"{}\"}}", "x".repeat(seq as usize % 50))
}

pub(crate) fn run(first: u64, count: u64) -> OpRun {
    let mut text = String::new();
    let mut ends = Vec::new();
    for seq in first..first + count {
        if seq > first {
            text.push(',');
        }
        text.push_str(&op(seq));
        ends.push(text.len() as u32);
    }
    OpRun { first: Seq(first), ends: ends.into(), bytes: Bytes::from(text) }
}

pub(crate) fn ops(doc: &DocKey, first: u64, count: u64) -> Record {
    Record::Ops(doc.clone(), run(first, count))
}

/// Checks that the runs hold exactly these operations.
#[track_caller]
pub(crate) fn assert_ops(runs: &[OpRun], first: u64, last: u64) {
    let mut next = first;
    for run in runs {
        for (seq, bytes) in run.ops() {
            assert_eq!(seq, Seq(next));
            assert_eq!(bytes, op(next).as_bytes(), "operation {next}");
            next += 1;
        }
    }
    assert_eq!(next, last + 1, "the last operation");
}

/// Reads all operations of a document.
pub(crate) async fn read_all(store: &Store, doc: &DocKey) -> Vec<OpRun> {
    store.ops(doc, Seq(1), Seq(u64::MAX), usize::MAX).await.unwrap()
}

/// The last operation of a document after checking all of them.
pub(crate) async fn last_of(store: &Store, doc: &DocKey) -> u64 {
    let runs = read_all(store, doc).await;
    let last = runs.last().map_or(0, |run| run.last().0);
    assert_ops(&runs, 1, last);
    last
}

/// Waits until everything committed is in the tree.
pub(crate) async fn moved(store: &Store) {
    while store.stats().iter().any(|partition| partition.backlog_bytes > 0) {
        monoio::time::sleep(Duration::from_millis(5)).await;
    }
}
