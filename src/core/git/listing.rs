//! Trees with everything below them, as one flat list.

use super::tree::Mode;
use super::{Draft, GitError, MAX_LISTED_ENTRIES, MAX_TREE_DEPTH, ObjectId};

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Names from the listed tree down, joined by slashes.
    pub path: String,
    /// What it is.
    pub mode: Mode,
    /// Its name.
    pub id: ObjectId,
}

impl Draft<'_> {
    /// Lists a tree, and with `recursive` all below it, parents before their children.
    ///
    /// Errors: [`GitError::TooDeep`], [`GitError::TooLarge`].
    pub fn list(&self, root: &ObjectId, recursive: bool) -> Result<Vec<Listed>, GitError> {
        let mut listing = Vec::new();
        let depth_max = if recursive { MAX_TREE_DEPTH } else { 0 };
        self.list_below(root, "", depth_max, recursive, &mut listing)?;
        Ok(listing)
    }

    fn list_below(
        &self,
        tree: &ObjectId,
        parent: &str,
        depth_left: usize,
        recursive: bool,
        listing: &mut Vec<Listed>,
    ) -> Result<(), GitError> {
        for entry in self.tree(tree)? {
            if listing.len() >= MAX_LISTED_ENTRIES {
                return Err(GitError::TooLarge);
            }
            let path = match parent {
                "" => entry.name,
                _ => format!("{parent}/{}", entry.name),
            };
            listing.push(Listed { path: path.clone(), mode: entry.mode, id: entry.id });
            if recursive && entry.mode == Mode::Directory {
                let depth_left = depth_left.checked_sub(1).ok_or(GitError::TooDeep)?;
                self.list_below(&entry.id, &path, depth_left, recursive, listing)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryObjects, StoredObject, TreeEntry};
    use super::*;

    #[test]
    fn parents_come_before_children() {
        let store = MemoryObjects::default();
        let mut draft = Draft::new(&store);
        let blob = draft.add(StoredObject::blob("x")).unwrap();
        let file = TreeEntry::new("f", Mode::File, blob);
        let inner = draft.add_tree(vec![file.clone()]).unwrap();
        let dir = TreeEntry::new("d", Mode::Directory, inner);
        let root = draft.add_tree(vec![dir, file]).unwrap();
        let paths = |recursive| -> Vec<String> {
            draft.list(&root, recursive).unwrap().into_iter().map(|l| l.path).collect()
        };
        assert_eq!(paths(true), ["d", "d/f", "f"]);
        assert_eq!(paths(false), ["d", "f"]);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let store = MemoryObjects::default();
        let mut draft = Draft::new(&store);
        let mut tree = draft.add_tree(Vec::new()).unwrap();
        for _ in 0..MAX_TREE_DEPTH {
            tree = draft.add_tree(vec![TreeEntry::new("d", Mode::Directory, tree)]).unwrap();
        }
        assert_eq!(draft.list(&tree, true).unwrap().len(), MAX_TREE_DEPTH);
        tree = draft.add_tree(vec![TreeEntry::new("d", Mode::Directory, tree)]).unwrap();
        assert_eq!(draft.list(&tree, true), Err(GitError::TooDeep));

        let mut tree = draft.add_tree(Vec::new()).unwrap();
        for _ in 0..40 {
            let twins = ["a", "b"].map(|name| TreeEntry::new(name, Mode::Directory, tree));
            tree = draft.add_tree(twins.into()).unwrap();
        }
        assert_eq!(draft.list(&tree, true), Err(GitError::TooLarge));
    }
}
