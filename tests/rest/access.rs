//! Tokens: every failure on every wire.

use crate::world::{ALL, Answer, Call, NOW_S, World, token, token_with};
use serde_json::{Value, json};

fn claims(member: &str, value: Value) -> Value {
    let mut claims = json!({
        "documentId": "d", "tenantId": "fluid", "scopes": ["doc:read"], "exp": NOW_S + 1,
    });
    claims[member] = value;
    claims
}

fn fluid_error(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!(body["code"], answer.status);
    assert_eq!((&body["canRetry"], &body["isFatal"]), (&json!(false), &json!(true)));
    assert_eq!(body.get("retryAfter"), None);
    (answer.status, body["message"].as_str().unwrap().to_owned())
}

#[test]
fn levees_refusals() {
    let world = World::new();
    let deltas = || Call::get("/deltas/fluid/d");
    let with = |member, value| deltas().bearer(&token_with("fluid", claims(member, value)));
    let read = token("fluid", "d", &["doc:read"]);
    let format = "Invalid Authorization header format. Expected: Bearer <token>";
    let document = "Token not valid for this document";
    let create = Call::post("/documents/fluid", &json!({}));
    let blob = Call::post("/repos/fluid/git/blobs", &json!({ "content": "" }));
    let writer = token("fluid", "d", &["doc:write"]);
    for (call, status, text) in [
        (deltas(), 401, "Missing Authorization header"),
        (deltas().header("Authorization", "Token x"), 401, format),
        (deltas().bearer("a.b.c"), 401, "Invalid token format"),
        (deltas().bearer(&token("other", "d", ALL)), 401, "Invalid token signature"),
        (Call::get("/deltas/nobody/d").bearer(&read), 401, "Unknown tenant"),
        (with("exp", json!(NOW_S)), 401, "Token has expired"),
        (with("exp", json!("soon")), 500, "Authentication error"),
        (with("scopes", json!("doc:read")), 500, "Authentication error"),
        (with("tenantId", json!("other")), 403, "Token not valid for this tenant"),
        (Call::get("/deltas/fluid/e").bearer(&read), 403, document),
        (Call::get("/repos/fluid/git/refs?id=e").bearer(&read), 403, document),
        (deltas().bearer(&writer), 403, "Missing required scopes: doc:read"),
        (
            create.bearer(&token("fluid", "", &[])),
            403,
            "Missing required scopes: doc:read, doc:write",
        ),
        (blob.bearer(&read), 403, "Missing required scopes: summary:write"),
    ] {
        let answer = world.call(&call);
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": text })));
    }
}

#[test]
fn fluids_refusals() {
    let world = World::new();
    let deltas = || Call::get("/deltas/fluid/d");
    let read = token("fluid", "d", &["doc:read"]);
    let writer = token("fluid", "d", &["doc:read", "doc:write"]);
    let (provide, invalid) = ("Must provide an authorization token", "Invalid token");
    let other = "DocumentId and/or TenantId in token claims do not match requested resource";
    let scopes = "Missing scopes in token claims";
    let post = |what: &str| Call::post(&format!("/repos/fluid/git/{what}"), &json!({}));
    for (call, status, text) in [
        (deltas().restless(), 401, provide),
        (Call::get("/repos/fluid/commits?sha=d"), 401, provide),
        (deltas().basic("a.b.c"), 401, invalid),
        (deltas().basic("!").restless(), 401, invalid),
        (deltas().basic(&token("other", "d", ALL)), 401, invalid),
        (Call::get("/deltas/nobody/d").basic(&read), 401, invalid),
        (deltas().basic(&token_with("fluid", claims("exp", json!(NOW_S)))), 401, invalid),
        (Call::get("/deltas/fluid/e").basic(&read).restless(), 403, other),
        (deltas().basic(&token("fluid", "d", &[])), 403, scopes),
        (Call::get("/repos/fluid/commits?sha=d").storage("other", &read), 403, other),
        (post("blobs").storage("fluid", &read), 403, scopes),
        (post("trees").storage("fluid", &writer), 403, scopes),
        (post("summaries").storage("fluid", &writer), 403, scopes),
    ] {
        assert_eq!(fluid_error(&world.call(&call)), (status, text.to_owned()));
    }
}

#[test]
fn an_attachment_needs_no_right_to_summarize_on_fluids_wire() {
    let world = World::new();
    let writer = token("fluid", "d", &["doc:read", "doc:write"]);
    let call = Call::post("/repos/fluid/git/blobs", &json!({ "content": "x" }));
    assert_eq!(world.call(&call.clone().storage("fluid", &writer)).status, 201);
    assert_eq!(world.call(&call.bearer(&writer)).status, 403);
}

#[test]
fn the_development_tenant_takes_any_signature() {
    let world = World::new();
    let claims = claims("tenantId", json!("local")).to_string();
    let made_up = levee_core::auth::sign(&claims, b"whatever");
    assert_eq!(world.call(&Call::get("/deltas/local/d").basic(&made_up)).status, 200);
    assert_eq!(world.call(&Call::get("/deltas/local/e").basic(&made_up)).status, 403);
    assert_eq!(world.call(&Call::get("/deltas/fluid/d").basic(&made_up)).status, 401);
}
