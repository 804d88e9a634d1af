//! Git objects near the core: a cold load asks for a score of small ones, and none of them changes.

use super::CoreContext;
use super::failure::Failure;
use levee_core::git::{GitAnswer, GitJob, GitRequest, Kind, tree_entries};
use levee_core::git::{ObjectId, Objects, ObjectsUnavailable, StoredObject};
use levee_core::http_request::Body;
use levee_core::ids::DocKey;
use levee_core::record::StoreFault;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// An answer made on the core reads at most this much; what is larger is made on a storage thread.
const ON_CORE_BYTES_MAX: usize = 256 << 10;
/// With a tree the blobs that its reader will ask for next are fetched, up to this much.
const PREFETCH_BYTES_MAX: usize = 512 << 10;
const PREFETCH_BLOBS_MAX: usize = 256;
/// A larger object is not worth its place in the cache.
const CACHED_OBJECT_BYTES_MAX: usize = 128 << 10;
/// What an entry costs beside its body.
const ENTRY_BYTES: usize = 200;

type Key = (DocKey, ObjectId);

/// Objects of this core's documents, in two generations: what is read while it is old becomes
/// young again, and when the young are too many the old are dropped.
#[derive(Debug, Default)]
pub(super) struct ObjectCache {
    young: HashMap<Key, StoredObject>,
    old: HashMap<Key, StoredObject>,
    young_bytes: usize,
    young_bytes_max: usize,
}

impl ObjectCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { young_bytes_max: bytes_max / 2, ..Self::default() }
    }

    pub(super) fn insert(&mut self, doc: &DocKey, object: StoredObject) {
        let bytes = object.body.len() + ENTRY_BYTES;
        if object.body.len() > CACHED_OBJECT_BYTES_MAX || bytes > self.young_bytes_max {
            return;
        }
        if self.young_bytes + bytes > self.young_bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert((doc.clone(), object.id), object).is_none() {
            self.young_bytes += bytes;
        }
    }

    fn get(&mut self, doc: &DocKey, id: &ObjectId) -> Option<StoredObject> {
        let key = (doc.clone(), *id);
        if let Some(object) = self.young.get(&key) {
            return Some(object.clone());
        }
        let object = self.old.remove(&key)?;
        self.insert(doc, object.clone());
        Some(object)
    }

    /// Nothing of a document stays.
    pub(super) fn forget(&mut self, doc: &DocKey) {
        self.young.retain(|(owner, _), _| owner != doc);
        self.old.retain(|(owner, _), _| owner != doc);
    }
}

/// The cached objects of a document. One that is not cached is not absent but out of reach, and so
/// is more than the core should chew on.
struct Cached<'a> {
    cache: &'a RefCell<ObjectCache>,
    doc: &'a DocKey,
    bytes_left: Cell<usize>,
}

impl Objects for Cached<'_> {
    fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable> {
        let found = self.cache.borrow_mut().get(self.doc, id).ok_or(ObjectsUnavailable)?;
        let left = self.bytes_left.get().checked_sub(found.body.len() + ENTRY_BYTES);
        self.bytes_left.set(left.ok_or(ObjectsUnavailable)?);
        Ok(Some(found))
    }

    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable> {
        Err(ObjectsUnavailable)
    }
}

/// Remembers what was read on the way, for the cache.
struct Recording<'a> {
    base: &'a dyn Objects,
    seen: RefCell<Vec<StoredObject>>,
    bytes_left: Cell<usize>,
}

impl Objects for Recording<'_> {
    fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable> {
        let found = self.base.object(id)?;
        if let Some(object) = &found
            && let Some(left) = self.bytes_left.get().checked_sub(object.body.len())
        {
            self.bytes_left.set(left);
            self.seen.borrow_mut().push(object.clone());
        }
        Ok(found)
    }

    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable> {
        self.base.head()
    }

    fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, ObjectsUnavailable> {
        self.base.kind(id)
    }
}

/// Answers a git request: from the cache if it holds all that is needed, else where the objects
/// are. New objects are durable when this returns.
pub(super) async fn answer(
    core: &CoreContext,
    doc: &DocKey,
    mut job: GitJob,
    body: Body,
) -> Result<GitAnswer, Failure> {
    if is_by_id(&job.request) {
        let bytes_left = Cell::new(ON_CORE_BYTES_MAX);
        let cached = Cached { cache: &core.objects, doc, bytes_left };
        let answer = job.run(&cached);
        if answer.status != UNAVAILABLE {
            return Ok(answer);
        }
    }
    let run = move |objects: &dyn Objects| {
        set_body(&mut job.request, &body);
        run_recorded(&job, objects)
    };
    let (mut answer, seen) = core.store.run(doc, run).await?;
    if answer.status == UNAVAILABLE {
        return Err(StoreFault::Busy.into());
    }
    let new = std::mem::take(&mut answer.new_objects);
    if !new.is_empty() {
        let _upload = Upload::begin(core, doc)?;
        core.store.put_objects(doc, new).await?;
    }
    remember(core, doc, seen);
    Ok(answer)
}

/// Objects on their way into the store. A document is deleted before or after that.
pub struct Upload<'a> {
    core: &'a CoreContext,
    doc: &'a DocKey,
}

impl<'a> Upload<'a> {
    /// # Errors
    /// [`StoreFault::Busy`] while the document is being created or deleted.
    pub fn begin(core: &'a CoreContext, doc: &'a DocKey) -> Result<Self, StoreFault> {
        if core.creating.borrow().contains(doc) {
            return Err(StoreFault::Busy);
        }
        *core.uploads.borrow_mut().entry(doc.clone()).or_default() += 1;
        Ok(Self { core, doc })
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let mut uploads = self.core.uploads.borrow_mut();
        match uploads.get_mut(self.doc) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                uploads.remove(self.doc);
            }
        }
    }
}

/// Keeps objects that are durable for the reads to come.
pub(super) fn remember(core: &CoreContext, doc: &DocKey, objects: Vec<StoredObject>) {
    let mut cache = core.objects.borrow_mut();
    for object in objects {
        cache.insert(doc, object);
    }
}

/// The status of an answer for which objects were out of reach.
const UNAVAILABLE: u16 = 503;

/// Requests that depend on nothing but objects that never change.
fn is_by_id(request: &GitRequest) -> bool {
    match request {
        GitRequest::Blob { .. } | GitRequest::Tree { .. } | GitRequest::Commit { .. } => true,
        GitRequest::CreateBlob { .. }
        | GitRequest::CreateTree { .. }
        | GitRequest::CreateCommit { .. }
        | GitRequest::Commits { .. }
        | GitRequest::Refs
        | GitRequest::Ref { .. }
        | GitRequest::CreateRef { .. }
        | GitRequest::UpdateRef { .. }
        | GitRequest::UploadSummary { .. }
        | GitRequest::Summary { .. } => false,
    }
}

/// Gives a request its body, which only now is decoded: a large one takes its time.
fn set_body(request: &mut GitRequest, sent: &Body) {
    match request {
        GitRequest::CreateBlob { body }
        | GitRequest::CreateTree { body }
        | GitRequest::CreateCommit { body }
        | GitRequest::CreateRef { body }
        | GitRequest::UpdateRef { body, .. }
        | GitRequest::UploadSummary { body } => *body = sent.decode(),
        GitRequest::Blob { .. }
        | GitRequest::Tree { .. }
        | GitRequest::Commit { .. }
        | GitRequest::Commits { .. }
        | GitRequest::Refs
        | GitRequest::Ref { .. }
        | GitRequest::Summary { .. } => {}
    }
}

/// Runs on a storage thread. Only reads of parts are remembered: whole snapshots are asked for as
/// wholes again, and what is new is mostly read by others, later.
fn run_recorded(job: &GitJob, objects: &dyn Objects) -> (GitAnswer, Vec<StoredObject>) {
    let reads_parts = is_by_id(&job.request) || matches!(job.request, GitRequest::Commits { .. });
    if !reads_parts {
        return (job.run(objects), Vec::new());
    }
    let recording = Recording {
        base: objects,
        seen: RefCell::default(),
        bytes_left: Cell::new(PREFETCH_BYTES_MAX),
    };
    let answer = job.run(&recording);
    if let (GitRequest::Tree { recursive: true, .. }, 200) = (&job.request, answer.status) {
        prefetch_blobs(&recording);
    }
    (answer, recording.seen.into_inner())
}

/// Reads the blobs of the trees that were read. Its failures are nobody's: the cache misses them.
fn prefetch_blobs(recording: &Recording<'_>) {
    let trees = recording.seen.borrow().clone();
    let entries = trees.iter().flat_map(|tree| tree_entries(tree)).flatten();
    let blobs = entries.filter(|entry| entry.mode.kind() == Kind::Blob);
    for blob in blobs.take(PREFETCH_BLOBS_MAX) {
        let _ = recording.object(&blob.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: &str) -> StoredObject {
        StoredObject::blob(text.to_owned())
    }

    #[test]
    fn what_is_read_stays_and_the_rest_goes() {
        let doc = DocKey::new("t", "d");
        let mut cache = ObjectCache::new(20 * (ENTRY_BYTES + 2));
        let kept = blob("00");
        cache.insert(&doc, kept.clone());
        for n in 10..60 {
            cache.insert(&doc, blob(&n.to_string()));
            assert_eq!(cache.get(&doc, &kept.id), Some(kept.clone()), "{n}");
        }
        assert_eq!(cache.get(&doc, &blob("10").id), None);
        assert!(cache.get(&doc, &blob("59").id).is_some());
        assert!(cache.young.len() + cache.old.len() <= 20);
        assert_eq!(cache.get(&DocKey::new("t", "e"), &kept.id), None);
        cache.forget(&doc);
        assert_eq!(cache.get(&doc, &kept.id), None);
    }

    #[test]
    fn large_objects_are_not_kept() {
        let doc = DocKey::new("t", "d");
        let mut cache = ObjectCache::new(64 << 20);
        let large = StoredObject::blob(vec![b'x'; CACHED_OBJECT_BYTES_MAX + 1]);
        cache.insert(&doc, large.clone());
        assert_eq!(cache.get(&doc, &large.id), None);
    }
}
