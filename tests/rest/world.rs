//! A core without a loop: requests go in as the bytes of a connection, answers come out as bytes.

use crate::schema;
use bytes::Bytes;
use levee::directory::{self, Hasher, Shelf};
use levee::http::{ApiConfig, ContextConfig, CoreContext, Live, document_of, respond};
use levee::identity::Identities;
use levee::observe::Figures;
use levee::store::Store;
use levee_core::auth::{Keyring, Tenant, TenantKeys, sign};
use levee_core::dialect::{Dialect, Mode};
use levee_core::directory::Policy;
use levee_core::document::{MemberView, SessionView};
use levee_core::http_request::{HttpReader, Incoming};
use levee_core::ids::{ClientId, DocKey, Now, Seq, ShardId};
use levee_core::limits::Limits;
use levee_core::placement::Placement;
use levee_core::record::{OpRun, Record, StoreFault};
use levee_core::shard::Published;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Opens everything that needs no user.
pub(crate) const ADMIN_KEY: &str = "the key of administrators";
pub(crate) const PARTITIONS: u16 = 2;
pub(crate) const NOW_S: u64 = 1_795_377_000;
pub(crate) const ALL: &[&str] = &["doc:read", "doc:write", "summary:write"];

/// What is in memory of a document, as its shard would say.
#[derive(Default)]
pub(crate) struct InMemory {
    pub(crate) head: u64,
    /// Consecutive operations, some perhaps not broadcast yet.
    pub(crate) history: Vec<(u64, String)>,
    pub(crate) clients: usize,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) in_memory: RefCell<HashMap<DocKey, InMemory>>,
    pub(crate) heard: RefCell<Vec<(DocKey, String)>>,
    /// The next random number; counts up.
    pub(crate) random: Cell<u128>,
    pub(crate) is_ready: Cell<bool>,
    store: RefCell<Option<Rc<Store>>>,
    pub(crate) fault: Cell<Option<StoreFault>>,
    /// The exchanges that have succeeded.
    pub(crate) exchanges: RefCell<BTreeSet<schema::Seen>>,
}

pub(crate) struct World {
    pub(crate) core: CoreContext,
    pub(crate) shared: Rc<Shared>,
}

/// Futures over a memory store never wait.
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a memory store waits for nothing"),
    }
}

fn keyring() -> Keyring {
    let tenant = |id: &str, keys| Tenant::new(id, "", keys);
    let signed = |id: &str| tenant(id, TenantKeys::new(&key_of(id), None).unwrap());
    Keyring::new([
        signed("fluid"),
        signed("other"),
        signed("tinylicious"),
        signed("mytenant"),
        tenant("local", TenantKeys::Unverified),
    ])
}

fn key_of(tenant: &str) -> String {
    format!("key of {tenant}")
}

/// A token that is good for an hour.
pub(crate) fn token(tenant: &str, document: &str, scopes: &[&str]) -> String {
    let claims = json!({
        "documentId": document, "scopes": scopes, "tenantId": tenant,
        "user": { "id": "u" }, "iat": NOW_S, "exp": NOW_S + 3600, "ver": "1.0",
    });
    token_with(tenant, claims)
}

pub(crate) fn token_with(tenant: &str, claims: Value) -> String {
    sign(&claims.to_string(), key_of(tenant).as_bytes())
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    pub(crate) fn with(public_url: Option<&str>) -> Self {
        Self::on(Store::memory(), public_url)
    }

    pub(crate) fn on(store: Store, public_url: Option<&str>) -> Self {
        let shared = Rc::new(Shared { is_ready: Cell::new(true), ..Shared::default() });
        let open = Policy { open_registration: true, auto_membership: true, ..Policy::default() };
        let directory = directory::start(Shelf::memory(), open, vec![], vec![]);
        let (starting, _) = directory.expect("a directory in memory");
        let config = ContextConfig {
            keyring: Arc::new(keyring()),
            directories: starting.run(Box::new(|_| {})).expect("a thread"),
            hasher: Hasher::start().expect("threads"),
            identities: Identities::start(vec![]).expect("no threads"),
            api: Arc::new(ApiConfig { admin_key: Some(ADMIN_KEY.into()), ..ApiConfig::default() }),
            id: ShardId(0),
            placement: Placement::new(PARTITIONS, 1),
            public_url: public_url.map(Box::from),
            is_dev: true,
            cache_bytes: 1 << 20,
        };
        let clock = || Now { mono_ms: 0, unix_ms: NOW_S * 1000 };
        let numbers = shared.clone();
        let store = Rc::new(store);
        shared.store.replace(Some(store.clone()));
        let core = CoreContext::new(
            config,
            store,
            live(&shared),
            Box::new(clock),
            Box::new(move || numbers.random.replace(numbers.random.get() + 1)),
        );
        Self { core, shared }
    }

    /// Adds one run of consecutive operations to the store.
    pub(crate) fn store_ops(&self, doc: &DocKey, first: u64, ops: &[&str]) {
        let mut end = 0;
        let ends = ops.iter().map(|op| {
            end += op.len() + 1;
            end as u32 - 1
        });
        let run =
            OpRun { first: Seq(first), ends: ends.collect(), bytes: Bytes::from(ops.join(",")) };
        let partition = self.core.placement.partition(doc);
        let append = self.core.store.append(partition, vec![Record::Ops(doc.clone(), run)]);
        done(append).unwrap();
    }

    pub(crate) fn call(&self, call: &Call) -> Answer {
        done(self.ask(call))
    }

    /// For what the directory's thread has a part in.
    pub(crate) fn wait(&self, call: &Call) -> Answer {
        let mut asking = pin!(self.ask(call));
        loop {
            match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::yield_now(),
            }
        }
    }

    pub(crate) async fn ask(&self, call: &Call) -> Answer {
        let mut reader = HttpReader::default();
        reader.push(&call.bytes()).unwrap();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let incoming = reader.next(peer, &Limits::default()).unwrap();
        let bytes = match incoming.expect("a whole request") {
            Incoming::Request(mut request) => {
                document_of(&mut request, || (self.core.random)());
                let bytes = respond(&self.core, &request).await.bytes;
                let seen = schema::assert_exchange(&request, &Answer::parse(&bytes));
                self.shared.exchanges.borrow_mut().extend(seen);
                bytes
            }
            Incoming::Answer { response, .. } => response,
            Incoming::Upgrade(_) => panic!("no request"),
        };
        Answer::parse(&bytes)
    }

    /// Creates a document with one blob, on Fluid's wire.
    pub(crate) fn create(&self, tenant: &str, document: &str) -> DocKey {
        let answer = self.call(&create(tenant, document));
        assert_eq!(answer.status, 201, "{}", answer.body);
        DocKey::new(tenant, document)
    }

    /// The id that the next new document gets on Fluid's wire.
    pub(crate) fn next_id(&self) -> String {
        let id = ClientId::from_bits(self.shared.random.get());
        id.as_str().to_owned()
    }
}

/// Asks for a document with one blob, on Fluid's wire.
pub(crate) fn create(tenant: &str, document: &str) -> Call {
    let body = json!({
        "id": document,
        "summary": { "type": 1, "tree": { "hello": { "type": 2, "content": "world" } } },
        "sequenceNumber": 0,
        "values": [["code", { "key": "code", "value": 1 }]],
    });
    let call = Call::post(&format!("/documents/{tenant}"), &body);
    call.basic(&token(tenant, document, ALL))
}

fn session_view(document: &InMemory) -> SessionView {
    let member = |number: usize| MemberView {
        client: ClientId::from_bits(number as u128),
        user: "u".into(),
        mode: Mode::Write,
        dialect: Dialect::SocketIo,
        detail: Bytes::from_static(b"{\"user\":{\"id\":\"u\"}}"),
        written: Some((3, 1)),
    };
    SessionView {
        head: Seq(document.head),
        min: Seq(0),
        history: document.history.len() as u64,
        members: (0..document.clients).map(member).collect(),
    }
}

fn live(shared: &Rc<Shared>) -> Live {
    let (published, history, session) = (shared.clone(), shared.clone(), shared.clone());
    let deleted = shared.clone();
    let (broadcast, ready, fault) = (shared.clone(), shared.clone(), shared.clone());
    Live {
        published: Box::new(move |doc| {
            let documents = published.in_memory.borrow();
            let document = documents.get(doc)?;
            Some(Published {
                head: Seq(document.head),
                min: Seq(0),
                first_in_history: document.history.first().map(|(seq, _)| Seq(*seq)),
                clients: document.clients,
            })
        }),
        session: Box::new(move |doc| session.in_memory.borrow().get(doc).map(session_view)),
        history: Box::new(move |doc, from, to| {
            let documents = history.in_memory.borrow();
            let ops = documents.get(doc).map_or(&[][..], |found| &found.history[..]);
            let wanted = ops.iter().filter(|(seq, _)| (from.0..=to.0).contains(seq));
            wanted.map(|(_, op)| Bytes::from(op.clone())).collect()
        }),
        broadcast: Box::new(move |doc, content| {
            let content = String::from_utf8(content.to_vec()).unwrap();
            broadcast.heard.borrow_mut().push((doc, content));
        }),
        metrics: Box::new(|| "levee_ops_sequenced_total 7\n".to_owned()),
        delete: Box::new(move |doc| {
            deleted.in_memory.borrow_mut().remove(&doc);
            let (done, answer) = futures_channel::oneshot::channel();
            let deleting = deleted.store.borrow().clone().expect("a store");
            done.send(self::done(deleting.delete(&doc))).expect("somebody waits");
            answer
        }),
        figures: Box::new(|| vec![Figures::default()]),
        errand: Box::new(|_, _| panic!("there is no other core")),
        is_ready: Box::new(move || ready.is_ready.get()),
        fault: Box::new(move || fault.fault.get()),
    }
}

/// One request.
#[derive(Clone)]
pub(crate) struct Call {
    method: String,
    target: String,
    headers: Vec<String>,
    body: String,
    is_restless: bool,
}

impl Call {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            is_restless: false,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).body(&body.to_string())
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// As Fluid's drivers send it to the orderer.
    pub(crate) fn basic(self, token: &str) -> Self {
        self.header("Authorization", &format!("Basic {token}"))
    }

    /// As Fluid's drivers send it to the storage.
    pub(crate) fn storage(self, tenant: &str, token: &str) -> Self {
        let encoded = base64(format!("{tenant}:{token}").as_bytes());
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    /// In an envelope.
    pub(crate) fn restless(mut self) -> Self {
        self.is_restless = true;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = vec!["Host: levee.test:4000".to_owned()];
        let (method, body) = if self.is_restless {
            head.push("Content-Type: application/x-www-form-urlencoded;restless".to_owned());
            let mut form = format!("method={}", self.method);
            for header in &self.headers {
                form.push_str(&format!("&header={}", escape(header)));
            }
            if !self.body.is_empty() {
                form.push_str(&format!("&body={}", escape(&self.body)));
            }
            ("POST", form)
        } else {
            head.extend(self.headers.iter().cloned());
            (self.method.as_str(), self.body.clone())
        };
        if !body.is_empty() {
            head.push(format!("Content-Length: {}", body.len()));
        }
        let (target, head) = (&self.target, head.join("\r\n"));
        format!("{method} {target} HTTP/1.1\r\n{head}\r\n\r\n{body}").into_bytes()
    }
}

/// As browsers escape a form.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Standard base64, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0));
        }
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Self {
            status: status.parse().unwrap(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/json; charset=utf-8"));
        serde_json::from_str(&self.body).expect(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
