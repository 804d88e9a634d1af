//! How clients reach this service.

use super::CoreContext;
use levee_core::http_request::HttpRequest;

/// Scheme, host and port without a slash at the end: as configured, or as the client called us.
pub(super) fn base_url(core: &CoreContext, request: &HttpRequest) -> String {
    if let Some(url) = &core.public_url {
        return url.to_string();
    }
    let host = request.host.as_deref().unwrap_or("localhost");
    match request.forwarded_proto.as_deref() {
        Some("https") => format!("https://{}", host.strip_suffix(":443").unwrap_or(host)),
        Some(_) | None => format!("http://{}", host.strip_suffix(":80").unwrap_or(host)),
    }
}
