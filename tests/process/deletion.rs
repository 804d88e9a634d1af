//! Documents are deleted, with clients in them and in the middle of a `kill -9`.

use crate::client::{Client, Gone};
use crate::random::Random;
use crate::rest::{self, Reply};
use crate::service::{Dir, Options};
use crate::token;
use crate::wire::{BOTH, Wire};
use serde_json::Value;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

const ADMIN_KEY: &str = "the key of administrators";
/// Deletions that a kill may hit.
const KILLS: u64 = 12;
/// Objects of a document that is deleted: more than go at once.
const BLOBS: usize = 40;

fn options(dir: &Dir) -> Options {
    let options = Options::new(dir.path()).cores(2).flag("partitions", "4").flag("log", "warn");
    options.env("LEVEE_ADMIN_KEY", ADMIN_KEY)
}

fn admin(address: SocketAddr, method: &str, path: &str) -> std::io::Result<Reply> {
    let authorization = format!("Bearer {ADMIN_KEY}");
    rest::request(address, method, path, &[("authorization", authorization.as_str())], b"")
}

fn ask(address: SocketAddr, path: &str) -> Value {
    let reply = admin(address, "GET", path).expect("an answer");
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn status(address: SocketAddr, document: &str) -> u16 {
    let authorization = rest::authorization(Wire::Levee, &token::of(document));
    let path = format!("/documents/fluid/{document}");
    let reply = rest::get(address, &path, &[("authorization", &authorization)]);
    reply.expect("an answer").status
}

#[test]
fn clients_are_told_goodbye_and_the_name_can_be_used_anew() {
    let dir = Dir::new("deletion");
    let service = options(&dir).start();
    let address = service.address;
    // On every core some.
    let names: Vec<String> = (0..6).map(|number| format!("doomed-{number}")).collect();
    for name in &names {
        rest::create(address, name);
        let old = rest::store_blob(address, name, "old").expect("an id");
        let mut clients = BOTH.map(|wire| Client::connect(address, wire, name));
        for client in &mut clients {
            client.edit("old");
        }
        let path = format!("/api/tenants/fluid/documents/{name}");
        let shown = ask(address, &path);
        assert_eq!(shown["session"]["client_count"], 2, "{shown}");
        assert_eq!(shown["session"]["members"][0]["client_sequence_number"], 1, "{shown}");
        let deltas = ask(address, &format!("{path}/deltas"));
        assert_eq!(deltas["deltas"].as_array().expect("a list").len(), 4, "{deltas}");
        let deleted = admin(address, "DELETE", &path).expect("an answer");
        assert_eq!(deleted.status, 200, "{}", deleted.text());
        for (client, wire) in clients.iter_mut().zip(BOTH) {
            let gone = client.wait_until(|_| false);
            let is_told = |goodbye: bool| goodbye || wire == Wire::Levee;
            let is_so = matches!(gone, Err(Gone::Ended { goodbye, .. }) if is_told(goodbye));
            assert!(is_so, "{wire:?}: {gone:?}");
        }
        assert_eq!(status(address, name), 404);
        assert_eq!(admin(address, "GET", &path).expect("an answer").status, 404);
        rest::create(address, name);
        for wire in BOTH {
            assert_eq!(rest::deltas(address, wire, name, 0), []);
        }
        let headers = [("authorization", &*rest::storage_authorization(name))];
        let blob = rest::get(address, &format!("/repos/fluid/git/blobs/{old}"), &headers);
        assert_eq!(blob.expect("an answer").status, 404, "an object of the document before");
        Client::connect(address, Wire::Fluid, name).edit("new");
    }
    let listed = ask(address, "/api/tenants/fluid/documents?search=DOOMED&limit=4");
    let next = listed["next"].as_str().expect("a next page");
    let rest = ask(address, &format!("/api/tenants/fluid/documents?search=DOOMED&from={next}"));
    let rows = |page: &Value| page["documents"].as_array().expect("a list").clone();
    let all = [rows(&listed), rows(&rest)].concat();
    let found: Vec<&str> = all.iter().map(|row| row["id"].as_str().expect("an id")).collect();
    assert_eq!(found, names);
    let audit = ask(address, "/api/audit").to_string();
    assert!(names.iter().all(|name| audit.contains(&format!("document/{name}"))), "{audit}");
    assert_eq!(ask(address, "/api/metrics")["cores"].as_array().expect("a list").len(), 2);
}

#[test]
fn a_killed_deletion_leaves_a_document_whole_or_gone() {
    let dir = Dir::new("deletion-kill");
    let mut random = Random::new(5);
    let mut service = options(&dir).start();
    let mut gone = 0;
    for round in 0..KILLS {
        let name = format!("document-{round}");
        rest::create(service.address, &name);
        let mut client = Client::connect(service.address, Wire::Fluid, &name);
        client.edit("old");
        let blobs: Vec<(String, String)> = (0..BLOBS)
            .map(|number| {
                let content = format!("old {number} {}", "x".repeat(2_000));
                let id = rest::store_blob(service.address, &name, &content).expect("an id");
                (id, content)
            })
            .collect();
        let (address, path) = (service.address, format!("/api/tenants/fluid/documents/{name}"));
        let deleting = thread::spawn(move || admin(address, "DELETE", &path));
        thread::sleep(Duration::from_micros(random.below(40_000)));
        service.kill();
        let was_told = deleting.join().expect("no panic").is_ok_and(|reply| reply.status == 200);
        service = options(&dir).start();
        let is_gone = status(service.address, &name) == 404;
        assert!(is_gone || !was_told, "{name} was said to be gone");
        gone += u64::from(is_gone);
        if is_gone {
            assert_eq!(rest::deltas(service.address, Wire::Levee, &name, 0), []);
            rest::create(service.address, &name);
            assert_eq!(rest::deltas(service.address, Wire::Levee, &name, 0), []);
            let headers = [("authorization", &*rest::storage_authorization(&name))];
            for (id, _) in &blobs {
                let path = format!("/repos/fluid/git/blobs/{id}");
                let blob = rest::get(service.address, &path, &headers).expect("an answer");
                assert_eq!(blob.status, 404, "{name}: an old blob is back");
            }
        } else {
            assert!(rest::deltas(service.address, Wire::Levee, &name, 0).len() >= 2);
            for (id, content) in &blobs {
                assert_eq!(rest::blob(service.address, &name, id), *content);
            }
        }
    }
    assert!(gone > 0, "no deletion came to its end");
}
