use serde_json::{Value, json};

use super::super::tests::{Document, NOW};
use super::super::{ObjectId, ObjectsUnavailable, TreeEntry, write_tree};
use super::*;

fn body(value: Value) -> Bytes {
    value.to_string().into()
}

/// A document with one version: a file `a` below a directory `d%20d`.
fn document() -> Document {
    let file = json!({ "type": 2, "content": "text" });
    let directory = json!({ "type": 1, "tree": { "a": file } });
    Document::create(&json!({ "summary": { "type": 1, "tree": { "d d": directory } } }))
}

fn absent() -> String {
    "0123456789012345678901234567890123456789".into()
}

fn text(id: ObjectId) -> String {
    id.to_string()
}

#[test]
fn blobs_in_both_dialects() {
    let mut document = document();
    let sha = "6320cd248dd8aeaab759d5871f8781b5c0505172";
    for (content, encoding) in [(json!("data"), "utf-8"), (json!("ZGF0YQ=="), "base64")] {
        let create = json!({ "content": content, "encoding": encoding });
        let request = GitRequest::CreateBlob { body: body(create) };
        assert_eq!(document.fluid(request.clone()), (201, json!({ "sha": sha, "url": "" })));
        let url = format!("http://h:4000/repos/t/git/blobs/{sha}");
        assert_eq!(document.levee(request), (201, json!({ "sha": sha, "url": url })));
    }
    let get = || GitRequest::Blob { id: sha.into() };
    let blob = |url: &str| json!({ "sha": sha, "size": 4, "content": "ZGF0YQ==", "encoding": "base64", "url": url });
    assert_eq!(document.fluid(get()), (200, blob("")));
    let url = format!("http://h:4000/repos/t/git/blobs/{sha}");
    assert_eq!(document.levee(get()), (200, blob(&url)));
}

#[test]
fn only_blobs_may_be_cached() {
    let mut document = document();
    let sha = document.fluid(GitRequest::CreateBlob { body: body(json!({ "content": "x" })) });
    let run = |request| {
        let dialect = RestDialect::Fluid;
        GitJob { request, dialect, document: "doc".into(), time_unix_s: NOW }.run(&document.objects)
    };
    let id = sha.1["sha"].as_str().unwrap().to_owned();
    assert!(run(GitRequest::Blob { id }).immutable);
    assert!(!run(GitRequest::Blob { id: absent() }).immutable);
    assert!(!run(GitRequest::Refs).immutable);
}

#[test]
fn bad_blobs_are_refused() {
    let mut document = document();
    let mut create = |value: Value| {
        let request = GitRequest::CreateBlob { body: body(value) };
        (document.fluid(request.clone()), document.levee(request))
    };
    let (fluid, levee) = create(json!({ "content": "%", "encoding": "base64" }));
    let message = "Invalid base64 content";
    assert_eq!(fluid, (400, json!({ "code": 400, "message": message, "canRetry": false })));
    assert_eq!(levee, (400, json!({ "error": message })));
    let (fluid, levee) = create(json!({ "encoding": "base64" }));
    assert_eq!(fluid.1["message"], "Missing or invalid content");
    assert_eq!(levee, (400, json!({ "error": "Missing or invalid content" })));
    let (fluid, levee) = create(json!([]));
    assert_eq!(fluid.1["message"], "Malformed request body");
    assert_eq!(levee, (400, json!({ "errors": { "detail": "Bad Request" } })));
}

#[test]
fn what_does_not_exist_is_not_found() {
    let mut document = document();
    let blob = document.tree_of(document.head());
    let cases = [
        (GitRequest::Blob { id: absent() }, "Blob not found"),
        (GitRequest::Blob { id: "no-id".into() }, "Blob not found"),
        (GitRequest::Blob { id: text(blob) }, "Blob not found"),
        (GitRequest::Tree { id: absent(), recursive: true }, "Tree not found"),
        (GitRequest::Commit { id: absent() }, "Commit not found"),
        (GitRequest::Ref { name: "heads/other".into() }, "Reference not found"),
        (GitRequest::Commits { start: "other".into(), count: 1 }, "Version not found"),
        (GitRequest::Commits { start: text(blob), count: 1 }, "Version not found"),
        (GitRequest::Summary { version: absent() }, "Version not found"),
    ];
    for (request, message) in cases {
        let (status, fluid) = document.fluid(request.clone());
        assert_eq!((status, fluid["message"].as_str()), (404, Some(message)), "{request:?}");
        assert_eq!(document.levee(request), (404, json!({ "error": message })));
    }
    let mut empty = Document::default();
    for request in [
        GitRequest::Commits { start: "doc".into(), count: 1 },
        GitRequest::Summary { version: "latest".into() },
        GitRequest::Ref { name: "heads/doc".into() },
    ] {
        assert_eq!(empty.fluid(request).0, 404);
    }
    assert_eq!(empty.levee(GitRequest::Refs), (200, json!([])));
}

#[test]
fn trees_show_each_dialect_its_own_names() {
    let mut document = document();
    let id = text(document.tree_of(document.head()));
    let (_, fluid) = document.fluid(GitRequest::Tree { id: id.clone(), recursive: true });
    let (_, levee) = document.levee(GitRequest::Tree { id: id.clone(), recursive: true });
    let paths = |tree: &Value| -> Vec<String> {
        let entries = tree["tree"].as_array().unwrap().iter();
        entries.map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&fluid)[5..], ["d%20d", "d%20d/a"]);
    assert_eq!(paths(&levee)[5..], ["d d", "d d/a"]);
    let directory = &levee["tree"][5];
    let sha = directory["sha"].as_str().unwrap();
    let expected = json!({
        "path": "d d", "mode": "040000", "sha": sha, "type": "tree",
        "url": format!("http://h:4000/repos/t/git/trees/{sha}"),
    });
    assert_eq!(directory, &expected);
    let expected = json!({
        "path": "d%20d", "mode": "040000", "sha": sha, "size": 0, "type": "tree", "url": "",
    });
    assert_eq!(fluid["tree"][5], expected);
    let (_, flat) = document.fluid(GitRequest::Tree { id, recursive: false });
    assert_eq!(paths(&flat), [".protocol", "d%20d"]);
}

#[test]
fn levee_trees_take_handles_and_raw_names() {
    let mut document = document();
    let blob = document.objects.iter().find(|object| &object.body[..] == b"text").unwrap().id;
    let entries = json!({ "tree": [
        { "path": "kept", "mode": "040000", "sha": "/d%20d", "type": "tree" },
        { "path": "file", "mode": "040000", "sha": "/.app/d d/a", "type": "tree" },
        { "path": "ü", "sha": blob.to_string() },
    ], "base_tree": "ignored" });
    let (status, tree) = document.levee(GitRequest::CreateTree { body: body(entries) });
    assert_eq!(status, 201, "{tree}");
    let summary: Vec<_> = tree["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| [&e["path"], &e["mode"], &e["type"]].map(|v| v.as_str().unwrap()))
        .collect();
    // Modes follow from the objects, whatever the request says.
    let expected =
        [["ü", "100644", "blob"], ["file", "100644", "blob"], ["kept", "040000", "tree"]];
    assert_eq!(summary, expected);
}

#[test]
fn bad_trees_are_refused() {
    let mut document = document();
    let mut create = |value: Value| {
        let (status, answer) = document.levee(GitRequest::CreateTree { body: body(value) });
        assert_eq!(status, 400, "{answer}");
        answer["error"].as_str().unwrap_or_default().to_owned()
    };
    let entry = |path: &str, sha: &str| json!({ "tree": [{ "path": path, "sha": sha }] });
    let absent = absent();
    assert_eq!(create(entry("a", &absent)), format!("Object {absent} does not exist"));
    assert_eq!(create(entry("a", "/gone")), "Object /gone does not exist");
    assert_eq!(create(entry("a", "short")), "Object short does not exist");
    assert_eq!(create(entry("a/b", "/")), "Invalid tree entry name");
    assert_eq!(create(entry(".git", "/")), "Invalid tree entry name");
    let twins = json!({ "tree": [{ "path": "a", "sha": "/" }, { "path": "a", "sha": "/" }] });
    assert_eq!(create(twins), "Duplicate tree entry name");
    assert_eq!(create(json!({})), "");
    let head = text(document.head());
    let request = GitRequest::CreateTree { body: body(entry("a", &head)) };
    let message = format!("Object {head} is not a tree");
    assert_eq!(document.levee(request), (400, json!({ "error": message })));
}

#[test]
fn commits_keep_what_levee_sent() {
    let mut document = document();
    let (tree, head) = (text(document.tree_of(document.head())), text(document.head()));
    let author = json!({ "name": "T", "date": 1_700_000_000, "email": "t@example.com" });
    let create = json!({ "tree": tree, "parents": [head], "message": "first", "author": author });
    let (status, created) = document.levee(GitRequest::CreateCommit { body: body(create) });
    assert_eq!(status, 201, "{created}");
    let sha = created["sha"].as_str().unwrap().to_owned();
    let url = |kind: &str, sha: &str| format!("http://h:4000/repos/t/git/{kind}/{sha}");
    let expected = json!({
        "sha": sha,
        "url": url("commits", &sha),
        "author": author,
        "committer": {
            "name": "Levee", "email": "server@levee.local", "date": "2026-11-22T19:51:12.000Z",
        },
        "message": "first",
        "tree": { "sha": tree, "url": url("trees", &tree) },
        "parents": [{ "sha": head, "url": url("commits", &head) }],
    });
    assert_eq!(created, expected);
    assert_eq!(document.levee(GitRequest::Commit { id: sha.clone() }), (200, expected));
    let (_, versions) = document.fluid(GitRequest::Commits { start: sha.clone(), count: 1 });
    assert_eq!(versions[0]["sha"], sha);
    assert_eq!(versions[0]["commit"]["tree"], json!({ "sha": tree, "url": "" }));
    assert_eq!(versions.as_array().unwrap().len(), 1);
}

#[test]
fn bad_commits_are_refused() {
    let mut document = document();
    let (tree, head) = (text(document.tree_of(document.head())), text(document.head()));
    let author = json!({});
    let cases = [
        (json!({ "author": author }), "Missing or invalid tree"),
        (json!({ "tree": tree, "author": "me" }), "Missing or invalid author"),
        (json!({ "tree": tree, "committer": [] }), "Missing or invalid committer"),
        (json!({ "tree": absent() }), &format!("Object {} does not exist", absent())),
        (json!({ "tree": head }), &format!("Object {head} is not a tree")),
        (json!({ "tree": tree, "parents": [tree] }), &format!("Object {tree} is not a commit")),
    ];
    for (value, message) in cases {
        let (status, answer) = document.fluid(GitRequest::CreateCommit { body: body(value) });
        assert_eq!((status, answer["message"].as_str()), (400, Some(message)));
    }
    let no_author = GitRequest::CreateCommit { body: body(json!({ "tree": tree })) };
    assert_eq!(document.levee(no_author.clone()).0, 400);
    assert_eq!(document.fluid(no_author).0, 201);
}

#[test]
fn references_are_answered_as_asked_and_stay() {
    let mut document = document();
    let head = text(document.head());
    let tree = text(document.tree_of(document.head()));
    let create = body(json!({ "tree": tree, "author": { "name": "x" } }));
    let (_, commit) = document.levee(GitRequest::CreateCommit { body: create });
    let commit = commit["sha"].as_str().unwrap();
    let reference = |sha: &str| {
        json!({
            "ref": "refs/heads/doc",
            "object": {
                "sha": sha, "type": "commit", "url": format!("http://h:4000/repos/t/git/commits/{sha}"),
            },
            "url": "http://h:4000/repos/t/git/refs/heads/doc",
        })
    };
    let update = |sha: &str| GitRequest::UpdateRef {
        name: "heads/doc".into(),
        body: body(json!({ "sha": sha, "force": true })),
    };
    assert_eq!(document.levee(update(commit)), (200, reference(commit)));
    for name in ["heads/doc", "refs/heads/doc", "doc"] {
        assert_eq!(document.levee(GitRequest::Ref { name: name.into() }), (200, reference(&head)));
    }
    assert_eq!(document.levee(GitRequest::Refs), (200, json!([reference(&head)])));
    let fluid = json!({
        "ref": "doc", "object": { "sha": head, "type": "", "url": "" }, "url": "",
    });
    assert_eq!(document.fluid(GitRequest::Ref { name: "doc".into() }), (200, fluid));

    assert_eq!(document.levee(update(&absent())).0, 400);
    assert_eq!(document.levee(update(&tree)).0, 400);
    let no_sha = GitRequest::UpdateRef { name: "doc".into(), body: body(json!({})) };
    assert_eq!(document.levee(no_sha).0, 400);
    let other = GitRequest::UpdateRef { name: "heads/x".into(), body: body(json!({"sha": head})) };
    assert_eq!(document.levee(other).0, 404);

    let create = |name: &str, sha: &str| GitRequest::CreateRef {
        body: body(json!({ "ref": name, "sha": sha })),
    };
    let exists = json!({ "error": "Reference already exists" });
    assert_eq!(document.levee(create("refs/heads/doc", commit)), (409, exists));
    document.objects.head = None;
    assert_eq!(document.levee(create("refs/heads/doc", commit)), (201, reference(commit)));
    assert_eq!(document.levee(create("refs/heads/x", commit)).0, 404);
    let no_name = GitRequest::CreateRef { body: body(json!({ "sha": commit })) };
    assert_eq!(document.levee(no_name).0, 400);
}

#[test]
fn a_summary_needs_a_tree_and_its_parts() {
    let mut document = document();
    let blob = document.objects.iter().find(|object| object.kind == super::super::Kind::Blob);
    let blob = blob.unwrap().id.to_string();
    let handle = format!("{}/.app/gone", document.head());
    let cases = [
        (json!({}), "Missing or invalid content"),
        (json!({ "content": "x" }), "is not a tree"),
        (json!({ "entries": [{ "path": "a" }] }), "Missing or invalid value"),
        (json!({ "entries": [{ "path": "a", "id": handle }] }), "does not exist"),
        (json!({ "entries": [{ "id": blob }] }), "Malformed request body"),
    ];
    for (value, message) in cases {
        let (status, answer) = document.fluid(GitRequest::UploadSummary { body: body(value) });
        let text = answer["message"].as_str().unwrap();
        assert!(status == 400 && text.contains(message), "{answer}");
    }
}

/// A store that fails, or that has only one object, a damaged one.
struct Broken(Option<StoredObject>);

impl Objects for Broken {
    fn object(&self, _: &ObjectId) -> Result<Option<StoredObject>, ObjectsUnavailable> {
        self.0.clone().map(Some).ok_or(ObjectsUnavailable)
    }

    fn head(&self) -> Result<Option<ObjectId>, ObjectsUnavailable> {
        self.0.as_ref().map(|object| Some(object.id)).ok_or(ObjectsUnavailable)
    }
}

#[test]
fn failures_of_the_store_are_told_apart_from_bad_requests() {
    let job = |request| GitJob {
        request,
        dialect: RestDialect::Fluid,
        document: "doc".into(),
        time_unix_s: NOW,
    };
    let answer = job(GitRequest::Refs).run(&Broken(None));
    let expected = json!({
        "code": 503, "message": "Storage is unavailable", "canRetry": true, "retryAfter": 1000,
    });
    assert_eq!(answer.status, 503);
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);

    let entry = TreeEntry::new("a", super::super::Mode::File, absent().parse().unwrap());
    let mut tree = write_tree(vec![entry]).unwrap();
    tree.body.truncate(12);
    let id = tree.id.to_string();
    let answer = job(GitRequest::Tree { id, recursive: false }).run(&Broken(Some(tree)));
    assert_eq!(answer.status, 500);
    let deep = GitError::TooDeep;
    assert_eq!((deep.status(), GitError::TooLarge.status()), (400, 413));
    assert_eq!(GitError::InvalidId.status(), 400);
}
