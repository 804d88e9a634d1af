//! Versions and objects. An object belongs to its document, which our page names with `document=`;
//! the original's page does not know that, and for it the tenant's documents are looked through.

use super::super::fault::ApiFault;
use super::super::{Answer, Call};
use super::documents::query;
use crate::http::errand::{self, Look, Looked};
use crate::http::reply::Reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use levee_core::git::{
    Attributes, Draft, GitError, Kind, Listed, ObjectId, Objects, decode_name, iso_date,
    signature_json,
};
use levee_core::ids::DocKey;
use levee_core::record::StoreFault;
use serde_json::{Value, json};

const SUMMARIES_DEFAULT: u64 = 100;
const SUMMARIES_MAX: u64 = 500;
/// Objects never change, but only members may see them: no shared cache.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// How an object of one kind is shown, and what is said of one that is not there.
pub(super) type Shown = (Look, &'static str);
pub(super) const BLOB: Shown = (blob, "Blob not found");
pub(super) const TREE: Shown = (tree, "Tree not found");
pub(super) const COMMIT: Shown = (commit, "Commit not found");

pub(super) async fn object(
    call: Call<'_>,
    tenant: &str,
    id: &str,
    (look, absent): Shown,
) -> Answer {
    let id: ObjectId = id.parse().map_err(|_| ApiFault::NotFound(absent))?;
    let is = |name, words: &[&str]| call.request.query(name).is_some_and(|v| words.contains(&&*v));
    let recursive = is("recursive", &["1", "true"]);
    let looked = Looked { id, recursive, base64: is("encoding", &["base64"]) };
    let found = match &call.request.document {
        Some(doc) => Some(errand::look_at(call.core, doc, looked, look).await?),
        None => errand::find(call.core, tenant, &looked, look).await?,
    };
    match found {
        None => Err(ApiFault::NotFound(absent)),
        Some(Ok(body)) => Ok(Reply::json(200, body).with("cache-control", IMMUTABLE)),
        Some(Err(error)) => Err(fault(&error, absent)),
    }
}

fn fault(error: &GitError, absent: &'static str) -> ApiFault {
    match error.status() {
        400 | 404 => ApiFault::NotFound(absent),
        413 => ApiFault::TooLarge,
        503 => StoreFault::Busy.into(),
        _ => StoreFault::Damaged.into(),
    }
}

fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

/// The original's page shows text; what is none comes lossy, unless base64 is asked for.
fn blob(objects: &dyn Objects, doc: &DocKey, looked: &Looked) -> Result<Bytes, GitError> {
    let blob = Draft::new(objects).expect(&looked.id, Kind::Blob)?;
    let is_text = std::str::from_utf8(&blob.body).is_ok();
    let (content, encoding) = if looked.base64 {
        (STANDARD.encode(&blob.body), "base64")
    } else {
        (String::from_utf8_lossy(&blob.body).into_owned(), "utf-8")
    };
    Ok(body(&json!({ "blob": {
        "sha": blob.id, "size": blob.body.len(), "content": content, "encoding": encoding,
        "is_text": is_text, "document_id": doc.document(),
    } })))
}

fn tree(objects: &dyn Objects, doc: &DocKey, looked: &Looked) -> Result<Bytes, GitError> {
    let listed = Draft::new(objects).list(&looked.id, looked.recursive)?;
    let entry = |Listed { path, mode, id }| {
        let names: Vec<_> = path.split('/').map(decode_name).collect();
        let kind = mode.kind().name();
        json!({ "path": names.join("/"), "mode": mode.rest(), "sha": id, "type": kind })
    };
    let entries: Vec<Value> = listed.into_iter().map(entry).collect();
    Ok(body(&json!({ "tree": {
        "sha": looked.id, "tree": entries, "document_id": doc.document(),
    } })))
}

fn commit(objects: &dyn Objects, doc: &DocKey, looked: &Looked) -> Result<Bytes, GitError> {
    let commit = Draft::new(objects).commit(&looked.id)?;
    Ok(body(&json!({ "commit": {
        "sha": looked.id, "tree": commit.tree, "parents": commit.parents,
        "message": commit.message,
        "author": signature_json(&commit.author, commit.author_json.as_deref()),
        "committer": signature_json(&commit.committer, commit.committer_json.as_deref()),
        "document_id": doc.document(),
    } })))
}

/// `?from_sequence_number=0&limit=100&start=`: versions, newest first. `start` is the last page's
/// `next`.
pub(super) async fn summaries(call: Call<'_>, doc: &DocKey) -> Answer {
    let least = call.number("from_sequence_number", 0, u64::MAX);
    let limit = call.number("limit", SUMMARIES_DEFAULT, SUMMARIES_MAX);
    let absent = ApiFault::NotFound("Commit not found");
    let start = call.request.query("start").filter(|start| !start.is_empty());
    let start = start.map(|start| start.parse::<ObjectId>().map_err(|_| absent)).transpose()?;
    if !call.core.store.exists(doc).await? && (call.core.live.published)(doc).is_none() {
        return Err(ApiFault::NotFound("Document not found"));
    }
    let named = doc.clone();
    let page = move |objects: &dyn Objects| versions(objects, &named, start, (least, limit));
    let page = call.core.store.run(doc, page).await?;
    let (rows, next) = page.map_err(|error| fault(&error, "Commit not found"))?;
    Ok(Reply::of(200, &json!({ "summaries": rows, "next": next })))
}

fn versions(
    objects: &dyn Objects,
    doc: &DocKey,
    start: Option<ObjectId>,
    (least, limit): (u64, u64),
) -> Result<(Vec<Value>, Option<ObjectId>), GitError> {
    let draft = Draft::new(objects);
    let mut next = match start {
        Some(start) => Some(start),
        None => draft.head()?,
    };
    let mut rows = Vec::new();
    while let Some(id) = next.filter(|_| (rows.len() as u64) < limit) {
        let commit = draft.commit(&id)?;
        let seq = sequence_number(&draft, &commit.tree)?;
        if seq < least {
            return Ok((rows, None));
        }
        next = commit.parents.first().copied();
        rows.push(json!({
            "handle": id, "tenant_id": doc.tenant(), "document_id": doc.document(),
            "sequence_number": seq, "tree_sha": commit.tree, "commit_sha": id,
            "parent_handle": next, "message": commit.message,
            "created_at": iso_date(commit.committer.time_unix_s),
        }));
    }
    Ok((rows, next))
}

/// The last operation that a version has in it; 0 for one that does not say.
fn sequence_number(draft: &Draft<'_>, tree: &ObjectId) -> Result<u64, GitError> {
    let (_, id) = match draft.resolve(&format!("{tree}/.protocol/attributes")) {
        Ok(found) => found,
        Err(GitError::MissingObject(_)) => return Ok(0),
        Err(error) => return Err(error),
    };
    let blob = draft.expect(&id, Kind::Blob)?;
    let attributes: Attributes = serde_json::from_slice(&blob.body).unwrap_or_default();
    Ok(attributes.sequence_number)
}

/// Each document has one reference, its current version.
pub(super) async fn refs(call: Call<'_>, tenant: &str) -> Answer {
    let found = errand::list(call.core, &query(call, tenant), false).await?;
    let rows = found.rows.iter().filter_map(|row| {
        let name = format!("refs/heads/{}", row.entry.doc.document());
        Some(json!({ "ref": name, "sha": row.entry.version? }))
    });
    let rows: Vec<Value> = rows.collect();
    let next = found.next.as_ref().map(DocKey::document);
    Ok(Reply::of(200, &json!({ "refs": rows, "next": next })))
}
