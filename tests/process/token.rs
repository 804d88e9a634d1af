//! Tokens of the tenants that `--dev` knows.

use levee_core::auth::sign;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const TENANT: &str = "fluid";
pub(crate) const KEY: &[u8] = b"dev-tenant-secret-key";

pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// Claims that open everything of one document for an hour.
pub(crate) fn claims(document: &str) -> serde_json::Value {
    let now = now_unix_s();
    serde_json::json!({
        "documentId": document,
        "tenantId": TENANT,
        "scopes": ["doc:read", "doc:write", "summary:write"],
        "user": {"id": "u1", "name": "U"},
        "iat": now,
        "exp": now + 3600,
        "ver": "1.0",
    })
}

/// A good token.
pub(crate) fn of(document: &str) -> String {
    sign(&claims(document).to_string(), KEY)
}

/// A good token that opens a document for as long as is said.
pub(crate) fn expiring(document: &str, seconds: u64) -> String {
    let mut claims = claims(document);
    claims["exp"] = (now_unix_s() + seconds).into();
    sign(&claims.to_string(), KEY)
}
