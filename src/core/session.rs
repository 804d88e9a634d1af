//! One connection: what it speaks, which documents it has joined, what was read and not handled.
//!
//! A [`Connection`] is plain data without references into its core, so that it moves to another
//! core together with its socket.

use crate::auth::{Keyring, Pass};
use crate::dialect::Dialect;
use crate::document::MemberSlot;
use crate::http_request::HttpReader;
use crate::ids::{ClientId, ConnId, DocKey, ShardId};
use crate::shard::docs::DocSlot;
use crate::wire::websocket::FrameReader;
use bytes::Bytes;
use std::net::IpAddr;

/// See the module's comment.
#[derive(Debug)]
pub struct Connection {
    pub peer: IpAddr,
    /// Known from the upgrade on.
    pub dialect: Option<Dialect>,
    pub protocol: Protocol,
    pub channels: Vec<Channel>,
    /// Random; names the connection on the Socket.IO wire.
    pub sid: u128,
    /// When the request under way began to arrive.
    pub opened_ms: u64,
    /// When the peer was last heard, and when it was last pinged.
    pub heard_ms: u64,
    pub pinged_ms: u64,
    /// The operator has been told of a fault of this peer; once is enough.
    pub has_complained: bool,
    /// The peer has ended its side; it may still wait for answers.
    pub peer_has_ended: bool,
    /// Carried over a hand-off: the message that asked for it, and the bytes behind it.
    pub carried: Option<Carried>,
}

/// What a hand-off carries to the other core.
#[derive(Debug)]
pub struct Carried {
    /// The decoded text of the message that names the document.
    pub text: Bytes,
    /// Received bytes behind it, still masked.
    pub rest: Bytes,
    /// Frames that were queued for the socket and not yet taken to be written.
    pub output: Vec<Bytes>,
}

/// What a connection speaks.
#[derive(Debug)]
pub enum Protocol {
    /// REST, until an upgrade.
    Http {
        reader: HttpReader,
        is_answering: bool,
    },
    WebSocket {
        reader: FrameReader,
    },
    /// A socket of another core, spoken to through the mailbox.
    Link {
        shard: ShardId,
        socket: ConnId,
    },
    /// Taken out for the length of one event.
    Busy,
}

/// A Phoenix topic, or one document of a Socket.IO socket.
#[derive(Debug)]
pub struct Channel {
    /// Empty on Socket.IO.
    pub topic: Box<str>,
    pub join_ref: Option<Box<str>>,
    pub key: DocKey,
    pub place: Place,
}

/// Where a channel's document is, and how far the client has come with it.
#[derive(Clone, Debug)]
pub enum Place {
    /// Joined (Phoenix), not connected: does not count as a client.
    Joined,
    /// Admitted; the document is being read from the store.
    Waiting,
    Here(Seat),
    /// On another core, which has this socket as a link.
    Elsewhere(ShardId),
}

/// A seat in a document of this core.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    pub doc: DocSlot,
    pub member: MemberSlot,
    pub client: ClientId,
    /// When the token expires, seconds since the Unix epoch.
    pub expires_unix_s: u64,
    /// To know the token again when it is revoked.
    pub pass: Pass,
}

impl Connection {
    #[must_use]
    pub fn new(peer: IpAddr, sid: u128, mono_ms: u64) -> Self {
        let protocol = Protocol::Http { reader: HttpReader::default(), is_answering: false };
        Self {
            peer,
            dialect: None,
            protocol,
            channels: Vec::new(),
            sid,
            opened_ms: mono_ms,
            heard_ms: mono_ms,
            pinged_ms: mono_ms,
            has_complained: false,
            peer_has_ended: false,
            carried: None,
        }
    }

    /// Whether every token that it came in with would still be let in.
    #[must_use]
    pub fn holds_with(&self, keyring: &Keyring) -> bool {
        self.channels.iter().all(|channel| match &channel.place {
            Place::Here(seat) => keyring.still_holds(channel.key.tenant(), &seat.pass),
            Place::Joined | Place::Waiting | Place::Elsewhere(_) => true,
        })
    }

    /// The other end of a link, if this is one.
    #[must_use]
    pub fn linked_socket(&self) -> Option<(ShardId, ConnId)> {
        match self.protocol {
            Protocol::Link { shard, socket } => Some((shard, socket)),
            Protocol::Http { .. } | Protocol::WebSocket { .. } | Protocol::Busy => None,
        }
    }

    /// Bytes of a request or message that is not whole yet.
    #[must_use]
    pub fn unfinished_bytes(&self) -> usize {
        match &self.protocol {
            Protocol::Http { reader, .. } => reader.buffered_bytes(),
            Protocol::WebSocket { reader } => reader.buffered_bytes(),
            Protocol::Link { .. } | Protocol::Busy => 0,
        }
    }

    /// The Phoenix channel of a topic.
    #[must_use]
    pub fn channel(&self, topic: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| &*channel.topic == topic)
    }

    /// The seat that a client id names; on Socket.IO the only address an operation has.
    #[must_use]
    pub fn seat_of(&self, client_id: &str) -> Option<Seat> {
        self.seats().find(|seat| seat.client.as_str() == client_id)
    }

    pub fn seats(&self) -> impl Iterator<Item = Seat> + '_ {
        self.channels.iter().filter_map(|channel| match channel.place {
            Place::Here(seat) => Some(seat),
            Place::Joined | Place::Waiting | Place::Elsewhere(_) => None,
        })
    }

    /// The id of this connection on the Socket.IO wire.
    #[must_use]
    pub fn sid_text(&self) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..20).map(|at| ALPHABET[(self.sid >> (at * 6)) as usize & 63] as char).collect()
    }
}
