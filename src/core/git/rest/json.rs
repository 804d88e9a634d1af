//! The shapes of answers. Both wires agree on most names, so one struct serves both.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::commit::{Commit, Signature, iso_date};
use super::super::listing::Listed;
use super::super::names::decode_name;
use super::super::upload::Base64;
use super::super::{GitError, Kind, ObjectId};
use super::RestDialect;

/// Clients wait this long before they ask a store again that cannot answer.
const RETRY_AFTER_MS: u32 = 1000;

#[derive(Serialize)]
pub(super) struct ShaAndUrl {
    pub(super) sha: ObjectId,
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct BlobBody<'a> {
    pub(super) sha: ObjectId,
    pub(super) size: usize,
    pub(super) content: Base64<'a>,
    pub(super) encoding: &'static str,
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct TreeBody {
    pub(super) sha: ObjectId,
    pub(super) url: String,
    pub(super) tree: Vec<EntryBody>,
}

#[derive(Serialize)]
pub(super) struct EntryBody {
    path: String,
    mode: &'static str,
    sha: ObjectId,
    /// Fluid's reference service always says 0, and Levee's nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
pub(super) struct CommitBody {
    sha: ObjectId,
    #[serde(flatten)]
    content: CommitContent,
    parents: Vec<ShaAndUrl>,
}

/// A version in a document's history.
#[derive(Serialize)]
pub(super) struct VersionBody {
    sha: ObjectId,
    url: String,
    commit: CommitContent,
    parents: Vec<ShaAndUrl>,
}

#[derive(Serialize)]
struct CommitContent {
    url: String,
    author: Value,
    committer: Value,
    message: String,
    tree: ShaAndUrl,
}

#[derive(Serialize)]
pub(super) struct RefBody {
    #[serde(rename = "ref")]
    name: String,
    object: RefObject,
    url: String,
}

#[derive(Serialize)]
struct RefObject {
    sha: ObjectId,
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

impl RestDialect {
    pub(super) fn url(&self, kind: Kind, id: &ObjectId) -> String {
        match self {
            Self::Fluid => String::new(),
            Self::Levee { base_url, tenant } => {
                format!("{base_url}/repos/{tenant}/git/{}s/{id}", kind.name())
            }
        }
    }

    pub(super) fn sha_and_url(&self, kind: Kind, sha: ObjectId) -> ShaAndUrl {
        ShaAndUrl { sha, url: self.url(kind, &sha) }
    }

    pub(super) fn tree_body(&self, sha: ObjectId, listing: Vec<Listed>) -> TreeBody {
        let tree = listing.into_iter().map(|listed| self.entry_body(listed)).collect();
        TreeBody { sha, url: self.url(Kind::Tree, &sha), tree }
    }

    fn entry_body(&self, listed: Listed) -> EntryBody {
        let Listed { path, mode, id } = listed;
        let (path, size) = match self {
            Self::Fluid => (path, Some(0)),
            Self::Levee { .. } => (raw_path(path), None),
        };
        let (kind, url) = (mode.kind().name(), self.url(mode.kind(), &id));
        EntryBody { path, mode: mode.rest(), sha: id, size, kind, url }
    }

    pub(super) fn commit_body(&self, sha: ObjectId, commit: Commit) -> CommitBody {
        let parents = self.parents(&commit);
        CommitBody { sha, content: self.commit_content(sha, commit), parents }
    }

    pub(super) fn version_body(&self, sha: ObjectId, commit: Commit) -> VersionBody {
        let (url, parents) = (self.url(Kind::Commit, &sha), self.parents(&commit));
        VersionBody { sha, url, commit: self.commit_content(sha, commit), parents }
    }

    fn parents(&self, commit: &Commit) -> Vec<ShaAndUrl> {
        commit.parents.iter().map(|&parent| self.sha_and_url(Kind::Commit, parent)).collect()
    }

    fn commit_content(&self, sha: ObjectId, commit: Commit) -> CommitContent {
        CommitContent {
            url: self.url(Kind::Commit, &sha),
            author: signature_json(&commit.author, commit.author_json.as_deref()),
            committer: signature_json(&commit.committer, commit.committer_json.as_deref()),
            message: commit.message,
            tree: self.sha_and_url(Kind::Tree, commit.tree),
        }
    }

    pub(super) fn ref_body(&self, document: &str, sha: ObjectId) -> RefBody {
        let (name, kind, url) = match self {
            Self::Fluid => (document.to_owned(), "", String::new()),
            Self::Levee { base_url, tenant } => {
                let url = format!("{base_url}/repos/{tenant}/git/refs/heads/{document}");
                (format!("refs/heads/{document}"), Kind::Commit.name(), url)
            }
        };
        let object = RefObject { sha, kind, url: self.url(Kind::Commit, &sha) };
        RefBody { name, object, url }
    }
}

/// Levee's clients see names as they gave them.
fn raw_path(path: String) -> String {
    if !path.contains('%') {
        return path;
    }
    let names: Vec<_> = path.split('/').map(decode_name).collect();
    names.join("/")
}

/// Who made a version, as REST shows it: as it was sent, if it was.
pub fn signature_json(signature: &Signature, as_sent: Option<&str>) -> Value {
    as_sent.and_then(|sent| serde_json::from_str(sent).ok()).unwrap_or_else(|| {
        let Signature { name, email, time_unix_s } = signature;
        json!({ "name": name, "email": email, "date": iso_date(*time_unix_s) })
    })
}

/// The body of a failure.
pub(super) fn error_body(dialect: &RestDialect, status: u16, error: &GitError) -> Vec<u8> {
    let body = match dialect {
        RestDialect::Fluid => match error {
            // Without `retryAfter`, here in milliseconds, drivers give up on a 503.
            GitError::Unavailable(_) => json!({
                "code": status,
                "message": error.to_string(),
                "canRetry": true,
                "retryAfter": RETRY_AFTER_MS,
            }),
            _ => json!({ "code": status, "message": error.to_string(), "canRetry": false }),
        },
        RestDialect::Levee { .. } => match error {
            // What Levee's framework says before its own code sees the request.
            GitError::BadBody => json!({ "errors": { "detail": "Bad Request" } }),
            GitError::MissingField(field) if *field != "content" => {
                json!({ "errors": { "detail": "Bad Request" } })
            }
            _ => json!({ "error": error.to_string() }),
        },
    };
    body.to_string().into_bytes()
}

/// Writes a body. Plain structs of strings and numbers always have a JSON form.
pub(super) fn to_body(value: &impl Serialize) -> Result<Vec<u8>, GitError> {
    serde_json::to_vec(value).map_err(|_| GitError::BadBody)
}
