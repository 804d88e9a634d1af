//! Handles: how a new summary refers to parts of an older one.

use super::layout::APP;
use super::names::encode_name;
use super::object::{Kind, ObjectId};
use super::tree::{Mode, tree_entries};
use super::{Draft, GitError, MAX_TREE_DEPTH};

impl Draft<'_> {
    /// The object behind a handle: an id, or an id and a path below it, as in
    /// `<version>/.app/.channels/a`; or a path alone, as in `/.channels/a`, which starts at the
    /// document's current version.
    ///
    /// Errors: [`GitError::MissingObject`] with the handle when it leads nowhere.
    pub fn resolve(&self, handle: &str) -> Result<(Mode, ObjectId), GitError> {
        let missing = || GitError::MissingObject(handle.into());
        if handle.is_empty() {
            return Err(missing());
        }
        let (start, path) = handle.split_once('/').unwrap_or((handle, ""));
        let id = if start.is_empty() {
            self.head()?.ok_or_else(missing)?
        } else {
            start.parse().map_err(|_| missing())?
        };
        let mut found = match self.kind(&id)?.ok_or_else(missing)? {
            Kind::Blob => (Mode::File, id),
            Kind::Tree => (Mode::Directory, id),
            Kind::Commit => (Mode::Directory, self.commit(&id)?.tree),
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        for (depth, segment) in segments.enumerate() {
            let (Mode::Directory, tree) = found else {
                return Err(missing());
            };
            if depth > MAX_TREE_DEPTH {
                return Err(GitError::TooDeep);
            }
            found = match self.child(&tree, segment)? {
                Some(child) => child,
                // Versions are stored with the children of `.app` at the root.
                None if depth == 0 && segment == APP => found,
                None => return Err(missing()),
            };
        }
        Ok(found)
    }

    /// The child of a tree by its stored name, or by the raw name that was encoded to it.
    pub(super) fn child(
        &self,
        tree: &ObjectId,
        name: &str,
    ) -> Result<Option<(Mode, ObjectId)>, GitError> {
        let tree = self.expect(tree, Kind::Tree)?;
        let encoded = encode_name(name);
        let mut by_raw_name = None;
        for entry in tree_entries(&tree) {
            let entry = entry?;
            if entry.name == name {
                return Ok(Some((entry.mode, entry.id)));
            }
            if entry.name == encoded {
                by_raw_name = Some((entry.mode, entry.id));
            }
        }
        Ok(by_raw_name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Commit, MemoryObjects, StoredObject, TreeEntry};
    use super::*;

    #[test]
    fn handles_lead_to_objects_and_nowhere_else() {
        let mut store = MemoryObjects::default();
        let mut draft = Draft::new(&store);
        let blob = draft.add(StoredObject::blob("x")).unwrap();
        let inner = draft.add_tree(vec![TreeEntry::new("my%20map", Mode::File, blob)]).unwrap();
        let root = draft.add_tree(vec![TreeEntry::new("a", Mode::Directory, inner)]).unwrap();
        let version = draft.add(Commit::by_service(root, vec![], "m", 1).to_object()).unwrap();
        let new = draft.into_new();
        store.insert(new);
        store.head = Some(version);
        let draft = Draft::new(&store);

        let file = Ok((Mode::File, blob));
        assert_eq!(draft.resolve(&blob.to_string()), file);
        assert_eq!(draft.resolve(&version.to_string()), Ok((Mode::Directory, root)));
        assert_eq!(draft.resolve(&format!("{version}/.app/a/my%20map")), file);
        assert_eq!(draft.resolve(&format!("{version}/a/my map")), file);
        assert_eq!(draft.resolve(&format!("{root}/a/my%20map")), file);
        assert_eq!(draft.resolve("/a/my%20map"), file);
        assert_eq!(draft.resolve("/.app/a"), Ok((Mode::Directory, inner)));
        assert_eq!(draft.resolve(&format!("{inner}/.app")), Ok((Mode::Directory, inner)));
        assert_eq!(draft.resolve("/"), Ok((Mode::Directory, root)));
        for bad in ["", "x", "/b", "/a/.app", "/a/my%20map/y", &format!("{blob}/y")] {
            assert_eq!(draft.resolve(bad), Err(GitError::MissingObject(bad.into())), "{bad}");
        }
        let absent = ObjectId::of(Kind::Blob, b"absent").to_string();
        assert_eq!(draft.resolve(&absent), Err(GitError::MissingObject(absent.into())));
    }

    #[test]
    fn a_path_needs_a_version() {
        let store = MemoryObjects::default();
        let missing = Err(GitError::MissingObject("/a".into()));
        assert_eq!(Draft::new(&store).resolve("/a"), missing);
    }
}
