//! Documents: a page of them, and one with everybody who is there.

use super::super::caller::Caller;
use super::super::fault::ApiFault;
use super::super::{Answer, Call};
use crate::http::documents;
use crate::http::errand::{self, Row};
use crate::http::failure::Failure;
use crate::http::reply::Reply;
use crate::store::{DocumentEntry, Query};
use levee_core::dialect::Dialect;
use levee_core::document::{MemberView, SessionView};
use levee_core::git::iso_date;
use levee_core::ids::DocKey;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The original's page asks for all and pages nothing.
const LIMIT_DEFAULT: u64 = 1_000;
const LIMIT_MAX: u64 = 1_000;

/// `?search=&from=&limit=`; `from` is the last page's `next`.
pub(super) fn query(call: Call<'_>, tenant: &str) -> Query {
    let text = |name| call.request.query(name).filter(|text| !text.is_empty());
    let limit = call.number("limit", LIMIT_DEFAULT, LIMIT_MAX).max(1);
    Query {
        tenant: Some(tenant.into()),
        after: text("from").map(|name| DocKey::new(tenant, &name)),
        limit: usize::try_from(limit).unwrap_or(1),
        search: text("search").map(Box::from),
    }
}

pub(super) async fn list(call: Call<'_>, tenant: &str) -> Answer {
    let found = errand::list(call.core, &query(call, tenant), true).await?;
    let rows: Vec<Value> = found.rows.iter().map(shown).collect();
    let next = found.next.as_ref().map(DocKey::document);
    Ok(Reply::of(200, &json!({ "documents": rows, "next": next })))
}

pub(super) async fn show(call: Call<'_>, doc: &DocKey) -> Answer {
    let core = call.core;
    let session = (core.live.session)(doc);
    let stored = core.store.entry(doc).await?;
    let is_live = session.is_some();
    let entry = match (stored, &session) {
        (Some(entry), _) => entry,
        // Its first operation is under way.
        (None, Some(live)) => DocumentEntry { doc: doc.clone(), last: live.head, version: None },
        (None, None) => return Err(ApiFault::NotFound("Document not found")),
    };
    let dates = core.store.dates(std::slice::from_ref(&entry)).await?;
    let dates = dates.first().copied().unwrap_or_default();
    let body = json!({
        "document": shown(&Row { entry, dates, is_live }),
        "session": session.map(|session| session_shown(doc, &session)),
    });
    Ok(Reply::of(200, &body))
}

pub(super) async fn delete(call: Call<'_>, caller: &Caller, doc: &DocKey) -> Answer {
    documents::remove(call.core, doc).await.map_err(|failure| match failure {
        Failure::Store(fault) => fault.into(),
        _ => ApiFault::NotFound("Document not found"),
    })?;
    documents::note_deleted(call.core, caller.who(), doc).await?;
    Ok(Reply::of(200, &json!({ "message": "Document deleted" })))
}

/// The original's page needs all but `version`, and texts where there is nothing to tell.
fn shown(row: &Row) -> Value {
    let DocumentEntry { doc, last, version } = &row.entry;
    json!({
        "id": doc.document(), "tenant_id": doc.tenant(), "sequence_number": last.0,
        "created_at": date(row.dates.created_ms), "updated_at": date(row.dates.updated_ms),
        "session_alive": row.is_live, "version": version,
    })
}

fn date(time_ms: Option<u64>) -> String {
    let time_s = time_ms.map(|time_ms| i64::try_from(time_ms / 1000).unwrap_or(i64::MAX));
    time_s.map_or_else(String::new, iso_date)
}

fn session_shown(doc: &DocKey, session: &SessionView) -> Value {
    let SessionView { head, min, history, members } = session;
    json!({
        "tenant_id": doc.tenant(), "document_id": doc.document(),
        "current_sn": head.0, "current_msn": min.0, "history_size": history,
        "client_count": members.len(),
        "client_ids": members.iter().map(|member| member.client.as_str()).collect::<Vec<_>>(),
        "members": members.iter().map(member_shown).collect::<Vec<_>>(),
    })
}

fn member_shown(member: &MemberView) -> Value {
    let wire = match member.dialect {
        Dialect::Phoenix => "phoenix",
        Dialect::PhoenixMsgpack => "phoenix-msgpack",
        Dialect::SocketIo => "socket.io",
    };
    let detail: Option<&RawValue> = serde_json::from_slice(&member.detail).ok();
    json!({
        "client_id": member.client.as_str(), "user": &*member.user, "mode": member.mode.as_str(),
        "wire": wire, "client": detail,
        "client_sequence_number": member.written.map(|(client_seq, _)| client_seq),
        "reference_sequence_number": member.written.map(|(_, reference_seq)| reference_seq),
    })
}
