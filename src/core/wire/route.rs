//! Method and path → [`Route`], for both wires. They share most paths; which of them a request
//! follows is told by its `Authorization` scheme, not by its route.

mod api;

pub use api::{ApiRoute, StorageRoute};

use std::borrow::Cow;

use super::http::{Method, percent_decode};

/// One segment, percent-decoded: an id as the client wrote it.
pub type Segment<'a> = Cow<'a, str>;

/// Everything that can be asked for over HTTP. `HEAD` is routed as the `GET` it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // `tenant` and `document` are ids in every variant
pub enum Route<'a> {
    /// `/`
    Home,
    /// `/health`: Levee's clients want exactly `{"status":"ok"}`.
    Health,
    /// `/livez`, `/healthz/ping`, `/api/v1/ping`: the process runs.
    Live,
    /// `/readyz`, `/healthz/startup`, `/healthz/ready`: it can take work.
    Ready,
    /// `/metrics`
    Metrics,
    /// `GET /admin[/...]`, `GET /examples[/...]`: a file of a web site in the binary. The path has
    /// the site's name, and no slash at either end.
    Site { path: &'a str },
    /// `/socket.io/`: WebSocket upgrade, or polling by `GET` and `POST`.
    SocketIo { method: Method },
    /// `/socket/websocket`: WebSocket upgrade.
    Phoenix,
    /// Any `OPTIONS`: a preflight if it has `access-control-request-method`, otherwise unknown.
    Preflight,

    /// `POST /documents/:tenant`, and with an id in the path `POST /documents/:tenant/:document`.
    CreateDocument { tenant: Segment<'a>, document: Option<Segment<'a>> },
    /// `GET /documents/:tenant/:document`
    Document { tenant: Segment<'a>, document: Segment<'a> },
    /// `GET /documents/:tenant/session/:document`: where to connect.
    Session { tenant: Segment<'a>, document: Segment<'a> },
    /// `DELETE /documents/:tenant/document/:document`
    DeleteDocument { tenant: Segment<'a>, document: Segment<'a> },
    /// `POST /documents/:tenant/document/:document/revokeToken`
    RevokeToken { tenant: Segment<'a>, document: Segment<'a> },
    /// `GET /deltas[/v1]/:tenant/:document`, `GET /documents/:tenant/:document/deltas`
    Deltas { tenant: Segment<'a>, document: Segment<'a> },
    /// `POST [/api/v1]/:tenant/:document/broadcast-signal`
    BroadcastSignal { tenant: Segment<'a>, document: Segment<'a> },

    /// Anything below `/repos/:tenant`.
    Git { tenant: Segment<'a>, asked: GitRoute<'a> },

    /// Below `/api`.
    Api(ApiRoute<'a>),
    /// `GET /auth/:provider`: off to another service to sign in.
    SignIn { provider: Segment<'a> },
    /// `GET /auth/:provider/callback`: and back.
    SignedIn { provider: Segment<'a> },
    /// A known path, but not with this method; the methods it has, for the `allow` header.
    MethodNotAllowed { allow: &'static str },
    /// Nothing has this path.
    NotFound,
}

/// What is asked of a document's git objects, below `/repos/:tenant`. The document is its token's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // `id` and `name` are what the path ends in
pub enum GitRoute<'a> {
    /// `GET commits?sha=&count=`: a document's versions, newest first.
    Versions,
    /// `POST git/blobs`
    CreateBlob,
    /// `GET git/blobs/:id`
    Blob { id: Segment<'a> },
    /// `POST git/trees`
    CreateTree,
    /// `GET git/trees/:id[?recursive=1]`
    Tree { id: Segment<'a> },
    /// `POST git/commits`
    CreateCommit,
    /// `GET git/commits/:id`
    Commit { id: Segment<'a> },
    /// `GET git/refs`
    Refs,
    /// `POST git/refs`
    CreateRef,
    /// `GET git/refs/*name`; the name may hold slashes and has no `refs/`.
    Ref { name: Segment<'a> },
    /// `PATCH git/refs/*name`
    UpdateRef { name: Segment<'a> },
    /// `POST git/summaries[?initial=]`
    CreateSummary,
    /// `GET git/summaries/latest`
    LatestSummary,
    /// `GET git/summaries/:id`
    Summary { id: Segment<'a> },
}

/// Segments that a path with a fixed shape has at most; only names of refs have more.
const SEGMENTS_MAX: usize = 7;

/// Finds the route. `path` is as it was sent, still percent-encoded; one slash at its end does not
/// matter.
pub fn route(method: Method, path: &str) -> Route<'_> {
    if method == Method::Options {
        return Route::Preflight;
    }
    let method = if method == Method::Head { Method::Get } else { method };
    let Some(inside) = path.strip_prefix('/') else {
        return Route::NotFound;
    };
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let mut segments = [""; SEGMENTS_MAX];
    let mut count = 0;
    for (index, segment) in inside.splitn(SEGMENTS_MAX, '/').enumerate() {
        segments[index] = segment;
        count = index + 1;
    }
    let found = match &segments[..count] {
        // A tenant of this name keeps what it posts.
        ["admin" | "examples", ..] if method == Method::Get => Some(Route::Site { path: inside }),
        ["repos", tenant, rest @ ..] => repository(method, tenant, rest),
        ["documents", tenant, rest @ ..] => documents(method, tenant, rest),
        ["api", rest @ ..]
            if rest.last() != Some(&"broadcast-signal") && rest != ["v1", "ping"] =>
        {
            api::api(method, rest)
        }
        segments => plain(method, segments),
    };
    found.unwrap_or(Route::NotFound)
}

/// Paths without a tree of their own below them; `None` is not found, here and below.
fn plain<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    match segments {
        [""] => get(method, || Some(Route::Home)),
        ["health"] => get(method, || Some(Route::Health)),
        ["livez"] | ["healthz", "ping"] | ["api", "v1", "ping"] => {
            get(method, || Some(Route::Live))
        }
        ["readyz"] | ["healthz", "startup" | "ready"] => get(method, || Some(Route::Ready)),
        ["metrics"] => get(method, || Some(Route::Metrics)),
        ["socket.io"] => match method {
            Method::Get | Method::Post => Some(Route::SocketIo { method }),
            Method::Head | Method::Put | Method::Patch | Method::Delete | Method::Options => {
                not_allowed("GET, HEAD, POST")
            }
        },
        ["socket", "websocket"] => get(method, || Some(Route::Phoenix)),
        ["auth", provider] => get(method, || Some(Route::SignIn { provider: id(provider)? })),
        ["auth", provider, "callback"] => {
            get(method, || Some(Route::SignedIn { provider: id(provider)? }))
        }
        ["deltas", tenant, document] | ["deltas", "v1", tenant, document] => {
            get(method, || Some(Route::Deltas { tenant: id(tenant)?, document: id(document)? }))
        }
        [tenant, document, "broadcast-signal"]
        | ["api", "v1", tenant, document, "broadcast-signal"] => post(method, || {
            Some(Route::BroadcastSignal { tenant: id(tenant)?, document: id(document)? })
        }),
        _ => None,
    }
}

/// What stands below `/documents/:tenant`.
fn documents<'a>(method: Method, tenant: &'a str, rest: &[&'a str]) -> Option<Route<'a>> {
    let tenant = id(tenant)?;
    match rest {
        [] => post(method, || Some(Route::CreateDocument { tenant, document: None })),
        [document] => {
            let document = id(document)?;
            match method {
                Method::Get => Some(Route::Document { tenant, document }),
                Method::Post => Some(Route::CreateDocument { tenant, document: Some(document) }),
                Method::Head | Method::Put | Method::Patch | Method::Delete | Method::Options => {
                    not_allowed("GET, HEAD, POST")
                }
            }
        }
        // Before `:document/deltas`: a document called `session` loses only that spelling.
        ["session", document] => {
            get(method, || Some(Route::Session { tenant, document: id(document)? }))
        }
        ["document", document] if method == Method::Delete => {
            Some(Route::DeleteDocument { tenant, document: id(document)? })
        }
        ["document", _] => not_allowed("DELETE"),
        ["document", document, "revokeToken"] => {
            post(method, || Some(Route::RevokeToken { tenant, document: id(document)? }))
        }
        [document, "deltas"] => {
            get(method, || Some(Route::Deltas { tenant, document: id(document)? }))
        }
        _ => None,
    }
}

/// What stands below `/repos/:tenant`.
fn repository<'a>(method: Method, tenant: &'a str, rest: &[&'a str]) -> Option<Route<'a>> {
    let tenant = id(tenant)?;
    let asked = match (method, rest) {
        (Method::Get, ["commits"]) => GitRoute::Versions,
        (Method::Post, ["git", "blobs"]) => GitRoute::CreateBlob,
        (Method::Post, ["git", "trees"]) => GitRoute::CreateTree,
        (Method::Post, ["git", "commits"]) => GitRoute::CreateCommit,
        (Method::Post, ["git", "summaries"]) => GitRoute::CreateSummary,
        (Method::Get, ["git", "blobs", object]) => GitRoute::Blob { id: id(object)? },
        (Method::Get, ["git", "trees", object]) => GitRoute::Tree { id: id(object)? },
        (Method::Get, ["git", "commits", object]) => GitRoute::Commit { id: id(object)? },
        (Method::Get, ["git", "summaries", "latest"]) => GitRoute::LatestSummary,
        (Method::Get, ["git", "summaries", version]) => GitRoute::Summary { id: id(version)? },
        (Method::Get, ["git", "refs"]) => GitRoute::Refs,
        (Method::Post, ["git", "refs"]) => GitRoute::CreateRef,
        // The last segment of a full row holds the rest of the path, slashes included.
        (Method::Get, ["git", "refs", name @ ..]) => GitRoute::Ref { name: ref_name(name)? },
        (Method::Patch, ["git", "refs", name @ ..]) => {
            GitRoute::UpdateRef { name: ref_name(name)? }
        }
        (_, rest) => return not_allowed(methods(rest)?),
    };
    Some(Route::Git { tenant, asked })
}

/// What a path below `/repos/:tenant` can be asked with.
fn methods(rest: &[&str]) -> Option<&'static str> {
    match rest {
        ["git", "blobs" | "trees" | "commits" | "summaries"] => Some("POST"),
        ["commits"] => Some("GET, HEAD"),
        ["git", "blobs" | "trees" | "commits" | "summaries", _] => Some("GET, HEAD"),
        ["git", "refs"] => Some("GET, HEAD, POST"),
        ["git", "refs", name @ ..] => ref_name(name).map(|_| "GET, HEAD, PATCH"),
        _ => None,
    }
}

/// Ref names are joined from their segments, of which none is empty.
fn ref_name<'a>(segments: &[&'a str]) -> Option<Segment<'a>> {
    let (first, more) = segments.split_first()?;
    let mut name = id(first)?;
    for part in more.iter().flat_map(|more| more.split('/')) {
        let part = id(part)?;
        let name = name.to_mut();
        name.push('/');
        name.push_str(&part);
    }
    Some(name)
}

fn get<'a>(method: Method, found: impl FnOnce() -> Option<Route<'a>>) -> Option<Route<'a>> {
    if method == Method::Get { found() } else { not_allowed("GET, HEAD") }
}

fn post<'a>(method: Method, found: impl FnOnce() -> Option<Route<'a>>) -> Option<Route<'a>> {
    if method == Method::Post { found() } else { not_allowed("POST") }
}

fn not_allowed(allow: &'static str) -> Option<Route<'static>> {
    Some(Route::MethodNotAllowed { allow })
}

/// Decodes an id; empty ones, malformed escapes and control characters are no ids.
fn id(segment: &str) -> Option<Segment<'_>> {
    let decoded = percent_decode(segment)?;
    let is_id = !decoded.is_empty() && !decoded.chars().any(char::is_control);
    is_id.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: Segment<'static> = Cow::Borrowed("t");
    const D: Segment<'static> = Cow::Borrowed("d");

    #[test]
    fn every_route() {
        use Method::*;
        let name = |name: &'static str| Cow::Borrowed(name);
        let git = |asked| Route::Git { tenant: T, asked };
        let both = |route: fn(Segment<'static>, Segment<'static>) -> Route<'static>| route(T, D);
        let table: Vec<(Method, &str, Route<'_>)> = vec![
            (Get, "/", Route::Home),
            (Head, "/health", Route::Health),
            (Get, "/livez", Route::Live),
            (Get, "/healthz/ping", Route::Live),
            (Get, "/api/v1/ping", Route::Live),
            (Get, "/readyz", Route::Ready),
            (Get, "/healthz/startup", Route::Ready),
            (Get, "/healthz/ready", Route::Ready),
            (Get, "/metrics", Route::Metrics),
            (Get, "/socket.io/", Route::SocketIo { method: Get }),
            (Post, "/socket.io", Route::SocketIo { method: Post }),
            (Get, "/socket/websocket", Route::Phoenix),
            (Options, "/anything/at/all", Route::Preflight),
            (Options, "*", Route::Preflight),
            (Post, "/documents/t", Route::CreateDocument { tenant: T, document: None }),
            (Post, "/documents/t/d", Route::CreateDocument { tenant: T, document: Some(D) }),
            (Get, "/documents/t/d", both(|tenant, document| Route::Document { tenant, document })),
            (
                Get,
                "/documents/t/session/d",
                both(|tenant, document| Route::Session { tenant, document }),
            ),
            (
                Delete,
                "/documents/t/document/d",
                both(|tenant, document| Route::DeleteDocument { tenant, document }),
            ),
            (
                Post,
                "/documents/t/document/d/revokeToken",
                both(|tenant, document| Route::RevokeToken { tenant, document }),
            ),
            (Get, "/deltas/t/d", both(|tenant, document| Route::Deltas { tenant, document })),
            (Get, "/deltas/v1/t/d", both(|tenant, document| Route::Deltas { tenant, document })),
            (
                Get,
                "/documents/t/d/deltas",
                both(|tenant, document| Route::Deltas { tenant, document }),
            ),
            (
                Post,
                "/t/d/broadcast-signal",
                both(|tenant, document| Route::BroadcastSignal { tenant, document }),
            ),
            (
                Post,
                "/api/v1/t/d/broadcast-signal",
                both(|tenant, document| Route::BroadcastSignal { tenant, document }),
            ),
            (Get, "/repos/t/commits", git(GitRoute::Versions)),
            (Post, "/repos/t/git/blobs", git(GitRoute::CreateBlob)),
            (Get, "/repos/t/git/blobs/d", git(GitRoute::Blob { id: D })),
            (Post, "/repos/t/git/trees", git(GitRoute::CreateTree)),
            (Get, "/repos/t/git/trees/d", git(GitRoute::Tree { id: D })),
            (Post, "/repos/t/git/commits", git(GitRoute::CreateCommit)),
            (Get, "/repos/t/git/commits/d", git(GitRoute::Commit { id: D })),
            (Get, "/repos/t/git/refs", git(GitRoute::Refs)),
            (Post, "/repos/t/git/refs", git(GitRoute::CreateRef)),
            (Get, "/repos/t/git/refs/d", git(GitRoute::Ref { name: D })),
            (
                Get,
                "/repos/t/git/refs/heads/a%20b/c/d/e",
                git(GitRoute::Ref { name: name("heads/a b/c/d/e") }),
            ),
            (
                Patch,
                "/repos/t/git/refs/heads/d",
                git(GitRoute::UpdateRef { name: name("heads/d") }),
            ),
            (Post, "/repos/t/git/summaries", git(GitRoute::CreateSummary)),
            (Get, "/repos/t/git/summaries/latest", git(GitRoute::LatestSummary)),
            (Get, "/repos/t/git/summaries/d", git(GitRoute::Summary { id: D })),
        ];
        for (method, path, expected) in table {
            assert_eq!(route(method, path), expected, "{method:?} {path}");
            if method == Get {
                assert_eq!(route(Head, path), expected, "HEAD {path}");
            }
            if method != Options {
                let other = route(Put, path);
                assert!(matches!(other, Route::MethodNotAllowed { .. }), "PUT {path}: {other:?}");
            }
        }
    }

    #[test]
    fn what_is_not_found() {
        for path in [
            "",
            "*",
            "/nothing",
            "/documents",
            "/documents//d",
            "/documents/t/a/b/c/d/e/f",
            "/repos/t",
            "/repos/t/git",
            "/repos/t/git/blobs/a/b",
            "/repos//git/blobs",
            "/deltas/t",
            "/deltas/t/%00",
            "/deltas/t/%zz",
            "/deltas/t/%ff",
            "/repos/t/git/refs/heads//x",
            "/socket/longpoll",
            "/healthz/other",
            "/healthz",
            "/repos/t/git/refs/heads/%0a",
        ] {
            assert_eq!(route(Method::Get, path), Route::NotFound, "{path}");
        }
    }

    #[test]
    fn sites_have_every_path_below_their_name() {
        for (path, expected) in [
            ("/admin/tenants/a%2Fb", "admin/tenants/a%2Fb"),
            ("/examples", "examples"),
            ("/examples/todo/", "examples/todo"),
            ("/examples/a/b/c/d/e/f/g.js", "examples/a/b/c/d/e/f/g.js"),
        ] {
            assert_eq!(route(Method::Head, path), Route::Site { path: expected });
            assert_eq!(route(Method::Delete, path), Route::NotFound);
        }
        let signal = route(Method::Post, "/examples/d/broadcast-signal");
        assert!(matches!(signal, Route::BroadcastSignal { .. }));
    }

    #[test]
    fn ids_are_decoded_once() {
        let decoded = |path: &'static str| match route(Method::Get, path) {
            Route::Document { document, .. } => document,
            other => panic!("{other:?}"),
        };
        assert_eq!(decoded("/documents/t/z%C3%BC%252F"), "zü%2F");
        assert_eq!(decoded("/documents/t/a%2Fb"), "a/b");
        assert_eq!(decoded("/documents/t/a+b/"), "a+b");
    }

    proptest! {
        #[test]
        fn arbitrary_paths_never_panic(path in "[/a-z%0-9.]{0,40}|\\PC{0,20}") {
            for method in [Method::Get, Method::Post, Method::Patch, Method::Delete] {
                let _ = route(method, &path);
            }
        }
    }
}
