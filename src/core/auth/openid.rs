//! Identity tokens of OpenID Connect: RS256 and ES256, checked against the issuer's published keys.
//!
//! These tokens sign people in and nothing else; document tokens are HS256, see [`super::verify`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Longest identity token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// The issuer's clock and ours may differ by this much.
const SKEW_S: i64 = 60;
/// Keys of an issuer that are looked at.
const KEYS_MAX: usize = 100;

/// Why an identity token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    #[error("malformed identity token")]
    Malformed,
    #[error("the identity token's algorithm is neither RS256 nor ES256")]
    BadAlgorithm,
    #[error("the issuer publishes no key that signed the identity token")]
    UnknownKey,
    #[error("bad signature of the identity token")]
    BadSignature,
    #[error("the identity token is of another issuer")]
    WrongIssuer,
    #[error("the identity token is for another client")]
    WrongAudience,
    #[error("the identity token has expired")]
    Expired,
    #[error("the identity token belongs to another login")]
    WrongNonce,
}

/// The keys that an issuer publishes (`jwks_uri`).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct KeySet {
    keys: Vec<PublishedKey>,
}

#[derive(Debug, Clone, Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

/// What an identity token must be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    /// Our id at the issuer.
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now_unix_s: i64,
}

/// Whom an identity token vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdClaims {
    pub subject: String,
    pub email: String,
    /// The issuer has seen that the address is theirs.
    pub email_verified: bool,
    pub name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that would have to be understood.
    #[serde(default)]
    crit: Option<Value>,
}

/// Checks form, signature, issuer, audience, time and nonce, in this order.
pub fn verify_id_token(
    token: &str,
    keys: &KeySet,
    expected: Expected<'_>,
) -> Result<IdClaims, IdTokenFault> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(IdTokenFault::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(IdTokenFault::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(IdTokenFault::Malformed)?;
    let header: Header = read(header)?;
    let algorithm = match header.alg.as_str() {
        "RS256" => Algorithm::Rs256,
        "ES256" => Algorithm::Es256,
        _ => return Err(IdTokenFault::BadAlgorithm),
    };
    if header.crit.is_some() {
        return Err(IdTokenFault::BadAlgorithm);
    }
    keys.check(algorithm, header.kid.as_deref(), signed.as_bytes(), &decode(signature)?)?;
    read_claims(&read(claims)?, expected)
}

impl KeySet {
    fn check(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), IdTokenFault> {
        let fits = |key: &&PublishedKey| {
            let named = kid.is_none() || key.kid.as_deref() == kid;
            named && key.signs() && key.algorithm() == Some(algorithm)
        };
        let mut fault = IdTokenFault::UnknownKey;
        for key in self.keys.iter().take(KEYS_MAX).filter(fits) {
            match key.verify(algorithm, signed, signature) {
                Ok(()) => return Ok(()),
                Err(IdTokenFault::Malformed) => {}
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }
}

impl PublishedKey {
    fn signs(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
    }

    /// What the key is made for: its kind decides, so that no token talks it into another use.
    fn algorithm(&self) -> Option<Algorithm> {
        let named = self.alg.as_deref();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) if named.is_none_or(|alg| alg == "RS256") => Some(Algorithm::Rs256),
            ("EC", Some("P-256")) if named.is_none_or(|alg| alg == "ES256") => {
                Some(Algorithm::Es256)
            }
            _ => None,
        }
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), IdTokenFault> {
        let outcome = match algorithm {
            Algorithm::Rs256 => {
                let key = RsaPublicKeyComponents { n: decode(&self.n)?, e: decode(&self.e)? };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Algorithm::Es256 => {
                // An uncompressed point.
                let point = [&[4], &decode(&self.x)?[..], &decode(&self.y)?[..]].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
        };
        outcome.map_err(|_| IdTokenFault::BadSignature)
    }
}

fn read_claims(claims: &Value, expected: Expected<'_>) -> Result<IdClaims, IdTokenFault> {
    if claims["iss"] != expected.issuer {
        return Err(IdTokenFault::WrongIssuer);
    }
    let is_ours = match &claims["aud"] {
        Value::String(audience) => audience == expected.client_id,
        Value::Array(audiences) => {
            // Of several, the one who asked for it is named.
            let one = audiences.len() == 1 || claims["azp"] == expected.client_id;
            one && audiences.iter().any(|audience| audience == expected.client_id)
        }
        _ => false,
    };
    if !is_ours {
        return Err(IdTokenFault::WrongAudience);
    }
    let expires_s = claims["exp"].as_i64().ok_or(IdTokenFault::Malformed)?;
    if expires_s.saturating_add(SKEW_S) <= expected.now_unix_s {
        return Err(IdTokenFault::Expired);
    }
    if claims["nonce"] != expected.nonce {
        return Err(IdTokenFault::WrongNonce);
    }
    let text = |name: &str| claims[name].as_str().unwrap_or("").to_owned();
    let subject = text("sub");
    if subject.is_empty() {
        return Err(IdTokenFault::Malformed);
    }
    let email_verified = claims["email_verified"] == true || claims["email_verified"] == "true";
    Ok(IdClaims { subject, email: text("email"), email_verified, name: text("name") })
}

fn decode(part: &str) -> Result<Vec<u8>, IdTokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| IdTokenFault::Malformed)
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, IdTokenFault> {
    serde_json::from_slice(&decode(part)?).map_err(|_| IdTokenFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    };
    use serde_json::json;

    const NOW_S: i64 = 1_700_000_000;

    struct Issuer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
            Self { pair, random }
        }

        fn keys(&self, kid: &str) -> KeySet {
            let point = self.pair.public_key().as_ref();
            let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            let key = json!({
                "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                "x": part(1..33), "y": part(33..65),
            });
            serde_json::from_value(json!({ "keys": [{ "kty": "oct" }, key] })).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "levee", "exp": NOW_S + 300, "nonce": "n",
            "sub": "42", "email": "ann@example.org", "email_verified": true, "name": "Ann",
        })
    }

    fn check(token: &str, keys: &KeySet) -> Result<IdClaims, IdTokenFault> {
        let (issuer, client_id) = ("https://id.example", "levee");
        let expected = Expected { issuer, client_id, nonce: "n", now_unix_s: NOW_S };
        verify_id_token(token, keys, expected)
    }

    #[test]
    fn a_good_token_says_who_it_is_and_every_bad_one_why_not() {
        let issuer = Issuer::new();
        let keys = issuer.keys("k");
        let header = json!({ "alg": "ES256", "kid": "k" });
        let good = check(&issuer.sign(&header, &claims()), &keys).unwrap();
        assert_eq!((good.subject.as_str(), good.email_verified), ("42", true));
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            check(&issuer.sign(&header, &claims), &keys).map(|_| ())
        };
        assert_eq!(with("iss", json!("https://evil")), Err(IdTokenFault::WrongIssuer));
        assert_eq!(with("aud", json!("other")), Err(IdTokenFault::WrongAudience));
        assert_eq!(with("aud", json!(["levee"])), Ok(()));
        assert_eq!(with("aud", json!(["levee", "other"])), Err(IdTokenFault::WrongAudience));
        assert_eq!(with("exp", json!(NOW_S - 61)), Err(IdTokenFault::Expired));
        assert_eq!(with("exp", json!("soon")), Err(IdTokenFault::Malformed));
        assert_eq!(with("exp", json!(i64::MAX)), Ok(()), "no clock overflows");
        assert_eq!(with("nonce", json!("m")), Err(IdTokenFault::WrongNonce));
        assert_eq!(with("sub", json!("")), Err(IdTokenFault::Malformed));
    }

    #[test]
    fn keys_and_algorithms_are_not_the_tokens_choice() {
        let (issuer, thief) = (Issuer::new(), Issuer::new());
        let keys = issuer.keys("k");
        let sign = |by: &Issuer, header: Value| check(&by.sign(&header, &claims()), &keys);
        let fault = |by: &Issuer, header: Value| sign(by, header).unwrap_err();
        let es256 = json!({ "alg": "ES256", "kid": "k" });
        assert_eq!(fault(&thief, es256), IdTokenFault::BadSignature);
        let other = json!({ "alg": "ES256", "kid": "other" });
        assert_eq!(fault(&issuer, other), IdTokenFault::UnknownKey);
        assert!(sign(&issuer, json!({ "alg": "ES256" })).is_ok(), "no kid: any key of the kind");
        for alg in ["none", "HS256", "RS512", "es256", ""] {
            assert_eq!(fault(&issuer, json!({ "alg": alg })), IdTokenFault::BadAlgorithm, "{alg}");
        }
        // A key of one kind checks nothing of the other.
        assert_eq!(fault(&issuer, json!({ "alg": "RS256" })), IdTokenFault::UnknownKey);
        let crit = json!({ "alg": "ES256", "crit": ["b64"] });
        assert_eq!(fault(&issuer, crit), IdTokenFault::BadAlgorithm);
        for token in ["", "a", "a.b", "a.b.c", "..", "e30.e30.e30"] {
            assert_eq!(check(token, &keys), Err(IdTokenFault::Malformed), "{token}");
        }
    }

    #[test]
    fn rs256_is_checked_against_the_published_modulus() {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("../../../tests/support/rs256.pk8"));
        let pair = pair.unwrap();
        let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let sign = |header: &Value| {
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(header), encode(&claims()));
            let mut signature = vec![0; pair.public().modulus_len()];
            let random = SystemRandom::new();
            pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        };
        let published = |changes: Value| -> KeySet {
            let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let mut key = json!({
                "kty": "RSA", "kid": "r", "n": encode(&parts.n), "e": encode(&parts.e),
            });
            for (name, value) in changes.as_object().unwrap() {
                key[name] = value.clone();
            }
            serde_json::from_value(json!({ "keys": [key] })).unwrap()
        };
        let token = sign(&json!({ "alg": "RS256", "kid": "r" }));
        let with = |changes: Value| check(&token, &published(changes)).map(|claims| claims.subject);
        assert_eq!(with(json!({})).as_deref(), Ok("42"));
        assert_eq!(with(json!({ "use": "sig", "alg": "RS256" })).as_deref(), Ok("42"));
        let mut other = parts.n.clone();
        other[100] ^= 1;
        let other = URL_SAFE_NO_PAD.encode(other);
        assert_eq!(with(json!({ "n": other })), Err(IdTokenFault::BadSignature));
        assert_eq!(with(json!({ "n": "" })), Err(IdTokenFault::BadSignature));
        for strange in [json!({ "use": "enc" }), json!({ "alg": "RS512" }), json!({ "kid": "s" })] {
            assert_eq!(with(strange), Err(IdTokenFault::UnknownKey));
        }
        // Cut or swapped, nothing is left of it.
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let keys = published(json!({}));
        let cut = format!("{rest}.{}", &signature[4..]);
        assert_eq!(check(&cut, &keys), Err(IdTokenFault::BadSignature));
        assert_eq!(check(&format!("{rest}."), &keys), Err(IdTokenFault::BadSignature));
        // What an RSA key signed is no ES256, whatever its header says.
        let disguised = sign(&json!({ "alg": "ES256", "kid": "r" }));
        assert_eq!(check(&disguised, &keys), Err(IdTokenFault::UnknownKey));
    }
}
