//! Figures of the store for operators.

use hdrhistogram::Histogram;
use levee_core::ids::PartitionId;
use levee_core::record::StoreFault;

use super::log::Log;
use super::storage::Storage;

/// Figures of one partition since it was opened.
#[derive(Clone, Debug)]
pub struct PartitionStats {
    pub partition: PartitionId,
    /// How long each write of the log took, microseconds.
    pub write_us: Histogram<u64>,
    /// How long each sync of the log took, microseconds; only where appends wait for it.
    pub sync_us: Histogram<u64>,
    /// Groups committed, and the frames (writes) that took.
    pub groups: u64,
    pub frames: u64,
    /// Written to the log, headers included.
    pub bytes: u64,
    /// Groups that wait for their commit, bytes.
    pub queue_bytes: usize,
    /// Committed and not yet in the tree, bytes.
    pub backlog_bytes: usize,
    /// Where the log ends and how far it is in the tree, bytes since the partition was made.
    pub position: u64,
    pub moved: u64,
    /// Segments that are filled and still needed.
    pub filled_segments: usize,
    /// What is wrong with the disk.
    pub fault: Option<StoreFault>,
}

impl PartitionStats {
    pub(crate) fn new(partition: PartitionId, log: &Log, storage: &Storage) -> Self {
        let figures = log.figures();
        Self {
            partition,
            write_us: figures.write_us,
            sync_us: figures.sync_us,
            groups: figures.groups,
            frames: figures.frames,
            bytes: figures.bytes,
            queue_bytes: log.queued_bytes(),
            backlog_bytes: storage.shared.backlog_bytes(),
            position: figures.position,
            moved: storage.shared.moved(),
            filled_segments: storage.shared.filled(),
            fault: log.refuses().or_else(|| storage.shared.fault()),
        }
    }
}
