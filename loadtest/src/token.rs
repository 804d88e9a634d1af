//! Document tokens: HS256 with the claims that Fluid services expect.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lifetime of a token, longer than any run may last.
const LIFETIME_S: u64 = 4 * 3600;

/// Signs tokens of one tenant.
pub struct Signer {
    tenant: String,
    key: hmac::Key,
}

impl Signer {
    /// A signer for `tenant` with its shared secret.
    #[must_use]
    pub fn new(tenant: &str, secret: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self { tenant: tenant.to_owned(), key }
    }

    /// The tenant whose tokens these are.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A token for one user of one document; an empty document id is what a create call carries.
    #[must_use]
    pub fn token(&self, document: &str, user: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = json!({
            "documentId": document,
            "scopes": ["doc:read", "doc:write", "summary:write"],
            "tenantId": self.tenant,
            "user": {"id": user, "name": user},
            "iat": now,
            "exp": now + LIFETIME_S,
            "ver": "1.0",
            "jti": format!("{document}-{user}"),
        });
        let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature.as_ref()));
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_verifies_with_its_key_only() {
        let token = Signer::new("t", "secret").token("d", "u");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verify = |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
        };
        assert!(verify(b"secret"));
        assert!(!verify(b"other"));
    }
}
