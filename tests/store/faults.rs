//! Disks that fail or are full.

use crate::world::*;
use bytes::Bytes;
use levee::store::{Fault, Store, StoreConfig};
use levee_core::git::StoredObject;
use levee_core::ids::{DocKey, Seq};
use levee_core::record::{OpRun, Record, StoreFault};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn one(doc: &DocKey, seq: u64, text: &'static str) -> Vec<Record> {
    let ends = Arc::from([text.len() as u32]);
    let run = OpRun { first: Seq(seq), ends, bytes: Bytes::from_static(text.as_bytes()) };
    vec![Record::Ops(doc.clone(), run)]
}

async fn texts(store: &Store, doc: &DocKey) -> Vec<String> {
    let runs = read_all(store, doc).await;
    let ops = runs.iter().flat_map(|run| run.ops());
    ops.map(|(_, op)| String::from_utf8(op.to_vec()).unwrap()).collect()
}

/// The segment file that holds this text.
fn segment_with(dir: &TempDir, text: &str) -> Option<PathBuf> {
    dir.segments().into_iter().find(|path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Appends until it is accepted: a partition mends itself.
async fn append_when_mended(store: &Store, doc: &DocKey, seq: u64, text: &'static str) {
    while store.append(partition(doc), one(doc, seq, text)).await.is_err() {
        monoio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The disk is full when a deletion is half done: the document is gone at once, also for the next
/// life of the store, and what was left of it never turns up in one of the same name.
#[test]
fn a_deletion_that_was_interrupted_goes_on() {
    for kind in [Kind::Power, Kind::Thread] {
        for is_mended_in_this_life in [true, false] {
            let dir = TempDir::new();
            let (config, faults) = faulty(kind, dir.path());
            let doc = doc("doomed");
            let object = StoredObject::blob("a body");
            let id = object.id;
            let is_gone = async |store: &Store| {
                assert_eq!(store.load(&doc).await, Ok(None));
                assert!(read_all(store, &doc).await.is_empty());
                let found = store.run(&doc, move |objects| objects.object(&id)).await;
                assert_eq!(found, Ok(Ok(None)));
            };
            kind.run(async {
                let store = open(&config).await;
                store.append(partition(&doc), vec![ops(&doc, 1, 3_000)]).await.unwrap();
                store.put_objects(&doc, vec![object.clone()]).await.unwrap();
                // The log is still moved into the tree; then the deletion finds no room to end.
                faults.set(Fault::Tree, 1);
                assert_eq!(store.delete(&doc).await, Err(StoreFault::DiskFull));
                is_gone(&store).await;
                if is_mended_in_this_life {
                    faults.clear();
                    append_when_mended(&store, &doc, 1, "new").await;
                    assert_eq!(texts(&store, &doc).await, ["new"]);
                    store.close().await.unwrap();
                }
            });
            kind.run(async {
                // A start without room shows nothing of it; with room, nothing is left.
                if !is_mended_in_this_life {
                    let store = open(&config).await;
                    is_gone(&store).await;
                    drop(store);
                    faults.clear();
                }
                let store = open(&config).await;
                if !is_mended_in_this_life {
                    is_gone(&store).await;
                    store.append(partition(&doc), one(&doc, 1, "new")).await.unwrap();
                }
                assert_eq!(texts(&store, &doc).await, ["new"]);
                let found = store.run(&doc, move |objects| objects.object(&id)).await;
                assert_eq!(found, Ok(Ok(None)));
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn a_partition_refuses_reads_on_and_mends_itself() {
    let faults_and_answers = [
        (Fault::Sync, StoreFault::DiskFailed),
        (Fault::Write, StoreFault::DiskFailed),
        (Fault::ShortWrite(0), StoreFault::DiskFailed),
        (Fault::ShortWrite(70), StoreFault::DiskFailed),
        (Fault::Full, StoreFault::DiskFull),
    ];
    for kind in [Kind::Power, Kind::Thread] {
        for (fault, answer) in faults_and_answers {
            let dir = TempDir::new();
            let (config, faults) = faulty(kind, dir.path());
            let config = StoreConfig { move_ms: 60_000, ..config };
            kind.run(async {
                let store = open(&config).await;
                let doc = doc("faulty");
                let stranger = neighbours(1).remove(0);
                store.append(partition(&doc), one(&doc, 1, "kept")).await.unwrap();
                faults.set(fault, 0);
                let lost = store.append(partition(&doc), one(&doc, 2, "lost")).await;
                assert_eq!(lost, Err(answer), "{fault:?}");
                assert_eq!(texts(&store, &doc).await, ["kept"], "reads go on");
                if fault == Fault::Full {
                    let again = store.append(partition(&doc), one(&doc, 2, "lost")).await;
                    assert_eq!(again, Err(answer));
                    assert!(store.stats().iter().any(|partition| partition.fault == Some(answer)));
                }
                faults.clear();
                append_when_mended(&store, &doc, 2, "written in its place").await;
                append_when_mended(&store, &stranger, 1, "a stranger").await;
                let place = |text| segment_with(&dir, text);
                assert_ne!(place("kept"), place("written in its place"), "a segment used again");
                let copy = dir.copy();
                drop(store);
                let store = open(&kind.config(copy.path())).await;
                let found = texts(&store, &doc).await;
                assert_eq!(found, ["kept", "written in its place"], "{fault:?}");
                assert_eq!(texts(&store, &stranger).await, ["a stranger"]);
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn groups_behind_a_failed_one_fail_with_it() {
    let dir = TempDir::new();
    let (config, faults) = faulty(Kind::Power, dir.path());
    Kind::Power.run(async {
        let store = open(&config).await;
        let doc = doc("behind");
        faults.set(Fault::Sync, 0);
        let first = store.append(partition(&doc), one(&doc, 1, "a"));
        let second = store.append(partition(&doc), one(&doc, 2, "b"));
        assert_eq!(first.await, Err(StoreFault::DiskFailed));
        assert_eq!(second.await, Err(StoreFault::DiskFailed));
        assert!(texts(&store, &doc).await.is_empty());
        faults.clear();
        append_when_mended(&store, &doc, 1, "c").await;
        assert_eq!(texts(&store, &doc).await, ["c"]);
        store.close().await.unwrap();
        let store = open(&config).await;
        assert_eq!(texts(&store, &doc).await, ["c"]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_failed_sync_in_the_background_is_told_with_the_next_append() {
    let dir = TempDir::new();
    let (config, faults) = faulty(Kind::Process, dir.path());
    let config = StoreConfig { sync_ms: 1, ..config };
    Kind::Process.run(async {
        let store = open(&config).await;
        let doc = doc("background");
        faults.set(Fault::Sync, 0);
        let mut seq = 1;
        let fault = loop {
            match store.append(partition(&doc), one(&doc, seq, "op")).await {
                Ok(()) => seq += 1,
                Err(fault) => break fault,
            }
            monoio::time::sleep(Duration::from_millis(2)).await;
        };
        assert_eq!(fault, StoreFault::DiskFailed);
        faults.clear();
        append_when_mended(&store, &doc, seq, "mended").await;
        assert_eq!(texts(&store, &doc).await.len() as u64, seq);
        store.close().await.unwrap();
    });
}

#[test]
fn a_tree_without_space_is_opened_again_when_there_is_some() {
    let dir = TempDir::new();
    let (config, faults) = faulty(Kind::Power, dir.path());
    let config = StoreConfig { move_ms: 1, ..config };
    Kind::Power.run(async {
        let store = open(&config).await;
        let doc = doc("tree");
        let mut seq = 0;
        for _ in 0..20 {
            store.append(partition(&doc), vec![ops(&doc, seq + 1, 10)]).await.unwrap();
            seq += 10;
        }
        moved(&store).await;
        faults.set(Fault::Tree, 0);
        let fault = loop {
            match store.append(partition(&doc), vec![ops(&doc, seq + 1, 10)]).await {
                Ok(()) => seq += 10,
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, StoreFault::DiskFull);
        assert_eq!(last_of(&store, &doc).await, seq, "reads go on");
        faults.clear();
        while store.append(partition(&doc), vec![ops(&doc, seq + 1, 10)]).await.is_err() {
            monoio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(last_of(&store, &doc).await, seq + 10);
        store.close().await.unwrap();
        let store = open(&config).await;
        assert_eq!(last_of(&store, &doc).await, seq + 10);
        store.close().await.unwrap();
    });
}

#[test]
fn a_partition_opened_without_space_reads_on_and_mends_itself() {
    for kind in [Kind::Power, Kind::Process, Kind::Thread] {
        for fault in [Fault::Tree, Fault::Full] {
            let dir = TempDir::new();
            let (config, faults) = faulty(kind, dir.path());
            let config = StoreConfig { move_ms: 60_000, ..config };
            kind.run(async {
                let doc = doc("opened without space");
                let store = open(&config).await;
                store.append(partition(&doc), one(&doc, 1, "moved")).await.unwrap();
                store.close().await.unwrap();
                let store = open(&config).await;
                store.append(partition(&doc), one(&doc, 2, "only in the log")).await.unwrap();
                drop(store);
                for life in 1..=3 {
                    faults.set(fault, 0);
                    let (store, report) = open_with_report(&config).await.unwrap();
                    assert_eq!(texts(&store, &doc).await, ["moved", "only in the log"]);
                    if fault == Fault::Full {
                        // There is a segment to use again, and the tree takes what is small.
                        assert!(report.partitions.iter().all(|one| one.fault.is_none()));
                        drop(store);
                        continue;
                    }
                    let full = Some(StoreFault::DiskFull);
                    assert!(report.partitions.iter().all(|one| one.fault == full), "life {life}");
                    assert!(store.stats().iter().all(|one| one.fault == full), "life {life}");
                    let refused = store.append(partition(&doc), one(&doc, 3, "lost")).await;
                    assert_eq!(refused, Err(StoreFault::DiskFull), "{kind:?}");
                    assert_eq!(texts(&store, &doc).await.len(), 2, "reads go on");
                    drop(store);
                }
                faults.set(fault, 0);
                let store = open(&config).await;
                faults.clear();
                append_when_mended(&store, &doc, 3, "there is room").await;
                append_when_mended(&store, &neighbours(1)[0], 1, "a stranger").await;
                let kept = ["moved", "only in the log", "there is room"];
                assert_eq!(texts(&store, &doc).await, kept);
                let copy = dir.copy();
                drop(store);
                let store = open(&kind.config(copy.path())).await;
                assert_eq!(texts(&store, &doc).await, kept, "{fault:?}");
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn a_new_partition_without_room_for_its_log_begins_when_there_is_some() {
    let dir = TempDir::new();
    let (config, faults) = faulty(Kind::Power, dir.path());
    Kind::Power.run(async {
        let doc = doc("first");
        faults.set(Fault::Full, 0);
        let (store, report) = open_with_report(&config).await.unwrap();
        let full = Some(StoreFault::DiskFull);
        assert!(report.partitions.iter().all(|one| one.fault == full));
        let refused = store.append(partition(&doc), one(&doc, 1, "lost")).await;
        assert_eq!(refused, Err(StoreFault::DiskFull));
        assert!(!store.exists(&doc).await.unwrap());
        faults.clear();
        append_when_mended(&store, &doc, 1, "first").await;
        store.close().await.unwrap();
        let store = open(&config).await;
        assert_eq!(texts(&store, &doc).await, ["first"]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_full_backlog_holds_appends_back_until_it_is_moved() {
    for kind in ON_DISK {
        let dir = TempDir::new();
        let backlog_bytes_max = 10_000;
        let config = StoreConfig { backlog_bytes_max, move_ms: 600_000, ..kind.config(dir.path()) };
        kind.run(async {
            let store = open(&config).await;
            let doc = doc("backlog");
            for first in (1..5_000).step_by(50) {
                store.append(partition(&doc), vec![ops(&doc, first, 50)]).await.unwrap();
                let backlog = store.stats().iter().map(|one| one.backlog_bytes).max().unwrap();
                assert!(backlog < 2 * backlog_bytes_max, "{backlog}");
            }
            assert_eq!(last_of(&store, &doc).await, 5_000);
            store.close().await.unwrap();
        });
    }
}

#[test]
fn segments_are_used_again() {
    let dir = TempDir::new();
    let config = StoreConfig { move_ms: 1, ..Kind::Power.config(dir.path()) };
    Kind::Power.run(async {
        let store = open(&config).await;
        let docs = neighbours(3);
        // Thirty times what a segment holds.
        for round in 0..300 {
            for doc in &docs {
                store.append(partition(doc), vec![ops(doc, 1 + round * 30, 30)]).await.unwrap();
            }
        }
        while store.stats().iter().any(|one| one.filled_segments > 0) {
            monoio::time::sleep(Duration::from_millis(5)).await;
        }
        let files = dir.segments().len();
        assert!(files <= 10, "{files} files");
        for doc in &docs {
            assert_eq!(last_of(&store, doc).await, 9_000);
        }
        drop(store);
        let store = open(&config).await;
        for doc in &docs {
            assert_eq!(last_of(&store, doc).await, 9_000);
        }
        store.close().await.unwrap();
    });
}
