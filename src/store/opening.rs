//! Brings a partition's tree and log together when it is opened: what the tree lacks is moved into
//! it, or, where a full disk forbids that, kept in memory so that readers find it all the same.

use levee_core::ids::PartitionId;
use levee_core::record::StoreFault;
use std::path::Path;

use super::config::{OpenError, StoreConfig};
use super::documents::Documents;
use super::fjall::{Tree, disk_fault};
use super::manifest::io_error;
use super::recovery::{LogEnd, LogImage, ReplayError};
use super::values::Moved;

/// What the partition goes on with.
pub(crate) struct Recovered {
    /// Where the tree stood.
    pub(crate) before: Moved,
    /// Where it stands, with the number of the new epoch.
    pub(crate) moved: Moved,
    /// What the log has beyond that: nothing, unless there is a fault.
    pub(crate) recent: Documents,
    pub(crate) end: LogEnd,
    /// Why the tree takes nothing. It does not know of the new epoch then.
    pub(crate) fault: Option<StoreFault>,
}

/// Moves the log into the tree and has that know of the new epoch, on the device. On a full disk
/// the log is read into memory instead: writers have to wait for room, readers have not.
pub(crate) fn recover(
    tree: &Tree,
    log_path: &Path,
    identity: u64,
    partition: PartitionId,
    config: &StoreConfig,
) -> Result<Recovered, OpenError> {
    let replay_error = |source| OpenError::Replay { partition, source };
    let before = tree.moved().map_err(|fault| replay_error(fault.into()))?;
    let log = LogImage::open(log_path, identity, partition.0);
    let log = log.map_err(io_error("read", log_path))?;
    // After a clean end there is nothing to read.
    let until = if before.clean { before.mark.position } else { u64::MAX };
    let epoch = before.epoch + 1;
    let in_memory = |fault| {
        let recovered = remember(tree, &log, before, until, fault).map_err(replay_error)?;
        // To accept damage changes the directory, for which there is no room.
        recovered.end.damage.clone().map_or(Ok(recovered), |damage| Err(OpenError::Damaged(damage)))
    };
    let moving = config.disk.check_tree().map_err(|error| disk_fault(&error).into());
    let moving = moving.and_then(|()| replay(tree, &log, before, until, config.move_bytes));
    let end = match moving {
        Err(ReplayError::Tree(fault @ StoreFault::DiskFull)) => {
            return in_memory(fault);
        }
        moving => moving.map_err(replay_error)?,
    };
    if let Some(damage) = end.damage.clone() {
        if !config.accept_damage {
            return Err(OpenError::Damaged(damage));
        }
        log.set_aside().map_err(io_error("rename", log_path))?;
    }
    let moved = Moved { mark: end.mark, epoch, clean: false };
    match tree.apply(&Documents::default(), &moved).and_then(|()| tree.sync()) {
        Ok(()) => Ok(Recovered { before, moved, recent: Documents::default(), end, fault: None }),
        Err(fault @ StoreFault::DiskFull) if end.damage.is_none() => in_memory(fault),
        Err(fault) => Err(replay_error(fault.into())),
    }
}

/// Keeps in memory what the tree lacks of the log. That is no more than the bounds of the backlog
/// and of an unsynced tree let gather.
fn remember(
    tree: &Tree,
    log: &LogImage,
    before: Moved,
    until: u64,
    fault: StoreFault,
) -> Result<Recovered, ReplayError> {
    let found = tree.moved()?;
    let mut recent = Documents::default();
    let end = log.read(found, until, |records, _| {
        records.into_iter().for_each(|record| recent.apply(record));
        Ok(())
    })?;
    let moved = Moved { mark: found.mark, epoch: before.epoch + 1, clean: false };
    Ok(Recovered { before, moved, recent, end, fault: Some(fault) })
}

/// Moves the log from `from` on into the tree; the mark itself goes along.
pub(crate) fn replay(
    tree: &Tree,
    log: &LogImage,
    from: Moved,
    until: u64,
    move_bytes: usize,
) -> Result<LogEnd, ReplayError> {
    let mut documents = Documents::default();
    let end = log.read(from, until, |records, mark| {
        records.into_iter().for_each(|record| documents.apply(record));
        if documents.bytes() < move_bytes {
            return Ok(());
        }
        tree.apply(&documents, &Moved { mark, epoch: from.epoch, clean: false })?;
        documents.clear();
        Ok(())
    })?;
    if !documents.is_empty() {
        tree.apply(&documents, &Moved { mark: end.mark, epoch: from.epoch, clean: false })?;
    }
    Ok(end)
}
