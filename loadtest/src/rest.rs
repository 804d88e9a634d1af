//! Documents over REST: the create call, and the calls of one cold load.

use crate::http::{Caller, HttpError, credential_for};
use crate::token::Signer;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// Blobs that one cold load reads: what a small document of map, string and tree has.
const BLOBS_PER_LOAD: usize = 20;
/// Channels of the document that is created; with its other blobs it reaches [`BLOBS_PER_LOAD`].
const CHANNELS: usize = 7;
/// Size of each blob that stands for application data.
const BLOB_BYTES: usize = 300;

/// Why a document could not be made or read.
#[derive(Debug, Error)]
pub enum RestError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the answer to {0} has another form than the contract says")]
    Form(&'static str),
}

/// Creates one document and answers its id.
///
/// # Errors
/// The service refuses it or answers something else than an id.
pub fn create_document(caller: &mut Caller, signer: &Signer) -> Result<String, RestError> {
    let body = json!({
        "summary": initial_tree(),
        "sequenceNumber": 0,
        "values": [["code", {
            "key": "code",
            "value": {"package": "no-dynamic-package", "config": {}},
            "approvalSequenceNumber": 0,
            "commitSequenceNumber": 0,
            "sequenceNumber": 0,
        }]],
        "enableDiscovery": false,
        "generateToken": false,
        "isEphemeralContainer": false,
        "enableAnyBinaryBlobOnFirstSummary": true,
    });
    let path = format!("/documents/{}", signer.tenant());
    let token = signer.token("", "creator");
    let credential = credential_for(&path, signer.tenant(), &token);
    let answer = caller.call("POST", &path, credential, Some(&body.to_string()))?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| RestError::Form("create"))?;
    let id = answer.as_str().or_else(|| answer.get("id")?.as_str());
    id.map(str::to_owned).ok_or(RestError::Form("create"))
}

fn initial_tree() -> Value {
    let blob = |path: &str, label: &str| {
        let filler = "x".repeat(BLOB_BYTES);
        let content = json!({"label": label, "filler": filler}).to_string();
        json!({"path": path, "type": "blob",
               "value": {"type": "blob", "content": content, "encoding": "utf-8"}})
    };
    let tree = |path: &str, entries: Vec<Value>| {
        let value = json!({"type": "tree", "entries": entries});
        json!({"path": path, "type": "tree", "value": value})
    };
    let channels = (0..CHANNELS).map(|n| {
        let attributes = blob(".attributes", &format!("attributes {n}"));
        tree(&format!("c{n}"), vec![attributes, blob("header", &format!("header {n}"))])
    });
    let store =
        tree("A", vec![blob(".component", "component"), tree(".channels", channels.collect())]);
    json!({"type": "tree", "entries": [
        tree(".channels", vec![store]),
        blob(".metadata", "metadata"),
        blob(".electedSummarizer", "elected"),
    ]})
}

/// One call of a cold load and the body it must answer.
#[derive(Clone, Debug)]
pub struct LoadStep {
    pub path: String,
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Version {
    commit: VersionCommit,
}

#[derive(Deserialize)]
struct VersionCommit {
    tree: ObjectRef,
}

#[derive(Deserialize)]
struct ObjectRef {
    sha: String,
}

#[derive(Deserialize)]
struct TreeListing {
    tree: Vec<TreeEntry>,
}

#[derive(Deserialize)]
struct TreeEntry {
    sha: String,
    r#type: String,
}

/// Loads a document once as the official driver does, and answers the calls for repetition.
///
/// # Errors
/// A call fails or answers in another form than the contract's.
pub fn probe_load(
    caller: &mut Caller,
    signer: &Signer,
    document: &str,
) -> Result<Vec<LoadStep>, RestError> {
    let tenant = signer.tenant();
    let mut steps: Vec<LoadStep> = Vec::new();
    let mut get = |steps: &mut Vec<LoadStep>, path: String| -> Result<Vec<u8>, HttpError> {
        let body = caller.get_as(signer, document, &path)?;
        steps.push(LoadStep { path, body: body.clone() });
        Ok(body)
    };
    let answer = get(&mut steps, format!("/repos/{tenant}/commits?count=1&sha={document}"))?;
    let commits: Vec<Version> =
        serde_json::from_slice(&answer).map_err(|_| RestError::Form("commits"))?;
    let tree = &commits.first().ok_or(RestError::Form("commits"))?.commit.tree.sha;

    let answer = get(&mut steps, format!("/repos/{tenant}/git/trees/{tree}?recursive=1"))?;
    let listing: TreeListing =
        serde_json::from_slice(&answer).map_err(|_| RestError::Form("trees"))?;
    let mut blobs: Vec<&str> = Vec::new();
    for entry in &listing.tree {
        if entry.r#type == "blob" && !blobs.contains(&entry.sha.as_str()) {
            blobs.push(&entry.sha);
        }
    }
    for sha in blobs.iter().take(BLOBS_PER_LOAD) {
        get(&mut steps, format!("/repos/{tenant}/git/blobs/{sha}"))?;
    }
    let range = "from=0&to=2001&fetchReason=PostDocumentOpen_fetch";
    get(&mut steps, format!("/deltas/{tenant}/{document}?{range}"))?;
    Ok(steps)
}
