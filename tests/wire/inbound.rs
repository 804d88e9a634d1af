//! One script of client messages in every dialect: the same events come out of each.

use crate::golden::assert_golden;
use levee_core::dialect::{ClientEvent, Dialect, Inbound, decode, msgpack, ops, signals};
use std::fmt::Write as _;

/// One thing a client says on both wires, or on one of them (the other is empty).
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) socketio: &'static str,
    pub(crate) phoenix: &'static str,
}

macro_rules! line {
    ($name:literal, $socketio:expr, $phoenix:expr) => {
        Line { name: $name, socketio: $socketio, phoenix: $phoenix }
    };
}

/// IClient as the loader sends it, cut to what matters.
macro_rules! client {
    () => {
        r#"{"details":{"capabilities":{"interactive":true}},"permission":[],"scopes":[],"user":{"id":"u1"},"mode":"write"}"#
    };
}

macro_rules! op {
    () => {
        r#"{"contents":"{\"type\":\"component\",\"contents\":\"é\\n\"}","metadata":{"batchId":"b1"},"referenceSequenceNumber":2,"type":"op","clientSequenceNumber":1}"#
    };
}

pub(crate) const SCRIPT: &[Line] = &[
    line!("open", "40", r#"["1","1","document:t:d","phx_join",{"token":"J"}]"#),
    line!("open elsewhere", "40/admin,{}", r#"["1","1","document:nocolon","phx_join",{}]"#),
    line!("heartbeat", "3", r#"[null,"7","phoenix","heartbeat",{}]"#),
    line!("ping", r#"420["ping"]"#, ""),
    line!("probe", "2", ""),
    line!(
        "connect",
        concat!(
            r#"42["connect_document",{"client":"#,
            client!(),
            r#","id":"d","mode":"write","tenantId":"t","token":"J","#,
            r#""versions":["^0.4.0","^0.1.0"],"supportedFeatures":{"submit_signals_v2":true}}]"#
        ),
        concat!(
            r#"["1","2","document:t:d","connect_document",{"client":"#,
            client!(),
            r#","id":"d","mode":"write","tenantId":"t","token":"J","#,
            r#""versions":["^0.4.0","^0.1.0"],"supportedFeatures":{"submit_signals_v2":true}}]"#
        )
    ),
    line!(
        "connect read",
        concat!(
            r#"42["connect_document",{"tenantId":"t","id":"d\"2","token":null,"client":"#,
            client!(),
            r#","mode":"read","versions":[]}]"#
        ),
        concat!(
            r#"["1","2","document:t:d","connect_document",{"tenantId":"t","id":"d\"2","token":null,"client":"#,
            client!(),
            r#","mode":"read","versions":[]}]"#
        )
    ),
    line!(
        "connect with holes",
        r#"42["connect_document",{}]"#,
        r#"["1","2","document:t:d","connect_document",{"id":"d"}]"#
    ),
    line!(
        "submit",
        concat!(r#"42["submitOp","c1",[["#, op!(), r#"]]]"#),
        concat!(
            r#"["1","3","document:t:d","submitOp",{"clientId":"c1","messageBatches":[["#,
            op!(),
            r#"]]}]"#
        )
    ),
    line!(
        "submit noops, nested",
        r#"42["submitOp","c1",[[[{"referenceSequenceNumber":4,"type":"noop","clientSequenceNumber":2}],{"type":"noop","contents":null,"clientSequenceNumber":3}],7]]"#,
        r#"["1","3","document:t:d","submitOp",{"messageBatches":[[[{"referenceSequenceNumber":4,"type":"noop","clientSequenceNumber":2}],{"type":"noop","contents":null,"clientSequenceNumber":3}],7],"clientId":"c1"}]"#
    ),
    line!(
        "submit without batches",
        r#"42["submitOp","c1"]"#,
        r#"["1","3","document:t:d","submitOp",{"clientId":"c1"}]"#
    ),
    line!(
        "signal",
        r#"42["submitSignal","c1",[{"content":"x"}]]"#,
        r#"["1","4","document:t:d","submitSignal",{"clientId":"c1","contentBatches":[{"content":"x"}]}]"#
    ),
    line!(
        "signal one",
        r#"42["submitSignal","c1",[{"content":"x","targetClientId":"c2"}]]"#,
        r#"["1","4","document:t:d","submitSignal",{"clientId":"c1","contentBatches":[{"content":"x","targetClientId":"c2"}]}]"#
    ),
    line!(
        "signal badly",
        r#"42["submitSignal","c1","x"]"#,
        r#"["1","4","document:t:d","submitSignal",{"clientId":"c1","contentBatches":"x"}]"#
    ),
    line!(
        "join presence",
        r#"42["joinPresence","c1",{"cursor":1}]"#,
        r#"["1","5","document:t:d","joinPresence",{"meta":{"cursor":1}}]"#
    ),
    line!(
        "update presence",
        r#"42["updatePresence","c1",{"cursor":2}]"#,
        r#"["1","5","document:t:d","updatePresence",{"meta":{"cursor":2}}]"#
    ),
    line!(
        "update presence badly",
        r#"42["updatePresence","c1",7]"#,
        r#"["1","5","document:t:d","updatePresence",{"meta":7}]"#
    ),
    line!(
        "leave presence",
        r#"42["leavePresence","c1"]"#,
        r#"["1","5","document:t:d","leavePresence",{}]"#
    ),
    line!(
        "noop",
        "",
        r#"["1","6","document:t:d","noop",{"clientId":"c1","referenceSequenceNumber":9}]"#
    ),
    line!("request ops", "", r#"["1","6","document:t:d","requestOps",{"from":3}]"#),
    line!("telemetry", r#"42["client_disconnect","c1","d","bye"]"#, ""),
    line!("unknown", r#"42["nonsense",1]"#, r#"["1","6","document:t:d","nonsense",1]"#),
    line!("broken", "42[\"submitOp\",\"c1\",[", "[\"1\",\"3\",\"document:t:d\",\"submitOp\",{"),
    line!("leave", "41", r#"["1","8","document:t:d","phx_leave",{}]"#),
];

/// Messages as msgpackr 1.11.9 packs them, and the text they stand for.
pub(crate) const MSGPACKR: &[(&str, &str, &str)] = &[
    (
        "join",
        "95a131a131b1646f63756d656e743a666c7569643a6431a87068785f6a6f696ede0001a5746f6b656ea14a",
        r#"["1","1","document:fluid:d1","phx_join",{"token":"J"}]"#,
    ),
    (
        "heartbeat with an undefined join_ref",
        "95d40000a139a770686f656e6978a9686561727462656174de0000",
        r#"[null,"9","phoenix","heartbeat",{}]"#,
    ),
    (
        "operation with undefined members and a number above 32 bits",
        "95a131a133b1646f63756d656e743a666c7569643a6431a87375626d69744f70de0002a8636c69656e744964a26331\
         ae6d657373616765426174636865739191de0006a474797065a26f70a8636f6e74656e7473aa7b2261223a22c3a922\
         7db4636c69656e7453657175656e63654e756d62657201b77265666572656e636553657175656e63654e756d626572\
         cb41f0000000000000a86d65746164617461d40000ab636f6d7072657373696f6ed40000",
        concat!(
            r#"["1","3","document:fluid:d1","submitOp",{"clientId":"c1","messageBatches":[[{"type":"op","#,
            r#""contents":"{\"a\":\"é\"}","clientSequenceNumber":1,"referenceSequenceNumber":4294967296}]]}]"#
        ),
    ),
    (
        "signal without a target",
        "95a131a134b1646f63756d656e743a666c7569643a6431ac7375626d69745369676e616cde0002a8636c69656e7449\
         64a26331ae636f6e74656e74426174636865739191de0002a7636f6e74656e74a178ae746172676574436c69656e74\
         4964d40000",
        r#"["1","4","document:fluid:d1","submitSignal",{"clientId":"c1","contentBatches":[[{"content":"x"}]]}]"#,
    ),
];

/// Hex to bytes; spaces do not count.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// An event as it is kept, with what its batches hold.
fn show(dialect: Dialect, inbound: &Inbound<'_>) -> String {
    let mut text = String::new();
    if dialect != Dialect::SocketIo {
        let Inbound { topic, join_ref, message_ref, .. } = inbound;
        writeln!(text, "  at {topic} {join_ref:?} {message_ref:?}").unwrap();
    }
    let raw = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match &inbound.event {
        ClientEvent::Connect(connect) => {
            writeln!(text, "  Connect {} {}", connect.tenant, connect.document).unwrap();
            writeln!(text, "    token {:?} mode {:?}", connect.token, connect.mode).unwrap();
            writeln!(text, "    client {}", raw(connect.client)).unwrap();
            let versions = raw(connect.versions);
            writeln!(text, "    versions {versions} v2 {:?}", connect.signals_v2).unwrap();
        }
        ClientEvent::Submit(submit) => {
            writeln!(text, "  Submit {}", submit.client_id).unwrap();
            for op in ops::each(submit.batches) {
                let Ok(op) = op else {
                    writeln!(text, "    {op:?}").unwrap();
                    continue;
                };
                let (csn, rsn) = (op.client_seq, op.reference_seq);
                writeln!(text, "    {:?} csn {csn} rsn {rsn:?}", op.kind).unwrap();
                for part in [op.contents, op.metadata].into_iter().flatten() {
                    writeln!(text, "      {}", raw(part)).unwrap();
                }
            }
        }
        ClientEvent::Signals(sent) => {
            writeln!(text, "  Signals {}", sent.client_id).unwrap();
            for signal in signals::each(dialect, true, sent.batches) {
                match signal {
                    Ok(signal) => {
                        let content = raw(&signal.content);
                        writeln!(text, "    {content} {:?}", signal.targets).unwrap();
                    }
                    Err(fault) => writeln!(text, "    {fault:?}").unwrap(),
                }
            }
        }
        ClientEvent::Presence { request, .. } => match request {
            levee_core::dialect::PresenceRequest::Join { meta } => {
                writeln!(text, "  Presence join {}", raw(meta)).unwrap();
            }
            levee_core::dialect::PresenceRequest::Update { meta } => {
                writeln!(text, "  Presence update {}", raw(meta)).unwrap();
            }
            other => writeln!(text, "  Presence {other:?}").unwrap(),
        },
        other => writeln!(text, "  {other:?}").unwrap(),
    }
    text
}

fn shown(dialect: Dialect, text: &str) -> String {
    show(dialect, &decode(dialect, text.as_bytes()))
}

fn transcript(dialect: Dialect, text_of: impl Fn(&Line) -> &'static str) -> String {
    let lines = SCRIPT.iter().filter(|line| !text_of(line).is_empty());
    let shown = lines.map(|line| {
        let text = text_of(line);
        format!("# {}\n> {text}\n{}", line.name, shown(dialect, text))
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn transcripts_are_golden() {
    assert_golden("in.socketio.txt", &transcript(Dialect::SocketIo, |line| line.socketio));
    assert_golden("in.phoenix.txt", &transcript(Dialect::Phoenix, |line| line.phoenix));
}

#[test]
fn both_wires_say_the_same() {
    let without_address = |text: String| text.split_once('\n').unwrap().1.to_owned();
    let names = [
        "connect read",
        "connect",
        "submit",
        "submit noops, nested",
        "submit without batches",
        "signal",
        "signal one",
        "signal badly",
        "join presence",
        "update presence",
        "update presence badly",
        "leave presence",
        "unknown",
    ];
    for name in names {
        let line = SCRIPT.iter().find(|line| line.name == name).unwrap();
        let phoenix = without_address(shown(Dialect::Phoenix, line.phoenix));
        assert_eq!(shown(Dialect::SocketIo, line.socketio), phoenix, "{name}");
    }
}

#[test]
fn msgpack_says_what_json_says() {
    for line in SCRIPT.iter().filter(|line| line.phoenix.ends_with(']')) {
        let (mut packed, mut text) = (Vec::new(), Vec::new());
        msgpack::from_json(line.phoenix.as_bytes(), &mut packed).unwrap();
        msgpack::to_json(&packed, &mut text).unwrap();
        let inbound = decode(Dialect::PhoenixMsgpack, &text);
        assert_eq!(inbound, decode(Dialect::Phoenix, line.phoenix.as_bytes()), "{}", line.name);
    }
    for (name, hex, json) in MSGPACKR {
        let mut text = Vec::new();
        msgpack::to_json(&unhex(hex), &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), *json, "{name}");
    }
}
