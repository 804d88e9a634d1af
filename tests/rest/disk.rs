//! On a real store: a disk that fails, requests at the same time, large bodies.

use crate::world::{ALL, Answer, Call, PARTITIONS, World, create, token};
use levee::store::{DataDir, Disk, Durability, Fault, Faults, Store, StoreConfig};
use levee_core::ids::PartitionId;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A directory that is removed with this.
struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let name = format!("rest-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn on_disk<F: Future<Output = ()>>(name: &str, test: impl FnOnce(World, Arc<Faults>) -> F) {
    let dir = TempDir::new(name);
    let faults = Arc::new(Faults::default());
    let config = StoreConfig {
        dir: dir.0.clone(),
        durability: Durability::Process,
        partitions: PARTITIONS,
        ring: false,
        segment_bytes: 1 << 20,
        disk: Disk::Faulty(faults.clone()),
        ..StoreConfig::default()
    };
    let builder = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer();
    builder.build().unwrap().block_on(async {
        let data = Arc::new(DataDir::open(&config).unwrap());
        let owned = (0..PARTITIONS).map(PartitionId);
        let (store, _) = Store::open(&data, &config, owned).await.unwrap();
        test(World::on(store, None), faults).await;
    });
}

fn storage(call: Call, document: &str) -> Call {
    call.storage("fluid", &token("fluid", document, ALL)).restless()
}

fn blob(text: &str) -> Call {
    let body = json!({ "content": text, "encoding": "utf-8" });
    Call::post("/repos/fluid/git/blobs", &body)
}

#[test]
fn a_full_disk_refuses_writes_and_serves_reads() {
    on_disk("full", async |world, faults| {
        assert_eq!(world.ask(&create("fluid", "d")).await.status, 201);
        faults.set(Fault::Full, 0);
        let answer = world.ask(&storage(blob("x"), "d")).await;
        let expected = json!({
            "code": 503, "message": "the disk is full", "canRetry": true, "isFatal": false,
            "retryAfter": 1000,
        });
        assert_eq!((answer.status, answer.json()), (503, expected));
        let answer = world.ask(&blob("x").bearer(&token("fluid", "d", ALL))).await;
        let expected = json!({ "error": "the disk is full", "canRetry": true, "retryAfter": 1000 });
        assert_eq!((answer.status, answer.json()), (503, expected));
        assert_eq!(world.ask(&create("fluid", "e")).await.status, 503);
        let latest = Call::get("/repos/fluid/git/summaries/latest");
        assert_eq!(world.ask(&storage(latest, "d")).await.status, 200);
        faults.clear();
        while world.ask(&storage(blob("x"), "d")).await.status != 201 {
            monoio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn of_two_creates_of_one_id_one_wins() {
    on_disk("twice", async |world, _| {
        let call = create("fluid", "d");
        let answers: (Answer, Answer) = monoio::join!(world.ask(&call), world.ask(&call));
        let mut statuses = [answers.0.status, answers.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 400]);
        assert_eq!(world.ask(&call).await.status, 400);
    });
}

#[test]
fn a_large_document_comes_back_whole() {
    on_disk("large", async |world, _| {
        let large = "large \u{fc} ".repeat(300_000);
        let body = json!({
            "id": "d",
            "summary": { "type": 1, "tree": { "large": { "type": 2, "content": large } } },
        });
        let call = Call::post("/documents/fluid", &body).basic(&token("fluid", "d", ALL));
        assert_eq!(world.ask(&call.restless()).await.status, 201);
        let latest = Call::get("/repos/fluid/git/summaries/latest");
        let answer = world.ask(&storage(latest, "d")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let whole = answer.json();
        let blobs = whole["blobs"].as_array().unwrap();
        assert!(blobs.iter().any(|blob| blob["content"] == large));
        let again = world.ask(&create("fluid", "d")).await;
        assert_eq!(again.status, 400);
    });
}
