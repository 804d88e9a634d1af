//! The durable store: a commit log in front of an LSM tree, for each partition.

use levee_core::git::{ObjectId, Objects, StoredObject};
use levee_core::ids::{DocKey, PartitionId};
use levee_core::placement::Placement;
use levee_core::record::{Record, StoreFault};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use super::config::{Durability, OpenError, OpenReport, StoreConfig};
use super::listing::{Dates, DocumentEntry, Listing, Query, dates};
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

    pub(crate) async fn documents(&self, query: &Query) -> Result<Listing, StoreFault> {
        let page = |partition: &Partition| {
            let query = query.clone();
            // All threads at once.
            partition.storage.begin(move |partition| partition.list(&query))
        };
        let asked: Vec<_> = self.partitions.values().map(page).collect();
        let mut pages = Vec::with_capacity(asked.len());
        for page in asked {
            pages.push(page?.await.unwrap_or(Err(StoreFault::Closed))?);
        }
        Ok(Listing::join(pages, query.limit))
    }

    /// Has each partition's thread look at its own of these documents.
    async fn each<T: Send + 'static>(
        &self,
        entries: &[DocumentEntry],
        look: impl Fn(&View<'_>, &DocumentEntry) -> Result<T, StoreFault> + Clone + Send + 'static,
    ) -> Result<Vec<T>, StoreFault> {
        let mut of_partition: BTreeMap<PartitionId, Vec<(usize, DocumentEntry)>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let id = self.placement.partition(&entry.doc);
            of_partition.entry(id).or_default().push((at, entry.clone()));
        }
        let mut asked = Vec::with_capacity(of_partition.len());
        for (id, own) in of_partition {
            let look = look.clone();
            asked.push(self.partition(id)?.storage.begin(move |partition| {
                let one = |(at, entry): (usize, DocumentEntry)| {
                    Ok((at, look(&partition.view(&entry.doc)?, &entry)?))
                };
                own.into_iter().map(one).collect::<Result<Vec<_>, _>>()
            })?);
        }
        let mut found = Vec::with_capacity(entries.len());
        for part in asked {
            found.extend(part.await.unwrap_or(Err(StoreFault::Closed))?);
        }
        found.sort_unstable_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, one)| one).collect())
    }

    pub(crate) async fn dates(&self, entries: &[DocumentEntry]) -> Result<Vec<Dates>, StoreFault> {
        self.each(entries, dates).await
    }

    pub(crate) async fn holder(
        &self,
        entries: &[DocumentEntry],
        id: ObjectId,
    ) -> Result<Option<DocKey>, StoreFault> {
        let has = move |view: &View<'_>, _: &DocumentEntry| {
            Ok(view.kind(&id).map_err(|_| StoreFault::Damaged)?.is_some())
        };
        let found = self.each(entries, has).await?;
        let mut pairs = entries.iter().zip(found);
        Ok(pairs.find(|(_, has)| *has).map(|(entry, _)| entry.doc.clone()))
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
