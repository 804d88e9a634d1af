//! The two wires as a client speaks them: text out, events in.

use crate::ops::Op;
use crate::token::TENANT;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Wire {
    /// Socket.IO.
    Fluid,
    /// Phoenix Channels, JSON.
    Levee,
}

pub(crate) const BOTH: [Wire; 2] = [Wire::Fluid, Wire::Levee];

/// What a client hears.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Connected {
        client: String,
        initial: Vec<Op>,
        payload: Value,
    },
    Refused(Value),
    Ops(Vec<Op>),
    Signal(Value),
    Nack(Value),
    /// Engine.IO asks whether the client lives.
    Ping,
    /// The dialect's word for "come back": Socket.IO `41`.
    Goodbye,
    /// Nothing a test looks at.
    Other,
}

impl Wire {
    /// Where the WebSocket is.
    pub(crate) fn path(self, document: &str) -> String {
        match self {
            Self::Fluid => format!(
                "/socket.io/?documentId={}&tenantId={TENANT}&EIO=4&transport=websocket",
                crate::rest::escaped(document)
            ),
            Self::Levee => String::from("/socket/websocket?vsn=2.0.0"),
        }
    }

    /// A message of a client.
    pub(crate) fn message(self, document: &str, event: &str, arguments: &Outgoing<'_>) -> String {
        match self {
            Self::Fluid => match arguments {
                Outgoing::Connect(payload) => format!("42{}", json!([event, payload])),
                Outgoing::Submit { client, ops } => {
                    format!("42[\"submitOp\",\"{client}\",[{ops}]]")
                }
                Outgoing::Signal { client, content } => {
                    format!("42{}", json!(["submitSignal", client, [{"content": content}]]))
                }
            },
            Self::Levee => {
                let topic = topic(document);
                match arguments {
                    Outgoing::Connect(payload) => {
                        json!(["1", "2", topic, event, payload]).to_string()
                    }
                    Outgoing::Submit { client, ops } => format!(
                        "[\"1\",\"3\",{topic},\"submitOp\",\
                         {{\"clientId\":\"{client}\",\"messageBatches\":[{ops}]}}]",
                        topic = Value::from(topic.as_str()),
                    ),
                    Outgoing::Signal { client, content } => {
                        let batches = json!([[{"content": content}]]);
                        let payload = json!({"clientId": client, "contentBatches": batches});
                        json!(["1", "4", topic, "submitSignal", payload]).to_string()
                    }
                }
            }
        }
    }

    /// Understands a message of the service.
    pub(crate) fn event(self, text: &str) -> Event {
        match self {
            Self::Fluid => socket_io(text),
            Self::Levee => phoenix(text),
        }
    }
}

/// What a client says; operations are JSON already.
pub(crate) enum Outgoing<'a> {
    Connect(Value),
    Submit { client: &'a str, ops: &'a str },
    Signal { client: &'a str, content: &'a str },
}

/// The Phoenix topic of a document.
pub(crate) fn topic(document: &str) -> String {
    format!("document:{TENANT}:{document}")
}

fn parse_ops(raw: &RawValue) -> Vec<Op> {
    let ops: Vec<&RawValue> = serde_json::from_str(raw.get()).expect("an array of operations");
    ops.into_iter().map(Op::parse).collect()
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("JSON in JSON")
}

fn socket_io(text: &str) -> Event {
    match text {
        "2" => return Event::Ping,
        "41" => return Event::Goodbye,
        _ => {}
    }
    let Some(array) = text.strip_prefix("42") else {
        return Event::Other;
    };
    let parts: Vec<&RawValue> = serde_json::from_str(array).expect("an array");
    let name: String = serde_json::from_str(parts[0].get()).expect("an event's name");
    match name.as_str() {
        "op" => Event::Ops(parse_ops(parts[2])),
        _ => named(&name, parts[1..].last().copied()),
    }
}

fn phoenix(text: &str) -> Event {
    let parts: [&RawValue; 5] = serde_json::from_str(text).expect("an array of five");
    let name: String = serde_json::from_str(parts[3].get()).expect("an event's name");
    match name.as_str() {
        "op" => {
            #[derive(serde::Deserialize)]
            struct Push<'a> {
                #[serde(borrow)]
                op: &'a RawValue,
            }
            let push: Push<'_> = serde_json::from_str(parts[4].get()).expect("an op push");
            Event::Ops(parse_ops(push.op))
        }
        _ => named(&name, Some(parts[4])),
    }
}

fn named(name: &str, payload: Option<&RawValue>) -> Event {
    let Some(payload) = payload else {
        return Event::Other;
    };
    match name {
        "connect_document_success" => {
            #[derive(serde::Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Success<'a> {
                client_id: String,
                #[serde(borrow)]
                initial_messages: &'a RawValue,
            }
            let success: Success<'_> = serde_json::from_str(payload.get()).expect("a success");
            Event::Connected {
                client: success.client_id,
                initial: parse_ops(success.initial_messages),
                payload: value(payload),
            }
        }
        "connect_document_error" => Event::Refused(value(payload)),
        "signal" => Event::Signal(value(payload)),
        "nack" => Event::Nack(value(payload)),
        _ => Event::Other,
    }
}
