//! Schemas and what reads the same messages, held against each other member by member.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A fault shows the value it is about, which may be a document's whole history.
const SHOWN_CHARS_MAX: usize = 1000;

/// Fails unless the value is what the definition of this name says.
pub(crate) fn assert_valid(name: &str, value: &Value) {
    if let Err(fault) = fault_of(name, value) {
        panic!("{name}: {fault}");
    }
}

/// The first thing that the definition of this name does not allow.
pub(crate) fn fault_of(name: &str, value: &Value) -> Result<(), String> {
    validator(name).validate(value).map_err(|error| {
        let shown: String = error.to_string().chars().take(SHOWN_CHARS_MAX).collect();
        format!("{} {shown}", error.instance_path())
    })
}

/// Each definition is compiled once.
fn validator(name: &str) -> Arc<Validator> {
    static COMPILED: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let compile = || {
        let schema = levee::schema::definition(name);
        let schema = schema.unwrap_or_else(|| panic!("no definition {name}"));
        Arc::new(jsonschema::draft202012::new(&schema).unwrap())
    };
    let mut compiled = COMPILED.lock().unwrap();
    compiled.entry(name.to_owned()).or_insert_with(compile).clone()
}

/// Takes every member out of `value`, and puts values of every other type in its place. What the
/// schema allows must be accepted. What it forbids must be refused, but for `lenient`, which is
/// exactly the list of what is let pass nonetheless: `member gone`, or `member` for other types.
pub(crate) fn check_members(
    name: &str,
    value: &Value,
    is_accepted: impl Fn(&Value) -> bool,
    lenient: &[&str],
) {
    assert_valid(name, value);
    assert!(is_accepted(value), "{name} is accepted whole");
    let mut passed = Vec::new();
    for path in member_paths(value) {
        for (what, damaged) in damages(value, &path) {
            match (fault_of(name, &damaged).is_ok(), is_accepted(&damaged)) {
                (true, true) | (false, false) => {}
                (false, true) => passed.push(what),
                (true, false) => panic!("{name} allows it, and it was refused: {damaged}"),
            }
        }
    }
    passed.dedup();
    assert_eq!(passed, lenient, "{name}: forbidden, and accepted nonetheless");
}

/// What is damaged, with the texts, lists and so on at these pointers as they were in `whole`, if
/// they are still of the same type: whether they are the right ones is not a schema's to say.
pub(crate) fn made_right(damaged: &Value, whole: &Value, pointers: &[&str]) -> Value {
    let mut right = damaged.clone();
    for pointer in pointers {
        if let (Some(value), Some(meant)) = (right.pointer_mut(pointer), whole.pointer(pointer))
            && std::mem::discriminant(value) == std::mem::discriminant(meant)
        {
            *value = meant.clone();
        }
    }
    right
}

/// The members of a value and of its members, in order, as JSON pointers.
fn member_paths(value: &Value) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    let below = members.flat_map(|(key, member)| {
        let inner = member_paths(member).into_iter().map(move |path| format!("/{key}{path}"));
        [format!("/{key}")].into_iter().chain(inner)
    });
    below.collect()
}

fn damages(value: &Value, path: &str) -> Vec<(String, Value)> {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let mut without = value.clone();
    without.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(key);
    let others = [json!(null), json!(true), json!(7), json!(1.5), json!("x"), json!([]), json!({})];
    let replaced = others.into_iter().map(|other| {
        let mut damaged = value.clone();
        *damaged.pointer_mut(path).unwrap() = other;
        (path[1..].to_owned(), damaged)
    });
    [(format!("{} gone", &path[1..]), without)].into_iter().chain(replaced).collect()
}
