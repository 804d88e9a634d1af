//! The table of options as text: `docs/configuration.md` and `levee config show`.

use super::options::{self, GROUPS, Spec};
use super::settings::Settings;
use super::value::Kind;
use std::fmt::Write as _;

const HEAD: &str = "# Configuration

Made by `levee config doc`; do not edit. Every option has one name: as a key of the TOML file given
with `--config`, as a flag (`--frame-bytes-max`) and as a variable (`LEVEE_FRAME_BYTES_MAX`). A flag
wins over a variable, a variable over the file, the file over the default. `levee config check` says
what is wrong with a configuration, `levee config show` prints the one in force and where each value
comes from.
";

const TAIL: &str = r#"
## Tenants

Each tenant signs its clients' tokens with its own key; a second key lets the first be replaced
without a break. Keys may stand in files of their own (`key_file`, `key2_file`).

```toml
listen = ["0.0.0.0:4000"]
data = "/var/lib/levee"

[[tenant]]
id = "acme"
name = "Acme, Inc."
key_file = "/run/secrets/acme"
```

`LEVEE_TENANT_ID` and `LEVEE_TENANT_KEY` together define one more tenant.

## Signing in with other services

Each `[[provider]]` is one service, at `/auth/<name>`: GitHub, or anything that speaks OpenID
Connect. `client_secret` may stand in a file of its own (`client_secret_file`). `allowed_users` and
`admin_users` hold GitHub logins, or verified e-mails with OpenID Connect. A login ends at `/admin`,
or at one of `redirect_urls`, word for word.

```toml
[[provider]]
name = "github"
kind = "github"                  # url and api_url for an Enterprise server
client_id = "Iv1.0123456789abcdef"
client_secret_file = "/run/secrets/github"
allowed_organizations = ["acme"]
admin_users = ["ann"]

[[provider]]
name = "work"
kind = "openid"
issuer = "https://id.example.com"
client_id = "levee"
client_secret_file = "/run/secrets/openid"
redirect_urls = ["https://app.example.com/signed-in"]
```

Levee's own variables define GitHub too: `GITHUB_CLIENT_ID`, `GITHUB_CLIENT_SECRET`,
`GITHUB_REDIRECT_URI`, and the comma lists `GITHUB_ALLOWED_USERS`, `GITHUB_ALLOWED_ORGANIZATIONS`,
`GITHUB_ADMIN_USERS`, `GITHUB_REDIRECT_URLS`.

## `--dev`

Loopback only, ports 4000, 7070 and 7071 unless `listen` is given, and three more tenants:
`fluid` (key `dev-tenant-secret-key`), `tinylicious` (key `12345`) and `local`, whose tokens are not
verified.

## Exit codes

| code | meaning |
|---|---|
| 0 | stopped when asked, everything settled |
| 1 | could not start or could not go on; the last line on standard error says why |
| 2 | wrong usage or configuration |
| 130 | a second interrupt cut the drain short |
"#;

/// The whole of `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    for (title, specs) in GROUPS {
        let _ = write!(out, "\n## {title}\n\n| option | value | default | what it does |\n");
        out.push_str("|---|---|---|---|\n");
        for spec in specs {
            out.push_str(&markdown_row(spec));
        }
    }
    out.push_str(TAIL);
    out
}

fn markdown_row(spec: &Spec) -> String {
    let default = match spec.default {
        "" => String::from("–"),
        text => format!("`{text}`"),
    };
    let also = match spec.also_env {
        Some(name) => format!(" Also read from `{name}`."),
        None => String::new(),
    };
    let secret = if spec.secret { " Never printed." } else { "" };
    let (name, help, value) = (spec.name, spec.help, value_column(spec.kind));
    format!("| `{name}` | {value} | {default} | {help}{also}{secret} |\n")
}

fn value_column(kind: Kind) -> String {
    match kind {
        Kind::Addresses => String::from("addresses"),
        Kind::CpuList => String::from("CPU numbers"),
        Kind::Count { min, max } => format!("{min} to {max}"),
        Kind::Bytes { min, max } => format!("{min} to {max} bytes"),
        Kind::Millis { min, max } => format!("{min} to {max} ms"),
        Kind::Choice(choices) => choices.join(", "),
        Kind::Path => String::from("path"),
        Kind::Text => String::from("text"),
        Kind::Switch => String::from("true, false"),
    }
}

/// One line per option: name, value, source; then the tenants without their keys.
#[must_use]
pub fn show(settings: &Settings, tenants: &[super::Tenant]) -> String {
    let width = options::all().map(|spec| spec.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (spec, text, source) in settings.rows() {
        let text = if text.is_empty() { "\"\"" } else { text };
        let _ = writeln!(out, "{:width$} = {text}  ({source})", spec.name);
    }
    for tenant in tenants {
        let keys = match (tenant.unverified, &tenant.key2) {
            (true, _) => "tokens not verified",
            (false, Some(_)) => "two keys, hidden",
            (false, None) => "one key, hidden",
        };
        let _ = writeln!(out, "tenant {}  ({keys})", tenant.id);
    }
    out
}
