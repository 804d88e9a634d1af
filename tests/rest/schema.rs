//! `levee schema` against REST: every exchange of these tests is validated, and each body is
//! damaged member by member.

use crate::members::{assert_valid, check_members, fault_of, made_right};
use crate::world::{ALL, Answer, Call, World, token};
use levee::schema::{EXCHANGES, Exchange, FLUID_FAILURE, LEVEE_FAILURE};
use levee_core::http_request::{HttpRequest, OwnedAuthorization};
use levee_core::wire::http::Method;
use levee_core::wire::route::{GitRoute, Route, route};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Which wire a request was on, by its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    Fluid,
    Levee,
}

/// An exchange that has succeeded.
pub(crate) type Seen = (&'static str, Wire);

/// The exchange of a route; `None` for one without JSON.
fn exchange_of(route: &Route<'_>) -> Option<&'static Exchange> {
    let text = match route {
        Route::Health => "GET /health",
        Route::Live => "GET /livez",
        Route::Ready => "GET /readyz",
        Route::CreateDocument { .. } => "POST /documents/:tenant",
        Route::Document { .. } => "GET /documents/:tenant/:document",
        Route::Session { .. } => "GET /documents/:tenant/session/:document",
        Route::DeleteDocument { .. } => "DELETE /documents/:tenant/document/:document",
        Route::RevokeToken { .. } => "POST /documents/:tenant/document/:document/revokeToken",
        Route::Deltas { .. } => "GET /deltas/:tenant/:document",
        Route::BroadcastSignal { .. } => "POST /:tenant/:document/broadcast-signal",
        Route::Git { asked, .. } => git_exchange(asked),
        // See `api.rs`.
        Route::Api(_) | Route::SignIn { .. } | Route::SignedIn { .. } => return None,
        Route::Home
        | Route::Site { .. }
        | Route::Metrics
        | Route::SocketIo { .. }
        | Route::Phoenix
        | Route::Preflight
        | Route::MethodNotAllowed { .. }
        | Route::NotFound => return None,
    };
    let found = EXCHANGES.iter().find(|exchange| exchange.route == text);
    Some(found.unwrap_or_else(|| panic!("no exchange for {text}")))
}

fn git_exchange(asked: &GitRoute<'_>) -> &'static str {
    match asked {
        GitRoute::Versions => "GET /repos/:tenant/commits",
        GitRoute::CreateBlob => "POST /repos/:tenant/git/blobs",
        GitRoute::Blob { .. } => "GET /repos/:tenant/git/blobs/:id",
        GitRoute::CreateTree => "POST /repos/:tenant/git/trees",
        GitRoute::Tree { .. } => "GET /repos/:tenant/git/trees/:id",
        GitRoute::CreateCommit => "POST /repos/:tenant/git/commits",
        GitRoute::Commit { .. } => "GET /repos/:tenant/git/commits/:id",
        GitRoute::Refs => "GET /repos/:tenant/git/refs",
        GitRoute::CreateRef => "POST /repos/:tenant/git/refs",
        GitRoute::Ref { .. } => "GET /repos/:tenant/git/refs/*name",
        GitRoute::UpdateRef { .. } => "PATCH /repos/:tenant/git/refs/*name",
        GitRoute::CreateSummary => "POST /repos/:tenant/git/summaries",
        GitRoute::LatestSummary => "GET /repos/:tenant/git/summaries/latest",
        GitRoute::Summary { .. } => "GET /repos/:tenant/git/summaries/:id",
    }
}

/// Validates the bodies of one exchange. Returns it if it was a success, on the wires it may have
/// been on.
pub(crate) fn assert_exchange(request: &HttpRequest, answer: &Answer) -> Vec<Seen> {
    let wires = match &request.authorization {
        OwnedAuthorization::One(value) if value.starts_with("Bearer") => vec![Wire::Levee],
        OwnedAuthorization::One(value) if value.starts_with("Basic") => vec![Wire::Fluid],
        OwnedAuthorization::None | OwnedAuthorization::One(_) | OwnedAuthorization::Many => {
            vec![Wire::Fluid, Wire::Levee]
        }
    };
    let is_json =
        answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let route = route(request.method, &request.path);
    let exchange = exchange_of(&route);
    // See `api.rs`.
    if matches!(route, Route::Api(_)) {
        return Vec::new();
    }
    if request.method == Method::Head || request.method == Method::Options {
        return Vec::new();
    }
    let is_status = exchange.is_some_and(|exchange| exchange.levee == Some("Status"));
    let is_success = answer.status < 400 || (is_status && answer.status == 503);
    let Some(exchange) = exchange.filter(|_| is_success) else {
        if answer.status >= 400 {
            assert_one_of(&[FLUID_FAILURE, LEVEE_FAILURE], &wires, &answer.json());
        }
        return Vec::new();
    };
    assert!(answer.status == exchange.status || is_status, "{}: {}", exchange.route, answer.status);
    if let Some(name) = exchange.request {
        assert_valid(name, &serde_json::from_slice(&request.body.decode()).unwrap());
    }
    match (exchange.fluid, exchange.levee) {
        (Some(fluid), Some(levee)) => assert_one_of(&[fluid, levee], &wires, &answer.json()),
        (None, None) => assert!(!is_json, "{}: {}", exchange.route, answer.body),
        (Some(_) | None, _) => panic!("{}: JSON on one wire only", exchange.route),
    }
    wires.into_iter().map(|wire| (exchange.route, wire)).collect()
}

/// The definition of Fluid's wire and of Levee's; valid on one of these wires.
fn assert_one_of(names: &[&str; 2], wires: &[Wire], value: &Value) {
    let faults: Vec<_> = wires.iter().map(|wire| fault_of(names[*wire as usize], value)).collect();
    assert!(faults.iter().any(Result::is_ok), "{faults:?}");
}

#[test]
fn every_exchange_is_of_a_route() {
    for exchange in &EXCHANGES {
        let (method, path) = exchange.route.split_once(' ').unwrap();
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            other => panic!("{other}"),
        };
        let path = path.replace([':', '*'], "");
        assert_eq!(exchange_of(&route(method, &path)), Some(exchange), "{path}");
    }
}

/// A call with the credentials of a wire.
fn on(wire: Wire, call: Call) -> Call {
    match wire {
        Wire::Fluid => call.basic(&token("fluid", "d", ALL)),
        Wire::Levee => call.bearer(&token("fluid", "d", ALL)),
    }
}

fn document() -> Value {
    json!({
        "id": "d", "sequenceNumber": 7, "values": [["code", { "key": "code", "value": 1 }]],
        "summary": { "type": 1, "tree": { "a": { "type": 2, "content": "x" } } },
        "enableDiscovery": true, "generateToken": false,
    })
}

fn commit(tree: &str) -> Value {
    json!({
        "tree": tree, "parents": [], "message": "m",
        "author": { "name": "a", "email": "e", "date": "2026-01-02T03:04:05Z" },
        "committer": { "name": "a", "email": "e", "date": 1_767_323_045 },
    })
}

/// Makes one object of each kind, and returns the ids of blob, tree and commit.
fn objects(world: &World, wire: Wire) -> [String; 3] {
    let make = |kind: &str, body: &Value| {
        let call = Call::post(&format!("/repos/fluid/git/{kind}"), body);
        world.call(&on(wire, call)).json()["sha"].as_str().unwrap().to_owned()
    };
    let blob = make("blobs", &json!({ "content": "x", "encoding": "utf-8" }));
    let tree = make("trees", &json!({ "tree": [{ "path": "a", "sha": blob }] }));
    let commit = make("commits", &commit(&tree));
    [blob, tree, commit]
}

#[test]
fn every_exchange_succeeds_on_both_wires() {
    let mut expected = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for wire in [Wire::Fluid, Wire::Levee] {
        let world = World::new();
        world.call(&on(wire, Call::post("/documents/fluid", &document())));
        let [blob, tree, commit] = objects(&world, wire);
        let summary = json!({ "type": 1, "tree": { "a": { "type": 2, "content": "x" } } });
        for path in [
            "/health",
            "/livez",
            "/readyz",
            "/documents/fluid/d",
            "/documents/fluid/session/d",
            "/deltas/fluid/d",
            "/repos/fluid/commits",
            &format!("/repos/fluid/git/blobs/{blob}"),
            &format!("/repos/fluid/git/trees/{tree}?recursive=1"),
            &format!("/repos/fluid/git/commits/{commit}"),
            "/repos/fluid/git/refs",
            "/repos/fluid/git/refs/heads/d",
            "/repos/fluid/git/summaries/latest",
        ] {
            let answer = world.call(&on(wire, Call::get(path)));
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        let version = world.call(&on(wire, Call::get("/repos/fluid/git/refs/heads/d"))).json();
        let version = version["object"]["sha"].as_str().unwrap();
        let target = json!({ "sha": commit });
        let patch = Call::new("PATCH", "/repos/fluid/git/refs/heads/d").body(&target.to_string());
        let signal = json!({ "signalContent": { "a": 1 } });
        for call in [
            Call::get(&format!("/repos/fluid/git/summaries/{version}")),
            patch,
            Call::post("/repos/fluid/git/summaries", &summary),
            Call::post("/fluid/d/broadcast-signal", &signal),
        ] {
            let answer = world.call(&on(wire, call));
            assert!(answer.status < 400, "{}", answer.body);
        }
        // A reference can be made where there is no version yet, which only Levee's wire has.
        let empty = World::new();
        let bare = Call::post("/documents/fluid", &json!({ "id": "d" }));
        empty.call(&bare.bearer(&token("fluid", "d", ALL)));
        let [.., commit] = objects(&empty, wire);
        let reference = json!({ "ref": "refs/heads/d", "sha": commit });
        let made = empty.call(&on(wire, Call::post("/repos/fluid/git/refs", &reference)));
        assert_eq!(made.status, 201, "{}", made.body);
        let delete = Call::new("DELETE", "/documents/fluid/document/d");
        assert_eq!(world.wait(&on(wire, delete)).status, 204);
        seen.extend(world.shared.exchanges.take());
        seen.extend(empty.shared.exchanges.take());
        let possible = EXCHANGES.iter().filter(|exchange| exchange.status < 400);
        expected.extend(possible.map(|exchange| (exchange.route, wire)));
    }
    assert_eq!(seen, expected);
}

/// Whether a body is taken, in a world with one document and its objects.
fn accepts(wire: Wire, path: &str, body: &Value) -> bool {
    let world = World::new();
    world.create("fluid", "d");
    objects(&world, wire);
    world.call(&on(wire, Call::post(path, body))).status < 400
}

#[test]
fn git_bodies_miss_what_the_schema_requires() {
    let [blob, tree, parent] = objects(&World::new(), Wire::Levee);
    // On Fluid's wire, where a commit needs no author.
    let taken = |path: &'static str, whole: &Value, right: &'static [&'static str]| {
        let whole = whole.clone();
        move |body: &Value| accepts(Wire::Fluid, path, &made_right(body, &whole, right))
    };
    let body = json!({ "content": "x", "encoding": "utf-8" });
    let blobs = taken("/repos/fluid/git/blobs", &body, &["/content", "/encoding"]);
    check_members("CreateBlob", &body, blobs, &[]);
    let body = json!({ "tree": [{ "path": "a", "sha": blob }] });
    check_members("CreateTree", &body, taken("/repos/fluid/git/trees", &body, &[]), &[]);
    let body = commit(&tree);
    let commits = taken("/repos/fluid/git/commits", &body, &["/tree"]);
    check_members("CreateCommit", &body, commits, &[]);
    let summary = json!({ "type": 1, "tree": { "a": { "type": 2, "content": "x" } } });
    let summaries = taken("/repos/fluid/git/summaries", &summary, &[]);
    check_members("SummaryTree", &summary, summaries, &[]);
    let update = json!({ "sha": parent });
    let moved = |body: &Value| {
        let world = World::new();
        world.create("fluid", "d");
        objects(&world, Wire::Levee);
        let body = made_right(body, &update, &["/sha"]);
        let call = Call::new("PATCH", "/repos/fluid/git/refs/heads/d").body(&body.to_string());
        world.call(&on(Wire::Levee, call)).status < 400
    };
    check_members("UpdateRef", &update, moved, &[]);
}

#[test]
fn document_bodies_miss_what_the_schema_requires() {
    let whole = document();
    let made = |body: &Value| {
        let body = made_right(body, &whole, &["/id"]);
        World::new().call(&on(Wire::Levee, Call::post("/documents/fluid", &body))).status < 400
    };
    check_members("CreateDocument", &whole, made, &[]);
    let signal = json!({ "signalContent": { "a": 1 } });
    let heard = |body: &Value| accepts(Wire::Levee, "/fluid/d/broadcast-signal", body);
    check_members("BroadcastSignal", &signal, heard, &[]);
}
