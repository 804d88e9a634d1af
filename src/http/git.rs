//! Git objects, versions and whole summaries: each request is one job where the objects are.
//!
//! A token opens the objects of its own document and nothing else, so the document is the token's.

use super::CoreContext;
use super::access::{Need, Wire, authorize};
use super::documents::check_name;
use super::failure::Failure;
use super::objects;
use super::reply::Reply;
use super::url::base_url;
use bytes::Bytes;
use levee_core::git::{GitJob, GitRequest, RestDialect};
use levee_core::http_request::HttpRequest;
use levee_core::ids::DocKey;
use levee_core::wire::route::GitRoute;

/// Objects never change, but only a document's own readers may see them: no shared cache.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// Answers a git request of this tenant. Its body is added where the objects are.
pub(super) async fn answer(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    tenant: &str,
    asked: GitRoute<'_>,
) -> Result<Reply, Failure> {
    let mut asked = git_request(request, wire, asked);
    let claims = authorize(core, request, wire, (tenant, None), need(&asked))?;
    check_name(claims.document())?;
    let doc = DocKey::new(tenant, claims.document());
    if let GitRequest::Commits { start, .. } = &mut asked
        && start.is_empty()
    {
        start.push_str(claims.document());
    }
    let dialect = match wire {
        Wire::Fluid => RestDialect::Fluid,
        Wire::Levee => {
            RestDialect::Levee { base_url: base_url(core, request), tenant: tenant.to_owned() }
        }
    };
    let job = GitJob {
        request: asked,
        dialect,
        document: claims.document().to_owned(),
        time_unix_s: core.now_unix_s(),
    };
    let answer = objects::answer(core, &doc, job, request.body.clone()).await?;
    let reply = Reply::json(answer.status, answer.body);
    Ok(if answer.immutable { reply.with("cache-control", IMMUTABLE) } else { reply })
}

fn git_request(request: &HttpRequest, wire: Wire, asked: GitRoute<'_>) -> GitRequest {
    let body = Bytes::new;
    match asked {
        GitRoute::Versions => versions(request),
        GitRoute::CreateBlob => GitRequest::CreateBlob { body: body() },
        GitRoute::Blob { id } => GitRequest::Blob { id: id.into() },
        GitRoute::CreateTree => GitRequest::CreateTree { body: body() },
        GitRoute::Tree { id } => tree(request, wire, id.into()),
        GitRoute::CreateCommit => GitRequest::CreateCommit { body: body() },
        GitRoute::Commit { id } => GitRequest::Commit { id: id.into() },
        GitRoute::Refs => GitRequest::Refs,
        GitRoute::CreateRef => GitRequest::CreateRef { body: body() },
        GitRoute::Ref { name } => GitRequest::Ref { name: name.into() },
        GitRoute::UpdateRef { name } => GitRequest::UpdateRef { name: name.into(), body: body() },
        GitRoute::CreateSummary => GitRequest::UploadSummary { body: body() },
        GitRoute::LatestSummary => GitRequest::Summary { version: "latest".to_owned() },
        GitRoute::Summary { id } => GitRequest::Summary { version: id.into() },
    }
}

fn need(request: &GitRequest) -> Need {
    match request {
        GitRequest::Blob { .. }
        | GitRequest::Tree { .. }
        | GitRequest::Commit { .. }
        | GitRequest::Commits { .. }
        | GitRequest::Refs
        | GitRequest::Ref { .. }
        | GitRequest::Summary { .. } => Need::Read,
        GitRequest::CreateBlob { .. } => Need::Blob,
        GitRequest::CreateTree { .. }
        | GitRequest::CreateCommit { .. }
        | GitRequest::CreateRef { .. }
        | GitRequest::UpdateRef { .. }
        | GitRequest::UploadSummary { .. } => Need::Object,
    }
}

/// `GET /repos/:tenant/commits?sha=&count=`
fn versions(request: &HttpRequest) -> GitRequest {
    let start = request.query("sha").map(String::from).unwrap_or_default();
    let count = request.query("count").and_then(|count| count.parse().ok());
    GitRequest::Commits { start, count: count.unwrap_or(1) }
}

/// `GET /repos/:tenant/git/trees/:id`; Levee takes only the literal 1 for recursive.
fn tree(request: &HttpRequest, wire: Wire, id: String) -> GitRequest {
    let recursive = match (request.query("recursive").as_deref(), wire) {
        (Some("1"), _) | (Some("true"), Wire::Fluid) => true,
        (Some(_) | None, _) => false,
    };
    GitRequest::Tree { id, recursive }
}
