//! Every known attack on a token, at every door: both wires' sockets, both forms of REST.

use crate::client::{Client, Gone, Mode};
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::token::{self, KEY, TENANT};
use crate::wire::{BOTH, Wire};
use crate::witness::Witness;
use crate::{rest, socket::Socket};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};
use std::time::Instant;

const DOCUMENT: &str = "d";
pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn signature(signed: &str, key: &[u8], algorithm: hmac::Algorithm) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes()).as_ref().to_vec()
}

/// A token of any header and claims, signed as HS256.
pub(crate) fn signed(header: &str, claims: &str, key: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signature(&signed, key, hmac::HMAC_SHA256);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) fn claims_with(name: &str, value: Value) -> String {
    let mut claims = token::claims(DOCUMENT);
    claims[name] = value;
    signed(HEADER, &claims.to_string(), KEY)
}

pub(crate) fn claims_without(name: &str) -> String {
    let mut claims = token::claims(DOCUMENT);
    claims.as_object_mut().expect("an object").remove(name);
    signed(HEADER, &claims.to_string(), KEY)
}

/// The good claims with one value written as it stands, whatever JSON says about it.
pub(crate) fn raw_claim(name: &str, value: &str) -> String {
    let mut claims = token::claims(DOCUMENT);
    claims[name] = "@".into();
    let text = claims.to_string().replace("\"@\"", value);
    signed(HEADER, &text, KEY)
}

pub(crate) fn with_header(header: &str) -> String {
    signed(header, &token::claims(DOCUMENT).to_string(), KEY)
}

fn forged() -> Vec<(String, String)> {
    let claims = token::claims(DOCUMENT).to_string();
    let good = signed(HEADER, &claims, KEY);
    let (head, last) = good.rsplit_once('.').expect("three parts");
    let mut attacks: Vec<(String, String)> = Vec::new();
    let mut attack = |what: &str, token: String| attacks.push((what.into(), token));
    for algorithm in ["none", "None", "nOnE", "NONE", ""] {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&claims));
        attack(&format!("alg {algorithm:?}, no signature"), unsigned.clone());
        attack(&format!("alg {algorithm:?}, two parts"), unsigned.trim_end_matches('.').into());
        attack(&format!("alg {algorithm:?}, signed"), with_header(&header));
    }
    for algorithm in ["RS256", "ES256", "EdDSA", "PS256", "hs256", "HS384", "HS512", "HS256 "] {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        attack(&format!("alg {algorithm}"), with_header(&header));
    }
    for (what, header) in [
        ("no alg", r#"{"typ":"JWT"}"#),
        ("alg of another type", r#"{"alg":["HS256"]}"#),
        ("alg twice", r#"{"alg":"HS256","alg":"none"}"#),
        ("alg twice, good last", r#"{"alg":"none","alg":"HS256"}"#),
        ("alg escaped and twice", r#"{"\u0061lg":"none","alg":"HS256"}"#),
        ("crit", r#"{"alg":"HS256","crit":["exp"]}"#),
        ("b64", r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#),
        ("b64 alone", r#"{"alg":"HS256","b64":false}"#),
        ("no object", r#"["HS256"]"#),
        ("no JSON", r#"{"alg":"HS256""#),
        ("more than JSON", r#"{"alg":"HS256"}x"#),
    ] {
        attack(&format!("header: {what}"), with_header(header));
    }
    // What a header says about keys is not looked at: these are signed with the attacker's own.
    for header in [
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(b"mine")}}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:1/keys", "kid": "mine"}),
        json!({"alg": "HS256", "x5u": "http://127.0.0.1:1/cert"}),
        json!({"alg": "HS256", "kid": "../../../../../../dev/null"}),
        json!({"alg": "HS256", "kid": "x' UNION SELECT 'mine' --"}),
        json!({"alg": "HS256", "kid": "k".repeat(4_000)}),
    ] {
        attack(&format!("own key: {header:.60}"), signed(&header.to_string(), &claims, b"mine"));
        attack(&format!("empty key: {header:.60}"), signed(&header.to_string(), &claims, b""));
    }
    attack("empty key", signed(HEADER, &claims, b""));
    attack("another tenant's key", signed(HEADER, &claims, b"12345"));
    attack("the unverified tenant's key", signed(HEADER, &claims, b"unverified"));
    let whole = URL_SAFE_NO_PAD.decode(last).expect("base64url");
    for len in [1, 16, 31] {
        let cut = URL_SAFE_NO_PAD.encode(&whole[..len]);
        attack(&format!("{len} bytes of the signature"), format!("{head}.{cut}"));
    }
    let longer = URL_SAFE_NO_PAD.encode([whole.as_slice(), b"x"].concat());
    attack("a byte more", format!("{head}.{longer}"));
    let mut flipped = whole.clone();
    flipped[31] ^= 1;
    attack("a bit flipped", format!("{head}.{}", URL_SAFE_NO_PAD.encode(&flipped)));
    let by_512 = signature(head, KEY, hmac::HMAC_SHA512);
    attack("HMAC-SHA512", format!("{head}.{}", URL_SAFE_NO_PAD.encode(by_512)));
    attack("padding", format!("{head}.{}", URL_SAFE.encode(&whole)));
    attack("the other alphabet", format!("{head}.{}", STANDARD.encode(&whole)));
    attack("stray last bits", format!("{head}.{}", with_stray_bits(last)));
    attack("trailing dot", format!("{good}."));
    attack("four parts", format!("{good}.x"));
    attack("five parts", format!("{good}.x.y"));
    attack("one part", head.replace('.', ""));
    attack("no parts", "..".into());
    attack("a token in a token", signed(HEADER, &json!(good).to_string(), KEY));
    attack("claims that are a list", signed(HEADER, "[]", KEY));
    attack("claims that are no JSON", signed(HEADER, "{", KEY));
    attack("claims that are not UTF-8", {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode([0xFF]));
        let signature = signature(&signed, KEY, hmac::HMAC_SHA256);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    });
    attack("no header", format!(".{}.{last}", URL_SAFE_NO_PAD.encode(&claims)));
    attack("claims swapped", {
        let other = token::claims("other").to_string();
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        format!("{header}.{}.{last}", URL_SAFE_NO_PAD.encode(other))
    });
    attack("a huge token", claims_with("pad", "x".repeat(9_000).into()));
    attacks
}

/// Properly signed, and still not good.
fn misissued() -> Vec<(String, String)> {
    let now = token::now_unix_s();
    let mut attacks: Vec<(String, String)> = Vec::new();
    let mut attack = |what: &str, token: String| attacks.push((what.into(), token));
    for exp in
        ["1", "0", "-1", "\"9999999999\"", "NaN", "1e400", "null", "true", "[]", "99999999999.5"]
    {
        attack(&format!("exp {exp}"), raw_claim("exp", exp));
    }
    attack("exp reached", claims_with("exp", now.saturating_sub(1).into()));
    attack("nbf not reached", claims_with("nbf", (now + 3_600).into()));
    attack("nbf as text", claims_with("nbf", "0".into()));
    for name in ["exp", "tenantId", "documentId", "scopes"] {
        attack(&format!("no {name}"), claims_without(name));
    }
    attack("another tenant", claims_with("tenantId", "tinylicious".into()));
    attack("an unknown tenant", claims_with("tenantId", "nobody".into()));
    attack("tenant of another type", claims_with("tenantId", json!([TENANT])));
    attack("scopes as text", claims_with("scopes", "doc:read doc:write".into()));
    attack("scopes of another type", claims_with("scopes", json!([["doc:read"]])));
    attack("no scope", claims_with("scopes", json!([])));
    attack("scopes that do not exist", claims_with("scopes", json!(["doc:*", "*", "DOC:READ"])));
    let good = token::claims(DOCUMENT).to_string();
    for (name, value) in [("documentId", "\"other\""), ("tenantId", "\"x\""), ("exp", "1")] {
        let doubled = format!("{{\"{name}\":{value},{}", &good[1..]);
        attack(&format!("{name} twice"), signed(HEADER, &doubled, KEY));
        let after = format!("{},\"{name}\":{value}}}", &good[..good.len() - 1]);
        attack(&format!("{name} twice, bad last"), signed(HEADER, &after, KEY));
    }
    attacks
}

/// Good tokens of documents that are not this one. The storage's REST takes the document from the
/// token, so there they ask for their own, which does not exist.
fn of_others() -> Vec<(String, String)> {
    let mut attacks: Vec<(String, String)> = Vec::new();
    let mut attack = |what: &str, token: String| attacks.push((what.into(), token));
    attack("another document", claims_with("documentId", "other".into()));
    attack("no document", claims_with("documentId", "".into()));
    attack("a document of another case", claims_with("documentId", "D".into()));
    attack("document with more", claims_with("documentId", "d\0".into()));
    attacks
}

/// The last character of a signature carries bits that belong to no byte.
fn with_stray_bits(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let index = ALPHABET.iter().position(|c| last.as_bytes() == [*c]).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[index | 1]))
}

fn assert_refused(service: &Service, what: &str, token: &str, storage_status: &[u16]) {
    for wire in BOTH {
        for mode in [Mode::Read, Mode::Write] {
            match Client::try_connect(service.address, wire, DOCUMENT, mode, token) {
                Ok(_) => panic!("{wire:?} {mode:?} lets in: {what}"),
                Err(Gone::Refused(error)) => {
                    let code = error["code"].as_u64();
                    assert!(matches!(code, Some(401 | 403)), "{wire:?}: {what}: {error}");
                }
                Err(gone) => panic!("{wire:?} closes at once: {what}: {gone:?}"),
            }
        }
        let authorization = rest::authorization(wire, token);
        let path = format!("/deltas/{TENANT}/{DOCUMENT}?from=0");
        let reply = rest::get(service.address, &path, &[("authorization", &authorization)]);
        let reply = reply.expect("an answer");
        // Levee's contract has a 500 for claims of the wrong type.
        let is_refused =
            matches!(reply.status, 401 | 403) || (reply.status, wire) == (500, Wire::Levee);
        assert!(is_refused, "{wire:?} REST: {what}: {} {}", reply.status, reply.text());
    }
    let storage = format!("Basic {}", STANDARD.encode(format!("{TENANT}:{token}")));
    for path in ["commits?count=1&sha=d", "git/summaries/latest", "git/blobs/0000"] {
        let path = format!("/repos/{TENANT}/{path}");
        let reply = rest::get(service.address, &path, &[("authorization", &storage)]);
        let status = reply.expect("an answer").status;
        assert!(storage_status.contains(&status), "storage: {what}: {status}");
    }
}

#[test]
fn no_bad_token_opens_any_door() {
    let dir = Dir::new("tokens");
    let mut service = Options::new(dir.path()).flag("log", "debug").start();
    let mut witness = Witness::new(&service, DOCUMENT);
    // The same forms with nothing wrong about them are let in.
    for token in [
        signed(HEADER, &token::claims(DOCUMENT).to_string(), KEY),
        with_header(r#"{"typ":"JWT","kid":"ignored","jku":"http://127.0.0.1:1/","alg":"HS256"}"#),
        claims_with("nbf", 1.into()),
    ] {
        for wire in BOTH {
            let client = Client::try_connect(service.address, wire, DOCUMENT, Mode::Write, &token);
            client.unwrap_or_else(|gone| panic!("{wire:?} refuses a good token: {gone:?}")).cut();
        }
    }
    let others = of_others();
    let attacks = [forged(), misissued()].concat();
    assert!(attacks.len() > 90, "{}", attacks.len());
    for (what, token) in &attacks {
        assert_refused(&service, what, token, &[401, 403]);
        service.assert_alive();
    }
    for (what, token) in &others {
        assert_refused(&service, what, token, &[400, 401, 403, 404]);
        service.assert_alive();
    }
    witness.check(&mut service);
    let log = service.log();
    for (what, token) in attacks.iter().chain(&others) {
        let tail = &token[token.len().saturating_sub(40)..];
        assert!(tail.len() < 20 || !log.contains(tail), "the log tells a token: {what}");
    }
}

#[test]
fn a_token_must_be_there_and_whole() {
    let dir = Dir::new("tokens");
    let service = Options::new(dir.path()).start();
    let token = token::of(DOCUMENT);
    let path = format!("/deltas/{TENANT}/{DOCUMENT}?from=0");
    for value in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Basic".into(),
        format!("Digest {token}"),
        format!("bearer {token}"),
        token.clone(),
        format!("Basic {}", STANDARD.encode(format!("{TENANT}:"))),
        format!("Basic {}", STANDARD.encode(format!("tinylicious:{token}"))),
        format!("Basic {}", STANDARD.encode(":")),
        "Basic !!!!".into(),
    ] {
        let headers: &[_] = &[("authorization", value.as_str())];
        let status = rest::get(service.address, &path, headers).expect("an answer").status;
        assert!(matches!(status, 401 | 403), "{value:.30}: {status}");
    }
    let status = rest::get(service.address, &path, &[]).expect("an answer").status;
    assert!(matches!(status, 401 | 403), "nothing: {status}");
    let twice = [("authorization", "Bearer x"), ("authorization", &format!("Bearer {token}"))];
    let status = rest::get(service.address, &path, &twice).expect("an answer").status;
    assert!(matches!(status, 400 | 401 | 403), "two headers: {status}");
}

#[test]
fn an_open_socket_ends_politely_when_its_token_does() {
    let dir = Dir::new("tokens");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, DOCUMENT);
    for wire in BOTH {
        let token = token::expiring(DOCUMENT, 4);
        let client = Client::try_connect(service.address, wire, DOCUMENT, Mode::Write, &token);
        let mut client = client.unwrap_or_else(|gone| panic!("{wire:?}: {gone:?}"));
        let until = Instant::now() + PATIENCE;
        let end = loop {
            match client.hear(until) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{wire:?}: an expired token keeps its socket"),
                Err(gone) => break gone,
            }
        };
        match (wire, end) {
            (Wire::Fluid, Gone::Ended { goodbye: true, .. }) => {}
            // Not 1000: the client must come back by itself.
            (Wire::Levee, Gone::Ended { code: Some(code), .. }) if code != 1000 => {}
            (wire, end) => panic!("{wire:?}: {end:?}"),
        }
        witness.check(&mut service);
    }
    // The Phoenix handshake takes anybody in, whatever the query says: the join is what counts.
    let path = "/socket/websocket?token=nonsense&vsn=2.0.0";
    Socket::open(service.address, path).expect("a socket").cut();
}
