//! The TOML file of `--config`, read off the table of options.

use super::parts::{
    Definition, Field, Schema, between, closed, described, either, list, may, must, switch, text,
    text_like, to, word,
};
use crate::config::options::{self, Spec};
use crate::config::value::Kind;
use serde_json::json;

pub(super) fn definitions() -> Vec<Definition> {
    let tenants = may("tenant", list(to("Tenant")), "Whose tokens are accepted.");
    let options = options::all().map(|spec| may(spec.name, value(spec), spec.help));
    let providers = may("provider", list(to("Provider")), "Services to sign in with.");
    let file = closed("The file of `--config`.", options.chain([tenants, providers]));
    vec![("Configuration", file), tenant(), provider()]
}

fn provider() -> Definition {
    let schema = closed(
        "One service to sign in with. It has `client_secret` or `client_secret_file`.",
        [
            must("name", text_like("^[A-Za-z0-9-]+$"), "In paths: `/auth/<name>`."),
            must("kind", word(["github", "openid"]), ""),
            must("client_id", text(), ""),
            may("client_secret", text(), ""),
            may("client_secret_file", text(), "File that holds `client_secret`."),
            may("issuer", text(), "Of OpenID Connect."),
            may("url", text(), "Of a GitHub Enterprise server."),
            may("api_url", text(), "Of a GitHub Enterprise server's API."),
            may("redirect_uri", text(), "Where the service sends the browser back to."),
            may("allowed_users", list(text()), "Logins or e-mails that may come in."),
            may("allowed_organizations", list(text()), "Their members may come in."),
            may("admin_users", list(text()), "Logins or e-mails that become administrators."),
            may("redirect_urls", list(text()), "Pages that a login may end at, word for word."),
        ],
    );
    ("Provider", schema)
}

fn tenant() -> Definition {
    let key_doc = "Signs its clients' tokens.";
    let file_doc = "File that holds `key`.";
    let with = |keys: [Field; 2]| {
        let others = [
            must("id", text_like("."), ""),
            may("name", text(), ""),
            may("key2", text(), "Accepted too, while the first is being replaced."),
            may("key2_file", text(), "File that holds `key2`."),
        ];
        closed("", others.into_iter().chain(keys))
    };
    let options = [
        with([must("key", text_like("."), key_doc), may("key_file", text(), file_doc)]),
        with([must("key_file", text(), file_doc), may("key", text_like("."), key_doc)]),
    ];
    ("Tenant", described("One tenant.", either(options)))
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
        Kind::CpuList => {
            either([text(), between(0, 4095), list(either([text(), between(0, 4095)]))])
        }
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

#[cfg(test)]
mod tests {
    use super::super::definition;
    use crate::config::options;
    use crate::config::{Inputs, Settings};
    use jsonschema::Validator;
    use serde_json::{Value, json};

    /// Whether the service takes this as its file.
    fn is_taken(file: &Value) -> bool {
        let thread = std::thread::current().id();
        let name = format!("levee-schema-{}-{thread:?}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, toml::to_string(file).unwrap()).unwrap();
        let taken = Settings::load(&Inputs { file: Some(path.clone()), ..Inputs::default() });
        std::fs::remove_file(&path).unwrap();
        taken.is_ok()
    }

    fn validator() -> Validator {
        jsonschema::draft202012::new(&definition("Configuration").unwrap()).unwrap()
    }

    #[test]
    fn the_schema_takes_what_the_service_takes() {
        let validator = validator();
        for spec in options::all() {
            let mut samples = vec![json!(spec.default), json!(true), json!(1.5), json!({})];
            for number in [-1_i64, 0, 1, 63, 64, 4096, 65_536, 1 << 20, 1 << 33, 1 << 41, 1 << 62] {
                samples.extend([json!(number), json!(number.to_string())]);
            }
            for text in ["", "x", "false", "epoll", "0-3,6", "127.0.0.1:1", "5 s", "1MiB", "1_000"]
            {
                samples.extend([json!(text), json!([text]), json!([text, text])]);
            }
            for sample in samples {
                let file = json!({ spec.name: sample });
                let (is_valid, is_taken) = (validator.is_valid(&file), is_taken(&file));
                // Bounds, addresses and CPUs inside a text are not the schema's to check.
                let is_text = sample.is_string() || sample.is_array();
                // A number or a switch may stand for its text, which need not be shown to people.
                let as_text = json!({ spec.name: sample.to_string() });
                let is_known = is_valid || validator.is_valid(&as_text);
                assert!(is_taken <= is_known, "{file} is taken, and forbidden");
                assert!(is_valid <= is_taken || is_text, "{file} is allowed, and refused");
            }
        }
    }

    #[test]
    fn tenants_miss_what_the_schema_requires() {
        let validator = validator();
        let tenant = |members: Value| json!({ "tenant": [members] });
        for (file, expected) in [
            (tenant(json!({ "id": "a", "key": "k", "key2": "l", "name": "A" })), true),
            (tenant(json!({ "key": "k" })), false),
            (tenant(json!({ "id": "", "key": "k" })), false),
            (tenant(json!({ "id": 7, "key": "k" })), false),
            (tenant(json!({ "id": "a", "key": "k", "secret": "s" })), false),
            (tenant(json!({ "id": "a" })), false),
            (tenant(json!({ "id": "a", "key": true })), false),
            (json!({ "tenant": 7 }), false),
            (json!({ "tenants": [] }), false),
        ] {
            assert_eq!(
                (validator.is_valid(&file), is_taken(&file)),
                (expected, expected),
                "{file}"
            );
        }
    }
}
