//! What operators and their machines ask: is it up, can it work, how much has it done.

use super::CoreContext;
use super::reply::Reply;
use super::url::base_url;
use levee_core::auth::TenantKeys;
use levee_core::http_request::HttpRequest;

const OK: &str = "{\"status\":\"ok\"}";

/// The process runs.
pub(super) fn live() -> Reply {
    Reply::json(200, OK)
}

/// The core takes work.
pub(super) fn ready(core: &CoreContext) -> Reply {
    if (core.live.is_ready)() {
        Reply::json(200, OK)
    } else {
        Reply::json(503, "{\"status\":\"unavailable\"}")
    }
}

pub(super) fn metrics(core: &CoreContext) -> Reply {
    Reply::metrics((core.live.metrics)())
}

/// What this is, and how to point an app at it.
pub(super) fn home(core: &CoreContext, request: &HttpRequest) -> Reply {
    let url = escaped(&base_url(core, request));
    let mut rows = String::new();
    if core.is_dev {
        for tenant in core.keyring.tenants() {
            let how = match tenant.keys {
                TenantKeys::Signed { .. } => "signed tokens",
                TenantKeys::Unverified => "any token: development only",
            };
            rows.push_str(&format!("<li><code>{}</code>: {how}</li>", escaped(&tenant.id)));
        }
    }
    let tenants = if rows.is_empty() { rows } else { format!("<h2>Tenants</h2><ul>{rows}</ul>") };
    Reply::html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Levee</title>\
         <style>body{{font:16px/1.5 system-ui;max-width:46em;margin:3em auto;padding:0 1em}}\
         pre{{background:#8881;padding:1em;overflow:auto}}</style>\
         <h1>Levee</h1><p>This is a Fluid Framework service, and it is running.</p>\
         <h2>Point an app at it</h2>\
         <p>With <code>@fluidframework/azure-client</code>:</p>\
         <pre>new AzureClient({{ connection: {{\n  type: \"remote\", endpoint: \"{url}\",\n  \
         tenantId: \"fluid\", tokenProvider,\n}} }})</pre>\
         <p>With <code>@fluidframework/tinylicious-client</code>: start it with the port of this \
         page, and nothing else changes.</p>\
         <p>With <code>@tylerbu/levee-client</code>: <code>httpUrl: \"{url}\"</code>.</p>\
         {tenants}<p><a href=\"/health\">health</a> · <a href=\"/metrics\">metrics</a></p></html>"
    ))
}

/// The host comes from the client.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}
