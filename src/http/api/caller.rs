//! Who asks: the holder of the admin key, or a user by their session.

use super::Call;
use super::fault::ApiFault;
use levee_core::auth::Credentials;
use levee_core::directory::{Actor, Directory, DirectoryFault, Role, User, token_hash};
use levee_core::http_request::{HttpRequest, OwnedAuthorization};
use levee_core::wire::http::{Authorization, Method};
use std::net::IpAddr;

/// The cookie of browser sessions.
pub(super) const SESSION_COOKIE: &str = "levee_session";
const CSRF_CHARS: usize = 32;

/// Whoever asks.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    AdminKey {
        from: IpAddr,
    },
    User {
        user: Box<User>,
        /// The session's token.
        token: String,
        by_cookie: bool,
        from: IpAddr,
    },
}

impl Caller {
    /// Finds out who asks.
    ///
    /// # Errors
    /// Nobody who is known; or a cookie alone where more is needed.
    pub(super) async fn of(call: Call<'_>) -> Result<Self, ApiFault> {
        let from = call.request.peer;
        let is_admin_path = call.request.path.starts_with("/api/admin/");
        let (token, by_cookie) = match bearer(call.request) {
            Some(token) if is_admin_key(call, token) => return Ok(Self::AdminKey { from }),
            Some(token) => (token.to_owned(), false),
            None => match call.request.cookie(SESSION_COOKIE) {
                Some(token) => (token.to_owned(), true),
                None if is_admin_path => return Err(ApiFault::AdminKey),
                None => return Err(DirectoryFault::NoSession.into()),
            },
        };
        if by_cookie && changes(call.request.method) && !has_csrf_token(call.request, &token) {
            return Err(ApiFault::Csrf);
        }
        let asked = token.clone();
        let found = call
            .core
            .directories
            .call(call.nobody(), move |directory, act| directory.session(&asked, act.now_ms));
        match found.await {
            Ok((user, _)) => Ok(Self::User { user: Box::new(user), token, by_cookie, from }),
            Err(DirectoryFault::NoSession) if is_admin_path => Err(ApiFault::AdminKey),
            Err(fault) => Err(fault.into()),
        }
    }

    /// As the directory wants to know it.
    pub(super) fn who(&self) -> (Actor, Option<IpAddr>) {
        match self {
            Self::AdminKey { from } => (Actor::AdminKey, Some(*from)),
            Self::User { user, from, .. } => (Actor::User(user.id.clone()), Some(*from)),
        }
    }

    /// The user's id.
    ///
    /// # Errors
    /// The admin key is no user.
    pub(super) fn user_id(&self) -> Result<String, ApiFault> {
        match self {
            Self::AdminKey { .. } => Err(ApiFault::NotAUser),
            Self::User { user, .. } => Ok(user.id.clone()),
        }
    }

    /// # Errors
    /// Not an administrator of the service.
    pub(super) fn require_admin(&self) -> Result<(), ApiFault> {
        match self {
            Self::AdminKey { .. } => Ok(()),
            Self::User { user, .. } if user.is_admin => Ok(()),
            Self::User { .. } => Err(DirectoryFault::NotAdmin.into()),
        }
    }

    /// What the caller is in a tenant, for use inside the directory: administrators of the service
    /// are owners everywhere.
    pub(super) fn authority(&self) -> Authority {
        match self {
            Self::AdminKey { .. } => Authority(None),
            Self::User { user, .. } => Authority(Some(user.id.clone())),
        }
    }
}

/// `None` is the admin key.
#[derive(Clone, Debug)]
pub(super) struct Authority(Option<String>);

impl Authority {
    /// # Errors
    /// Not a member, or of a lesser role.
    pub(super) fn require(
        &self,
        directory: &Directory,
        tenant: &str,
        least: Role,
    ) -> Result<Role, DirectoryFault> {
        match &self.0 {
            None => Ok(Role::Owner),
            Some(user) => directory.require(tenant, user, least),
        }
    }
}

/// The token that a page of this service sends along, so that another site's page cannot.
pub(super) fn csrf_token(session_token: &str) -> String {
    token_hash(&["csrf ", session_token].concat()).chars().take(CSRF_CHARS).collect()
}

pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let OwnedAuthorization::One(value) = &request.authorization else { return None };
    match Credentials::parse(Authorization::One(value)) {
        Ok(Credentials::Bearer(token)) => Some(token),
        Ok(Credentials::Basic { .. }) | Err(_) => None,
    }
}

fn is_admin_key(call: Call<'_>, token: &str) -> bool {
    // Hashes of one length are compared, so that the time tells nothing about the key.
    let key = call.core.api.admin_key.as_deref().filter(|key| !key.is_empty());
    key.is_some_and(|key| token_hash(key) == token_hash(token))
}

fn changes(method: Method) -> bool {
    match method {
        Method::Get | Method::Head | Method::Options => false,
        Method::Post | Method::Put | Method::Patch | Method::Delete => true,
    }
}

fn has_csrf_token(request: &HttpRequest, session_token: &str) -> bool {
    request.csrf_token.as_deref() == Some(csrf_token(session_token).as_str())
}
