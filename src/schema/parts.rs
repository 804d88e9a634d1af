//! The few forms of JSON Schema that the service's messages need. A generator that knows these
//! knows every schema here.

use serde_json::{Map, Value, json};

/// A schema, as JSON.
pub(super) type Schema = Value;

/// A name in `$defs`, and what it names.
pub(super) type Definition = (&'static str, Schema);

/// One member of an object.
pub(super) struct Field {
    name: &'static str,
    schema: Schema,
    is_required: bool,
    doc: &'static str,
}

/// A member that must be there.
pub(super) fn must(name: &'static str, schema: Schema, doc: &'static str) -> Field {
    Field { name, schema, is_required: true, doc }
}

/// A member that may be absent.
pub(super) fn may(name: &'static str, schema: Schema, doc: &'static str) -> Field {
    Field { name, schema, is_required: false, doc }
}

/// An object with these members and no others: what the service writes.
pub(super) fn closed(doc: &str, fields: impl IntoIterator<Item = Field>) -> Schema {
    let mut schema = open(doc, fields);
    schema["additionalProperties"] = json!(false);
    schema
}

/// An object with these members and any others, which somebody reads.
pub(super) fn extended(doc: &str, fields: impl IntoIterator<Item = Field>) -> Schema {
    let mut schema = open(doc, fields);
    schema["additionalProperties"] = json!(true);
    schema
}

/// An object with these members; others are allowed, and the service ignores them.
pub(super) fn open(doc: &str, fields: impl IntoIterator<Item = Field>) -> Schema {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for Field { name, schema, is_required, doc } in fields {
        properties.insert(name.to_owned(), described(doc, schema));
        if is_required {
            required.push(name);
        }
    }
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    described(doc, schema)
}

/// The same with words for people in front; without words, as it is.
pub(super) fn described(doc: &str, schema: Schema) -> Schema {
    let mut out = Map::new();
    if !doc.is_empty() {
        out.insert("description".to_owned(), doc.into());
    }
    if let Value::Object(members) = schema {
        out.extend(members);
    }
    Value::Object(out)
}

/// Any JSON value.
pub(super) fn any() -> Schema {
    json!({})
}

/// Any JSON object.
pub(super) fn object() -> Schema {
    json!({ "type": "object" })
}

pub(super) fn text() -> Schema {
    json!({ "type": "string" })
}

/// Text that a regular expression describes.
pub(super) fn text_like(pattern: &str) -> Schema {
    json!({ "type": "string", "pattern": pattern })
}

pub(super) fn integer() -> Schema {
    json!({ "type": "integer" })
}

/// An integer that is not negative.
pub(super) fn count() -> Schema {
    json!({ "type": "integer", "minimum": 0 })
}

/// An integer within inclusive bounds.
pub(super) fn between(min: u64, max: u64) -> Schema {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

pub(super) fn switch() -> Schema {
    json!({ "type": "boolean" })
}

pub(super) fn null() -> Schema {
    json!({ "type": "null" })
}

/// Exactly this value.
pub(super) fn only(value: impl Into<Value>) -> Schema {
    json!({ "const": value.into() })
}

/// One of these texts.
pub(super) fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    json!({ "enum": words.into_iter().collect::<Vec<_>>() })
}

pub(super) fn list(item: Schema) -> Schema {
    json!({ "type": "array", "items": item })
}

/// A list of exactly these.
pub(super) fn tuple(items: impl IntoIterator<Item = Schema>) -> Schema {
    let items: Vec<Schema> = items.into_iter().collect();
    json!({ "type": "array", "minItems": items.len(), "prefixItems": items, "items": false })
}

/// An object whose member names are data.
pub(super) fn map(value: Schema) -> Schema {
    json!({ "type": "object", "additionalProperties": value })
}

pub(super) fn either(options: impl IntoIterator<Item = Schema>) -> Schema {
    json!({ "anyOf": options.into_iter().collect::<Vec<_>>() })
}

/// The same or null.
pub(super) fn nullable(schema: Schema) -> Schema {
    either([schema, null()])
}

/// A definition by its name.
pub(super) fn to(name: &str) -> Schema {
    json!({ "$ref": format!("#/$defs/{name}") })
}
