//! `levee git export`: a document's versions as a bare git repository, from data at rest.

use crate::config::RuntimeChoice;
use crate::git_export::{ExportError, Exported, export};
use crate::runtime::Loop;
use crate::store::{DataDir, OpenError, Store, StoreConfig};
use levee_core::git::{Commit, GitError, Kind, ObjectId, Objects, StoredObject, tree_entries};
use levee_core::ids::DocKey;
use levee_core::placement::Placement;
use levee_core::record::StoreFault;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitExportError {
    #[error("{} is not a data directory", .0.display())]
    NoData(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0}; stop the service, or export from a copy of its data")]
    Running(OpenError),
    #[error("cannot start a loop: {0}")]
    Loop(io::Error),
    #[error("cannot read the data: {0}")]
    Read(#[from] StoreFault),
    #[error("{0} has no version; a document gets its first one when it is created")]
    NoVersion(DocKey),
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Writes the versions of a document of a stopped service to a new directory.
///
/// # Errors
/// When the data is in use or damaged, or the document is unknown, or the directory not empty.
pub(super) fn run(doc: &DocKey, data: &Path, out: &Path) -> Result<Exported, GitExportError> {
    // Opening makes what is absent, which is not what one wants of an export.
    if !data.join("manifest.toml").is_file() {
        return Err(GitExportError::NoData(data.to_owned()));
    }
    let config = StoreConfig { dir: data.to_owned(), ring: false, ..StoreConfig::default() };
    let dir = match DataDir::open(&config) {
        Ok(dir) => Arc::new(dir),
        Err(error @ OpenError::Locked(_)) => return Err(GitExportError::Running(error)),
        Err(error) => return Err(error.into()),
    };
    let partition = Placement::new(dir.partitions(), 1).partition(doc);
    let (mut looped, _) = Loop::build(RuntimeChoice::Epoll).map_err(GitExportError::Loop)?;
    looped.block_on(async {
        let (store, _) = Store::open(&dir, &config, [partition]).await?;
        let (key, path) = (doc.clone(), out.to_owned());
        let exported = store.run(doc, move |objects| export_from(objects, &key, &path)).await?;
        store.close().await?;
        exported
    })
}

fn export_from(
    objects: &dyn Objects,
    doc: &DocKey,
    out: &Path,
) -> Result<Exported, GitExportError> {
    let head = objects.head().map_err(|_| StoreFault::Damaged)?;
    let head = head.ok_or_else(|| GitExportError::NoVersion(doc.clone()))?;
    let walk = Walk { objects, next: vec![head], seen: HashSet::from([head]) };
    Ok(export(walk, head, out)?)
}

/// Everything that a version needs, each object once: its history, trees and blobs.
struct Walk<'a> {
    objects: &'a dyn Objects,
    next: Vec<ObjectId>,
    seen: HashSet<ObjectId>,
}

impl Walk<'_> {
    fn read(&mut self, id: ObjectId) -> Result<StoredObject, GitError> {
        let object = self.objects.object(&id)?.ok_or(GitError::Damaged(id))?;
        match object.kind {
            Kind::Blob => {}
            Kind::Tree => {
                for entry in tree_entries(&object) {
                    self.need(entry?.id);
                }
            }
            Kind::Commit => {
                let commit = Commit::parse(&object)?;
                self.need(commit.tree);
                commit.parents.into_iter().for_each(|parent| self.need(parent));
            }
        }
        Ok(object)
    }

    fn need(&mut self, id: ObjectId) {
        if self.seen.insert(id) {
            self.next.push(id);
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<StoredObject>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.pop()?;
        Some(self.read(id).map_err(io::Error::other))
    }
}
