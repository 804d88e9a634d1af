//! Every way in which a token can fail, at every door, with the exact status and text.

use crate::api::{ADMIN_KEY, Caller};
use crate::client::{Client, Gone, Mode};
use crate::rest;
use crate::service::{Dir, Options, Service};
use crate::token::{self, KEY, TENANT};
use crate::tokens::{HEADER, claims_with, claims_without, raw_claim, signed, with_header};
use crate::wire::{BOTH, Wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const DOCUMENT: &str = "d";

/// A status and a text.
type Said = (u16, &'static str);

/// A token, and what each door says to it.
struct Fault {
    what: &'static str,
    token: String,
    levee_rest: Said,
    levee_socket: Said,
    /// Its REST and its socket differ when there is no token only.
    fluid: Said,
    /// The storage takes the document from the token.
    is_of_document: bool,
}

fn fault(
    what: &'static str,
    token: String,
    levee_rest: Said,
    levee_socket: Said,
    fluid: Said,
) -> Fault {
    Fault { what, token, levee_rest, levee_socket, fluid, is_of_document: false }
}

const INVALID: Said = (401, "Invalid token");
const OTHER: Said =
    (403, "DocumentId and/or TenantId in token claims do not match requested resource");
const REVOKED: Said = (401, "Token has been revoked");
const UNKNOWN: Said = (401, "Unknown tenant");

fn faults() -> Vec<Fault> {
    let signature = (401, "Invalid token signature");
    let expired = (401, "Token has expired");
    let early = (401, "Token is not valid yet");
    let format = ((401, "Invalid token format"), (401, "Invalid token: malformed"));
    let claims = ((500, "Authentication error"), (401, "Invalid token: bad claims"));
    let tenant = (403, "Token not valid for this tenant");
    let document = (403, "Token not valid for this document");
    let now = token::now_unix_s();
    let good = token::claims(DOCUMENT).to_string();
    let none = with_header(r#"{"alg":"none"}"#);
    let own_key = signed(r#"{"alg":"HS256","kid":"../../dev/null"}"#, &good, b"");
    let scopes = fault(
        "no scope",
        claims_with("scopes", json!([])),
        (403, "Missing required scopes: doc:read"),
        (403, "Token missing required scope: doc:read"),
        (403, "Missing scopes in token claims"),
    );
    let mut of_other = fault(
        "another document",
        claims_with("documentId", "other".into()),
        document,
        document,
        OTHER,
    );
    of_other.is_of_document = true;
    vec![
        fault("two parts", "x.y".into(), format.0, format.1, INVALID),
        fault("alg none", none, signature, signature, INVALID),
        fault("alg RS256", with_header(r#"{"alg":"RS256"}"#), signature, signature, INVALID),
        fault("kid and an empty key", own_key, signature, signature, INVALID),
        fault("another key", signed(HEADER, &good, b"12345"), signature, signature, INVALID),
        fault("no exp", claims_without("exp"), expired, expired, INVALID),
        fault("exp reached", claims_with("exp", now.into()), expired, expired, INVALID),
        fault("nbf ahead", claims_with("nbf", (now + 3600).into()), early, early, INVALID),
        fault("exp as text", raw_claim("exp", "\"9\""), claims.0, claims.1, INVALID),
        fault(
            "another tenant's",
            claims_with("tenantId", "tinylicious".into()),
            tenant,
            tenant,
            OTHER,
        ),
        of_other,
        scopes,
    ]
}

fn socket(service: &Service, wire: Wire, mode: Mode, fault: &Fault) -> Value {
    match Client::try_connect(service.address, wire, DOCUMENT, mode, &fault.token) {
        Err(Gone::Refused(error)) => json!([error["code"], error["message"]]),
        Err(gone) => panic!("{wire:?}: {}: {gone:?}", fault.what),
        Ok(_) => panic!("{wire:?} lets in: {}", fault.what),
    }
}

fn deltas(service: &Service, authorization: &str) -> (u16, Value) {
    let path = format!("/deltas/{TENANT}/{DOCUMENT}?from=0");
    let reply = rest::get(service.address, &path, &[("authorization", authorization)]);
    let reply = reply.expect("an answer");
    (reply.status, serde_json::from_slice(&reply.body).expect("JSON"))
}

fn check(service: &Service, fault: &Fault) {
    let Fault { what, token, levee_rest, levee_socket, fluid, .. } = fault;
    for mode in [Mode::Read, Mode::Write] {
        let said = socket(service, Wire::Levee, mode, fault);
        assert_eq!(said, json!([levee_socket.0, levee_socket.1]), "Phoenix {mode:?}: {what}");
        let said = socket(service, Wire::Fluid, mode, fault);
        assert_eq!(said, json!([fluid.0, fluid.1]), "Socket.IO {mode:?}: {what}");
    }
    let (status, body) = deltas(service, &format!("Bearer {token}"));
    assert_eq!((status, &body), (levee_rest.0, &json!({"error": levee_rest.1})), "Bearer: {what}");
    let (status, body) = deltas(service, &format!("Basic {token}"));
    let said = (status, &body["code"], &body["message"]);
    assert_eq!(said, (fluid.0, &json!(fluid.0), &json!(fluid.1)), "Basic: {what}");
    if !fault.is_of_document {
        let pair = STANDARD.encode(format!("{TENANT}:{token}"));
        let path = format!("/repos/{TENANT}/commits?count=1&sha={DOCUMENT}");
        let headers = [("authorization", format!("Basic {pair}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let reply = rest::get(service.address, &path, &headers).expect("an answer");
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let said = (reply.status, &body["message"]);
        assert_eq!(said, (fluid.0, &json!(fluid.1)), "storage: {what}");
    }
}

#[test]
fn every_fault_of_a_token_is_said_alike_at_every_door() {
    let dir = Dir::new("faults");
    let mut service = Options::new(dir.path()).env("LEVEE_ADMIN_KEY", ADMIN_KEY).start();
    let admin = Caller::admin(service.address);
    rest::create(service.address, DOCUMENT);
    for fault in faults() {
        check(&service, &fault);
    }
    // No token at all.
    let (status, body) = {
        let path = format!("/deltas/{TENANT}/{DOCUMENT}");
        let reply = rest::get(service.address, &path, &[]).expect("an answer");
        (reply.status, serde_json::from_slice::<Value>(&reply.body).expect("JSON"))
    };
    assert_eq!((status, body), (401, json!({"error": "Missing Authorization header"})));
    let form = "Invalid Authorization header format. Expected: Bearer <token>";
    assert_eq!(deltas(&service, "Digest x"), (401, json!({"error": form})));
    let none = fault("", String::new(), INVALID, INVALID, INVALID);
    let said = socket(&service, Wire::Levee, Mode::Write, &none);
    assert_eq!(said, json!([401, "Missing authentication token"]));
    let said = socket(&service, Wire::Fluid, Mode::Write, &none);
    assert_eq!(said, json!([403, "Must provide an authorization token"]));
    // Too few scopes to write.
    let read = claims_with("scopes", json!(["doc:read"]));
    let read = fault("doc:read", read, INVALID, INVALID, INVALID);
    let said = socket(&service, Wire::Levee, Mode::Write, &read);
    assert_eq!(said, json!([403, "Write mode requires doc:write scope"]));

    // Taken back: opened every door before, none after.
    let token = claims_with("jti", "gone".into());
    for wire in BOTH {
        let client = Client::try_connect(service.address, wire, DOCUMENT, Mode::Write, &token);
        client.unwrap_or_else(|gone| panic!("{wire:?}: {gone:?}")).cut();
    }
    admin.post("/api/tenants/fluid/revocations", json!({"jti": "gone"})).expect(200);
    service.wait_until("the revocation", |service| {
        deltas(service, &format!("Bearer {token}")).0 == 401
    });
    let fluid = (403, "Token has been revoked");
    check(&service, &fault("revoked", token, REVOKED, REVOKED, fluid));
    // A tenant that is gone.
    let good = token::of(DOCUMENT);
    assert_eq!(deltas(&service, &format!("Bearer {good}")).0, 200);
    admin.delete("/api/tenants/fluid").expect(200);
    service
        .wait_until("the deletion", |service| deltas(service, &format!("Bearer {good}")).0 == 401);
    check(&service, &fault("unknown tenant", good, UNKNOWN, UNKNOWN, INVALID));
    service.assert_alive();
}

#[test]
fn a_token_is_given_up_by_whoever_holds_it() {
    let dir = Dir::new("faults");
    let service = Options::new(dir.path()).start();
    rest::create(service.address, DOCUMENT);
    let token = claims_with("jti", "mine".into());
    let path = format!("/documents/{TENANT}/document/{DOCUMENT}/revokeToken");
    let revoke = |document: &str, token: &str, body: &str| {
        let authorization = format!("Basic {token}");
        let path = path.replace(&format!("/{DOCUMENT}/"), &format!("/{document}/"));
        let headers = [("authorization", authorization.as_str())];
        let reply = rest::request(service.address, "POST", &path, &headers, body.as_bytes());
        reply.expect("an answer")
    };
    let mine = r#"{"jti":"mine"}"#;
    for (document, token, body, status) in [
        (DOCUMENT, token.as_str(), r#"{"jti":"another's"}"#, 403),
        (DOCUMENT, &token::of(DOCUMENT), mine, 403),
        (DOCUMENT, &token, "{}", 400),
        (DOCUMENT, &token, "", 400),
        ("other", &token, mine, 403),
        (DOCUMENT, &signed(HEADER, &token::claims(DOCUMENT).to_string(), b"x"), mine, 401),
    ] {
        let reply = revoke(document, token, body);
        assert_eq!(reply.status, status, "{document} {body}: {}", reply.text());
    }
    assert_eq!(deltas(&service, &format!("Bearer {token}")).0, 200);
    // A service that has the secret signs itself one of that id.
    let mut claims = token::claims(DOCUMENT);
    claims["jti"] = "mine".into();
    claims["scopes"] = json!(["doc:read"]);
    let reply = revoke(DOCUMENT, &signed(HEADER, &claims.to_string(), KEY), mine);
    assert_eq!((reply.status, reply.text()), (200, r#"{"message":"revoked"}"#.into()));
    service.wait_until("the revocation", |service| {
        deltas(service, &format!("Bearer {token}")).0 == 401
    });
    assert_eq!(revoke(DOCUMENT, &token, mine).status, 403, "it is no good any more");
}
