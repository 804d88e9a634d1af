//! The page at `/`: what this is, how to point an app at it, and with `--dev` the examples.

use super::CoreContext;
use super::reply::Reply;
use super::sites;
use super::url::base_url;
use levee_core::auth::TenantKeys;
use levee_core::http_request::HttpRequest;

/// The examples have the same look.
const STYLE: &str = include_str!("../../clients/examples/shared/style.css");

/// No script, nothing from elsewhere, and the one style that is in the page.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; font-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Folder, title and description of each example.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("todo", "To-do list", "Write one item together, on SharedTree with text fields"),
    ("editor", "Text editor", "CodeMirror on SharedString, with everyone’s cursor"),
    ("presence", "Presence board", "Who is here, where they point, what they feel"),
    ("dice", "Dice", "One roll for all, on the bare Loader and driver"),
];

/// What this is, and how to point an app at it.
pub(super) fn page(core: &CoreContext, request: &HttpRequest) -> Reply {
    let url = escaped(&base_url(core, request));
    let (examples, tenants) = match core.is_dev {
        true => (examples(), tenants(core)),
        false => (String::new(), String::new()),
    };
    let page = format!(
        include_str!("home.html"),
        font = font(),
        style = STYLE,
        url = url,
        tinylicious = tinylicious(&url),
        examples = examples,
        tenants = tenants,
    );
    Reply::html(page)
        .with("content-security-policy", CONTENT_POLICY)
        .with("x-content-type-options", "nosniff")
}

/// The examples' font, where they are: without it the page has the system's.
fn font() -> String {
    let file = sites::with_name("examples", "assets/inter-latin-wght-normal-");
    let face = |path| {
        format!(
            "@font-face {{\n  font-family: \"Inter Variable\";\n  font-weight: 100 900;\n  \
             src: url(\"/examples/{path}\") format(\"woff2\");\n}}\n"
        )
    };
    file.map(face).unwrap_or_default()
}

/// Links to the examples, or how to have them.
fn examples() -> String {
    let built = EXAMPLES.iter().filter(|(name, _, _)| sites::has_page("examples", name));
    let tiles: String = built
        .map(|(name, title, text)| {
            format!(
                "<a class=\"card tile\" href=\"/examples/{name}/\"><h2>{title}</h2>\
                 <p class=\"muted\">{text}</p></a>\n"
            )
        })
        .collect();
    let inside = if tiles.is_empty() {
        "<p>They are not in this binary. <code>make run</code> builds them and the service; it \
         needs Node 20 or later.</p>\n"
            .to_owned()
    } else {
        format!(
            "<p class=\"muted\">Open one, press Share, and paste the link into a second \
             window.</p>\n<div class=\"tiles\">\n{tiles}</div>\n"
        )
    };
    format!("<section class=\"stack\">\n<h2>Examples</h2>\n{inside}</section>\n")
}

fn tenants(core: &CoreContext) -> String {
    let mut rows = String::new();
    for tenant in core.keyring().tenants() {
        let how = match tenant.keys {
            TenantKeys::Signed { .. } => "signed tokens",
            TenantKeys::Unverified => "any token: development only",
        };
        rows.push_str(&format!("<li><code>{}</code>: {how}</li>\n", escaped(&tenant.id)));
    }
    format!("<section class=\"stack\">\n<h2>Tenants</h2>\n<ul>\n{rows}</ul>\n</section>\n")
}

/// How to make a client that looks for port 7070 of this machine if it is told nothing.
fn tinylicious(url: &str) -> String {
    if matches!(url, "http://localhost:7070") {
        return "new TinyliciousClient()".to_owned();
    }
    let (domain, port) = match url.rsplit_once(':') {
        Some((domain, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (domain, port),
        _ => (url, if url.starts_with("https:") { "443" } else { "80" }),
    };
    format!(
        "new TinyliciousClient({{ connection: {{\n  domain: \"{domain}\", port: {port},\n}} }})"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tinylicious_clients_are_told_the_port_unless_it_is_theirs() {
        let told = |domain: &str, port: u16| {
            let connection = format!("domain: \"{domain}\", port: {port}");
            format!("new TinyliciousClient({{ connection: {{\n  {connection},\n}} }})")
        };
        assert_eq!(tinylicious("http://localhost:7070"), "new TinyliciousClient()");
        assert_eq!(tinylicious("http://localhost:4000"), told("http://localhost", 4000));
        assert_eq!(tinylicious("https://fluid.test"), told("https://fluid.test", 443));
        assert_eq!(tinylicious("http://[::1]:4000"), told("http://[::1]", 4000));
        assert_eq!(tinylicious("http://fluid.test"), told("http://fluid.test", 80));
    }

    #[test]
    fn a_host_cannot_write_into_the_page() {
        assert_eq!(escaped("a<script>\"&"), "a&lt;script&gt;&quot;&amp;");
    }
}
