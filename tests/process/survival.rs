//! `kill -9` among administrative acts: what was answered is there in the next life, and the audit
//! log has no gap.

use crate::api::{ADMIN_KEY, Answer, Caller, PASSWORD, text};
use crate::random::Random;
use crate::service::{Dir, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const LIVES: usize = 6;
/// A life ends only after so many acts were answered.
const ACTS_PER_LIFE: usize = 25;

/// What must be there.
#[derive(Default)]
struct Known {
    /// Id to the secrets, `None` once deleted.
    tenants: BTreeMap<String, Option<[String; 2]>>,
    /// E-mails of accounts.
    users: Vec<String>,
    /// Session tokens, and whether they are still good.
    sessions: BTreeMap<String, bool>,
    keys: Vec<(String, String)>,
    /// Acts that leave a line in the log.
    noted: usize,
}

/// Acts until the service is gone. What an unanswered act was about is forgotten: it may be there.
fn act(address: SocketAddr, mut known: Known, mut random: Random, done: &AtomicUsize) -> Known {
    let admin = Caller::admin(address);
    for number in 0.. {
        let living = known.tenants.iter().filter(|(_, secrets)| secrets.is_some());
        let living: Vec<String> = living.map(|(id, _)| id.clone()).collect();
        let one = random.below(living.len().max(1) as u64) as usize;
        let one = living.get(one).cloned();
        let ended = match (random.below(8), one) {
            (0 | 1, Some(id)) => rotate(&admin, &mut known, &id, 1 + random.below(2)),
            (2, Some(id)) if living.len() > 3 => delete(&admin, &mut known, &id),
            (3, Some(id)) => new_key(&admin, &mut known, &id),
            (4, _) if number % 3 == 0 => register(address, &mut known, random.next()),
            (5, _) => log_out(address, &mut known),
            _ => create(&admin, &mut known, random.next()),
        };
        if ended.is_none() {
            break;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    known
}

/// `None` when the service is gone.
fn ask(caller: &Caller, method: &str, path: &str, body: &Value, status: u16) -> Option<Value> {
    let body = if method == "POST" { body.to_string() } else { String::new() };
    let reply = caller.try_send(method, path, body.as_bytes()).ok()?;
    Some(Answer::from(reply).expect(status))
}

fn create(admin: &Caller, known: &mut Known, number: u64) -> Option<()> {
    let body = json!({"name": format!("number {number}")});
    let made = ask(admin, "POST", "/api/tenants", &body, 201)?;
    let secrets = ["secret1", "secret2"].map(|name| text(&made["tenant"][name]));
    known.tenants.insert(text(&made["tenant"]["id"]), Some(secrets));
    known.noted += 1;
    Some(())
}

fn rotate(admin: &Caller, known: &mut Known, id: &str, slot: u64) -> Option<()> {
    let before = known.tenants.remove(id).flatten();
    let path = format!("/api/tenants/{id}/secrets/{slot}");
    let rotated = ask(admin, "POST", &path, &json!({}), 200)?;
    let mut secrets = before.expect("a living tenant");
    secrets[slot as usize - 1] = text(&rotated["secret"]);
    known.tenants.insert(id.into(), Some(secrets));
    known.noted += 1;
    Some(())
}

fn delete(admin: &Caller, known: &mut Known, id: &str) -> Option<()> {
    known.tenants.remove(id);
    known.keys.retain(|(tenant, _)| tenant != id);
    ask(admin, "DELETE", &format!("/api/tenants/{id}"), &json!({}), 200)?;
    known.tenants.insert(id.into(), None);
    known.noted += 1;
    Some(())
}

fn new_key(admin: &Caller, known: &mut Known, id: &str) -> Option<()> {
    let body = json!({"name": "ci", "scopes": ["doc:read"]});
    let made = ask(admin, "POST", &format!("/api/tenants/{id}/api-keys"), &body, 201)?;
    known.keys.push((id.into(), text(&made["key"])));
    known.noted += 1;
    Some(())
}

fn register(address: SocketAddr, known: &mut Known, number: u64) -> Option<()> {
    let email = format!("u{number}@example.org");
    let body = json!({"email": email, "password": PASSWORD});
    let made = ask(&Caller::nobody(address), "POST", "/api/auth/register", &body, 201)?;
    known.sessions.insert(text(&made["token"]), true);
    known.users.push(email);
    known.noted += 2;
    Some(())
}

fn log_out(address: SocketAddr, known: &mut Known) -> Option<()> {
    let open = known.sessions.iter().find(|(_, is_good)| **is_good);
    let Some(token) = open.map(|(token, _)| token.clone()) else { return Some(()) };
    known.sessions.remove(&token);
    let caller = Caller::bearer(address, &token);
    ask(&caller, "POST", "/api/auth/logout", &json!({}), 200)?;
    known.sessions.insert(token, false);
    Some(())
}

fn check(address: SocketAddr, known: &Known) {
    let admin = Caller::admin(address);
    for (id, secrets) in &known.tenants {
        let answer = admin.get(&format!("/api/tenants/{id}"));
        match secrets {
            None => answer.refuses(404, "not_found", "Tenant not found"),
            Some(secrets) => {
                let shown = answer.expect(200)["tenant"].clone();
                let found = ["secret1", "secret2"].map(|name| text(&shown[name]));
                assert_eq!(found, *secrets, "{id}");
            }
        }
    }
    for email in &known.users {
        let found = admin.get(&format!("/api/users?search={email}")).expect(200);
        assert_eq!(found["total"], 1, "{email}");
    }
    for (token, is_good) in &known.sessions {
        let status = Caller::bearer(address, token).get("/api/auth/me").status;
        assert_eq!(status, if *is_good { 200 } else { 401 }, "a session");
    }
    for (tenant, key) in &known.keys {
        let asks = json!({"documentId": "d", "user": {"id": "r", "name": "R"}});
        let path = format!("/api/tenants/{tenant}/token-mint");
        Caller::bearer(address, key).post(&path, asks).expect(200);
    }
}

/// The whole log, oldest first.
fn audit(address: SocketAddr) -> Vec<Value> {
    let admin = Caller::admin(address);
    let mut log: Vec<Value> = Vec::new();
    loop {
        let before = log.last().map(|entry| format!("&before={}", entry["seq"]));
        let path = format!("/api/audit?limit=100{}", before.unwrap_or_default());
        let page = admin.get(&path).expect(200)["entries"].clone();
        let page = page.as_array().expect("a page").clone();
        if page.is_empty() {
            log.reverse();
            return log;
        }
        log.extend(page);
    }
}

#[test]
fn what_administrators_were_told_outlives_kills() {
    let dir = Dir::new("survival");
    let options = Options::new(dir.path()).cores(2).env("LEVEE_ADMIN_KEY", ADMIN_KEY);
    let mut random = Random::new(11);
    let mut known = Known::default();
    let mut log = Vec::new();
    let mut service = options.start();
    for _ in 0..LIVES {
        let (address, acts) = (service.address, Random::new(random.next()));
        let done = Arc::new(AtomicUsize::new(0));
        let counted = done.clone();
        let acting = thread::spawn(move || act(address, known, acts, &counted));
        let enough = ACTS_PER_LIFE + random.below(20) as usize;
        service.wait_until("enough acts", |_| {
            done.load(Ordering::Relaxed) >= enough || acting.is_finished()
        });
        thread::sleep(Duration::from_micros(random.below(20_000)));
        service.kill();
        known = acting.join().expect("acts that went well until the kill");
        service = options.start();
        check(service.address, &known);
        let now = audit(service.address);
        let seqs = now.iter().filter_map(|entry| entry["seq"].as_u64());
        assert!(seqs.eq(1..=now.len() as u64), "the log has a gap");
        assert_eq!(now[..log.len()], log[..], "the log has changed");
        assert!(now.len() >= known.noted, "{} lines for {} acts", now.len(), known.noted);
        log = now;
    }
    assert!(known.tenants.len() > LIVES && known.users.len() > 1, "there were acts");
    assert!(known.tenants.values().any(Option::is_none), "a tenant was deleted");
}
