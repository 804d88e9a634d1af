//! The store that forgets: everything in memory, answered at once.

use levee_core::git::{ObjectId, Objects, StoredObject};
use levee_core::ids::DocKey;
use levee_core::record::{Record, StoreFault};
use std::cell::RefCell;

use super::documents::Documents;
use super::listing::{Dates, DocumentEntry, Listing, Query, dates, list};
use super::view::View;

/// All partitions of one core.
#[derive(Debug, Default)]
pub struct Memory {
    documents: RefCell<Documents>,
}

impl Memory {
    pub(crate) fn append(&self, records: Vec<Record>) {
        let mut documents = self.documents.borrow_mut();
        records.into_iter().for_each(|record| documents.apply(record));
    }

    pub(crate) fn put_objects(&self, doc: &DocKey, objects: Vec<StoredObject>) {
        self.append(
            objects.into_iter().map(|object| Record::Object(doc.clone(), object)).collect(),
        );
    }

    pub(crate) fn view<T>(&self, doc: &DocKey, read: impl FnOnce(&View<'_>) -> T) -> T {
        read(&View::new(doc, None, &self.documents.borrow()))
    }

    pub(crate) fn run<T>(&self, doc: &DocKey, job: impl FnOnce(&dyn Objects) -> T) -> T {
        self.view(doc, |view| job(view))
    }

    pub(crate) fn documents(&self, query: &Query) -> Result<Listing, StoreFault> {
        list(query, None, &self.documents.borrow())
    }

    pub(crate) fn dates(&self, entries: &[DocumentEntry]) -> Result<Vec<Dates>, StoreFault> {
        entries.iter().map(|entry| self.view(&entry.doc, |view| dates(view, entry))).collect()
    }

    pub(crate) fn holder(
        &self,
        entries: &[DocumentEntry],
        id: ObjectId,
    ) -> Result<Option<DocKey>, StoreFault> {
        let has = |doc: &&DocKey| self.view(doc, |view| matches!(view.kind(&id), Ok(Some(_))));
        Ok(entries.iter().map(|entry| &entry.doc).find(has).cloned())
    }

    pub(crate) fn delete(&self, doc: &DocKey) {
        self.documents.borrow_mut().remove(doc);
    }
}
