//! Operations: bounds of both wires, memory and store, what is not visible yet.

use crate::world::{ALL, Call, InMemory, World, token};
use levee_core::ids::DocKey;
use serde_json::{Value, json};

const NO_OPS: [u64; 0] = [];

fn op(seq: u64) -> String {
    op_with(seq, "{}")
}

/// A whole operation, as the service writes it.
fn op_with(seq: u64, contents: &str) -> String {
    format!(r#"{{"clientId":"c","clientSequenceNumber":{seq},"contents":"{contents}","#,)
        + &format!(
            r#""minimumSequenceNumber":0,"referenceSequenceNumber":0,"sequenceNumber":{seq},"#,
        )
        + r#""timestamp":7,"type":"op"}"#
}

fn stored(world: &World, count: u64) -> DocKey {
    let doc = world.create("fluid", "d");
    let ops: Vec<String> = (1..=count).map(op).collect();
    for (at, run) in ops.chunks(3).enumerate() {
        let run: Vec<&str> = run.iter().map(String::as_str).collect();
        world.store_ops(&doc, at as u64 * 3 + 1, &run);
    }
    doc
}

fn numbers(list: &Value) -> Vec<u64> {
    let list = list.as_array().unwrap();
    list.iter().map(|op| op["sequenceNumber"].as_u64().unwrap()).collect()
}

fn deltas(query: &str) -> Call {
    Call::get(&format!("/deltas/fluid/d{query}"))
}

fn fluid(world: &World, query: &str) -> Vec<u64> {
    let answer = world.call(&deltas(query).basic(&token("fluid", "d", ALL)).restless());
    assert_eq!(answer.status, 200, "{}", answer.body);
    numbers(&answer.json())
}

fn levee(world: &World, query: &str) -> Vec<u64> {
    let answer = world.call(&deltas(query).bearer(&token("fluid", "d", ALL)));
    assert_eq!(answer.status, 200, "{}", answer.body);
    numbers(&answer.json()["value"])
}

#[test]
fn fluids_bounds() {
    let world = World::new();
    stored(&world, 8);
    for (query, expected) in [
        ("?from=0&to=3", 1..=2),
        ("?from=2&to=8", 3..=7),
        ("?from=0&to=2001&fetchReason=x", 1..=8),
        ("?from=7", 8..=8),
        ("", 1..=8),
        ("?to=4", 1..=3),
        ("?from=x&to=y", 1..=8),
        ("?from=-1&to=3", 1..=2),
    ] {
        assert_eq!(fluid(&world, query), Vec::from_iter(expected), "{query}");
    }
    for query in ["?from=8&to=9", "?from=3&to=4", "?from=9&to=2", "?from=99", "?to=-5"] {
        assert_eq!(fluid(&world, query), NO_OPS, "{query}");
    }
}

#[test]
fn levees_bounds() {
    let world = World::new();
    stored(&world, 8);
    for (query, expected) in [
        ("", 1..=8),
        ("?from=-1", 1..=8),
        ("?from=0&to=3", 1..=3),
        ("?from=2&to=5", 2..=5),
        ("?from=7", 7..=8),
        ("?from=x&to=y", 1..=8),
    ] {
        assert_eq!(levee(&world, query), Vec::from_iter(expected), "{query}");
    }
    // The operation at the bound never comes alone, or the driver would ask for ever.
    for query in ["?from=8", "?from=8&to=20", "?from=3&to=3", "?from=9", "?from=5&to=2"] {
        assert_eq!(levee(&world, query), NO_OPS, "{query}");
    }
}

#[test]
fn the_first_operation_alone_is_no_repetition() {
    let world = World::new();
    stored(&world, 1);
    assert_eq!(levee(&world, ""), [1]);
    assert_eq!(levee(&world, "?from=0"), [1]);
    assert_eq!(levee(&world, "?from=1"), NO_OPS);
}

#[test]
fn pages_are_bounded_and_meet() {
    let world = World::new();
    stored(&world, 4500);
    assert_eq!(levee(&world, "?from=0"), Vec::from_iter(1..=2000));
    assert_eq!(levee(&world, "?from=2000"), Vec::from_iter(2000..=3999));
    assert_eq!(fluid(&world, "?from=0"), Vec::from_iter(1..=2000));
    assert_eq!(fluid(&world, "?from=0&to=99999"), Vec::from_iter(1..=2000));
    assert_eq!(fluid(&world, "?from=2000&to=4001"), Vec::from_iter(2001..=4000));
}

#[test]
fn bytes_are_bounded_too() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    let contents = "x".repeat(9 << 20);
    for seq in 1..=4 {
        let large = op_with(seq, &contents);
        world.store_ops(&doc, seq, &[&large]);
    }
    let first = fluid(&world, "?from=0&to=5");
    assert!(first.len() < 4 && first[0] == 1, "{first:?}");
    // With the operation at the bound alone nothing would be gained.
    let page = levee(&world, "?from=1");
    assert!(page.last() > Some(&1), "{page:?}");
}

#[test]
fn only_what_was_broadcast_is_visible() {
    let world = World::new();
    let doc = stored(&world, 6);
    let in_memory =
        InMemory { head: 5, history: (4..=6).map(|seq| (seq, op(seq))).collect(), clients: 1 };
    world.shared.in_memory.borrow_mut().insert(doc, in_memory);
    assert_eq!(fluid(&world, "?from=0&to=2001"), [1, 2, 3, 4, 5]);
    assert_eq!(fluid(&world, "?from=3&to=2001"), [4, 5]);
    assert_eq!(fluid(&world, "?from=5&to=2001"), NO_OPS);
    assert_eq!(levee(&world, "?from=4"), [4, 5]);
    assert_eq!(levee(&world, "?from=5"), NO_OPS);
}

#[test]
fn an_unknown_document_has_no_operations() {
    let world = World::new();
    assert_eq!(fluid(&world, "?from=0&to=3"), NO_OPS);
    assert_eq!(levee(&world, ""), NO_OPS);
    let call = Call::get("/documents/fluid/d/deltas").bearer(&token("fluid", "d", ALL));
    assert_eq!(world.call(&call).json(), json!({ "value": [] }));
}

#[test]
fn levees_clients_find_membership_in_contents() {
    let world = World::new();
    let doc = world.create("fluid", "d");
    let member = |seq: u64, kind: &str, data: Value| {
        json!({
            "clientId": null, "clientSequenceNumber": -1, "contents": null, "sequenceNumber": seq,
            "minimumSequenceNumber": 0, "referenceSequenceNumber": -1, "timestamp": 7,
            "type": kind, "data": data.to_string(),
        })
        .to_string()
    };
    let detail = json!({
        "mode": "write", "details": { "capabilities": { "interactive": true } },
        "permission": [], "scopes": [], "user": { "id": "u" },
    });
    let join = member(1, "join", json!({ "clientId": "c", "detail": detail }));
    let leave = member(2, "leave", json!("c"));
    world.store_ops(&doc, 1, &[&join, &leave]);
    let token = token("fluid", "d", ALL);
    let list = world.call(&deltas("").bearer(&token)).json()["value"].clone();
    assert_eq!(list[0]["contents"], json!({ "clientId": "c", "detail": detail }));
    assert_eq!(list[1]["contents"], "c");
    assert_eq!(world.call(&deltas("").basic(&token)).body, format!("[{join},{leave}]"));
}
