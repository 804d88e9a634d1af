//! The command line against a running service: every command, as people and as programs read it.

use crate::api::{ADMIN_KEY, PASSWORD};
use crate::service::{Dir, Options, Service, binary};
use crate::{rest, token};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command came to.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

fn run(args: &[&str], env: &[(&str, &str)], input: &str) -> Ran {
    let mut child = Command::new(binary())
        .args(args)
        .env_remove("LEVEE_ADMIN_KEY")
        .env_remove("LEVEE_ADMIN_KEY_FILE")
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    // What reads no input may have ended already.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("an end");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

/// Whoever holds a service's admin key.
struct Operator {
    url: String,
    _service: Service,
    _dir: Dir,
}

impl Operator {
    fn new() -> Self {
        let dir = Dir::new("commands");
        let service = Options::new(dir.path()).env("LEVEE_ADMIN_KEY", ADMIN_KEY).start();
        Self { url: format!("http://{}", service.address), _service: service, _dir: dir }
    }

    fn run(&self, args: &[&str], input: &str) -> Ran {
        let line = [args, &["--url", &self.url]].concat();
        run(&line, &[("LEVEE_ADMIN_KEY", ADMIN_KEY)], input)
    }

    /// What a command says to people.
    fn says(&self, args: &[&str]) -> String {
        let ran = self.run(args, "");
        assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""), "{args:?}: {}", ran.out);
        assert!(serde_json::from_str::<Value>(&ran.out).is_err(), "{args:?}: JSON: {}", ran.out);
        ran.out
    }

    /// What a command says to programs.
    fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat(), "");
        assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""), "{args:?}: {}", ran.out);
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{args:?}: {}", ran.out))
    }

    /// That a command is refused with exactly this.
    fn refuses(&self, args: &[&str], code: i32, error: &str) {
        let ran = self.run(args, "");
        let expected = (Some(code), format!("levee: {error}\n"));
        assert_eq!((ran.code, ran.error), expected, "{args:?}");
        assert_eq!(ran.out, "", "{args:?}");
    }
}

/// The value in the line of a name.
fn field<'a>(shown: &'a str, name: &str) -> &'a str {
    let line = shown.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{shown}")).trim()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
fn tenants_and_their_secrets() {
    let op = Operator::new();
    let shown = op.says(&["tenant", "create", "acme", "--name", "Acme", "--documents=5"]);
    assert_eq!((field(&shown, "id"), field(&shown, "name")), ("acme", "Acme"));
    assert_eq!(field(&shown, "limits"), "documents=5");
    assert!(!shown.contains("secret"), "{shown}");
    let made = op.json(&["tenant", "create", "--name", "Other"]);
    let other = text(&made["tenant"]["id"]);
    op.refuses(&["tenant", "show", "nobody"], 1, "Tenant not found");

    let list = op.says(&["tenant", "list"]);
    assert!(list.starts_with("ID "), "{list}");
    assert!(list.lines().any(|line| line.starts_with("acme ") && line.contains("Acme")), "{list}");
    let list = op.json(&["tenant", "list"]);
    assert!(list["tenants"].as_array().unwrap().iter().any(|one| one["id"] == "acme"));

    // What is not named stays.
    op.says(&["tenant", "set", "acme", "--connections", "7"]);
    let set = op.json(&["tenant", "set", "acme", "--name=New", "--ops-per-second=9"]);
    let limits = &set["tenant"]["limits"];
    assert_eq!((&limits["documents"], &limits["connections"]), (&5.into(), &7.into()));
    assert_eq!((&set["tenant"]["name"], &limits["ops_per_second"]), (&"New".into(), &9.into()));
    op.says(&["tenant", "set", "acme", "--documents=none"]);
    let shown = op.json(&["tenant", "show", "acme"]);
    assert_eq!(shown["tenant"]["limits"]["documents"], Value::Null);
    assert_eq!(field(&op.says(&["tenant", "show", "acme"]), "name"), "New");

    let first = op.says(&["secret", "show", "acme", "1"]);
    assert_eq!(first.trim(), text(&shown["tenant"]["secret1"]));
    let second = op.json(&["secret", "show", "acme", "2"]);
    assert_eq!(second["secret"], shown["tenant"]["secret2"]);
    let rotated = op.says(&["secret", "rotate", "acme", "1"]);
    assert_ne!(rotated, first);
    assert_eq!(op.says(&["secret", "show", "acme", "1"]), rotated);
    let rotated = op.json(&["secret", "rotate", "acme", "2"]);
    assert_ne!(rotated["secret"], second["secret"]);

    assert_eq!(op.says(&["tenant", "delete", "acme"]), "Tenant unregistered\n");
    assert_eq!(op.json(&["tenant", "delete", other])["message"], "Tenant unregistered");
    op.refuses(&["tenant", "show", "acme"], 1, "Tenant not found");
}

#[test]
fn people_members_and_invites() {
    let op = Operator::new();
    let create = ["user", "create", "--email=ann@example.org", "--name=Ann"];
    let made = op.run(&create, &format!("{PASSWORD}\nrest"));
    assert_eq!((made.code, field(&made.out, "email")), (Some(0), "ann@example.org"), "{made:?}");
    let ann = field(&made.out, "id");
    let again = op.run(&create, PASSWORD);
    assert_eq!(again.code, Some(1));
    assert_eq!(again.error, "levee: An account with this email exists\n");
    let create = ["user", "create", "--email=bob@example.org", "--admin", "--json"];
    let made: Value = serde_json::from_str(&op.run(&create, PASSWORD).out).expect("JSON");
    assert_eq!(made["user"]["is_admin"], true);

    assert!(op.says(&["user", "list", "--search=ann"]).contains(ann));
    let page = |from: &str| {
        let list = op.json(&["user", "list", from, "--limit=1"]);
        assert_eq!((list["users"].as_array().map(Vec::len), &list["total"]), (Some(1), &2.into()));
        text(&list["users"][0]["id"]).to_owned()
    };
    // Of one second, so in the order of their ids.
    let both = BTreeSet::from([page("--from=0"), page("--from=1")]);
    assert_eq!(both, BTreeSet::from([ann.to_owned(), text(&made["user"]["id"]).to_owned()]));
    assert_eq!(field(&op.says(&["user", "show", "Ann@example.org"]), "id"), ann);
    assert_eq!(op.json(&["user", "show", ann])["user"]["display_name"], "Ann");
    op.refuses(&["user", "show", "no@example.org"], 1, "nobody has the e-mail no@example.org");
    let set = op.json(&["user", "set", ann, "--admin", "--disable", "--name=Anna"]);
    assert_eq!(set["user"]["is_admin"], true);
    assert_eq!(set["user"]["is_disabled"], true);
    let set = op.says(&["user", "set", "ann@example.org", "--no-admin", "--enable"]);
    assert_eq!((field(&set, "is admin"), field(&set, "is disabled")), ("no", "no"));
    assert_eq!(field(&set, "display name"), "Anna");
    assert_eq!(op.run(&["user", "set", ann, "--admin", "--no-admin"], "").code, Some(2));

    let members = |args: &[&str]| op.says(&[&["member"], args].concat());
    assert_eq!(members(&["set", "fluid", "ann@example.org", "viewer"]), "member set\n");
    assert!(members(&["list", "fluid"]).lines().any(|line| line.contains("viewer")));
    let set = op.json(&["member", "set", "fluid", ann, "owner"]);
    assert_eq!(set["message"], "member set");
    let list = op.json(&["member", "list", "fluid"]);
    let is_owner = |one: &Value| one["user"] == ann && one["role"] == "owner";
    assert!(list["members"].as_array().unwrap().iter().any(is_owner), "{list}");
    op.says(&["member", "set", "fluid", "bob@example.org", "owner"]);
    assert_eq!(members(&["remove", "fluid", "ANN@example.org"]), "member removed\n");
    assert!(!op.says(&["member", "list", "fluid"]).contains(ann));
    op.says(&["member", "set", "fluid", ann, "member"]);
    assert_eq!(op.json(&["member", "remove", "fluid", ann])["message"], "member removed");

    let shown = op.says(&["invite", "create", "fluid", "member", "--email=cy@example.org"]);
    assert!(!field(&shown, "token").is_empty());
    let made = op.json(&["invite", "create", "fluid", "viewer"]);
    assert!(op.says(&["invite", "list", "fluid"]).contains("cy@example.org"));
    assert_eq!(op.says(&["invite", "revoke", "fluid", field(&shown, "id")]), "invite revoked\n");
    let second = text(&made["invite"]["id"]);
    assert_eq!(op.json(&["invite", "revoke", "fluid", second])["message"], "invite revoked");
    let list = op.json(&["invite", "list", "fluid"]);
    let list = list["invites"].as_array().unwrap();
    assert!(list.iter().all(|invite| invite["state"] != "open"), "{list:?}");

    assert_eq!(op.says(&["user", "delete", "ann@example.org"]), "user deleted\n");
    assert_eq!(op.run(&["user", "show", ann], "").code, Some(1));
}

/// The status of a creation with a token.
fn create_with(op: &Operator, document: &str, token: &str) -> u16 {
    let authorization = format!("Basic {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let tree = r#"{"type":1,"tree":{"header":{"type":2,"content":"x"}}}"#;
    let body = format!(r#"{{"id":"{document}","summary":{tree},"sequenceNumber":0,"values":[]}}"#);
    let address = op._service.address;
    let reply = rest::request(address, "POST", "/documents/fluid", &headers, body.as_bytes());
    reply.expect("an answer").status
}

#[test]
fn tokens_and_keys_open_what_they_say_until_they_are_taken_back() {
    let op = Operator::new();
    let token = op.says(&["token", "mint", "fluid", "a", "--user=u1", "--name=U"]);
    assert_eq!(create_with(&op, "a", token.trim()), 201);
    let minted = op.json(&["token", "mint", "fluid", "b", "--user=u2", "--ttl=5m"]);
    assert_eq!((&minted["expiresIn"], &minted["user"]["id"]), (&300.into(), &"u2".into()));
    let (jwt, jti) = (text(&minted["jwt"]), text(&minted["jti"]));
    assert_eq!(op.says(&["token", "revoke", "fluid", "--jti", jti]), "revoked\n");
    assert!(matches!(create_with(&op, "b", jwt), 401 | 403));
    let reading = op.says(&["token", "mint", "fluid", "c", "--scope=doc:read"]);
    assert!(matches!(create_with(&op, "c", reading.trim()), 401 | 403));
    // With the secret at hand nobody is asked, so no key is needed either.
    let line = ["token", "mint", "fluid", "d", "--url=http://127.0.0.1:1"];
    let key = str::from_utf8(token::KEY).expect("text");
    let offline = run(&line, &[("LEVEE_TENANT_SECRET", key)], "");
    assert_eq!(create_with(&op, "d", offline.out.trim()), 201, "{offline:?}");
    let revoked = op.json(&["token", "revoke", "fluid", "--user=u1"]);
    assert_eq!(revoked["message"], "revoked");
    assert_eq!(op.run(&["token", "revoke", "fluid"], "").code, Some(2));
    assert_eq!(op.run(&["token", "mint", "fluid", "a", "--scope=all"], "").code, Some(2));

    let shown = op.says(&["key", "create", "fluid", "mine", "--scope=doc:read", "--ttl=1h"]);
    assert!(field(&shown, "key").starts_with("lvk_"));
    let two = ["--scope=doc:read", "--scope=doc:write"];
    let made = op.json(&[&["key", "create", "fluid", "other"], &two[..]].concat());
    assert_eq!(made["api_key"]["expires_ms"], Value::Null);
    assert!(op.says(&["key", "list", "fluid"]).contains("doc:read,doc:write"));
    assert_eq!(op.says(&["key", "revoke", "fluid", field(&shown, "id")]), "API key revoked\n");
    let list = op.json(&["key", "list", "fluid"]);
    assert_eq!(list["api_keys"], Value::from(vec![made["api_key"].clone()]));
    let last = text(&made["api_key"]["id"]);
    assert_eq!(op.json(&["key", "revoke", "fluid", last])["message"], "API key revoked");
}

#[test]
fn documents_and_the_audit_log() {
    let op = Operator::new();
    let address = op._service.address;
    ["d1", "d2", "x"].iter().for_each(|document| rest::create(address, document));
    let list = op.says(&["document", "list", "fluid", "--search=d"]);
    assert!(list.contains("\nd1 ") && list.contains("\nd2 ") && !list.contains("\nx "), "{list}");
    let list = op.json(&["document", "list", "fluid", "--from=d1", "--limit=1"]);
    assert_eq!(list["documents"][0]["id"], "d2");
    assert_eq!(field(&op.says(&["document", "show", "fluid", "d1"]), "id"), "d1");
    assert_eq!(op.json(&["document", "show", "fluid", "x"])["document"]["id"], "x");
    op.refuses(&["document", "show", "fluid", "no"], 1, "Document not found");
    op.refuses(&["document", "delete", "fluid", "no"], 1, "Document not found");
    assert_eq!(op.says(&["document", "delete", "fluid", "d1"]), "Document deleted\n");
    assert_eq!(op.json(&["document", "delete", "fluid", "d2"])["message"], "Document deleted");
    op.refuses(&["document", "show", "fluid", "d1"], 1, "Document not found");

    for number in 0..5 {
        op.says(&["tenant", "create", &format!("t{number}")]);
    }
    let page = op.says(&["audit", "--limit=2"]);
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines.len(), 3, "{page}");
    assert!(lines[0].starts_with("SEQ ") && lines[1].contains("tenant/t4"), "{page}");
    let entries = |args: &[&str]| -> Vec<Value> {
        let ran = op.run(&[&["audit", "--json"], args].concat(), "");
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
    };
    let all = entries(&["--all"]);
    let sequence: Vec<_> = all.iter().map(|entry| entry["seq"].as_u64().expect("seq")).collect();
    assert!(sequence.windows(2).all(|two| two[0] == two[1] + 1) && sequence.len() >= 5);
    assert_eq!(sequence.last(), Some(&1));
    let before = all[0]["seq"].to_string();
    assert_eq!(entries(&["--before", &before, "--limit=1"]), all[1..2]);
    let of_one = entries(&["--tenant=t3"]);
    assert_eq!(of_one.len(), 1);
    assert_eq!(of_one[0]["subject"], "tenant/t3");
}

#[test]
fn a_document_of_a_stopped_service_is_exported() {
    let (dir, out) = (Dir::new("commands"), Dir::new("commands"));
    let service = Options::new(dir.path()).start();
    rest::create(service.address, "d");
    let export = |into: &str, more: &[&str]| {
        let (data, out) = (dir.path().to_string_lossy(), out.path().join(into));
        let out = out.to_string_lossy();
        let line = ["document", "export", "fluid", "d", "--data", &*data, "--out", &*out];
        run(&[&line, more].concat(), &[], "")
    };
    let running = export("early", &[]);
    assert_eq!(running.code, Some(1));
    assert!(running.error.contains("stop the service"), "{running:?}");
    service.terminate();
    let shown = export("one", &[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let count: u64 = field(&shown.out, "objects").parse().expect("a number");
    assert!(count >= 3 && out.path().join("one/refs/heads/main").is_file());
    let json: Value = serde_json::from_str(&export("two", &["--json"]).out).expect("JSON");
    assert_eq!(json["objects"], count);
}

#[test]
fn what_is_wrong_is_said_on_standard_error() {
    let op = Operator::new();
    let url = op.url.as_str();
    let without = run(&["tenant", "list", "--url", url], &[], "");
    assert_eq!(without.code, Some(2));
    assert_eq!(without.error, "levee: no key: give --admin-key-file, or set LEVEE_ADMIN_KEY\n");
    let wrong = run(&["tenant", "list", "--url", url, "--admin-key=wrong"], &[], "");
    assert_eq!(wrong.code, Some(1));
    assert_eq!(wrong.error, "levee: Invalid or expired session\n");
    let file = op._dir.path().join("key");
    fs::write(&file, format!("{ADMIN_KEY}\n")).expect("a file");
    let path = file.to_string_lossy();
    // The command line comes before the environment.
    let line = ["tenant", "list", "--url", url, "--admin-key-file", &*path];
    assert_eq!(run(&line, &[("LEVEE_ADMIN_KEY", "wrong")], "").code, Some(0));
    let by_env = run(&line[..4], &[("LEVEE_ADMIN_KEY_FILE", &*path)], "");
    assert_eq!(by_env.code, Some(0), "{by_env:?}");
    let absent = run(&["tenant", "list", "--admin-key-file=/none"], &[], "");
    assert_eq!(absent.code, Some(2));
    let nowhere = ["tenant", "list", "--url=http://127.0.0.1:1", "--admin-key=x"];
    let nowhere = run(&nowhere, &[], "");
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.error.starts_with("levee: cannot reach http://127.0.0.1:1: "), "{nowhere:?}");
    for line in [&["tenant"][..], &["tenant", "list", "more"], &["secret", "show", "a", "3"]] {
        assert_eq!(run(line, &[], "").code, Some(2), "{line:?}");
    }
}

/// Every command by its words, as the help pages list them.
fn commands(words: &[&str], found: &mut BTreeSet<String>) {
    let help = run(&[words, &["--help"]].concat(), &[], "");
    assert_eq!(help.code, Some(0), "{words:?}: {}", help.error);
    found.insert([&["levee"], words].concat().join("-"));
    let listed = help.out.split_once("\nCommands:\n").map_or("", |(_, listed)| listed);
    for line in listed.lines().take_while(|line| !line.is_empty()) {
        // A long description goes on further to the right.
        let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        let name = name.split_whitespace().next().expect("a command");
        if name != "help" {
            commands(&[words, &[name]].concat(), found);
        }
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let mut found = BTreeSet::new();
    commands(&[], &mut found);
    for name in ["levee-tenant-set", "levee-user-create", "levee-token-mint", "levee-serve"] {
        assert!(found.contains(name), "{found:?}");
    }
    let dir = Dir::new("commands");
    let pages = dir.path().join("man");
    let ran = run(&["man", &pages.to_string_lossy()], &[], "");
    assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let entries = fs::read_dir(&pages).expect("a directory");
    let written: BTreeSet<_> =
        entries.filter_map(|entry| name(&entry.expect("an entry").path())).collect();
    let expected: BTreeSet<_> = found.iter().map(|name| format!("{name}.1")).collect();
    assert_eq!(written, expected);
    let page = fs::read_to_string(pages.join("levee-tenant-set.1")).expect("a page");
    assert!(page.contains("stored\\-bytes") && page.contains("admin\\-key"), "{page}");

    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell], &[], "");
        assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""), "{shell}");
        for word in found.iter().flat_map(|name| name.split('-')) {
            assert!(ran.out.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"], &[], "").code, Some(2));
}
