//! Objects in memory: for tests and for documents that exist nowhere else.

use std::collections::BTreeMap;

use super::{ObjectId, Objects, ObjectsUnavailable, StoredObject};

/// A document's objects and its current version, in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects {
    objects: BTreeMap<ObjectId, StoredObject>,
    /// The current version.
    pub head: Option<ObjectId>,
}

impl MemoryObjects {
    /// Adds objects; one that is there already stays.
    pub fn insert(&mut self, objects: impl IntoIterator<Item = StoredObject>) {
        for object in objects {
            self.objects.entry(object.id).or_insert(object);
        }
    }

    /// All objects, by id.
    pub fn iter(&self) -> impl Iterator<Item = &StoredObject> {
        self.objects.values()
    }
}

impl Objects for MemoryObjects {
    fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable> {
        Ok(self.objects.get(id).cloned())
    }

    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable> {
        Ok(self.head)
    }
}
