//! Routes below `/api`: accounts, tenants and everything else that people administer.

use super::{Segment, get, id, not_allowed, post};
use crate::wire::http::Method;

/// What can be asked for below `/api`. `PUT` sets, `PATCH` changes a part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // ids, in every variant
pub enum ApiRoute<'a> {
    /// `GET /api/auth/config`: how one can sign in.
    AuthConfig,
    /// `POST /api/auth/register`
    Register,
    /// `POST /api/auth/login`
    Login,
    /// `POST /api/auth/logout`
    Logout,
    /// `POST /api/auth/set-up`: the first administrator, by the link printed at the first start.
    SetUp,
    /// `POST /api/auth/exchange`: the session of a one-time code.
    Exchange,
    /// `GET /api/auth/me`
    Me,
    /// `POST /api/auth/password`
    ChangePassword,
    /// `GET /api/auth/sessions`: one's own.
    MySessions,
    /// `DELETE /api/auth/sessions/:session`
    RevokeMySession { session: Segment<'a> },
    /// `POST /api/invites/accept`
    AcceptInvite,

    /// `GET /api/users`
    Users,
    /// `POST /api/users`
    CreateUser,
    /// `GET /api/users/:user`
    User { user: Segment<'a> },
    /// `PATCH /api/users/:user`
    ChangeUser { user: Segment<'a> },
    /// `DELETE /api/users/:user`
    DeleteUser { user: Segment<'a> },
    /// `GET /api/users/:user/sessions`
    UserSessions { user: Segment<'a> },
    /// `DELETE /api/users/:user/sessions/:session`
    RevokeUserSession { user: Segment<'a>, session: Segment<'a> },
    /// `GET /api/audit`
    Audit,
    /// `GET /api/metrics`: the figures of every core.
    Metrics,

    /// `GET /api/tenants`, `GET /api/admin/tenants`
    Tenants,
    /// `POST /api/tenants`
    CreateTenant,
    /// `GET /api/tenants/:tenant`
    Tenant { tenant: Segment<'a> },
    /// `PATCH /api/tenants/:tenant`
    ChangeTenant { tenant: Segment<'a> },
    /// `DELETE /api/tenants/:tenant`
    DeleteTenant { tenant: Segment<'a> },
    /// `POST /api/tenants/:tenant/secrets/:slot`
    RotateSecret { tenant: Segment<'a>, slot: Segment<'a> },
    /// `POST /api/tenants/:tenant/token-mint`
    MintToken { tenant: Segment<'a> },
    /// `POST /api/tenants/:tenant/revocations`
    Revoke { tenant: Segment<'a> },
    /// `GET /api/tenants/:tenant/members`
    Members { tenant: Segment<'a> },
    /// `PUT /api/tenants/:tenant/members/:user`
    SetMember { tenant: Segment<'a>, user: Segment<'a> },
    /// `DELETE /api/tenants/:tenant/members/:user`
    RemoveMember { tenant: Segment<'a>, user: Segment<'a> },
    /// `GET /api/tenants/:tenant/invites`
    Invites { tenant: Segment<'a> },
    /// `POST /api/tenants/:tenant/invites`
    CreateInvite { tenant: Segment<'a> },
    /// `DELETE /api/tenants/:tenant/invites/:invite`
    RevokeInvite { tenant: Segment<'a>, invite: Segment<'a> },
    /// `GET /api/tenants/:tenant/api-keys`
    ApiKeys { tenant: Segment<'a> },
    /// `POST /api/tenants/:tenant/api-keys`
    CreateApiKey { tenant: Segment<'a> },
    /// `DELETE /api/tenants/:tenant/api-keys/:key`
    RevokeApiKey { tenant: Segment<'a>, key: Segment<'a> },
    /// What is stored of a tenant.
    Storage { tenant: Segment<'a>, asked: StorageRoute<'a> },
}

/// What can be asked of a tenant's documents, below `/api/tenants/:tenant`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // ids, in every variant
pub enum StorageRoute<'a> {
    /// `GET documents?search=&from=&limit=`
    Documents,
    /// `GET documents/:document`
    Document { document: Segment<'a> },
    /// `DELETE documents/:document`
    DeleteDocument { document: Segment<'a> },
    /// `GET documents/:document/deltas?from=&to=&limit=`
    Deltas { document: Segment<'a> },
    /// `GET documents/:document/summaries?from_sequence_number=&limit=&start=`
    Summaries { document: Segment<'a> },
    /// `GET refs?from=&limit=`
    Refs,
    /// `GET git/blobs/:id?document=&encoding=`
    Blob { id: Segment<'a> },
    /// `GET git/trees/:id?document=&recursive=`
    Tree { id: Segment<'a> },
    /// `GET git/commits/:id?document=`
    Commit { id: Segment<'a> },
}

impl StorageRoute<'_> {
    /// The document in the path.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Document { document }
            | Self::DeleteDocument { document }
            | Self::Deltas { document }
            | Self::Summaries { document } => Some(document),
            Self::Documents
            | Self::Refs
            | Self::Blob { .. }
            | Self::Tree { .. }
            | Self::Commit { .. } => None,
        }
    }
}

type Found<'a> = Option<super::Route<'a>>;

/// What stands below `/api`. `None` is not found.
pub(super) fn api<'a>(method: Method, rest: &[&'a str]) -> Found<'a> {
    match rest {
        ["auth", rest @ ..] => auth(method, rest),
        ["users", rest @ ..] => users(method, rest),
        ["invites", "accept"] => post(method, || found(ApiRoute::AcceptInvite)),
        ["audit"] => get(method, || found(ApiRoute::Audit)),
        ["metrics"] => get(method, || found(ApiRoute::Metrics)),
        // The original's mount for the admin key; here both know both ways in.
        ["tenants", rest @ ..] | ["admin", "tenants", rest @ ..] => tenants(method, rest),
        _ => None,
    }
}

fn found(route: ApiRoute<'_>) -> Found<'_> {
    Some(super::Route::Api(route))
}

fn auth<'a>(method: Method, rest: &[&'a str]) -> Found<'a> {
    match rest {
        ["config"] => get(method, || found(ApiRoute::AuthConfig)),
        ["register"] => post(method, || found(ApiRoute::Register)),
        ["login"] => post(method, || found(ApiRoute::Login)),
        ["logout"] => post(method, || found(ApiRoute::Logout)),
        ["set-up"] => post(method, || found(ApiRoute::SetUp)),
        ["exchange"] => post(method, || found(ApiRoute::Exchange)),
        ["me"] => get(method, || found(ApiRoute::Me)),
        ["password"] => post(method, || found(ApiRoute::ChangePassword)),
        ["sessions"] => get(method, || found(ApiRoute::MySessions)),
        ["sessions", session] => {
            delete(method, || found(ApiRoute::RevokeMySession { session: id(session)? }))
        }
        _ => None,
    }
}

fn users<'a>(method: Method, rest: &[&'a str]) -> Found<'a> {
    match rest {
        [] => list(method, || found(ApiRoute::Users), || found(ApiRoute::CreateUser)),
        [user] => {
            let user = id(user)?;
            match method {
                Method::Get => found(ApiRoute::User { user }),
                Method::Patch => found(ApiRoute::ChangeUser { user }),
                Method::Delete => found(ApiRoute::DeleteUser { user }),
                Method::Head | Method::Put | Method::Post | Method::Options => {
                    not_allowed("GET, HEAD, PATCH, DELETE")
                }
            }
        }
        [user, "sessions"] => get(method, || found(ApiRoute::UserSessions { user: id(user)? })),
        [user, "sessions", session] => delete(method, || {
            found(ApiRoute::RevokeUserSession { user: id(user)?, session: id(session)? })
        }),
        _ => None,
    }
}

fn tenants<'a>(method: Method, rest: &[&'a str]) -> Found<'a> {
    let Some((tenant, rest)) = rest.split_first() else {
        return list(method, || found(ApiRoute::Tenants), || found(ApiRoute::CreateTenant));
    };
    let tenant = id(tenant)?;
    match rest {
        [] => match method {
            Method::Get => found(ApiRoute::Tenant { tenant }),
            Method::Patch => found(ApiRoute::ChangeTenant { tenant }),
            Method::Delete => found(ApiRoute::DeleteTenant { tenant }),
            Method::Head | Method::Put | Method::Post | Method::Options => {
                not_allowed("GET, HEAD, PATCH, DELETE")
            }
        },
        ["secrets", slot] => {
            post(method, || found(ApiRoute::RotateSecret { tenant, slot: id(slot)? }))
        }
        ["token-mint"] => post(method, || found(ApiRoute::MintToken { tenant })),
        ["revocations"] => post(method, || found(ApiRoute::Revoke { tenant })),
        ["members"] => get(method, || found(ApiRoute::Members { tenant })),
        ["members", user] => {
            let user = id(user)?;
            match method {
                Method::Put => found(ApiRoute::SetMember { tenant, user }),
                Method::Delete => found(ApiRoute::RemoveMember { tenant, user }),
                Method::Get | Method::Head | Method::Patch | Method::Post | Method::Options => {
                    not_allowed("PUT, DELETE")
                }
            }
        }
        ["invites"] => {
            let own = tenant.clone();
            list(
                method,
                || found(ApiRoute::Invites { tenant }),
                || found(ApiRoute::CreateInvite { tenant: own }),
            )
        }
        ["invites", invite] => {
            delete(method, || found(ApiRoute::RevokeInvite { tenant, invite: id(invite)? }))
        }
        ["api-keys"] => {
            let own = tenant.clone();
            list(
                method,
                || found(ApiRoute::ApiKeys { tenant }),
                || found(ApiRoute::CreateApiKey { tenant: own }),
            )
        }
        ["api-keys", key] => {
            delete(method, || found(ApiRoute::RevokeApiKey { tenant, key: id(key)? }))
        }
        rest => storage(method, tenant, rest),
    }
}

fn storage<'a>(method: Method, tenant: Segment<'a>, rest: &[&'a str]) -> Found<'a> {
    if let ["documents", document] = rest
        && method == Method::Delete
    {
        let asked = StorageRoute::DeleteDocument { document: id(document)? };
        return found(ApiRoute::Storage { tenant, asked });
    }
    let asked = match rest {
        ["documents"] => StorageRoute::Documents,
        ["documents", document] => StorageRoute::Document { document: id(document)? },
        ["documents", document, "deltas"] => StorageRoute::Deltas { document: id(document)? },
        ["documents", document, "summaries"] => StorageRoute::Summaries { document: id(document)? },
        ["refs"] => StorageRoute::Refs,
        ["git", "blobs", object] => StorageRoute::Blob { id: id(object)? },
        ["git", "trees", object] => StorageRoute::Tree { id: id(object)? },
        ["git", "commits", object] => StorageRoute::Commit { id: id(object)? },
        _ => return None,
    };
    match (method, &asked) {
        (Method::Get, _) => found(ApiRoute::Storage { tenant, asked }),
        (_, StorageRoute::Document { .. }) => not_allowed("GET, HEAD, DELETE"),
        _ => not_allowed("GET, HEAD"),
    }
}

fn list<'a>(
    method: Method,
    read: impl FnOnce() -> Found<'a>,
    make: impl FnOnce() -> Found<'a>,
) -> Found<'a> {
    match method {
        Method::Get => read(),
        Method::Post => make(),
        Method::Head | Method::Put | Method::Patch | Method::Delete | Method::Options => {
            not_allowed("GET, HEAD, POST")
        }
    }
}

fn delete<'a>(method: Method, found: impl FnOnce() -> Found<'a>) -> Found<'a> {
    if method == Method::Delete { found() } else { not_allowed("DELETE") }
}
