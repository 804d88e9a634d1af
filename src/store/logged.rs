//! The durable store: a commit log in front of an LSM tree, for each partition.

use levee_core::git::{Objects, StoredObject};
use levee_core::ids::{DocKey, PartitionId};
use levee_core::placement::Placement;
use levee_core::record::{Record, StoreFault};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use super::config::{Durability, OpenError, OpenReport, StoreConfig};
use super::listing::{DocumentEntry, Query, join};
use super::log::Log;
use super::manifest::DataDir;
use super::partition;
use super::stats::PartitionStats;
use super::storage::Storage;
use super::view::View;

/// Objects of one request that are larger than this together go past the log.
const LOGGED_OBJECTS_BYTES_MAX: usize = 1 << 20;

/// All partitions of one core.
pub struct Logged {
    partitions: BTreeMap<PartitionId, Partition>,
    placement: Placement,
    /// Whether what goes past the log is synced.
    sync: bool,
}

struct Partition {
    log: Log,
    storage: Storage,
}

impl Drop for Partition {
    fn drop(&mut self) {
        // The log's writer has a handle, too, and lives until its runtime polls it again.
        self.storage.abandon();
    }
}

impl Logged {
    pub(crate) async fn open(
        dir: &Arc<DataDir>,
        config: &StoreConfig,
        owned: Vec<PartitionId>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let mut opening = Vec::new();
        for id in owned {
            // All threads at once: each has its own files.
            opening.push((id, Storage::start(dir, id, config)?));
        }
        let mut report = OpenReport::default();
        let mut partitions = BTreeMap::new();
        for (id, (storage, opened)) in opening {
            let (start, found) = opened.await.unwrap_or(Err(OpenError::Thread))?;
            report.partitions.push(found);
            let identity = dir.identity() as u64;
            let log = Log::start(id, identity, config, start, storage.clone());
            partitions.insert(id, Partition { log, storage });
        }
        let placement = Placement::new(dir.partitions(), 1);
        let sync = config.durability == Durability::Power;
        Ok((Self { partitions, placement, sync }, report))
    }

    fn partition(&self, id: PartitionId) -> Result<&Partition, StoreFault> {
        // Another core's document: the caller has lost its way.
        debug_assert!(self.partitions.contains_key(&id), "partition {} is not here", id.0);
        self.partitions.get(&id).ok_or(StoreFault::Closed)
    }

    fn storage(&self, doc: &DocKey) -> Result<&Storage, StoreFault> {
        Ok(&self.partition(self.placement.partition(doc))?.storage)
    }

    pub(crate) fn append(
        &self,
        partition: PartitionId,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), StoreFault>> + use<> {
        let appended = self.partition(partition).map(|found| found.log.append(records));
        async move { appended?.await }
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doc: &DocKey,
        read: impl FnOnce(&View<'_>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let named = doc.clone();
        self.storage(doc)?.ask(move |partition| read(&partition.view(&named)?)).await
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        doc: &DocKey,
        job: impl FnOnce(&dyn Objects) -> T + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.read(doc, move |view| Ok(job(view))).await
    }

    pub(crate) async fn put_objects(
        &self,
        doc: &DocKey,
        objects: Vec<StoredObject>,
    ) -> Result<(), StoreFault> {
        let bytes: usize = objects.iter().map(|object| object.body.len()).sum();
        if bytes > LOGGED_OBJECTS_BYTES_MAX {
            let (named, sync) = (doc.clone(), self.sync);
            let put = move |partition: &mut partition::Partition| {
                partition.put_objects(&named, &objects, sync)
            };
            return self.storage(doc)?.ask(put).await;
        }
        let records = objects.into_iter().map(|object| Record::Object(doc.clone(), object));
        self.append(self.placement.partition(doc), records.collect()).await
    }

    pub(crate) async fn documents(&self, query: &Query) -> Result<Vec<DocumentEntry>, StoreFault> {
        let mut pages = Vec::new();
        for partition in self.partitions.values() {
            let query = query.clone();
            pages.push(partition.storage.ask(move |partition| partition.list(&query)).await?);
        }
        Ok(join(pages, query.limit))
    }

    pub(crate) async fn delete(&self, doc: &DocKey) -> Result<(), StoreFault> {
        let named = doc.clone();
        self.storage(doc)?.ask(move |partition| partition.delete(&named)).await
    }

    pub(crate) fn stats(&self) -> Vec<PartitionStats> {
        let one = |(&id, partition): (&PartitionId, &Partition)| {
            PartitionStats::new(id, &partition.log, &partition.storage)
        };
        self.partitions.iter().map(one).collect()
    }

    pub(crate) async fn close(self) -> Result<(), StoreFault> {
        let mut closing = Vec::new();
        for partition in self.partitions.values() {
            partition.log.close().await;
            closing.push(partition.storage.close());
        }
        let mut result = Ok(());
        for closed in closing {
            result = result.and(closed.await);
        }
        result
    }
}
