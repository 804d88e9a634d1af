//! Requests that only read.

use super::super::download::whole_summary;
use super::super::upload::Base64;
use super::super::{Commit, Draft, GitError, Kind, MAX_LISTED_VERSIONS, ObjectId};
use super::GitJob;
use super::json::{BlobBody, to_body};

impl GitJob {
    pub(super) fn blob(&self, draft: &Draft<'_>, id: &str) -> Result<Vec<u8>, GitError> {
        let blob = draft.expect(&id_in_path(id, Kind::Blob)?, Kind::Blob)?;
        to_body(&BlobBody {
            sha: blob.id,
            size: blob.body.len(),
            content: Base64(&blob.body),
            encoding: "base64",
            url: self.dialect.url(Kind::Blob, &blob.id),
        })
    }

    pub(super) fn tree(
        &self,
        draft: &Draft<'_>,
        id: &str,
        recursive: bool,
    ) -> Result<Vec<u8>, GitError> {
        let id = id_in_path(id, Kind::Tree)?;
        to_body(&self.dialect.tree_body(id, draft.list(&id, recursive)?))
    }

    pub(super) fn commit(&self, draft: &Draft<'_>, id: &str) -> Result<Vec<u8>, GitError> {
        let id = id_in_path(id, Kind::Commit)?;
        to_body(&self.dialect.commit_body(id, draft.commit(&id)?))
    }

    /// A document's history, newest first.
    pub(super) fn commits(
        &self,
        draft: &Draft<'_>,
        start: &str,
        count: usize,
    ) -> Result<Vec<u8>, GitError> {
        let mut versions = Vec::new();
        let mut next = Some(self.version(draft, start, &self.document)?);
        while let Some(id) = next {
            if versions.len() >= count.min(MAX_LISTED_VERSIONS) {
                break;
            }
            let commit: Commit = draft.commit(&id)?;
            next = commit.parents.first().copied();
            versions.push(self.dialect.version_body(id, commit));
        }
        to_body(&versions)
    }

    pub(super) fn refs(&self, draft: &Draft<'_>) -> Result<Vec<u8>, GitError> {
        let refs = draft.head()?.map(|head| self.dialect.ref_body(&self.document, head));
        to_body(&Vec::from_iter(refs))
    }

    pub(super) fn reference(&self, draft: &Draft<'_>, name: &str) -> Result<Vec<u8>, GitError> {
        if !self.is_own_ref(name) {
            return Err(GitError::ReferenceNotFound);
        }
        let head = draft.head()?.ok_or(GitError::ReferenceNotFound)?;
        to_body(&self.dialect.ref_body(&self.document, head))
    }

    pub(super) fn summary(&self, draft: &Draft<'_>, version: &str) -> Result<Vec<u8>, GitError> {
        whole_summary(draft, &self.version(draft, version, "latest")?)
    }

    /// The document has one reference, named like itself.
    pub(super) fn is_own_ref(&self, name: &str) -> bool {
        let name = name.strip_prefix("refs/").unwrap_or(name);
        name == self.document || name.strip_prefix("heads/") == Some(&self.document)
    }

    /// The current version if asked for by that word, else the version of that id.
    fn version(&self, draft: &Draft<'_>, text: &str, current: &str) -> Result<ObjectId, GitError> {
        if text == current {
            return draft.head()?.ok_or(GitError::VersionNotFound);
        }
        let id = text.parse().map_err(|_| GitError::VersionNotFound)?;
        match draft.kind(&id)? {
            Some(Kind::Commit) => Ok(id),
            Some(Kind::Blob | Kind::Tree) | None => Err(GitError::VersionNotFound),
        }
    }
}

/// An id that cannot be one names nothing.
fn id_in_path(id: &str, kind: Kind) -> Result<ObjectId, GitError> {
    id.parse().map_err(|_| GitError::NotFound(kind))
}
