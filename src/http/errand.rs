//! Answers that take all cores: a tenant's documents are spread over them.

use super::CoreContext;
use crate::store::{Dates, DocumentEntry, Listing, Query};
use bytes::Bytes;
use futures_channel::oneshot;
use levee_core::git::{GitError, ObjectId, Objects};
use levee_core::ids::{DocKey, ShardId};
use levee_core::record::StoreFault;
use std::collections::HashMap;

/// Pages that one core looks through for one answer.
const PAGES_MAX: usize = 100;
/// An object is looked for in so many documents of a core, and no further.
const HOLDERS_MAX: usize = 10_000;
/// So many at once.
const HOLDERS_PER_PAGE: usize = 500;

/// The way back to the core that asks; whoever is gone needs no answer.
type Back<T> = oneshot::Sender<Result<T, StoreFault>>;
/// What is made of a document's objects, on its storage thread.
pub(super) type Look = fn(&dyn Objects, &DocKey, &Looked) -> Result<Bytes, GitError>;

/// What one core asks of another.
pub struct Errand(Task);

enum Task {
    List { query: Query, dated: bool, back: Back<Found> },
    Find { tenant: Box<str>, looked: Looked, look: Look, back: Back<Option<LookedAt>> },
}

/// An object that is looked for, and how it is to be shown.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub(super) id: ObjectId,
    /// Trees: with everything below.
    pub(super) recursive: bool,
    /// Blobs: in base64.
    pub(super) base64: bool,
}

/// What came of looking at a document's object.
pub(super) type LookedAt = Result<Bytes, GitError>;

/// One document of a listing.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) entry: DocumentEntry,
    pub(super) dates: Dates,
    pub(super) is_live: bool,
}

/// A page of documents.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// The next page comes after this document.
    pub(super) next: Option<DocKey>,
}

/// One core's part of a page, and of each entry what else is shown.
struct Found {
    listing: Listing,
    shown: Vec<(Dates, bool)>,
}

/// Does what another core asked for.
pub async fn run_errand(core: &CoreContext, Errand(task): Errand) {
    match task {
        Task::List { query, dated, back } => {
            let _ = back.send(list_own(core, query, dated).await);
        }
        Task::Find { tenant, looked, look, back } => {
            let _ = back.send(find_own(core, tenant, looked, look).await);
        }
    }
}

/// A page of a tenant's documents, of all cores. Without `dated` nobody looks up the times.
pub(super) async fn list(
    core: &CoreContext,
    query: &Query,
    dated: bool,
) -> Result<Rows, StoreFault> {
    let task = |back| Task::List { query: query.clone(), dated, back };
    let found = everywhere(core, task).await?;
    let mut shown = HashMap::new();
    let mut pages = Vec::with_capacity(found.len());
    for Found { listing, shown: own } in found {
        let docs = listing.entries.iter().map(|entry| entry.doc.clone());
        shown.extend(docs.zip(own));
        pages.push(listing);
    }
    let Listing { entries, next } = Listing::join(pages, query.limit);
    let row = |entry: DocumentEntry| {
        let (dates, is_live) = shown.get(&entry.doc).copied().unwrap_or_default();
        Row { entry, dates, is_live }
    };
    Ok(Rows { rows: entries.into_iter().map(row).collect(), next })
}

/// Looks for an object in all documents of a tenant, within bounds; `None`: it was not found.
pub(super) async fn find(
    core: &CoreContext,
    tenant: &str,
    looked: &Looked,
    look: Look,
) -> Result<Option<LookedAt>, StoreFault> {
    let task = |back| Task::Find { tenant: tenant.into(), looked: looked.clone(), look, back };
    Ok(everywhere(core, task).await?.into_iter().flatten().next())
}

/// Looks at one document of this core.
pub(super) async fn look_at(
    core: &CoreContext,
    doc: &DocKey,
    looked: Looked,
    look: Look,
) -> Result<LookedAt, StoreFault> {
    let named = doc.clone();
    core.store.run(doc, move |objects| look(objects, &named, &looked)).await
}

/// Has every core do its part, this one too.
async fn everywhere<T>(
    core: &CoreContext,
    task: impl Fn(Back<T>) -> Task,
) -> Result<Vec<T>, StoreFault> {
    let mut answers = Vec::new();
    for shard in (0..core.placement.shards()).map(ShardId).filter(|shard| *shard != core.id) {
        let (back, answer) = oneshot::channel();
        (core.live.errand)(shard, Errand(task(back)));
        answers.push(answer);
    }
    let (back, own) = oneshot::channel();
    run_errand(core, Errand(task(back))).await;
    answers.push(own);
    let mut found = Vec::with_capacity(answers.len());
    for answer in answers {
        found.push(answer.await.unwrap_or(Err(StoreFault::Closed))?);
    }
    Ok(found)
}

async fn list_own(core: &CoreContext, query: Query, dated: bool) -> Result<Found, StoreFault> {
    let (mut listing, mut query) = (Listing::default(), query);
    let limit = query.limit;
    for _ in 0..PAGES_MAX {
        let page = core.store.documents(&query).await?;
        listing.entries.extend(page.entries);
        listing.next = page.next;
        query.limit = limit.saturating_sub(listing.entries.len());
        if listing.next.is_none() || query.limit == 0 {
            break;
        }
        query.after.clone_from(&listing.next);
    }
    let dates = if dated {
        core.store.dates(&listing.entries).await?
    } else {
        vec![Dates::default(); listing.entries.len()]
    };
    let is_live = |entry: &DocumentEntry| (core.live.published)(&entry.doc).is_some();
    let shown = listing.entries.iter().zip(dates).map(|(entry, dates)| (dates, is_live(entry)));
    let shown = shown.collect();
    Ok(Found { listing, shown })
}

async fn find_own(
    core: &CoreContext,
    tenant: Box<str>,
    looked: Looked,
    look: Look,
) -> Result<Option<LookedAt>, StoreFault> {
    let mut query = Query { tenant: Some(tenant), limit: HOLDERS_PER_PAGE, ..Query::default() };
    for _ in 0..HOLDERS_MAX / HOLDERS_PER_PAGE {
        let page = core.store.documents(&query).await?;
        if let Some(doc) = core.store.holder(&page.entries, looked.id).await? {
            return look_at(core, &doc, looked, look).await.map(Some);
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    Ok(None)
}
