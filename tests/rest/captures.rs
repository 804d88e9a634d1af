//! Requests of official clients, recorded against the reference service: the answers have the same
//! statuses and shapes, and where they are hashes of content, the same values.

use crate::world::{ALL, Call, World, token};
use serde_json::{Value, json};

/// Ids that name content: equal on every service. Commits hold a time and an author.
const CONTENT_PATHS: &[&str] = &["/git/blobs", "/git/trees"];

fn replay(fixture: &str, tenant: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let document = fixture["document"].as_str().unwrap();
    let world = World::new();
    let bits = u128::from_str_radix(&document.replace('-', ""), 16).unwrap();
    world.shared.random.set(bits);
    for exchange in fixture["exchanges"].as_array().unwrap() {
        let target = exchange["target"].as_str().unwrap();
        let mut call = Call::new(exchange["method"].as_str().unwrap(), target);
        if let Some(body) = exchange.get("body") {
            call = call.body(&body.to_string());
        }
        let is_create = exchange["method"] == "POST" && target.starts_with("/documents/");
        let token = token(tenant, if is_create { "" } else { document }, ALL);
        let call = match exchange["credentials"].as_str() {
            Some("orderer") => call.basic(&token),
            _ => call.storage(tenant, &token),
        };
        let answer = world.call(&call.restless());
        assert_eq!(answer.status, exchange["status"], "{target}: {}", answer.body);
        let (answer, recorded) = (answer.json(), &exchange["answer"]);
        if CONTENT_PATHS.iter().any(|path| target.contains(path)) {
            assert_eq!(answer["sha"], recorded["sha"], "{target}");
        }
        if target.starts_with("/documents/") && recorded.is_string() {
            assert_eq!(answer, *recorded);
        }
        assert_same_shape(&answer, recorded, target);
    }
}

/// Everything recorded is there, in the same type. Lists are compared by their first items.
fn assert_same_shape(answer: &Value, recorded: &Value, at: &str) {
    match (answer, recorded) {
        (Value::Object(answer), Value::Object(recorded)) => {
            for (name, value) in recorded {
                let at = format!("{at} {name}");
                assert_same_shape(answer.get(name).unwrap_or(&json!(null)), value, &at);
            }
        }
        (Value::Array(answer), Value::Array(recorded)) => {
            assert_eq!(answer.is_empty(), recorded.is_empty(), "{at}");
            if let (Some(answer), Some(recorded)) = (answer.first(), recorded.first()) {
                assert_same_shape(answer, recorded, at);
            }
        }
        _ => {
            let kind = std::mem::discriminant;
            assert_eq!(kind(answer), kind(recorded), "{at}: {answer} for {recorded}");
        }
    }
}

#[test]
fn a_client_creates_and_loads_in_parts() {
    replay(include_str!("fixtures/shredded_load.json"), "local");
}

#[test]
fn a_summarizer_uploads_in_parts() {
    replay(include_str!("fixtures/shredded_summary.json"), "tinylicious");
}

#[test]
fn a_client_creates_with_discovery_and_summarizes_in_one() {
    replay(include_str!("fixtures/whole_summary.json"), "mytenant");
}
