//! The service's messages as JSON Schema: what `levee schema` prints, and what the packages' types
//! are generated from.
//!
//! The wires are read and written by hand (`core/dialect`, `core/git`), so nothing here runs while
//! the service does. The tests hold both sides together: `tests/wire/schema.rs` validates whatever
//! the encoders write and takes away member by member what a decoder should miss,
//! `tests/rest/schema.rs` validates every exchange of the REST tests, and both match the closed
//! enums of events and routes without a wildcard.

mod access;
mod api;
mod configuration;
mod documents;
mod git;
mod operations;
mod parts;
mod phoenix;
mod rest;
mod socketio;
mod storage;

use parts::Definition;
use serde_json::{Map, Value, json};

pub use api::{API_EXCHANGES, API_FAILURE, ApiExchange};
pub use phoenix::{CLIENT_EVENTS as PHOENIX_CLIENT_EVENTS, SERVER_EVENTS as PHOENIX_SERVER_EVENTS};
pub use rest::{EXCHANGES, Exchange, FLUID_FAILURE, LEVEE_FAILURE};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Every definition, in the order in which people should read them.
fn definitions() -> Vec<Definition> {
    [
        phoenix::definitions(),
        socketio::definitions(),
        operations::definitions(),
        access::definitions(),
        documents::definitions(),
        git::definitions(),
        api::definitions(),
        storage::definitions(),
        configuration::definitions(),
    ]
    .concat()
}

/// One document with every message, REST body and the configuration in `$defs`. `x-rest` and
/// `x-api` say which body belongs to which request; the messages of each wire are the options of
/// its two unions.
#[must_use]
pub fn document() -> Value {
    let members = definitions().into_iter().map(|(name, schema)| (name.to_owned(), schema));
    json!({
        "$schema": DIALECT,
        "title": "Messages, REST bodies and configuration of Levee",
        "$defs": members.collect::<Map<_, _>>(),
        "x-rest": EXCHANGES.into_iter().map(Exchange::to_json).collect::<Vec<_>>(),
        "x-api": API_EXCHANGES.into_iter().map(ApiExchange::to_json).collect::<Vec<_>>(),
    })
}

/// One definition as a document of its own, with those that it refers to; `None` if there is none
/// of this name.
#[must_use]
pub fn definition(name: &str) -> Option<Value> {
    let all = definitions();
    let find = |name: &str| all.iter().find(|(known, _)| *known == name);
    let mut needed = vec![find(name)?];
    let mut at = 0;
    while let Some((_, schema)) = needed.get(at) {
        for referred in references(schema) {
            let found = find(&referred)?;
            if !needed.iter().any(|(known, _)| *known == found.0) {
                needed.push(found);
            }
        }
        at += 1;
    }
    let members = needed.into_iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    Some(json!({
        "$schema": DIALECT,
        "$ref": format!("#/$defs/{name}"),
        "$defs": members.collect::<Map<_, _>>(),
    }))
}

/// The names that there are.
#[must_use]
pub fn names() -> Vec<&'static str> {
    definitions().into_iter().map(|(name, _)| name).collect()
}

/// The names that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let inner = members.values().flat_map(references);
            let own = members.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|text| text.strip_prefix("#/$defs/")).map(str::to_owned);
            own.into_iter().chain(inner).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_references_lead_somewhere() {
        let names = names();
        let unique: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
        let document = document();
        let lost: Vec<_> =
            references(&document).into_iter().filter(|name| !unique.contains(&**name)).collect();
        assert_eq!(lost, Vec::<String>::new());
    }

    #[test]
    fn one_definition_comes_with_those_it_needs() {
        let found = definition("SubmitOp").unwrap();
        let names: Vec<_> = found["$defs"].as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["SubmitOp", "ClientOperations", "ClientOperation", "ClientOperationType"]
        );
        assert_eq!(found["$ref"], "#/$defs/SubmitOp");
        assert_eq!(definition("Nonsense"), None);
    }
}
