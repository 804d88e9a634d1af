//! Checks that every store passes.

use crate::world::*;
use bytes::Bytes;
use levee::store::{Query, Store, StoreConfig};
use levee_core::git::{Objects, StoredObject};
use levee_core::ids::{DocKey, Seq};
use levee_core::record::{Record, StoreFault};

/// Runs the check on every store, as configured and with every commit moved at once.
fn on_every_store(check: impl AsyncFn(&Store)) {
    for kind in KINDS {
        for move_ms in [0, 60_000] {
            let dir = TempDir::new();
            let config = StoreConfig { move_ms, ..kind.config(dir.path()) };
            kind.run(async {
                let store = open(&config).await;
                check(&store).await;
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn what_was_appended_is_read_in_order() {
    on_every_store(async |store| {
        let doc = doc("order");
        let mut next = 1;
        for count in [1, 1, 7, 400, 1, 30] {
            store.append(partition(&doc), vec![ops(&doc, next, count)]).await.unwrap();
            next += count;
            assert_ops(&read_all(store, &doc).await, 1, next - 1);
        }
        let part = store.ops(&doc, Seq(5), Seq(300), usize::MAX).await.unwrap();
        assert_ops(&part, 5, 300);
        assert!(store.ops(&doc, Seq(441), Seq(500), usize::MAX).await.unwrap().is_empty());
    });
}

#[test]
fn groups_are_written_in_the_order_of_the_calls() {
    on_every_store(async |store| {
        let doc = doc("calls");
        let first = store.append(partition(&doc), vec![ops(&doc, 1, 3)]);
        let second = store.append(partition(&doc), vec![ops(&doc, 4, 3)]);
        let third = store.append(partition(&doc), vec![ops(&doc, 7, 3)]);
        // Awaited the other way round.
        third.await.unwrap();
        second.await.unwrap();
        first.await.unwrap();
        assert_eq!(last_of(store, &doc).await, 9);
    });
}

#[test]
fn an_append_counts_though_nobody_waits_for_it() {
    on_every_store(async |store| {
        let doc = doc("unwaited");
        drop(store.append(partition(&doc), vec![ops(&doc, 1, 3)]));
        store.append(partition(&doc), vec![ops(&doc, 4, 1)]).await.unwrap();
        assert_eq!(last_of(store, &doc).await, 4);
    });
}

#[test]
fn reads_are_bounded_by_bytes_but_move_on() {
    on_every_store(async |store| {
        let doc = doc("bounded");
        for first in (1..2_000).step_by(100) {
            store.append(partition(&doc), vec![ops(&doc, first, 100)]).await.unwrap();
        }
        for bytes_max in [1, 300, 10_000, 100_000] {
            let mut next = Seq(1);
            while next <= Seq(2_000) {
                let runs = store.ops(&doc, next, Seq(u64::MAX), bytes_max).await.unwrap();
                let last = runs.last().unwrap().last();
                assert_ops(&runs, next.0, last.0);
                let bytes: usize = runs.iter().map(|run| run.bytes.len()).sum();
                assert!(bytes <= bytes_max || last == next, "{bytes} of {bytes_max}");
                next = if bytes_max == 1 { Seq(last.0 + 97) } else { last.next() };
            }
        }
    });
}

#[test]
fn a_load_gives_the_newest_checkpoint_and_what_follows() {
    on_every_store(async |store| {
        let doc = doc("load");
        assert_eq!(store.load(&doc).await.unwrap(), None);
        assert!(!store.exists(&doc).await.unwrap());
        let state = |text: &'static str| Bytes::from_static(text.as_bytes());
        let group = vec![ops(&doc, 1, 20), Record::Checkpoint(doc.clone(), Seq(10), state("ten"))];
        store.append(partition(&doc), group).await.unwrap();
        let image = store.load(&doc).await.unwrap().unwrap();
        assert_eq!(image.checkpoint, Some((Seq(10), state("ten"))));
        assert_ops(&image.ops, 11, 20);
        let group = vec![Record::Checkpoint(doc.clone(), Seq(20), state("twenty"))];
        store.append(partition(&doc), group).await.unwrap();
        let image = store.load(&doc).await.unwrap().unwrap();
        assert_eq!(image.checkpoint, Some((Seq(20), state("twenty"))));
        assert!(image.ops.is_empty());
        assert_eq!(image.version, None);
        assert!(store.exists(&doc).await.unwrap());
    });
}

#[test]
fn the_version_is_read_after_its_append() {
    on_every_store(async |store| {
        let doc = doc("version");
        assert_eq!(store.version(&doc).await.unwrap(), None);
        for text in ["one", "two"] {
            let object = StoredObject::blob(text);
            let group = vec![
                Record::Object(doc.clone(), object.clone()),
                Record::Version(doc.clone(), object.id),
            ];
            store.append(partition(&doc), group).await.unwrap();
            assert_eq!(store.version(&doc).await.unwrap(), Some(object.id));
            let id = object.id;
            let found = store.run(&doc, move |objects| (objects.head(), objects.object(&id))).await;
            assert_eq!(found.unwrap(), (Ok(Some(id)), Ok(Some(object))));
        }
    });
}

#[test]
fn objects_of_every_size_are_their_documents_own() {
    on_every_store(async |store| {
        let (doc, other) = (doc("objects"), doc("other objects"));
        for bytes in [0, 1, 5_000, 300_000, 3 << 20] {
            let body: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
            let object = StoredObject::blob(body);
            store.put_objects(&doc, vec![object.clone()]).await.unwrap();
            let id = object.id;
            let read = move |objects: &dyn Objects| objects.object(&id);
            assert_eq!(store.run(&doc, read).await.unwrap(), Ok(Some(object)), "{bytes} bytes");
            assert_eq!(store.run(&other, read).await.unwrap(), Ok(None));
        }
        assert!(!store.exists(&doc).await.unwrap(), "objects alone are no document");
    });
}

#[test]
fn documents_are_listed_in_pages() {
    on_every_store(async |store| {
        let names: Vec<String> = (0..25).map(|n| format!("doc {n:02}")).collect();
        let stranger = DocKey::new("another tenant", "doc 05");
        let docs = names.iter().map(|name| doc(name)).chain([stranger.clone()]);
        for doc in docs {
            store.append(partition(&doc), vec![ops(&doc, 1, 2)]).await.unwrap();
        }
        let version = StoredObject::blob("v").id;
        let third = doc("doc 03");
        store
            .append(partition(&third), vec![Record::Version(third.clone(), version)])
            .await
            .unwrap();
        let tenant = || Some("tenant".into());
        let pages = async |query: Query| {
            let (mut listed, mut query) = (Vec::new(), query);
            loop {
                let page = store.documents(&query).await.unwrap();
                assert!(page.entries.len() <= query.limit);
                listed.extend(page.entries);
                query.after = page.next;
                if query.after.is_none() {
                    return listed;
                }
            }
        };
        let listed = pages(Query { tenant: tenant(), limit: 7, ..Query::default() }).await;
        let found: Vec<&str> = listed.iter().map(|entry| entry.doc.document()).collect();
        assert_eq!(found, names);
        assert!(listed.iter().all(|entry| entry.last == Seq(2)));
        assert_eq!(listed[3].version, Some(version));
        let search = Some("C 1".into());
        let found = pages(Query { tenant: tenant(), limit: 3, search, ..Query::default() }).await;
        assert_eq!(found, listed[10..20]);
        let all = pages(Query { limit: 4, ..Query::default() }).await;
        assert_eq!(all.len(), 26);
        assert!(all.iter().any(|entry| entry.doc == stranger));
        assert_eq!(store.holder(&listed, version).await.unwrap(), None);
        store.put_objects(&third, vec![StoredObject::blob("v")]).await.unwrap();
        assert_eq!(store.holder(&listed, version).await.unwrap(), Some(third.clone()));
        assert_eq!(store.dates(&listed).await.unwrap().len(), 25);
    });
}

#[test]
fn a_deleted_document_is_gone() {
    on_every_store(async |store| {
        let (gone, stays) = (doc("gone"), doc("gone too?"));
        let object = StoredObject::blob("a body");
        for doc in [&gone, &stays] {
            let group = vec![
                ops(doc, 1, 2_000),
                Record::Checkpoint(doc.clone(), Seq(1), Bytes::new()),
                Record::Object(doc.clone(), object.clone()),
                Record::Version(doc.clone(), object.id),
            ];
            store.append(partition(doc), group).await.unwrap();
        }
        store.delete(&gone).await.unwrap();
        assert_eq!(store.load(&gone).await.unwrap(), None);
        assert!(read_all(store, &gone).await.is_empty());
        let id = object.id;
        assert_eq!(store.run(&gone, move |objects| objects.object(&id)).await.unwrap(), Ok(None));
        assert_eq!(last_of(store, &stays).await, 2_000);
        // The name can be used again.
        store.append(partition(&gone), vec![ops(&gone, 1, 1)]).await.unwrap();
        assert_eq!(last_of(store, &gone).await, 1);
    });
}

#[test]
fn many_documents_and_many_writers() {
    on_every_store(async |store| {
        let docs: Vec<DocKey> = (0..20).map(|n| doc(&format!("busy {n}"))).collect();
        for round in 0..30 {
            let appends: Vec<_> = docs
                .iter()
                .map(|doc| store.append(partition(doc), vec![ops(doc, 1 + round * 5, 5)]))
                .collect();
            for append in appends {
                append.await.unwrap();
            }
        }
        for doc in &docs {
            assert_eq!(last_of(store, doc).await, 150);
        }
    });
}

#[test]
fn a_job_that_panics_harms_nobody() {
    for kind in ON_DISK {
        let dir = TempDir::new();
        kind.run(async {
            let store = open(&kind.config(dir.path())).await;
            let doc = doc("panic");
            let panics = store.run(&doc, |_| -> u32 { panic!("planted") }).await;
            assert_eq!(panics, Err(StoreFault::Damaged));
            store.append(partition(&doc), vec![ops(&doc, 1, 1)]).await.unwrap();
            assert_eq!(last_of(&store, &doc).await, 1);
            store.close().await.unwrap();
        });
    }
}
