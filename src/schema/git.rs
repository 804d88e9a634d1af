//! Bodies of git requests: objects, references, versions and whole summaries.

use super::parts::{
    Definition, Field, Schema, any, between, closed, count, described, either, list, map, may,
    must, null, nullable, object, open, text, text_like, to, word,
};

pub(super) fn definitions() -> Vec<Definition> {
    [objects(), trees(), commits(), references(), uploads(), snapshots()].concat()
}

fn id() -> Schema {
    to("ObjectId")
}

fn url() -> Field {
    must("url", text(), "Empty on Fluid's wire.")
}

fn objects() -> Vec<Definition> {
    vec![
        ("ObjectId", described("Lower-case hex of a SHA-1.", text_like("^[0-9a-f]{40}$"))),
        ("ObjectReference", closed("", [must("sha", id(), ""), url()])),
        (
            "CreateBlob",
            open(
                "",
                [
                    must("content", to("BlobContent"), ""),
                    may("encoding", nullable(text()), "`base64`; any other word means the text."),
                ],
            ),
        ),
        (
            "BlobContent",
            described(
                "Text, or bytes in the forms that JavaScript's JSON gives them.",
                either([
                    text(),
                    list(between(0, 255)),
                    open("A `Buffer`.", [must("data", list(between(0, 255)), "")]),
                    described("A `Uint8Array`.", map(between(0, 255))),
                ]),
            ),
        ),
        (
            "GitBlob",
            closed(
                "",
                [
                    must("sha", id(), ""),
                    must("size", count(), "Bytes."),
                    must("content", text(), ""),
                    must("encoding", word(["base64"]), ""),
                    url(),
                ],
            ),
        ),
    ]
}

fn trees() -> Vec<Definition> {
    vec![
        (
            "CreateTree",
            open(
                "",
                [must(
                    "tree",
                    list(open(
                        "Mode and type follow from the object.",
                        [
                            must("path", text(), ""),
                            must("sha", text(), "An id, or a path in the current version."),
                        ],
                    )),
                    "",
                )],
            ),
        ),
        (
            "GitTree",
            closed("", [must("sha", id(), ""), url(), must("tree", list(to("GitTreeEntry")), "")]),
        ),
        (
            "GitTreeEntry",
            closed(
                "",
                [
                    must("path", text(), "With `recursive` from the listed tree down."),
                    must("mode", text(), "Octal."),
                    must("sha", id(), ""),
                    may("size", count(), "0 on Fluid's wire, absent on Levee's."),
                    must("type", word(["blob", "tree"]), ""),
                    url(),
                ],
            ),
        ),
    ]
}

fn commits() -> Vec<Definition> {
    let content = || {
        [
            url(),
            must("author", to("GitSignature"), ""),
            must("committer", to("GitSignature"), ""),
            must("message", text(), ""),
            must("tree", to("ObjectReference"), ""),
        ]
    };
    let parents = || must("parents", list(to("ObjectReference")), "");
    vec![
        (
            "GitSignature",
            described(
                "Who and when: `name`, `email` and `date`, as the committing client sent it, else \
                 with an ISO date.",
                object(),
            ),
        ),
        (
            "CreateCommit",
            open(
                "",
                [
                    must("tree", text(), "A tree's id."),
                    may("parents", nullable(list(text())), "Commits' ids."),
                    may("message", nullable(text()), ""),
                    may("author", nullable(to("GitSignature")), "Levee's wire demands it."),
                    may("committer", nullable(to("GitSignature")), ""),
                ],
            ),
        ),
        ("GitCommit", closed("", [must("sha", id(), ""), parents()].into_iter().chain(content()))),
        (
            "DocumentVersion",
            closed(
                "A version in a document's history.",
                [
                    must("sha", id(), ""),
                    url(),
                    must("commit", closed("", content()), ""),
                    parents(),
                ],
            ),
        ),
        ("DocumentVersions", described("Newest first.", list(to("DocumentVersion")))),
    ]
}

fn references() -> Vec<Definition> {
    let kind = || must("type", word(["", "commit"]), "");
    vec![
        ("CreateRef", open("", [must("ref", text(), ""), must("sha", text(), "A commit's id.")])),
        ("UpdateRef", open("", [must("sha", text(), "A commit's id.")])),
        (
            "GitRef",
            closed(
                "The one reference of a document.",
                [
                    must("ref", text(), ""),
                    must("object", closed("", [must("sha", id(), ""), kind(), url()]), ""),
                    url(),
                ],
            ),
        ),
        ("GitRefs", list(to("GitRef"))),
    ]
}

fn uploads() -> Vec<Definition> {
    let entry = open(
        "The path is a URI component.",
        [
            must("path", text(), ""),
            may("value", nullable(to("SummaryNode")), ""),
            may("id", nullable(text()), "An object that is there already."),
        ],
    );
    let kind = || may("type", any(), "Not looked at.");
    let blob = [
        must("content", to("BlobContent"), ""),
        may("encoding", nullable(text()), "`base64`; any other word means the text."),
        kind(),
    ];
    let handle = must("handle", text(), "A path in the previous version.");
    let nothing = ["tree", "entries", "content", "handle", "id"].map(|name| may(name, null(), ""));
    let parts = ["SummaryTree", "SummaryBlob", "SummaryHandle", "SummaryAttachment"].map(to);
    vec![
        ("SummaryNode", described("A part of a summary.", either(parts))),
        (
            "SummaryTree",
            described(
                "A summary in one body: Fluid's `ISummaryTree`, or the form with `entries`.",
                either([
                    open("", [must("tree", map(to("SummaryNode")), "By raw name."), kind()]),
                    open("", [must("entries", list(entry), ""), kind()]),
                ]),
            ),
        ),
        ("NoSummary", open("Nothing that makes a part of a summary.", nothing)),
        ("SummaryBlob", open("", blob)),
        ("SummaryHandle", open("", [handle, kind()])),
        ("SummaryAttachment", open("", [must("id", text(), "Its blob."), kind()])),
        ("UploadedSummary", closed("", [must("id", id(), "The handle of a `summarize`.")])),
    ]
}

fn snapshots() -> Vec<Definition> {
    let entry = closed(
        "",
        [
            must("path", text(), "The app's part stands below `.app`."),
            must("type", word(["blob", "tree"]), ""),
            may("id", id(), "Of a blob."),
        ],
    );
    let tree = closed(
        "",
        [
            must("id", id(), ""),
            must("sequenceNumber", count(), "The version contains everything up to it."),
            must("entries", list(entry), "Parents before their children."),
        ],
    );
    let blob = closed(
        "",
        [
            must("id", id(), ""),
            must("content", text(), ""),
            must("encoding", word(["utf-8", "base64"]), ""),
            must("size", count(), "Bytes."),
        ],
    );
    vec![(
        "Snapshot",
        closed(
            "A version with all its blobs.",
            [
                must("id", id(), "The version's."),
                must("trees", list(tree), "One."),
                must("blobs", list(blob), "Each once."),
            ],
        ),
    )]
}
