//! Everything below `/api`, each route at least once, and every body against its schema.

use crate::members::assert_valid;
use crate::world::{ADMIN_KEY, Call, World};
use levee::schema::{API_EXCHANGES, API_FAILURE, ApiExchange};
use levee_core::wire::http::Method;
use levee_core::wire::route::{ApiRoute, Route, StorageRoute, route};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The exchange of a route; without a wildcard, so that a new route needs a schema.
fn exchange_of(route: &ApiRoute<'_>) -> &'static ApiExchange {
    let text = match route {
        ApiRoute::AuthConfig => "GET /api/auth/config",
        ApiRoute::Register => "POST /api/auth/register",
        ApiRoute::Login => "POST /api/auth/login",
        ApiRoute::SetUp => "POST /api/auth/set-up",
        ApiRoute::Exchange => "POST /api/auth/exchange",
        ApiRoute::Logout => "POST /api/auth/logout",
        ApiRoute::Me => "GET /api/auth/me",
        ApiRoute::ChangePassword => "POST /api/auth/password",
        ApiRoute::MySessions => "GET /api/auth/sessions",
        ApiRoute::RevokeMySession { .. } => "DELETE /api/auth/sessions/:session",
        ApiRoute::AcceptInvite => "POST /api/invites/accept",
        ApiRoute::Users => "GET /api/users",
        ApiRoute::CreateUser => "POST /api/users",
        ApiRoute::User { .. } => "GET /api/users/:user",
        ApiRoute::ChangeUser { .. } => "PATCH /api/users/:user",
        ApiRoute::DeleteUser { .. } => "DELETE /api/users/:user",
        ApiRoute::UserSessions { .. } => "GET /api/users/:user/sessions",
        ApiRoute::RevokeUserSession { .. } => "DELETE /api/users/:user/sessions/:session",
        ApiRoute::Audit => "GET /api/audit",
        ApiRoute::Metrics => "GET /api/metrics",
        ApiRoute::Storage { asked, .. } => storage_exchange(asked),
        ApiRoute::Tenants => "GET /api/tenants",
        ApiRoute::CreateTenant => "POST /api/tenants",
        ApiRoute::Tenant { .. } => "GET /api/tenants/:tenant",
        ApiRoute::ChangeTenant { .. } => "PATCH /api/tenants/:tenant",
        ApiRoute::DeleteTenant { .. } => "DELETE /api/tenants/:tenant",
        ApiRoute::RotateSecret { .. } => "POST /api/tenants/:tenant/secrets/:slot",
        ApiRoute::MintToken { .. } => "POST /api/tenants/:tenant/token-mint",
        ApiRoute::Revoke { .. } => "POST /api/tenants/:tenant/revocations",
        ApiRoute::Members { .. } => "GET /api/tenants/:tenant/members",
        ApiRoute::SetMember { .. } => "PUT /api/tenants/:tenant/members/:user",
        ApiRoute::RemoveMember { .. } => "DELETE /api/tenants/:tenant/members/:user",
        ApiRoute::Invites { .. } => "GET /api/tenants/:tenant/invites",
        ApiRoute::CreateInvite { .. } => "POST /api/tenants/:tenant/invites",
        ApiRoute::RevokeInvite { .. } => "DELETE /api/tenants/:tenant/invites/:invite",
        ApiRoute::ApiKeys { .. } => "GET /api/tenants/:tenant/api-keys",
        ApiRoute::CreateApiKey { .. } => "POST /api/tenants/:tenant/api-keys",
        ApiRoute::RevokeApiKey { .. } => "DELETE /api/tenants/:tenant/api-keys/:key",
    };
    let found = API_EXCHANGES.iter().find(|exchange| exchange.route == text);
    found.unwrap_or_else(|| panic!("no exchange for {text}"))
}

fn storage_exchange(asked: &StorageRoute<'_>) -> &'static str {
    match asked {
        StorageRoute::Documents => "GET /api/tenants/:tenant/documents",
        StorageRoute::Document { .. } => "GET /api/tenants/:tenant/documents/:document",
        StorageRoute::DeleteDocument { .. } => "DELETE /api/tenants/:tenant/documents/:document",
        StorageRoute::Deltas { .. } => "GET /api/tenants/:tenant/documents/:document/deltas",
        StorageRoute::Summaries { .. } => "GET /api/tenants/:tenant/documents/:document/summaries",
        StorageRoute::Refs => "GET /api/tenants/:tenant/refs",
        StorageRoute::Blob { .. } => "GET /api/tenants/:tenant/git/blobs/:id",
        StorageRoute::Tree { .. } => "GET /api/tenants/:tenant/git/trees/:id",
        StorageRoute::Commit { .. } => "GET /api/tenants/:tenant/git/commits/:id",
    }
}

/// Holds an answer against the schema of its route; the exchange.
pub(crate) fn assert_answer(method: Method, target: &str, value: &Value) -> &'static ApiExchange {
    let path = target.split('?').next().unwrap();
    let Route::Api(found) = route(method, path) else { panic!("no route {target}") };
    let exchange = exchange_of(&found);
    assert_valid(exchange.answer, value);
    exchange
}

/// A world whose answers are held against the schema.
struct Api {
    world: World,
    seen: RefCell<BTreeSet<&'static str>>,
}

impl Api {
    fn new() -> Self {
        Self { world: World::new(), seen: RefCell::default() }
    }

    /// Method and path, a body or null, and a bearer token or nothing.
    fn call(&self, what: &str, body: &Value, bearer: &str) -> (u16, Value) {
        let (method, path) = what.split_once(' ').unwrap();
        let mut call = Call::new(method, path);
        if !body.is_null() {
            call = call.body(&body.to_string());
        }
        if !bearer.is_empty() {
            call = call.bearer(bearer);
        }
        let answer = self.world.wait(&call);
        let method = Method::parse(method).unwrap();
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        if answer.status < 400 {
            let exchange = assert_answer(method, path, &value);
            assert_eq!(answer.status, exchange.status, "{what}");
            if let Some(name) = exchange.request {
                assert_valid(name, body);
            }
            self.seen.borrow_mut().insert(exchange.route);
        } else if value["error"].is_object() {
            assert_valid(API_FAILURE, &value);
        }
        (answer.status, value)
    }

    fn done(&self, what: &str, body: &Value, bearer: &str) -> Value {
        let (status, value) = self.call(what, body, bearer);
        assert!(status < 300, "{what}: {status} {value}");
        value
    }

    fn admin(&self, what: &str, body: &Value) -> Value {
        self.done(what, body, ADMIN_KEY)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

fn person(email: &str) -> Value {
    json!({ "email": email, "password": "correct horse" })
}

#[test]
fn every_route_does_what_its_schema_says() {
    let api = Api::new();
    let none = Value::Null;
    let ann = api.done("POST /api/auth/register", &person("ann@example.org"), "");
    let (token, id) = (text(&ann["token"]), text(&ann["user"]["id"]));
    api.done("GET /api/auth/config", &none, "");
    api.done("GET /api/auth/me", &none, &token);
    people(&api, &id);
    tenant_of(&api, &id, &token);
    let new = json!({ "current_password": "correct horse", "new_password": "battery staple" });
    api.done("POST /api/auth/password", &new, &token);
    let login = json!({ "email": "ANN@example.org", "password": "battery staple" });
    let again = text(&api.done("POST /api/auth/login", &login, "")["token"]);
    let sessions = api.done("GET /api/auth/sessions", &none, &again);
    let other = sessions["sessions"].as_array().unwrap().iter().find(|session| {
        // The one in use is the latest used.
        session["id"] != sessions["sessions"][0]["id"]
    });
    let other = text(&other.unwrap()["id"]);
    api.done(&format!("DELETE /api/auth/sessions/{other}"), &none, &again);
    api.done("POST /api/auth/logout", &none, &again);
    assert_eq!(api.call("GET /api/auth/me", &none, &again).0, 401);
    api.admin("GET /api/audit", &none);
    api.admin("GET /api/metrics", &none);
    // What only the service itself or another one gives out is tested where that is at hand.
    let elsewhere = ["POST /api/auth/set-up", "POST /api/auth/exchange"];
    let all = API_EXCHANGES.iter().map(|exchange| exchange.route);
    // What is stored is held to its schema in `storage.rs`.
    let stored = ["documents", "refs", "git"].map(|part| format!("/api/tenants/:tenant/{part}"));
    let all = all.filter(|route| !stored.iter().any(|stored| route.contains(stored.as_str())));
    let missed: Vec<_> = all.filter(|route| !api.seen.borrow().contains(route)).collect();
    assert_eq!(missed, elsewhere);
}

fn people(api: &Api, ann: &str) {
    let none = Value::Null;
    let bob = text(&api.admin("POST /api/users", &person("bob@example.org"))["user"]["id"]);
    api.admin("GET /api/users?search=example", &none);
    api.admin(&format!("GET /api/users/{ann}"), &none);
    api.admin(&format!("PATCH /api/users/{bob}"), &json!({ "display_name": "Bob" }));
    let sessions = api.admin(&format!("GET /api/users/{ann}/sessions"), &none);
    let login = api.done("POST /api/auth/login", &person("bob@example.org"), "");
    assert!(login["token"].is_string());
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    let of_bob = api.admin(&format!("GET /api/users/{bob}/sessions"), &none);
    let session = text(&of_bob["sessions"][0]["id"]);
    api.admin(&format!("DELETE /api/users/{bob}/sessions/{session}"), &none);
    api.admin(&format!("DELETE /api/users/{bob}"), &none);
}

fn tenant_of(api: &Api, ann: &str, token: &str) {
    let none = Value::Null;
    let made = api.admin("POST /api/tenants", &json!({ "id": "acme", "name": "Acme" }));
    assert_eq!(text(&made["tenant"]["secret1"]).len(), 64);
    api.admin("GET /api/tenants", &none);
    api.admin("GET /api/tenants/acme", &none);
    api.admin("PATCH /api/tenants/acme", &json!({ "limits": { "connections": 5 } }));
    api.admin("POST /api/tenants/acme/secrets/2", &none);
    api.admin(&format!("PUT /api/tenants/acme/members/{ann}"), &json!({ "role": "admin" }));
    api.done("GET /api/tenants/acme/members", &none, token);
    let invite = json!({ "email": "ann@example.org", "role": "viewer" });
    let made = api.done("POST /api/tenants/acme/invites", &invite, token);
    api.done("GET /api/tenants/acme/invites", &none, token);
    api.done("POST /api/invites/accept", &json!({ "token": made["token"] }), token);
    let open = api.done("POST /api/tenants/acme/invites", &json!({ "role": "member" }), token);
    let id = text(&open["invite"]["id"]);
    api.done(&format!("DELETE /api/tenants/acme/invites/{id}"), &none, token);
    let key = json!({ "name": "ci", "scopes": ["doc:read"] });
    let key = api.done("POST /api/tenants/acme/api-keys", &key, token);
    api.done("GET /api/tenants/acme/api-keys", &none, token);
    let mint = json!({ "documentId": "d", "user": { "id": "robot", "name": "R" } });
    api.done("POST /api/tenants/acme/token-mint", &mint, &text(&key["key"]));
    let id = text(&key["api_key"]["id"]);
    api.done(&format!("DELETE /api/tenants/acme/api-keys/{id}"), &none, token);
    api.done("POST /api/tenants/acme/token-mint", &json!({ "documentId": "" }), token);
    api.done("POST /api/tenants/acme/revocations", &json!({ "jti": "x" }), token);
    api.admin(&format!("DELETE /api/tenants/acme/members/{ann}"), &none);
    api.admin("DELETE /api/tenants/acme", &none);
}

#[test]
fn bodies_are_read_as_their_schema_says() {
    let api = Api::new();
    for (what, body) in [
        ("POST /api/auth/register", json!({ "email": "a@b", "password": "correct horse" })),
        ("POST /api/auth/login", json!({ "email": "a@b", "password": "correct horse" })),
        ("POST /api/users", json!({ "email": "a@b", "password": "correct horse" })),
        ("POST /api/tenants/fluid/api-keys", json!({ "name": "n", "scopes": ["doc:read"] })),
        ("POST /api/tenants/fluid/invites", json!({ "role": "viewer" })),
    ] {
        for name in body.as_object().unwrap().keys() {
            for wrong in [None, Some(json!(7)), Some(json!({}))] {
                let mut damaged = body.clone();
                match wrong {
                    None => damaged.as_object_mut().unwrap().remove(name),
                    Some(value) => damaged.as_object_mut().unwrap().insert(name.clone(), value),
                };
                let (status, answer) = api.call(what, &damaged, ADMIN_KEY);
                assert_eq!(status, 400, "{what} {damaged}: {answer}");
            }
        }
    }
}
