//! Document tokens: JSON Web Tokens, HS256 and nothing else.
//!
//! The only header field that is believed is `alg`, and only if it says HS256. Base64 must be
//! canonical and claims may stand once, so that a token has exactly one spelling and one reading.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{Scope, Scopes, TenantKeys, TokenFault};
use crate::wire::json::{Kind, Raw, unescape};

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8192;
/// HMAC-SHA256
const SIGNATURE_BYTES: usize = 32;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    json: Box<str>,
    tenant: Box<str>,
    document: Box<str>,
    token_id: Option<Box<str>>,
    user: Option<Range<u32>>,
    scope_list: Option<Range<u32>>,
    version: Option<Range<u32>>,
    /// The scopes that have a meaning here.
    pub scopes: Scopes,
    /// `iat`, Unix time in seconds.
    pub issued_at_s: Option<i64>,
    /// `exp`, Unix time in seconds: from this second on the token is expired.
    pub expires_at_s: i64,
}

impl Claims {
    /// The whole claims object as it was signed; Socket.IO clients get it back.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `tenantId`
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// `documentId`; empty in a token for creating one.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// `jti`, by which a token can be revoked.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// `user`: a JSON object, as it was signed.
    pub fn user_json(&self) -> Option<&str> {
        self.part(self.user.as_ref())
    }

    /// `user.id`, where it is a text.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        Raw::parse(self.user_json()?.as_bytes()).ok()?.field("id")?.as_str()
    }

    /// `scopes`: a JSON list, as it was signed, unknown ones included.
    pub fn scopes_json(&self) -> Option<&str> {
        self.part(self.scope_list.as_ref())
    }

    /// `ver`: any JSON value, as it was signed.
    pub fn version_json(&self) -> Option<&str> {
        self.part(self.version.as_ref())
    }

    /// Has `exp` been reached?
    pub fn is_expired(&self, now_unix_s: i64) -> bool {
        self.expires_at_s <= now_unix_s
    }

    /// Are these claims good for this tenant, this document (if it has an id yet) and these
    /// scopes? In the order in which both wires check.
    pub fn permit(
        &self,
        tenant: &str,
        document: Option<&str>,
        required: Scopes,
    ) -> Result<(), TokenFault> {
        if self.tenant() != tenant {
            return Err(TokenFault::WrongTenant);
        }
        if document.is_some_and(|document| document != self.document()) {
            return Err(TokenFault::WrongDocument);
        }
        let missing = self.scopes.missing_of(required);
        if missing.is_empty() { Ok(()) } else { Err(TokenFault::MissingScopes(missing)) }
    }

    fn part(&self, range: Option<&Range<u32>>) -> Option<&str> {
        range.and_then(|range| self.json.get(range.start as usize..range.end as usize))
    }
}

/// Checks form, algorithm, signature, time and the types of all claims that are read.
pub fn verify(token: &str, keys: &TenantKeys, now_unix_s: i64) -> Result<Claims, TokenFault> {
    let parts = Parts::split(token)?;
    match keys {
        TenantKeys::Signed { first, second } => parts.check_signature(first, second.as_ref())?,
        TenantKeys::Unverified => {}
    }
    read_claims(parts.claims()?, now_unix_s)
}

/// Like [`verify`] without looking at the signature: for the development tenant whose clients
/// sign with keys that nobody knows.
pub fn decode_unverified(token: &str, now_unix_s: i64) -> Result<Claims, TokenFault> {
    verify(token, &TenantKeys::Unverified, now_unix_s)
}

/// The tenant that a token claims to be for, before anything about it is believed.
pub fn peek_tenant(token: &str) -> Option<String> {
    let claims = Parts::split(token).ok()?.claims().ok()?;
    Some(Raw::parse(claims.as_bytes()).ok()?.field("tenantId")?.as_str()?.into_owned())
}

/// Signs claims, which must be a JSON object: for minting tokens, tools and tests.
pub fn sign(claims_json: &str, key: &[u8]) -> String {
    sign_with(claims_json, &hmac::Key::new(hmac::HMAC_SHA256, key))
}

/// [`sign`] with a key that is ready.
pub(super) fn sign_with(claims_json: &str, key: &hmac::Key) -> String {
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims_json, &mut token);
    let signature = hmac::sign(key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// A token whose form and header are right.
struct Parts<'a> {
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, TokenFault> {
        if token.is_empty() {
            return Err(TokenFault::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        check_header(&decode_text(header)?)?;
        let signature = decode(signature)?;
        // An empty part is none; a dot inside the claims is caught when they are decoded.
        if claims.is_empty() || signature.is_empty() || claims.contains('.') {
            return Err(TokenFault::Malformed);
        }
        Ok(Self { signed, claims, signature })
    }

    fn check_signature(
        &self,
        first: &hmac::Key,
        second: Option<&hmac::Key>,
    ) -> Result<(), TokenFault> {
        let signed_with = |key| hmac::verify(key, self.signed.as_bytes(), &self.signature).is_ok();
        let is_whole = self.signature.len() == SIGNATURE_BYTES;
        match is_whole && (signed_with(first) || second.is_some_and(signed_with)) {
            true => Ok(()),
            false => Err(TokenFault::BadSignature),
        }
    }

    fn claims(&self) -> Result<String, TokenFault> {
        decode_text(self.claims)
    }
}

/// The engine refuses padding, other alphabets, whitespace and stray trailing bits.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}

fn decode_text(part: &str) -> Result<String, TokenFault> {
    String::from_utf8(decode(part)?).map_err(|_| TokenFault::Malformed)
}

/// `typ`, `kid`, `jku`, `jwk`, `x5u` and the like decide nothing here. `crit` and `b64` would
/// change how the token is to be read, so they are refused.
fn check_header(json: &str) -> Result<(), TokenFault> {
    let header = Raw::parse(json.as_bytes()).map_err(|_| TokenFault::Malformed)?;
    let mut is_hs256 = None;
    for (key, value) in header.object().ok_or(TokenFault::Malformed)? {
        match unescape(key).as_deref() {
            Some("alg") if is_hs256.is_none() => {
                is_hs256 = Some(value.as_str().is_some_and(|name| name == "HS256"));
            }
            Some("alg" | "crit" | "b64") => return Err(TokenFault::BadAlgorithm),
            Some(_) => {}
            None => return Err(TokenFault::Malformed),
        }
    }
    match is_hs256 {
        Some(true) => Ok(()),
        Some(false) | None => Err(TokenFault::BadAlgorithm),
    }
}

/// The values of the claims that are read, each at most once.
#[derive(Default)]
struct Found<'a> {
    tenant: Option<Raw<'a>>,
    document: Option<Raw<'a>>,
    scopes: Option<Raw<'a>>,
    user: Option<Raw<'a>>,
    expires_at: Option<Raw<'a>>,
    not_before: Option<Raw<'a>>,
    issued_at: Option<Raw<'a>>,
    version: Option<Raw<'a>>,
    token_id: Option<Raw<'a>>,
}

impl<'a> Found<'a> {
    fn in_object(claims: Raw<'a>) -> Result<Self, TokenFault> {
        let mut found = Self::default();
        for (key, value) in claims.object().ok_or(TokenFault::Malformed)? {
            let slot = match unescape(key).as_deref() {
                Some("tenantId") => &mut found.tenant,
                Some("documentId") => &mut found.document,
                Some("scopes") => &mut found.scopes,
                Some("user") => &mut found.user,
                Some("exp") => &mut found.expires_at,
                Some("nbf") => &mut found.not_before,
                Some("iat") => &mut found.issued_at,
                Some("ver") => &mut found.version,
                Some("jti") => &mut found.token_id,
                Some(_) => continue,
                None => return Err(TokenFault::Malformed),
            };
            if slot.replace(value).is_some() {
                return Err(TokenFault::BadClaims);
            }
        }
        Ok(found)
    }
}

fn read_claims(json: String, now_unix_s: i64) -> Result<Claims, TokenFault> {
    let root = Raw::parse(json.as_bytes()).map_err(|_| TokenFault::Malformed)?;
    let found = Found::in_object(root)?;
    let expires_at_s = seconds(found.expires_at)?.ok_or(TokenFault::MissingExpiry)?;
    if expires_at_s <= now_unix_s {
        return Err(TokenFault::Expired);
    }
    if seconds(found.not_before)?.is_some_and(|not_before_s| not_before_s > now_unix_s) {
        return Err(TokenFault::NotYetValid);
    }
    if found.user.is_some_and(|user| user.kind() != Kind::Object) {
        return Err(TokenFault::BadClaims);
    }
    let token_id = found.token_id.map(|id| id.as_str().ok_or(TokenFault::BadClaims)).transpose()?;
    let range = |raw: Raw<'_>| {
        // Both lie in `json`, which is shorter than a token.
        let start = raw.bytes().as_ptr().addr() - json.as_ptr().addr();
        start as u32..(start + raw.bytes().len()) as u32
    };
    Ok(Claims {
        tenant: required_text(found.tenant)?.into(),
        document: required_text(found.document)?.into(),
        token_id: token_id.map(Into::into),
        user: found.user.map(range),
        scope_list: found.scopes.map(range),
        version: found.version.map(range),
        scopes: scopes(found.scopes)?,
        issued_at_s: seconds(found.issued_at)?,
        expires_at_s,
        json: json.into_boxed_str(),
    })
}

/// A time that is present must be a whole number.
fn seconds(claim: Option<Raw<'_>>) -> Result<Option<i64>, TokenFault> {
    claim.map(|raw| raw.as_i64().ok_or(TokenFault::BadClaims)).transpose()
}

fn required_text(claim: Option<Raw<'_>>) -> Result<Cow<'_, str>, TokenFault> {
    claim.and_then(Raw::as_str).ok_or(TokenFault::BadClaims)
}

/// Without the claim nothing is granted, which is told apart from a list of the wrong type.
fn scopes(claim: Option<Raw<'_>>) -> Result<Scopes, TokenFault> {
    let Some(claim) = claim else {
        return Ok(Scopes::NONE);
    };
    let mut scopes = Scopes::NONE;
    for item in claim.array().ok_or(TokenFault::BadClaims)? {
        let name = item.as_str().ok_or(TokenFault::BadClaims)?;
        if let Some(scope) = Scope::parse(&name) {
            scopes = scopes.with(scope);
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_000_000;
    const CLAIMS: &str = concat!(
        r#"{"documentId":"d","scopes":["doc:read","doc:write","x:y"],"tenantId":"t","#,
        r#""user":{"name":"N","id":"u"},"iat":1794999000,"exp":1795003600,"ver":"1.0","jti":"j"}"#
    );

    fn check(token: &str) -> Result<Claims, TokenFault> {
        let keys = TenantKeys::new("first-secret", Some("second-secret")).unwrap();
        verify(token, &keys, NOW)
    }

    fn with_claims(claims: &str) -> Result<Claims, TokenFault> {
        check(&sign(claims, b"first-secret"))
    }

    fn with_header(header: &str) -> Result<Claims, TokenFault> {
        let mut token = URL_SAFE_NO_PAD.encode(header) + "." + &URL_SAFE_NO_PAD.encode(CLAIMS);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"first-secret");
        let signature = hmac::sign(&key, token.as_bytes());
        token = token + "." + &URL_SAFE_NO_PAD.encode(signature);
        check(&token)
    }

    #[test]
    fn a_good_token() {
        for key in ["first-secret", "second-secret"] {
            let claims = check(&sign(CLAIMS, key.as_bytes())).unwrap();
            assert_eq!((claims.tenant(), claims.document()), ("t", "d"));
            assert_eq!(claims.json(), CLAIMS);
            assert_eq!(claims.user_json(), Some(r#"{"name":"N","id":"u"}"#));
            assert_eq!(claims.scopes_json(), Some(r#"["doc:read","doc:write","x:y"]"#));
            assert_eq!(claims.version_json(), Some(r#""1.0""#));
            assert_eq!(claims.token_id(), Some("j"));
            assert_eq!(claims.scopes, Scopes::of(&[Scope::DocRead, Scope::DocWrite]));
            assert_eq!(claims.issued_at_s, Some(1_794_999_000));
            assert!(!claims.is_expired(NOW) && claims.is_expired(1_795_003_600));
        }
    }

    #[test]
    fn the_vector_of_rfc_7515() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4\
            MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1\
            p1r_wW1gFWFOEjXk";
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr\
            1Z9CAow";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let first = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let keys = TenantKeys::Signed { first, second: None };
        // The signature is right, the rest is not a document token.
        assert_eq!(verify(token, &keys, NOW), Err(TokenFault::Expired));
        assert_eq!(verify(token, &keys, 0), Err(TokenFault::BadClaims));
        assert_eq!(check(token), Err(TokenFault::BadSignature));
    }

    #[test]
    fn headers_that_attack() {
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":null}"#,
            r#"{"alg":true}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","\u0061lg":"none"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","b64":false}"#,
        ] {
            assert_eq!(with_header(header), Err(TokenFault::BadAlgorithm), "{header}");
        }
        for header in ["", "[]", "null", "\"HS256\"", "{", "{\"alg\":\"HS256\"}x"] {
            assert_eq!(with_header(header), Err(TokenFault::Malformed), "{header}");
        }
        for header in [
            r#"{"alg":"HS256"}"#,
            r#" {"typ":"weird","alg":"HS256"} "#,
            r#"{"alg":"HS256","kid":"../../etc/passwd' OR 1=1"}"#,
            r#"{"alg":"HS256","jku":"http://evil","jwk":{"kty":"oct","k":"AA"},"x5u":"x"}"#,
        ] {
            assert!(with_header(header).is_ok(), "{header}");
        }
    }

    #[test]
    fn forms_that_are_no_token() {
        let good = sign(CLAIMS, b"first-secret");
        let parts: Vec<&str> = good.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!() };
        assert_eq!(check(""), Err(TokenFault::Missing));
        for token in [
            "..".to_string(),
            "a.b.c".to_string(),
            header.to_string(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}."),
            format!("{header}..{signature}"),
            format!(".{claims}.{signature}"),
            format!("{good}.extra.parts"),
            format!("{good}="),
            format!("{good} "),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{header}=.{claims}.{signature}"),
            format!("Bearer {good}"),
            format!("{header}.{claims}.+{}", &signature[1..]),
            "a".repeat(TOKEN_BYTES_MAX + 1),
        ] {
            assert_eq!(check(&token), Err(TokenFault::Malformed), "{token}");
        }
        let long = CLAIMS.replace("\"j\"", &format!("\"{}\"", "j".repeat(TOKEN_BYTES_MAX)));
        assert_eq!(with_claims(&long), Err(TokenFault::Malformed));
    }

    #[test]
    fn signatures() {
        for key in ["", "other", "first-secre", "first-secret "] {
            assert_eq!(check(&sign(CLAIMS, key.as_bytes())), Err(TokenFault::BadSignature));
        }
        let good = sign(CLAIMS, b"first-secret");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for len in 1..32 {
            let cut = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes[..len]));
            assert_eq!(check(&cut), Err(TokenFault::BadSignature), "{len}");
        }
        let longer = URL_SAFE_NO_PAD.encode([&bytes[..], &[0]].concat());
        assert_eq!(check(&format!("{signed}.{longer}")), Err(TokenFault::BadSignature));
        assert!(decode_unverified(&sign(CLAIMS, b"anything"), NOW).is_ok());
    }

    #[test]
    fn every_other_character_anywhere_spoils_a_token() {
        let good = sign(CLAIMS, b"first-secret");
        for at in 0..good.len() {
            for with in ["A", "B", "_", "=", "."] {
                if &good[at..=at] != with {
                    let mut token = good.clone();
                    token.replace_range(at..=at, with);
                    assert!(check(&token).is_err(), "{with} at {at}");
                }
            }
            assert!(check(&good[..at]).is_err());
        }
    }

    #[test]
    fn times() {
        let exp = |value: &str| with_claims(&CLAIMS.replace("1795003600", value));
        for (value, expected) in [
            ("1795000000", TokenFault::Expired),
            ("1794999999", TokenFault::Expired),
            ("0", TokenFault::Expired),
            ("-1", TokenFault::Expired),
            ("\"1795003600\"", TokenFault::BadClaims),
            ("1795003600.5", TokenFault::BadClaims),
            ("1e300", TokenFault::BadClaims),
            ("99999999999999999999", TokenFault::BadClaims),
            ("null", TokenFault::BadClaims),
            ("true", TokenFault::BadClaims),
            ("[1795003600]", TokenFault::BadClaims),
            ("NaN", TokenFault::Malformed),
        ] {
            assert_eq!(exp(value), Err(expected), "{value}");
        }
        assert!(exp("1795000001").is_ok());
        assert!(exp("1795003600.0").is_ok());
        let without = CLAIMS.replace(r#""exp":1795003600,"#, "");
        assert_eq!(with_claims(&without), Err(TokenFault::MissingExpiry));
        let nbf = |value: &str| {
            with_claims(&CLAIMS.replace("\"iat\"", &format!("\"nbf\":{value},\"iat\"")))
        };
        assert!(nbf("1795000000").is_ok());
        assert_eq!(nbf("1795000001"), Err(TokenFault::NotYetValid));
        assert_eq!(nbf("\"0\""), Err(TokenFault::BadClaims));
        let iat = CLAIMS.replace("1794999000", "\"now\"");
        assert_eq!(with_claims(&iat), Err(TokenFault::BadClaims));
    }

    #[test]
    fn claims_of_the_wrong_type() {
        for (from, to) in [
            (r#""documentId":"d""#, r#""documentId":1"#),
            (r#""documentId":"d","#, ""),
            (r#""documentId":"d""#, r#""documentId":null"#),
            (r#""tenantId":"t""#, r#""tenantId":["t"]"#),
            (r#""tenantId":"t""#, r#""tenantId":"t","tenantId":"other""#),
            (r#""tenantId":"t""#, r#""tenantId":"t","tenant\u0049d":"other""#),
            (r#"["doc:read","doc:write","x:y"]"#, r#""doc:read""#),
            (r#"["doc:read","doc:write","x:y"]"#, r#"["doc:read",1]"#),
            (r#"{"name":"N","id":"u"}"#, r#""u""#),
            (r#""jti":"j""#, r#""jti":7"#),
        ] {
            let claims = CLAIMS.replace(from, to);
            assert_ne!(claims, CLAIMS);
            assert_eq!(with_claims(&claims), Err(TokenFault::BadClaims), "{claims}");
        }
        for claims in ["", "[]", "null", "{", "\"x\"", "{}x"] {
            assert_eq!(with_claims(claims), Err(TokenFault::Malformed), "{claims}");
        }
        let none = CLAIMS.replace(r#""scopes":["doc:read","doc:write","x:y"],"#, "");
        assert_eq!(with_claims(&none).unwrap().scopes, Scopes::NONE);
    }

    #[test]
    fn what_claims_permit() {
        let claims = with_claims(CLAIMS).unwrap();
        let read = Scopes::of(&[Scope::DocRead]);
        let summary = Scopes::of(&[Scope::DocRead, Scope::SummaryWrite]);
        assert_eq!(claims.permit("t", Some("d"), read), Ok(()));
        assert_eq!(claims.permit("t", None, read), Ok(()));
        assert_eq!(claims.permit("u", Some("e"), summary), Err(TokenFault::WrongTenant));
        assert_eq!(claims.permit("t", Some("e"), summary), Err(TokenFault::WrongDocument));
        assert_eq!(claims.permit("t", Some(""), read), Err(TokenFault::WrongDocument));
        let missing = TokenFault::MissingScopes(Scopes::of(&[Scope::SummaryWrite]));
        assert_eq!(claims.permit("t", Some("d"), summary), Err(missing));
    }

    #[test]
    fn a_tenant_can_be_seen_before_the_key_is_known() {
        assert_eq!(peek_tenant(&sign(CLAIMS, b"anything")).as_deref(), Some("t"));
        assert_eq!(peek_tenant("a.b.c"), None);
        assert_eq!(peek_tenant(&sign("{}", b"anything")), None);
    }

    proptest! {
        #[test]
        fn arbitrary_tokens_never_pass(
            token in "[A-Za-z0-9_.=-]{0,60}|\\PC{0,30}", claims in "\\PC{0,40}",
        ) {
            prop_assert!(check(&token).is_err());
            prop_assert!(with_claims(&claims).is_err());
            let _ = (with_header(&claims), peek_tenant(&token));
        }
    }
}
