//! Git over REST: routes, wires, one document's objects for that document only.

use crate::world::{ALL, Call, World, token};
use serde_json::{Value, json};

/// `world`
const BLOB: &str = "04fea06420ca60892f73becee3614f6d023a4b7f";

fn fluid(world: &World, document: &str, call: Call) -> (u16, Value) {
    let call = call.storage("fluid", &token("fluid", document, ALL));
    let answer = world.call(&call.restless());
    (answer.status, answer.json())
}

fn levee(world: &World, document: &str, call: Call) -> (u16, Value) {
    let answer = world.call(&call.bearer(&token("fluid", document, ALL)));
    (answer.status, answer.json())
}

fn get(path: &str) -> Call {
    Call::get(&format!("/repos/fluid/{path}"))
}

fn post(path: &str, body: &Value) -> Call {
    Call::post(&format!("/repos/fluid/{path}"), body)
}

#[test]
fn a_cold_load_in_parts() {
    let world = World::new();
    world.create("fluid", "d");
    // The second time from the cache.
    for _ in 0..2 {
        let (status, commits) = fluid(&world, "d", get("commits?count=1&sha=d"));
        assert_eq!((status, commits.as_array().unwrap().len()), (200, 1));
        assert_eq!(commits[0]["commit"]["message"], "New document\n");
        let tree = commits[0]["commit"]["tree"]["sha"].as_str().unwrap();
        let (status, tree) = fluid(&world, "d", get(&format!("git/trees/{tree}?recursive=1")));
        assert_eq!(status, 200);
        let entries = tree["tree"].as_array().unwrap();
        let paths: Vec<&str> = entries.iter().map(|e| e["path"].as_str().unwrap()).collect();
        assert!(paths.starts_with(&[".protocol", ".protocol/attributes"]), "{paths:?}");
        for entry in entries.iter().filter(|entry| entry["type"] == "blob") {
            let sha = entry["sha"].as_str().unwrap();
            let (status, blob) = fluid(&world, "d", get(&format!("git/blobs/{sha}")));
            assert_eq!((status, &blob["sha"]), (200, &entry["sha"]));
        }
        let expected = json!({
            "sha": BLOB, "size": 5, "content": "d29ybGQ=", "encoding": "base64", "url": "",
        });
        assert_eq!(fluid(&world, "d", get(&format!("git/blobs/{BLOB}"))), (200, expected));
    }
}

#[test]
fn a_cold_load_in_one() {
    let world = World::new();
    world.create("fluid", "d");
    let latest = get("git/summaries/latest?disableCache=true");
    let (status, whole) = fluid(&world, "d", latest);
    assert_eq!(status, 200);
    let entries = whole["trees"][0]["entries"].as_array().unwrap();
    assert!(entries.contains(&json!({ "path": ".app", "type": "tree" })));
    let hello = json!({ "path": ".app/hello", "type": "blob", "id": BLOB });
    assert!(entries.contains(&hello), "{entries:?}");
    let version = whole["id"].as_str().unwrap();
    let named = get(&format!("git/summaries/{version}"));
    assert_eq!(fluid(&world, "d", named), (200, whole));
}

#[test]
fn levees_load() {
    let world = World::new();
    world.create("fluid", "d");
    let (_, reference) = levee(&world, "d", get("git/refs/heads/d"));
    assert_eq!(reference["ref"], "refs/heads/d");
    let sha = reference["object"]["sha"].as_str().unwrap();
    let base = "http://levee.test:4000/repos/fluid/git";
    assert_eq!(reference["object"]["url"], format!("{base}/commits/{sha}"));
    let (_, commit) = levee(&world, "d", get(&format!("git/commits/{sha}")));
    let tree = commit["tree"]["sha"].as_str().unwrap();
    let count = |query: &str| {
        let (_, tree) = levee(&world, "d", get(&format!("git/trees/{tree}?recursive={query}")));
        tree["tree"].as_array().unwrap().len()
    };
    assert!(count("true") < count("1"), "only the literal 1 is recursive");
    let own = token("fluid", "d", ALL);
    let answer = world.call(&get(&format!("git/blobs/{BLOB}")).bearer(&own));
    assert_eq!(answer.json()["url"], format!("{base}/blobs/{BLOB}"));
    let kept = answer.header("cache-control");
    assert_eq!(kept, Some("private, max-age=31536000, immutable"));
    let refs = world.call(&get("git/refs").bearer(&own));
    assert_eq!(refs.json()[0]["ref"], "refs/heads/d");
    assert_eq!(refs.header("cache-control"), Some("no-store"));
}

#[test]
fn levees_upload() {
    let world = World::new();
    world.create("fluid", "d");
    let made = |path: &str, body: Value| {
        let (status, answer) = levee(&world, "d", post(path, &body));
        assert_eq!(status, 201, "{path} {answer}");
        answer["sha"].as_str().unwrap_or_default().to_owned()
    };
    let blob = made("git/blobs", json!({ "content": "new", "encoding": "utf-8" }));
    let entry = json!({ "path": "a", "mode": "100644", "sha": blob, "type": "blob" });
    let tree = made("git/trees", json!({ "tree": [entry] }));
    let author = json!({ "name": "n", "email": "e" });
    let body = json!({ "message": "m", "tree": tree, "parents": [], "author": author });
    let commit = made("git/commits", body);
    let body = json!({ "sha": commit, "force": true }).to_string();
    let patch = Call::new("PATCH", "/repos/fluid/git/refs/heads/d").body(&body);
    let (status, moved) = levee(&world, "d", patch);
    assert_eq!((status, &moved["object"]["sha"]), (200, &json!(commit)));
    // Only an accepted summary moves it for readers.
    let (_, seen) = levee(&world, "d", get("git/refs/heads/d"));
    assert_ne!(seen["object"]["sha"], commit);
    let create = post("git/refs", &json!({ "ref": "refs/heads/d", "sha": commit }));
    let exists = json!({ "error": "Reference already exists" });
    assert_eq!(levee(&world, "d", create), (409, exists));
    // What was made is there for the next request.
    let (status, answer) = levee(&world, "d", get(&format!("git/commits/{commit}")));
    assert_eq!((status, &answer["message"]), (200, &json!("m")));
}

#[test]
fn fluids_upload_in_one() {
    let world = World::new();
    world.create("fluid", "d");
    let blob = json!({ "type": "blob", "content": "x", "encoding": "utf-8" });
    let body = json!({
        "entries": [{ "path": "a", "type": "blob", "value": blob }],
        "message": "", "sequenceNumber": 0, "type": "channel",
    });
    let (status, handle) = fluid(&world, "d", post("git/summaries?initial=false", &body));
    assert_eq!(status, 201);
    let tree = get(&format!("git/trees/{}", handle["id"].as_str().unwrap()));
    assert_eq!(fluid(&world, "d", tree).1["tree"][0]["path"], "a");
}

#[test]
fn one_documents_objects_are_no_others() {
    let world = World::new();
    world.create("fluid", "d");
    world.create("fluid", "e");
    let body = json!({ "content": "secret", "encoding": "utf-8" });
    let (_, made) = fluid(&world, "d", post("git/blobs", &body));
    let blob = || get(&format!("git/blobs/{}", made["sha"].as_str().unwrap()));
    assert_eq!(fluid(&world, "d", blob()).0, 200);
    assert_eq!(fluid(&world, "e", blob()).0, 404);
    assert_eq!(levee(&world, "e", blob()), (404, json!({ "error": "Blob not found" })));
    assert_eq!(fluid(&world, "e", get("commits?count=1&sha=d")).0, 404);
    assert_eq!(levee(&world, "e", get("git/refs/heads/d")).0, 404);
}

#[test]
fn unknown_things() {
    let world = World::new();
    let zeros = "0".repeat(40);
    for (path, text) in [
        (format!("git/blobs/{zeros}"), "Blob not found"),
        (format!("git/trees/{zeros}?recursive=1"), "Tree not found"),
        (format!("git/commits/{zeros}"), "Commit not found"),
        ("git/refs/heads/d".to_owned(), "Reference not found"),
    ] {
        let found = levee(&world, "d", get(&path));
        assert_eq!(found, (404, json!({ "error": text })), "{path}");
        let (status, body) = fluid(&world, "d", get(&path));
        assert_eq!((status, &body["message"]), (404, &json!(text)), "{path}");
    }
    for path in ["commits?count=1&sha=d", "git/summaries/latest"] {
        let (status, body) = fluid(&world, "d", get(path));
        assert_eq!((status, &body["canRetry"]), (404, &json!(false)), "{path}");
    }
    let body = json!({ "content": "!", "encoding": "base64" });
    let refused = (400, json!({ "error": "Invalid base64 content" }));
    assert_eq!(levee(&world, "d", post("git/blobs", &body)), refused);
}

#[test]
fn history_begins_at_the_tokens_document_by_default() {
    let world = World::new();
    world.create("fluid", "d");
    let (status, commits) = fluid(&world, "d", get("commits"));
    assert_eq!((status, commits.as_array().unwrap().len()), (200, 1));
}
