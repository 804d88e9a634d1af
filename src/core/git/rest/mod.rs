//! Git over REST: one job per request, for both wires.

mod json;
mod read;
mod write;

pub use self::json::signature_json;

use bytes::Bytes;

use self::json::error_body;
use super::{Draft, GitError, Objects, StoredObject};

/// Whose words an answer uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestDialect {
    /// `Authorization: Basic`: empty urls, structured errors.
    Fluid,
    /// `Authorization: Bearer`: absolute urls, `{"error": text}`.
    Levee {
        /// Scheme, host and port as the client sees them, without a slash at the end.
        base_url: String,
        /// The tenant in the path.
        tenant: String,
    },
}

/// What a client asks of a document's git storage. Bodies are JSON, ids are as the path has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitRequest {
    /// `POST git/blobs`
    CreateBlob { body: Bytes },
    /// `GET git/blobs/:id`
    Blob { id: String },
    /// `POST git/trees`
    CreateTree { body: Bytes },
    /// `GET git/trees/:id[?recursive=1]`
    Tree { id: String, recursive: bool },
    /// `POST git/commits`
    CreateCommit { body: Bytes },
    /// `GET git/commits/:id`
    Commit { id: String },
    /// `GET commits?count=n&sha=start`: `start` is the document's id, or a version's.
    Commits { start: String, count: usize },
    /// `GET git/refs`
    Refs,
    /// `GET git/refs/:name`, with or without `heads/`.
    Ref { name: String },
    /// `POST git/refs`
    CreateRef { body: Bytes },
    /// `PATCH git/refs/:name`
    UpdateRef { name: String, body: Bytes },
    /// `POST git/summaries`
    UploadSummary { body: Bytes },
    /// `GET git/summaries/:version`, which may be `latest`.
    Summary { version: String },
}

/// A git request with what its answer depends on besides the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitJob {
    /// What is asked.
    pub request: GitRequest,
    /// In whose words to answer.
    pub dialect: RestDialect,
    /// The document's id, which is also the name of its only reference.
    pub document: String,
    /// Now, in seconds since the Unix epoch.
    pub time_unix_s: i64,
}

/// The answer to a git request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitAnswer {
    /// HTTP status.
    pub status: u16,
    /// A JSON body.
    pub body: Bytes,
    /// The same request will always have this answer: it may be cached.
    pub immutable: bool,
    /// To be made durable before the answer is sent.
    pub new_objects: Vec<StoredObject>,
}

impl GitJob {
    /// Answers the request. Reads objects, and takes time in proportion to the size of the request
    /// and of the answer; nothing is stored here.
    pub fn run(&self, objects: &dyn Objects) -> GitAnswer {
        let mut draft = Draft::new(objects);
        match self.answer(&mut draft) {
            Ok((status, body)) => GitAnswer {
                status,
                body: body.into(),
                immutable: matches!(self.request, GitRequest::Blob { .. }),
                new_objects: draft.into_new(),
            },
            Err(error) => {
                let status = error.status();
                let body = error_body(&self.dialect, status, &error).into();
                GitAnswer { status, body, immutable: false, new_objects: Vec::new() }
            }
        }
    }

    fn answer(&self, draft: &mut Draft<'_>) -> Result<(u16, Vec<u8>), GitError> {
        const OK: u16 = 200;
        const CREATED: u16 = 201;
        Ok(match &self.request {
            GitRequest::CreateBlob { body } => (CREATED, self.create_blob(draft, body)?),
            GitRequest::Blob { id } => (OK, self.blob(draft, id)?),
            GitRequest::CreateTree { body } => (CREATED, self.create_tree(draft, body)?),
            GitRequest::Tree { id, recursive } => (OK, self.tree(draft, id, *recursive)?),
            GitRequest::CreateCommit { body } => (CREATED, self.create_commit(draft, body)?),
            GitRequest::Commit { id } => (OK, self.commit(draft, id)?),
            GitRequest::Commits { start, count } => (OK, self.commits(draft, start, *count)?),
            GitRequest::Refs => (OK, self.refs(draft)?),
            GitRequest::Ref { name } => (OK, self.reference(draft, name)?),
            GitRequest::CreateRef { body } => (CREATED, self.create_ref(draft, body)?),
            GitRequest::UpdateRef { name, body } => (OK, self.update_ref(draft, name, body)?),
            GitRequest::UploadSummary { body } => (CREATED, self.upload_summary(draft, body)?),
            GitRequest::Summary { version } => (OK, self.summary(draft, version)?),
        })
    }
}

impl GitError {
    /// The HTTP status of the failure. A bad reference inside a body is 400 and not 404, which
    /// would tell Fluid's drivers that the document is gone.
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadBody
            | Self::MissingField(_)
            | Self::InvalidBase64
            | Self::InvalidId
            | Self::MissingObject(_)
            | Self::WrongKind { .. }
            | Self::InvalidName
            | Self::DuplicateName
            | Self::TooDeep => 400,
            Self::NotFound(_) | Self::VersionNotFound | Self::ReferenceNotFound => 404,
            Self::ReferenceExists => 409,
            Self::TooLarge => 413,
            Self::Damaged(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    /// The body of an answer with this failure, for callers that make the answer themselves.
    pub fn body(&self, dialect: &RestDialect) -> Bytes {
        error_body(dialect, self.status(), self).into()
    }
}

#[cfg(test)]
mod tests;
