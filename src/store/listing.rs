//! Lists documents, a page at a time.

use levee_core::git::ObjectId;
use levee_core::ids::{DocKey, Seq};
use levee_core::record::StoreFault;
use std::collections::BTreeMap;

use super::documents::Documents;
use super::fjall::Tree;
use super::keys;
use super::values::Head;

/// Which documents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this tenant, or of all.
    pub tenant: Option<Box<str>>,
    /// Those that come after this one.
    pub after: Option<DocKey>,
    /// At most so many.
    pub limit: usize,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentEntry {
    pub doc: DocKey,
    /// The last operation, 0 if there is none.
    pub last: Seq,
    /// The current version, if the document has one.
    pub version: Option<ObjectId>,
}

/// Entries by the bytes of their heads' keys: one tenant's documents are in order of their names.
pub(crate) type Page = BTreeMap<Vec<u8>, DocumentEntry>;

/// A page of the tree with what is in memory in front of it.
pub(crate) fn list(
    query: &Query,
    tree: Option<&Tree>,
    documents: &Documents,
) -> Result<Page, StoreFault> {
    let mut page = Page::new();
    if let Some(tree) = tree {
        let heads = tree.heads(query.tenant.as_deref(), query.after.as_ref());
        for head in heads.take(query.limit) {
            let (doc, Head { last, version, .. }) = head?;
            page.insert(keys::head(&doc), DocumentEntry { doc, last, version });
        }
    }
    let after = query.after.as_ref().map(keys::head);
    for (doc, recent) in documents.iter().filter(|(_, recent)| recent.is_document()) {
        let key = keys::head(doc);
        let other = query.tenant.as_deref().is_some_and(|tenant| tenant != doc.tenant());
        if other || after.as_ref().is_some_and(|after| key <= *after) {
            continue;
        }
        let head = tree.map(|tree| tree.head(doc)).transpose()?.flatten().unwrap_or_default();
        let last = recent.last().unwrap_or(head.last);
        let version = recent.version.or(head.version);
        page.insert(key, DocumentEntry { doc: doc.clone(), last, version });
    }
    Ok(page)
}

/// Joins the pages of several partitions.
pub(crate) fn join(pages: impl IntoIterator<Item = Page>, limit: usize) -> Vec<DocumentEntry> {
    let all: Page = pages.into_iter().flatten().collect();
    all.into_values().take(limit).collect()
}
