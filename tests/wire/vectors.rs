//! Messages of the Phoenix wire with what they mean, for the TypeScript packages: their tests
//! decode and encode the same bytes. The service's come out of its encoders, the clients' go
//! through its decoder.

use crate::golden::assert_kept;
use crate::members::assert_valid;
use crate::outbound::{CLAIMS, CLIENT, payload, script};
use crate::schema::{client_event, payload_of};
use base64::Engine as _;
use levee::schema::{PHOENIX_CLIENT_EVENTS, PHOENIX_SERVER_EVENTS};
use levee_core::admission;
use levee_core::auth::{Scope, Scopes, TokenFault};
use levee_core::dialect::{
    Connected, Dialect, MissingKeys, Mode, OpKind, PresenceEvent, RawOp, ServerEvent, SignalOut,
    decode, msgpack,
};
use levee_core::encode::RunBuilder;
use levee_core::ids::{ClientId, Seq};
use levee_core::nack::NackCause;
use levee_core::presence::{Presence, PresenceFault};
use levee_core::sequencer::Ticket;
use levee_core::summary::{ack_contents, nack_contents};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const CLIENT_ID: u128 = 0x1234_5678;
const TIME_MS: u64 = 1_795_376_885_378;

/// Text of every kind that an encoder can get wrong, and numbers of every size of msgpack.
const HARD: &str = r#"{"text":"é 😀 \"\\ \u0001\n","numbers":[0,127,128,255,256,65535,65536,4294967295,-1,-32,-33,-128,-129,-32768,-32769,1.5,-0.25,9007199254740991],"nested":{"a":[[],{},null,true,false]}}"#;

/// The script of the golden transcripts, and what only matters to one who reads it.
fn server_script(mut with: impl FnMut(&str, ServerEvent<'_>)) {
    script(&mut with);
    operations(&mut with);
    refusals(&mut with);
    presence(&mut with);
    let hard = SignalOut { client_id: Some("c1"), content: HARD.as_bytes(), extra: b"" };
    with("signal with hard content", ServerEvent::Signal(&hard));
    let joined =
        [br#"{"type":"join","content":{"clientId":"c1","client":"#, CLIENT, b"}}"].concat();
    let content = json!(String::from_utf8(joined).unwrap()).to_string();
    let join = SignalOut { client_id: None, content: content.as_bytes(), extra: b"" };
    with("join signal", ServerEvent::Signal(&join));
    for reason in ["unmatched topic", "invalid_topic", "too many topics"] {
        let response = json!({ "reason": reason }).to_string();
        let response = response.as_bytes();
        let refused = ServerEvent::Reply { message_ref: Some("9"), ok: false, response };
        with(&format!("join refused: {reason}"), refused);
    }
}

type Line<'a> = dyn FnMut(&str, ServerEvent<'_>) + 'a;

/// Each type of operation, written by the one encoder of operations.
fn operations(with: &mut Line<'_>) {
    const KINDS: [OpKind; 10] = [
        OpKind::Op,
        OpKind::Noop,
        OpKind::Summarize,
        OpKind::Propose,
        OpKind::Accept,
        OpKind::Reject,
        OpKind::BlobAttach,
        OpKind::TripComplete,
        OpKind::SaveOp,
        OpKind::RemoteHelp,
    ];
    let client = ClientId::from_bits(CLIENT_ID);
    let mut run = RunBuilder::default();
    let mut ticket = Ticket { seq: Seq(1), min: Seq(0), reference_seq: -1 };
    run.push_join(client, CLIENT, ticket, TIME_MS);
    for (at, kind) in KINDS.into_iter().enumerate() {
        ticket = Ticket { seq: ticket.seq.next(), min: Seq(1), reference_seq: 1 };
        let (first, text) = (at == 0, json!(HARD).to_string());
        let op = RawOp {
            kind,
            client_seq: at as i64 + 1,
            reference_seq: Some(1),
            contents: if first { Some(HARD.as_bytes()) } else { Some(text.as_bytes()) },
            metadata: first.then_some(br#"{"batchId":"b"}"#),
            compression: first.then_some(br#""lz4""#),
            raw: b"",
        };
        run.push_op(client, &op, ticket, TIME_MS);
    }
    let version = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let mut service = Ticket { seq: ticket.seq.next(), min: Seq(1), reference_seq: -1 };
    run.push_summary_answer("summaryAck", &ack_contents(version, Seq(4)), service, TIME_MS);
    for retry_after_s in [None, Some(5)] {
        service.seq = service.seq.next();
        let contents = nack_contents("Why", Seq(4), retry_after_s);
        run.push_summary_answer("summaryNack", &contents, service, TIME_MS);
    }
    service.seq = service.seq.next();
    run.push_noop(service, TIME_MS);
    service.seq = service.seq.next();
    run.push_leave(client, service, TIME_MS);
    let run = run.take().unwrap();
    with("every type of operation", ServerEvent::Ops { document: "d", run: &run.bytes });
    let connected = Connected {
        client_id: client,
        mode: Mode::Write,
        claims: CLAIMS.as_bytes(),
        initial_clients: &[],
        initial_messages: &run.bytes,
        version: "0.1.0",
        signals_v2: true,
        checkpoint_seq: run.last(),
        timestamp_ms: TIME_MS,
        summary: None,
    };
    with("connected with history", ServerEvent::Connected(&connected));
}

/// Every reason for which something is refused, in this wire's words.
fn refusals(with: &mut Line<'_>) {
    let submitted = json!({ "clientSequenceNumber": 9, "type": "op", "contents": "x" }).to_string();
    for cause in causes() {
        let mut nack = cause.words(Dialect::Phoenix);
        if cause.is_sequencers() {
            (nack.operation, nack.sequence_number) = (Some(submitted.as_bytes()), 3);
        }
        let name = format!("nack: {}", nack.message);
        with(&name, ServerEvent::Nack { document: "d", nack: &nack });
    }
    let missing = MissingKeys { tenant_id: true, id: true, client: true, mode: true };
    let mut errors = vec![
        admission::malformed(Dialect::Phoenix, missing),
        admission::malformed(Dialect::Phoenix, MissingKeys::default()),
        admission::wrong_topic(),
    ];
    let needs = |scope| TokenFault::MissingScopes(Scopes::of(&[scope]));
    let faults = [TokenFault::Missing, TokenFault::Expired, TokenFault::WrongDocument];
    for fault in faults.into_iter().chain([needs(Scope::DocRead), needs(Scope::DocWrite)]) {
        let rejection = fault.levee_socket();
        errors.push(levee_core::dialect::ConnectError {
            code: rejection.status,
            message: rejection.text,
            retry_after_ms: None,
        });
    }
    for error in errors {
        let name = format!("connect refused: {}", error.message);
        with(&name, ServerEvent::ConnectError(&error));
    }
}

fn causes() -> Vec<NackCause> {
    use NackCause::*;
    let all = vec![
        MalformedSubmit,
        MalformedSignal,
        NotConnected,
        UnknownClient,
        OtherClient,
        ReadOnlySession,
        NoWriteScope,
        NoSummaryScope(ClientId::from_bits(CLIENT_ID)),
        TypeNotAllowed,
        Gap,
        BelowWindow { reference_seq: 2, min: 3 },
        AheadOfHead { reference_seq: 9, head: 3 },
        BatchTooLarge { count: 10_001, max: 10_000 },
        Throttled { retry_after_s: 1 },
        Frozen { retry_after_s: 5 },
    ];
    // A new cause does not compile here until it has its place in the list.
    let number = |cause: &NackCause| match cause {
        MalformedSubmit => 0,
        MalformedSignal => 1,
        NotConnected => 2,
        UnknownClient => 3,
        OtherClient => 4,
        ReadOnlySession => 5,
        NoWriteScope => 6,
        NoSummaryScope(_) => 7,
        TypeNotAllowed => 8,
        Gap => 9,
        BelowWindow { .. } => 10,
        AheadOfHead { .. } => 11,
        BatchTooLarge { .. } => 12,
        Throttled { .. } => 13,
        Frozen { .. } => 14,
    };
    assert!(all.iter().map(number).eq(0..15), "each once");
    all
}

fn presence(with: &mut Line<'_>) {
    let mut say = |name: &str, event, payload: &[u8]| {
        with(name, ServerEvent::Presence { document: "d", event, payload });
    };
    let mut presence = Presence::default();
    let clients = [1, 2].map(ClientId::from_bits);
    for (at, client) in clients.into_iter().enumerate() {
        let joined = presence.join(client, &"ada".into(), br#"{"cursor":{"x":1}}"#).unwrap();
        say(&format!("presence: client {at} appears"), PresenceEvent::Diff, &joined);
    }
    let updated = presence.update(clients[0], HARD.as_bytes()).unwrap();
    say("presence: a change", PresenceEvent::Diff, &updated);
    say("presence: two clients of one user", PresenceEvent::State, &presence.state());
    let left = presence.leave(clients[1]).unwrap();
    say("presence: a client goes", PresenceEvent::Diff, &left);
    use PresenceFault::{NotAnObject, NotJoined, TooLarge};
    for fault in [NotAnObject, TooLarge, NotJoined] {
        say(&format!("presence refused: {fault:?}"), PresenceEvent::Error, fault.payload());
    }
}

/// What clients say, each event with and without what may be absent.
fn client_script() -> Vec<(&'static str, Value)> {
    let client: Value = serde_json::from_slice(CLIENT).unwrap();
    let hard: Value = serde_json::from_str(HARD).unwrap();
    let message = |number: u32, event: &str, payload: Value| {
        json!(["1", number.to_string(), "document:t:d", event, payload])
    };
    let mut connect = json!({
        "tenantId": "t", "id": "d", "token": "J", "client": client, "mode": "write",
        "versions": ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
    });
    let plain_connect = connect.clone();
    connect["supportedFeatures"] = json!({ "submit_signals_v2": true });
    connect["lastSeenSequenceNumber"] = json!(70_000);
    let operation = json!({
        "type": "op", "contents": HARD, "clientSequenceNumber": 1, "referenceSequenceNumber": 1,
        "metadata": { "batchId": "b" }, "compression": "lz4",
    });
    let bare = json!({ "clientSequenceNumber": 2, "contents": hard });
    let submit = |batches: Value| {
        message(3, "submitOp", json!({ "clientId": "c1", "messageBatches": batches }))
    };
    let signal = |batches: Value| {
        message(4, "submitSignal", json!({ "clientId": "c1", "contentBatches": batches }))
    };
    vec![
        ("join", message(1, "phx_join", json!({ "token": "J" }))),
        ("join without a token", message(1, "phx_join", json!({}))),
        ("leave", message(9, "phx_leave", json!({}))),
        ("heartbeat", json!([null, "7", "phoenix", "heartbeat", {}])),
        ("connect", message(2, "connect_document", plain_connect)),
        ("connect with all members", message(2, "connect_document", connect)),
        ("submit", submit(json!([[operation]]))),
        ("submit two batches", submit(json!([[operation, bare], [bare]]))),
        ("submit a bare operation", submit(bare.clone())),
        ("signal", signal(json!([[{ "content": HARD }]]))),
        ("signal to one", signal(json!([[{ "content": "x", "targetClientId": "c2" }]]))),
        ("signal to some", signal(json!([{ "content": hard, "targetedClients": ["c2", "c3"] }]))),
        ("signal past some", signal(json!([{ "content": "x", "ignoredClients": ["c2"] }]))),
        ("signal of the older form", signal(json!([{ "contents": { "content": "x" } }]))),
        ("signal as text", signal(json!([r#"{"content":"x"}"#]))),
        ("noop", message(5, "noop", json!({ "referenceSequenceNumber": 4_294_967_295_u32 }))),
        ("request operations", message(6, "requestOps", json!({ "from": 0 }))),
        ("appear", message(7, "joinPresence", json!({ "meta": hard }))),
        ("change presence", message(7, "updatePresence", json!({ "meta": {} }))),
        ("disappear", message(8, "leavePresence", json!({}))),
    ]
}

/// Packs as msgpackr does what it gets from the driver: every map with a 16-bit length.
fn pack(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(is) => out.push(0xc2 + u8::from(*is)),
        Value::Number(number) => match (number.as_i64(), number.as_f64().unwrap()) {
            (Some(n), _) if (0..1 << 32).contains(&n) => pack_head(n as u32, 0x00, 0x80, 0xcc, out),
            (Some(n), _) if (-0x20..0).contains(&n) => out.push(n as u8),
            (Some(n), _) if (-0x80..0).contains(&n) => out.extend([0xd0, n as u8]),
            (Some(n), _) if (-0x8000..0).contains(&n) => {
                out.push(0xd1);
                out.extend((n as i16).to_be_bytes());
            }
            (Some(n), _) if (-0x8000_0000..0).contains(&n) => {
                out.push(0xd2);
                out.extend((n as i32).to_be_bytes());
            }
            (_, float) => {
                out.push(0xcb);
                out.extend(float.to_be_bytes());
            }
        },
        Value::String(text) => {
            pack_head(text.len() as u32, 0xa0, 0x20, 0xd9, out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            match items.len() {
                len @ 0..0x10 => out.push(0x90 + len as u8),
                len => out.extend([0xdc, (len >> 8) as u8, len as u8]),
            }
            items.iter().for_each(|item| pack(item, out));
        }
        Value::Object(members) => {
            out.push(0xde);
            out.extend((members.len() as u16).to_be_bytes());
            for (key, member) in members {
                pack(&Value::String(key.clone()), out);
                pack(member, out);
            }
        }
    }
}

/// A number below `small_end` in one byte with the mark `small`, else behind a mark that counts up
/// from `wide` with its 1, 2 or 4 bytes.
fn pack_head(number: u32, small: u8, small_end: u32, wide: u8, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    match number {
        _ if number < small_end => out.push(small + number as u8),
        0..0x100 => out.extend([wide, bytes[3]]),
        0x100..0x1_0000 => out.extend([wide + 1, bytes[2], bytes[3]]),
        _ => {
            out.push(wide + 2);
            out.extend(bytes);
        }
    }
}

fn vector(name: &str, json: &str, msgpack: &[u8], value: &Value) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), name.into());
    out.insert("json".to_owned(), json.into());
    let packed = base64::engine::general_purpose::STANDARD.encode(msgpack);
    out.insert("msgpack".to_owned(), packed.into());
    out.insert("value".to_owned(), value.clone());
    Value::Object(out)
}

fn assert_vectors(name: &str, vectors: &[Value]) {
    let names: BTreeSet<_> = vectors.iter().map(|vector| vector["name"].as_str()).collect();
    assert_eq!(names.len(), vectors.len(), "names are unique");
    let lines: Vec<_> = vectors.iter().map(|vector| format!("  {vector}")).collect();
    assert_kept(
        &format!("clients/driver/vectors/{name}"),
        &format!("[\n{}\n]\n", lines.join(",\n")),
    );
}

#[test]
fn the_services_vectors_are_kept() {
    let mut vectors = Vec::new();
    let mut seen = BTreeSet::new();
    server_script(|name, event| {
        let Some(text) = payload(Dialect::Phoenix, &event) else {
            return;
        };
        let text = String::from_utf8(text).unwrap();
        let packed = payload(Dialect::PhoenixMsgpack, &event).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_valid("PhoenixServerMessage", &value);
        let event = value[3].as_str().unwrap();
        assert_valid(payload_of(&PHOENIX_SERVER_EVENTS, event), &value[4]);
        seen.insert(event.to_owned());
        vectors.push(vector(name, &text, &packed, &value));
    });
    let all = PHOENIX_SERVER_EVENTS.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(seen, all.collect(), "every event");
    assert_vectors("to-client.json", &vectors);
}

#[test]
fn the_clients_vectors_are_kept() {
    let mut vectors = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in client_script() {
        let text = value.to_string();
        assert_valid("PhoenixClientMessage", &value);
        let event = value[3].as_str().unwrap();
        assert_valid(payload_of(&PHOENIX_CLIENT_EVENTS, event), &value[4]);
        let inbound = decode(Dialect::Phoenix, text.as_bytes());
        assert_eq!(client_event(&inbound.event), Some(event), "{name}");
        let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
        pack(&value, &mut packed);
        msgpack::to_json(&packed, &mut unpacked).unwrap();
        let from_msgpack: Value = serde_json::from_slice(&unpacked).unwrap();
        assert_eq!(as_floats(&from_msgpack), as_floats(&value), "{name}");
        let again = decode(Dialect::PhoenixMsgpack, &unpacked);
        assert_eq!(client_event(&again.event), Some(event), "{name}");
        seen.insert(event.to_owned());
        vectors.push(vector(name, &text, &packed, &value));
    }
    let all = PHOENIX_CLIENT_EVENTS.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(seen, all.collect(), "every event");
    assert_vectors("to-service.json", &vectors);
}

/// JavaScript has one kind of number, so 2^53 - 1 comes as a float.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(as_floats).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), as_floats(member))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}
