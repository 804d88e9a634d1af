//! Directories: git's order, modes and byte form.

use super::object::{Kind, ObjectId, StoredObject};
use super::{GitError, MAX_NAME_BYTES};

/// What a tree entry points to. Fluid knows plain files and directories only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A blob.
    File,
    /// Another tree.
    Directory,
}

impl Mode {
    /// The mode as it stands in a tree's bytes.
    const fn bytes(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Directory => "40000",
        }
    }

    /// The mode as REST bodies spell it, always six digits.
    pub const fn rest(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Directory => "040000",
        }
    }

    /// The kind of the object behind such an entry.
    pub const fn kind(self) -> Kind {
        match self {
            Self::File => Kind::Blob,
            Self::Directory => Kind::Tree,
        }
    }

    /// The mode for an object of this kind; a commit (a submodule) has none here.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Blob => Some(Self::File),
            Kind::Tree => Some(Self::Directory),
            Kind::Commit => None,
        }
    }
}

/// One entry of a tree, owned, as builders use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name, one path segment.
    pub name: String,
    /// What it points to.
    pub mode: Mode,
    /// The object it points to.
    pub id: ObjectId,
}

impl TreeEntry {
    /// An entry of the given name for an object.
    pub fn new(name: impl Into<String>, mode: Mode, id: ObjectId) -> Self {
        Self { name: name.into(), mode, id }
    }
}

/// One entry of a tree, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntryRef<'a> {
    /// Its name, one path segment.
    pub name: &'a str,
    /// What it points to.
    pub mode: Mode,
    /// The object it points to.
    pub id: ObjectId,
}

impl TreeEntryRef<'_> {
    /// A copy that outlives the tree's bytes.
    pub fn to_entry(self) -> TreeEntry {
        TreeEntry::new(self.name, self.mode, self.id)
    }
}

/// Writes a tree of these entries, in git's order whatever the order given.
///
/// Errors: [`GitError::InvalidName`], [`GitError::DuplicateName`].
pub fn write_tree(mut entries: Vec<TreeEntry>) -> Result<StoredObject, GitError> {
    for entry in &entries {
        check_name(&entry.name)?;
    }
    // By name first, to see duplicates that git's order would keep apart ("a" and "a/" around "a.b").
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if entries.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(GitError::DuplicateName);
    }
    entries.sort_by(|a, b| sort_key(a).cmp(sort_key(b)));
    let body_bytes = entries.iter().map(|e| 8 + e.name.len() + ObjectId::BYTES).sum();
    let mut body = Vec::with_capacity(body_bytes);
    for entry in &entries {
        body.extend_from_slice(entry.mode.bytes().as_bytes());
        body.push(b' ');
        body.extend_from_slice(entry.name.as_bytes());
        body.push(0);
        body.extend_from_slice(entry.id.as_bytes());
    }
    Ok(StoredObject::new(Kind::Tree, body))
}

/// Git compares the names of directories as if they ended in a slash.
fn sort_key(entry: &TreeEntry) -> impl Iterator<Item = u8> + '_ {
    let slash = matches!(entry.mode, Mode::Directory).then_some(b'/');
    entry.name.bytes().chain(slash)
}

/// Refuses what `git fsck --strict` would refuse in a tree.
fn check_name(name: &str) -> Result<(), GitError> {
    let path = name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']);
    if path || name.len() > MAX_NAME_BYTES || is_dot_git(name) {
        return Err(GitError::InvalidName);
    }
    Ok(())
}

/// Whether some file system would take the name for git's own directory: case is ignored, HFS+
/// drops invisible characters, NTFS drops trailing dots, spaces and stream names, and Windows
/// takes a backslash for a separator.
fn is_dot_git(name: &str) -> bool {
    let visible: String = name.chars().filter(|&c| !is_ignored_by_hfs(c)).collect();
    if visible.eq_ignore_ascii_case(".git") {
        return true;
    }
    name.split('\\').any(|part| {
        let stem = part.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
        stem.eq_ignore_ascii_case(".git") || stem.eq_ignore_ascii_case("git~1")
    })
}

const fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Iterates over the entries of a tree's body.
///
/// Yields [`GitError::Damaged`] once and ends where the bytes are not a tree of ours.
pub fn tree_entries(tree: &StoredObject) -> TreeEntries<'_> {
    TreeEntries { id: tree.id, rest: &tree.body }
}

/// See [`tree_entries`].
pub struct TreeEntries<'a> {
    id: ObjectId,
    rest: &'a [u8],
}

impl<'a> TreeEntries<'a> {
    fn parse(&mut self) -> Option<TreeEntryRef<'a>> {
        let nul = memchr::memchr(0, self.rest)?;
        let (head, tail) = (&self.rest[..nul], &self.rest[nul + 1..]);
        let (mode, name) = std::str::from_utf8(head).ok()?.split_once(' ')?;
        let mode = match mode {
            "100644" => Mode::File,
            "40000" => Mode::Directory,
            _ => return None,
        };
        let (id, rest) = tail.split_first_chunk::<{ ObjectId::BYTES }>()?;
        self.rest = rest;
        Some(TreeEntryRef { name, mode, id: ObjectId::from_bytes(*id) })
    }
}

impl<'a> Iterator for TreeEntries<'a> {
    type Item = Result<TreeEntryRef<'a>, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.parse().ok_or_else(|| {
            self.rest = &[];
            GitError::Damaged(self.id)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, mode: Mode) -> TreeEntry {
        TreeEntry::new(name, mode, ObjectId::of(Kind::Blob, name.as_bytes()))
    }

    #[test]
    fn entries_stand_in_git_order_and_read_back() {
        let tree = write_tree(vec![
            entry("a0", Mode::File),
            entry("a", Mode::Directory),
            entry("a.b", Mode::File),
            entry("B", Mode::File),
        ])
        .unwrap();
        let entries: Vec<_> = tree_entries(&tree).map(Result::unwrap).collect();
        let names: Vec<_> = entries.iter().map(|e| e.name).collect();
        assert_eq!(names, ["B", "a.b", "a", "a0"]);
        assert_eq!(entries[2].mode, Mode::Directory);
        assert_eq!(entries[2].id, entry("a", Mode::Directory).id);
    }

    #[test]
    fn the_empty_tree_has_its_well_known_id() {
        let tree = write_tree(Vec::new()).unwrap();
        assert_eq!(tree.id.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(tree_entries(&tree).count(), 0);
    }

    #[test]
    fn names_that_git_forbids_are_refused() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let bad = [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "a\0",
            ".git",
            ".GIT",
            ".Git",
            ".git ",
            ".git.",
            ".git::$X",
            "GIT~1",
            "x\\.git",
            ".g\u{200c}it",
            &long,
        ];
        for name in bad {
            let result = write_tree(vec![entry(name, Mode::File)]);
            assert_eq!(result, Err(GitError::InvalidName), "{name:?}");
        }
        for name in [".gitx", "git", ".app", "a%2Fb", "ü", " ", "a\\b", &long[1..]] {
            assert!(write_tree(vec![entry(name, Mode::File)]).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn duplicate_names_are_refused_whatever_their_mode() {
        let twins =
            vec![entry("a", Mode::File), entry("a.b", Mode::File), entry("a", Mode::Directory)];
        assert_eq!(write_tree(twins), Err(GitError::DuplicateName));
    }

    #[test]
    fn damaged_bytes_end_the_iteration_with_one_error() {
        let good = write_tree(vec![entry("a", Mode::File), entry("b", Mode::File)]).unwrap();
        for cut in 1..good.body.len() {
            let tree = StoredObject { body: good.body.slice(..cut), ..good.clone() };
            let errors = tree_entries(&tree).filter(Result::is_err).count();
            let whole = cut == good.body.len() / 2;
            assert_eq!(errors, usize::from(!whole), "cut at {cut}");
        }
    }
}
