//! What can go wrong with a request, and how each wire says it.

use super::access::Wire;
use super::reply::Reply;
use levee_core::auth::TokenFault;
use levee_core::git::{GitError, RestDialect};
use levee_core::record::StoreFault;
use levee_core::wire::http::reason;
use serde_json::{Value, json};

/// Clients ask again after this long when the store cannot answer.
const RETRY_AFTER_MS: u32 = 1000;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Token(#[from] TokenFault),
    #[error(transparent)]
    Git(#[from] GitError),
    /// Nothing was done; the same request may succeed later.
    #[error("{0}")]
    Store(#[from] StoreFault),
    #[error("Document not found")]
    DocumentNotFound,
    #[error("Document already exists")]
    DocumentExists,
    /// Empty, too long, or with control characters.
    #[error("Invalid document id")]
    InvalidDocumentId,
    #[error("Not Found")]
    NoRoute,
    /// A known path; the methods it has.
    #[error("Method Not Allowed")]
    MethodNotAllowed(&'static str),
    /// The client takes no JSON.
    #[error("Not Acceptable")]
    NotAcceptable,
    /// A body that lacks what the route needs.
    #[error("Bad Request")]
    BadRequest,
    /// A token is given up by its own holder only.
    #[error("A token takes back itself only")]
    NotItsToken,
}

impl Failure {
    pub(super) fn reply(&self, wire: Wire) -> Reply {
        let reply = match wire {
            Wire::Fluid => self.fluid(),
            Wire::Levee => self.levee(),
        };
        match self {
            Self::MethodNotAllowed(allow) => reply.with("allow", *allow),
            _ => reply,
        }
    }

    fn status(&self, wire: Wire) -> u16 {
        match self {
            Self::Token(fault) => match wire {
                Wire::Fluid => fault.fluid_rest().status,
                Wire::Levee => fault.levee_rest().status,
            },
            Self::Git(error) => error.status(),
            Self::Store(_) => 503,
            Self::DocumentNotFound | Self::NoRoute => 404,
            // As the reference answers; to a driver 400 and 409 are the same.
            Self::DocumentExists if wire == Wire::Fluid => 400,
            Self::DocumentExists => 409,
            Self::InvalidDocumentId | Self::BadRequest => 400,
            Self::MethodNotAllowed(_) => 405,
            Self::NotAcceptable => 406,
            Self::NotItsToken => 403,
        }
    }

    /// Drivers look at the status, and on most of them at `retryAfter`: without it they give up.
    /// Except on 429 they take it for milliseconds.
    fn fluid(&self) -> Reply {
        let code = self.status(Wire::Fluid);
        let message = match self {
            Self::Token(fault) => fault.fluid_rest().text.into_owned(),
            _ => self.to_string(),
        };
        let can_retry = matches!(self, Self::Store(_) | Self::Git(GitError::Unavailable(_)));
        let mut body = json!({
            "code": code, "message": message, "canRetry": can_retry, "isFatal": !can_retry,
        });
        add_retry(&mut body, can_retry);
        Reply::json(code, body.to_string())
    }

    fn levee(&self) -> Reply {
        let status = self.status(Wire::Levee);
        let body = match self {
            Self::Token(fault) => json!({ "error": fault.levee_rest().text }),
            Self::Git(GitError::Unavailable(_)) | Self::Store(_) => {
                let mut body = json!({ "error": self.to_string(), "canRetry": true });
                add_retry(&mut body, true);
                body
            }
            Self::Git(error) => {
                let dialect = RestDialect::Levee { base_url: String::new(), tenant: String::new() };
                return Reply::json(status, error.body(&dialect));
            }
            Self::DocumentNotFound
            | Self::DocumentExists
            | Self::InvalidDocumentId
            | Self::NotItsToken => {
                json!({ "error": self.to_string() })
            }
            Self::NoRoute | Self::MethodNotAllowed(_) | Self::NotAcceptable | Self::BadRequest => {
                json!({ "errors": { "detail": reason(status) } })
            }
        };
        Reply::json(status, body.to_string())
    }
}

fn add_retry(body: &mut Value, can_retry: bool) {
    if let (true, Some(members)) = (can_retry, body.as_object_mut()) {
        members.insert("retryAfter".to_owned(), RETRY_AFTER_MS.into());
    }
}
