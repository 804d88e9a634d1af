//! Tenants, who belongs to them, and the tokens that members and services are given.

use crate::api::{ADMIN_KEY, Caller, PASSWORD, text};
use crate::client::{Client, Mode};
use crate::rest;
use crate::service::{Dir, Options, Service};
use crate::token::now_unix_s;
use crate::wire::BOTH;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn start(dir: &Dir) -> Service {
    Options::new(dir.path()).env("LEVEE_ADMIN_KEY", ADMIN_KEY).start()
}

const NOT_A_TENANT: (u16, &str, &str) = (404, "not_found", "Tenant not found");

#[test]
fn tenants_are_administered_at_both_mounts_in_the_originals_words() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let (user, _) = Caller::register(service.address, "ann@example.org");
    for wrong in ["", "x", "ses_x", &ADMIN_KEY[1..]] {
        let caller = Caller::bearer(service.address, wrong);
        let refused = caller.get("/api/admin/tenants");
        refused.refuses(401, "unauthorized", "Invalid admin key");
        let refused = caller.post("/api/tenants", json!({"name": "x"}));
        refused.refuses(401, "unauthorized", "Invalid or expired session");
    }
    let nobody = Caller::nobody(service.address);
    nobody.get("/api/admin/tenants").refuses(401, "unauthorized", "Invalid admin key");
    let refused = user.post("/api/tenants", json!({"name": "x"}));
    refused.refuses(403, "forbidden", "Admin access required");

    for mount in ["/api/admin/tenants", "/api/tenants"] {
        for body in [json!({}), json!({"name": " "}), json!({"name": "", "x": 1})] {
            admin.post(mount, body).refuses(422, "missing_fields", "Required: name");
        }
        let empty: crate::api::Answer = admin.send("POST", mount, b"").into();
        empty.refuses(422, "missing_fields", "Required: name");
        let made = admin.post(mount, json!({"name": "Acme"})).expect(201)["tenant"].clone();
        let id = text(&made["id"]);
        for secret in ["secret1", "secret2"] {
            let secret = text(&made[secret]);
            assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        let path = format!("{mount}/{id}");
        let shown = admin.get(&path).expect(200)["tenant"].clone();
        for field in ["id", "name", "secret1", "secret2"] {
            assert_eq!(shown[field], made[field], "{field}");
        }
        let list = admin.get(mount).expect(200);
        let listed = list["tenants"].as_array().expect("a list");
        assert!(listed.iter().any(|tenant| tenant["id"] == made["id"] && tenant["name"] == "Acme"));
        assert!(listed.iter().all(|tenant| tenant.get("secret1").is_none()));
        let slot = |slot: &str| admin.post(&format!("{path}/secrets/{slot}"), json!({}));
        for bad in ["0", "3", "x", "1x"] {
            slot(bad).refuses(400, "invalid_slot", "Slot must be 1 or 2");
        }
        let rotated = text(&slot("2").expect(200)["secret"]);
        let shown = admin.get(&path).expect(200)["tenant"].clone();
        assert_eq!((&shown["secret1"], text(&shown["secret2"])), (&made["secret1"], rotated));
        admin.patch(&path, json!({"name": "Acme, Inc."})).expect(200);
        let limits = json!({"limits": {"connections": 5}});
        assert_eq!(admin.patch(&path, limits).expect(200)["tenant"]["limits"]["connections"], 5);
        user.get(&path).refuses(403, "forbidden", "Not a member of this tenant");
        let deleted = admin.delete(&path).expect(200);
        assert_eq!(deleted, json!({"message": "Tenant unregistered"}));
        let (status, code, message) = NOT_A_TENANT;
        admin.delete(&path).refuses(status, code, message);
        admin.get(&path).refuses(status, code, message);
        slot("1").refuses(status, code, message);
    }
    let taken = json!({"id": "fluid", "name": "x"});
    admin.post("/api/tenants", taken).refuses(409, "already_exists", "Tenant exists already");
}

#[test]
fn roles_bound_what_members_do() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let (ann, _) = Caller::register(service.address, "ann@example.org");
    let (bob, bob_id) = Caller::register(service.address, "bob@example.org");
    let member = |email: &str| format!("/api/tenants/fluid/members/{email}");
    // With --dev everybody is a member to begin with.
    let low = (403, "forbidden", "Your role in this tenant does not allow this");
    let role = |role: &str| json!({"role": role});
    bob.put(&member("ann@example.org"), role("viewer")).refuses(low.0, low.1, low.2);
    bob.post("/api/tenants/fluid/secrets/1", json!({})).refuses(low.0, low.1, low.2);
    bob.get("/api/tenants/fluid/invites").refuses(low.0, low.1, low.2);
    bob.post("/api/tenants/fluid/revocations", json!({"jti": "x"})).refuses(low.0, low.1, low.2);
    assert_eq!(bob.get("/api/tenants/fluid").expect(200)["tenant"]["secret1"], "");
    admin.put(&member("ann@example.org"), role("owner")).expect(200);
    assert_ne!(ann.get("/api/tenants/fluid").expect(200)["tenant"]["secret1"], "");
    ann.put(&member("BOB@example.org"), role("admin")).expect(200);
    bob.put(&member("ann@example.org"), role("viewer")).refuses(low.0, low.1, low.2);
    bob.put(&member("bob@example.org"), role("owner")).refuses(low.0, low.1, low.2);
    let last = "A tenant keeps at least one owner";
    ann.put(&member("ann@example.org"), role("member")).refuses(409, "last_owner", last);
    let wrong = json!({"errors": {"detail": "Bad Request"}});
    assert_eq!(ann.put(&member("bob@example.org"), role("king")).expect(400), wrong);
    let members = bob.get("/api/tenants/fluid/members").expect(200);
    let roles: Vec<_> = members["members"].as_array().expect("a list").iter().collect();
    assert_eq!((&roles[0]["role"], &roles[1]["role"]), (&json!("owner"), &json!("admin")));
    let bobs = member(&text(&bob_id["id"]));
    ann.delete(&bobs).expect(200);
    ann.delete(&bobs).refuses(404, "not_found", "Member not found");
    bob.get("/api/tenants/fluid").refuses(403, "forbidden", "Not a member of this tenant");
}

#[test]
fn invites_are_made_accepted_and_revoked() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let tenant = json!({"name": "Acme", "id": "acme"});
    admin.post("/api/tenants", tenant).expect(201);
    let (ann, ann_id) = Caller::register(service.address, "ann@example.org");
    let (bob, _) = Caller::register(service.address, "bob@example.org");
    let leave = format!("/api/tenants/acme/members/{}", text(&ann_id["id"]));
    ann.delete(&leave).expect(200);
    let invite = |role: &str, email: Value| {
        let body = json!({"role": role, "email": email});
        admin.post("/api/tenants/acme/invites", body).expect(201)
    };
    let accept = |caller: &Caller, token: &Value| {
        caller.post("/api/invites/accept", json!({"token": token}))
    };
    let made = invite("admin", json!("Ann@example.org"));
    assert_eq!(
        (&made["invite"]["state"], &made["invite"]["role"]),
        (&json!("open"), &json!("admin"))
    );
    let theirs = accept(&bob, &made["token"]);
    theirs.refuses(403, "invite_for_other", "The invite is for another email");
    let joined = accept(&ann, &made["token"]).expect(200);
    assert_eq!(joined["membership"]["role"], "admin");
    let spent = (410, "invite_spent", "The invite has expired, was used or was revoked");
    accept(&ann, &made["token"]).refuses(spent.0, spent.1, spent.2);
    let made = invite("viewer", Value::Null);
    let path = format!("/api/tenants/acme/invites/{}", text(&made["invite"]["id"]));
    ann.delete(&path).expect(200);
    ann.delete(&path).refuses(404, "not_found", "Invite not found");
    accept(&bob, &made["token"]).refuses(spent.0, spent.1, spent.2);
    let list = ann.get("/api/tenants/acme/invites").expect(200);
    let states: Vec<_> = list["invites"].as_array().expect("a list").iter().collect();
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|i| i["state"] != "open" && i.get("token").is_none()));
}

fn claims(jwt: &Value) -> Value {
    let jwt = text(jwt);
    let payload = jwt.split('.').nth(1).expect("three parts");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

#[test]
fn members_mint_tokens_that_open_every_door() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let (ann, user) = Caller::register(service.address, "ann@example.org");
    rest::create(service.address, "d");
    let path = "/api/tenants/fluid/token-mint";
    let missing = json!({"error": "Missing required field: documentId"});
    for body in [json!({}), json!({"documentId": 7}), json!([])] {
        assert_eq!(ann.post(path, body).expect(400), missing);
    }
    let not_a_member = json!({"error": "Not a member of this tenant"});
    for tenant in ["nobody", "local"] {
        let path = format!("/api/tenants/{tenant}/token-mint");
        assert_eq!(ann.post(&path, json!({"documentId": "d"})).expect(403), not_a_member);
    }
    let nobody = Caller::nobody(service.address).post(path, json!({"documentId": "d"}));
    nobody.refuses(401, "unauthorized", "Invalid or expired session");
    // What the original's clients send along is theirs.
    let extra = json!({"documentId": "d", "tenantId": "x", "scope": 1, "user": {"x": []}});
    let minted = ann.post(path, extra).expect(200);
    let shown = json!({"id": user["id"], "name": user["display_name"]});
    assert_eq!((&minted["expiresIn"], &minted["user"]), (&json!(3600), &shown));
    let claimed = claims(&minted["jwt"]);
    let (issued, expires) = (claimed["iat"].as_u64(), claimed["exp"].as_u64());
    assert_eq!(expires, issued.map(|s| s + 3600));
    assert_eq!((&claimed["documentId"], &claimed["tenantId"]), (&json!("d"), &json!("fluid")));
    assert_eq!((&claimed["user"]["id"], &claimed["ver"]), (&user["id"], &json!("1.0")));
    let jwt = text(&minted["jwt"]);
    for wire in BOTH {
        let client = Client::try_connect(service.address, wire, "d", Mode::Write, &jwt);
        client.unwrap_or_else(|gone| panic!("{wire:?}: {gone:?}")).edit("by a member");
        let authorization = rest::authorization(wire, &jwt);
        let headers = [("authorization", authorization.as_str())];
        let reply = rest::get(service.address, "/deltas/fluid/d?from=0", &headers);
        assert_eq!(reply.expect("an answer").status, 200, "{wire:?}");
    }
    // As for a document that is about to be created.
    let empty = ann.post(path, json!({"documentId": ""})).expect(200);
    assert_eq!(claims(&empty["jwt"])["documentId"], "");
    let all = ["doc:read", "doc:write", "summary:read", "summary:write"];
    for (role, scopes) in [
        ("member", json!(["doc:read", "doc:write", "summary:write"])),
        ("admin", json!(all)),
        ("owner", json!(all)),
    ] {
        let member = "/api/tenants/fluid/members/ann@example.org";
        admin.put(member, json!({"role": role})).expect(200);
        let minted = ann.post(path, json!({"documentId": "d"})).expect(200);
        assert_eq!(claims(&minted["jwt"])["scopes"], scopes, "{role}");
    }
    let (_, _) = Caller::register(service.address, "bob@example.org");
    let (eve, _) = Caller::register(service.address, "eve@example.org");
    let viewer = "/api/tenants/fluid/members/eve@example.org";
    admin.put(viewer, json!({"role": "viewer"})).expect(200);
    let minted = eve.post(path, json!({"documentId": "d"})).expect(200);
    assert_eq!(claims(&minted["jwt"])["scopes"], json!(["doc:read"]));
    admin.delete("/api/tenants/fluid").expect(200);
    assert_eq!(ann.post(path, json!({"documentId": "d"})).expect(403), not_a_member);
}

#[test]
fn services_mint_with_keys_that_bound_them() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    rest::create(service.address, "d");
    let path = "/api/tenants/fluid/api-keys";
    let new = |scopes: Value, expires_ms: Value| {
        admin.post(path, json!({"name": "ci", "scopes": scopes, "expires_ms": expires_ms}))
    };
    new(json!(["doc:all"]), Value::Null).refuses(422, "invalid_field", "Invalid value for scopes");
    new(json!([]), Value::Null).refuses(422, "missing_fields", "Required: scopes");
    let made = new(json!(["doc:read"]), Value::Null).expect(201);
    let over = new(json!(["doc:read"]), json!(now_unix_s() * 1000 - 1)).expect(201);
    let mint = |key: &Value, tenant: &str, body: Value| {
        let path = format!("/api/tenants/{tenant}/token-mint");
        Caller::bearer(service.address, &text(key)).post(&path, body)
    };
    let asks = json!({"documentId": "d", "user": {"id": "robot", "name": "Robot"}});
    let key = &made["key"];
    let minted = mint(key, "fluid", asks.clone()).expect(200);
    let claimed = claims(&minted["jwt"]);
    assert_eq!(
        (&claimed["scopes"], &claimed["user"]["id"]),
        (&json!(["doc:read"]), &json!("robot"))
    );
    let jwt = text(&minted["jwt"]);
    for wire in BOTH {
        let client = Client::try_connect(service.address, wire, "d", Mode::Read, &jwt);
        client.unwrap_or_else(|gone| panic!("{wire:?}: {gone:?}")).cut();
    }
    let mut more = asks.clone();
    more["scopes"] = json!(["doc:read", "doc:write"]);
    let refused = mint(key, "fluid", more);
    refused.refuses(403, "forbidden", "Your role in this tenant does not allow this");
    let other = mint(key, "tinylicious", asks.clone()).expect(403);
    assert_eq!(other, json!({"error": "Not a member of this tenant"}));
    let no_session = (401, "unauthorized", "Invalid or expired session");
    mint(&over["key"], "fluid", asks.clone()).refuses(no_session.0, no_session.1, no_session.2);
    // It opens nothing else.
    let service_caller = Caller::bearer(service.address, &text(key));
    service_caller.get("/api/tenants").refuses(no_session.0, no_session.1, no_session.2);
    let list = admin.get(path).expect(200);
    assert!(!list.to_string().contains(&text(key)), "a key is shown once");
    admin.delete(&format!("{path}/{}", text(&made["api_key"]["id"]))).expect(200);
    mint(key, "fluid", asks).refuses(no_session.0, no_session.1, no_session.2);
}

#[test]
fn the_admin_key_is_no_user() {
    let dir = Dir::new("tenants");
    let service = start(&dir);
    let admin = Caller::admin(service.address);
    let says = "This needs the session of a user";
    admin.get("/api/auth/me").refuses(403, "forbidden", says);
    let mint = json!({"documentId": "d"});
    admin.post("/api/tenants/fluid/token-mint", mint).refuses(403, "forbidden", says);
    let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    admin.post("/api/auth/password", body).refuses(403, "forbidden", says);
}
