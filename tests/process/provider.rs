//! A service that people sign in with, as a thread of the test: enough of GitHub, and enough of an
//! OpenID Connect issuer. It checks what a real one checks, and can be told to misbehave.

use crate::rest::header;
use crate::service::PATIENCE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use levee_core::wire::http::{pairs, percent_encode};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::SystemTime;

pub(crate) const CLIENT_ID: &str = "levee";
pub(crate) const CLIENT_SECRET: &str = "hush-hush-client-secret";

/// Somebody with an account there.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) email: String,
    pub(crate) is_email_verified: bool,
    pub(crate) organizations: Vec<&'static str>,
}

impl Person {
    pub(crate) fn new(id: u64, login: &str) -> Self {
        let email = format!("{}@example.org", login.to_lowercase());
        let (is_email_verified, organizations) = (true, Vec::new());
        Self { id, login: login.to_owned(), email, is_email_verified, organizations }
    }

    fn name(&self) -> String {
        format!("{} of the tests", self.login)
    }
}

/// How an identity token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    Es256,
    Rs256,
    /// ES256 by a key that is not published.
    Stranger,
    /// `alg` is `none`, and there is no signature.
    Nothing,
    /// HS256 with what everybody knows: the published key.
    PublicKeyAsSecret,
}

/// What a code stands for.
struct Grant {
    query: HashMap<String, String>,
    person: Person,
}

struct World {
    codes: HashMap<String, Grant>,
    /// By access token.
    people: HashMap<String, Person>,
    /// Answers that take the place of the right ones, by path.
    broken: HashMap<String, (u16, String)>,
    signing: Signing,
    /// Claims that take the place of the right ones.
    claims: Value,
    /// Paths that were asked for.
    asked: Vec<String>,
    /// Everything that must not stand in anybody's log.
    secrets: Vec<String>,
    issued: usize,
}

struct Keys {
    es256: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    rs256: RsaKeyPair,
    random: SystemRandom,
}

/// The running service.
#[derive(Clone)]
pub(crate) struct Provider {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    keys: Arc<Keys>,
}

impl Provider {
    /// Starts one; its thread ends with the test's process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let world = World {
            codes: HashMap::new(),
            people: HashMap::new(),
            broken: HashMap::new(),
            signing: Signing::Es256,
            claims: json!({}),
            asked: Vec::new(),
            secrets: vec![CLIENT_SECRET.into()],
            issued: 0,
        };
        let address = listener.local_addr().expect("an address");
        let (world, keys) = (Arc::new(Mutex::new(world)), Arc::new(Keys::new()));
        let provider = Self { address, world, keys };
        let serving = provider.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        provider
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panics while it holds this")
    }

    /// Somebody signs in there and agrees: the query that the browser is sent back with.
    pub(crate) fn consent(&self, location: &str, person: &Person) -> String {
        let (_, query) = location.split_once('?').expect("a query");
        let query: HashMap<String, String> = pairs(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT_ID);
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["code_challenge"].len(), 43, "32 bytes");
        assert_eq!(query["state"].len(), 43, "32 bytes");
        let state = percent_encode(&query["state"]);
        let mut world = self.world();
        world.issued += 1;
        let code = format!("code/{}+&=", world.issued);
        world.secrets.extend([code.clone(), query["state"].clone()]);
        world.codes.insert(code.clone(), Grant { query, person: person.clone() });
        format!("code={}&state={state}", percent_encode(&code))
    }

    /// From now on this path answers so.
    pub(crate) fn break_path(&self, path: &str, status: u16, body: &str) {
        self.world().broken.insert(path.into(), (status, body.into()));
    }

    pub(crate) fn mend(&self) {
        let mut world = self.world();
        world.broken.clear();
        world.claims = json!({});
        world.signing = Signing::Es256;
    }

    /// From now on identity tokens are signed so, with these claims instead of the right ones.
    pub(crate) fn sign(&self, signing: Signing, claims: Value) {
        let mut world = self.world();
        (world.signing, world.claims) = (signing, claims);
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.world().asked.iter().filter(|asked| *asked == path).count()
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        self.world().secrets.clone()
    }

    /// One request a connection.
    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let Some((head, body)) = read(&mut stream) else { return };
        let target = head.split(' ').nth(1).unwrap_or("").to_owned();
        let path = target.split('?').next().unwrap_or("");
        self.world().asked.push(path.to_owned());
        let broken = self.world().broken.get(path).cloned();
        let (status, body) = broken.unwrap_or_else(|| self.answer(path, &head, &body));
        // Whoever is sent on must not go there.
        let location = if status == 302 { "location: /moved\r\n" } else { "" };
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{location}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        // The service may have given up.
        let _ = stream.write_all(answer.as_bytes());
    }

    fn answer(&self, path: &str, head: &str, body: &[u8]) -> (u16, String) {
        let bearer = header(head, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        let person = bearer.and_then(|token| self.world().people.get(token).cloned());
        let url = self.url();
        let answer = match (path, person) {
            ("/login/oauth/access_token", _) => match self.redeem(body) {
                Some((token, _)) => json!({ "access_token": token, "token_type": "bearer" }),
                // GitHub's way of refusing.
                None => json!({ "error": "bad_verification_code" }),
            },
            ("/token", _) => match self.redeem(body) {
                Some((token, grant)) => {
                    let id_token = self.id_token(&grant);
                    json!({ "access_token": token, "token_type": "Bearer", "id_token": id_token })
                }
                None => return (400, json!({ "error": "invalid_grant" }).to_string()),
            },
            ("/user", Some(person)) => {
                json!({ "id": person.id, "login": person.login, "name": person.name() })
            }
            ("/user/emails", Some(person)) => json!([
                { "email": "old@example.org", "primary": false, "verified": true },
                { "email": person.email, "primary": true, "verified": person.is_email_verified },
            ]),
            ("/user/orgs", Some(person)) => {
                person.organizations.iter().map(|login| json!({ "login": login })).collect()
            }
            ("/user" | "/user/emails" | "/user/orgs", None) => return (401, "{}".into()),
            ("/.well-known/openid-configuration", _) => json!({
                "issuer": url, "authorization_endpoint": format!("{url}/authorize?realm=a"),
                "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys"),
            }),
            ("/keys", _) => self.keys.published(),
            _ => return (404, "{}".into()),
        };
        (200, answer.to_string())
    }

    /// A code for a token, once, if everything else fits.
    fn redeem(&self, body: &[u8]) -> Option<(String, Grant)> {
        let form: HashMap<_, _> = pairs(body).collect();
        let mut world = self.world();
        world.secrets.push(form["code_verifier"].to_string());
        let grant = world.codes.remove(&*form["code"])?;
        let hash = digest::digest(&digest::SHA256, form["code_verifier"].as_bytes());
        let fits = URL_SAFE_NO_PAD.encode(hash) == grant.query["code_challenge"]
            && form["redirect_uri"] == grant.query["redirect_uri"]
            && form["grant_type"] == "authorization_code"
            && (&*form["client_id"], &*form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET);
        let token = format!("access-token-{}", world.people.len());
        world.people.insert(token.clone(), grant.person.clone());
        world.secrets.push(token.clone());
        fits.then_some((token, grant))
    }

    fn id_token(&self, grant: &Grant) -> String {
        let Grant { query, person } = grant;
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        let mut claims = json!({
            "iss": self.url(), "aud": CLIENT_ID, "exp": now_unix_s() + 300, "iat": now_unix_s(),
            "nonce": query["nonce"], "sub": person.id.to_string(), "email": person.email,
            "email_verified": person.is_email_verified, "name": person.name(),
        });
        let signing = self.world().signing;
        let changes = self.world().claims.clone();
        for (name, value) in changes.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let token = self.keys.sign(signing, &claims);
        self.world().secrets.push(token.clone());
        token
    }
}

pub(crate) fn now_unix_s() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = header(&head, "content-length").and_then(|text| text.parse().ok());
            if bytes.len() >= at + 4 + length.unwrap_or(0) {
                return Some((head, bytes.split_off(at + 4)));
            }
        }
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

impl Keys {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let elliptic = || {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key")
        };
        let rs256 = include_bytes!("../support/rs256.pk8");
        Self {
            es256: elliptic(),
            stranger: elliptic(),
            rs256: RsaKeyPair::from_pkcs8(rs256).expect("a key"),
            random,
        }
    }

    fn published(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.es256.public_key().as_ref();
        let parts = RsaPublicKeyComponents::<Vec<u8>>::from(self.rs256.public_key());
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "e", "use": "sig", "alg": "ES256",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256",
              "n": encode(&parts.n), "e": encode(&parts.e) },
        ] })
    }

    fn sign(&self, signing: Signing, claims: &Value) -> String {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = match signing {
            Signing::Es256 | Signing::Stranger => json!({ "alg": "ES256", "kid": "e" }),
            Signing::Rs256 => json!({ "alg": "RS256", "kid": "r" }),
            Signing::Nothing => json!({ "alg": "none" }),
            Signing::PublicKeyAsSecret => json!({ "alg": "HS256", "kid": "e" }),
        };
        let signed = format!("{}.{}", encode(header), encode(claims.clone()));
        let message = signed.as_bytes();
        let elliptic = |key: &EcdsaKeyPair| {
            key.sign(&self.random, message).expect("a signature").as_ref().to_vec()
        };
        let signature = match signing {
            Signing::Es256 => elliptic(&self.es256),
            Signing::Stranger => elliptic(&self.stranger),
            Signing::Rs256 => {
                let mut signature = vec![0; self.rs256.public().modulus_len()];
                let signed =
                    self.rs256.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature);
                signed.expect("a signature");
                signature
            }
            Signing::Nothing => Vec::new(),
            Signing::PublicKeyAsSecret => {
                let secret = self.es256.public_key().as_ref();
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                ring::hmac::sign(&key, message).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
