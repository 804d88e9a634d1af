//! Which document a request is about, so that the shell can take it to the document's core.

use super::access::credentials;
use levee_core::auth::decode_unverified;
use levee_core::http_request::HttpRequest;
use levee_core::ids::{ClientId, DocKey};
use levee_core::wire::route::{ApiRoute, Route, StorageRoute, route};

/// Finds the document of a request and notes it there; call it before [`super::respond`], on the
/// core that runs that. `None`: about no document, or none that can be known without a token.
///
/// A document about to be created gets its id here, from `random_bits`. Nothing is believed yet:
/// a token's word only decides where the token will be checked.
pub fn document_of(
    request: &mut HttpRequest,
    random_bits: impl FnOnce() -> u128,
) -> Option<DocKey> {
    if request.document.is_none() {
        let document = find(request, random_bits);
        request.document = document;
    }
    request.document.clone()
}

fn find(request: &HttpRequest, random_bits: impl FnOnce() -> u128) -> Option<DocKey> {
    match route(request.method, &request.path) {
        Route::CreateDocument { tenant, document } => {
            let id = match document.map(String::from).or_else(|| id_in_body(request)) {
                Some(id) => id,
                None => new_id(request, random_bits()),
            };
            Some(DocKey::new(&tenant, &id))
        }
        Route::Document { tenant, document }
        | Route::Session { tenant, document }
        | Route::DeleteDocument { tenant, document }
        | Route::RevokeToken { tenant, document }
        | Route::Deltas { tenant, document }
        | Route::BroadcastSignal { tenant, document } => Some(DocKey::new(&tenant, &document)),
        Route::Git { tenant, .. } => {
            let credentials = credentials(request).ok()?;
            // Long ago no token had expired.
            let claims = decode_unverified(credentials.jwt(), 0).ok()?;
            Some(DocKey::new(&tenant, claims.document()))
        }
        Route::Api(ApiRoute::Storage { tenant, asked }) => {
            storage_document(request, &tenant, &asked)
        }
        Route::Home
        | Route::Health
        | Route::Live
        | Route::Ready
        | Route::Metrics
        | Route::Site { .. }
        | Route::SocketIo { .. }
        | Route::Phoenix
        | Route::Preflight
        | Route::Api(_)
        | Route::SignIn { .. }
        | Route::SignedIn { .. }
        | Route::MethodNotAllowed { .. }
        | Route::NotFound => None,
    }
}

/// Objects are their document's, which the page names; whoever does not is answered by all cores.
fn storage_document(
    request: &HttpRequest,
    tenant: &str,
    asked: &StorageRoute<'_>,
) -> Option<DocKey> {
    let by_query = match asked {
        StorageRoute::Blob { .. } | StorageRoute::Tree { .. } | StorageRoute::Commit { .. } => {
            request.query("document")
        }
        StorageRoute::Documents
        | StorageRoute::Document { .. }
        | StorageRoute::DeleteDocument { .. }
        | StorageRoute::Deltas { .. }
        | StorageRoute::Summaries { .. }
        | StorageRoute::Refs => None,
    };
    let document = asked.document().or(by_query.as_deref())?;
    Some(DocKey::new(tenant, document))
}

/// The id that a create request's body asks for.
pub(super) fn id_in_body(request: &HttpRequest) -> Option<String> {
    request.text_in_body("id").filter(|id| !id.is_empty())
}

/// Fluid's ids are UUIDs, Levee's the same without dashes.
fn new_id(request: &HttpRequest, bits: u128) -> String {
    let uuid = ClientId::from_bits(bits);
    let is_levee = credentials(request)
        .is_ok_and(|found| matches!(found, levee_core::auth::Credentials::Bearer(_)));
    if is_levee { uuid.as_str().replace('-', "") } else { uuid.as_str().to_owned() }
}
