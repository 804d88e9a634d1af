//! What the store is told at start, and what it answers.

use levee_core::ids::{DocKey, PartitionId};
use levee_core::record::StoreFault;
use std::io;
use std::path::PathBuf;

use super::disk::Disk;
use super::recovery::ReplayError;

/// When an append counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Written and synced: survives a power cut, if the device honours flushes.
    #[default]
    Power,
    /// Written: survives the end of the process; synced soon after.
    Process,
    /// Kept in memory only.
    Memory,
}

/// How the store works.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The data directory; unused with [`Durability::Memory`].
    pub dir: PathBuf,
    pub durability: Durability,
    /// Partitions of a data directory that is made now; an existing one keeps its number.
    pub partitions: u16,
    /// Whether the cores have io_uring; without it a thread per partition writes the log.
    pub ring: bool,
    /// Open although acknowledged data is damaged, dropping what follows the damage.
    pub accept_damage: bool,
    /// Size of a log segment.
    pub segment_bytes: u64,
    /// Committed bytes that are moved into the tree at once.
    pub move_bytes: usize,
    /// Committed bytes are moved after this time even if they are few.
    pub move_ms: u64,
    /// Committed bytes that may wait for the move before appends are held back.
    pub backlog_bytes_max: usize,
    /// With [`Durability::Process`], how long written bytes may stay unsynced.
    pub sync_ms: u64,
    /// Block cache of each partition's tree.
    pub cache_bytes: u64,
    /// Where tests make log files fail.
    pub disk: Disk,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            durability: Durability::default(),
            partitions: 8,
            ring: true,
            accept_damage: false,
            segment_bytes: 64 << 20,
            move_bytes: 8 << 20,
            move_ms: 2_000,
            backlog_bytes_max: 64 << 20,
            sync_ms: 50,
            cache_bytes: 16 << 20,
            disk: Disk::Real,
        }
    }
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    #[error("{} is not a manifest of a data directory", .0.display())]
    Manifest(PathBuf),
    #[error(
        "{} was written by a newer version: its format is {found}, this version reads up to \
         {supported}", .path.display()
    )]
    NewerFormat { path: PathBuf, found: u32, supported: u32 },
    #[error("partition {}: {source}", .partition.0)]
    Tree { partition: PartitionId, source: fjall::Error },
    #[error("partition {}: {source}", .partition.0)]
    Replay { partition: PartitionId, source: ReplayError },
    #[error("{0}")]
    Damaged(Damage),
    #[error("a storage thread ended while it opened its partition")]
    Thread,
}

/// Acknowledged data that cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub partition: PartitionId,
    /// The log is sound up to here, bytes.
    pub position: u64,
    /// Documents that have records after that, as far as these can be read. Sorted.
    pub documents: Vec<DocKey>,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, position, documents } = self;
        write!(f, "partition {}: the log is damaged at byte {position}", partition.0)?;
        write!(f, "; what follows it would be lost, at least in ")?;
        match documents.as_slice() {
            [] => write!(f, "documents that cannot be told")?,
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter().take(99).try_for_each(|doc| write!(f, ", {doc}"))?;
                if rest.len() > 99 {
                    write!(f, " and {} more", rest.len() - 99)?;
                }
            }
        }
        write!(f, ". Restore a backup, or accept the loss with --accept-damage")
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    pub partitions: Vec<PartitionReport>,
}

/// What opening one partition found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    pub partition: PartitionId,
    /// It was closed in good order.
    pub clean: bool,
    /// Frames and bytes of the log that were moved into the tree now.
    pub replayed_frames: u64,
    pub replayed_bytes: u64,
    /// Damage that was accepted.
    pub damage: Option<Damage>,
    /// The disk takes nothing: reads are served, writes are refused until it does.
    pub fault: Option<StoreFault>,
}
