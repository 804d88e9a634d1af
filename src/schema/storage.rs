//! Bodies of administrators' views: what is stored of a tenant, and every core's figures. The
//! original's admin page reads them too.

use super::parts::{
    Definition, Field, any, closed, count, extended, integer, list, must, nullable, switch, text,
    to, word,
};

pub(super) fn definitions() -> Vec<Definition> {
    [documents(), objects(), figures()].concat()
}

fn documents() -> Vec<Definition> {
    let row = || {
        [
            must("id", text(), ""),
            must("tenant_id", text(), ""),
            must("sequence_number", count(), "The last operation's."),
            must("created_at", text(), "Empty where it is not known."),
            must("updated_at", text(), "Empty where it is not known."),
            must("session_alive", switch(), "It is in memory."),
            must("version", nullable(text()), "The last summary's commit."),
        ]
    };
    let next = || must("next", nullable(text()), "`from` of the next page.");
    vec![
        ("StoredDocument", closed("A document.", row())),
        (
            "StoredDocuments",
            closed("", [must("documents", list(to("StoredDocument")), ""), next()]),
        ),
        (
            "StoredDocumentView",
            closed(
                "",
                [
                    must("document", to("StoredDocument"), ""),
                    must("session", nullable(to("DocumentSession")), "Null: not in memory."),
                ],
            ),
        ),
        ("DocumentSession", closed("A document in memory.", session())),
        ("SessionMember", closed("A connected client.", member())),
        ("StoredOperations", closed("", [must("deltas", list(to("StoredOperation")), "")])),
        ("StoredOperation", closed("", operation())),
    ]
}

fn session() -> [Field; 8] {
    [
        must("tenant_id", text(), ""),
        must("document_id", text(), ""),
        must("current_sn", count(), ""),
        must("current_msn", count(), ""),
        must("history_size", count(), "Operations in memory."),
        must("client_count", count(), ""),
        must("client_ids", list(text()), ""),
        must("members", list(to("SessionMember")), ""),
    ]
}

fn member() -> [Field; 7] {
    [
        must("client_id", text(), ""),
        must("user", text(), ""),
        must("mode", to("Mode"), ""),
        must("wire", word(["phoenix", "phoenix-msgpack", "socket.io"]), ""),
        must("client", any(), "As it describes itself."),
        must("client_sequence_number", nullable(count()), "Of writers."),
        must("reference_sequence_number", nullable(count()), "Of writers."),
    ]
}

fn operation() -> [Field; 9] {
    [
        must("sequence_number", count(), ""),
        must("client_id", nullable(text()), ""),
        must("client_sequence_number", integer(), ""),
        must("reference_sequence_number", integer(), ""),
        must("minimum_sequence_number", count(), ""),
        must("type", text(), ""),
        must("contents", text(), "A text as it is, anything else as indented JSON."),
        must("metadata", text(), "The same."),
        must("timestamp", count(), "Milliseconds of Unix time."),
    ]
}

fn objects() -> Vec<Definition> {
    let summary = [
        must("handle", text(), ""),
        must("tenant_id", text(), ""),
        must("document_id", text(), ""),
        must("sequence_number", count(), ""),
        must("tree_sha", text(), ""),
        must("commit_sha", text(), ""),
        must("parent_handle", nullable(text()), ""),
        must("message", nullable(text()), ""),
        must("created_at", text(), ""),
    ];
    let entry = [
        must("path", text(), ""),
        must("mode", text(), ""),
        must("sha", text(), ""),
        must("type", word(["blob", "tree"]), ""),
    ];
    let one_ref = closed("", [must("ref", text(), ""), must("sha", text(), "")]);
    let next = || must("next", nullable(text()), "Where the next page begins.");
    let commit = [
        must("sha", text(), ""),
        must("tree", text(), ""),
        must("parents", list(text()), ""),
        must("message", text(), ""),
        must("author", any(), ""),
        must("committer", any(), ""),
        must("document_id", text(), ""),
    ];
    let tree = [
        must("sha", text(), ""),
        must("tree", list(closed("", entry)), ""),
        must("document_id", text(), ""),
    ];
    let blob = [
        must("sha", text(), ""),
        must("size", count(), "Bytes."),
        must("content", text(), ""),
        must("encoding", word(["utf-8", "base64"]), ""),
        must("is_text", switch(), ""),
        must("document_id", text(), ""),
    ];
    vec![
        ("StoredSummaries", closed("", [must("summaries", list(closed("", summary)), ""), next()])),
        ("StoredRefs", closed("", [must("refs", list(one_ref), ""), next()])),
        ("StoredBlob", closed("", [must("blob", closed("", blob), "")])),
        ("StoredTree", closed("", [must("tree", closed("", tree), "")])),
        ("StoredCommit", closed("", [must("commit", closed("", commit), "")])),
    ]
}

/// The figures themselves are those of `/metrics`, under the same names.
fn figures() -> Vec<Definition> {
    let partition = extended("", [must("partition", count(), "")]);
    let core = extended(
        "Figures by name.",
        [must("core", count(), ""), must("partitions", list(partition), "")],
    );
    vec![
        ("CoreFigures", core),
        ("Figures", closed("", [must("cores", list(to("CoreFigures")), "")])),
    ]
}
