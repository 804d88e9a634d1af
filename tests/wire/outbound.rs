//! Everything the service says, in every dialect, and held against recorded traffic.

use crate::golden::assert_golden;
use levee_core::dialect::{
    Address, ConnectError, Connected, Dialect, Heartbeat, InitialClient, Mode, NackKind, NackOut,
    PresenceEvent, ServerEvent, SignalOut, encode, msgpack,
};
use levee_core::ids::{ClientId, Seq};
use serde_json::Value;
use std::fmt::Write as _;

pub(crate) const JOIN_OP: &str = concat!(
    r#"{"clientId":null,"clientSequenceNumber":-1,"contents":null,"minimumSequenceNumber":0,"#,
    r#""referenceSequenceNumber":-1,"sequenceNumber":1,"timestamp":1795376885378,"type":"join","#,
    r#""data":"{\"clientId\":\"c1\",\"detail\":{\"mode\":\"write\",\"details\":{\"capabilities\":{\"interactive\":true}},"#,
    r#"\"permission\":[],\"scopes\":[],\"user\":{\"id\":\"u1\"}}}"}"#
);

pub(crate) const OP: &str = concat!(
    r#"{"clientId":"c1","clientSequenceNumber":1,"contents":"{\"a\":\"é\"}","metadata":{"batchId":"b"},"#,
    r#""minimumSequenceNumber":0,"referenceSequenceNumber":1,"sequenceNumber":2,"#,
    r#""timestamp":1795376885872,"type":"op"}"#
);

pub(crate) const CLAIMS: &str = concat!(
    r#"{"documentId":"d","scopes":["doc:read","doc:write"],"tenantId":"t","#,
    r#""user":{"id":"u","name":"Ada"},"iat":1795376885,"exp":1795380485,"ver":"1.0","jti":"x"}"#
);

pub(crate) const CLIENT: &[u8] = br#"{"details":{"capabilities":{"interactive":true}},"mode":"write","permission":[],"scopes":[],"user":{"id":"u"}}"#;

/// Takes each line of the script: a name and an event.
type Line<'a> = dyn FnMut(&str, ServerEvent<'_>) + 'a;

/// Runs `with` on the whole script.
pub(crate) fn script(mut with: impl FnMut(&str, ServerEvent<'_>)) {
    opening(&mut with);
    connecting(&mut with);
    working(&mut with);
    refusing(&mut with);
    presence(&mut with);
    with("closed", ServerEvent::ChannelClosed);
    with("failed", ServerEvent::ChannelFailed);
    with("goodbye", ServerEvent::Goodbye);
}

/// A stored run: a join and an operation.
fn run() -> String {
    [JOIN_OP, OP].join(",")
}

fn opening(with: &mut Line<'_>) {
    with("open", ServerEvent::Open { sid: "IqIV", max_payload: 1_000_000 });
    with("namespace", ServerEvent::NamespaceOpened { sid: "ePbF" });
    with("no namespace", ServerEvent::NamespaceRefused { namespace: "/admin" });
    with("ping", ServerEvent::Ping);
    let pong = |heartbeat| ServerEvent::Pong { heartbeat, message_ref: Some("7") };
    with("pong engine", pong(Heartbeat::EngineIo));
    with("pong app", pong(Heartbeat::AppPing { ack_id: 0 }));
    with("pong phoenix", pong(Heartbeat::Phoenix));
    let reply = |ok, response| ServerEvent::Reply { message_ref: Some("1"), ok, response };
    with("reply", reply(true, b"{}"));
    with("reply error", reply(false, br#"{"reason":"invalid_topic"}"#));
}

fn connecting(with: &mut Line<'_>) {
    let client_id = ClientId::from_bits(0x1234_5678);
    let other =
        InitialClient { client_id: ClientId::from_bits(9), client: CLIENT, mode: Mode::Read };
    let members = [other, InitialClient { mode: Mode::Write, ..other }];
    let messages = run();
    let mut connected = Connected {
        client_id,
        mode: Mode::Write,
        claims: CLAIMS.as_bytes(),
        initial_clients: &members,
        initial_messages: messages.as_bytes(),
        version: "^0.4.0",
        signals_v2: true,
        checkpoint_seq: Seq(3),
        timestamp_ms: 1_795_376_885_378,
        summary: Some(("abc", Seq(2))),
    };
    with("connected", ServerEvent::Connected(&connected));
    connected.mode = Mode::Read;
    connected.initial_clients = &[];
    connected.initial_messages = b"";
    connected.signals_v2 = false;
    connected.summary = None;
    with("connected to read", ServerEvent::Connected(&connected));
}

fn working(with: &mut Line<'_>) {
    let messages = run();
    with("operations", ServerEvent::Ops { document: "d", run: messages.as_bytes() });
    with("one operation", ServerEvent::Ops { document: "d\"é", run: OP.as_bytes() });
    let mut signal = SignalOut {
        client_id: Some("c1"),
        content: br#""x""#,
        extra: br#""targetClientId":"c2","foo":1"#,
    };
    with("signal", ServerEvent::Signal(&signal));
    signal = SignalOut {
        client_id: None,
        content: br#""{\"type\":\"leave\",\"content\":\"c1\"}""#,
        extra: b"",
    };
    with("system signal", ServerEvent::Signal(&signal));
}

fn refusing(with: &mut Line<'_>) {
    let mut error = ConnectError {
        code: 400,
        message: "Invalid connection message".into(),
        retry_after_ms: None,
    };
    with("refused", ServerEvent::ConnectError(&error));
    (error.code, error.retry_after_ms) = (503, Some(2500));
    with("refused for now", ServerEvent::ConnectError(&error));
    let mut nack = NackOut {
        code: 400,
        kind: NackKind::BadRequest,
        message: "Gap detected in incoming op".into(),
        retry_after_s: None,
        operation: Some(OP.as_bytes()),
        sequence_number: 1,
    };
    with("nack", ServerEvent::Nack { document: "d", nack: &nack });
    nack = NackOut {
        code: 429,
        kind: NackKind::Throttling,
        message: "Slow down".into(),
        retry_after_s: Some(3),
        operation: None,
        sequence_number: -1,
    };
    with("nack of the session", ServerEvent::Nack { document: "", nack: &nack });
}

fn presence(with: &mut Line<'_>) {
    let mut say = |name, event, payload| {
        with(name, ServerEvent::Presence { document: "d", event, payload });
    };
    say("presence", PresenceEvent::State, br#"{"u":{"metas":[{"phx_ref":"1","clientId":"c1"}]}}"#);
    say("presence change", PresenceEvent::Diff, br#"{"joins":{},"leaves":{}}"#);
    say("presence refused", PresenceEvent::Error, br#"{"reason":"not_joined"}"#);
}

fn address(dialect: Dialect) -> Address<'static> {
    match dialect {
        Dialect::SocketIo => Address { dialect, topic: "", join_ref: None },
        Dialect::Phoenix | Dialect::PhoenixMsgpack => {
            Address { dialect, topic: "document:t:d", join_ref: Some("1") }
        }
    }
}

/// Opcode and payload of the one frame in `bytes`, read by hand.
fn unframe(bytes: &[u8]) -> (u8, &[u8]) {
    assert_eq!(bytes[0] & 0xf0, 0x80, "final, no extension");
    let (len, header) = match bytes[1] {
        126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
        len => (usize::from(len), 2),
    };
    assert_eq!(bytes.len(), header + len, "one whole frame, not masked");
    (bytes[0] & 0x0f, &bytes[header..])
}

/// The payload of an event's text or binary frame; `None` where the dialect says nothing.
pub(crate) fn payload(dialect: Dialect, event: &ServerEvent<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encode(&address(dialect), event, &mut out);
    let expected = if dialect == Dialect::PhoenixMsgpack { 2 } else { 1 };
    match out.as_slice() {
        [] => None,
        bytes => match unframe(bytes) {
            (opcode, payload) if opcode == expected => Some(payload.to_vec()),
            (opcode, payload) => {
                assert_eq!((opcode, payload), (8, 1012u16.to_be_bytes().as_slice()));
                None
            }
        },
    }
}

fn transcript(dialect: Dialect) -> String {
    let mut text = String::new();
    script(|name, event| {
        let line = match payload(dialect, &event) {
            None if matches!(event, ServerEvent::Goodbye) => "(close 1012)".into(),
            None => "(nothing)".into(),
            Some(bytes) => match String::from_utf8(bytes) {
                Ok(text) if dialect != Dialect::PhoenixMsgpack => text,
                Ok(text) => hex(text.as_bytes()),
                Err(error) => hex(error.as_bytes()),
            },
        };
        writeln!(text, "# {name}\n{line}").unwrap();
    });
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn transcripts_are_golden() {
    assert_golden("out.socketio.txt", &transcript(Dialect::SocketIo));
    assert_golden("out.phoenix.txt", &transcript(Dialect::Phoenix));
    assert_golden("out.msgpack.txt", &transcript(Dialect::PhoenixMsgpack));
}

#[test]
fn msgpack_says_what_json_says() {
    script(|name, event| {
        let json = payload(Dialect::Phoenix, &event);
        let packed = payload(Dialect::PhoenixMsgpack, &event).map(|bytes| {
            let mut text = Vec::new();
            msgpack::to_json(&bytes, &mut text).unwrap();
            text
        });
        let value = |text: Option<Vec<u8>>| {
            text.map(|text| -> Value { serde_json::from_slice(&text).unwrap() })
        };
        assert_eq!(value(json), value(packed), "{name}");
    });
}

/// The payload arguments of one Socket.IO event of the script.
fn socketio_args(wanted: &str) -> Vec<Value> {
    let mut args = Vec::new();
    script(|name, event| {
        if name == wanted {
            let text = payload(Dialect::SocketIo, &event).unwrap();
            let text = String::from_utf8(text).unwrap();
            args = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        }
    });
    args
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Key order and values as the reference service sent them to official clients.
#[test]
fn shapes_are_those_of_recorded_traffic() {
    let connected = socketio_args("connected to read");
    let success = &connected[1];
    assert_eq!(connected[0], "connect_document_success");
    assert_eq!(
        keys(success),
        [
            "claims",
            "clientId",
            "existing",
            "maxMessageSize",
            "mode",
            "serviceConfiguration",
            "initialClients",
            "initialMessages",
            "initialSignals",
            "supportedVersions",
            "supportedFeatures",
            "version",
            "timestamp"
        ]
    );
    assert_eq!(success["claims"], serde_json::from_str::<Value>(CLAIMS).unwrap());
    assert_eq!(success["maxMessageSize"], 1024);
    let configuration = serde_json::json!({"blockSize": 64436, "maxMessageSize": 16384});
    assert_eq!(success["serviceConfiguration"], configuration);
    let ranges = serde_json::json!(["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"]);
    assert_eq!(success["supportedVersions"], ranges);

    let connected = socketio_args("connected");
    assert_eq!(connected[1]["maxMessageSize"], 16384);
    assert_eq!(keys(&connected[1]["initialClients"][0]), ["clientId", "client"]);
    let refused = socketio_args("refused");
    assert_eq!(keys(&refused[1]), ["code", "message"]);
    let ops = socketio_args("operations");
    assert_eq!((&ops[0], &ops[1]), (&"op".into(), &"d".into()));
    assert_eq!(ops[2].as_array().unwrap().len(), 2);
    assert_eq!(ops[2][0]["contents"], Value::Null);
    let signal = socketio_args("signal");
    assert_eq!(keys(&signal[1]), ["content", "targetClientId", "foo", "clientId"]);
    let nack = socketio_args("nack of the session");
    assert_eq!((&nack[0], &nack[1]), (&"nack".into(), &"".into()));
    assert_eq!(keys(&nack[2][0]), ["sequenceNumber", "content"]);
    assert_eq!(keys(&nack[2][0]["content"]), ["code", "type", "message", "retryAfter"]);
}
