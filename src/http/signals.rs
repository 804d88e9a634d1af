//! Signals from the app's own service to everyone in a document.

use super::CoreContext;
use super::access::{Need, Wire, named};
use super::failure::Failure;
use super::reply::Reply;
use levee_core::http_request::HttpRequest;
use levee_core::wire::json::{Kind, Raw, write_string};

/// Largest `signalContent`, bytes.
const CONTENT_BYTES_MAX: usize = 64 << 10;

/// `POST /:tenant/:document/broadcast-signal` with `{"signalContent":{…}}`. A signal is not kept:
/// in a document without clients nobody hears it.
pub(super) fn broadcast(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    place: (&str, &str),
) -> Result<Reply, Failure> {
    let doc = named(core, request, wire, place, Need::Write)?;
    let body = request.body.decode();
    let body = Raw::parse(&body).map_err(|_| Failure::BadRequest)?;
    let content = body.field("signalContent").filter(|content| content.kind() == Kind::Object);
    let content = content.ok_or(Failure::BadRequest)?.bytes();
    if content.len() > CONTENT_BYTES_MAX {
        return Err(Failure::BadRequest);
    }
    // Clients expect text that holds JSON, as from any other sender.
    let text = std::str::from_utf8(content).map_err(|_| Failure::BadRequest)?;
    let mut quoted = Vec::with_capacity(text.len() + 64);
    write_string(&mut quoted, text);
    (core.live.broadcast)(doc, quoted.into());
    Ok(Reply::text(200, "OK"))
}
