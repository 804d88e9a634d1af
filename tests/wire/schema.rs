//! `levee schema` against the encoders and decoders of both wires.

use crate::golden::assert_kept;
use crate::inbound::SCRIPT;
use crate::members::{assert_valid, check_members, made_right};
use crate::outbound::{payload, script};
use levee::schema::{PHOENIX_SERVER_EVENTS, document};
use levee_core::admission::admit;
use levee_core::auth::{Keyring, Tenant, TenantKeys, decode_unverified, sign};
use levee_core::dialect::{
    ClientEvent, Dialect, Heartbeat, Malformed, PresenceEvent, PresenceRequest, ServerEvent,
    decode, ops, signals,
};
use levee_core::git::SummaryProposal;
use levee_core::ids::Now;
use levee_core::presence::{Presence, PresenceFault};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOW_S: u64 = 1_795_377_000;

/// The event of the Phoenix wire that a client's words came in; `None` where there is none.
pub(crate) fn client_event(event: &ClientEvent<'_>) -> Option<&'static str> {
    match event {
        ClientEvent::Join => Some("phx_join"),
        ClientEvent::Leave => Some("phx_leave"),
        ClientEvent::Heartbeat(Heartbeat::Phoenix) => Some("heartbeat"),
        ClientEvent::Connect(_) => Some("connect_document"),
        ClientEvent::Submit(_) => Some("submitOp"),
        ClientEvent::Signals(_) => Some("submitSignal"),
        ClientEvent::Noop { .. } => Some("noop"),
        ClientEvent::RequestOps { .. } => Some("requestOps"),
        ClientEvent::Presence { request, .. } => match request {
            PresenceRequest::Join { .. } => Some("joinPresence"),
            PresenceRequest::Update { .. } => Some("updatePresence"),
            PresenceRequest::Leave => Some("leavePresence"),
            PresenceRequest::Malformed => None,
        },
        ClientEvent::Heartbeat(Heartbeat::EngineIo | Heartbeat::AppPing { .. })
        | ClientEvent::OpenNamespace
        | ClientEvent::OpenForeignNamespace(_)
        | ClientEvent::Disconnect
        | ClientEvent::Alive
        | ClientEvent::Malformed(_)
        | ClientEvent::Unknown => None,
    }
}

/// The event of the Phoenix wire that the service's words go out in; `None` where there is none.
pub(crate) fn server_event(event: &ServerEvent<'_>) -> Option<&'static str> {
    match event {
        ServerEvent::Pong { heartbeat: Heartbeat::Phoenix, .. } | ServerEvent::Reply { .. } => {
            Some("phx_reply")
        }
        ServerEvent::ChannelClosed => Some("phx_close"),
        ServerEvent::ChannelFailed => Some("phx_error"),
        ServerEvent::Connected(_) => Some("connect_document_success"),
        ServerEvent::ConnectError(_) => Some("connect_document_error"),
        ServerEvent::Ops { .. } => Some("op"),
        ServerEvent::Signal(_) => Some("signal"),
        ServerEvent::Nack { .. } => Some("nack"),
        ServerEvent::Presence { event, .. } => match event {
            PresenceEvent::State => Some("presence_state"),
            PresenceEvent::Diff => Some("presence_diff"),
            PresenceEvent::Error => Some("presence_error"),
        },
        ServerEvent::Pong {
            heartbeat: Heartbeat::EngineIo | Heartbeat::AppPing { .. }, ..
        }
        | ServerEvent::Open { .. }
        | ServerEvent::NamespaceOpened { .. }
        | ServerEvent::NamespaceRefused { .. }
        | ServerEvent::Ping
        | ServerEvent::Goodbye => None,
    }
}

/// What an event looks like on the Socket.IO wire.
enum Packet {
    /// No JSON.
    Bare,
    /// JSON of this definition behind a head.
    Json(&'static str, &'static str),
    /// Nothing: the other wire's.
    Nothing,
}

fn packet(event: &ServerEvent<'_>) -> Packet {
    match event {
        ServerEvent::Connected(_)
        | ServerEvent::ConnectError(_)
        | ServerEvent::Ops { .. }
        | ServerEvent::Signal(_)
        | ServerEvent::Nack { .. }
        | ServerEvent::Presence { .. } => Packet::Json("42", "SocketIoServerMessage"),
        ServerEvent::Open { .. } => Packet::Json("0", "EngineOpen"),
        ServerEvent::NamespaceOpened { .. } => Packet::Json("40", "NamespaceOpened"),
        ServerEvent::NamespaceRefused { .. } => Packet::Json("44/admin,", "NamespaceRefused"),
        ServerEvent::Pong { heartbeat: Heartbeat::Phoenix, .. }
        | ServerEvent::Reply { .. }
        | ServerEvent::ChannelClosed
        | ServerEvent::ChannelFailed => Packet::Nothing,
        ServerEvent::Pong {
            heartbeat: Heartbeat::EngineIo | Heartbeat::AppPing { .. }, ..
        }
        | ServerEvent::Ping
        | ServerEvent::Goodbye => Packet::Bare,
    }
}

/// The definition of an event's payload.
pub(crate) fn payload_of(events: &[(&str, &'static str)], name: &str) -> &'static str {
    let found = events.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no schema for {name}")).1
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    assert_kept("clients/driver/schema/levee.schema.json", &format!("{:#}\n", document()));
}

#[test]
fn the_document_is_a_schema() {
    let document = document();
    jsonschema::draft202012::meta::validate(&document).unwrap();
    for name in levee::schema::names() {
        let schema = levee::schema::definition(name).unwrap();
        jsonschema::draft202012::new(&schema).unwrap();
    }
}

#[test]
fn what_the_phoenix_encoder_writes_has_a_schema() {
    let mut seen = BTreeSet::new();
    script(|name, event| {
        let text = payload(Dialect::Phoenix, &event);
        let expected = server_event(&event);
        assert_eq!(text.is_some(), expected.is_some(), "{name}");
        let (Some(text), Some(expected)) = (text, expected) else {
            return;
        };
        let message: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(message[3], expected, "{name}");
        assert_valid("PhoenixServerMessage", &message);
        assert_valid(payload_of(&PHOENIX_SERVER_EVENTS, expected), &message[4]);
        seen.insert(expected);
    });
    assert_eq!(seen, PHOENIX_SERVER_EVENTS.iter().map(|(name, _)| *name).collect());
}

#[test]
fn what_the_socketio_encoder_writes_has_a_schema() {
    script(|name, event| {
        let text = payload(Dialect::SocketIo, &event).map(|text| String::from_utf8(text).unwrap());
        match (packet(&event), text) {
            (Packet::Nothing, None) => {}
            (Packet::Bare, Some(text)) => assert!(text.len() < 8, "{name}: {text}"),
            (Packet::Json(head, definition), Some(text)) => {
                let text = text.strip_prefix(head).unwrap_or_else(|| panic!("{name}: {text}"));
                assert_valid(definition, &serde_json::from_str(text).unwrap());
            }
            (Packet::Nothing | Packet::Bare | Packet::Json(..), other) => {
                panic!("{name}: {other:?}")
            }
        }
    });
}

/// Messages of the script that the schema forbids, by name.
const FORBIDDEN: [&str; 8] = [
    "connect read", // no token
    "connect with holes",
    "submit noops, nested", // a number among them
    "submit without batches",
    "signal badly",
    "update presence badly",
    "telemetry", // understood, and not part of the contract
    "unknown",
];

#[test]
fn what_clients_say_has_a_schema() {
    for line in SCRIPT {
        let messages = [
            (line.phoenix, "PhoenixClientMessage"),
            (line.socketio.strip_prefix("42").unwrap_or(""), "SocketIoClientMessage"),
        ];
        for (text, definition) in messages {
            let Ok(message) = serde_json::from_str(text) else {
                continue; // not said on this wire, or broken on purpose
            };
            let is_valid = crate::members::fault_of(definition, &message).is_ok();
            assert_eq!(is_valid, !FORBIDDEN.contains(&line.name), "{}: {text}", line.name);
            if is_valid && definition == "PhoenixClientMessage" {
                let inbound = decode(Dialect::Phoenix, text.as_bytes());
                assert_eq!(client_event(&inbound.event), message[3].as_str());
            }
        }
    }
}

#[test]
fn presence_payloads_have_a_schema() {
    let client = levee_core::ids::ClientId::from_bits;
    let mut presence = Presence::default();
    let user = "u".into();
    for (bits, meta) in [(1, "{}"), (2, r#"{"cursor":{"x":1}}"#), (1, r#"{"a":[]}"#)] {
        let diff = presence.join(client(bits), &user, meta.as_bytes()).unwrap();
        assert_valid("PresenceDiff", &serde_json::from_slice(&diff).unwrap());
    }
    assert_valid("PresenceState", &serde_json::from_slice(&presence.state()).unwrap());
    let left = presence.leave(client(1)).unwrap();
    assert_valid("PresenceDiff", &serde_json::from_slice(&left).unwrap());
    use PresenceFault::{NotAnObject, NotJoined, TooLarge};
    for fault in [NotAnObject, TooLarge, NotJoined] {
        assert_valid("PresenceError", &serde_json::from_slice(fault.payload()).unwrap());
    }
}

fn client() -> Value {
    json!({
        "mode": "write",
        "details": { "capabilities": { "interactive": true }, "environment": "e" },
        "permission": [],
        "scopes": ["doc:read"],
        "user": { "id": "u", "name": "Ada" },
    })
}

/// What the decoder makes of a payload.
fn with_phoenix<T>(event: &str, payload: &Value, with: impl Fn(&ClientEvent<'_>) -> T) -> T {
    let text = json!(["1", "2", "document:t:d", event, payload]).to_string();
    with(&decode(Dialect::Phoenix, text.as_bytes()).event)
}

fn claims() -> Value {
    json!({
        "tenantId": "t", "documentId": "d", "exp": NOW_S + 60, "scopes": ["doc:read", "doc:write"],
        "user": { "id": "u" }, "iat": NOW_S, "nbf": NOW_S, "ver": "1.0", "jti": "j",
    })
}

/// Whether a client that says this is let in.
fn is_admitted(dialect: Dialect, event: &ClientEvent<'_>) -> bool {
    let keys = TenantKeys::new("a key for one test", None).unwrap();
    let keyring = Keyring::new([Tenant::new("t", "", keys)]);
    match event {
        ClientEvent::Connect(connect) => {
            let now = Now { mono_ms: 0, unix_ms: NOW_S * 1000 };
            // The shell compares the names with the topic's; here the token's stand for them.
            admit(&keyring, now, dialect, connect).is_ok()
        }
        ClientEvent::Malformed(Malformed::Connect(_)) => false,
        other => panic!("{other:?}"),
    }
}

fn connect() -> Value {
    json!({
        "tenantId": "t", "id": "d", "token": sign(&claims().to_string(), b"a key for one test"),
        "client": client(), "mode": "write", "versions": ["^0.1.0"],
        "supportedFeatures": { "submit_signals_v2": true },
    })
}

/// What only the right document, its token and a shared version can say.
const RIGHT: &[&str] = &["/tenantId", "/id", "/token", "/versions"];

#[test]
fn the_phoenix_connect_misses_what_the_schema_requires() {
    let mut whole = connect();
    whole["lastSeenSequenceNumber"] = json!(4);
    let accepts = |payload: &Value| {
        let payload = made_right(payload, &whole, RIGHT);
        with_phoenix("connect_document", &payload, |event| is_admitted(Dialect::Phoenix, event))
    };
    check_members("PhoenixConnect", &whole, accepts, PHOENIX_CONNECT_LENIENT);
}

#[test]
fn the_socketio_connect_misses_what_the_schema_requires() {
    let whole = connect();
    let accepts = |payload: &Value| {
        let text = format!("42{}", json!(["connect_document", made_right(payload, &whole, RIGHT)]));
        is_admitted(Dialect::SocketIo, &decode(Dialect::SocketIo, text.as_bytes()).event)
    };
    check_members("SocketIoConnect", &whole, accepts, SOCKETIO_CONNECT_LENIENT);
}

/// As its original: what the client says of itself goes to the others, if they can read it; any
/// mode but `read` writes, and what only informs is passed over.
const PHOENIX_CONNECT_LENIENT: &[&str] = &[
    "client/mode gone",
    "client/mode",
    "client/details/environment",
    "client/permission gone",
    "client/permission",
    "client/scopes gone",
    "client/scopes",
    "client/user/name",
    "mode",
    "versions",
    "supportedFeatures",
    "supportedFeatures/submit_signals_v2",
    "lastSeenSequenceNumber",
];

/// As the reference, which checks what other clients rely on.
const SOCKETIO_CONNECT_LENIENT: &[&str] = &[
    "client/mode",
    "client/details/environment",
    "client/user/name",
    "mode",
    "supportedFeatures",
    "supportedFeatures/submit_signals_v2",
];

#[test]
fn submissions_miss_what_the_schema_requires() {
    let is_known = |event: &str, payload: &Value| {
        with_phoenix(event, payload, |decoded| match decoded {
            ClientEvent::Signals(sent) => {
                let found = signals::each(Dialect::Phoenix, true, sent.batches);
                found.into_iter().all(|signal| signal.is_ok())
            }
            other => client_event(other) == Some(event),
        })
    };
    let operation =
        json!({ "clientSequenceNumber": 1, "referenceSequenceNumber": 0, "type": "op" });
    let submit = json!({ "clientId": "c", "messageBatches": [[operation]] });
    let lenient = &["messageBatches"]; // `{}` is an operation, if none that is ever sequenced
    check_members("SubmitOp", &submit, |payload| is_known("submitOp", payload), lenient);
    let signal = json!({ "clientId": "c", "contentBatches": [{ "content": "x" }] });
    check_members("SubmitSignal", &signal, |payload| is_known("submitSignal", payload), &[]);
    let noop = json!({ "referenceSequenceNumber": 3 });
    check_members("Noop", &noop, |payload| is_known("noop", payload), &[]);
    let request = json!({ "from": 3 });
    check_members("RequestOps", &request, |payload| is_known("requestOps", payload), &[]);
    let meta = json!({ "meta": {} });
    for event in ["joinPresence", "updatePresence"] {
        check_members("PresenceMeta", &meta, |payload| is_known(event, payload), &[]);
    }
}

#[test]
fn operations_miss_what_the_schema_requires() {
    let whole = json!({
        "clientSequenceNumber": 1, "referenceSequenceNumber": 0, "type": "op", "contents": "x",
        "metadata": {}, "compression": "lz4",
    });
    // Sequence numbers count from 1, and a type that is none is refused.
    let accepts = |value: &Value| {
        let text = value.to_string();
        ops::each(text.as_bytes()).all(|op| {
            op.is_ok_and(|op| op.client_seq > 0 && op.kind != levee_core::dialect::OpKind::Unknown)
        })
    };
    check_members("ClientOperation", &whole, accepts, OPERATION_LENIENT);
}

/// A reference that is no number counts as absent; the compression is the app's.
const OPERATION_LENIENT: &[&str] = &["referenceSequenceNumber", "compression"];

#[test]
fn tokens_miss_what_the_schema_requires() {
    let accepts = |claims: &Value| {
        // A number that is one is not always a good one.
        let mut claims = claims.clone();
        for (name, value) in [("exp", NOW_S + 60), ("nbf", NOW_S)] {
            if claims[name].is_i64() {
                claims[name] = json!(value);
            }
        }
        let token = sign(&claims.to_string(), b"");
        decode_unverified(&token, NOW_S as i64).is_ok()
    };
    check_members("TokenClaims", &claims(), accepts, &[]);
}

#[test]
fn summaries_miss_what_the_schema_requires() {
    let whole = json!({ "handle": "h", "head": "v", "parents": ["v"], "message": "m" });
    let accepts =
        |value: &Value| SummaryProposal::parse(value.to_string().as_bytes(), 1, 2).is_ok();
    check_members("Summarize", &whole, accepts, &[]);
}
