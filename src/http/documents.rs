//! Documents: make one, look at one, find out where to connect.

use super::CoreContext;
use super::access::{Need, Wire, authorize, named};
use super::failure::Failure;
use super::objects::remember;
use super::place::id_in_body;
use super::reply::Reply;
use super::url::base_url;
use levee_core::auth::{Claims, TokenFault};
use levee_core::directory::Actor;
use levee_core::document::initial_checkpoint;
use levee_core::git::{CreateRequest, GitError, NewDocument, StoredObject, create_document};
use levee_core::http_request::HttpRequest;
use levee_core::ids::{ClientId, DocKey, Seq};
use levee_core::limits::NAME_BYTES_MAX;
use levee_core::record::{Record, StoreFault};
use serde::Serialize;
use serde_json::value::RawValue;
use std::net::IpAddr;

/// Objects of a new document up to this go through the log in one group with the document; larger
/// ones are made durable before it.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Life of the token that a create answers, seconds: for the app to tell its own service.
const CREATION_TOKEN_S: i64 = 300;

#[derive(Serialize)]
struct Created<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Session>,
}

/// Where a client connects, and whether somebody is there already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    orderer_url: String,
    historian_url: String,
    delta_stream_url: String,
    is_session_alive: bool,
    is_session_active: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    id: &'a str,
    document_id: &'a str,
    tenant_id: &'a str,
    sequence_number: Seq64,
}

#[derive(Serialize)]
struct Seq64(u64);

/// What a create asks for besides the document.
struct Wishes {
    id: Option<String>,
    session: bool,
    token: bool,
}

/// `POST /documents/:tenant[/:document]`. The document exists, whole and durable, before its id is
/// answered.
pub(super) async fn create(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    tenant: &str,
    in_path: Option<&str>,
) -> Result<Reply, Failure> {
    let claims = authorize(core, request, wire, (tenant, None), Need::Write)?;
    let mut placed = request.clone();
    let doc = super::document_of(&mut placed, || (core.random)()).ok_or(Failure::NoRoute)?;
    check_name(doc.document())?;
    if in_path.is_some() || id_in_body(request).is_some() {
        may_name(&claims, wire, doc.document())?;
    }
    let _creating = Creating::begin(core, &doc)?;
    if (core.live.published)(&doc).is_some() || core.store.exists(&doc).await? {
        return Err(Failure::DocumentExists);
    }
    let (body, time_unix_s) = (request.body.clone(), core.now_unix_s());
    let made = core.store.run(&doc, move |_| make(&body.decode(), time_unix_s)).await?;
    let (new, wishes) = made?;
    // An id spelled so strangely that it was overlooked when the document was placed.
    if in_path.is_none() && wishes.id.is_some_and(|id| id != doc.document()) {
        return Err(Failure::InvalidDocumentId);
    }
    if new.version.is_none() && wire == Wire::Fluid {
        return Err(GitError::MissingField("summary").into());
    }
    store(core, &doc, new).await?;
    let created = Created {
        id: doc.document(),
        token: if wishes.token { creation_token(core, &doc, &claims) } else { None },
        session: wishes.session.then(|| session_of(core, request, wire, &doc, false)),
    };
    Ok(match created {
        Created { token: None, session: None, id } => Reply::of(201, &id),
        created => Reply::of(201, &created),
    })
}

/// A body is parsed, hashed and shaped on a storage thread.
fn make(body: &[u8], time_unix_s: i64) -> Result<(NewDocument, Wishes), GitError> {
    let request = CreateRequest::parse(body)?;
    let id = request.id.as_deref().filter(|id| !id.is_empty());
    let wishes = Wishes {
        id: id.map(str::to_owned),
        session: request.enable_discovery,
        token: request.generate_token,
    };
    Ok((create_document(body, time_unix_s)?, wishes))
}

/// Only for a token made for the id, or on Fluid's wire for no document yet.
fn may_name(claims: &Claims, wire: Wire, id: &str) -> Result<(), Failure> {
    let is_open = wire == Wire::Fluid && claims.document().is_empty();
    if is_open || claims.document() == id { Ok(()) } else { Err(TokenFault::WrongDocument.into()) }
}

/// Makes the document durable: everything in one group, or large objects first and then the group
/// that makes them a document.
async fn store(core: &CoreContext, doc: &DocKey, new: NewDocument) -> Result<(), Failure> {
    let attributes = new.protocol.attributes;
    let bytes: usize = new.objects.iter().map(|object| object.body.len()).sum();
    let cached: Vec<StoredObject> = new.objects.clone();
    let mut records = Vec::new();
    if bytes > GROUP_BYTES_MAX {
        core.store.put_objects(doc, new.objects).await?;
    } else {
        records.extend(new.objects.into_iter().map(|object| Record::Object(doc.clone(), object)));
    }
    if let Some(version) = new.version {
        records.push(Record::Version(doc.clone(), version));
    }
    let checkpoint = initial_checkpoint(attributes.sequence_number, &new.protocol.values);
    records.push(Record::Checkpoint(doc.clone(), Seq(attributes.sequence_number), checkpoint));
    core.store.append(core.placement.partition(doc), records).await?;
    if bytes <= GROUP_BYTES_MAX {
        remember(core, doc, cached);
    }
    Ok(())
}

/// `DELETE /documents/:tenant/document/:document`
pub(super) async fn delete(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    place: (&str, &str),
) -> Result<Reply, Failure> {
    let doc = named(core, request, wire, place, Need::Write)?;
    remove(core, &doc).await?;
    // A tenant's service has signed for it; nobody of the directory has.
    note_deleted(core, (Actor::Anonymous, Some(request.peer)), &doc).await?;
    Ok(Reply::empty(204))
}

/// Deletes a document, on its core. Nothing is left of it when this returns.
pub(super) async fn remove(core: &CoreContext, doc: &DocKey) -> Result<(), Failure> {
    // Nobody can make it anew, or give it objects, until it is gone.
    let _deleting = Creating::begin(core, doc).map_err(|_| StoreFault::Busy)?;
    if core.uploads.borrow().contains_key(doc) {
        return Err(StoreFault::Busy.into());
    }
    if (core.live.published)(doc).is_none() && !core.store.exists(doc).await? {
        return Err(Failure::DocumentNotFound);
    }
    let deleted = (core.live.delete)(doc.clone()).await;
    core.objects.borrow_mut().forget(doc);
    Ok(deleted.unwrap_or(Err(StoreFault::Closed))?)
}

/// Has the audit log tell of it. When that fails the document is gone all the same.
pub(super) async fn note_deleted(
    core: &CoreContext,
    who: (Actor, Option<IpAddr>),
    doc: &DocKey,
) -> Result<(), StoreFault> {
    tracing::info!(%doc, by = ?who.0, "document deleted");
    let (tenant, document) = (doc.tenant().to_owned(), doc.document().to_owned());
    let noted = core.directories.call(who, move |directory, act| {
        directory.note_document_deleted(act, &tenant, &document);
        Ok(())
    });
    noted.await.map_err(|fault| {
        tracing::error!(%doc, %fault, "the audit log lacks a deletion");
        StoreFault::DiskFailed
    })
}

/// `GET /documents/:tenant/:document`
pub(super) async fn describe(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    place: (&str, &str),
) -> Result<Reply, Failure> {
    let doc = named(core, request, wire, place, Need::Read)?;
    let head = match (core.live.published)(&doc) {
        Some(published) => published.head,
        None => {
            let image = core.store.load(&doc).await?.ok_or(Failure::DocumentNotFound)?;
            let at_checkpoint = image.checkpoint.map_or(Seq(0), |(seq, _)| seq);
            image.ops.last().map_or(at_checkpoint, |run| run.last())
        }
    };
    let description = Description {
        id: doc.document(),
        document_id: doc.document(),
        tenant_id: doc.tenant(),
        sequence_number: Seq64(head.0),
    };
    Ok(Reply::of(200, &description))
}

/// `GET /documents/:tenant/session/:document`
pub(super) async fn session(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    place: (&str, &str),
) -> Result<Reply, Failure> {
    let doc = named(core, request, wire, place, Need::Read)?;
    if (core.live.published)(&doc).is_none() && !core.store.exists(&doc).await? {
        return Err(Failure::DocumentNotFound);
    }
    Ok(Reply::of(200, &session_of(core, request, wire, &doc, true)))
}

fn session_of(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    doc: &DocKey,
    exists: bool,
) -> Session {
    let url = base_url(core, request);
    let published = (core.live.published)(doc);
    let is_in_memory = published.is_some();
    match wire {
        // Drivers take the hosts and know the paths.
        Wire::Fluid => Session {
            orderer_url: url.clone(),
            historian_url: url.clone(),
            delta_stream_url: url,
            is_session_alive: exists,
            is_session_active: published.is_some_and(|published| published.clients > 0),
        },
        Wire::Levee => {
            let (tenant, document) = (doc.tenant(), doc.document());
            Session {
                orderer_url: format!("{url}/socket"),
                historian_url: format!("{url}/repos/{tenant}"),
                delta_stream_url: format!("{url}/deltas/{tenant}/{document}"),
                is_session_alive: is_in_memory,
                is_session_active: is_in_memory,
            }
        }
    }
}

/// A token without scopes that proves who made the document; `None` if the tenant has vanished.
fn creation_token(core: &CoreContext, doc: &DocKey, claims: &Claims) -> Option<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Minted<'a> {
        document_id: &'a str,
        scopes: [&'a str; 0],
        tenant_id: &'a str,
        user: &'a RawValue,
        iat: i64,
        exp: i64,
        ver: &'a str,
        jti: &'a str,
    }
    let user = serde_json::from_str(claims.user_json().unwrap_or("{\"id\":\"\"}")).ok()?;
    let jti = ClientId::from_bits((core.random)());
    let iat = core.now_unix_s();
    let minted = Minted {
        document_id: doc.document(),
        scopes: [],
        tenant_id: doc.tenant(),
        user,
        iat,
        exp: iat + CREATION_TOKEN_S,
        ver: "1.0",
        jti: jti.as_str(),
    };
    core.keyring().sign(doc.tenant(), &serde_json::to_string(&minted).ok()?)
}

/// Ids stand in paths, keys and logs.
pub(super) fn check_name(id: &str) -> Result<(), Failure> {
    let is_fine = !id.is_empty() && id.len() <= NAME_BYTES_MAX && !id.chars().any(char::is_control);
    if is_fine { Ok(()) } else { Err(Failure::InvalidDocumentId) }
}

/// Holds an id while its document is being made.
struct Creating<'a> {
    core: &'a CoreContext,
    doc: DocKey,
}

impl<'a> Creating<'a> {
    fn begin(core: &'a CoreContext, doc: &DocKey) -> Result<Self, Failure> {
        if core.creating.borrow_mut().insert(doc.clone()) {
            Ok(Self { core, doc: doc.clone() })
        } else {
            Err(Failure::DocumentExists)
        }
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        self.core.creating.borrow_mut().remove(&self.doc);
    }
}
