//! Engine.IO 4 and Socket.IO 5 packets over WebSocket (`fluid-wire.md` sections 1 and 2).
//!
//! One message is one packet: a digit of Engine.IO, for messages a digit of Socket.IO, then an
//! optional namespace, an optional acknowledgement id and JSON.

use super::frame::put;
use super::{
    ClientEvent, Heartbeat, Inbound, Malformed, PresenceRequest, ServerEvent, SignalOut, Signals,
    Submit, connect, connected, plain_text,
};
use crate::limits::{NAME_BYTES_MAX, PING_INTERVAL_MS, PING_TIMEOUT_MS};
use crate::wire::json::{Cursor, JsonFault, Kind, Raw, write_string, write_u64};
use std::borrow::Cow;

const FRAME_FAULT: ClientEvent<'static> = ClientEvent::Malformed(Malformed::Frame);

pub(super) fn decode(text: &[u8]) -> Inbound<'_> {
    Inbound {
        topic: Cow::Borrowed(""),
        join_ref: None,
        message_ref: None,
        event: decode_packet(text),
    }
}

/// Reads the Engine.IO packet. `5` and `6` belong to a transport upgrade and ask for nothing.
fn decode_packet(text: &[u8]) -> ClientEvent<'_> {
    match text {
        [b'4', message @ ..] => decode_message(message),
        [b'2', ..] => ClientEvent::Heartbeat(Heartbeat::EngineIo),
        [b'3' | b'5' | b'6', ..] => ClientEvent::Alive,
        [b'1', ..] => ClientEvent::Disconnect,
        _ => FRAME_FAULT,
    }
}

/// Reads the Socket.IO packet. `5` and `6` announce binary attachments, which no client sends.
fn decode_message(message: &[u8]) -> ClientEvent<'_> {
    let Some((&kind, rest)) = message.split_first() else {
        return FRAME_FAULT;
    };
    let (namespace, rest) = match rest.first() {
        Some(b'/') => match memchr::memchr(b',', rest) {
            Some(comma) => (&rest[..comma], &rest[comma + 1..]),
            None => (rest, &rest[rest.len()..]),
        },
        _ => (&rest[..0], rest),
    };
    let is_root = matches!(namespace, b"" | b"/");
    match (kind, is_root) {
        (b'0', true) => ClientEvent::OpenNamespace,
        (b'0', false) => match std::str::from_utf8(namespace) {
            Ok(name) if name.len() <= NAME_BYTES_MAX => ClientEvent::OpenForeignNamespace(name),
            Ok(_) | Err(_) => FRAME_FAULT,
        },
        (b'1', true) => ClientEvent::Disconnect,
        (b'2', true) => decode_event(rest),
        // Nobody was let into another namespace.
        (b'1' | b'2', false) => ClientEvent::Unknown,
        (b'3' | b'4', _) => ClientEvent::Alive,
        _ => FRAME_FAULT,
    }
}

fn decode_event(rest: &[u8]) -> ClientEvent<'_> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, json) = rest.split_at(digits);
    let ack_id = id
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    match ack_id {
        Some(ack_id) => decode_args(json, (digits > 0).then_some(ack_id)).unwrap_or(FRAME_FAULT),
        None => FRAME_FAULT,
    }
}

/// Reads `[name, first, second, …]`; what comes after is only validated.
fn decode_args(json: &[u8], ack_id: Option<u64>) -> Result<ClientEvent<'_>, JsonFault> {
    let mut cursor = Cursor::new(json);
    let mut walk = cursor.array()?;
    let mut args = [None; 3];
    for slot in &mut args {
        if walk.item(&mut cursor)? {
            *slot = Some(cursor.value()?);
        }
    }
    while walk.item(&mut cursor)? {
        cursor.skip_value()?;
    }
    cursor.finish()?;
    let [Some(name), first, second] = args else {
        return Ok(FRAME_FAULT);
    };
    Ok(match name.bytes() {
        b"\"submitOp\"" => submit(first, second),
        b"\"submitSignal\"" => signals(first, second),
        b"\"connect_document\"" => connect::decode_socketio(first),
        b"\"ping\"" => match ack_id {
            Some(ack_id) => ClientEvent::Heartbeat(Heartbeat::AppPing { ack_id }),
            None => ClientEvent::Alive,
        },
        b"\"joinPresence\"" => presence(first, second, |meta| PresenceRequest::Join { meta }),
        b"\"updatePresence\"" => presence(first, second, |meta| PresenceRequest::Update { meta }),
        b"\"leavePresence\"" => presence(first, second, |_| PresenceRequest::Leave),
        // Telemetry of a client that goes, and a feature of other services.
        b"\"client_disconnect\"" | b"\"disconnect_document\"" => ClientEvent::Alive,
        _ if name.kind() == Kind::String => ClientEvent::Unknown,
        _ => FRAME_FAULT,
    })
}

fn submit<'a>(client_id: Option<Raw<'a>>, batches: Option<Raw<'a>>) -> ClientEvent<'a> {
    let (Some(client_id), Some(batches)) = (client_id.and_then(plain_text), batches) else {
        return ClientEvent::Malformed(Malformed::Submit);
    };
    match batches.kind() {
        Kind::Array | Kind::Object => {
            ClientEvent::Submit(Submit { client_id, batches: batches.bytes() })
        }
        Kind::Null | Kind::Bool | Kind::Number | Kind::String => {
            ClientEvent::Malformed(Malformed::Submit)
        }
    }
}

fn signals<'a>(client_id: Option<Raw<'a>>, batches: Option<Raw<'a>>) -> ClientEvent<'a> {
    match (client_id.and_then(plain_text), batches) {
        (Some(client_id), Some(batches)) if batches.kind() == Kind::Array => {
            ClientEvent::Signals(Signals { client_id, batches: batches.bytes() })
        }
        (Some(_) | None, Some(_) | None) => ClientEvent::Malformed(Malformed::Signal),
    }
}

/// A presence request. The client id says which document of the socket it is for.
fn presence<'a>(
    first: Option<Raw<'a>>,
    second: Option<Raw<'a>>,
    request: impl FnOnce(&'a [u8]) -> PresenceRequest<'a>,
) -> ClientEvent<'a> {
    let client_id = first.and_then(plain_text).or_else(|| second.and_then(plain_text));
    let request = meta(first, second).map_or(PresenceRequest::Malformed, request);
    ClientEvent::Presence { client_id, request }
}

/// The state that a presence request brings: `clientId, meta`, either of them absent; `{"meta":…}`
/// as on Phoenix is understood too. Absent counts as `{}`.
fn meta<'a>(first: Option<Raw<'a>>, second: Option<Raw<'a>>) -> Option<&'a [u8]> {
    let state = match (first, second) {
        (None, _) => return Some(b"{}"),
        (Some(first), _) if first.kind() == Kind::Object => first,
        (Some(first), second) if first.kind() == Kind::String => match second {
            Some(second) => second,
            None => return Some(b"{}"),
        },
        (Some(_), _) => return None,
    };
    if state.kind() != Kind::Object {
        return None;
    }
    match state.field("meta") {
        Some(inner) if inner.kind() == Kind::Object => Some(inner.bytes()),
        Some(_) | None => Some(state.bytes()),
    }
}

/// Appends the text of the packet that says `event`, without its WebSocket frame; nothing for
/// events of the other wire.
pub fn write(event: &ServerEvent<'_>, out: &mut Vec<u8>) {
    match event {
        ServerEvent::Ops { document, run } => {
            out.extend_from_slice(b"42[\"op\",");
            write_string(out, document);
            put(out, &[b",[", run, b"]]"]);
        }
        ServerEvent::Signal(signal) => write_signal(signal, out),
        ServerEvent::Nack { document, nack } => {
            out.extend_from_slice(b"42[\"nack\",");
            write_string(out, document);
            out.extend_from_slice(b",[{");
            connected::write_nack(nack, out);
            out.extend_from_slice(b"}]]");
        }
        ServerEvent::Connected(success) => {
            out.extend_from_slice(b"42[\"connect_document_success\",");
            connected::write_socketio(success, out);
            out.push(b']');
        }
        ServerEvent::ConnectError(error) => {
            out.extend_from_slice(b"42[\"connect_document_error\",");
            connected::write_error(error, out);
            out.push(b']');
        }
        ServerEvent::Presence { document, event, payload } => {
            put(out, &[b"42[\"", event.as_str().as_bytes(), b"\","]);
            write_string(out, document);
            put(out, &[b",", payload, b"]"]);
        }
        ServerEvent::Pong { heartbeat, .. } => match heartbeat {
            Heartbeat::EngineIo => out.push(b'3'),
            Heartbeat::AppPing { ack_id } => {
                out.extend_from_slice(b"43");
                write_u64(out, *ack_id);
                out.extend_from_slice(b"[]");
            }
            Heartbeat::Phoenix => {}
        },
        ServerEvent::Ping => out.push(b'2'),
        ServerEvent::Open { sid, max_payload } => write_open(sid, *max_payload, out),
        ServerEvent::NamespaceOpened { sid } => {
            out.extend_from_slice(b"40{\"sid\":");
            write_string(out, sid);
            out.push(b'}');
        }
        ServerEvent::NamespaceRefused { namespace } => {
            put(out, &[b"44", namespace.as_bytes(), b",{\"message\":\"Invalid namespace\"}"])
        }
        ServerEvent::Goodbye => out.extend_from_slice(b"41"),
        ServerEvent::Reply { .. } | ServerEvent::ChannelClosed | ServerEvent::ChannelFailed => {}
    }
}

fn write_open(sid: &str, max_payload: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0{\"sid\":");
    write_string(out, sid);
    out.extend_from_slice(b",\"upgrades\":[],\"pingInterval\":");
    write_u64(out, PING_INTERVAL_MS);
    out.extend_from_slice(b",\"pingTimeout\":");
    write_u64(out, PING_TIMEOUT_MS);
    out.extend_from_slice(b",\"maxPayload\":");
    write_u64(out, max_payload as u64);
    out.push(b'}');
}

/// One object. Clients take `content` to be a string; what a Phoenix peer sent as another value
/// goes out as its JSON text.
fn write_signal(signal: &SignalOut<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"42[\"signal\",{\"content\":");
    match (signal.content.first(), std::str::from_utf8(signal.content)) {
        (Some(b'"'), _) | (_, Err(_)) => out.extend_from_slice(signal.content),
        (_, Ok(text)) => write_string(out, text),
    }
    if !signal.extra.is_empty() {
        put(out, &[b",", signal.extra]);
    }
    out.extend_from_slice(b",\"clientId\":");
    match signal.client_id {
        Some(client_id) => write_string(out, client_id),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}]");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(text: &str) -> ClientEvent<'_> {
        decode(text.as_bytes()).event
    }

    fn packet(event: &ServerEvent<'_>) -> String {
        let mut out = Vec::new();
        write(event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn packets_of_the_transport() {
        assert_eq!(event("2"), ClientEvent::Heartbeat(Heartbeat::EngineIo));
        assert_eq!(event("3"), ClientEvent::Alive);
        assert_eq!(event("1"), ClientEvent::Disconnect);
        assert_eq!(event("40"), ClientEvent::OpenNamespace);
        assert_eq!(event("40{\"token\":1}"), ClientEvent::OpenNamespace);
        assert_eq!(event("40/admin,{}"), ClientEvent::OpenForeignNamespace("/admin"));
        assert_eq!(event("40/admin"), ClientEvent::OpenForeignNamespace("/admin"));
        assert_eq!(event("41"), ClientEvent::Disconnect);
        assert_eq!(event("42/admin,[\"submitOp\"]"), ClientEvent::Unknown);
        let long = format!("40/{}", "n".repeat(NAME_BYTES_MAX));
        for text in ["", "4", "0", "b4abc", "48", "451-[\"x\"]", &long] {
            assert_eq!(event(text), FRAME_FAULT, "{text}");
        }
    }

    #[test]
    fn events_are_known_by_name() {
        let ping = |ack_id| ClientEvent::Heartbeat(Heartbeat::AppPing { ack_id });
        assert_eq!(event("420[\"ping\"]"), ping(0));
        assert_eq!(event("42907[\"ping\"]"), ping(907));
        assert_eq!(event("42[\"ping\"]"), ClientEvent::Alive);
        assert_eq!(event("42[\"client_disconnect\",\"id\"]"), ClientEvent::Alive);
        assert_eq!(event("42[\"whatever\",1]"), ClientEvent::Unknown);
        for text in [
            "42",
            "42[]",
            "42[1]",
            "42[\"submitOp\"",
            "42{}",
            "42[\"x\"]]",
            "4299999999999999999999[\"ping\"]",
        ] {
            assert_eq!(event(text), FRAME_FAULT, "{text}");
        }
    }

    #[test]
    fn submit_keeps_slices() {
        let expected = Submit { client_id: "c1", batches: br#"[[{"type":"op"}]]"# };
        let text = r#"42["submitOp","c1", [[{"type":"op"}]] ,"more"]"#;
        assert_eq!(event(text), ClientEvent::Submit(expected));
        for text in [
            r#"42["submitOp"]"#,
            r#"42["submitOp","c"]"#,
            r#"42["submitOp",1,[]]"#,
            r#"42["submitOp","c","s"]"#,
        ] {
            assert_eq!(event(text), ClientEvent::Malformed(Malformed::Submit));
        }
        let text = r#"42["submitSignal","c","str"]"#;
        assert_eq!(event(text), ClientEvent::Malformed(Malformed::Signal));
    }

    #[test]
    fn connect_is_held_against_its_types() {
        let good = r#"{"client":{"details":{"capabilities":{"interactive":true}},
            "permission":[],"scopes":[],"user":{"id":""},"mode":"read"},"id":"d\u00e9",
            "mode":"write","tenantId":"t","token":"","versions":["^0.4.0"],"supportedFeatures":{"submit_signals_v2":true}}"#;
        let text = format!("42[\"connect_document\",{good}]");
        let ClientEvent::Connect(connect) = event(&text) else {
            panic!("is a connect");
        };
        assert_eq!((&*connect.tenant, &*connect.document), ("t", "dé"));
        assert_eq!((connect.mode, connect.token), (super::super::Mode::Write, None));
        assert_eq!(connect.versions, br#"["^0.4.0"]"#);
        assert_eq!(connect.signals_v2, Some(true));
        assert!(connect.client.starts_with(b"{\"details\""));
        for (from, to) in [
            ("\"t\"", "7"),
            ("\"d\\u00e9\"", "null"),
            ("\"write\"", "1"),
            ("[\"^0.4.0\"]", "\"^0.4.0\""),
            ("[\"^0.4.0\"]", "[4]"),
            ("\"interactive\":true", "\"interactive\":\"yes\""),
            ("\"permission\":[]", "\"permission\":{}"),
            ("\"scopes\":[]", "\"scopes\":\"\""),
            ("\"user\":{\"id\":\"\"}", "\"user\":{}"),
            ("\"mode\":\"read\"", "\"mode\":null"),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{from} is in the text");
            let fault = ClientEvent::Malformed(Malformed::Connect(Default::default()));
            assert_eq!(event(&bad), fault, "{bad}");
        }
    }

    #[test]
    fn presence_state_stands_in_any_place() {
        let of = |client_id, request| ClientEvent::Presence { client_id, request };
        let join = |meta| of(Some("c"), PresenceRequest::Join { meta });
        assert_eq!(event(r#"42["joinPresence","c",{"a":1}]"#), join(br#"{"a":1}"#));
        assert_eq!(event(r#"42["joinPresence",{"a":1},"c"]"#), join(br#"{"a":1}"#));
        assert_eq!(event(r#"42["joinPresence","c",{"meta":{"a":1}}]"#), join(br#"{"a":1}"#));
        assert_eq!(event(r#"42["joinPresence","c"]"#), join(b"{}"));
        let join = of(None, PresenceRequest::Join { meta: b"{}" });
        assert_eq!(event(r#"42["joinPresence"]"#), join);
        let malformed = |client_id| of(client_id, PresenceRequest::Malformed);
        assert_eq!(event(r#"42["updatePresence","c",[1]]"#), malformed(Some("c")));
        assert_eq!(event(r#"42["updatePresence",7]"#), malformed(None));
        let leave = of(Some("c"), PresenceRequest::Leave);
        assert_eq!(event(r#"42["leavePresence","c"]"#), leave);
    }

    #[test]
    fn signals_always_carry_a_string() {
        let mut signal =
            SignalOut { client_id: Some("c"), content: br#""x""#, extra: br#""foo":1"# };
        let text = packet(&ServerEvent::Signal(&signal));
        assert_eq!(text, r#"42["signal",{"content":"x","foo":1,"clientId":"c"}]"#);
        signal = SignalOut { client_id: None, content: br#"{"a":"b"}"#, extra: b"" };
        let text = packet(&ServerEvent::Signal(&signal));
        assert_eq!(text, r#"42["signal",{"content":"{\"a\":\"b\"}","clientId":null}]"#);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String, head in "4[0-9]{0,3}") {
            event(&text);
            event(&format!("{head}{text}"));
            event(&format!("{head}[\"submitOp\",{text}]"));
        }
    }
}
