//! REST for both wires: [`respond`] finds the route of a request and runs its handler.
//!
//! One resource a file. A handler checks the token, then asks the shard (what is in memory) or the
//! store (what is not), and shapes the answer in the words of the request's wire. It decides
//! nothing about documents. The shell takes a request to its document's core first; see
//! [`document_of`].

mod access;
mod api;
mod context;
mod deltas;
mod documents;
mod errand;
mod failure;
mod git;
mod health;
mod home;
mod objects;
mod place;
mod reply;
mod signals;
mod sites;
mod tokens;
mod url;

pub use context::{
    ApiConfig, Ask, AskRange, CACHE_BYTES_DEFAULT, ContextConfig, CoreContext, Live,
};
pub use errand::{Errand, run_errand};
pub use objects::Upload;
pub use place::document_of;
pub use reply::Response;

use self::access::Wire;
use self::failure::Failure;
use self::reply::Reply;
use levee_core::http_request::HttpRequest;
use levee_core::wire::http::Method;
use levee_core::wire::route::{Route, route};

/// Answers a request, on the core of the document that [`document_of`] found. Never fails: what
/// goes wrong is an answer too.
pub async fn respond(core: &CoreContext, request: &HttpRequest) -> Response {
    let route = route(request.method, &request.path);
    let wire = Wire::of(request, &route);
    let mut reply = match route {
        Route::Api(route) if accepts_json(request) => api::answer(core, request, route).await,
        Route::SignIn { provider } => api::sign_in(core, request, &provider).await,
        Route::SignedIn { provider } => api::signed_in(core, request, &provider).await,
        route => match handle(core, request, wire, route).await {
            Ok(reply) => reply,
            Err(failure) => failure.reply(wire),
        },
    };
    if matches!(request.method, Method::Get | Method::Head) && !reply.has("cache-control") {
        reply = reply.with("cache-control", "no-store");
    }
    reply.into_response(request)
}

async fn handle(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    route: Route<'_>,
) -> Result<Reply, Failure> {
    match &route {
        Route::Home => return Ok(home::page(core, request)),
        Route::Site { path } => return sites::file(core.is_dev, request, path),
        Route::Metrics => return Ok(health::metrics(core)),
        Route::Preflight => {
            let preflight = request.preflight.as_ref().ok_or(Failure::NoRoute)?;
            return Ok(Reply::preflight(&preflight.headers));
        }
        _ if !accepts_json(request) => return Err(Failure::NotAcceptable),
        _ => {}
    }
    match route {
        Route::Health => Ok(health::health(core)),
        Route::Live => Ok(health::live()),
        Route::Ready => Ok(health::ready(core)),
        Route::CreateDocument { tenant, document } => {
            documents::create(core, request, wire, &tenant, document.as_deref()).await
        }
        Route::Document { tenant, document } => {
            documents::describe(core, request, wire, (&tenant, &document)).await
        }
        Route::Session { tenant, document } => {
            documents::session(core, request, wire, (&tenant, &document)).await
        }
        Route::Deltas { tenant, document } => {
            deltas::get(core, request, wire, (&tenant, &document)).await
        }
        Route::BroadcastSignal { tenant, document } => {
            signals::broadcast(core, request, wire, (&tenant, &document))
        }
        Route::RevokeToken { tenant, document } => {
            tokens::revoke(core, request, wire, (&tenant, &document)).await
        }
        Route::DeleteDocument { tenant, document } => {
            documents::delete(core, request, wire, (&tenant, &document)).await
        }
        Route::MethodNotAllowed { allow } => Err(Failure::MethodNotAllowed(allow)),
        // The sockets' paths end here only when their handshake was no handshake.
        Route::NotFound | Route::SocketIo { .. } | Route::Phoenix => Err(Failure::NoRoute),
        Route::Api(_) => Err(Failure::NotAcceptable), // answered before where JSON is taken
        Route::SignIn { .. } | Route::SignedIn { .. } => Err(Failure::NoRoute), // see above
        Route::Home | Route::Site { .. } | Route::Metrics | Route::Preflight => {
            Err(Failure::NoRoute) // see above
        }
        Route::Git { tenant, asked } => git::answer(core, request, wire, &tenant, asked).await,
    }
}

fn accepts_json(request: &HttpRequest) -> bool {
    request.accept.as_deref().is_none_or(|accept| {
        let types = accept.split(',').map(|range| range.split(';').next().unwrap_or("").trim());
        accept.trim().is_empty()
            || types.into_iter().any(|t| matches!(t, "*/*" | "application/*" | "application/json"))
    })
}
