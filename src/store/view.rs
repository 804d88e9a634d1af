//! One document as its readers see it: the tree, and in front of it what is not moved yet.

use levee_core::git::{Kind, ObjectId, Objects, ObjectsUnavailable, StoredObject};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::{DocumentImage, OpRun, StoreFault};

use super::documents::{Documents, OpRange, Recent};
use super::fjall::Tree;
use super::listing::DocumentEntry;

/// Reads one document.
pub(crate) struct View<'a> {
    doc: &'a DocKey,
    tree: Option<&'a Tree>,
    recent: Option<&'a Recent>,
}

impl<'a> View<'a> {
    /// Without a tree, memory is all there is.
    pub(crate) fn new(doc: &'a DocKey, tree: Option<&'a Tree>, documents: &'a Documents) -> Self {
        Self { doc, tree, recent: documents.get(doc) }
    }

    pub(crate) fn exists(&self) -> Result<bool, StoreFault> {
        if self.recent.is_some_and(Recent::is_document) {
            return Ok(true);
        }
        match self.tree {
            Some(tree) => Ok(tree.head(self.doc)?.is_some()),
            None => Ok(false),
        }
    }

    pub(crate) fn version(&self) -> Result<Option<ObjectId>, StoreFault> {
        if let Some(version) = self.recent.and_then(|recent| recent.version) {
            return Ok(Some(version));
        }
        match self.tree {
            Some(tree) => Ok(tree.head(self.doc)?.and_then(|head| head.version)),
            None => Ok(None),
        }
    }

    /// The document's line in a listing; `None` if it does not exist.
    pub(crate) fn entry(&self) -> Result<Option<DocumentEntry>, StoreFault> {
        if !self.exists()? {
            return Ok(None);
        }
        let head = self.tree.map(|tree| tree.head(self.doc)).transpose()?.flatten();
        let head = head.unwrap_or_default();
        let last = self.recent.and_then(Recent::last).unwrap_or(head.last);
        let version = self.recent.and_then(|recent| recent.version).or(head.version);
        Ok(Some(DocumentEntry { doc: self.doc.clone(), last, version }))
    }

    pub(crate) fn ops(
        &self,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Vec<OpRun>, StoreFault> {
        let mut range = OpRange::new(from, to, bytes_max);
        if let Some(tree) = self.tree {
            tree.read_ops(self.doc, &mut range)?;
        }
        if let Some(recent) = self.recent {
            recent.read_ops(&mut range)?;
        }
        Ok(range.into_runs())
    }

    pub(crate) fn load(&self) -> Result<Option<DocumentImage>, StoreFault> {
        if !self.exists()? {
            return Ok(None);
        }
        let checkpoint = match (self.recent.and_then(|r| r.checkpoint.clone()), self.tree) {
            (None, Some(tree)) => tree.checkpoint(self.doc)?,
            (recent, _) => recent,
        };
        let from = checkpoint.as_ref().map_or(Seq(1), |(seq, _)| seq.next());
        let ops = self.ops(from, Seq(u64::MAX), usize::MAX)?;
        Ok(Some(DocumentImage { checkpoint, version: self.version()?, ops }))
    }
}

impl Objects for View<'_> {
    fn object(&self, id: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable> {
        if let Some(object) = self.recent.and_then(|recent| recent.objects.get(id)) {
            return Ok(Some(object.clone()));
        }
        match self.tree {
            Some(tree) => tree.object(self.doc, id).map_err(|_| ObjectsUnavailable),
            None => Ok(None),
        }
    }

    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable> {
        self.version().map_err(|_| ObjectsUnavailable)
    }

    fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, ObjectsUnavailable> {
        Ok(self.object(id)?.map(|object| object.kind))
    }
}
