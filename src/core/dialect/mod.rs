//! The shared vocabulary of both wires: Fluid's words, no framing.
//!
//! A dialect is two pure functions: [`decode`] turns one complete message into an [`Inbound`], and
//! [`encode`] turns a [`ServerEvent`] into one WebSocket frame. The session never asks which
//! dialect it has. Operations, signals and client details stay raw JSON slices throughout.

mod connect;
mod connected;
mod frame;
pub mod msgpack;
pub mod ops;
pub mod phoenix;
pub mod signals;
pub mod socketio;
mod version;

use crate::ids::{ClientId, Seq};
use crate::wire::json::Raw;
use crate::wire::websocket::{self, Opcode};
use std::borrow::Cow;

pub use connect::INVALID_CONNECT;
pub use version::{choose_version, unsupported_version};

/// Decodes the text of one complete message, already checked to be UTF-8. Never fails: what is not
/// understood is [`ClientEvent::Malformed`] or [`ClientEvent::Unknown`]. Every slice that comes out
/// is valid JSON and may be sent on or stored as it is.
///
/// A `PhoenixMsgpack` message goes through [`msgpack::to_json`] first.
// walk 4/12
#[must_use]
pub fn decode(dialect: Dialect, text: &[u8]) -> Inbound<'_> {
    match dialect {
        Dialect::SocketIo => socketio::decode(text),
        Dialect::Phoenix | Dialect::PhoenixMsgpack => phoenix::decode(text),
    }
}

/// Appends one complete, unmasked WebSocket frame that says `event`, or nothing where the dialect
/// has no such event. One pass; raw slices are copied, never parsed.
pub fn encode(address: &Address<'_>, event: &ServerEvent<'_>, out: &mut Vec<u8>) {
    let guess_bytes = frame::guess_bytes(address, event);
    match address.dialect {
        Dialect::SocketIo => frame::append(out, Opcode::Text, guess_bytes, |out| {
            socketio::write(event, out);
        }),
        Dialect::Phoenix | Dialect::PhoenixMsgpack if matches!(event, ServerEvent::Goodbye) => {
            websocket::close_frame(out, Some(phoenix::CLOSE_RESTART), "");
        }
        Dialect::Phoenix => frame::append(out, Opcode::Text, guess_bytes, |out| {
            phoenix::write(address, event, out);
        }),
        Dialect::PhoenixMsgpack => {
            let mut text = Vec::with_capacity(guess_bytes);
            phoenix::write(address, event, &mut text);
            frame::append(out, Opcode::Binary, text.len(), |out| {
                msgpack::from_own_json(&text, out);
            });
        }
    }
}

/// The framings of the two wires. A closed set, chosen at the upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// Phoenix Channels in JSON (`vsn=2.0.0`).
    Phoenix,
    /// Phoenix Channels in msgpack (`vsn=3.0.0`): the same messages, transcoded at the edge.
    PhoenixMsgpack,
    /// Engine.IO 4 / Socket.IO 5 over WebSocket.
    SocketIo,
}

/// Whether a client writes (is sequenced, holds the MSN) or only reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    Read,
    Write,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// One decoded message: where it is addressed and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound<'a> {
    /// Phoenix topic, unescaped; empty on Socket.IO. Borrowed unless the client escaped it.
    pub topic: Cow<'a, str>,
    /// Phoenix `join_ref` as it stands between its quotes, to be echoed; `None` where null and on
    /// Socket.IO.
    pub join_ref: Option<&'a str>,
    /// Phoenix `ref`, in the same form.
    pub message_ref: Option<&'a str>,
    pub event: ClientEvent<'a>,
}

/// The text of a JSON string as it stands between its quotes: for ids, which never hold escapes.
fn plain_text(value: Raw<'_>) -> Option<&str> {
    match value.bytes() {
        [b'"', text @ .., b'"'] => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// What clients may say.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent<'a> {
    /// Socket.IO `40`: open the root namespace.
    OpenNamespace,
    /// Socket.IO `40/name,`: any other namespace is refused by name (its slash included).
    OpenForeignNamespace(&'a str),
    /// Phoenix `phx_join` of the topic.
    Join,
    /// Phoenix `phx_leave` of the topic.
    Leave,
    /// Socket.IO `41` or Engine.IO `1`: the client leaves.
    Disconnect,
    /// Wants an answer at once.
    Heartbeat(Heartbeat),
    /// The answer to our ping, or another sign of life that asks for nothing.
    Alive,
    Connect(Connect<'a>),
    Submit(Submit<'a>),
    Signals(Signals<'a>),
    /// Phoenix `noop`: raises the client's reference number without an operation.
    Noop {
        reference_seq: i64,
    },
    /// Phoenix `requestOps`: everything after `from`.
    RequestOps {
        from: i64,
    },
    /// `presence_v1`, on both wires; the client id as sent, which only Socket.IO has.
    Presence {
        client_id: Option<&'a str>,
        request: PresenceRequest<'a>,
    },
    /// A known event with a payload of the wrong shape; answered in its wire's way.
    Malformed(Malformed),
    /// An event this service does not know: ignored, logged once.
    Unknown,
}

impl<'a> ClientEvent<'a> {
    /// The client that the event is said to come from, where it says so itself. A Socket.IO event
    /// has no other address.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        match self {
            Self::Submit(submit) => Some(submit.client_id),
            Self::Signals(signals) => Some(signals.client_id),
            Self::Presence { client_id, .. } => *client_id,
            Self::OpenNamespace
            | Self::OpenForeignNamespace(_)
            | Self::Join
            | Self::Leave
            | Self::Disconnect
            | Self::Heartbeat(_)
            | Self::Alive
            | Self::Connect(_)
            | Self::Noop { .. }
            | Self::RequestOps { .. }
            | Self::Malformed(_)
            | Self::Unknown => None,
        }
    }
}

/// Which heartbeat asks for which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// `[null, ref, "phoenix", "heartbeat", {}]`.
    Phoenix,
    /// Engine.IO `2` from a client.
    EngineIo,
    /// `42<id>["ping"]`: a Socket.IO acknowledgement with the packet's id.
    AppPing { ack_id: u64 },
}

/// Which event was malformed: decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// `connect_document` with missing keys (Phoenix names them) or mistyped ones.
    Connect(MissingKeys),
    Submit,
    Signal,
    /// Not the dialect's framing at all: not JSON, not an array, a wrong packet type.
    Frame,
}

/// Keys that a Phoenix `connect_document` lacks, in the order of its error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MissingKeys {
    pub tenant_id: bool,
    pub id: bool,
    pub client: bool,
    pub mode: bool,
}

/// `connect_document`. Strings are unescaped; `client` and `versions` stay raw JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    pub tenant: Cow<'a, str>,
    pub document: Cow<'a, str>,
    /// `None` when absent, null, empty or not a string.
    pub token: Option<Cow<'a, str>>,
    /// IClient JSON as it came; always an object.
    pub client: &'a [u8],
    /// The outer `mode`: read only if it says so; null and any unknown text count as write.
    pub mode: Mode,
    /// Raw JSON array of version ranges; empty when absent or of another type.
    pub versions: &'a [u8],
    /// What `supportedFeatures.submit_signals_v2` said; `None` when it said nothing.
    pub signals_v2: Option<bool>,
    /// Phoenix catch-up: `lastSeenSequenceNumber`.
    pub last_seen: Option<i64>,
}

/// `submitOp`: the client id as sent, and the batches as raw JSON for [`ops::each`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Submit<'a> {
    pub client_id: &'a str,
    /// An array, nested to any depth, or a bare operation.
    pub batches: &'a [u8],
}

/// `submitSignal`: the client id as sent, and the contents as raw JSON for `signals::each`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals<'a> {
    pub client_id: &'a str,
    pub batches: &'a [u8],
}

/// `presence_v1` requests; `meta` is the raw JSON object of the client's state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PresenceRequest<'a> {
    Join { meta: &'a [u8] },
    Update { meta: &'a [u8] },
    Leave,
    Malformed,
}

/// One operation as submitted. Raw slices are valid JSON; absent keys are `None`, and so are a null
/// `metadata` and `compression`, but a null `contents` is `Some(b"null")`: old clients' noops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawOp<'a> {
    pub kind: OpKind,
    /// Absent or mistyped counts as 0, which no sequencer accepts.
    pub client_seq: i64,
    /// Absent or mistyped is `None`.
    pub reference_seq: Option<i64>,
    pub contents: Option<&'a [u8]>,
    pub metadata: Option<&'a [u8]>,
    pub compression: Option<&'a [u8]>,
    /// The whole operation, for the nack that echoes it.
    pub raw: &'a [u8],
}

/// Message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    Op,
    Noop,
    Summarize,
    Propose,
    Accept,
    Reject,
    BlobAttach,
    TripComplete,
    SaveOp,
    RemoteHelp,
    /// Types that only the service writes: join, leave, noClient, control, summaryAck, summaryNack.
    System,
    /// `type` is not a known client type.
    Unknown,
}

impl OpKind {
    /// The `type` on the wire; empty for the two kinds that are never sequenced.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Op => "op",
            Self::Noop => "noop",
            Self::Summarize => "summarize",
            Self::Propose => "propose",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::BlobAttach => "blobAttach",
            Self::TripComplete => "tripComplete",
            Self::SaveOp => "saveOp",
            Self::RemoteHelp => "remoteHelp",
            Self::System | Self::Unknown => "",
        }
    }

    /// Reads the text of `type`.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        match text {
            "op" => Self::Op,
            "noop" => Self::Noop,
            "summarize" => Self::Summarize,
            "propose" => Self::Propose,
            "accept" => Self::Accept,
            "reject" => Self::Reject,
            "blobAttach" => Self::BlobAttach,
            "tripComplete" => Self::TripComplete,
            "saveOp" => Self::SaveOp,
            "remoteHelp" => Self::RemoteHelp,
            "join" | "leave" | "noClient" | "control" | "summaryAck" | "summaryNack" => {
                Self::System
            }
            _ => Self::Unknown,
        }
    }
}

/// One signal, normalised from every form of both wires.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSignal<'a> {
    /// Raw JSON of the content; a JSON string with all current clients.
    pub content: Cow<'a, [u8]>,
    pub targets: Targets<'a>,
    /// Socket.IO v2: other members (`targetClientId` included), echoed as raw `"k":v,…`; or empty.
    /// Never holds `content` or `clientId`, which the service writes itself.
    pub extra: Cow<'a, [u8]>,
}

/// Who hears a signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets<'a> {
    Everyone,
    One(Cow<'a, str>),
    Only(Vec<Cow<'a, str>>),
    Except(Vec<Cow<'a, str>>),
}

/// Where an outbound event is addressed on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address<'a> {
    pub dialect: Dialect,
    /// Phoenix topic, unescaped; empty on Socket.IO.
    pub topic: &'a str,
    /// Phoenix `join_ref` of the channel as [`Inbound`] gave it; `None` is written as null.
    pub join_ref: Option<&'a str>,
}

/// What the service may say.
#[derive(Clone, Copy, Debug)]
pub enum ServerEvent<'a> {
    /// Engine.IO open packet with this connection's id; nothing on Phoenix.
    Open {
        sid: &'a str,
        max_payload: usize,
    },
    /// Socket.IO `40{"sid":…}`.
    NamespaceOpened {
        sid: &'a str,
    },
    /// Socket.IO `44/name,{"message":"Invalid namespace"}`; the name as [`ClientEvent`] gave it.
    NamespaceRefused {
        namespace: &'a str,
    },
    /// Engine.IO ping; nothing on Phoenix.
    Ping,
    /// The answer to a [`Heartbeat`].
    Pong {
        heartbeat: Heartbeat,
        message_ref: Option<&'a str>,
    },
    /// Phoenix `phx_reply`; `response` is raw JSON.
    Reply {
        message_ref: Option<&'a str>,
        ok: bool,
        response: &'a [u8],
    },
    /// Phoenix `phx_close`.
    ChannelClosed,
    /// Phoenix `phx_error`.
    ChannelFailed,
    Connected(&'a Connected<'a>),
    ConnectError(&'a ConnectError),
    /// Sequenced operations: JSON objects joined by commas.
    Ops {
        document: &'a str,
        run: &'a [u8],
    },
    Signal(&'a SignalOut<'a>),
    /// `document` is empty for faults of the session on Socket.IO.
    Nack {
        document: &'a str,
        nack: &'a NackOut<'a>,
    },
    /// `payload` is raw JSON; the document is named on Socket.IO only.
    Presence {
        document: &'a str,
        event: PresenceEvent,
        payload: &'a [u8],
    },
    /// Socket.IO `41`; a WebSocket close frame 1012 on Phoenix.
    Goodbye,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceEvent {
    State,
    Diff,
    Error,
}

impl PresenceEvent {
    /// The event's name, the same on both wires.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "presence_state",
            Self::Diff => "presence_diff",
            Self::Error => "presence_error",
        }
    }
}

/// The content of `connect_document_success`.
#[derive(Clone, Copy, Debug)]
pub struct Connected<'a> {
    pub client_id: ClientId,
    pub mode: Mode,
    /// The token's claims: a whole JSON object as it came.
    pub claims: &'a [u8],
    /// Earlier members, never the new one.
    pub initial_clients: &'a [InitialClient<'a>],
    /// Operations joined by commas; empty on Socket.IO.
    pub initial_messages: &'a [u8],
    /// The version chosen from the client's list.
    pub version: &'a str,
    pub signals_v2: bool,
    /// Number of the own join operation, or the head for readers.
    pub checkpoint_seq: Seq,
    pub timestamp_ms: u64,
    /// Newest acked summary, for Phoenix' `summaryContext`.
    pub summary: Option<(&'a str, Seq)>,
}

/// One entry of `initialClients`.
#[derive(Clone, Copy, Debug)]
pub struct InitialClient<'a> {
    pub client_id: ClientId,
    /// IClient JSON.
    pub client: &'a [u8],
    pub mode: Mode,
}

/// `connect_document_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    pub code: u16,
    pub message: Cow<'static, str>,
    /// Needed on 429 and 503: without it the client closes its container for good.
    pub retry_after_ms: Option<u64>,
}

/// A signal to deliver. System signals have no sender.
#[derive(Clone, Copy, Debug)]
pub struct SignalOut<'a> {
    pub client_id: Option<&'a str>,
    /// Raw JSON.
    pub content: &'a [u8],
    /// Raw `"k":v,…` members that Socket.IO echoes; empty when there are none.
    pub extra: &'a [u8],
}

/// Why an operation was refused, in the words of the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NackOut<'a> {
    pub code: u16,
    pub kind: NackKind,
    pub message: Cow<'a, str>,
    pub retry_after_s: Option<u32>,
    /// The refused operation, raw; `None` for faults of the session.
    pub operation: Option<&'a [u8]>,
    /// The MSN for a sequencer's nack, -1 for one of the session.
    pub sequence_number: i64,
}

/// Fluid's nack types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackKind {
    Throttling,
    InvalidScope,
    BadRequest,
    LimitExceeded,
}

impl NackKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttling => "ThrottlingError",
            Self::InvalidScope => "InvalidScopeError",
            Self::BadRequest => "BadRequestError",
            Self::LimitExceeded => "LimitExceededError",
        }
    }
}
