//! Tenants, their keys, and the forms in which a token comes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::jwt::sign_with;
use super::{Claims, TOKEN_BYTES_MAX, TokenFault, sign, verify};
use crate::wire::http::Authorization;

/// Some clients leave out the padding of `Basic`.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// A token and a tenant id in base64.
const BASIC_BYTES_MAX: usize = 2 * TOKEN_BYTES_MAX;

/// Why keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringFault {
    /// Anybody can sign with an empty key.
    #[error("a tenant's key is empty")]
    EmptyKey,
}

/// How a tenant's tokens are checked.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // one per tenant, and the large one is the usual one
pub enum TenantKeys {
    /// HS256 with one of two keys: the second lets one be replaced while tokens of the other live.
    Signed {
        /// Tried first.
        first: hmac::Key,
        /// Tried when the first does not fit.
        second: Option<hmac::Key>,
    },
    /// Not at all: the development tenant of clients that sign with keys of their own making.
    Unverified,
}

impl TenantKeys {
    /// From the shared secrets, whose text is the key.
    pub fn new(first: &str, second: Option<&str>) -> Result<Self, KeyringFault> {
        let key = |secret: &str| match secret.is_empty() {
            true => Err(KeyringFault::EmptyKey),
            false => Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
        };
        Ok(Self::Signed { first: key(first)?, second: second.map(key).transpose()? })
    }
}

/// One tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// As in paths and tokens.
    pub id: String,
    /// For people.
    pub name: String,
    /// Checks its tokens.
    pub keys: TenantKeys,
    /// What it may use.
    pub limits: TenantLimits,
    /// Its tokens that are good no more.
    pub revoked: Revoked,
}

impl Tenant {
    /// Without limits, and nothing revoked.
    pub fn new(id: &str, name: &str, keys: TenantKeys) -> Self {
        let (limits, revoked) = (TenantLimits::default(), Revoked::default());
        Self { id: id.to_string(), name: name.to_string(), keys, limits, revoked }
    }
}

/// What a tenant may use of the service; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantLimits {
    /// Clients connected to its documents at once.
    pub connections: Option<u64>,
    /// Documents it has.
    pub documents: Option<u64>,
    /// Operations that its clients submit in a second, all together.
    pub ops_per_second: Option<u64>,
    /// Bytes of operations and summaries that are stored.
    pub stored_bytes: Option<u64>,
}

/// Tokens that were taken back before they expired. Ids are kept as hashes of 64 bits: whoever
/// makes two of them meet loses a token of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    tokens: BTreeSet<u64>,
    /// By user: tokens issued before this Unix time in seconds.
    users: BTreeMap<u64, i64>,
}

impl Revoked {
    /// Of these tokens (by `jti`), and of these users' tokens issued before a Unix time in seconds.
    pub fn new<'a>(
        tokens: impl Iterator<Item = &'a str>,
        users: impl Iterator<Item = (&'a str, i64)>,
    ) -> Self {
        Self {
            tokens: tokens.map(id_hash).collect(),
            users: users.map(|(user, before_s)| (id_hash(user), before_s)).collect(),
        }
    }

    /// Is this token one of them?
    pub fn includes(&self, pass: &Pass) -> bool {
        let by_user = || self.users.get(&pass.user).is_some_and(|s| pass.issued_at_s < *s);
        self.tokens.contains(&pass.token) || by_user()
    }
}

/// What has to be remembered of a token so that it is known again when it is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    token: u64,
    user: u64,
    /// One that does not say when it was issued is taken for old.
    issued_at_s: i64,
}

impl From<&Claims> for Pass {
    fn from(claims: &Claims) -> Self {
        Self {
            token: claims.token_id().map_or(0, id_hash),
            user: claims.user_id().map_or(0, |user| id_hash(&user)),
            issued_at_s: claims.issued_at_s.unwrap_or(i64::MIN),
        }
    }
}

/// Never 0, which stands for "has none".
fn id_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes()).max(1)
}

/// All tenants. Never changed: a new one replaces it, behind an `Arc`, when a tenant changes.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    tenants: BTreeMap<String, Tenant>,
}

impl Keyring {
    /// Of these tenants; the last of an id counts.
    pub fn new(tenants: impl IntoIterator<Item = Tenant>) -> Self {
        let by_id = |tenant: Tenant| (tenant.id.clone(), tenant);
        Self { tenants: tenants.into_iter().map(by_id).collect() }
    }

    /// The tenant of this id.
    pub fn tenant(&self, id: &str) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// All of them, by id.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// Checks a token for a tenant. The caller then asks [`Claims::permit`], which also finds a
    /// token whose claims name another tenant than the one whose key signed it.
    pub fn verify(&self, tenant: &str, token: &str, now_unix_s: i64) -> Result<Claims, TokenFault> {
        if token.is_empty() {
            return Err(TokenFault::Missing);
        }
        let tenant = self.tenant(tenant).ok_or(TokenFault::UnknownTenant)?;
        let claims = verify(token, &tenant.keys, now_unix_s)?;
        if tenant.revoked.includes(&Pass::from(&claims)) {
            Err(TokenFault::Revoked)
        } else {
            Ok(claims)
        }
    }

    /// Would a token that was verified before still be let in? Asked for open sockets. A secret
    /// that was replaced meanwhile does not matter to them.
    pub fn still_holds(&self, tenant: &str, pass: &Pass) -> bool {
        self.tenant(tenant).is_some_and(|tenant| !tenant.revoked.includes(pass))
    }

    /// Signs claims (a JSON object) with a tenant's first key; `None` if there is no such tenant.
    pub fn sign(&self, tenant: &str, claims_json: &str) -> Option<String> {
        match &self.tenant(tenant)?.keys {
            TenantKeys::Signed { first, .. } => Some(sign_with(claims_json, first)),
            // Nobody will look at the signature.
            TenantKeys::Unverified => Some(sign(claims_json, b"unverified")),
        }
    }
}

/// A token as an `Authorization` header carries it. The scheme also tells which wire's rules a REST
/// call follows where both use one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// `Bearer <jwt>`: Levee's.
    Bearer(&'a str),
    /// Fluid's: `Basic <jwt>` to the orderer, `Basic base64(<tenant>:<jwt>)` to the storage.
    Basic {
        /// The tenant of the second form.
        tenant: Option<String>,
        /// The token.
        jwt: Cow<'a, str>,
    },
}

impl<'a> Credentials<'a> {
    /// Reads the header; the schemes' case matters, as it did to the original.
    pub fn parse(authorization: Authorization<'a>) -> Result<Self, TokenFault> {
        let value = match authorization {
            Authorization::None => return Err(TokenFault::Missing),
            Authorization::Many => return Err(TokenFault::BadScheme),
            Authorization::One(value) => value,
        };
        match value.split_once(' ') {
            Some(("Bearer", jwt)) => Ok(Self::Bearer(jwt.trim_ascii())),
            Some(("Basic", credentials)) => Self::basic(credentials.trim_ascii()),
            Some(_) | None => Err(TokenFault::BadScheme),
        }
    }

    /// The token.
    pub fn jwt(&self) -> &str {
        match self {
            Self::Bearer(jwt) => jwt,
            Self::Basic { jwt, .. } => jwt,
        }
    }

    /// A token has dots, which base64 has not.
    fn basic(credentials: &'a str) -> Result<Self, TokenFault> {
        if credentials.contains('.') {
            return Ok(Self::Basic { tenant: None, jwt: Cow::Borrowed(credentials) });
        }
        if credentials.len() > BASIC_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let bytes = BASIC.decode(credentials).map_err(|_| TokenFault::Malformed)?;
        let pair = String::from_utf8(bytes).map_err(|_| TokenFault::Malformed)?;
        // A token has no colon, so the last one is the separator.
        let (tenant, jwt) = pair.rsplit_once(':').ok_or(TokenFault::Malformed)?;
        Ok(Self::Basic { tenant: Some(tenant.to_string()), jwt: Cow::Owned(jwt.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Scopes;

    const CLAIMS: &str = r#"{"documentId":"d","tenantId":"a","scopes":[],"exp":100}"#;

    fn keyring() -> Keyring {
        let tenant = |id: &str, keys| Tenant::new(id, "", keys);
        Keyring::new([
            tenant("a", TenantKeys::new("key-a", None).unwrap()),
            tenant("b", TenantKeys::new("key-b", Some("old-b")).unwrap()),
            tenant("local", TenantKeys::Unverified),
        ])
    }

    #[test]
    fn tokens_are_checked_with_their_tenants_keys() {
        let keyring = keyring();
        let check = |tenant, key: &str| keyring.verify(tenant, &sign(CLAIMS, key.as_bytes()), 0);
        assert!(check("a", "key-a").is_ok());
        assert_eq!(check("a", "key-b"), Err(TokenFault::BadSignature));
        assert_eq!(check("nobody", "key-a"), Err(TokenFault::UnknownTenant));
        assert_eq!(keyring.verify("a", "", 0), Err(TokenFault::Missing));
        assert!(check("local", "whatever").is_ok());
        // Signed with a tenant's own key, but claiming to be another's.
        let claims = check("b", "old-b").unwrap();
        let permit = claims.permit("b", Some("d"), Scopes::NONE);
        assert_eq!(permit, Err(TokenFault::WrongTenant));
        for tenant in ["a", "b", "local"] {
            let token = keyring.sign(tenant, CLAIMS).unwrap();
            assert!(keyring.verify(tenant, &token, 0).is_ok());
        }
        assert_eq!(keyring.sign("nobody", CLAIMS), None);
        let ids: Vec<&str> = keyring.tenants().map(|tenant| tenant.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "local"]);
    }

    #[test]
    fn empty_keys_are_refused() {
        assert_eq!(TenantKeys::new("", None).unwrap_err(), KeyringFault::EmptyKey);
        assert_eq!(TenantKeys::new("x", Some("")).unwrap_err(), KeyringFault::EmptyKey);
    }

    #[test]
    fn a_key_is_not_shown() {
        let text = format!("{:?}", keyring());
        assert!(!text.contains("key-a") && !text.contains("old-b"));
    }

    #[test]
    fn forms_of_authorization() {
        let parse = |value| Credentials::parse(Authorization::One(value));
        let basic = |tenant: Option<&str>, jwt: &str| {
            Ok(Credentials::Basic {
                tenant: tenant.map(str::to_string),
                jwt: Cow::Owned(jwt.to_string()),
            })
        };
        assert_eq!(parse("Bearer  a.b.c "), Ok(Credentials::Bearer("a.b.c")));
        assert_eq!(parse("Basic a.b.c"), basic(None, "a.b.c"));
        assert_eq!(parse("Basic dDphLmIuYw=="), basic(Some("t"), "a.b.c"));
        assert_eq!(parse("Basic dDphLmIuYw"), basic(Some("t"), "a.b.c"));
        assert_eq!(parse("Basic dDp4OmEuYi5j"), basic(Some("t:x"), "a.b.c"));
        assert_eq!(parse("Basic dDphLmIuYw").unwrap().jwt(), "a.b.c");
        for value in ["bearer a.b.c", "Bearer", "", "Token a.b.c", "BearerX a"] {
            assert_eq!(parse(value), Err(TokenFault::BadScheme), "{value}");
        }
        let long = format!("Basic {}", "A".repeat(BASIC_BYTES_MAX + 1));
        for value in ["Basic !", "Basic dA==", "Basic ", "Basic /////w==", &long] {
            assert_eq!(parse(value), Err(TokenFault::Malformed), "{value}");
        }
        assert_eq!(Credentials::parse(Authorization::None), Err(TokenFault::Missing));
        assert_eq!(Credentials::parse(Authorization::Many), Err(TokenFault::BadScheme));
    }
}
