//! The LSM tree of one partition, on fjall. Used on the partition's storage thread only.

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions,
    OwnedWriteBatch, PersistMode,
};
use levee_core::git::{ObjectId, StoredObject};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::StoreFault;
use std::error::Error;
use std::io;
use std::ops::Bound;
use std::path::Path;

use super::documents::{Documents, OpRange, Recent};
use super::keys;
use super::values::{Chunk, Head, Moved, decode_object, encode_object};

/// A last chunk of at most this many bytes is rewritten together with what follows it, so that a
/// slow document does not leave one key per operation. Bounds what an operation is written again.
const JOIN_BYTES: u32 = 4 << 10;
/// Objects of at least this size are kept beside the tree, so that compaction does not copy them.
const SEPARATE_BYTES: u32 = 4 << 10;
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;

/// Everything sorted: heads, checkpoints, chunks of operations, objects.
#[derive(Clone)]
pub(crate) struct Tree {
    database: Database,
    docs: Keyspace,
    ops: Keyspace,
    objects: Keyspace,
}

impl Tree {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(cache_bytes)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            // The commit log is what makes records durable; the tree is synced when that frees a
            // segment of it.
            .manual_journal_persist(true)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let docs = database.keyspace("docs", options)?;
        let ops = database
            .keyspace("ops", || options().data_block_size_policy(BlockSizePolicy::all(16 << 10)))?;
        let objects = database.keyspace("objects", || {
            let separate = KvSeparationOptions::default()
                .separation_threshold(SEPARATE_BYTES)
                .compression(CompressionType::Lz4);
            options()
                .with_kv_separation(Some(separate))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        })?;
        Ok(Self { database, docs, ops, objects })
    }

    pub(crate) fn moved(&self) -> Result<Moved, StoreFault> {
        match self.docs.get(keys::MOVED).map_err(read_fault)? {
            Some(value) => Moved::decode(&value).ok_or(StoreFault::Damaged),
            None => Ok(Moved::default()),
        }
    }

    /// Takes in everything committed up to `moved`, at once or not at all. Not synced.
    pub(crate) fn apply(&self, documents: &Documents, moved: &Moved) -> Result<(), StoreFault> {
        let mut batch = self.database.batch();
        for (doc, recent) in documents.iter() {
            self.add(&mut batch, doc, recent)?;
        }
        batch.insert(&self.docs, keys::MOVED, moved.encode());
        batch.commit().map_err(write_fault)
    }

    fn add(
        &self,
        batch: &mut OwnedWriteBatch,
        doc: &DocKey,
        recent: &Recent,
    ) -> Result<(), StoreFault> {
        for object in recent.objects.values() {
            batch.insert(&self.objects, keys::object(doc, &object.id), encode_object(object));
        }
        if !recent.is_document() {
            return Ok(());
        }
        if let Some((seq, state)) = &recent.checkpoint {
            let mut value = Vec::with_capacity(8 + state.len());
            value.extend_from_slice(&seq.0.to_be_bytes());
            value.extend_from_slice(state);
            // One key, so the checkpoint before is gone.
            batch.insert(&self.docs, keys::checkpoint(doc), value);
        }
        let mut head = self.head(doc)?.unwrap_or_default();
        head.version = recent.version.or(head.version);
        self.add_ops(batch, doc, recent, &mut head)?;
        batch.insert(&self.docs, keys::head(doc), head.encode());
        Ok(())
    }

    fn add_ops(
        &self,
        batch: &mut OwnedWriteBatch,
        doc: &DocKey,
        recent: &Recent,
        head: &mut Head,
    ) -> Result<(), StoreFault> {
        let mut chunk = Chunk::default();
        let joins = recent.ops.first().is_some_and(|run| run.first == head.last.next());
        if joins && (1..=JOIN_BYTES).contains(&head.tail_bytes) {
            let key = keys::chunk(doc, head.tail_first);
            let value = self.ops.get(key).map_err(read_fault)?.ok_or(StoreFault::Damaged)?;
            let tail = Chunk::decode(head.tail_first, &value).ok_or(StoreFault::Damaged)?;
            tail.ops().for_each(|(seq, op)| chunk.push(seq, op));
        }
        let ops = recent.ops.iter().flat_map(|run| run.ops());
        for (seq, op) in ops.filter(|(seq, _)| *seq > head.last) {
            if !chunk.has_room(op) {
                batch.insert(&self.ops, keys::chunk(doc, chunk.first()), chunk.encode());
                chunk.clear();
            }
            chunk.push(seq, op);
        }
        if !chunk.is_empty() {
            batch.insert(&self.ops, keys::chunk(doc, chunk.first()), chunk.encode());
            head.tail_first = chunk.first();
            head.tail_bytes = chunk.bytes() as u32;
        }
        head.last = recent.last().unwrap_or_default().max(head.last);
        Ok(())
    }

    /// Objects too large for the log: in the tree at once, synced if `sync`.
    pub(crate) fn put_objects(
        &self,
        doc: &DocKey,
        objects: &[StoredObject],
        sync: bool,
    ) -> Result<(), StoreFault> {
        let mut batch = self.database.batch();
        for object in objects {
            batch.insert(&self.objects, keys::object(doc, &object.id), encode_object(object));
        }
        let mode = if sync { PersistMode::SyncAll } else { PersistMode::Buffer };
        batch.durability(Some(mode)).commit().map_err(write_fault)
    }

    /// Deletes a document: from here on it does not exist, on the device too. What is left of it is
    /// for [`Self::finish`], after a crash as well.
    pub(crate) fn doom(&self, doc: &DocKey) -> Result<(), StoreFault> {
        let mut batch = self.database.batch();
        batch.remove(&self.docs, keys::head(doc));
        batch.remove(&self.docs, keys::checkpoint(doc));
        batch.insert(&self.docs, keys::doomed(doc), []);
        batch.durability(Some(PersistMode::SyncAll)).commit().map_err(write_fault)
    }

    /// Documents that are deleted and not gone yet.
    pub(crate) fn doomed(&self) -> Result<Vec<DocKey>, StoreFault> {
        let found = self.docs.prefix(keys::ALL_DOOMED).map(|guard| {
            let key = guard.key().map_err(read_fault)?;
            keys::document_of_head(&key).ok_or(StoreFault::Damaged)
        });
        found.collect()
    }

    /// Removes what is left of a deleted document.
    pub(crate) fn finish(&self, doc: &DocKey) -> Result<(), StoreFault> {
        const KEYS_PER_BATCH: usize = 1_000;
        let mut batch = self.database.batch();
        for (keyspace, prefix) in
            [(&self.ops, keys::chunks(doc)), (&self.objects, keys::objects(doc))]
        {
            for guard in keyspace.prefix(prefix) {
                batch.remove(keyspace, guard.key().map_err(read_fault)?);
                if batch.len() >= KEYS_PER_BATCH {
                    batch.commit().map_err(write_fault)?;
                    batch = self.database.batch();
                }
            }
        }
        batch.remove(&self.docs, keys::doomed(doc));
        batch.durability(Some(PersistMode::SyncAll)).commit().map_err(write_fault)
    }

    /// Everything applied so far is on the device when this returns.
    pub(crate) fn sync(&self) -> Result<(), StoreFault> {
        self.database.persist(PersistMode::SyncAll).map_err(write_fault)
    }

    pub(crate) fn head(&self, doc: &DocKey) -> Result<Option<Head>, StoreFault> {
        let value = self.docs.get(keys::head(doc)).map_err(read_fault)?;
        value.map(|value| Head::decode(&value).ok_or(StoreFault::Damaged)).transpose()
    }

    pub(crate) fn checkpoint(&self, doc: &DocKey) -> Result<Option<(Seq, Bytes)>, StoreFault> {
        let value = self.docs.get(keys::checkpoint(doc)).map_err(read_fault)?;
        let Some(value) = value else { return Ok(None) };
        let (seq, state) = value.split_first_chunk::<8>().ok_or(StoreFault::Damaged)?;
        Ok(Some((Seq(u64::from_be_bytes(*seq)), Bytes::copy_from_slice(state))))
    }

    /// Adds the operations of a range that are in the tree.
    pub(crate) fn read_ops(&self, doc: &DocKey, range: &mut OpRange) -> Result<(), StoreFault> {
        let chunks = keys::chunks(doc);
        let wanted = keys::chunk(doc, range.next);
        // The chunk that holds the first operation may begin before it.
        let start = match self.ops.range(chunks..=wanted.clone()).next_back() {
            Some(guard) => guard.key().map_err(read_fault)?.to_vec(),
            None => wanted,
        };
        for guard in self.ops.range(start..=keys::chunk(doc, range.to())) {
            let (key, value) = guard.into_inner().map_err(read_fault)?;
            let first = keys::first_of_chunk(&key).ok_or(StoreFault::Damaged)?;
            let run = Chunk::decode(first, &value).ok_or(StoreFault::Damaged)?;
            if !range.take(&run)? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn object(
        &self,
        doc: &DocKey,
        id: &ObjectId,
    ) -> Result<Option<StoredObject>, StoreFault> {
        let value = self.objects.get(keys::object(doc, id)).map_err(read_fault)?;
        value.map(|value| decode_object(*id, &value).ok_or(StoreFault::Damaged)).transpose()
    }

    /// Heads after this document (or from the tenant's first), in order of their names.
    pub(crate) fn heads(
        &self,
        tenant: Option<&str>,
        after: Option<&DocKey>,
    ) -> impl Iterator<Item = Result<(DocKey, Head), StoreFault>> {
        let prefix = keys::heads(tenant);
        let start = match after {
            Some(doc) => Bound::Excluded(keys::head(doc)),
            None => Bound::Included(prefix.clone()),
        };
        let found = self.docs.range((start, Bound::<Vec<u8>>::Unbounded));
        found.map_while(move |guard| {
            let decode = |key: &[u8], value: &[u8]| {
                Some((keys::document_of_head(key)?, Head::decode(value)?))
            };
            match guard.into_inner() {
                Ok((key, _)) if !key.starts_with(&prefix) => None,
                Ok((key, value)) => Some(decode(&key, &value).ok_or(StoreFault::Damaged)),
                Err(error) => Some(Err(read_fault(error))),
            }
        })
    }
}

/// The error of the disk behind an error of the tree.
fn disk_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut error = Some(error);
    while let Some(inner) = error {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io);
        }
        error = inner.source();
    }
    None
}

/// What an error of the disk means for those who wait.
pub(crate) fn disk_fault(error: &io::Error) -> StoreFault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreFault::DiskFull,
        _ => StoreFault::DiskFailed,
    }
}

fn write_fault(error: fjall::Error) -> StoreFault {
    tracing::error!(%error, "the tree refused a write");
    // Without an error of the disk it is poisoned by an earlier one.
    disk_error(&error).map_or(StoreFault::DiskFailed, disk_fault)
}

fn read_fault(error: fjall::Error) -> StoreFault {
    tracing::error!(%error, "the tree failed to read");
    disk_error(&error).map_or(StoreFault::Damaged, disk_fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::frame::Mark;
    use levee_core::record::{OpRun, Record};

    fn run(first: u64, ops: &[&str]) -> OpRun {
        let mut chunk = Chunk::default();
        (first..).zip(ops).for_each(|(seq, op)| chunk.push(Seq(seq), op.as_bytes()));
        Chunk::decode(Seq(first), &chunk.encode()).unwrap()
    }

    fn apply(tree: &Tree, doc: &DocKey, runs: Vec<OpRun>, position: u64) {
        let mut documents = Documents::default();
        runs.into_iter().for_each(|run| documents.apply(Record::Ops(doc.clone(), run)));
        let moved = Moved { mark: Mark { position, chain: 0 }, epoch: 1, clean: false };
        tree.apply(&documents, &moved).unwrap();
        assert_eq!(tree.moved().unwrap(), moved);
    }

    fn text(tree: &Tree, doc: &DocKey) -> (usize, String) {
        let mut range = OpRange::new(Seq(1), Seq(u64::MAX), usize::MAX);
        tree.read_ops(doc, &mut range).unwrap();
        let runs = range.into_runs();
        let text: Vec<_> =
            runs.iter().map(|run| std::str::from_utf8(&run.bytes).unwrap()).collect();
        (runs.len(), text.join(","))
    }

    #[test]
    fn small_chunks_are_joined_and_nothing_is_taken_in_twice() {
        let dir = std::env::temp_dir().join(format!("levee-tree-{}", std::process::id()));
        let tree = Tree::open(&dir, 1 << 20).unwrap();
        let doc = DocKey::new("t", "d");
        apply(&tree, &doc, vec![run(1, &["a", "b"]), run(3, &["c"])], 10);
        apply(&tree, &doc, vec![run(4, &["d"])], 20);
        assert_eq!(text(&tree, &doc), (1, "a,b,c,d".into()));
        // A batch whose error was wrong comes again, with more.
        apply(&tree, &doc, vec![run(3, &["c"]), run(4, &["d"]), run(5, &["e"])], 30);
        assert_eq!(text(&tree, &doc).1, "a,b,c,d,e");
        assert_eq!(tree.head(&doc).unwrap().unwrap().last, Seq(5));
        // A chunk that is large enough stays as it is.
        let large = "x".repeat(JOIN_BYTES as usize);
        apply(&tree, &doc, vec![run(6, &[&large])], 40);
        let chunks = text(&tree, &doc).0;
        apply(&tree, &doc, vec![run(7, &["z"])], 50);
        assert_eq!(text(&tree, &doc).0, chunks + 1);
        assert!(text(&tree, &doc).1.ends_with("x,z"));
        drop(tree);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
