//! Signing in with another service, whole: the browser goes there and comes back, and everybody on
//! the way who is not honest gets nothing.

use crate::provider::{CLIENT_ID, CLIENT_SECRET, Person, Provider, Signing, now_unix_s};
use crate::rest::{self, Reply, header};
use crate::service::{Dir, Options, Service};
use levee_core::wire::http::percent_encode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};

const ADMIN_KEY: &str = "the-admin-key-of-sign-in";
const SESSION: &str = "levee_session";
const STATE: &str = "levee_oauth";
const AGAIN: &str = "Authentication failed, please try again";
const APP: &str = "https://app.example/done";

/// A service, and those that it lets people sign in with.
struct World {
    _dir: Dir,
    provider: Provider,
    service: Service,
}

impl World {
    fn start() -> Self {
        let (dir, provider) = (Dir::new("sign-in"), Provider::start());
        let file = dir.path().join("levee.toml");
        fs::write(&file, configuration(&provider.url())).expect("a file");
        let file = file.to_str().expect("a path of letters");
        let options = Options::new(&dir.path().join("data")).flag("config", file);
        let options = options.flag("log", "trace").env("LEVEE_ADMIN_KEY", ADMIN_KEY);
        // A proxy of this machine does not know the test's own services.
        let service = options.env("NO_PROXY", "127.0.0.1").start();
        Self { _dir: dir, provider, service }
    }

    fn browser(&self) -> Browser {
        let (address, cookies, locations) = (self.service.address, BTreeMap::new(), Vec::new());
        Browser { address, cookies, locations }
    }

    /// Off to the service and back, as far as the callback's path.
    fn consent(&self, browser: &mut Browser, begin: &str, person: &Person) -> String {
        let reply = browser.get(begin);
        assert_eq!(reply.status, 302, "{begin}: {}", reply.text());
        let location = location(&reply);
        assert!(location.starts_with(&self.provider.url()), "{location}");
        let query = self.provider.consent(location, person);
        let name = begin.split(['/', '?']).nth(2).expect("a name");
        format!("/auth/{name}/callback?{query}")
    }

    /// The whole way.
    fn sign_in(&self, browser: &mut Browser, begin: &str, person: &Person) -> Reply {
        let callback = self.consent(browser, begin, person);
        browser.get(&callback)
    }

    /// Who they are afterwards.
    fn enter(&self, begin: &str, person: &Person) -> (Browser, Value) {
        let mut browser = self.browser();
        let reply = self.sign_in(&mut browser, begin, person);
        assert_eq!((reply.status, location(&reply)), (302, "/admin"), "{}", reply.text());
        let me = browser.me();
        (browser, me)
    }

    fn turned_away(&self, begin: &str, person: &Person) {
        let mut browser = self.browser();
        let reply = self.sign_in(&mut browser, begin, person);
        assert_eq!((reply.status, location(&reply)), (302, "/admin?error=not_authorized"));
        assert!(!browser.cookies.contains_key(SESSION), "{:?}", browser.cookies);
    }

    fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let authorization = format!("Bearer {ADMIN_KEY}");
        let headers = [("authorization", authorization.as_str())];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = rest::request(self.service.address, method, path, &headers, &body);
        let reply = reply.expect("an answer");
        assert!(reply.status < 300, "{path}: {} {}", reply.status, reply.text());
        body_of(&reply)
    }

    fn post(&self, path: &str, body: Value) -> Reply {
        let body = body.to_string();
        rest::request(self.service.address, "POST", path, &[], body.as_bytes()).expect("an answer")
    }

    fn register(&self, email: &str) -> Value {
        let body = json!({ "email": email, "password": "correct horse" });
        let reply = self.post("/api/auth/register", body);
        assert_eq!(reply.status, 201, "{}", reply.text());
        body_of(&reply)["user"].clone()
    }
}

fn configuration(url: &str) -> String {
    // A port where nobody listens: it was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = format!("http://{}", free.expect("a port"));
    let entry = |name: &str, kind: &str, rest: &str| {
        format!(
            "[[provider]]\nname = '{name}'\nkind = '{kind}'\nclient_id = '{CLIENT_ID}'\n\
             client_secret = '{CLIENT_SECRET}'\n{rest}\n"
        )
    };
    let github = format!("url = '{url}/'\napi_url = '{url}'");
    [
        entry(
            "github",
            "github",
            &format!(
                "{github}\nredirect_urls = ['{APP}', '{APP}?tab=1', '{APP}#/in']\n\
                 admin_users = ['BOSS']"
            ),
        ),
        entry("users", "github", &format!("{github}\nallowed_users = ['ann', 'Bob']")),
        entry("teams", "github", &format!("{github}\nallowed_organizations = ['Acme']")),
        entry("gone", "github", &format!("url = '{url}'\napi_url = '{nobody}'")),
        entry("away", "github", &format!("url = '{nobody}'\napi_url = '{nobody}'")),
        entry("lost", "openid", &format!("issuer = '{nobody}'")),
        entry("work", "openid", &format!("issuer = '{url}'\nadmin_users = ['boss@example.org']")),
    ]
    .concat()
}

/// What a browser does about cookies, and what stood in its address bar.
struct Browser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
    locations: Vec<String>,
}

impl Browser {
    fn get(&mut self, path: &str) -> Reply {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let headers = [("cookie", cookie.as_str()), ("accept", "text/html,*/*;q=0.8")];
        let reply = rest::get(self.address, path, &headers).expect("an answer");
        for set in headers_of(&reply, "set-cookie") {
            let (pair, attributes) = set.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            let attributes: Vec<_> = attributes.split(';').map(str::trim).collect();
            assert!(attributes.contains(&"HttpOnly") && attributes.contains(&"SameSite=Lax"));
            match attributes.contains(&"Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.into(), value.into()),
            };
        }
        self.locations.extend(header(&reply.head, "location").map(str::to_owned));
        reply
    }

    fn me(&mut self) -> Value {
        let reply = self.get("/api/auth/me");
        assert_eq!(reply.status, 200, "{}", reply.text());
        body_of(&reply)["user"].clone()
    }
}

fn headers_of<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    let lines = reply.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn location(reply: &Reply) -> &str {
    header(&reply.head, "location").unwrap_or_else(|| panic!("{}: {}", reply.head, reply.text()))
}

fn body_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
}

/// That it is this refusal, word for word, and gives no session.
fn refused(reply: &Reply, status: u16, code: &str, message: &str) {
    let body = json!({ "error": { "code": code, "message": message } });
    assert_eq!((reply.status, body_of(reply)), (status, body));
    let cookies = headers_of(reply, "set-cookie");
    assert!(!cookies.iter().any(|cookie| cookie.starts_with(SESSION)), "{cookies:?}");
    assert_eq!(header(&reply.head, "location"), None);
}

#[test]
fn github_signs_in_and_the_session_works() {
    let world = World::start();
    let ann = Person::new(1001, "ann");
    let mut browser = world.browser();
    let begun = browser.get("/auth/github");
    let url = location(&begun).to_owned();
    let at = format!("{}/login/oauth/authorize?", world.provider.url());
    assert!(url.starts_with(&at), "{url}");
    assert!(url.contains("scope=user%3Aemail&"), "{url}");
    let back = format!("http://{}/auth/github/callback", world.service.address);
    assert!(url.contains(&format!("redirect_uri={}&", percent_encode(&back))), "{url}");
    assert_eq!(header(&begun.head, "cache-control"), Some("no-store"));
    let callback = format!("/auth/github/callback?{}", world.provider.consent(&url, &ann));
    let reply = browser.get(&callback);
    assert_eq!((reply.status, location(&reply)), (302, "/admin"), "{}", reply.text());
    let me = browser.me();
    assert_eq!(me["email"], "ann@example.org");
    assert_eq!(me["display_name"], "ann of the tests");
    assert_eq!((&me["github_id"], &me["is_admin"]), (&json!("1001"), &json!(false)));
    // The same person is the same account, whatever they are called by now.
    let renamed = Person { email: "ann@new.example".into(), ..Person::new(1001, "anna") };
    assert_eq!(world.enter("/auth/github", &renamed).1["id"], me["id"]);
    assert_eq!(world.enter("/auth/github", &Person::new(1002, "BOSS")).1["is_admin"], true);
    assert_eq!(world.enter("/auth/github?redirect_url=/admin", &ann).1["id"], me["id"]);
    let known = rest::get(world.service.address, "/api/auth/config", &[]).expect("an answer");
    let names = json!(["github", "users", "teams", "gone", "away", "lost", "work"]);
    assert_eq!(body_of(&known)["providers"], names);
}

#[test]
fn an_app_of_another_origin_gets_a_code_for_one_use() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let target = |url: &str| format!("/auth/github?redirect_url={}", percent_encode(url));
    for (end, before, after) in [
        (APP.to_owned(), format!("{APP}?code="), ""),
        (format!("{APP}?tab=1"), format!("{APP}?tab=1&code="), ""),
        (format!("{APP}#/in"), format!("{APP}?code="), "#/in"),
    ] {
        let mut browser = world.browser();
        let reply = world.sign_in(&mut browser, &target(&end), &ann);
        let url = location(&reply);
        let code = url.strip_prefix(&before).and_then(|rest| rest.strip_suffix(after));
        let code = code.unwrap_or_else(|| panic!("{url}"));
        assert!(!browser.cookies.contains_key(SESSION), "the app's session is not the page's");
        let exchanged = world.post("/api/auth/exchange", json!({ "code": code }));
        assert_eq!(exchanged.status, 200, "{}", exchanged.text());
        assert_eq!(header(&exchanged.head, "access-control-allow-origin"), Some("*"));
        let body = body_of(&exchanged);
        let token = body["token"].as_str().expect("a token").to_owned();
        assert!(token.starts_with("ses_") && !url.contains(&token), "{url}");
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let me = rest::get(world.service.address, "/api/auth/me", &headers).expect("an answer");
        assert_eq!(body_of(&me)["user"], body["user"]);
        let again = world.post("/api/auth/exchange", json!({ "code": code }));
        refused(&again, 401, "unauthorized", "Invalid or expired session");
    }
    let invented = world.post("/api/auth/exchange", json!({ "code": "cod_invented" }));
    refused(&invented, 401, "unauthorized", "Invalid or expired session");
    assert_eq!(world.post("/api/auth/exchange", json!({})).status, 400);
    // A refusal goes to the app too, and its page's own part of the URL stays the last.
    world.admin("PATCH", &user_path(&world, &ann), json!({ "is_disabled": true }));
    let reply = world.sign_in(&mut world.browser(), &target(&format!("{APP}#/in")), &ann);
    assert_eq!(location(&reply), format!("{APP}?error=not_authorized#/in"));
}

/// Where an administrator finds somebody's account.
fn user_path(world: &World, person: &Person) -> String {
    let users = world.admin("GET", "/api/users", Value::Null);
    let users = users["users"].as_array().expect("users");
    let user = users.iter().find(|user| user["email"] == person.email).expect("the user");
    format!("/api/users/{}", user["id"].as_str().expect("an id"))
}

#[test]
fn a_login_ends_only_where_it_may() {
    let world = World::start();
    for target in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/ /evil.example",
        "https://evil.example",
        "https:evil.example",
        "https://app.example",
        "https://app.example/done/",
        "https://app.example/done?tab=2",
        "https://app.example.evil.example/done",
        "https://app.example@evil.example/done",
        "HTTPS://app.example/done",
        "javascript:alert(1)",
        "data:text/html,x",
        "admin",
        "",
        "/admin\r\nset-cookie: levee_session=x",
        "/admin\n",
        "/admin\0",
        "/\u{2028}",
        "/\u{e9}",
    ] {
        let path = format!("/auth/github?redirect_url={}", percent_encode(target));
        let reply = world.browser().get(&path);
        refused(&reply, 400, "invalid_redirect_url", "This redirect_url is not allowed");
    }
    // Another service's list is not this one's.
    let path = format!("/auth/users?redirect_url={}", percent_encode(APP));
    assert_eq!(world.browser().get(&path).status, 400);
    // Encoded twice it is a path of this service, and stays one.
    let ann = Person::new(1, "ann");
    for target in ["/admin%0d%0ax", "/%2Fevil.example", "/admin/users?page=2"] {
        let path = format!("/auth/github?redirect_url={}", percent_encode(target));
        let reply = world.sign_in(&mut world.browser(), &path, &ann);
        assert_eq!(location(&reply), target);
    }
    // What the browser says on its way back decides nothing.
    let mut browser = world.browser();
    let callback = world.consent(&mut browser, "/auth/github", &ann);
    let reply = browser.get(&format!("{callback}&redirect_url=https://evil.example"));
    assert_eq!(location(&reply), "/admin");
}

#[test]
fn a_state_is_good_once_in_its_own_browser() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let mut browser = world.browser();
    let unknown = browser.get("/auth/github/callback?code=c&state=unknown");
    refused(&unknown, 401, "state_invalid", AGAIN);
    // Used twice.
    let callback = world.consent(&mut browser, "/auth/github", &ann);
    assert_eq!(browser.get(&callback).status, 302);
    refused(&browser.get(&callback), 401, "state_invalid", AGAIN);
    // Somebody else's answer, brought to a browser that never asked, and to one that did.
    let callback = world.consent(&mut world.browser(), "/auth/github", &ann);
    refused(&world.browser().get(&callback), 401, "state_mismatch", AGAIN);
    let mut victim = world.browser();
    world.consent(&mut victim, "/auth/github", &ann);
    let callback = world.consent(&mut world.browser(), "/auth/github", &ann);
    refused(&victim.get(&callback), 401, "state_mismatch", AGAIN);
    // At another service's callback.
    let mut browser = world.browser();
    let callback = world.consent(&mut browser, "/auth/github", &ann);
    let elsewhere = callback.replace("/github/", "/users/");
    refused(&browser.get(&elsewhere), 401, "state_invalid", AGAIN);
    refused(&browser.get(&callback), 401, "state_invalid", AGAIN);
    let asked = world.provider.asked("/login/oauth/access_token");
    assert_eq!(asked, 1, "a code without its state is not even shown to the service");
}

#[test]
fn what_a_provider_refuses_is_refused_word_for_word() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let mut browser = world.browser();
    let mut begin = || {
        world.consent(&mut browser, "/auth/github", &ann);
        (
            browser.cookies[STATE].clone(),
            Browser { locations: vec![], cookies: browser.cookies.clone(), ..browser },
        )
    };
    let (state, mut back) = begin();
    let told = "&error_description=The+user+said+no%21";
    let reply = back.get(&format!("/auth/github/callback?error=access_denied{told}&state={state}"));
    refused(&reply, 401, "oauth_failed", "The user said no!");
    let (state, mut back) = begin();
    let reply = back.get(&format!("/auth/github/callback?error=access_denied&state={state}"));
    refused(&reply, 401, "oauth_failed", "access_denied");
    let reply = back.get(&format!("/auth/github/callback?error=access_denied&state={state}"));
    refused(&reply, 401, "auth_failed", "Authentication failed");
    let reply = back.get("/auth/github/callback?error=access_denied");
    refused(&reply, 401, "auth_failed", "Authentication failed");
    for query in ["", "?code=x", "?nothing=x"] {
        let reply = back.get(&format!("/auth/github/callback{query}"));
        let body = json!({ "errors": { "detail": "Bad Request" } });
        assert_eq!((reply.status, body_of(&reply)), (400, body), "{query}");
    }
    let (state, mut back) = begin();
    let reply = back.get(&format!("/auth/github/callback?state={state}"));
    assert_eq!(reply.status, 400);
    // A code that the service does not know.
    let (state, mut back) = begin();
    let reply = back.get(&format!("/auth/github/callback?code=invented&state={state}"));
    refused(&reply, 401, "auth_failed", AGAIN);
    for path in ["/auth/nobody", "/auth/nobody/callback?code=c&state=s"] {
        let reply = back.get(path);
        refused(&reply, 404, "unknown_provider", "Unknown auth provider: nobody");
    }
    let reply = back.get("/auth/lost");
    refused(&reply, 500, "oauth_error", "Failed to start authentication");
}

#[test]
fn a_provider_that_fails_lets_nobody_in() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let fails = |begin: &str| {
        let mut browser = world.browser();
        let reply = match begin {
            // Where nobody listens, nobody consents.
            "/auth/away" => {
                assert_eq!(browser.get(begin).status, 302);
                let state = browser.cookies[STATE].clone();
                browser.get(&format!("{begin}/callback?code=c&state={state}"))
            }
            begin => world.sign_in(&mut browser, begin, &ann),
        };
        refused(&reply, 502, "provider_error", "Could not fetch profile from provider");
    };
    fails("/auth/gone");
    fails("/auth/away");
    for (begin, path, status, body) in [
        ("/auth/github", "/user", 500, "{}"),
        ("/auth/github", "/user", 401, "{}"),
        ("/auth/github", "/user", 200, "<html>"),
        ("/auth/github", "/user", 200, "{}"),
        ("/auth/github", "/user", 200, "[]"),
        ("/auth/github", "/user", 200, "{\"id\":-1,\"login\":\"ann\"}"),
        // A token is not carried to where an answer points.
        ("/auth/github", "/user", 302, "{}"),
        ("/auth/github", "/login/oauth/access_token", 500, "{}"),
        ("/auth/github", "/login/oauth/access_token", 200, "nonsense"),
        ("/auth/teams", "/user/orgs", 500, "{}"),
        ("/auth/work", "/keys", 500, "{}"),
        ("/auth/work", "/keys", 200, "{\"keys\":7}"),
    ] {
        world.provider.break_path(path, status, body);
        fails(begin);
        world.provider.mend();
    }
    assert_eq!(world.provider.asked("/moved"), 0);
    let huge = format!("{{\"id\":1,\"login\":\"{}\"}}", "a".repeat(2 << 20));
    world.provider.break_path("/user", 200, &huge);
    fails("/auth/github");
    world.provider.mend();
    // Without the addresses one is let in, but owns none.
    world.provider.break_path("/user/emails", 403, "{}");
    assert_eq!(world.enter("/auth/github", &ann).1["email"], "");
}

#[test]
fn lists_decide_who_comes_in() {
    let world = World::start();
    world.enter("/auth/users", &Person::new(1, "Ann"));
    world.enter("/auth/users", &Person::new(2, "bob"));
    world.turned_away("/auth/users", &Person::new(3, "carl"));
    let member = Person { organizations: vec!["other", "acme"], ..Person::new(4, "dora") };
    world.enter("/auth/teams", &member);
    let outsider = Person { organizations: vec!["other"], ..Person::new(5, "emil") };
    world.turned_away("/auth/teams", &outsider);
    // To see the organisations it must ask for them.
    let begun = world.browser().get("/auth/teams");
    assert!(location(&begun).contains("scope=user%3Aemail%20read%3Aorg&"));
    // Whoever was turned away has left nothing behind.
    let users = world.admin("GET", "/api/users", Value::Null);
    let emails: Vec<_> = users["users"].as_array().expect("users").iter().collect();
    assert_eq!(emails.len(), 3, "{emails:?}");
}

#[test]
fn accounts_are_linked_by_verified_addresses_only() {
    let world = World::start();
    let (ann, bob) = (world.register("ann@example.org"), world.register("bob@example.org"));
    let claims_ann = Person { is_email_verified: false, ..Person::new(1, "ann") };
    let thief = world.enter("/auth/github", &claims_ann).1;
    assert!(thief["id"] != ann["id"] && thief["email"] == "", "{thief}");
    let real = Person { email: "ANN@example.org".into(), ..Person::new(2, "ann2") };
    let linked = world.enter("/auth/github", &real).1;
    assert_eq!((&linked["id"], &linked["github_id"]), (&ann["id"], &json!("2")));
    // OpenID Connect's claim is the issuer's word.
    let claims_bob = Person { is_email_verified: false, ..Person::new(3, "bob") };
    assert_ne!(world.enter("/auth/work", &claims_bob).1["id"], bob["id"]);
    assert_eq!(world.enter("/auth/work", &Person::new(4, "bob")).1["id"], bob["id"]);
    // Its number 2 is not GitHub's.
    let other = world.enter("/auth/work", &Person::new(2, "else")).1;
    assert_ne!(other["id"], ann["id"]);
    // An account that was closed stays closed, by every door.
    let path = user_path(&world, &Person::new(0, "bob"));
    world.admin("PATCH", &path, json!({ "is_disabled": true }));
    world.turned_away("/auth/work", &Person::new(4, "bob"));
    world.turned_away("/auth/github", &Person::new(5, "bob"));
    world.admin("PATCH", &path, json!({ "is_disabled": false }));
    assert_eq!(world.admin("GET", &path, Value::Null)["user"]["github_id"], Value::Null);
}

#[test]
fn openid_connect_signs_in_with_both_kinds_of_keys() {
    let world = World::start();
    for (id, signing) in [(1, Signing::Es256), (2, Signing::Rs256)] {
        world.provider.sign(signing, json!({}));
        let login = format!("{signing:?}");
        let me = world.enter("/auth/work", &Person::new(id, &login)).1;
        assert_eq!(me["display_name"], format!("{login} of the tests"));
        assert_eq!((&me["github_id"], &me["is_admin"]), (&Value::Null, &json!(false)));
    }
    assert_eq!(world.enter("/auth/work", &Person::new(3, "boss")).1["is_admin"], true);
    let false_boss = Person { is_email_verified: false, ..Person::new(4, "boss") };
    assert_eq!(world.enter("/auth/work", &false_boss).1["is_admin"], false);
    let begun = world.browser().get("/auth/work");
    let at = format!("{}/authorize?realm=a&response_type=code&", world.provider.url());
    assert!(location(&begun).starts_with(&at), "{}", location(&begun));
}

#[test]
fn identity_tokens_that_are_not_for_this_login_are_refused() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let old = now_unix_s() - 120;
    for (signing, claims) in [
        (Signing::Es256, json!({ "iss": "https://evil.example" })),
        (Signing::Es256, json!({ "aud": "somebody-else" })),
        (Signing::Es256, json!({ "aud": [CLIENT_ID, "somebody-else"] })),
        (Signing::Es256, json!({ "nonce": "of-another-login" })),
        (Signing::Es256, json!({ "nonce": null })),
        (Signing::Es256, json!({ "exp": old })),
        (Signing::Es256, json!({ "exp": null })),
        (Signing::Es256, json!({ "sub": "" })),
        (Signing::Stranger, json!({})),
        (Signing::Nothing, json!({})),
        (Signing::PublicKeyAsSecret, json!({})),
    ] {
        world.provider.sign(signing, claims.clone());
        let reply = world.sign_in(&mut world.browser(), "/auth/work", &ann);
        let body = json!({ "code": "auth_failed", "message": "Authentication failed" });
        let found = body_of(&reply)["error"].clone();
        assert_eq!((reply.status, found), (401, body), "{signing:?} {claims}");
    }
    world.provider.mend();
    world.provider.break_path("/token", 200, "{\"access_token\":\"a\"}");
    let reply = world.sign_in(&mut world.browser(), "/auth/work", &ann);
    refused(&reply, 401, "auth_failed", AGAIN);
    world.provider.mend();
    world.enter("/auth/work", &ann);
}

#[test]
fn a_session_from_before_is_not_carried_over() {
    let world = World::start();
    let mut browser = world.browser();
    browser.cookies.insert(SESSION.into(), "ses_planted_by_somebody".into());
    let ann = Person::new(1, "ann");
    assert_eq!(world.sign_in(&mut browser, "/auth/github", &ann).status, 302);
    let first = browser.cookies[SESSION].clone();
    assert!(first.starts_with("ses_") && !first.contains("planted"));
    browser.me();
    assert_eq!(world.sign_in(&mut browser, "/auth/github", &ann).status, 302);
    assert_ne!(browser.cookies[SESSION], first);
    browser.cookies.insert(SESSION.into(), "ses_planted_by_somebody".into());
    assert_eq!(browser.get("/api/auth/me").status, 401);
}

#[test]
fn no_secret_stands_in_a_url_or_a_log() {
    let world = World::start();
    let ann = Person::new(1, "ann");
    let mut browser = world.browser();
    let app = format!("/auth/github?redirect_url={}", percent_encode(APP));
    let mut tokens = Vec::new();
    for begin in ["/auth/github", "/auth/work", &app] {
        let reply = world.sign_in(&mut browser, begin, &ann);
        assert_eq!(reply.status, 302, "{}", reply.text());
        tokens.extend(browser.cookies.get(SESSION).cloned());
    }
    let code = browser
        .locations
        .last()
        .expect("the app")
        .split_once("?code=")
        .expect("a code")
        .1
        .to_owned();
    let exchanged = body_of(&world.post("/api/auth/exchange", json!({ "code": code })));
    tokens.push(exchanged["token"].as_str().expect("a token").to_owned());
    world.provider.break_path("/user", 500, "{}");
    assert_eq!(world.sign_in(&mut browser, "/auth/github", &ann).status, 502);
    let said = "a service to sign in with refused";
    world.service.wait_until(said, |service| service.log().contains(said));
    let log = world.service.log();
    for url in &browser.locations {
        assert!(!url.contains("ses_") && !tokens.iter().any(|token| url.contains(token)), "{url}");
    }
    tokens.push(code);
    for secret in world.provider.secrets().iter().chain(&tokens) {
        assert!(!log.contains(secret.as_str()), "{secret} in the log:\n{log}");
    }
}

#[test]
fn without_an_entry_github_is_not_configured() {
    let dir = Dir::new("sign-in");
    let service = Options::new(dir.path()).start();
    for path in ["/auth/github", "/auth/github/callback?code=c&state=s"] {
        let reply = rest::get(service.address, path, &[]).expect("an answer");
        refused(&reply, 500, "oauth_not_configured", "OAuth is not configured");
    }
}
