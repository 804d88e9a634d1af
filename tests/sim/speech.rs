//! The two wires as clients see them: what they write, and what they understand of what they hear.
//! Reading is done with an ordinary JSON parser, not with the core's.

use crate::random::Random;
use levee_core::dialect::{Dialect, msgpack};
use levee_core::wire::websocket::{Opcode, client_frame};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Where a message is addressed.
#[derive(Clone, Debug)]
pub struct Line {
    pub dialect: Dialect,
    pub topic: String,
    pub join_ref: String,
}

pub fn topic_of(document: &str) -> String {
    format!("document:t:{document}")
}

pub fn upgrade(dialect: Dialect) -> Vec<u8> {
    let path = match dialect {
        Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        Dialect::Phoenix => "/socket/websocket?vsn=2.0.0",
        Dialect::PhoenixMsgpack => "/socket/websocket?vsn=3.0.0",
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A text of the dialect as masked frames, sometimes in several fragments.
pub fn framed(dialect: Dialect, text: &str, random: &mut Random) -> Vec<u8> {
    let mut packed = Vec::new();
    let (opcode, payload) = match dialect {
        Dialect::PhoenixMsgpack => {
            pack(&serde_json::from_str(text).unwrap_or(Value::Null), &mut packed);
            (Opcode::Binary, packed.as_slice())
        }
        Dialect::Phoenix | Dialect::SocketIo => (Opcode::Text, text.as_bytes()),
    };
    let mut out = Vec::new();
    let mask = (random.next() as u32).to_be_bytes();
    if payload.len() > 4 && random.chance(100) {
        let cut = random.between(1, payload.len() as u64 - 1) as usize;
        client_frame(&mut out, opcode, false, mask, &payload[..cut]);
        client_frame(&mut out, Opcode::Continuation, true, mask, &payload[cut..]);
    } else {
        client_frame(&mut out, opcode, true, mask, payload);
    }
    out
}

/// Msgpack as `@msgpack/msgpack` writes it, as far as these clients need it.
fn pack(value: &Value, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, tag: u8, len: usize| {
        out.push(tag);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    };
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(small @ 0..128) => out.push(small as u8),
            Some(integer) => {
                out.push(0xd3);
                out.extend_from_slice(&integer.to_be_bytes());
            }
            None => {
                out.push(0xcb);
                out.extend_from_slice(&number.as_f64().unwrap_or(0.0).to_be_bytes());
            }
        },
        Value::String(text) => {
            head(out, 0xdb, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(out, 0xdd, items.len());
            items.iter().for_each(|item| pack(item, out));
        }
        Value::Object(fields) => {
            head(out, 0xdf, fields.len());
            for (name, value) in fields {
                pack(&Value::from(name.as_str()), out);
                pack(value, out);
            }
        }
    }
}

impl Line {
    /// A Phoenix message.
    pub fn phoenix(&self, name: &str, payload: &str) -> String {
        let Self { topic, join_ref, .. } = self;
        format!(r#"["{join_ref}","{join_ref}","{topic}","{name}",{payload}]"#)
    }

    /// `fields` are the members of a `connect_document` in both wires.
    pub fn connect(&self, fields: &str) -> String {
        match self.dialect {
            Dialect::SocketIo => format!(r#"42["connect_document",{{{fields}}}]"#),
            _ => self.phoenix("connect_document", &format!("{{{fields}}}")),
        }
    }

    pub fn submit(&self, client: &str, ops: &str) -> String {
        match self.dialect {
            Dialect::SocketIo => format!(r#"42["submitOp","{client}",[{ops}]]"#),
            _ => {
                let payload = format!(r#"{{"clientId":"{client}","messageBatches":[[{ops}]]}}"#);
                self.phoenix("submitOp", &payload)
            }
        }
    }

    /// One signal whose content is a JSON string.
    pub fn signal(&self, client: &str, content: &str, target: Option<&str>, v2: bool) -> String {
        let content = Value::from(content).to_string();
        let target = target.map_or(String::new(), |id| format!(r#","targetClientId":"{id}""#));
        match (self.dialect, v2) {
            (Dialect::SocketIo, true) => {
                let signal = format!(r#"{{"content":{content}{target}}}"#);
                format!(r#"42["submitSignal","{client}",[{signal}]]"#)
            }
            (Dialect::SocketIo, false) => {
                format!(r#"42["submitSignal","{client}",[{content}]]"#)
            }
            _ => {
                let signal = format!(r#"{{"content":{content}{target}}}"#);
                let payload = format!(r#"{{"clientId":"{client}","contentBatches":[[{signal}]]}}"#);
                self.phoenix("submitSignal", &payload)
            }
        }
    }

    pub fn presence(&self, name: &str, client: &str, meta: &str) -> String {
        match self.dialect {
            Dialect::SocketIo => format!(r#"42["{name}","{client}",{meta}]"#),
            _ => self.phoenix(name, &format!(r#"{{"meta":{meta}}}"#)),
        }
    }
}

/// What a client hears.
#[derive(Clone, Debug)]
#[allow(dead_code)] // codes are read in traces
pub enum Heard {
    Upgraded,
    /// HTTP said something else.
    Refused(u16),
    Opened,
    Namespace,
    Ping,
    Pong,
    Reply {
        document: String,
        join_ref: String,
        ok: bool,
    },
    ChannelClosed {
        document: String,
        join_ref: String,
    },
    Connected(Box<Connected>),
    ConnectError {
        at: At,
        code: u64,
    },
    /// Encoded operations, in the order they came.
    Ops {
        at: At,
        ops: Vec<(u64, String)>,
    },
    Signal {
        at: At,
        sender: Option<String>,
        content: String,
    },
    Nack {
        at: At,
        code: u64,
        client_seq: Option<i64>,
    },
    Presence {
        at: At,
        is_state: bool,
        payload: Value,
    },
    /// A REST answer.
    Answered,
    Goodbye,
    Close(u16),
}

/// Which document and which join of its topic; neither is named by some events of Socket.IO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At {
    pub document: Option<String>,
    pub join_ref: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Connected {
    pub at: At,
    pub client: String,
    pub mode: String,
    pub clients: Vec<String>,
    pub ops: Vec<(u64, String)>,
}

/// Reads the byte stream of one socket.
#[derive(Debug)]
pub struct Ear {
    dialect: Dialect,
    bytes: Vec<u8>,
    pub is_upgraded: bool,
}

impl Ear {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, bytes: Vec::new(), is_upgraded: false }
    }

    /// Everything that is complete. Errors: what no client would understand.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, String> {
        self.bytes.extend_from_slice(bytes);
        let mut heard = Vec::new();
        if !self.is_upgraded {
            let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(heard);
            };
            let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            let status = head.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
            self.bytes.drain(..end + 4);
            if status == 204 {
                heard.push(Heard::Answered);
                heard.extend(self.hear(b"")?);
                return Ok(heard);
            }
            if status != 101 {
                self.bytes.clear();
                return Ok(vec![Heard::Refused(status)]);
            }
            self.is_upgraded = true;
            heard.push(Heard::Upgraded);
        }
        let mut at = 0;
        while let Some((opcode, from, to)) = frame_at(&self.bytes, at) {
            let payload = self.bytes.get(from..to).unwrap_or_default();
            match opcode {
                1 | 2 => heard.extend(self.understand(payload)?),
                8 => {
                    let code = payload.get(..2).map_or(1005, |c| u16::from_be_bytes([c[0], c[1]]));
                    heard.push(Heard::Close(code));
                }
                10 => heard.push(Heard::Pong),
                other => return Err(format!("opcode {other}")),
            }
            at = to;
        }
        self.bytes.drain(..at);
        Ok(heard)
    }

    fn understand(&self, payload: &[u8]) -> Result<Option<Heard>, String> {
        let mut json = Vec::new();
        let text = match self.dialect {
            Dialect::PhoenixMsgpack => {
                msgpack::to_json(payload, &mut json).map_err(|fault| fault.to_string())?;
                json.as_slice()
            }
            Dialect::Phoenix | Dialect::SocketIo => payload,
        };
        let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
        let heard = match self.dialect {
            Dialect::SocketIo => socketio(text),
            Dialect::Phoenix | Dialect::PhoenixMsgpack => phoenix(text),
        };
        heard.map_err(|e| format!("{e}: {text}"))
    }
}

/// Opcode, start and end of the payload of the frame at `at`, once it is complete.
fn frame_at(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let head = bytes.get(at..)?;
    let (&first, &second) = (head.first()?, head.get(1)?);
    let (len, from) = match second {
        126 => (usize::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(head.get(2..10)?.try_into().ok()?) as usize, 10),
        len => (usize::from(len), 2),
    };
    (head.len() >= from + len).then_some((first & 15, at + from, at + from + len))
}

fn socketio(text: &str) -> Result<Option<Heard>, serde_json::Error> {
    if let Some(event) = text.strip_prefix("42") {
        let args: Vec<&RawValue> = serde_json::from_str(event)?;
        let name: &str = serde_json::from_str(args[0].get())?;
        let document = |at: usize| -> Result<At, serde_json::Error> {
            let name: String = serde_json::from_str(args[at].get())?;
            let document = Some(name).filter(|name| !name.is_empty());
            Ok(At { document, join_ref: None })
        };
        return Ok(Some(match name {
            "op" => Heard::Ops { at: document(1)?, ops: ops(args[2])? },
            "nack" => nack(document(1)?, args[2], |nacks| nacks[0].clone())?,
            "presence_state" | "presence_diff" | "presence_error" => {
                let payload = serde_json::from_str(args[2].get())?;
                let is_state = name == "presence_state";
                Heard::Presence { at: document(1)?, is_state, payload }
            }
            _ => return event_of(At::default(), name, args[1]),
        }));
    }
    Ok(match text.as_bytes() {
        [b'0', ..] => Some(Heard::Opened),
        [b'2', ..] => Some(Heard::Ping),
        [b'3', ..] => Some(Heard::Pong),
        [b'4', b'0', ..] => Some(Heard::Namespace),
        [b'4', b'1', ..] => Some(Heard::Goodbye),
        _ => None,
    })
}

fn phoenix(text: &str) -> Result<Option<Heard>, serde_json::Error> {
    type Message<'a> = (Option<String>, Option<String>, String, String, &'a RawValue);
    let (join_ref, _, topic, name, payload): Message<'_> = serde_json::from_str(text)?;
    let document = topic.strip_prefix("document:t:").map(str::to_owned);
    let named = |at: &At| (at.document.clone().unwrap_or_default(), at.join_ref.clone());
    let at = At { document, join_ref };
    Ok(Some(match name.as_str() {
        "op" => {
            #[derive(Deserialize)]
            struct Payload<'a> {
                #[serde(borrow)]
                op: &'a RawValue,
            }
            let payload: Payload<'_> = serde_json::from_str(payload.get())?;
            Heard::Ops { at, ops: ops(payload.op)? }
        }
        "nack" => nack(at, payload, |payload| payload["nacks"][0].clone())?,
        "presence_state" | "presence_diff" | "presence_error" => {
            let is_state = name == "presence_state";
            Heard::Presence { at, is_state, payload: serde_json::from_str(payload.get())? }
        }
        "phx_reply" if topic == "phoenix" => Heard::Pong,
        "phx_reply" => {
            let payload: Value = serde_json::from_str(payload.get())?;
            let (document, join_ref) = named(&at);
            let ok = payload["status"] == "ok";
            Heard::Reply { document, join_ref: join_ref.unwrap_or_default(), ok }
        }
        "phx_close" | "phx_error" => {
            let (document, join_ref) = named(&at);
            Heard::ChannelClosed { document, join_ref: join_ref.unwrap_or_default() }
        }
        name => return event_of(at, name, payload),
    }))
}

/// Events that look the same on both wires.
fn event_of(at: At, name: &str, raw: &RawValue) -> Result<Option<Heard>, serde_json::Error> {
    Ok(match name {
        "connect_document_success" => Some(Heard::Connected(Box::new(connected(at, raw)?))),
        "connect_document_error" => {
            let payload: Value = serde_json::from_str(raw.get())?;
            Some(Heard::ConnectError { at, code: payload["code"].as_u64().unwrap_or(0) })
        }
        "signal" => {
            let payload: Value = serde_json::from_str(raw.get())?;
            let sender = payload["clientId"].as_str().map(str::to_owned);
            let content = payload["content"].as_str().unwrap_or("").to_owned();
            Some(Heard::Signal { at, sender, content })
        }
        _ => None,
    })
}

fn connected(at: At, raw: &RawValue) -> Result<Connected, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Claims {
        document_id: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Success<'a> {
        claims: Claims,
        client_id: String,
        mode: String,
        initial_clients: Vec<Value>,
        #[serde(borrow)]
        initial_messages: &'a RawValue,
    }
    let success: Success<'_> = serde_json::from_str(raw.get())?;
    let id = |client: &Value| client["clientId"].as_str().unwrap_or("").to_owned();
    let document = at.document.or(success.claims.document_id);
    Ok(Connected {
        at: At { document, join_ref: at.join_ref },
        client: success.client_id,
        mode: success.mode,
        clients: success.initial_clients.iter().map(id).collect(),
        ops: ops(success.initial_messages)?,
    })
}

fn nack(
    at: At,
    raw: &RawValue,
    first: impl Fn(&Value) -> Value,
) -> Result<Heard, serde_json::Error> {
    let nack = first(&serde_json::from_str(raw.get())?);
    let code = nack["content"]["code"].as_u64().unwrap_or(0);
    let client_seq = nack["operation"]["clientSequenceNumber"].as_i64();
    Ok(Heard::Nack { at, code, client_seq })
}

/// The operations of an array, each as it stands there.
fn ops(array: &RawValue) -> Result<Vec<(u64, String)>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Place {
        #[serde(rename = "sequenceNumber")]
        seq: u64,
    }
    let mut rest = array.get().strip_prefix('[').unwrap_or_default();
    let mut ops = Vec::new();
    // The array has been read through already, and is whole: here each element is taken with its
    // number in one go.
    while rest.starts_with('{') {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Place>();
        let Some(place) = stream.next() else { break };
        let Place { seq } = place?;
        let (op, after) = rest.split_at(stream.byte_offset());
        ops.push((seq, op.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    match rest {
        "]" => Ok(ops),
        other => Err(serde::de::Error::custom(format!("operations end with {other}"))),
    }
}
