//! Objects being made: written once, visible at once, stored later by the caller.

use std::collections::BTreeMap;

use super::tree::{Mode, tree_entries};
use super::{Commit, GitError, Kind, ObjectId, Objects, StoredObject, TreeEntry, write_tree};

/// A document's objects with new ones on top.
pub struct Draft<'a> {
    base: &'a dyn Objects,
    new: BTreeMap<ObjectId, StoredObject>,
}

impl<'a> Draft<'a> {
    /// Starts with nothing new.
    pub fn new(base: &'a dyn Objects) -> Self {
        Self { base, new: BTreeMap::new() }
    }

    /// Adds an object unless the document has it already, and returns its id.
    pub fn add(&mut self, object: StoredObject) -> Result<ObjectId, GitError> {
        let id = object.id;
        if !self.new.contains_key(&id) && self.base.kind(&id)?.is_none() {
            self.new.insert(id, object);
        }
        Ok(id)
    }

    /// Adds a tree of these entries.
    pub fn add_tree(&mut self, entries: Vec<TreeEntry>) -> Result<ObjectId, GitError> {
        self.add(write_tree(entries)?)
    }

    /// What is new, to be made durable.
    pub fn into_new(self) -> Vec<StoredObject> {
        self.new.into_values().collect()
    }

    /// The document's current version.
    pub fn head(&self) -> Result<Option<ObjectId>, GitError> {
        Ok(self.base.head()?)
    }

    /// The object of that id, new or stored.
    pub fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, GitError> {
        match self.new.get(id) {
            Some(object) => Ok(Some(object.clone())),
            None => Ok(self.base.object(id)?),
        }
    }

    /// The kind of the object of that id, new or stored.
    pub fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, GitError> {
        match self.new.get(id) {
            Some(object) => Ok(Some(object.kind)),
            None => Ok(self.base.kind(id)?),
        }
    }

    /// The entries of a tree that must exist.
    pub fn tree(&self, id: &ObjectId) -> Result<Vec<TreeEntry>, GitError> {
        let tree = self.expect(id, Kind::Tree)?;
        tree_entries(&tree).map(|entry| Ok(entry?.to_entry())).collect()
    }

    /// A commit that must exist.
    pub fn commit(&self, id: &ObjectId) -> Result<Commit, GitError> {
        Commit::parse(&self.expect(id, Kind::Commit)?)
    }

    /// An object of this kind that must exist.
    pub fn expect(&self, id: &ObjectId, expected: Kind) -> Result<StoredObject, GitError> {
        let object = self.object(id)?.ok_or(GitError::NotFound(expected))?;
        if object.kind == expected { Ok(object) } else { Err(GitError::NotFound(expected)) }
    }

    /// The mode of an object that a client wants to put into a tree.
    pub fn mode(&self, id: &ObjectId) -> Result<Mode, GitError> {
        let kind = self.kind(id)?.ok_or_else(|| GitError::MissingObject(id.to_string().into()))?;
        Mode::of(kind).ok_or(GitError::WrongKind { id: *id, expected: Kind::Tree })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryObjects;
    use super::*;

    #[test]
    fn only_what_the_document_lacks_is_new() {
        let mut base = MemoryObjects::default();
        base.insert([StoredObject::blob("old")]);
        let mut draft = Draft::new(&base);
        let old = draft.add(StoredObject::blob("old")).unwrap();
        let new = draft.add(StoredObject::blob("new")).unwrap();
        assert_eq!(draft.add(StoredObject::blob("new")), Ok(new));
        let tree = draft.add_tree(vec![TreeEntry::new("f", Mode::File, old)]).unwrap();
        assert_eq!(draft.tree(&tree).unwrap()[0].id, old);
        let mut ids: Vec<_> = draft.into_new().iter().map(|object| object.id).collect();
        ids.sort();
        let mut expected = vec![new, tree];
        expected.sort();
        assert_eq!(ids, expected);
    }

    #[test]
    fn kinds_are_checked() {
        let base = MemoryObjects::default();
        let mut draft = Draft::new(&base);
        let blob = draft.add(StoredObject::blob("x")).unwrap();
        let absent = ObjectId::of(Kind::Blob, b"absent");
        assert_eq!(draft.mode(&blob), Ok(Mode::File));
        let missing = GitError::MissingObject(absent.to_string().into());
        assert_eq!(draft.mode(&absent), Err(missing));
        assert_eq!(draft.tree(&blob), Err(GitError::NotFound(Kind::Tree)));
        assert_eq!(draft.commit(&absent), Err(GitError::NotFound(Kind::Commit)));
        let commit = Commit::by_service(absent, vec![], "m", 1).to_object();
        let id = draft.add(commit).unwrap();
        assert_eq!(draft.mode(&id), Err(GitError::WrongKind { id, expected: Kind::Tree }));
    }
}
