//! Accounts and sessions: everybody's own way in, the browser's, and the first administrator's.

use crate::api::{ADMIN_KEY, Caller, PASSWORD, text};
use crate::service::{Dir, Options, Service, binary};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn start(dir: &Dir) -> Service {
    Options::new(dir.path()).env("LEVEE_ADMIN_KEY", ADMIN_KEY).start()
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

const NO_SESSION: (u16, &str, &str) = (401, "unauthorized", "Invalid or expired session");

fn has_no_session(caller: &Caller) {
    let (status, code, message) = NO_SESSION;
    caller.get("/api/auth/me").refuses(status, code, message);
}

#[test]
fn accounts_from_registration_to_logout() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    has_no_session(&nobody);
    has_no_session(&Caller::bearer(service.address, "ses_00000000-0000-4000-8000-000000000000"));
    let body = json!({"email": "Ann@Example.org", "password": PASSWORD, "display_name": "Ann B."});
    let ann = nobody.post("/api/auth/register", body).expect(201);
    let (user, token) = (&ann["user"], text(&ann["token"]));
    assert!(token.starts_with("ses_") && text(&user["id"]).starts_with("usr_"), "{ann}");
    assert_eq!(user["email"], "Ann@Example.org");
    assert_eq!(user["display_name"], "Ann B.");
    assert_eq!(user["github_id"], Value::Null);
    assert_eq!(user["is_admin"], false, "the first to come is nobody special");
    assert!(user["created_at"].is_u64(), "{user}");
    let own = Caller::bearer(service.address, &token);
    assert_eq!(own.get("/api/auth/me").expect(200)["user"], *user);
    // Without a name it is the part before the first @.
    let (_, bob) = Caller::register(service.address, "bob@home@example.org");
    assert_eq!(bob["display_name"], "bob");

    let login = nobody.post("/api/auth/login", credentials("ann@example.ORG", PASSWORD));
    let login = login.expect(200);
    assert_eq!(login["user"], *user);
    let second = Caller::bearer(service.address, &text(&login["token"]));
    assert_ne!(text(&login["token"]), token);
    let out = second.post("/api/auth/logout", json!({})).expect(200);
    assert_eq!(out, json!({"message": "logged out"}));
    has_no_session(&second);
    own.get("/api/auth/me").expect(200);
}

#[test]
fn what_is_wrong_with_a_registration_is_said_in_the_originals_words() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    let register = |email: &str, password: &str| {
        nobody.post("/api/auth/register", credentials(email, password))
    };
    register("nobody", "short").refuses(422, "invalid_email", "Invalid email format");
    let short = "Password must be at least 8 characters";
    register("a@b", "1234567").refuses(422, "password_too_short", short);
    // Characters are counted, not bytes.
    register("a@b", "äöüäöüä").refuses(422, "password_too_short", short);
    register("a@b", "äöüäöüäö").expect(201);
    let long = "Password must be at most 1024 bytes";
    register("c@b", &"x".repeat(1025)).refuses(422, "password_too_long", long);
    let taken = "An account with this email exists";
    register("A@B", PASSWORD).refuses(422, "email_taken", taken);
    register(" a@b ", PASSWORD).refuses(422, "email_taken", taken);
    let framework = json!({"errors": {"detail": "Bad Request"}});
    for path in ["/api/auth/register", "/api/auth/login", "/api/auth/set-up"] {
        for body in ["", "{", "[]", "null", "{}", r#"{"email":"a@b"}"#, r#"{"password":"x"}"#] {
            let answer = nobody.send("POST", path, body.as_bytes());
            let found: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!((answer.status, &found), (400, &framework), "{path} {body}");
        }
        let typed = json!({"email": ["a@b"], "password": 7, "token": "x"});
        assert_eq!(nobody.post(path, typed).expect(400), framework, "{path}");
    }
    // Nothing of all that has made an account.
    let users = Caller::admin(service.address).get("/api/users").expect(200);
    assert_eq!(users["total"], 1);
}

#[test]
fn unknown_people_and_wrong_passwords_get_the_same_answer() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    Caller::register(service.address, "ann@example.org");
    let login = |email: &str| nobody.post("/api/auth/login", credentials(email, "not the word"));
    let (known, unknown) = (login("ann@example.org"), login("nobody@example.org"));
    for answer in [&known, &unknown] {
        answer.refuses(401, "invalid_credentials", "Invalid email or password");
    }
    let lines = |head: &str| head.lines().filter(|line| !line.starts_with("x-request-id")).count();
    assert_eq!(lines(&known.head), lines(&unknown.head));
}

#[test]
fn a_password_changes_and_other_sessions_end() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    let (own, _) = Caller::register(service.address, "ann@example.org");
    let login =
        |password: &str| nobody.post("/api/auth/login", credentials("ann@example.org", password));
    let other = Caller::bearer(service.address, &text(&login(PASSWORD).expect(200)["token"]));
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        own.post("/api/auth/password", body)
    };
    let wrong = change("not the word", "a new password");
    wrong.refuses(401, "invalid_credentials", "Invalid email or password");
    let short = "Password must be at least 8 characters";
    change(PASSWORD, "short").refuses(422, "password_too_short", short);
    other.get("/api/auth/me").expect(200);
    change(PASSWORD, "a new password").expect(200);
    has_no_session(&other);
    own.get("/api/auth/me").expect(200);
    let old = login(PASSWORD);
    old.refuses(401, "invalid_credentials", "Invalid email or password");
    login("a new password").expect(200);
}

#[test]
fn sessions_are_listed_and_ended_by_their_user() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    let (own, user) = Caller::register(service.address, "ann@example.org");
    let (bob, _) = Caller::register(service.address, "bob@example.org");
    let agent = nobody.with("user-agent", "a telephone");
    let login = agent.post("/api/auth/login", credentials("ann@example.org", PASSWORD));
    let lost = Caller::bearer(service.address, &text(&login.expect(200)["token"]));
    let sessions = own.get("/api/auth/sessions").expect(200);
    let sessions = sessions["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    let telephone = sessions.iter().find(|session| session["agent"] == "a telephone");
    let telephone = telephone.expect("the session of the telephone");
    assert_eq!((&telephone["from"], &telephone["door"]), (&json!("127.0.0.1"), &json!("password")));
    let path = format!("/api/auth/sessions/{}", text(&telephone["id"]));
    bob.delete(&path).refuses(404, "not_found", "Session not found");
    lost.get("/api/auth/me").expect(200);
    own.delete(&path).expect(200);
    has_no_session(&lost);
    own.delete(&path).refuses(404, "not_found", "Session not found");
    // An administrator does the same to anybody; nobody else.
    let path = format!("/api/users/{}/sessions", text(&user["id"]));
    bob.get(&path).refuses(403, "forbidden", "Admin access required");
    let admin = Caller::admin(service.address);
    let left = admin.get(&path).expect(200)["sessions"].clone();
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    admin.delete(&format!("{path}/{}", text(&left[0]["id"]))).expect(200);
    has_no_session(&own);
}

#[test]
fn a_browsers_session_needs_the_csrf_token_to_change_anything() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    let (_, user) = Caller::register(service.address, "ann@example.org");
    let mut body = credentials("ann@example.org", PASSWORD);
    body["session"] = "cookie".into();
    let before = Caller::nobody(service.address).with("cookie", "levee_session=ses_chosen");
    let login = before.post("/api/auth/login", body.clone());
    let cookie = login.header("set-cookie").expect("a cookie").to_owned();
    let (pair, attributes) = cookie.split_once(';').expect("attributes");
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax");
    assert!(pair.starts_with("levee_session=ses_"), "{cookie}");
    assert_ne!(pair, "levee_session=ses_chosen", "a session is never one that somebody chose");
    has_no_session(&before);
    let secure = nobody.clone().with("x-forwarded-proto", "https");
    let secure = secure.post("/api/auth/login", body.clone());
    assert!(secure.header("set-cookie").expect("a cookie").contains("; Secure"));
    let answer = login.expect(200);
    assert_eq!(answer.get("token"), None, "a script must not see the session");
    let csrf = text(&answer["csrf"]);
    let page = Caller::nobody(service.address).with("cookie", &format!("a=b; {pair}; c=d"));
    let me = page.get("/api/auth/me").expect(200);
    assert_eq!((&me["user"], &me["csrf"]), (&user, &answer["csrf"]));

    let says = "The X-CSRF-Token header is missing or wrong";
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for (path, of) in [
            ("/api/auth/logout", "POST"),
            ("/api/tenants/fluid/members/x", "PUT"),
            ("/api/tenants/fluid", "PATCH"),
            ("/api/auth/sessions/x", "DELETE"),
        ] {
            if of == method {
                for wrong in [None, Some(""), Some("x"), Some(&csrf[1..]), Some(&pair[14..])] {
                    let caller = match wrong {
                        None => page.clone(),
                        Some(wrong) => page.clone().with("x-csrf-token", wrong),
                    };
                    let body: &[u8] = if method == "DELETE" { b"" } else { b"{}" };
                    let answer: crate::api::Answer = caller.send(method, path, body).into();
                    answer.refuses(403, "csrf", says);
                }
            }
        }
    }
    // Nor does a form's way around the method help.
    let form = page.send("POST", "/api/auth/sessions/x?_method=GET", b"{}");
    assert!(form.status >= 400, "{}", form.status);
    page.get("/api/auth/me").expect(200);
    let out = page.clone().with("x-csrf-token", &csrf).post("/api/auth/logout", json!({}));
    let gone = out.header("set-cookie").expect("a cookie");
    assert!(gone.starts_with("levee_session=;") && gone.ends_with("Max-Age=0"), "{gone}");
    out.expect(200);
    has_no_session(&page);

    // Another site's page does not sign its visitor in, as whoever that may be.
    for origin in ["https://evil.example", "null", "http://localhost.evil.example:80"] {
        let evil = nobody.clone().with("origin", origin);
        let refused = evil.post("/api/auth/login", body.clone());
        refused.refuses(403, "csrf", "Only this service's own pages may sign in with a cookie");
        assert_eq!(refused.header("set-cookie"), None);
    }
    let own = nobody.with("origin", &format!("http://{}", service.address));
    own.post("/api/auth/login", body).expect(200);
}

#[test]
fn registration_is_open_only_where_the_operator_says_so() {
    let dir = Dir::new("people");
    let options = Options::new(dir.path()).env("LEVEE_ADMIN_KEY", ADMIN_KEY);
    let service = options.flag("open-registration", "false").start();
    let nobody = Caller::nobody(service.address);
    let config = nobody.get("/api/auth/config").expect(200);
    assert_eq!(config["registration"], false);
    let refused = nobody.post("/api/auth/register", credentials("a@b", PASSWORD));
    let says = "Registration is closed; ask for an invite";
    refused.refuses(403, "registration_closed", says);
    // An invite opens it, for whom it is and once.
    let admin = Caller::admin(service.address);
    let invite = json!({"email": "Ann@b", "role": "viewer"});
    let made = admin.post("/api/tenants/fluid/invites", invite).expect(201);
    let with_invite = |email: &str| {
        let mut body = credentials(email, PASSWORD);
        body["invite"] = made["token"].clone();
        nobody.post("/api/auth/register", body)
    };
    let other = with_invite("bob@b");
    other.refuses(403, "invite_for_other", "The invite is for another email");
    let ann = with_invite("ann@b").expect(201);
    let spent = with_invite("ann@b");
    spent.refuses(410, "invite_spent", "The invite has expired, was used or was revoked");
    let members = admin.get("/api/tenants/fluid/members").expect(200);
    let member = &members["members"][0];
    assert_eq!((&member["user"], &member["role"]), (&ann["user"]["id"], &json!("viewer")));
}

/// The token of the link in a banner, once that is whole.
fn set_up_token(service: &Service) -> Option<String> {
    service.wait_until("the banner", |service| service.banner().contains("cores"));
    let banner = service.banner();
    let (_, rest) = banner.split_once("/admin/set-up#")?;
    let line = banner.lines().find(|line| line.starts_with("set up")).expect("the link's line");
    assert!(line.contains(&format!("http://{}/admin/set-up#", service.address)), "{line}");
    rest.lines().next().map(str::to_owned)
}

#[test]
fn the_first_administrator_comes_by_the_printed_link() {
    let dir = Dir::new("people");
    let first = start(&dir);
    let old = set_up_token(&first).expect("a link");
    first.kill();
    let service = start(&dir);
    let token = set_up_token(&service).expect("another link, as nobody has used the first");
    let nobody = Caller::nobody(service.address);
    let set_up = |token: &str, email: &str| {
        let mut body = credentials(email, PASSWORD);
        body["token"] = token.into();
        nobody.post("/api/auth/set-up", body)
    };
    let says = "The set-up link was used or is not known";
    for token in [old.as_str(), "", "set_x"] {
        set_up(token, "ann@example.org").refuses(410, "set_up_spent", says);
    }
    let ann = set_up(&token, "ann@example.org").expect(201);
    assert_eq!(ann["user"]["is_admin"], true);
    let own = Caller::bearer(service.address, &text(&ann["token"]));
    own.get("/api/users").expect(200);
    set_up(&token, "bob@example.org").refuses(410, "set_up_spent", says);
    service.kill();
    let service = start(&dir);
    assert_eq!(set_up_token(&service), None, "there is an administrator");
}

/// `levee user create`; its exit code and what it says on both streams.
fn user_create(data: &Path, args: &[&str], password: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(binary())
        .args(["user", "create", "--dev", "--data"])
        .arg(data)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may not want a password.
    let _ = stdin.write_all(password.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_administrator_is_made_on_the_data_of_a_stopped_service() {
    let dir = Dir::new("people");
    let args = ["--email=ann@example.org", "--admin", "--password-stdin", "--json"];
    let short = user_create(dir.path(), &args, "short\n");
    assert_eq!((short.0, short.1.as_str()), (Some(1), ""), "{short:?}");
    assert!(short.2.contains("at least 8 characters"), "{short:?}");
    let (code, out, error) = user_create(dir.path(), &args, &format!("{PASSWORD}\r\nrest"));
    assert_eq!(code, Some(0), "{error}");
    let made: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&made["user"]["is_admin"], &made["password"]), (&json!(true), &Value::Null));
    let again = user_create(dir.path(), &args, &format!("{PASSWORD}\n"));
    assert!(again.0 == Some(1) && again.2.contains("this email exists"), "{again:?}");
    let (code, out, _) = user_create(dir.path(), &["--email=bob@example.org"], "");
    assert_eq!(code, Some(0));
    let made_up = out.lines().find_map(|line| line.strip_prefix("password ")).expect("a password");

    let service = start(&dir);
    assert_eq!(set_up_token(&service), None, "there is an administrator");
    let nobody = Caller::nobody(service.address);
    for (email, password, is_admin) in
        [("ann@example.org", PASSWORD, true), ("bob@example.org", made_up, false)]
    {
        let login = nobody.post("/api/auth/login", credentials(email, password)).expect(200);
        assert_eq!(login["user"]["is_admin"], is_admin, "{email}");
    }
    let (code, _, error) = user_create(dir.path(), &["--email=eve@example.org", "--admin"], "");
    assert_eq!(code, Some(1));
    assert!(error.contains("in use by another process") && error.contains("/api/users"), "{error}");
    // And while it runs, by the admin key.
    let body = json!({"email": "cy@example.org", "password": PASSWORD, "is_admin": true});
    let made = Caller::admin(service.address).post("/api/users", body.clone()).expect(201);
    assert_eq!(made["user"]["is_admin"], true);
    nobody.post("/api/users", body).refuses(NO_SESSION.0, NO_SESSION.1, NO_SESSION.2);
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let nobody = Caller::nobody(service.address);
    Caller::register(service.address, "ann@example.org");
    let login =
        |password: &str| nobody.post("/api/auth/login", credentials("ann@example.org", password));
    let mut tries = 0;
    let refused = loop {
        let answer = login("not the word");
        if answer.status != 401 {
            break answer;
        }
        answer.refuses(401, "invalid_credentials", "Invalid email or password");
        tries += 1;
        assert!(tries < 50, "one may guess for ever");
    };
    refused.refuses(429, "too_many_attempts", "Too many attempts, try again later");
    let wait_s: u64 = refused.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
    assert!((1..=900).contains(&wait_s), "{wait_s}");
    // The right password does not help who has guessed so far, and is no oracle.
    login(PASSWORD).refuses(429, "too_many_attempts", "Too many attempts, try again later");
    service.wait_until("the end of the wait", |_| login(PASSWORD).status == 200);
}

#[test]
fn accounts_are_changed_disabled_and_deleted_by_administrators() {
    let dir = Dir::new("people");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let (own, user) = Caller::register(service.address, "ann@example.org");
    let path = format!("/api/users/{}", text(&user["id"]));
    own.patch(&path, json!({"is_admin": true})).refuses(403, "forbidden", "Admin access required");
    own.get("/api/users").refuses(403, "forbidden", "Admin access required");
    own.get("/api/audit").refuses(403, "forbidden", "Not a member of this tenant");
    admin.patch(&path, json!({"is_admin": true})).expect(200);
    own.get("/api/users").expect(200);
    let last = "The service keeps at least one administrator";
    own.patch(&path, json!({"is_admin": false})).refuses(409, "last_admin", last);
    own.delete(&path).refuses(409, "last_admin", last);
    let (bob, user) = Caller::register(service.address, "bob@example.org");
    let path = format!("/api/users/{}", text(&user["id"]));
    own.patch(&path, json!({"is_disabled": true})).expect(200);
    has_no_session(&bob);
    let login = Caller::nobody(service.address)
        .post("/api/auth/login", credentials("bob@example.org", PASSWORD));
    login.refuses(403, "user_disabled", "This account is disabled");
    let found = own.get("/api/users?search=BOB").expect(200);
    assert_eq!((&found["total"], &found["users"][0]["is_disabled"]), (&json!(1), &json!(true)));
    own.delete(&path).expect(200);
    own.get(&path).refuses(404, "not_found", "User not found");
    Caller::register(service.address, "bob@example.org");
    // Every such act is in the log, with who did it.
    let log = own.get("/api/audit?limit=1000").expect(200);
    let deeds: Vec<_> = log["entries"].as_array().expect("a list").iter().collect();
    let seqs: Vec<_> = deeds.iter().rev().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    let deleted = deeds.iter().find(|entry| entry["deed"] == "user_deleted").expect("a line");
    assert_eq!(deleted["before"]["email"], "bob@example.org");
    assert_eq!(
        (&deleted["actor"]["kind"], &deleted["from"]),
        (&json!("user"), &json!("127.0.0.1"))
    );
}
