//! What administrators see of a tenant's documents, in the shapes of the original's admin page.

use super::api::assert_answer;
use super::world::{ADMIN_KEY, Answer, Call, InMemory, World};
use levee_core::ids::DocKey;
use levee_core::wire::http::Method;
use serde_json::{Value, json};

fn get(target: &str) -> Call {
    Call::get(target).bearer(ADMIN_KEY)
}

fn ask(world: &World, target: &str) -> Answer {
    world.wait(&get(target))
}

fn found(world: &World, target: &str) -> Value {
    let answer = ask(world, target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    let value = answer.json();
    assert_answer(Method::Get, target, &value);
    value
}

fn op(seq: u64, kind: &str, contents: &str) -> String {
    json!({
        "clientId": "c", "sequenceNumber": seq, "clientSequenceNumber": 1,
        "referenceSequenceNumber": 0, "minimumSequenceNumber": 0, "type": kind,
        "contents": serde_json::from_str::<Value>(contents).unwrap(),
        "timestamp": 1_795_377_000_000_u64 + 60_000 * seq,
    })
    .to_string()
}

fn ids(body: &Value) -> Vec<&str> {
    let rows = body["documents"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn documents_come_in_pages_and_by_search() {
    let world = World::new();
    for n in 0..9 {
        world.create("fluid", &format!("Plan {n}"));
    }
    world.create("other", "Plan 5");
    world.create("fluid", "notes");
    let all = found(&world, "/api/tenants/fluid/documents");
    assert_eq!(ids(&all).len(), 10);
    assert_eq!(all["next"], Value::Null);
    let first = found(&world, "/api/tenants/fluid/documents?limit=4");
    assert_eq!(ids(&first), ["Plan 0", "Plan 1", "Plan 2", "Plan 3"]);
    assert_eq!(first["next"], "Plan 3");
    let second = found(&world, "/api/tenants/fluid/documents?limit=4&from=Plan%203");
    assert_eq!(ids(&second), ["Plan 4", "Plan 5", "Plan 6", "Plan 7"]);
    let sought = found(&world, "/api/tenants/fluid/documents?search=PLAN%208");
    assert_eq!(ids(&sought), ["Plan 8"]);
    let last = found(&world, "/api/admin/tenants/fluid/documents?from=Plan%208");
    assert_eq!(ids(&last), ["notes"]);
    assert_eq!(found(&world, "/api/tenants/nobody/documents")["documents"], json!([]));
}

#[test]
fn a_document_is_shown_with_its_session() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    let path = "/api/tenants/fluid/documents/d";
    let cold = found(&world, path);
    let shown = &cold["document"];
    let version = shown["version"].as_str().unwrap();
    assert_eq!(
        *shown,
        json!({
            "id": "d", "tenant_id": "fluid", "sequence_number": 0,
            "created_at": "2026-11-22T19:50:00.000Z", "updated_at": "2026-11-22T19:50:00.000Z",
            "session_alive": false, "version": version,
        })
    );
    assert_eq!(cold["session"], Value::Null);
    world.store_ops(&doc, 1, &[&op(1, "op", "1"), &op(2, "op", "2")]);
    let live = InMemory { head: 2, clients: 1, ..InMemory::default() };
    world.shared.in_memory.borrow_mut().insert(doc, live);
    let warm = found(&world, path);
    assert_eq!(warm["document"]["sequence_number"], 2);
    assert_eq!(warm["document"]["created_at"], "2026-11-22T19:51:00.000Z");
    assert_eq!(warm["document"]["updated_at"], "2026-11-22T19:52:00.000Z");
    assert_eq!(warm["document"]["session_alive"], true);
    let session = &warm["session"];
    assert_eq!((&session["current_sn"], &session["current_msn"]), (&json!(2), &json!(0)));
    assert_eq!((&session["client_count"], &session["history_size"]), (&json!(1), &json!(0)));
    let member = &session["members"][0];
    assert_eq!(session["client_ids"], json!([member["client_id"]]));
    assert_eq!(
        (&member["user"], &member["mode"], &member["client_sequence_number"]),
        (&json!("u"), &json!("write"), &json!(3))
    );
    assert_eq!(member["client"]["user"]["id"], "u");
    let absent = ask(&world, "/api/tenants/fluid/documents/other");
    assert_eq!(absent.status, 404);
    let error = json!({ "code": "not_found", "message": "Document not found" });
    assert_eq!(absent.json()["error"], error);
}

#[test]
fn operations_come_with_their_contents_as_text() {
    let world = World::new();
    let doc = DocKey::new("fluid", "d");
    let join = op(1, "join", "{\"clientId\":\"c\"}");
    let ops = [join, op(2, "op", "{\"a\":[1]}"), op(3, "op", "\"text\""), op(4, "noop", "null")];
    world.store_ops(&doc, 1, &ops.iter().map(String::as_str).collect::<Vec<_>>());
    let path = "/api/tenants/fluid/documents/d/deltas";
    let all = found(&world, path);
    let all = all["deltas"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(
        all[1],
        json!({
            "sequence_number": 2, "client_id": "c", "client_sequence_number": 1,
            "reference_sequence_number": 0, "minimum_sequence_number": 0, "type": "op",
            "contents": "{\n  \"a\": [\n    1\n  ]\n}", "metadata": "",
            "timestamp": 1_795_377_120_000_u64,
        })
    );
    assert_eq!((&all[2]["contents"], &all[3]["contents"]), (&json!("text"), &json!("")));
    let numbers = |query: &str| -> Vec<u64> {
        let body = found(&world, &format!("{path}?{query}"));
        let rows = body["deltas"].as_array().unwrap();
        rows.iter().map(|row| row["sequence_number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers("from=-1&to=3"), [1, 2, 3]);
    assert_eq!(numbers("from=2"), [3, 4]);
    assert_eq!(numbers("from=1&limit=2"), [2, 3]);
    assert_eq!(numbers("limit=0"), [1, 2, 3, 4]);
    assert_eq!(numbers("from=4"), [0_u64; 0]);
    // By the mount of the admin key, whose path is longer.
    let admin = found(&world, "/api/admin/tenants/fluid/documents/d/deltas?from=3");
    assert_eq!(admin["deltas"][0]["sequence_number"], 4);
}

#[test]
fn versions_and_objects_are_found_with_and_without_their_document() {
    let world = World::new();
    world.create("fluid", "c");
    world.create("fluid", "d");
    let summaries = found(&world, "/api/tenants/fluid/documents/d/summaries");
    let summary = &summaries["summaries"][0];
    let text = |name: &str| summary[name].as_str().unwrap().to_owned();
    assert_eq!((text("tenant_id"), text("document_id")), ("fluid".into(), "d".into()));
    assert_eq!((&summary["sequence_number"], &summary["parent_handle"]), (&json!(0), &Value::Null));
    assert_eq!((text("handle"), summaries["next"].clone()), (text("commit_sha"), Value::Null));
    let later = found(&world, "/api/tenants/fluid/documents/d/summaries?from_sequence_number=1");
    assert_eq!(later["summaries"], json!([]));
    assert_eq!(ask(&world, "/api/tenants/fluid/documents/x/summaries").status, 404);

    let refs = found(&world, "/api/tenants/fluid/refs?limit=1&from=c");
    assert_eq!(refs["refs"], json!([{ "ref": "refs/heads/d", "sha": text("commit_sha") }]));

    let tree_path = format!("/api/tenants/fluid/git/trees/{}", text("tree_sha"));
    for query in ["?recursive=1", "?recursive=true&document=d"] {
        let tree = found(&world, &format!("{tree_path}{query}"));
        let entries = tree["tree"]["tree"].as_array().unwrap();
        let named = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
        let hello = named("hello");
        assert_eq!((&hello["mode"], &hello["type"]), (&json!("100644"), &json!("blob")));
        assert_eq!(named(".protocol")["type"], "tree");
        named(".protocol/attributes");
        let blob_path = format!("/api/tenants/fluid/git/blobs/{}", hello["sha"].as_str().unwrap());
        let blob = found(&world, &blob_path);
        assert_eq!((&blob["blob"]["content"], &blob["blob"]["size"]), (&json!("world"), &json!(5)));
        let coded = found(&world, &format!("{blob_path}?document=d&encoding=base64"));
        assert_eq!(coded["blob"]["content"], "d29ybGQ=");
        assert_eq!(ask(&world, &format!("{blob_path}?document=x")).status, 404);
    }
    let commit_path = format!("/api/tenants/fluid/git/commits/{}", text("commit_sha"));
    let commit = found(&world, &commit_path);
    assert_eq!(commit["commit"]["tree"], text("tree_sha"));
    assert_eq!(
        (&commit["commit"]["parents"], &commit["commit"]["message"].is_string()),
        (&json!([]), &true)
    );
    assert_eq!(commit["commit"]["author"]["name"], "Levee");
    for (path, message) in [
        (format!("/api/tenants/fluid/git/trees/{}", text("commit_sha")), "Tree not found"),
        (format!("/api/tenants/other/git/commits/{}", text("commit_sha")), "Commit not found"),
        ("/api/tenants/fluid/git/blobs/none".to_owned(), "Blob not found"),
    ] {
        let absent = ask(&world, &path);
        assert_eq!((absent.status, &absent.json()["error"]["message"]), (404, &json!(message)));
    }
}

#[test]
fn only_administrators_and_members_see_anything() {
    let world = World::new();
    world.create("fluid", "d");
    let post = |path: &str, body: Value| world.wait(&Call::post(path, &body));
    let person =
        json!({ "email": "p@example.com", "password": "long enough", "display_name": "P" });
    let registered = post("/api/auth/register", person).json();
    let session = registered["token"].as_str().unwrap();
    for path in [
        "/api/tenants/fluid/documents",
        "/api/tenants/fluid/documents/d",
        "/api/tenants/fluid/documents/d/deltas",
        "/api/tenants/fluid/documents/d/summaries",
        "/api/tenants/fluid/refs",
        "/api/tenants/fluid/git/blobs/0000000000000000000000000000000000000000",
        "/api/metrics",
    ] {
        let nobody = world.wait(&Call::get(path));
        assert_eq!(nobody.status, 401, "{path}");
        let stranger = world.wait(&Call::get(path).bearer(session));
        assert_eq!(stranger.status, 403, "{path}: {}", stranger.body);
    }
}

#[test]
fn a_document_is_deleted_with_all_that_was_its() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    let summaries = found(&world, "/api/tenants/fluid/documents/d/summaries");
    let commit = summaries["summaries"][0]["commit_sha"].as_str().unwrap().to_owned();
    let commit = format!("/api/tenants/fluid/git/commits/{commit}?document=d");
    assert_eq!(ask(&world, &commit).status, 200);
    let delete = Call::new("DELETE", "/api/tenants/fluid/documents/d");
    assert_eq!(world.wait(&delete).status, 401);
    let deleted = world.wait(&delete.clone().bearer(ADMIN_KEY));
    assert_eq!((deleted.status, deleted.json()), (200, json!({ "message": "Document deleted" })));
    assert_eq!(world.wait(&delete.bearer(ADMIN_KEY)).status, 404);
    assert_eq!(ask(&world, "/api/tenants/fluid/documents/d").status, 404);
    // Not from the cache either.
    assert_eq!(ask(&world, &commit).status, 404);
    assert_eq!(ids(&found(&world, "/api/tenants/fluid/documents")), [""; 0]);
    let audit = found(&world, "/api/audit");
    assert!(audit.to_string().contains(&format!("document/{}", doc.document())), "{audit}");
}

#[test]
fn the_figures_of_every_core_are_shown() {
    let figures = found(&World::new(), "/api/metrics");
    assert_eq!(figures["cores"][0]["ops_sequenced_total"], 0);
    assert_eq!(figures["cores"][0]["partitions"], json!([]));
}
