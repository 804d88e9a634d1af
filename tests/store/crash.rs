//! Ends that are not in good order, and reopening.

use crate::world::*;
use levee::store::{DataDir, OpenError, Store, StoreConfig};
use levee_core::git::StoredObject;
use levee_core::ids::{DocKey, PartitionId};
use levee_core::record::Record;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Fills some documents, so that there are several segments, versions and objects.
async fn fill(store: &Store, docs: &[DocKey]) {
    for round in 0..40 {
        for doc in docs {
            store.append(partition(doc), vec![ops(doc, 1 + round * 25, 25)]).await.unwrap();
        }
    }
    for doc in docs {
        let object = StoredObject::blob(doc.document().as_bytes().to_vec());
        let large = StoredObject::blob(vec![7; 2 << 20]);
        store.put_objects(doc, vec![object.clone()]).await.unwrap();
        store.put_objects(doc, vec![large]).await.unwrap();
        store.append(partition(doc), vec![Record::Version(doc.clone(), object.id)]).await.unwrap();
    }
}

async fn check(store: &Store, docs: &[DocKey]) {
    for doc in docs {
        assert_eq!(last_of(store, doc).await, 1_000, "{doc}");
        let object = StoredObject::blob(doc.document().as_bytes().to_vec());
        let large = StoredObject::blob(vec![7; 2 << 20]);
        assert_eq!(store.version(doc).await.unwrap(), Some(object.id));
        let found = store.run(doc, move |objects| {
            [objects.object(&object.id), objects.object(&large.id)]
                .map(|found| found.is_ok_and(|object| object.is_some()))
        });
        assert_eq!(found.await.unwrap(), [true, true]);
    }
}

fn some_docs() -> Vec<DocKey> {
    (0..3).map(|n| doc(&format!("crash {n}"))).collect()
}

#[test]
fn everything_acknowledged_outlives_a_crash() {
    for kind in ON_DISK {
        for move_ms in [0, 60_000] {
            let dir = TempDir::new();
            let config = StoreConfig { move_ms, ..kind.config(dir.path()) };
            let docs = some_docs();
            let copy = kind.run(async {
                let store = open(&config).await;
                fill(&store, &docs).await;
                let copy = dir.copy();
                drop(store);
                copy
            });
            for path in [copy.path(), dir.path()] {
                kind.run(async {
                    let config = kind.config(path);
                    let (store, report) = open_with_report(&config).await.unwrap();
                    assert!(report.partitions.iter().all(|found| !found.clean), "{report:?}");
                    check(&store, &docs).await;
                    store.append(partition(&docs[0]), vec![ops(&docs[0], 1_001, 9)]).await.unwrap();
                    assert_eq!(last_of(&store, &docs[0]).await, 1_009);
                    store.close().await.unwrap();
                });
            }
        }
    }
}

#[test]
fn a_close_leaves_nothing_to_replay() {
    for kind in ON_DISK {
        let dir = TempDir::new();
        let (config, docs) = (kind.config(dir.path()), some_docs());
        kind.run(async {
            let store = open(&config).await;
            fill(&store, &docs).await;
            store.close().await.unwrap();
            let (store, report) = open_with_report(&config).await.unwrap();
            for found in &report.partitions {
                let quiet = found.replayed_frames == 0 && found.replayed_bytes == 0;
                assert!(found.clean && quiet && found.damage.is_none(), "{found:?}");
            }
            check(&store, &docs).await;
            store.close().await.unwrap();
        });
    }
}

/// The tree is synced only when that frees a segment. A power cut may take back everything the tree
/// was given since, and then the log must still have it.
#[test]
fn the_log_has_what_the_tree_forgets() {
    let kind = Kind::Power;
    let dir = TempDir::new();
    let config = StoreConfig { move_ms: 0, segment_bytes: 4 << 20, ..kind.config(dir.path()) };
    let doc = doc("forgotten");
    kind.run(async {
        let store = open(&config).await;
        store.append(partition(&doc), vec![ops(&doc, 1, 100)]).await.unwrap();
        moved(&store).await;
        let early = dir.copy();
        store.append(partition(&doc), vec![ops(&doc, 101, 900)]).await.unwrap();
        moved(&store).await;
        let late = dir.copy();
        drop(store);
        for partition in 0..PARTITIONS {
            let log = format!("p{partition:04}/log");
            fs::remove_dir_all(early.path().join(&log)).unwrap();
            fs::rename(late.path().join(&log), early.path().join(&log)).unwrap();
        }
        let store = open(&kind.config(early.path())).await;
        assert_eq!(last_of(&store, &doc).await, 1_000);
        store.close().await.unwrap();
    });
}

const MAGIC: &[u8] = b"LvFr";

/// Where the frames of a segment begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let starts = bytes.windows(MAGIC.len()).enumerate();
    starts.filter(|(_, window)| *window == MAGIC).map(|(at, _)| at).collect()
}

/// A directory after a crash, with ten groups of one document in its log, and the segment.
fn crashed(doc: &DocKey) -> (TempDir, std::path::PathBuf) {
    let dir = TempDir::new();
    let config = StoreConfig { move_ms: 60_000, ..Kind::Power.config(dir.path()) };
    Kind::Power.run(async {
        let store = open(&config).await;
        for first in 1..=10 {
            store.append(partition(doc), vec![ops(doc, first, 1)]).await.unwrap();
        }
        drop(store);
    });
    let has_frames = |path: &std::path::PathBuf| frames(&fs::read(path).unwrap()).len() == 10;
    let segment = dir.segments().into_iter().find(has_frames).unwrap();
    (dir, segment)
}

#[test]
fn a_torn_last_group_is_cut_and_the_log_goes_on() {
    let doc = doc("torn");
    let (dir, segment) = crashed(&doc);
    let bytes = fs::read(&segment).unwrap();
    let last = *frames(&bytes).last().unwrap();
    for cut in [0, 1, 40, 56, 60, 90] {
        let copy = dir.copy();
        let mut torn = bytes.clone();
        torn[last + cut..].fill(0);
        fs::write(copy.path().join(segment.strip_prefix(dir.path()).unwrap()), torn).unwrap();
        Kind::Power.run(async {
            let config = Kind::Power.config(copy.path());
            let (store, report) = open_with_report(&config).await.unwrap();
            assert!(report.partitions.iter().all(|found| found.damage.is_none()), "{report:?}");
            assert_eq!(last_of(&store, &doc).await, 9);
            store.append(partition(&doc), vec![ops(&doc, 10, 5)]).await.unwrap();
            drop(store);
            let store = open(&config).await;
            assert_eq!(last_of(&store, &doc).await, 14);
            store.close().await.unwrap();
        });
    }
}

#[test]
fn damage_is_refused_by_name_until_it_is_accepted() {
    let doc = doc("damaged");
    let (dir, segment) = crashed(&doc);
    let mut bytes = fs::read(&segment).unwrap();
    let fifth = frames(&bytes)[4];
    bytes[fifth + 80] ^= 0x10;
    fs::write(&segment, bytes).unwrap();
    Kind::Power.run(async {
        let config = Kind::Power.config(dir.path());
        for _ in 0..2 {
            let Err(OpenError::Damaged(damage)) = open_with_report(&config).await else {
                panic!("opened in spite of damage");
            };
            assert_eq!(damage.documents, vec![doc.clone()]);
            assert_eq!(damage.partition, partition(&doc));
            assert!(damage.to_string().contains("tenant/damaged"), "{damage}");
        }
        let accepting = StoreConfig { accept_damage: true, ..config.clone() };
        let (store, report) = open_with_report(&accepting).await.unwrap();
        assert!(report.partitions.iter().any(|found| found.damage.is_some()));
        assert_eq!(last_of(&store, &doc).await, 4);
        store.append(partition(&doc), vec![ops(&doc, 5, 5)]).await.unwrap();
        drop(store);
        let store = open(&config).await;
        assert_eq!(last_of(&store, &doc).await, 9);
        store.close().await.unwrap();
    });
}

#[test]
fn the_same_data_opens_on_another_number_of_cores() {
    let dir = TempDir::new();
    let config = Kind::Power.config(dir.path());
    let docs: Vec<DocKey> = (0..10).map(|n| doc(&format!("moving {n}"))).collect();
    Kind::Power.run(async {
        let store = open(&config).await;
        for doc in &docs {
            store.append(partition(doc), vec![ops(doc, 1, 10)]).await.unwrap();
        }
        drop(store);
    });
    // Whoever asks for another number of partitions gets the one that the data has.
    let config = StoreConfig { partitions: 64, ..config };
    let data = loop {
        match DataDir::open(&config) {
            Err(OpenError::Locked(_)) => std::thread::yield_now(),
            opened => break Arc::new(opened.unwrap()),
        }
    };
    assert_eq!(data.partitions(), PARTITIONS);
    std::thread::scope(|scope| {
        for core in 0..PARTITIONS {
            let (data, config, docs) = (&data, &config, &docs);
            scope.spawn(move || {
                Kind::Power.run(async {
                    let owned = PartitionId(core);
                    let (store, _) = Store::open(data, config, [owned]).await.unwrap();
                    for doc in docs.iter().filter(|doc| partition(doc) == owned) {
                        assert_eq!(last_of(&store, doc).await, 10);
                        store.append(owned, vec![ops(doc, 11, 10)]).await.unwrap();
                    }
                    store.close().await.unwrap();
                });
            });
        }
    });
    drop(data);
    Kind::Power.run(async {
        let store = open(&config).await;
        for doc in &docs {
            assert_eq!(last_of(&store, doc).await, 20);
        }
        store.close().await.unwrap();
    });
}

#[test]
fn a_directory_has_one_user_and_a_format() {
    let dir = TempDir::new();
    let config = Kind::Power.config(dir.path());
    let first = DataDir::open(&config).unwrap();
    assert!(matches!(DataDir::open(&config), Err(OpenError::Locked(_))));
    let identity = first.identity();
    drop(first);
    assert_eq!(DataDir::open(&config).unwrap().identity(), identity);
    let manifest = dir.path().join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("format = 1", "format = 99\nnew = true")).unwrap();
    let error = DataDir::open(&config).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    fs::write(&manifest, "nonsense").unwrap();
    assert!(matches!(DataDir::open(&config), Err(OpenError::Manifest(_))));
}

const CHILD_DIR: &str = "LEVEE_TEST_STORE_CHILD_DIR";

/// Not a check by itself: what `kill -9` kills. Says each number that is acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let config = StoreConfig { move_ms: 20, ..Kind::Power.config(Path::new(&dir)) };
    Kind::Power.run(async {
        let store = open(&config).await;
        let doc = doc("killed");
        let mut next = last_of(&store, &doc).await + 1;
        loop {
            store.append(partition(&doc), vec![ops(&doc, next, 3)]).await.unwrap();
            next += 3;
            println!("acknowledged {}", next - 1);
        }
    });
}

#[test]
fn a_killed_process_has_kept_its_word() {
    let dir = TempDir::new();
    let doc = doc("killed");
    for round in 1..=3_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child_appends_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        let numbers = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("acknowledged ").and_then(|number| number.parse::<u64>().ok())
        });
        let mut killed = false;
        for (count, number) in numbers.enumerate() {
            acknowledged = number;
            if count as u32 == 150 * round && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself");
        Kind::Power.run(async {
            let store = open(&Kind::Power.config(dir.path())).await;
            let last = last_of(&store, &doc).await;
            assert!(last >= acknowledged, "{last} of {acknowledged}");
            drop(store);
        });
    }
}
