//! Lists documents, a page at a time.

use levee_core::git::{Commit, Kind, ObjectId, Objects};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::StoreFault;
use levee_core::wire::json::Raw;
use std::collections::BTreeMap;

use super::documents::Documents;
use super::fjall::Tree;
use super::keys;
use super::values::Head;
use super::view::View;

/// So many names are looked at for one page, whether they match or not: a search through many
/// documents goes on with the next page, and others get their turn in between.
pub(crate) const LOOKED_AT_MAX: usize = 2_000;

/// Which documents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this tenant, or of all.
    pub tenant: Option<Box<str>>,
    /// Those that come after this one.
    pub after: Option<DocKey>,
    /// At most so many; at least 1.
    pub limit: usize,
    /// Those whose name has this in it, in lower or upper case.
    pub search: Option<Box<str>>,
}

impl Query {
    fn wants(&self, doc: &DocKey) -> bool {
        let Some(search) = self.search.as_deref() else { return true };
        let (name, search) = (doc.document().as_bytes(), search.as_bytes());
        search.is_empty()
            || name.windows(search.len()).any(|part| part.eq_ignore_ascii_case(search))
    }
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

/// When a document was made and last changed, milliseconds since the Unix epoch, as far as its
/// operations and its current version tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    pub created_ms: Option<u64>,
    pub updated_ms: Option<u64>,
}

/// A page of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// One tenant's are in order of their names. A search may find few and still have more to come.
    pub entries: Vec<DocumentEntry>,
    /// The next page comes after this document; `None` when there is none.
    pub next: Option<DocKey>,
}

impl Listing {
    /// Joins the pages that several partitions, or cores, have for one query. What is behind the
    /// end of the shortest page waits for the next one.
    #[must_use]
    pub fn join(pages: impl IntoIterator<Item = Self>, limit: usize) -> Self {
        let mut all = BTreeMap::new();
        let mut end: Option<(Vec<u8>, DocKey)> = None;
        for page in pages {
            if let Some(next) = page.next {
                let key = keys::head(&next);
                if end.as_ref().is_none_or(|(least, _)| key < *least) {
                    end = Some((key, next));
                }
            }
            // A later page's entry of the same document is the newer one.
            all.extend(page.entries.into_iter().map(|entry| (keys::head(&entry.doc), entry)));
        }
        let is_sure = |key: &Vec<u8>| end.as_ref().is_none_or(|(end, _)| key <= end);
        let mut sure = all.into_iter().take_while(|(key, _)| is_sure(key)).map(|(_, entry)| entry);
        let entries: Vec<_> = sure.by_ref().take(limit).collect();
        let next = match sure.next() {
            Some(_) => entries.last().map(|entry| entry.doc.clone()),
            None => end.map(|(_, doc)| doc),
        };
        Self { entries, next }
    }

    /// A page of sorted rows.
    fn of(
        rows: impl Iterator<Item = Result<DocumentEntry, StoreFault>>,
        query: &Query,
    ) -> Result<Self, StoreFault> {
        let (mut page, mut last) = (Self::default(), None);
        for (looked_at, row) in rows.enumerate() {
            let entry = row?;
            if page.entries.len() >= query.limit || looked_at >= LOOKED_AT_MAX {
                page.next = last;
                break;
            }
            last = Some(entry.doc.clone());
            if query.wants(&entry.doc) {
                page.entries.push(entry);
            }
        }
        Ok(page)
    }
}

/// A page of the tree with what is in memory in front of it.
pub(crate) fn list(
    query: &Query,
    tree: Option<&Tree>,
    documents: &Documents,
) -> Result<Listing, StoreFault> {
    let moved = match tree {
        Some(tree) => {
            let heads = tree.heads(query.tenant.as_deref(), query.after.as_ref());
            let row = |(doc, Head { last, version, .. })| DocumentEntry { doc, last, version };
            Listing::of(heads.map(|head| head.map(row)), query)?
        }
        None => Listing::default(),
    };
    let row = |doc: &DocKey| {
        let recent = documents.get(doc);
        let head = tree.map(|tree| tree.head(doc)).transpose()?.flatten().unwrap_or_default();
        let last = recent.and_then(|recent| recent.last()).unwrap_or(head.last);
        let version = recent.and_then(|recent| recent.version).or(head.version);
        Ok(DocumentEntry { doc: doc.clone(), last, version })
    };
    let names = documents.sorted(query.tenant.as_deref(), query.after.as_ref());
    let recent = Listing::of(names.map(row), query)?;
    Ok(Listing::join([moved, recent], query.limit))
}

/// When a document was made and last changed.
pub(crate) fn dates(view: &View<'_>, entry: &DocumentEntry) -> Result<Dates, StoreFault> {
    let op_ms = |seq: Seq| -> Result<Option<u64>, StoreFault> {
        let runs = view.ops(seq, seq, usize::MAX)?;
        let op = runs.first().and_then(|run| Raw::parse(&run.bytes).ok());
        Ok(op.and_then(|op| op.field("timestamp")).and_then(|time| time.as_u64()))
    };
    let version_ms = || {
        let object = view.object(&entry.version?).ok()??;
        let is_commit = object.kind == Kind::Commit;
        let commit = is_commit.then(|| Commit::parse(&object).ok())??;
        u64::try_from(commit.committer.time_unix_s).ok().map(|time_s| time_s * 1000)
    };
    // A document that was made with a number behind it has no first operation.
    let first_ms = if entry.last > Seq(0) { op_ms(Seq(1))? } else { None };
    let last_ms = if entry.last > Seq(1) { op_ms(entry.last)? } else { first_ms };
    Ok(Dates { created_ms: first_ms.or_else(version_ms), updated_ms: last_ms.or_else(version_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> DocumentEntry {
        DocumentEntry { doc: DocKey::new("t", name), last: Seq(1), version: None }
    }

    fn page(names: &[&str], next: Option<&str>) -> Listing {
        Listing {
            entries: names.iter().map(|name| entry(name)).collect(),
            next: next.map(|name| DocKey::new("t", name)),
        }
    }

    #[test]
    fn a_joined_page_ends_where_the_shortest_does() {
        let join = |pages: &[&Listing], limit| Listing::join(pages.iter().copied().cloned(), limit);
        let (short, long) = (page(&["a", "c"], Some("c")), page(&["b", "d", "e"], None));
        assert_eq!(join(&[&short, &long], 9), page(&["a", "b", "c"], Some("c")));
        assert_eq!(join(&[&short, &long], 2), page(&["a", "b"], Some("b")));
        assert_eq!(join(&[&short, &long], 3), page(&["a", "b", "c"], Some("c")));
        assert_eq!(join(&[&long], 3), page(&["b", "d", "e"], None));
        // A search that has found nothing so far.
        assert_eq!(join(&[&page(&[], Some("a")), &long], 9), page(&[], Some("a")));
    }

    #[test]
    fn a_page_is_bounded_by_what_is_looked_at() {
        let names: Vec<String> = (0..LOOKED_AT_MAX + 5).map(|n| format!("{n:06}")).collect();
        let search = Some("999".into());
        let query = Query { limit: 100, search, ..Query::default() };
        let rows = |after: usize| names[after..].iter().map(|name| Ok(entry(name)));
        let first = Listing::of(rows(0), &query).unwrap();
        assert_eq!(first.entries, [entry("000999"), entry("001999")]);
        assert_eq!(first.next, Some(DocKey::new("t", &names[LOOKED_AT_MAX - 1])));
        let rest = Listing::of(rows(LOOKED_AT_MAX), &query).unwrap();
        assert_eq!(rest, Listing::default());
    }

    #[test]
    fn a_search_does_not_see_case() {
        let query = |search: &str| Query { search: Some(search.into()), ..Query::default() };
        let doc = DocKey::new("t", "Meeting-Notes");
        assert!(["notes", "MEET", "", "g-N"].into_iter().all(|text| query(text).wants(&doc)));
        assert!(!query("notesx").wants(&doc));
    }
}
