//! Whole stories: recorded traffic, round trips, and stock git as the judge of ids.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(super) const NOW: i64 = 1_795_377_072;

/// A document's objects, served by jobs as the storage thread would.
#[derive(Default)]
pub(super) struct Document {
    pub(super) objects: MemoryObjects,
}

impl Document {
    /// A document created from this body.
    pub(super) fn create(body: &Value) -> Self {
        let new = create_document(body.to_string().as_bytes(), NOW).unwrap();
        let mut document = Self::default();
        document.objects.insert(new.objects);
        document.objects.head = new.version;
        document
    }

    pub(super) fn head(&self) -> ObjectId {
        self.objects.head.unwrap()
    }

    /// The tree of a version.
    pub(super) fn tree_of(&self, version: ObjectId) -> ObjectId {
        Draft::new(&self.objects).commit(&version).unwrap().tree
    }

    /// Runs one request of Fluid's wire.
    pub(super) fn fluid(&mut self, request: GitRequest) -> (u16, Value) {
        self.run(request, RestDialect::Fluid)
    }

    /// Runs one request of Levee's wire.
    pub(super) fn levee(&mut self, request: GitRequest) -> (u16, Value) {
        let (base_url, tenant) = ("http://h:4000".into(), "t".into());
        self.run(request, RestDialect::Levee { base_url, tenant })
    }

    fn run(&mut self, request: GitRequest, dialect: RestDialect) -> (u16, Value) {
        let job = GitJob { request, dialect, document: "doc".into(), time_unix_s: NOW };
        let answer = job.run(&self.objects);
        assert!(answer.status < 300 || answer.new_objects.is_empty());
        self.objects.insert(answer.new_objects);
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// Uploads a whole summary and returns its handle.
    pub(super) fn upload(&mut self, body: Value) -> ObjectId {
        let body = body.to_string().into();
        let (status, answer) = self.fluid(GitRequest::UploadSummary { body });
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// Accepts a summary and moves the reference.
    pub(super) fn accept(&mut self, handle: ObjectId, seq: u64) -> ObjectId {
        let head = Some(self.head().to_string());
        let parents = head.iter().cloned().collect();
        let proposal = SummaryProposal {
            handle: handle.to_string(),
            head,
            parents,
            message: format!("Summary @{seq}"),
            reference_seq: seq,
            summary_seq: seq + 1,
        };
        let protocol = protocol_at(seq);
        let context = AcceptContext { time_unix_s: NOW, ..AcceptContext::default() };
        let verdict = accept_summary(&self.objects, &proposal, &protocol, &context).unwrap();
        let SummaryVerdict::Ack { version, new_objects } = verdict else { panic!("{verdict:?}") };
        self.objects.insert(new_objects);
        self.objects.head = Some(version);
        version
    }

    /// The paths and contents of a version as whole-summary drivers read it.
    pub(super) fn download(&mut self, version: &str) -> BTreeMap<String, Vec<u8>> {
        let (status, snapshot) = self.fluid(GitRequest::Summary { version: version.into() });
        assert_eq!(status, 200, "{snapshot}");
        let blobs: BTreeMap<&str, Vec<u8>> = snapshot["blobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|blob| (blob["id"].as_str().unwrap(), decoded(blob)))
            .collect();
        let entries = snapshot["trees"][0]["entries"].as_array().unwrap();
        let files = entries.iter().filter(|entry| entry["type"] == "blob");
        files
            .map(|file| {
                let blob = blobs[file["id"].as_str().unwrap()].clone();
                (file["path"].as_str().unwrap().to_owned(), blob)
            })
            .collect()
    }
}

fn decoded(blob: &Value) -> Vec<u8> {
    let content = blob["content"].as_str().unwrap();
    let bytes = match blob["encoding"].as_str() {
        Some("utf-8") => content.as_bytes().to_vec(),
        Some("base64") => {
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, content).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(blob["size"], bytes.len());
    assert_eq!(blob["id"], StoredObject::blob(bytes.clone()).id.to_string());
    bytes
}

pub(super) fn protocol_at(seq: u64) -> Protocol {
    let attributes = Attributes { minimum_sequence_number: seq - 1, sequence_number: seq };
    Protocol { members: "[[\"c\",{}]]".into(), ..Protocol::new(attributes, "[]".into()) }
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("testdata/recorded.json")).unwrap()
}

fn body_of(record: &Value) -> Value {
    serde_json::from_str(record["body"].as_str().unwrap()).unwrap()
}

#[test]
fn recorded_creates_give_the_trees_of_the_reference_service() {
    let recorded = recorded();
    for name in ["createWhole", "createRemote", "createSummaryTree"] {
        let record = &recorded[name];
        let document = Document::create(&body_of(record));
        let tree = document.tree_of(document.head()).to_string();
        assert_eq!(tree, record["tree"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn the_recorded_listing_is_served_as_the_reference_service_does() {
    let recorded = &recorded()["createWhole"];
    let mut document = Document::create(&body_of(recorded));
    let id = recorded["tree"].as_str().unwrap().to_owned();
    let (status, mut answer) = document.fluid(GitRequest::Tree { id, recursive: true });
    assert_eq!(status, 200);
    for entry in answer["tree"].as_array_mut().unwrap() {
        // The reference forgets the zero in this one place.
        if entry["mode"] == "040000" {
            entry["mode"] = "40000".into();
        }
    }
    assert_eq!(answer["tree"], recorded["listing"]);
}

#[test]
fn recorded_shredded_uploads_give_the_same_ids() {
    let recorded = recorded();
    let mut document = Document::create(&body_of(&recorded["createWhole"]));
    for (name, is_blob) in [("blobs", true), ("trees", false)] {
        let records = recorded[name].as_array().unwrap();
        assert!(records.len() > 8);
        for record in records {
            let body = bytes::Bytes::copy_from_slice(record["body"].as_str().unwrap().as_bytes());
            let request = match is_blob {
                true => GitRequest::CreateBlob { body },
                false => GitRequest::CreateTree { body },
            };
            let (status, answer) = document.fluid(request);
            assert_eq!((status, &answer["sha"]), (201, &record["sha"]), "{answer}");
        }
    }
}

#[test]
fn recorded_whole_uploads_give_the_same_handles() {
    for record in recorded()["uploads"].as_array().unwrap() {
        let mut document = Document::default();
        document.objects.insert([StoredObject::blob("remote blob")]);
        let handle = document.upload(body_of(record));
        assert_eq!(handle.to_string(), record["id"].as_str().unwrap());
    }
}

#[test]
fn an_upload_comes_back_whole_and_keeps_what_it_refers_to() {
    let entry = |path: &str, value: Value| json!({ "path": path, "type": "x", "value": value });
    let text = |content: &str| json!({ "type": "blob", "content": content, "encoding": "utf-8" });
    let tree = |entries: Vec<Value>| json!({ "type": "tree", "entries": entries });
    let mut document =
        Document::create(&json!({ "summary": tree(vec![]), "values": [["code", 1]] }));
    let attachment = StoredObject::blob(vec![0xff, 0xfe]);
    let attachment_id = attachment.id.to_string();
    document.objects.insert([attachment]);

    let channels = tree(vec![entry("my%20map", tree(vec![entry("header", text("h1"))]))]);
    let full = json!({ "type": "channel", "entries": [
        entry(".channels", channels),
        { "path": "0", "type": "blob", "id": attachment_id },
        entry("raw", json!({ "type": "blob", "content": "AAH/", "encoding": "base64" })),
    ]});
    let handle = document.upload(full);
    let first = document.accept(handle, 5);
    let files = document.download("latest");
    assert_eq!(files[".app/.channels/my%20map/header"], b"h1");
    assert_eq!(files[".app/0"], [0xff, 0xfe]);
    assert_eq!(files[".app/raw"], [0, 1, 0xff]);
    let attributes = br#"{"minimumSequenceNumber":4,"sequenceNumber":5}"#;
    assert_eq!(files[".protocol/attributes"], attributes);
    assert_eq!(files.len(), 7);

    let again = json!({ "type": "channel", "entries": [
        { "path": ".channels", "type": "tree", "id": format!("{first}/.app/.channels") },
        entry("raw", text("new")),
    ]});
    let handle = document.upload(again);
    document.accept(handle, 9);
    let files = document.download("latest");
    assert_eq!(files[".app/.channels/my%20map/header"], b"h1");
    assert_eq!(files[".app/raw"], b"new");
    assert!(!files.contains_key(".app/0"));
    assert_eq!(document.download(&first.to_string())[".app/raw"], [0, 1, 0xff]);

    let commits = GitRequest::Commits { start: "doc".into(), count: 10 };
    let (_, versions) = document.fluid(commits);
    let messages: Vec<_> =
        versions.as_array().unwrap().iter().map(|v| &v["commit"]["message"]).collect();
    assert_eq!(messages, ["Summary @9\n", "Summary @5\n", "New document\n"]);
}

/// A random summary: a name for each child, bytes for each file.
#[derive(Clone, Debug)]
enum Part {
    File(Vec<u8>),
    Directory(BTreeMap<String, Self>),
}

fn parts() -> impl Strategy<Value = BTreeMap<String, Part>> {
    let name = "[a-zA-Z.][a-zA-Z0-9_. ü-]{0,5}"
        .prop_filter("reserved", |name| !name.starts_with('.') || name.len() > 5);
    let bytes = prop_oneof![".*".prop_map(String::into_bytes), any::<Vec<u8>>()];
    let leaf = bytes.prop_map(Part::File);
    let children = name.clone();
    let part = leaf.prop_recursive(4, 30, 5, move |inner| {
        prop::collection::btree_map(children.clone(), inner, 0..5).prop_map(Part::Directory)
    });
    prop::collection::btree_map(name, part, 0..6)
}

fn files(parts: &BTreeMap<String, Part>, prefix: &str, out: &mut BTreeMap<String, Vec<u8>>) {
    for (name, part) in parts {
        let path = format!("{prefix}/{}", encode_name(name));
        match part {
            Part::File(bytes) => drop(out.insert(path, bytes.clone())),
            Part::Directory(children) => files(children, &path, out),
        }
    }
}

/// The whole form; children of `kept` directories are handles into that version instead.
fn whole(parts: &BTreeMap<String, Part>, path: &str, kept: Option<ObjectId>) -> Value {
    let entries = parts.iter().map(|(name, part)| {
        let name = encode_name(name);
        let path = format!("{path}/{name}");
        match (part, kept) {
            (_, Some(version)) if name.len().is_multiple_of(2) => {
                json!({ "path": name, "type": "tree", "id": format!("{version}/{path}") })
            }
            (Part::File(bytes), _) => {
                let content = match std::str::from_utf8(bytes) {
                    Ok(text) => json!({ "type": "blob", "content": text, "encoding": "utf-8" }),
                    Err(_) => json!({
                        "type": "blob", "encoding": "base64",
                        "content": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes),
                    }),
                };
                json!({ "path": name, "type": "blob", "value": content })
            }
            (Part::Directory(children), _) => {
                json!({ "path": name, "type": "tree", "value": whole(children, &path, kept) })
            }
        }
    });
    json!({ "type": "tree", "entries": entries.collect::<Vec<_>>() })
}

/// The form of `ISummaryTree`, with bytes as JavaScript writes a `Uint8Array`.
fn summary_tree(parts: &BTreeMap<String, Part>) -> Value {
    let tree: serde_json::Map<_, _> = parts
        .iter()
        .map(|(name, part)| {
            let node = match part {
                Part::File(bytes) => {
                    let content = match std::str::from_utf8(bytes) {
                        Ok(text) => json!(text),
                        Err(_) => bytes
                            .iter()
                            .enumerate()
                            .map(|(i, b)| (i.to_string(), json!(b)))
                            .collect(),
                    };
                    json!({ "type": 2, "content": content })
                }
                Part::Directory(children) => summary_tree(children),
            };
            (name.clone(), node)
        })
        .collect();
    json!({ "type": 1, "tree": tree })
}

proptest! {
    #[test]
    fn all_forms_of_a_summary_are_the_same_version(parts in parts()) {
        let mut expected = BTreeMap::new();
        files(&parts, ".app", &mut expected);
        let mut document = Document::create(&json!({ "summary": summary_tree(&parts) }));
        let full = document.head();
        let mut found = document.download("latest");
        found.retain(|path, _| !path.starts_with(".protocol"));
        prop_assert_eq!(&found, &expected);

        let flat = Document::create(&json!({ "summary": whole(&parts, ".app", None) }));
        prop_assert_eq!(flat.head(), full);
        let app = json!({ "type": 1, "tree": { ".app": summary_tree(&parts) } });
        prop_assert_eq!(Document::create(&json!({ "summary": app })).head(), full);

        let by_upload = document.upload(whole(&parts, ".app", None));
        let by_handles = document.upload(whole(&parts, ".app", Some(full)));
        prop_assert_eq!(by_handles, by_upload);
        let version = document.accept(by_handles, 3);
        let mut found = document.download(&version.to_string());
        found.retain(|path, _| !path.starts_with(".protocol"));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in "[\\[\\]{}\",:a-z0-9]{0,60}") {
        let _ = create_document(body.as_bytes(), NOW);
        let mut document = Document::default();
        for request in [
            GitRequest::CreateBlob { body: body.clone().into() },
            GitRequest::CreateTree { body: body.clone().into() },
            GitRequest::CreateCommit { body: body.clone().into() },
            GitRequest::CreateRef { body: body.clone().into() },
            GitRequest::UpdateRef { name: "doc".into(), body: body.clone().into() },
            GitRequest::UploadSummary { body: body.clone().into() },
        ] {
            document.fluid(request.clone());
            document.levee(request);
        }
    }
}

/// Runs stock git on some input, without a repository and without the user's settings.
fn git(arguments: &[&str], input: &[u8]) -> String {
    let mut git = Command::new("git")
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(input).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn stock_git_computes_the_same_ids(
        names in prop::collection::btree_map("[a-c.]{1,3}x", any::<bool>(), 0..12),
        bytes: Vec<u8>,
        message in ".*",
    ) {
        let blob = StoredObject::blob(bytes.clone());
        prop_assert_eq!(git(&["hash-object", "--stdin"], &bytes), blob.id.to_string());
        let entries = names.into_iter().map(|(name, is_file)| {
            let mode = if is_file { Mode::File } else { Mode::Directory };
            TreeEntry::new(name, mode, blob.id)
        });
        let tree = write_tree(entries.collect()).unwrap();
        // With checks on, git also refuses a tree that is out of order.
        let ours = git(&["hash-object", "-t", "tree", "--stdin"], &tree.body);
        prop_assert_eq!(ours, tree.id.to_string());
        let commit = Commit::by_service(tree.id, vec![], message, NOW).to_object();
        let ours = git(&["hash-object", "-t", "commit", "--stdin"], &commit.body);
        prop_assert_eq!(ours, commit.id.to_string());
    }
}
