//! Secrets that are replaced and tokens that are taken back, while clients are connected on every
//! wire and core.

use crate::api::{ADMIN_KEY, Caller, text};
use crate::client::{Client, Gone, Mode};
use crate::rest;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::token::{self, KEY, now_unix_s};
use crate::wire::{BOTH, Wire};
use levee_core::auth::sign;
use serde_json::{Value, json};
use std::time::Instant;

/// Enough that both cores have some.
const DOCUMENTS: [&str; 6] = ["d0", "d1", "d2", "d3", "d4", "d5"];

fn start(dir: &Dir) -> Service {
    Options::new(dir.path()).cores(2).env("LEVEE_ADMIN_KEY", ADMIN_KEY).start()
}

/// The first start: the documents are made.
fn start_new(dir: &Dir) -> Service {
    let service = start(dir);
    DOCUMENTS.iter().for_each(|document| rest::create(service.address, document));
    service
}

fn signed(document: &str, key: &[u8], extra: &Value) -> String {
    let mut claims = token::claims(document);
    for (name, value) in extra.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    sign(&claims.to_string(), key)
}

fn connect(service: &Service, wire: Wire, document: &str, token: &str) -> Client {
    let client = Client::try_connect(service.address, wire, document, Mode::Write, token);
    client.unwrap_or_else(|gone| panic!("{wire:?} {document}: {gone:?}"))
}

/// A client of each wire on each document.
fn audience(service: &Service, token: impl Fn(&str) -> String) -> Vec<Client> {
    let places = DOCUMENTS.iter().flat_map(|document| BOTH.map(|wire| (wire, *document)));
    places.map(|(wire, document)| connect(service, wire, document, &token(document))).collect()
}

fn ends(client: &mut Client) {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.hear(until) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("{:?} {} stays open", client.wire, client.document),
            Err(Gone::Ended { .. } | Gone::Broken(_)) => return,
            Err(gone) => panic!("{gone:?}"),
        }
    }
}

/// Waits until a token opens no door of a document any more.
fn is_refused(service: &Service, document: &str, token: &str) {
    for wire in BOTH {
        let authorization = rest::authorization(wire, token);
        let path = format!("/deltas/fluid/{document}?from=0");
        service.wait_until("a refusal", |service| {
            let reply = rest::get(service.address, &path, &[("authorization", &authorization)]);
            matches!(reply.expect("an answer").status, 401 | 403)
        });
        service.wait_until("a refusal", |service| {
            let client = Client::try_connect(service.address, wire, document, Mode::Read, token);
            matches!(client, Err(Gone::Refused(_)))
        });
    }
}

#[test]
fn a_secret_is_replaced_without_an_outage() {
    let dir = Dir::new("secrets");
    let mut service = start_new(&dir);
    let admin = Caller::admin(service.address);
    let second = text(&admin.get("/api/tenants/fluid").expect(200)["tenant"]["secret2"]);
    let nothing = json!({});
    let with = |key: &str| {
        let key = key.to_owned();
        move |document: &str| signed(document, key.as_bytes(), &json!({}))
    };
    let mut first_clients = audience(&service, |document| signed(document, KEY, &nothing));
    let mut second_clients = audience(&service, with(&second));
    let rotate = |slot: u32| {
        let path = format!("/api/tenants/fluid/secrets/{slot}");
        text(&admin.post(&path, json!({})).expect(200)["secret"])
    };
    // The first is replaced; whoever signs with the second does not notice.
    let new_first = rotate(1);
    is_refused(&service, "d0", &signed("d0", KEY, &nothing));
    for client in first_clients.iter_mut().chain(&mut second_clients) {
        client.edit("an open socket does not care");
    }
    let mut newer = audience(&service, with(&second));
    newer.extend(audience(&service, with(&new_first)));
    // Then the second, in turn.
    let new_second = rotate(2);
    is_refused(&service, "d0", &signed("d0", second.as_bytes(), &nothing));
    newer.extend(audience(&service, with(&new_first)));
    newer.extend(audience(&service, with(&new_second)));
    for client in first_clients.iter_mut().chain(&mut second_clients).chain(&mut newer) {
        client.edit("nobody has been cut off");
    }
    service.assert_alive();
}

#[test]
fn a_token_that_is_taken_back_closes_its_sockets_on_every_core() {
    let dir = Dir::new("secrets");
    let mut service = start_new(&dir);
    let admin = Caller::admin(service.address);
    let path = "/api/tenants/fluid/revocations";
    let mut others = audience(&service, token::of);
    let by_id = json!({"jti": "lost"});
    let by_user = json!({"user": {"id": "eve", "name": "Eve"}, "iat": now_unix_s()});
    for (claim, body) in [(&by_id, json!({"jti": "lost"})), (&by_user, json!({"user": "eve"}))] {
        let mut theirs = audience(&service, |document| signed(document, KEY, claim));
        theirs.iter_mut().for_each(|client| client.edit("while it is good"));
        admin.post(path, body.clone()).expect(200);
        theirs.iter_mut().for_each(ends);
        for document in DOCUMENTS {
            is_refused(&service, document, &signed(document, KEY, claim));
        }
        others.iter_mut().for_each(|client| client.edit("nobody else is touched"));
    }
    // A user may come back with a token that is newer than the revocation.
    let mut newer = by_user.clone();
    newer["iat"] = (now_unix_s() + 2).into();
    for mut client in audience(&service, |document| signed(document, KEY, &newer)) {
        client.edit("again");
    }
    for wrong in [json!({}), json!({"jti": "x", "user": "y"})] {
        admin.post(path, wrong).refuses(422, "missing_fields", "Required: jti or user");
    }
    admin.post(path, json!({"jti": ""})).refuses(422, "invalid_field", "Invalid value for jti");
    // It stays so over a restart.
    service.assert_alive();
    service.kill();
    let service = start(&dir);
    is_refused(&service, "d0", &signed("d0", KEY, &by_id));
    is_refused(&service, "d0", &signed("d0", KEY, &by_user));
    connect(&service, Wire::Fluid, "d0", &token::of("d0")).edit("and the others go on");
}

#[test]
fn a_tenant_that_is_deleted_takes_its_sockets_along() {
    let dir = Dir::new("secrets");
    let mut service = start_new(&dir);
    let admin = Caller::admin(service.address);
    let mut theirs = audience(&service, token::of);
    theirs.iter_mut().for_each(|client| client.edit("before"));
    admin.delete("/api/tenants/fluid").expect(200);
    theirs.iter_mut().for_each(ends);
    for document in DOCUMENTS {
        is_refused(&service, document, &token::of(document));
    }
    service.assert_alive();
    service.kill();
    // The configuration still names it; deleted is deleted.
    let service = start(&dir);
    is_refused(&service, "d0", &token::of("d0"));
}
