//! The TOML file of `--config`, read off the table of options.

use super::parts::{
    Definition, Schema, between, closed, described, either, list, may, must, switch, text,
    text_like, to, word,
};
use crate::config::options::{self, Spec};
use crate::config::value::Kind;
use serde_json::json;

pub(super) fn definitions() -> Vec<Definition> {
    let tenants = may("tenant", list(to("Tenant")), "Whose tokens are accepted.");
    let options = options::all().map(|spec| may(spec.name, value(spec), spec.help));
    let file = closed("The file of `--config`.", options.chain([tenants]));
    vec![("Configuration", file), tenant()]
}

fn tenant() -> Definition {
    let schema = closed(
        "One tenant. It has `key` or `key_file`.",
        [
            must("id", text_like("."), ""),
            may("name", text(), ""),
            may("key", text(), "Signs its clients' tokens."),
            may("key2", text(), "Accepted too, while the first is being replaced."),
            may("key_file", text(), "File that holds `key`."),
            may("key2_file", text(), "File that holds `key2`."),
        ],
    );
    ("Tenant", schema)
}

/// A number may stand as text, where it may have a unit and `_` between digits.
fn value(spec: &Spec) -> Schema {
    let number = |min, max, units: &str| {
        either([between(min, max), text_like(&format!("^ *[0-9_]*[0-9][0-9_]* *({units})? *$"))])
    };
    let schema = match spec.kind {
        Kind::Count { min, max } => number(min, max, ""),
        Kind::Bytes { min, max } => number(min, max, "KiB|MiB|GiB"),
        Kind::Millis { min, max } => number(min, max, "ms|s|m|h"),
        Kind::Addresses => either([text(), list(text())]),
        Kind::CpuList => either([text(), list(either([text(), between(0, 4095)]))]),
        Kind::Choice(choices) => word(choices.iter().copied()),
        Kind::Switch => either([switch(), word(["true", "false"])]),
        Kind::Path | Kind::Text => text(),
    };
    let mut schema = described("", schema);
    if !spec.secret {
        schema["default"] = json!(spec.default);
    }
    schema
}
