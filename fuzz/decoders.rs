//! One function for each decoder: takes any bytes, must not panic, and asserts what holds for all
//! input. Shared by the cargo-fuzz targets and by the smoke run in `tests/wire`.

use levee_core::dialect::{
    ClientEvent, Dialect, Inbound, PresenceRequest, choose_version, decode, msgpack, ops, phoenix,
    signals, unsupported_version,
};
use levee_core::wire::http::{Incoming, Limits, RequestReader, percent_decode, restless};
use levee_core::wire::json::{Raw, write_string};
use levee_core::wire::route::route;
use levee_core::wire::websocket::{FrameReader, Message, client_frame};

/// Whatever the scanner accepts reads the same once its strings are written again.
pub(crate) fn json(data: &[u8]) {
    let Ok(value) = Raw::parse(data) else { return };
    assert!(Raw::parse(value.bytes()).is_ok());
    if let Some(text) = value.as_str() {
        let mut again = Vec::new();
        write_string(&mut again, &text);
        let read = Raw::parse(&again).ok().and_then(Raw::as_str);
        assert_eq!(read.as_deref(), Some(&*text));
    }
    if let Some(fields) = value.object() {
        assert!(fields.count() <= data.len());
    }
    if let Some(items) = value.array() {
        assert!(items.count() <= data.len());
    }
}

/// A stream gives the same messages whole and cut anywhere.
pub(crate) fn websocket(data: &[u8]) {
    let cut = data.first().map_or(1, |&byte| usize::from(byte) + 1);
    assert_eq!(messages(data, data.len().max(1)), messages(data, cut));
    let mut frame = Vec::new();
    client_frame(&mut frame, levee_core::wire::websocket::Opcode::Binary, true, [1, 2, 3, 4], data);
    let expected = format!("{:?}", Message::Binary(data));
    assert_eq!(messages(&frame, cut), [expected]);
}

fn messages(data: &[u8], cut: usize) -> Vec<String> {
    let mut reader = FrameReader::new(1 << 20);
    let mut found = Vec::new();
    for part in data.chunks(cut) {
        let mut part = part.to_vec();
        let mut at = 0;
        loop {
            match reader.next(&mut part, &mut at) {
                Ok(Some(message)) => found.push(format!("{message:?}")),
                Ok(None) => break,
                // A cut header may be found wrong at an earlier place than a whole one.
                Err(_) => found.push("fault".to_owned()),
            }
        }
    }
    found
}

pub(crate) fn socketio(data: &[u8]) {
    if std::str::from_utf8(data).is_ok() {
        inbound(Dialect::SocketIo, &decode(Dialect::SocketIo, data));
    }
}

pub(crate) fn phoenix(data: &[u8]) {
    if std::str::from_utf8(data).is_ok() {
        inbound(Dialect::Phoenix, &decode(Dialect::Phoenix, data));
    }
    let run = phoenix::membership_contents(data);
    let listed = |run: &[u8]| Raw::parse(&[b"[", run, b"]"].concat()).is_ok();
    assert!(!listed(data) || listed(&run));
}

/// What becomes JSON is JSON, and comes back the same from msgpack.
pub(crate) fn msgpack(data: &[u8]) {
    let mut text = Vec::new();
    if msgpack::to_json(data, &mut text).is_ok() {
        assert!(Raw::parse(&text).is_ok());
        inbound(Dialect::PhoenixMsgpack, &decode(Dialect::PhoenixMsgpack, &text));
        let (mut packed, mut again) = (Vec::new(), Vec::new());
        assert!(msgpack::from_json(&text, &mut packed).is_ok());
        assert!(msgpack::to_json(&packed, &mut again).is_ok());
        assert_eq!(without_digits(&text), without_digits(&again));
    }
    let _ = msgpack::from_json(data, &mut Vec::new());
}

/// Large integers become floats on the way out, which changes digits and nothing else.
fn without_digits(text: &[u8]) -> Vec<u8> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || b"-.+e".contains(byte);
    text.iter().copied().filter(|byte| !is_number(byte)).collect()
}

pub(crate) fn ops(data: &[u8]) {
    for op in ops::each(data).flatten() {
        assert!(Raw::parse(op.raw).is_ok());
        for part in [op.contents, op.metadata, op.compression].into_iter().flatten() {
            assert!(Raw::parse(part).is_ok());
        }
    }
}

pub(crate) fn signals(data: &[u8]) {
    for dialect in [Dialect::SocketIo, Dialect::Phoenix] {
        for signals_v2 in [false, true] {
            for signal in signals::each(dialect, signals_v2, data).flatten() {
                assert!(Raw::parse(&signal.content).is_ok());
                let extra = [b"{", &*signal.extra, b"}"].concat();
                assert!(Raw::parse(&extra).is_ok());
            }
        }
    }
}

/// Requests are the same whole and cut anywhere; paths, forms and envelopes take any text.
pub(crate) fn http_head(data: &[u8]) {
    let cut = data.first().map_or(1, |&byte| usize::from(byte) + 1);
    let limits = Limits { head_bytes: 8 << 10, body_bytes: 64 << 10 };
    let mut reader = RequestReader::default();
    for part in data.chunks(cut) {
        let mut at = 0;
        while let Ok(Some(incoming)) = reader.next(part, &mut at, &limits) {
            if let Incoming::Request { request, body } = incoming {
                let _ = route(request.method, request.path);
                let _ = request.websocket_key();
                let _ = restless::unwrap(body).map(|inner| inner.request(&request).path.len());
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = percent_decode(text);
    }
}

/// Every slice that a decoder hands out is JSON: it will be sent to others and stored.
fn inbound(dialect: Dialect, inbound: &Inbound<'_>) {
    match &inbound.event {
        ClientEvent::Submit(submit) => {
            assert!(Raw::parse(submit.batches).is_ok());
            ops(submit.batches);
        }
        ClientEvent::Signals(sent) => {
            assert!(Raw::parse(sent.batches).is_ok());
            signals(sent.batches);
        }
        ClientEvent::Connect(connect) => {
            assert!(Raw::parse(connect.client).is_ok());
            assert!(connect.versions.is_empty() || Raw::parse(connect.versions).is_ok());
            let _ = choose_version(dialect, connect.versions);
            assert!(unsupported_version(connect.versions).len() < 1024);
        }
        ClientEvent::Presence {
            request: PresenceRequest::Join { meta } | PresenceRequest::Update { meta },
            ..
        } => assert!(Raw::parse(meta).is_ok_and(|meta| meta.object().is_some())),
        _ => {}
    }
}
