//! Why a token is refused, and how each wire says it.
//!
//! To both kinds of client 401 means "fetch a new token and try once more" and 403 "this will not
//! work", so the status matters more than the text.

use std::borrow::Cow;

use super::{Scope, Scopes};

/// Why a request or connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// No token.
    #[error("no token")]
    Missing,
    /// An `Authorization` header that is none of the forms of either wire.
    #[error("unknown form of authorization")]
    BadScheme,
    /// Not three canonical base64url parts of JSON, or too long.
    #[error("malformed token")]
    Malformed,
    /// Another algorithm than HS256, or an extension that would have to be understood.
    #[error("token algorithm is not HS256")]
    BadAlgorithm,
    /// Signed with none of the tenant's keys.
    #[error("bad token signature")]
    BadSignature,
    /// No `exp`.
    #[error("token never expires")]
    MissingExpiry,
    /// `exp` has been reached.
    #[error("token has expired")]
    Expired,
    /// `nbf` has not been reached.
    #[error("token is not valid yet")]
    NotYetValid,
    /// Taken back before it expired.
    #[error("token has been revoked")]
    Revoked,
    /// A claim that is missing, doubled, or of the wrong type.
    #[error("bad token claims")]
    BadClaims,
    /// No tenant has this id.
    #[error("unknown tenant")]
    UnknownTenant,
    /// For another tenant.
    #[error("token is for another tenant")]
    WrongTenant,
    /// For another document.
    #[error("token is for another document")]
    WrongDocument,
    /// These scopes would be needed too.
    #[error("token lacks scopes")]
    MissingScopes(Scopes),
}

/// How a wire refuses: a status (HTTP's, or `code` of a `connect_document_error`) and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// 401, 403 or 500.
    pub status: u16,
    /// For people; some clients look for words in it.
    pub text: Cow<'static, str>,
}

const fn rejection(status: u16, text: &'static str) -> Rejection {
    Rejection { status, text: Cow::Borrowed(text) }
}

impl TokenFault {
    /// Levee's REST, body `{"error":text}`.
    pub fn levee_rest(self) -> Rejection {
        match self {
            Self::Missing => rejection(401, "Missing Authorization header"),
            Self::BadScheme => {
                rejection(401, "Invalid Authorization header format. Expected: Bearer <token>")
            }
            Self::UnknownTenant => rejection(401, "Unknown tenant"),
            Self::BadSignature | Self::BadAlgorithm => rejection(401, "Invalid token signature"),
            Self::Malformed => rejection(401, "Invalid token format"),
            Self::Expired | Self::MissingExpiry => rejection(401, "Token has expired"),
            Self::NotYetValid => rejection(401, "Token is not valid yet"),
            Self::Revoked => rejection(401, "Token has been revoked"),
            Self::WrongTenant => rejection(403, "Token not valid for this tenant"),
            Self::WrongDocument => rejection(403, "Token not valid for this document"),
            Self::MissingScopes(missing) => {
                let names: Vec<&str> = missing.iter().map(Scope::as_str).collect();
                let text = format!("Missing required scopes: {}", names.join(", "));
                Rejection { status: 403, text: Cow::Owned(text) }
            }
            Self::BadClaims => rejection(500, "Authentication error"),
        }
    }

    /// Levee's `connect_document_error`.
    pub fn levee_socket(self) -> Rejection {
        match self {
            Self::Missing | Self::BadScheme => rejection(401, "Missing authentication token"),
            Self::Malformed => rejection(401, "Invalid token: malformed"),
            Self::BadClaims => rejection(401, "Invalid token: bad claims"),
            Self::MissingScopes(missing) if missing.contains(Scope::DocRead) => {
                rejection(403, "Token missing required scope: doc:read")
            }
            Self::MissingScopes(_) => rejection(403, "Write mode requires doc:write scope"),
            Self::UnknownTenant
            | Self::BadSignature
            | Self::BadAlgorithm
            | Self::Expired
            | Self::MissingExpiry
            | Self::NotYetValid
            | Self::Revoked
            | Self::WrongTenant
            | Self::WrongDocument => self.levee_rest(),
        }
    }

    /// Fluid's `connect_document_error`.
    pub fn fluid_socket(self) -> Rejection {
        match self {
            Self::Missing => rejection(403, "Must provide an authorization token"),
            Self::BadScheme
            | Self::Malformed
            | Self::BadAlgorithm
            | Self::BadSignature
            | Self::MissingExpiry
            | Self::Expired
            | Self::NotYetValid
            | Self::BadClaims
            | Self::UnknownTenant => rejection(401, "Invalid token"),
            Self::WrongTenant | Self::WrongDocument => rejection(
                403,
                "DocumentId and/or TenantId in token claims do not match requested resource",
            ),
            Self::MissingScopes(_) => rejection(403, "Missing scopes in token claims"),
            Self::Revoked => rejection(403, "Token has been revoked"),
        }
    }

    /// Fluid's REST: statuses and texts are those of its socket, but that no token at all asks for
    /// one.
    pub fn fluid_rest(self) -> Rejection {
        match self {
            Self::Missing => rejection(401, "Must provide an authorization token"),
            other => other.fluid_socket(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_in_every_wire() {
        use TokenFault::*;
        let both = Scopes::of(&[Scope::DocRead, Scope::SummaryWrite]);
        let write = Scopes::of(&[Scope::DocWrite]);
        let form = "Invalid Authorization header format. Expected: Bearer <token>";
        let other = "DocumentId and/or TenantId in token claims do not match requested resource";
        let missing = "Missing authentication token";
        let provide = "Must provide an authorization token";
        let signature = (401, "Invalid token signature");
        let expired = (401, "Token has expired");
        let early = (401, "Token is not valid yet");
        let unknown = (401, "Unknown tenant");
        let revoked = (401, "Token has been revoked");
        let tenant = (403, "Token not valid for this tenant");
        let document = (403, "Token not valid for this document");
        let invalid = (401, "Invalid token");
        let format = (401, "Invalid token format");
        let scopes = (403, "Missing scopes in token claims");
        let both_scopes = (403, "Missing required scopes: doc:read, summary:write");
        let write_scope = (403, "Missing required scopes: doc:write");
        for (fault, rest, socket, fluid) in [
            (Missing, (401, "Missing Authorization header"), (401, missing), (403, provide)),
            (BadScheme, (401, form), (401, missing), invalid),
            (Malformed, format, (401, "Invalid token: malformed"), invalid),
            (BadAlgorithm, signature, signature, invalid),
            (BadSignature, signature, signature, invalid),
            (MissingExpiry, expired, expired, invalid),
            (Expired, expired, expired, invalid),
            (NotYetValid, early, early, invalid),
            (Revoked, revoked, revoked, (403, "Token has been revoked")),
            (BadClaims, (500, "Authentication error"), (401, "Invalid token: bad claims"), invalid),
            (UnknownTenant, unknown, unknown, invalid),
            (WrongTenant, tenant, tenant, (403, other)),
            (WrongDocument, document, document, (403, other)),
            (
                MissingScopes(both),
                both_scopes,
                (403, "Token missing required scope: doc:read"),
                scopes,
            ),
            (
                MissingScopes(write),
                write_scope,
                (403, "Write mode requires doc:write scope"),
                scopes,
            ),
        ] {
            for (said, (status, text)) in [
                (fault.levee_rest(), rest),
                (fault.levee_socket(), socket),
                (fault.fluid_socket(), fluid),
                (fault.fluid_rest(), if fault == Missing { (401, provide) } else { fluid }),
            ] {
                assert_eq!((said.status, &*said.text), (status, text), "{fault:?}");
            }
        }
    }
}
