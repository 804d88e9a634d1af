//! What can go wrong below `/api`, and the body that says so.

use super::super::reply::Reply;
use levee_core::directory::DirectoryFault;
use levee_core::record::StoreFault;
use serde_json::json;

/// Why a request below `/api` was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiFault {
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
    /// The admin key is wrong, or none is configured.
    #[error("Invalid admin key")]
    AdminKey,
    /// A cookie alone, as another site's page could send it.
    #[error("The X-CSRF-Token header is missing or wrong")]
    Csrf,
    /// Another site's page would sign its visitor in as someone else.
    #[error("Only this service's own pages may sign in with a cookie")]
    ForeignPage,
    /// The admin key stands for nobody.
    #[error("This needs the session of a user")]
    NotAUser,
    #[error("This redirect_url is not allowed")]
    RedirectUrl,
    /// By its name in the path.
    #[error("Unknown auth provider: {0}")]
    UnknownProvider(Box<str>),
    #[error("OAuth is not configured")]
    ProviderNotConfigured,
    /// The service to sign in with does not even say where to go.
    #[error("Failed to start authentication")]
    SignInNotStarted,
    /// The service to sign in with does not answer.
    #[error("Could not fetch profile from provider")]
    Provider,
    /// Not known, used or too old.
    #[error("Authentication failed, please try again")]
    StateInvalid,
    /// Of another browser.
    #[error("Authentication failed, please try again")]
    StateMismatch,
    /// The service to sign in with does not know the code.
    #[error("Authentication failed, please try again")]
    CodeRefused,
    /// What came back proves nothing.
    #[error("Authentication failed")]
    SignInFailed,
    /// A body that lacks what the route needs.
    #[error("Bad Request")]
    BadRequest,
    #[error("Not Found")]
    NoRoute,
    /// A document, or something of it; the text that says which.
    #[error("{0}")]
    NotFound(&'static str),
    /// An answer without bounds.
    #[error("This is too large to be shown")]
    TooLarge,
    /// The documents' store, not the directory.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl ApiFault {
    pub(super) fn reply(self) -> Reply {
        let (status, code) = match self {
            Self::Directory(fault) => fault.status(),
            Self::AdminKey => (401, "unauthorized"),
            Self::Csrf | Self::ForeignPage => (403, "csrf"),
            Self::NotAUser => (403, "forbidden"),
            Self::RedirectUrl => (400, "invalid_redirect_url"),
            Self::UnknownProvider(_) => (404, "unknown_provider"),
            Self::ProviderNotConfigured => (500, "oauth_not_configured"),
            Self::SignInNotStarted => (500, "oauth_error"),
            Self::Provider => (502, "provider_error"),
            Self::StateInvalid => (401, "state_invalid"),
            Self::StateMismatch => (401, "state_mismatch"),
            Self::CodeRefused | Self::SignInFailed => (401, "auth_failed"),
            Self::NotFound(_) => (404, "not_found"),
            Self::TooLarge => (413, "too_large"),
            Self::Store(StoreFault::Damaged) => (500, "storage_error"),
            Self::Store(_) => (503, "unavailable"),
            Self::BadRequest => {
                return Reply::of(400, &json!({ "errors": { "detail": "Bad Request" } }));
            }
            Self::NoRoute => {
                return Reply::of(404, &json!({ "errors": { "detail": "Not Found" } }));
            }
        };
        let body = json!({ "error": { "code": code, "message": self.to_string() } });
        let reply = Reply::of(status, &body);
        match self {
            Self::Directory(DirectoryFault::TooManyAttempts(wait_s)) => {
                reply.with("retry-after", wait_s.to_string())
            }
            Self::Directory(DirectoryFault::Unavailable) => reply.with("retry-after", "1"),
            Self::Store(_) if status == 503 => reply.with("retry-after", "1"),
            Self::Directory(_)
            | Self::AdminKey
            | Self::Csrf
            | Self::ForeignPage
            | Self::NotAUser
            | Self::RedirectUrl
            | Self::UnknownProvider(_)
            | Self::ProviderNotConfigured
            | Self::SignInNotStarted
            | Self::Provider
            | Self::StateInvalid
            | Self::StateMismatch
            | Self::CodeRefused
            | Self::SignInFailed
            | Self::BadRequest
            | Self::NoRoute
            | Self::NotFound(_)
            | Self::TooLarge
            | Self::Store(_) => reply,
        }
    }
}
