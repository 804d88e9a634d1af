//! The store: what documents are made of, kept as durably as was promised.
//!
//! The contract, which `tests/store` holds every store to:
//!
//! - **Order.** Groups of one partition become durable in the order of the calls of
//!   [`Store::append`]. A group is there whole or not at all.
//! - **Durability.** A call that returned `Ok` survives what its [`Durability`] says.
//! - **Reads.** What was appended is read by whoever asks after the append returned.
//! - **Faults.** A fault says that the group was not kept as promised. Its records may be found
//!   after a restart all the same, but only as long as nothing else was appended in their place.
//!   A partition that failed or has no space refuses appends, goes on answering reads, and takes
//!   appends again by itself when the disk does. So does one that is opened without space.
//! - **No waiting.** No call blocks the core: reads run on the partition's storage thread.
//!
//! A [`Store`] holds the partitions of one core and stays on it.

mod config;
mod disk;
mod documents;
mod fjall;
mod frame;
mod keys;
mod listing;
mod log;
mod logged;
mod manifest;
mod memory;
mod opening;
mod partition;
mod recovery;
mod segment;
mod stats;
mod storage;
mod values;
mod view;
mod writer;

pub use config::{Damage, Durability, OpenError, OpenReport, PartitionReport, StoreConfig};
pub use disk::{Disk, Fault, Faults};
pub use listing::{Dates, DocumentEntry, Listing, Query};
pub use logged::Logged;
pub use manifest::DataDir;
pub use memory::Memory;
pub use recovery::ReplayError;
pub use stats::PartitionStats;

use levee_core::git::{ObjectId, Objects, StoredObject};
use levee_core::ids::{DocKey, PartitionId, Seq};
use levee_core::record::{DocumentImage, OpRun, Record, StoreFault};
use std::future::Future;
use std::sync::Arc;

/// The partitions of one core.
pub enum Store {
    Memory(Memory),
    Logged(Logged),
}

impl Store {
    /// A store that keeps nothing.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// Opens and recovers the partitions that this core owns. The data directory is opened once for
    /// all cores. Call it inside the core's runtime, which needs its timer.
    pub async fn open(
        dir: &Arc<DataDir>,
        config: &StoreConfig,
        owned: impl IntoIterator<Item = PartitionId>,
    ) -> Result<(Self, OpenReport), OpenError> {
        if config.durability == Durability::Memory {
            return Ok((Self::memory(), OpenReport::default()));
        }
        let owned = owned.into_iter().collect();
        let (store, report) = Logged::open(dir, config, owned).await?;
        Ok((Self::Logged(store), report))
    }

    /// Appends a group of records of one partition; done when they are as durable as promised.
    /// The order is that of the calls, not of the polls. Calls that wait are written together.
    pub fn append(
        &self,
        partition: PartitionId,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), StoreFault>> + use<> {
        let appending = match self {
            Self::Memory(store) => {
                store.append(records);
                None
            }
            Self::Logged(store) => Some(store.append(partition, records)),
        };
        async move {
            match appending {
                Some(appending) => appending.await,
                None => Ok(()),
            }
        }
    }

    /// Everything needed to bring a document back into memory; `None` if it does not exist.
    pub async fn load(&self, doc: &DocKey) -> Result<Option<DocumentImage>, StoreFault> {
        match self {
            Self::Memory(store) => store.view(doc, |view| view.load()),
            Self::Logged(store) => store.read(doc, |view| view.load()).await,
        }
    }

    /// The operations `from..=to`, ascending and without a gap, as far as they exist and fit into
    /// `bytes_max` (but at least one, if there is one).
    pub async fn ops(
        &self,
        doc: &DocKey,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Vec<OpRun>, StoreFault> {
        match self {
            Self::Memory(store) => store.view(doc, |view| view.ops(from, to, bytes_max)),
            Self::Logged(store) => store.read(doc, move |view| view.ops(from, to, bytes_max)).await,
        }
    }

    /// The document's current version.
    pub async fn version(&self, doc: &DocKey) -> Result<Option<ObjectId>, StoreFault> {
        match self {
            Self::Memory(store) => store.view(doc, |view| view.version()),
            Self::Logged(store) => store.read(doc, |view| view.version()).await,
        }
    }

    /// Whether the document has operations, a checkpoint or a version. Objects alone do not count.
    pub async fn exists(&self, doc: &DocKey) -> Result<bool, StoreFault> {
        match self {
            Self::Memory(store) => store.view(doc, |view| view.exists()),
            Self::Logged(store) => store.read(doc, |view| view.exists()).await,
        }
    }

    /// Runs a job that reads the document's objects, on the storage thread. A job that panics gives
    /// [`StoreFault::Damaged`].
    pub async fn run<T: Send + 'static>(
        &self,
        doc: &DocKey,
        job: impl FnOnce(&dyn Objects) -> T + Send + 'static,
    ) -> Result<T, StoreFault> {
        match self {
            Self::Memory(store) => Ok(store.run(doc, job)),
            Self::Logged(store) => store.run(doc, job).await,
        }
    }

    /// Keeps objects of a document: as durable as an append when this returns.
    pub async fn put_objects(
        &self,
        doc: &DocKey,
        objects: Vec<StoredObject>,
    ) -> Result<(), StoreFault> {
        match self {
            Self::Memory(store) => {
                store.put_objects(doc, objects);
                Ok(())
            }
            Self::Logged(store) => store.put_objects(doc, objects).await,
        }
    }

    /// A page of the documents in this core's partitions; [`Listing::join`] takes it together with
    /// other cores'.
    pub async fn documents(&self, query: &Query) -> Result<Listing, StoreFault> {
        match self {
            Self::Memory(store) => store.documents(query),
            Self::Logged(store) => store.documents(query).await,
        }
    }

    /// A document's line in a listing; `None` if it does not exist.
    pub async fn entry(&self, doc: &DocKey) -> Result<Option<DocumentEntry>, StoreFault> {
        match self {
            Self::Memory(store) => store.view(doc, |view| view.entry()),
            Self::Logged(store) => store.read(doc, |view| view.entry()).await,
        }
    }

    /// When each of these documents was made and last changed.
    pub async fn dates(&self, entries: &[DocumentEntry]) -> Result<Vec<Dates>, StoreFault> {
        match self {
            Self::Memory(store) => store.dates(entries),
            Self::Logged(store) => store.dates(entries).await,
        }
    }

    /// Which of these documents, all of this core, has an object.
    pub async fn holder(
        &self,
        entries: &[DocumentEntry],
        id: ObjectId,
    ) -> Result<Option<DocKey>, StoreFault> {
        match self {
            Self::Memory(store) => store.holder(entries, id),
            Self::Logged(store) => store.holder(entries, id).await,
        }
    }

    /// Removes a document and everything of it for good. Nothing of it may be in flight. A crash in
    /// the middle leaves it whole or gone; after a fault it may be either.
    pub async fn delete(&self, doc: &DocKey) -> Result<(), StoreFault> {
        match self {
            Self::Memory(store) => {
                store.delete(doc);
                Ok(())
            }
            Self::Logged(store) => store.delete(doc).await,
        }
    }

    /// Figures of each partition; none of a memory store.
    #[must_use]
    pub fn stats(&self) -> Vec<PartitionStats> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Logged(store) => store.stats(),
        }
    }

    /// Commits what is waiting, moves everything into the tree, syncs it, and notes that the end
    /// was in good order. A store that is dropped instead leaves its directory as a crash would.
    pub async fn close(self) -> Result<(), StoreFault> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Logged(store) => store.close().await,
        }
    }
}
