//! Web sites inside the binary. `build.rs` makes a table of the files of each; this serves them.
//!
//! A further site is a folder of `clients/dist`, a row of [`SITES`], and a name in the routes.

use super::failure::Failure;
use super::reply::Reply;
use bytes::Bytes;
use levee_core::http_request::HttpRequest;

/// One file.
struct Asset {
    /// Within its site, without a slash in front.
    path: &'static str,
    content_type: &'static str,
    /// With its quotes.
    etag: &'static str,
    /// Its name changes with its content.
    is_immutable: bool,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/sites.rs"));

/// A site that this service knows, whether it is built or not.
struct Site {
    /// The one segment of the path that its files are served below, and its folder's name.
    name: &'static str,
    /// Served with `--dev` only.
    is_dev_only: bool,
    /// One page that finds its way in its own paths: it answers for every path that is no file.
    is_app: bool,
}

const SITES: &[Site] = &[
    Site { name: "admin", is_dev_only: false, is_app: true },
    Site { name: "examples", is_dev_only: true, is_app: false },
];

/// Below it, a name has a hash of its content. One that is unknown belongs to another build of the
/// site, and the page of this one is no answer to it.
const HASHED: &str = "assets/";

/// Scripts, styles and connections from where the page is from, and nothing else.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// A file, or the `index.html` of a folder. `path` starts with the site's name.
pub(super) fn file(is_dev: bool, request: &HttpRequest, path: &str) -> Result<Reply, Failure> {
    let (name, inside) = path.split_once('/').unwrap_or((path, ""));
    let site = SITES.iter().find(|site| site.name == name && (is_dev || !site.is_dev_only));
    let asset = site.and_then(|site| site.find(assets(site.name), inside));
    let asset = asset.ok_or(Failure::NoRoute)?;
    Ok(reply(asset, request.if_none_match.as_deref()))
}

/// Whether a site was built with this page.
pub(super) fn has_page(site: &str, page: &str) -> bool {
    find(assets(site), page).is_some()
}

/// The first file of a site whose path starts like this: a name with a hash is not known before.
pub(super) fn with_name(site: &str, start: &str) -> Option<&'static str> {
    assets(site).iter().map(|asset| asset.path).find(|path| path.starts_with(start))
}

/// The files of a site, sorted by their paths; none if it is not built.
fn assets(site: &str) -> &'static [Asset] {
    BUILT.iter().find(|(name, _)| *name == site).map_or(&[], |(_, assets)| assets)
}

impl Site {
    fn find<'a>(&self, assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
        let is_route = self.is_app && !path.starts_with(HASHED);
        find(assets, path).or_else(|| find(assets, "").filter(|_| is_route))
    }
}

fn find<'a>(assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
    let at = |path: &str| assets.binary_search_by(|asset| asset.path.cmp(path)).ok();
    let index = || at([path, "/index.html"].concat().trim_start_matches('/'));
    at(path).or_else(index).map(|at| &assets[at])
}

fn reply(asset: &Asset, if_none_match: Option<&str>) -> Reply {
    let cache = match asset.is_immutable {
        true => "public, max-age=31536000, immutable",
        false => "no-cache", // kept, but asked for again
    };
    let is_known = if_none_match.is_some_and(|tags| matches(tags, asset.etag));
    let reply = match is_known {
        true => Reply::empty(304),
        false => Reply::file(asset.content_type, Bytes::from_static(asset.bytes))
            .with("content-security-policy", CONTENT_POLICY)
            .with("x-content-type-options", "nosniff")
            .with("referrer-policy", "no-referrer"),
    };
    reply.with("etag", asset.etag).with("cache-control", cache)
}

/// Whether a tag is among those of an `If-None-Match`, compared weakly as it has to be.
fn matches(tags: &str, etag: &str) -> bool {
    let tags = tags.split(',').map(str::trim);
    tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == "*" || tag == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use levee_core::wire::http::Method;
    use levee_core::wire::route::{Route, route};

    const fn asset(path: &'static str, is_immutable: bool) -> Asset {
        let content_type = "text/html; charset=utf-8";
        Asset { path, content_type, etag: "\"1f\"", is_immutable, bytes: b"<!doctype html>" }
    }

    const ASSETS: &[Asset] = &[
        asset("assets/todo-1f.js", true),
        asset("index.html", false),
        asset("todo/index.html", false),
    ];

    #[test]
    fn folders_are_their_index() {
        let found = |path| find(ASSETS, path).map(|asset| asset.path);
        assert_eq!(found(""), Some("index.html"));
        assert_eq!(found("todo"), Some("todo/index.html"));
        assert_eq!(found("todo/index.html"), Some("todo/index.html"));
        assert_eq!(found("assets/todo-1f.js"), Some("assets/todo-1f.js"));
        for path in ["assets", "to", "todo/", "todo/index", "../todo", "/"] {
            assert_eq!(found(path).filter(|found| *found != "index.html"), None, "{path}");
        }
    }

    #[test]
    fn an_app_answers_for_its_own_paths() {
        let found = |is_app, path| {
            let site = Site { name: "", is_dev_only: false, is_app };
            site.find(ASSETS, path).map(|asset| asset.path)
        };
        assert_eq!(found(true, "tenants/acme.js"), Some("index.html"));
        assert_eq!(found(true, "assets/todo-1f.js"), Some("assets/todo-1f.js"));
        assert_eq!(found(true, "assets/todo-2a.js"), None);
        assert_eq!(found(false, "tenants/acme.js"), None);
    }

    #[test]
    fn a_file_is_sent_once_and_then_only_its_tag() {
        let page = reply(&ASSETS[1], None);
        assert_eq!((page.status, &page.body[..]), (200, &b"<!doctype html>"[..]));
        assert!(page.has("content-security-policy") && page.has("etag"));
        for (tags, status) in [
            ("\"1f\"", 304),
            ("\"a\", W/\"1f\"", 304),
            ("*", 304),
            ("\"1\"", 200),
            ("1f", 200),
            ("", 200),
        ] {
            let again = reply(&ASSETS[1], Some(tags));
            assert_eq!(again.status, status, "{tags}");
            assert_eq!(again.body.is_empty(), status == 304);
        }
    }

    #[test]
    fn every_built_site_is_known_routed_and_sorted_for_the_search() {
        for (name, assets) in BUILT {
            assert!(SITES.iter().any(|site| site.name == *name), "{name}");
            assert!(assets.is_sorted_by(|a, b| a.path < b.path), "{name}");
        }
        for site in SITES {
            let path = format!("/{}/a/b", site.name);
            assert!(matches!(route(Method::Get, &path), Route::Site { .. }), "{path}");
        }
    }
}
