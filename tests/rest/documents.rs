//! Documents: create on both wires, look, find the session; signals from services.

use crate::world::{ADMIN_KEY, ALL, Call, InMemory, NOW_S, World, done, token};
use levee_core::ids::DocKey;
use serde_json::{Value, json};

const URL: &str = "http://levee.test:4000";

fn summary() -> Value {
    json!({ "type": 1, "tree": { "a": { "type": 2, "content": "x" } } })
}

fn new_token() -> String {
    token("fluid", "", ALL)
}

fn create(body: &Value) -> Call {
    Call::post("/documents/fluid", body)
}

#[test]
fn fluids_create_answers_an_id() {
    let world = World::new();
    let expected = world.next_id();
    let body = json!({ "summary": summary(), "sequenceNumber": 0, "values": [] });
    let answer = world.call(&create(&body).basic(&new_token()).restless());
    assert_eq!((answer.status, answer.json()), (201, json!(expected)));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let image = done(world.core.store.load(&DocKey::new("fluid", &expected)));
    let image = image.unwrap().unwrap();
    assert!(image.version.is_some());
    let (seq, checkpoint) = image.checkpoint.unwrap();
    assert_eq!(seq.0, 0);
    assert!(serde_json::from_slice::<Value>(&checkpoint).unwrap().is_object());
}

#[test]
fn fluids_create_with_discovery_and_a_token() {
    let world = World::new();
    let id = world.next_id();
    let body = json!({ "summary": summary(), "enableDiscovery": true, "generateToken": true });
    let answer = world.call(&create(&body).basic(&new_token()));
    let mut created = answer.json();
    assert_eq!(answer.status, 201);
    let minted = created["token"].take();
    let session = json!({
        "ordererUrl": URL, "historianUrl": URL, "deltaStreamUrl": URL,
        "isSessionAlive": false, "isSessionActive": false,
    });
    assert_eq!(created, json!({ "id": id, "token": null, "session": session }));
    let minted = minted.as_str().unwrap();
    let claims = world.core.keyring().verify("fluid", minted, NOW_S as i64).unwrap();
    assert_eq!((claims.document(), claims.scopes_json()), (&*id, Some("[]")));
    assert_eq!(claims.user_json(), Some("{\"id\":\"u\"}"));
    assert_eq!(claims.expires_at_s, NOW_S as i64 + 300);

    let body = json!({ "summary": summary(), "enableDiscovery": true });
    let answer = world.call(&create(&body).basic(&new_token()));
    assert_eq!(answer.json().get("token"), None);
}

#[test]
fn levees_create() {
    let world = World::with(Some("https://levee.example"));
    let expected = world.next_id().replace('-', "");
    let body = json!({ "summary": { "type": 1, "tree": { ".app": summary() } } });
    let answer = world.call(&create(&body).bearer(&token("fluid", "__new__", ALL)));
    assert_eq!((answer.status, answer.json()), (201, json!(expected)));

    let named = create(&json!({ "id": "mine", "enableDiscovery": true }));
    let own = named.clone().bearer(&token("fluid", "mine", ALL));
    let answer = world.call(&own);
    let session = json!({
        "ordererUrl": "https://levee.example/socket",
        "historianUrl": "https://levee.example/repos/fluid",
        "deltaStreamUrl": "https://levee.example/deltas/fluid/mine",
        "isSessionAlive": false,
        "isSessionActive": false,
    });
    let expected = json!({ "id": "mine", "session": session });
    assert_eq!((answer.status, answer.json()), (201, expected));
    let again = world.call(&own);
    let exists = json!({ "error": "Document already exists" });
    assert_eq!((again.status, again.json()), (409, exists));
    let foreign = world.call(&named.bearer(&token("fluid", "", ALL)));
    assert_eq!(foreign.json(), json!({ "error": "Token not valid for this document" }));
}

#[test]
fn an_id_is_given_once() {
    let world = World::new();
    let mine = create(&json!({ "id": "mine", "summary": summary() })).basic(&new_token());
    assert_eq!(world.call(&mine).json(), json!("mine"));
    let again = world.call(&mine);
    let exists = json!({
        "code": 400, "message": "Document already exists", "canRetry": false, "isFatal": true,
    });
    assert_eq!((again.status, again.json()), (400, exists));

    let in_path = Call::post("/documents/fluid/other", &json!({ "summary": summary() }));
    let in_path = in_path.basic(&new_token());
    assert_eq!(world.call(&in_path).json(), json!("other"));
    assert_eq!(world.call(&in_path).status, 400);

    let in_memory = DocKey::new("fluid", "live");
    world.shared.in_memory.borrow_mut().insert(in_memory, InMemory::default());
    let body = json!({ "id": "live", "summary": summary() });
    assert_eq!(world.call(&create(&body).basic(&new_token())).status, 400);
}

#[test]
fn what_cannot_be_created() {
    let world = World::new();
    let long = "x".repeat(513);
    let handle = json!({ "type": 1, "tree": { "a": { "handle": "/x" } } });
    for (body, text) in [
        (json!({ "sequenceNumber": 0 }), "Missing or invalid summary"),
        (json!({ "id": long, "summary": summary() }), "Invalid document id"),
        (json!({ "id": "a\u{7}", "summary": summary() }), "Invalid document id"),
        (json!([]), "Malformed request body"),
        (json!({ "summary": handle }), "Object /x does not exist"),
    ] {
        let answer = world.call(&create(&body).basic(&new_token()));
        assert_eq!((answer.status, &answer.json()["message"]), (400, &json!(text)), "{body}");
    }
    let body = json!({ "id": "mine", "summary": summary() });
    let other = create(&body).basic(&token("fluid", "other", ALL));
    assert_eq!(world.call(&other).status, 403);
    let broken = Call::new("POST", "/documents/fluid").body("{").bearer(&new_token());
    let answer = world.call(&broken);
    let expected = json!({ "errors": { "detail": "Bad Request" } });
    assert_eq!((answer.status, answer.json()), (400, expected));
    // Levee's wire makes documents without a summary.
    assert_eq!(world.call(&create(&json!({})).bearer(&new_token())).status, 201);
}

#[test]
fn documents_and_their_sessions() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    world.store_ops(&doc, 1, &["{}", "{}"]);
    let reader = token("fluid", "d", &["doc:read"]);
    let describe = Call::get("/documents/fluid/d").bearer(&reader);
    let mut description = json!({ "id": "d", "documentId": "d", "tenantId": "fluid" });
    description["sequenceNumber"] = json!(2);
    assert_eq!(world.call(&describe).json(), description);
    let path = Call::get("/documents/fluid/session/d");
    let (fluid, levee) = (path.clone().basic(&reader).restless(), path.bearer(&reader));
    let expected = json!({
        "ordererUrl": URL, "historianUrl": URL, "deltaStreamUrl": URL,
        "isSessionAlive": true, "isSessionActive": false,
    });
    assert_eq!(world.call(&fluid).json(), expected);
    assert_eq!(world.call(&levee).json()["isSessionAlive"], false);
    let in_memory = InMemory { head: 1, clients: 3, ..InMemory::default() };
    world.shared.in_memory.borrow_mut().insert(doc, in_memory);
    assert_eq!(world.call(&describe).json()["sequenceNumber"], 1);
    assert_eq!(world.call(&fluid).json()["isSessionActive"], true);
    let session = world.call(&levee).json();
    assert_eq!(session["isSessionAlive"], true);
    assert_eq!(session["ordererUrl"], format!("{URL}/socket"));
}

#[test]
fn unknown_documents() {
    let world = World::new();
    let reader = token("fluid", "no", &["doc:read"]);
    let text = json!("Document not found");
    for path in ["/documents/fluid/no", "/documents/fluid/session/no"] {
        let answer = world.call(&Call::get(path).bearer(&reader));
        assert_eq!((answer.status, &answer.json()["error"]), (404, &text));
        let answer = world.call(&Call::get(path).basic(&reader).restless());
        assert_eq!((answer.status, &answer.json()["message"]), (404, &text));
    }
}

#[test]
fn signals_of_services_reach_the_document() {
    let world = World::new();
    let post = |body: &Value| Call::post("/fluid/d/broadcast-signal", body);
    let body = json!({ "signalContent": { "contents": { "type": "t", "content": { "a": 1 } } } });
    let own = token("fluid", "d", ALL);
    let answer = world.call(&post(&body).basic(&own));
    assert_eq!((answer.status, &*answer.body), (200, "OK"));
    let content = json!(body["signalContent"].to_string()).to_string();
    assert_eq!(*world.shared.heard.borrow(), [(DocKey::new("fluid", "d"), content)]);
    assert_eq!(world.call(&post(&body).basic(&token("fluid", "e", ALL))).status, 403);
    for body in [json!({}), json!({ "signalContent": "x" }), json!([])] {
        let answer = world.call(&post(&body).basic(&own));
        assert_eq!((answer.status, &answer.json()["message"]), (400, &json!("Bad Request")));
    }
}

#[test]
fn a_document_is_deleted_by_who_may_write_it() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    let delete = Call::new("DELETE", "/documents/fluid/document/d");
    let own = delete.clone().basic(&token("fluid", "d", ALL));
    assert_eq!(world.call(&delete.clone().basic(&token("fluid", "e", ALL))).status, 403);
    assert_eq!(world.call(&delete.basic(&token("fluid", "d", &["doc:read"]))).status, 403);
    let answer = world.wait(&own);
    assert_eq!((answer.status, &*answer.body), (204, ""));
    assert_eq!(done(world.core.store.load(&doc)), Ok(None));
    assert_eq!(world.wait(&own).status, 404);
    let audit = world.wait(&Call::get("/api/audit").bearer(ADMIN_KEY)).json();
    assert!(audit.to_string().contains("document/d"), "{audit}");
    // The name can be used again.
    world.create("fluid", "d");
}
