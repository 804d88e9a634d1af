//! A document token that is given up before it expires.

use super::CoreContext;
use super::access::{Need, Wire, authorize};
use super::failure::Failure;
use super::reply::Reply;
use levee_core::auth::TokenFault;
use levee_core::directory::{Actor, DirectoryFault};
use levee_core::http_request::HttpRequest;
use levee_core::record::StoreFault;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Revocation {
    jti: String,
}

/// `POST /documents/:tenant/document/:document/revokeToken` with `{"jti"}`. The request's own token
/// must have that id: whoever can present a token, or sign one with the tenant's secret, may take
/// it back, and no member another's. Others revoke through `/api`.
pub(super) async fn revoke(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    (tenant, document): (&str, &str),
) -> Result<Reply, Failure> {
    let claims = authorize(core, request, wire, (tenant, Some(document)), Need::Read)?;
    let body = serde_json::from_slice(&request.body.decode());
    let Revocation { jti } = body.map_err(|_| Failure::BadRequest)?;
    if claims.token_id() != Some(jti.as_str()) {
        return Err(Failure::NotItsToken);
    }
    let expires_s = u64::try_from(claims.expires_at_s).ok();
    let (tenant, from) = (tenant.to_owned(), (Actor::Anonymous, Some(request.peer)));
    let revoked = core
        .directories
        .call(from, move |directory, act| directory.revoke_token(act, &tenant, &jti, expires_s));
    match revoked.await {
        Ok(()) => Ok(Reply::of(200, &json!({ "message": "revoked" }))),
        // The unverified tenant of development has no directory entry, and nothing to revoke.
        Err(DirectoryFault::NotFound(_)) => Err(TokenFault::UnknownTenant.into()),
        Err(DirectoryFault::InvalidField(_)) => Err(Failure::BadRequest),
        Err(_) => Err(StoreFault::Busy.into()),
    }
}
