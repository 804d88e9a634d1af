//! Phoenix Channels messages in JSON (`levee-wire.md` sections 1 and 2):
//! `[join_ref, ref, topic, event, payload]`.

use super::frame::put;
use super::{
    Address, ClientEvent, Heartbeat, Inbound, Malformed, PresenceRequest, ServerEvent, Signals,
    Submit, connect, connected, plain_text,
};
use crate::wire::json::{Cursor, JsonFault, Kind, Raw, Walk, write_string};
use memchr::memmem;
use std::borrow::Cow;

/// Close code that tells phoenix.js to come back: the service restarts.
pub(super) const CLOSE_RESTART: u16 = 1012;

/// What a presence request may not carry beside `meta`: the service gives these out.
const PRESENCE_RESERVED: [&[u8]; 6] =
    [b"key", b"clientId", b"client_id", b"session_id", b"phx_ref", b"phx_ref_prev"];

pub(super) fn decode(text: &[u8]) -> Inbound<'_> {
    let fault = || Inbound {
        topic: Cow::Borrowed(""),
        join_ref: None,
        message_ref: None,
        event: ClientEvent::Malformed(Malformed::Frame),
    };
    decode_message(text).ok().flatten().unwrap_or_else(fault)
}

/// Reads one message; `None` where JSON is sound but not a message. Further elements are ignored.
fn decode_message(text: &[u8]) -> Result<Option<Inbound<'_>>, JsonFault> {
    let mut cursor = Cursor::new(text);
    let mut walk = cursor.array()?;
    let mut head = [None; 4];
    for slot in &mut head {
        if walk.item(&mut cursor)? {
            *slot = Some(cursor.value()?);
        }
    }
    let [Some(join_ref), Some(message_ref), Some(topic), Some(name)] = head else {
        return Ok(None);
    };
    let (Some(topic), true) = (topic.as_str(), name.kind() == Kind::String) else {
        return Ok(None);
    };
    if !walk.item(&mut cursor)? {
        return Ok(None);
    }
    let event = decode_event(&topic, name.bytes(), &mut cursor)?;
    finish(walk, cursor)?;
    Ok(Some(Inbound {
        topic,
        join_ref: reference(join_ref),
        message_ref: reference(message_ref),
        event,
    }))
}

fn finish(mut walk: Walk, mut cursor: Cursor<'_>) -> Result<(), JsonFault> {
    while walk.item(&mut cursor)? {
        cursor.skip_value()?;
    }
    cursor.finish()
}

/// A `ref` to be echoed. Clients count them in strings; a number is taken by its digits.
fn reference(value: Raw<'_>) -> Option<&str> {
    match value.kind() {
        Kind::String => plain_text(value),
        Kind::Number => std::str::from_utf8(value.bytes()).ok(),
        Kind::Null | Kind::Bool | Kind::Array | Kind::Object => None,
    }
}

/// Reads the payload at the cursor. Operations and signals are found in the pass that validates.
fn decode_event<'a>(
    topic: &str,
    name: &[u8],
    cursor: &mut Cursor<'a>,
) -> Result<ClientEvent<'a>, JsonFault> {
    Ok(match name {
        b"\"submitOp\"" => {
            let fields = two_fields(cursor, [b"clientId", b"messageBatches"])?;
            match fields.map(|field| field.filter(|value| !value.is_null())) {
                [Some(id), Some(batches)] => submit(id, batches),
                _ => ClientEvent::Malformed(Malformed::Submit),
            }
        }
        b"\"submitSignal\"" => match two_fields(cursor, [b"clientId", b"contentBatches"])? {
            [Some(id), Some(batches)] => signals(id, batches),
            _ => ClientEvent::Malformed(Malformed::Signal),
        },
        _ => decode_small_event(topic, name, cursor.value()?),
    })
}

fn decode_small_event<'a>(topic: &str, name: &[u8], payload: Raw<'a>) -> ClientEvent<'a> {
    let number = |key| payload.field(key).and_then(Raw::as_i64);
    match name {
        b"\"heartbeat\"" if topic == "phoenix" => ClientEvent::Heartbeat(Heartbeat::Phoenix),
        b"\"phx_join\"" => ClientEvent::Join,
        b"\"phx_leave\"" => ClientEvent::Leave,
        b"\"connect_document\"" => connect::decode_phoenix(payload),
        b"\"noop\"" => match number("referenceSequenceNumber") {
            Some(reference_seq) => ClientEvent::Noop { reference_seq },
            None => ClientEvent::Unknown,
        },
        b"\"requestOps\"" => match number("from") {
            Some(from) => ClientEvent::RequestOps { from },
            None => ClientEvent::Unknown,
        },
        b"\"joinPresence\"" => presence(match meta(payload) {
            Some(meta) => PresenceRequest::Join { meta },
            None => PresenceRequest::Malformed,
        }),
        b"\"updatePresence\"" => presence(match meta(payload) {
            Some(meta) => PresenceRequest::Update { meta },
            None => PresenceRequest::Malformed,
        }),
        b"\"leavePresence\"" => presence(PresenceRequest::Leave),
        _ => ClientEvent::Unknown,
    }
}

/// The topic names the document and its client.
fn presence(request: PresenceRequest<'_>) -> ClientEvent<'_> {
    ClientEvent::Presence { client_id: None, request }
}

/// Passes an object, or any other value, and returns the last value of each name.
fn two_fields<'a>(
    cursor: &mut Cursor<'a>,
    names: [&[u8]; 2],
) -> Result<[Option<Raw<'a>>; 2], JsonFault> {
    let mut found = [None; 2];
    if cursor.peek()? != b'{' {
        cursor.skip_value()?;
        return Ok(found);
    }
    let mut fields = cursor.object()?;
    while let Some(key) = fields.key(cursor)? {
        let value = cursor.value()?;
        for (name, slot) in names.iter().zip(&mut found) {
            if key == *name {
                *slot = Some(value);
            }
        }
    }
    Ok(found)
}

fn submit<'a>(client_id: Raw<'a>, batches: Raw<'a>) -> ClientEvent<'a> {
    match (plain_text(client_id), batches.kind()) {
        (Some(client_id), Kind::Array | Kind::Object) => {
            ClientEvent::Submit(Submit { client_id, batches: batches.bytes() })
        }
        _ => ClientEvent::Malformed(Malformed::Submit),
    }
}

fn signals<'a>(client_id: Raw<'a>, batches: Raw<'a>) -> ClientEvent<'a> {
    match (plain_text(client_id), batches.kind()) {
        (Some(client_id), Kind::Array) => {
            ClientEvent::Signals(Signals { client_id, batches: batches.bytes() })
        }
        _ => ClientEvent::Malformed(Malformed::Signal),
    }
}

/// `{"meta":{…}}`. Naming a field that the service gives out claims an identity and is refused.
fn meta(payload: Raw<'_>) -> Option<&[u8]> {
    let mut found = None;
    for (key, value) in payload.object()? {
        if PRESENCE_RESERVED.contains(&key) {
            return None;
        }
        if key == b"meta" {
            found = Some(value);
        }
    }
    found.filter(|value| value.kind() == Kind::Object).map(Raw::bytes)
}

/// Appends the text of the message that says `event`, without its WebSocket frame; nothing for
/// events of the other wire and for `Goodbye`, which is a close frame here.
pub fn write(address: &Address<'_>, event: &ServerEvent<'_>, out: &mut Vec<u8>) {
    match event {
        ServerEvent::Ops { document, run } => push(address, "op", out, |out| {
            out.extend_from_slice(b"{\"documentId\":");
            write_string(out, document);
            put(out, &[b",\"op\":[", &membership_contents(run), b"]}"]);
        }),
        ServerEvent::Signal(signal) => push(address, "signal", out, |out| {
            out.extend_from_slice(b"{\"clientId\":");
            match signal.client_id {
                Some(client_id) => write_string(out, client_id),
                None => out.extend_from_slice(b"null"),
            }
            put(out, &[b",\"content\":", signal.content, b"}"]);
        }),
        // The original driver passes the payload on as one nack, its documents say it holds a list
        // of them: it is both.
        ServerEvent::Nack { nack, .. } => push(address, "nack", out, |out| {
            let mut one = Vec::new();
            if nack.operation.is_none() {
                one.extend_from_slice(b"\"operation\":null,");
            }
            connected::write_nack(nack, &mut one);
            put(out, &[b"{\"clientId\":\"\",", &one, b",\"nacks\":[{", &one, b"}]}"]);
        }),
        ServerEvent::Connected(success) => push(address, "connect_document_success", out, |out| {
            connected::write_phoenix(success, out);
        }),
        ServerEvent::ConnectError(error) => push(address, "connect_document_error", out, |out| {
            connected::write_error(error, out);
        }),
        ServerEvent::Presence { event, payload, .. } => push(address, event.as_str(), out, |out| {
            out.extend_from_slice(payload);
        }),
        ServerEvent::Pong { heartbeat: Heartbeat::Phoenix, message_ref } => {
            let phoenix = Address { topic: "phoenix", join_ref: None, ..*address };
            reply(&phoenix, *message_ref, true, b"{}", out);
        }
        ServerEvent::Reply { message_ref, ok, response } => {
            reply(address, *message_ref, *ok, response, out)
        }
        ServerEvent::ChannelClosed => end(address, "phx_close", out),
        ServerEvent::ChannelFailed => end(address, "phx_error", out),
        ServerEvent::Pong {
            heartbeat: Heartbeat::EngineIo | Heartbeat::AppPing { .. }, ..
        }
        | ServerEvent::Open { .. }
        | ServerEvent::NamespaceOpened { .. }
        | ServerEvent::NamespaceRefused { .. }
        | ServerEvent::Ping
        | ServerEvent::Goodbye => {}
    }
}

fn push(address: &Address<'_>, name: &str, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    message(address, None, name, out, payload);
}

fn reply(
    address: &Address<'_>,
    message_ref: Option<&str>,
    ok: bool,
    response: &[u8],
    out: &mut Vec<u8>,
) {
    message(address, message_ref, "phx_reply", out, |out| {
        let status: &[u8] = if ok { b"ok" } else { b"error" };
        put(out, &[b"{\"status\":\"", status, b"\",\"response\":", response, b"}"]);
    });
}

fn end(address: &Address<'_>, name: &str, out: &mut Vec<u8>) {
    message(address, address.join_ref, name, out, |out| {
        out.extend_from_slice(b"{}");
    });
}

fn message(
    address: &Address<'_>,
    message_ref: Option<&str>,
    name: &str,
    out: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>),
) {
    out.push(b'[');
    for reference in [address.join_ref, message_ref] {
        match reference {
            Some(text) => put(out, &[b"\"", text.as_bytes(), b"\","]),
            None => out.extend_from_slice(b"null,"),
        }
    }
    write_string(out, address.topic);
    put(out, &[b",\"", name.as_bytes(), b"\","]);
    payload(out);
    out.push(b']');
}

/// Gives join and leave operations of a stored run (objects joined by commas) the `contents` that
/// this wire shows: what `data` says, as JSON. Runs without such operations are not touched.
#[must_use]
pub fn membership_contents(run: &[u8]) -> Cow<'_, [u8]> {
    // Inside a string the quotes would be escaped, so almost no other operation matches.
    let has = |kind: &[u8]| memmem::find(run, kind).is_some();
    if !has(b"\"type\":\"join\"") && !has(b"\"type\":\"leave\"") {
        return Cow::Borrowed(run);
    }
    let mut out = Vec::with_capacity(run.len() * 2);
    match rewrite_run(run, &mut out) {
        Ok(()) => Cow::Owned(out),
        Err(_) => Cow::Borrowed(run),
    }
}

fn rewrite_run(run: &[u8], out: &mut Vec<u8>) -> Result<(), JsonFault> {
    let mut rest = run;
    while !rest.is_empty() {
        let mut cursor = Cursor::new(rest);
        let op = cursor.value()?;
        rest = &rest[cursor.offset()..];
        match membership_data(op) {
            Some(data) => rewrite_op(op, data.as_bytes(), out),
            None => out.extend_from_slice(op.bytes()),
        }
        if let [b',', tail @ ..] = rest {
            out.push(b',');
            rest = tail;
        }
    }
    Ok(())
}

/// The JSON inside a join's or leave's `data`; `None` for every other operation.
fn membership_data(op: Raw<'_>) -> Option<Cow<'_, str>> {
    let kind = op.field("type")?;
    if !matches!(kind.bytes(), b"\"join\"" | b"\"leave\"") {
        return None;
    }
    let data = op.field("data")?.as_str()?;
    Raw::parse(data.as_bytes()).is_ok().then_some(data)
}

fn rewrite_op(op: Raw<'_>, contents: &[u8], out: &mut Vec<u8>) {
    let Some(fields) = op.object() else {
        return;
    };
    let mut separator: &[u8] = b"{";
    for (key, value) in fields {
        let value = match key {
            b"contents" => contents,
            _ => value.bytes(),
        };
        put(out, &[separator, b"\"", key, b"\":", value]);
        separator = b",";
    }
    if op.field("contents").is_none() {
        put(out, &[separator, b"\"contents\":", contents]);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Mode, NackKind, NackOut};
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn event(name: &str, payload: &str) -> ClientEvent<'static> {
        let text = format!(r#"["1","2","document:t:d","{name}",{payload}]"#);
        decode(text.leak().as_bytes()).event
    }

    fn sent(event: &ServerEvent<'_>) -> Value {
        let address =
            Address { dialect: Dialect::Phoenix, topic: "document:t:d", join_ref: Some("1") };
        let mut out = Vec::new();
        write(&address, event, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_message_is_addressed() {
        let inbound = decode(br#" ["1", null,"document:t:d\"\u00e9","phx_leave",{}, "more"] "#);
        assert_eq!(inbound.topic, "document:t:d\"é");
        assert_eq!((inbound.join_ref, inbound.message_ref), (Some("1"), None));
        assert_eq!(inbound.event, ClientEvent::Leave);
        let inbound = decode(br#"[null,7,"phoenix","heartbeat",{}]"#);
        assert_eq!(inbound.message_ref, Some("7"));
        assert_eq!(inbound.event, ClientEvent::Heartbeat(Heartbeat::Phoenix));
    }

    #[test]
    fn what_is_no_message_is_a_frame_fault() {
        for text in [
            "",
            "{}",
            "[]",
            "[1,2,3,4]",
            r#"["1","2","t","e"]"#,
            r#"["1","2",3,"e",{}]"#,
            r#"["1","2","t",4,{}]"#,
            r#"["1","2","t","submitOp",{"clientId":"c""#,
            r#"["1","2","t","submitOp",{}] x"#,
        ] {
            let inbound = decode(text.as_bytes());
            assert_eq!(inbound.event, ClientEvent::Malformed(Malformed::Frame), "{text}");
        }
    }

    #[test]
    fn submit_finds_its_fields_in_any_order() {
        let expected =
            ClientEvent::Submit(Submit { client_id: "c", batches: br#"[[{"type":"op"}]]"# });
        let payload = r#"{"messageBatches":[[{"type":"op"}]],"x":1,"clientId":"c"}"#;
        assert_eq!(event("submitOp", payload), expected);
        for payload in
            ["{}", "[]", "null", r#"{"clientId":"c"}"#, r#"{"clientId":"c","messageBatches":"x"}"#]
        {
            let fault = ClientEvent::Malformed(Malformed::Submit);
            assert_eq!(event("submitOp", payload), fault);
        }
    }

    #[test]
    fn small_events() {
        assert_eq!(event("phx_join", r#"{"token":"J"}"#), ClientEvent::Join);
        let noop = ClientEvent::Noop { reference_seq: 4 };
        assert_eq!(event("noop", r#"{"clientId":"c","referenceSequenceNumber":4.0}"#), noop);
        assert_eq!(event("noop", "{}"), ClientEvent::Unknown);
        let request = ClientEvent::RequestOps { from: -1 };
        assert_eq!(event("requestOps", r#"{"from":-1}"#), request);
        assert_eq!(event("anything", "{}"), ClientEvent::Unknown);
        let join = presence(PresenceRequest::Join { meta: br#"{"a":1}"# });
        assert_eq!(event("joinPresence", r#"{"meta":{"a":1}}"#), join);
        for payload in ["{}", "[]", r#"{"meta":7}"#, r#"{"meta":{},"clientId":"mine"}"#] {
            let fault = presence(PresenceRequest::Malformed);
            assert_eq!(event("updatePresence", payload), fault);
        }
    }

    #[test]
    fn connect_names_missing_keys() {
        fn missing(payload: &str) -> [bool; 4] {
            match event("connect_document", payload) {
                ClientEvent::Malformed(Malformed::Connect(keys)) => {
                    [keys.tenant_id, keys.id, keys.client, keys.mode]
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(missing("{}"), [true; 4]);
        assert_eq!(missing("[]"), [true; 4]);
        let payload = r#"{"id":null,"client":{"details":{"capabilities":{"interactive":false}},
            "user":{"id":"u"}}}"#;
        assert_eq!(missing(payload), [true, false, false, true]);
        let payload = r#"{"tenantId":"t","id":"d","mode":null,"versions":"x",
            "client":{"details":{"capabilities":{"interactive":true}},"user":{"id":""}},
            "token":"J","lastSeenSequenceNumber":9,
            "supportedFeatures":{"submit_signals_v2":false}}"#;
        for (from, to) in [
            ("true}},", "1}},"),
            ("{\"interactive\":true}", "{}"),
            ("\"details\"", "\"detail\""),
            ("{\"id\":\"\"}", "{\"id\":7}"),
            ("\"user\"", "\"name\""),
        ] {
            let bad = payload.replacen(from, to, 1);
            assert_ne!(bad, payload);
            assert_eq!(missing(&bad), [false, false, true, false], "{bad}");
        }
        let ClientEvent::Connect(connect) = event("connect_document", payload) else {
            panic!("is a connect");
        };
        assert_eq!((connect.mode, connect.last_seen), (Mode::Write, Some(9)));
        assert_eq!((connect.versions, connect.signals_v2), (&[][..], Some(false)));
        assert_eq!(connect.token.as_deref(), Some("J"));
    }

    #[test]
    fn a_nack_serves_both_readings() {
        let mut nack = NackOut {
            code: 429,
            kind: NackKind::Throttling,
            message: "slow \"down\"".into(),
            retry_after_s: Some(2),
            operation: Some(br#"{"type":"op"}"#),
            sequence_number: 7,
        };
        let message = sent(&ServerEvent::Nack { document: "d", nack: &nack });
        let payload = &message[4];
        let one = serde_json::json!({
            "operation": {"type": "op"},
            "sequenceNumber": 7,
            "content": {
                "code": 429, "type": "ThrottlingError", "message": "slow \"down\"", "retryAfter": 2
            },
        });
        assert_eq!(payload["nacks"], serde_json::json!([one]));
        assert_eq!(payload["clientId"], "");
        for key in ["operation", "sequenceNumber", "content"] {
            assert_eq!(payload[key], one[key]);
        }
        nack.operation = None;
        let message = sent(&ServerEvent::Nack { document: "", nack: &nack });
        assert!(message[4]["nacks"][0]["operation"].is_null());
        assert_eq!(message[0], "1");
    }

    #[test]
    fn only_joins_and_leaves_get_their_contents() {
        let op = r#"{"type":"op","contents":"{\"type\":\"join\"}","data":"7"}"#;
        assert!(matches!(membership_contents(op.as_bytes()), Cow::Borrowed(_)));
        let run = concat!(
            r#"{"contents":null,"type":"join","#,
            r#""data":"{\"clientId\":\"c\",\"detail\":{\"b\":1,\"a\":2}}"},"#,
            r#"{"type":"op","contents":{"type":"join"},"data":"7"},"#,
            r#"{"type":"leave","data":"\"c\""},"#,
            r#"{"type":"leave","contents":null,"data":"not json"}"#
        );
        let expected = concat!(
            r#"{"contents":{"clientId":"c","detail":{"b":1,"a":2}},"type":"join","#,
            r#""data":"{\"clientId\":\"c\",\"detail\":{\"b\":1,\"a\":2}}"},"#,
            r#"{"type":"op","contents":{"type":"join"},"data":"7"},"#,
            r#"{"type":"leave","data":"\"c\"","contents":"c"},"#,
            r#"{"type":"leave","contents":null,"data":"not json"}"#
        );
        let out = membership_contents(run.as_bytes());
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(membership_contents(b"").is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(
            text: String,
            name in "submitOp|connect_document|joinPresence",
        ) {
            let _ = decode(text.as_bytes());
            let _ = decode(format!(r#"["1","2","t","{name}",{text}]"#).as_bytes());
            let _ = membership_contents(format!("{{\"type\":\"join\"{text}").as_bytes());
        }
    }
}
