//! Real git objects, and everything that shapes a document's summaries, as pure functions.
//!
//! A git request runs as a job on a storage thread. It reads one document's objects through
//! [`Objects`] and returns its answer with the objects that are new; the caller makes those durable
//! before it answers. Every document has its own object space: nothing here can see another's.

mod accept;
mod commit;
mod create;
mod download;
mod draft;
mod error;
mod layout;
mod listing;
mod memory;
mod names;
mod object;
mod resolve;
mod rest;
mod tree;
mod upload;

pub use accept::{AcceptContext, SummaryProposal, SummaryVerdict, accept_summary};
pub use commit::{Commit, Signature, iso_date, parse_iso_date};
pub use create::{CreateRequest, NewDocument, create_document};
pub use draft::Draft;
pub use error::{GitError, ObjectsUnavailable};
pub use layout::{Attributes, Protocol};
pub use listing::Listed;
pub use memory::MemoryObjects;
pub use names::{decode_name, encode_name};
pub use object::{Kind, ObjectId, StoredObject, header};
pub use rest::{GitAnswer, GitJob, GitRequest, RestDialect, signature_json};
pub use tree::{Mode, TreeEntries, TreeEntry, TreeEntryRef, tree_entries, write_tree};

/// Longest name of a tree entry, in bytes; `git fsck --strict` warns beyond it.
pub const MAX_NAME_BYTES: usize = 4096;

/// Deepest nesting of trees that is walked.
pub const MAX_TREE_DEPTH: usize = 128;

/// Most entries of one recursive listing or snapshot. Trees may share subtrees, so a few small
/// objects can describe a listing without end.
pub const MAX_LISTED_ENTRIES: usize = 250_000;

/// Most versions of one answer to a question for a document's history.
pub const MAX_LISTED_VERSIONS: usize = 1000;

/// Most bytes of blobs in one whole snapshot, for the same reason.
pub const MAX_SNAPSHOT_BYTES: usize = 512 << 20;

/// Reads one document's objects.
pub trait Objects {
    /// The object of that id, or `None` if this document has none.
    fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable>;

    /// The document's current version (a commit), or `None` before its first.
    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable>;

    /// The object's kind; a store that knows it without reading the body should say so.
    fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, ObjectsUnavailable> {
        Ok(self.object(id)?.map(|object| object.kind))
    }
}

#[cfg(test)]
mod tests;
