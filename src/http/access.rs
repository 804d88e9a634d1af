//! Which wire a request follows, and whether its token allows it.

use super::CoreContext;
use super::failure::Failure;
use levee_core::auth::{Claims, Credentials, Scope, Scopes, TokenFault};
use levee_core::http_request::{HttpRequest, OwnedAuthorization};
use levee_core::ids::DocKey;
use levee_core::wire::http::Authorization;
use levee_core::wire::route::{GitRoute, Route};

/// The two wires share most paths; bounds, bodies and texts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// `Authorization: Basic`
    Fluid,
    /// `Authorization: Bearer`
    Levee,
}

impl Wire {
    /// By the scheme; without one by what only one kind of client does.
    pub(super) fn of(request: &HttpRequest, route: &Route<'_>) -> Self {
        match credentials(request) {
            Ok(Credentials::Bearer(_)) => Self::Levee,
            Ok(Credentials::Basic { .. }) | Err(TokenFault::Malformed) => Self::Fluid,
            Err(_) if request.is_restless || is_fluids(route) => Self::Fluid,
            Err(_) => Self::Levee,
        }
    }
}

/// Paths that Levee's clients do not know.
fn is_fluids(route: &Route<'_>) -> bool {
    matches!(
        route,
        Route::Git { asked: GitRoute::Versions | GitRoute::CreateSummary, .. }
            | Route::Git { asked: GitRoute::LatestSummary | GitRoute::Summary { .. }, .. }
            | Route::BroadcastSignal { .. }
            | Route::RevokeToken { .. }
            | Route::DeleteDocument { .. }
    )
}

pub(super) fn credentials(request: &HttpRequest) -> Result<Credentials<'_>, TokenFault> {
    Credentials::parse(match &request.authorization {
        OwnedAuthorization::None => Authorization::None,
        OwnedAuthorization::One(value) => Authorization::One(value),
        OwnedAuthorization::Many => Authorization::Many,
    })
}

/// What a route asks of a token's scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Read,
    /// Create a document, send into it.
    Write,
    /// Make any git object: on Levee's wire that is part of a summary.
    Object,
    /// Make a blob, which on Fluid's wire may also be an attachment of an ordinary writer.
    Blob,
}

impl Need {
    fn scopes(self, wire: Wire, granted: Scopes) -> Scopes {
        const READ: Scopes = Scopes::of(&[Scope::DocRead]);
        match (self, wire) {
            (Self::Read, _) => READ,
            (Self::Write, _) => READ.with(Scope::DocWrite),
            (Self::Blob, Wire::Fluid) if !granted.contains(Scope::SummaryWrite) => {
                READ.with(Scope::DocWrite)
            }
            (Self::Object | Self::Blob, _) => READ.with(Scope::SummaryWrite),
        }
    }
}

/// Checks the request's token for this tenant, this document where the path names one, and what
/// the route needs. The claims say which document the caller may touch.
pub(super) fn authorize(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    (tenant, document): (&str, Option<&str>),
    need: Need,
) -> Result<Claims, Failure> {
    let credentials = credentials(request)?;
    if let Credentials::Basic { tenant: Some(named), .. } = &credentials
        && named != tenant
    {
        return Err(TokenFault::WrongTenant.into());
    }
    let claims = core.keyring().verify(tenant, credentials.jwt(), core.now_unix_s())?;
    let asked = match wire {
        Wire::Fluid => None,
        // Parameters of path, query and body are one to Levee.
        Wire::Levee => request.query("id"),
    };
    claims.permit(tenant, document, Scopes::NONE)?;
    claims.permit(tenant, asked.as_deref(), need.scopes(wire, claims.scopes))?;
    Ok(claims)
}

/// The document that the path names, if the request's token opens it for this.
pub(super) fn named(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    (tenant, document): (&str, &str),
    need: Need,
) -> Result<DocKey, Failure> {
    authorize(core, request, wire, (tenant, Some(document)), need)?;
    Ok(DocKey::new(tenant, document))
}
