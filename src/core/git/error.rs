//! What can be wrong with a git request or with what it reads.

use super::object::{Kind, ObjectId};

/// The store cannot answer now; the request may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Storage is unavailable")]
pub struct ObjectsUnavailable;

/// Why a git request failed. The texts are what clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The store failed: retry.
    #[error(transparent)]
    Unavailable(#[from] ObjectsUnavailable),
    /// A stored object does not parse: our damage, not the client's fault.
    #[error("Stored object {0} is damaged")]
    Damaged(ObjectId),
    /// The body is not the JSON this request needs.
    #[error("Malformed request body")]
    BadBody,
    /// A required member of the body is absent or of a wrong type.
    #[error("Missing or invalid {0}")]
    MissingField(&'static str),
    /// `encoding` is base64 and `content` is not.
    #[error("Invalid base64 content")]
    InvalidBase64,
    /// Not 40 hexadecimal digits.
    #[error("Invalid object id")]
    InvalidId,
    /// The object that the path names does not exist in this document.
    #[error("{} not found", title(*.0))]
    NotFound(Kind),
    /// No version of the document exists.
    #[error("Version not found")]
    VersionNotFound,
    /// The document has no reference of that name.
    #[error("Reference not found")]
    ReferenceNotFound,
    /// The document's reference exists already.
    #[error("Reference already exists")]
    ReferenceExists,
    /// The body refers to an object that the document does not have.
    #[error("Object {0} does not exist")]
    MissingObject(Box<str>),
    /// An object is of another kind than the request needs.
    #[error("Object {id} is not a {}", .expected.name())]
    WrongKind {
        /// The object in question.
        id: ObjectId,
        /// What it should have been.
        expected: Kind,
    },
    /// A tree entry's name is empty, a path, or reserved by git.
    #[error("Invalid tree entry name")]
    InvalidName,
    /// Two entries of one tree have the same name.
    #[error("Duplicate tree entry name")]
    DuplicateName,
    /// Trees nest deeper than [`super::MAX_TREE_DEPTH`].
    #[error("Tree is nested too deeply")]
    TooDeep,
    /// A listing or snapshot exceeds its bound.
    #[error("Tree is too large")]
    TooLarge,
}

const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob => "Blob",
        Kind::Tree => "Tree",
        Kind::Commit => "Commit",
    }
}
