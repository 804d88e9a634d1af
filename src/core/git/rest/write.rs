//! Requests that make objects. None of them moves the document's reference: only an accepted
//! summary does.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::super::listing::Listed;
use super::super::names::encode_name;
use super::super::upload::{Content, Node, Text};
use super::super::{
    Commit, Draft, GitError, Kind, ObjectId, Signature, StoredObject, TreeEntry, parse_iso_date,
};
use super::json::{signature_json, to_body};
use super::{GitJob, RestDialect};

#[derive(Deserialize)]
struct CreateBlob<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    encoding: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct CreateTree<'a> {
    #[serde(borrow)]
    tree: Option<Vec<CreateEntry<'a>>>,
}

#[derive(Deserialize)]
struct CreateEntry<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    /// An id, or on Levee's wire a path in the current version. Mode and type follow from it.
    #[serde(borrow)]
    sha: Cow<'a, str>,
}

#[derive(Deserialize)]
struct CreateCommit {
    tree: Option<String>,
    parents: Option<Vec<String>>,
    message: Option<String>,
    author: Option<Value>,
    committer: Option<Value>,
}

#[derive(Deserialize)]
struct SetRef {
    #[serde(rename = "ref")]
    name: Option<String>,
    sha: Option<String>,
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, GitError> {
    serde_json::from_slice(body).map_err(|_| GitError::BadBody)
}

impl GitJob {
    pub(super) fn create_blob(
        &self,
        draft: &mut Draft<'_>,
        body: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let CreateBlob { content, encoding } = parse(body)?;
        let content = content.ok_or(GitError::MissingField("content"))?;
        let encoding = encoding.as_ref().map(|encoding| &*encoding.0);
        let id = draft.add(StoredObject::blob(content.into_bytes(encoding)?))?;
        to_body(&self.dialect.sha_and_url(Kind::Blob, id))
    }

    pub(super) fn create_tree(
        &self,
        draft: &mut Draft<'_>,
        body: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let tree = parse::<CreateTree<'_>>(body)?.tree.ok_or(GitError::MissingField("tree"))?;
        let mut entries = Vec::with_capacity(tree.len());
        for CreateEntry { path, sha } in tree {
            let name = match &self.dialect {
                RestDialect::Fluid => path,
                RestDialect::Levee { .. } if path.contains('/') => {
                    return Err(GitError::InvalidName);
                }
                RestDialect::Levee { .. } => Cow::Owned(encode_name(&path).into_owned()),
            };
            let (mode, id) = match sha.parse::<ObjectId>() {
                Ok(id) => (draft.mode(&id)?, id),
                Err(_) if sha.starts_with('/') => draft.resolve(&sha)?,
                Err(_) => return Err(GitError::MissingObject(sha.into())),
            };
            entries.push(TreeEntry::new(name, mode, id));
        }
        let id = draft.add_tree(entries)?;
        let listing: Vec<Listed> = draft.list(&id, false)?;
        to_body(&self.dialect.tree_body(id, listing))
    }

    pub(super) fn create_commit(
        &self,
        draft: &mut Draft<'_>,
        body: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let CreateCommit { tree, parents, message, author, committer } = parse(body)?;
        let tree = tree.ok_or(GitError::MissingField("tree"))?;
        let tree = existing(draft, &tree, Kind::Tree)?;
        let parents = parents.unwrap_or_default();
        let parents: Result<_, _> =
            parents.iter().map(|parent| existing(draft, parent, Kind::Commit)).collect();
        let mut commit =
            Commit::by_service(tree, parents?, message.unwrap_or_default(), self.time_unix_s);
        match (author, &self.dialect) {
            (Some(sent), _) => {
                (commit.author, commit.author_json) =
                    self.signature(&sent).ok_or(GitError::MissingField("author"))?;
            }
            (None, RestDialect::Levee { .. }) => return Err(GitError::MissingField("author")),
            (None, RestDialect::Fluid) => {}
        }
        if let Some(sent) = committer {
            (commit.committer, commit.committer_json) =
                self.signature(&sent).ok_or(GitError::MissingField("committer"))?;
        }
        let id = draft.add(commit.to_object())?;
        to_body(&self.dialect.commit_body(id, commit))
    }

    pub(super) fn create_ref(&self, draft: &Draft<'_>, body: &[u8]) -> Result<Vec<u8>, GitError> {
        let SetRef { name, sha } = parse(body)?;
        let name = name.ok_or(GitError::MissingField("ref"))?;
        if self.is_own_ref(&name) && draft.head()?.is_some() {
            return Err(GitError::ReferenceExists);
        }
        self.accept_ref(draft, &name, sha.as_deref())
    }

    pub(super) fn update_ref(
        &self,
        draft: &Draft<'_>,
        name: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let SetRef { sha, .. } = parse(body)?;
        self.accept_ref(draft, name, sha.as_deref())
    }

    /// Levee's driver moves the reference before the summary is accepted. It is told what it wants
    /// to hear; readers keep seeing the last accepted version, which alone is complete.
    fn accept_ref(
        &self,
        draft: &Draft<'_>,
        name: &str,
        sha: Option<&str>,
    ) -> Result<Vec<u8>, GitError> {
        if !self.is_own_ref(name) {
            return Err(GitError::ReferenceNotFound);
        }
        let sha = existing(draft, sha.ok_or(GitError::MissingField("sha"))?, Kind::Commit)?;
        to_body(&self.dialect.ref_body(&self.document, sha))
    }

    /// Stores a summary that came in one body; its handle is the app's tree.
    pub(super) fn upload_summary(
        &self,
        draft: &mut Draft<'_>,
        body: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let id = Node::parse(body)?.add_root(draft)?;
        to_body(&serde_json::json!({ "id": id }))
    }

    /// A signature as git can hold it, and as sent where that says more.
    fn signature(&self, sent: &Value) -> Option<(Signature, Option<String>)> {
        let text = |field: &str| sent[field].as_str().unwrap_or_default().to_owned();
        let date = &sent["date"];
        let time_unix_s = match (date.as_str(), date.as_f64()) {
            (Some(iso), _) => parse_iso_date(iso).unwrap_or(self.time_unix_s),
            (None, Some(number)) => unix_seconds(number),
            (None, None) => self.time_unix_s,
        };
        let signature = Signature { name: text("name"), email: text("email"), time_unix_s };
        let as_sent = (signature_json(&signature, None) != *sent).then(|| sent.to_string());
        sent.is_object().then_some((signature, as_sent))
    }
}

/// An object that a body refers to.
fn existing(draft: &Draft<'_>, text: &str, expected: Kind) -> Result<ObjectId, GitError> {
    let missing = || GitError::MissingObject(text.into());
    let id = text.parse().map_err(|_| missing())?;
    if draft.kind(&id)?.ok_or_else(missing)? != expected {
        return Err(GitError::WrongKind { id, expected });
    }
    Ok(id)
}

/// Numeric dates come in seconds, or from JavaScript's clock in milliseconds.
fn unix_seconds(number: f64) -> i64 {
    const SMALLEST_MS: f64 = 1e11;
    let seconds = if number.abs() < SMALLEST_MS { number } else { number / 1000.0 };
    // Saturates; git objects clamp to their own range.
    seconds as i64
}
