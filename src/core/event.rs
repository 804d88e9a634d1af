//! What goes into a shard and what comes out: the only way the core meets the world.

use crate::auth::Keyring;
use crate::dialect::Dialect;
use crate::git::{ObjectId, SummaryVerdict};
use crate::http_request::HttpRequest;
use crate::ids::{BatchId, ConnId, DocKey, PartitionId, Seq, ShardId};
use crate::record::{DocumentImage, Record, StoreFault};
use crate::session::Connection;
use crate::summary::SummaryJob;
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;

/// Something happened. The shell reports each event once, in the order it happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A socket was accepted on this core. Its slot is below `2^31` and free.
    Opened { conn: ConnId, peer: IpAddr },
    /// A socket came over from another core with its state and what was already read.
    Adopted { conn: ConnId, state: Box<Connection> },
    /// Bytes arrived; they are used up (and unmasked in place) before `handle` returns.
    Bytes { conn: ConnId, bytes: &'a mut [u8] },
    /// This many bytes taken by `take_output` have left.
    Sent { conn: ConnId, bytes: usize },
    /// The socket is gone; this id is not used again.
    Closed { conn: ConnId },
    /// The answer to an [`Action::Append`].
    Persisted { partition: PartitionId, batch: BatchId, result: Result<(), StoreFault> },
    /// The answer to an [`Action::Load`]; `None` when the store has never heard of the document.
    Loaded { doc: DocKey, image: Result<Option<Box<DocumentImage>>, StoreFault> },
    /// The answer to an [`Action::Summarize`]; an ack's new objects are durable by then.
    Summarized { doc: DocKey, seq: Seq, verdict: Result<SummaryOutcome, StoreFault> },
    /// The answer to an [`Action::Http`]: a whole response.
    Responded { conn: ConnId, response: Bytes, close: bool },
    /// A service-side signal for everyone in a document (`broadcast-signal`): raw JSON content.
    Broadcast { doc: DocKey, content: Bytes },
    /// Delete a document. Its clients are asked to come back, and find it gone.
    Delete { doc: DocKey },
    /// The answer to an [`Action::Delete`], whatever came of it.
    Deleted { doc: DocKey },
    /// A letter from another core.
    Mail { from: ShardId, mail: Mail },
    /// Tenants, secrets or revocations have changed. Sockets whose token is good no more are asked
    /// to come back.
    Keyring(Arc<Keyring>),
    /// The end of a turn of the loop: what has gathered is committed.
    Turn,
    /// Timers; every `TICK_MS`.
    Tick,
    /// Say goodbye to every socket, spread over `spread_ms`; no new document sessions.
    Drain { spread_ms: u64 },
}

/// A verdict without the objects, which the shell has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SummaryOutcome {
    Ack { version: ObjectId },
    Nack { message: String },
}

impl From<&SummaryVerdict> for SummaryOutcome {
    fn from(verdict: &SummaryVerdict) -> Self {
        match verdict {
            SummaryVerdict::Ack { version, .. } => Self::Ack { version: *version },
            SummaryVerdict::Nack { message } => Self::Nack { message: message.clone() },
        }
    }
}

/// Something to do. After every `handle`, perform all actions in order, then the next event.
#[derive(Debug)]
pub enum Action {
    /// The connection has output: take it with `take_output`, write it, report `Sent`.
    Send(ConnId),
    /// Close the socket, once its output has left or at once; then report `Closed`.
    Close { conn: ConnId, at_once: bool },
    /// Write the group whole; then report `Persisted`. One is under way per partition.
    Append { partition: PartitionId, batch: BatchId, records: Vec<Record> },
    /// Read a document's image; then report `Loaded`.
    Load { doc: DocKey },
    /// Run the job beside the document's objects, store the new ones, report `Summarized`.
    Summarize { doc: DocKey, seq: Seq, job: Box<SummaryJob> },
    /// Remove a document from the store, for which nothing is under way; then report `Deleted`.
    Delete { doc: DocKey },
    /// Put a letter into another core's mailbox.
    Post { to: ShardId, mail: Mail },
    /// Take the socket out of this core and report it to the other as `Adopted`. The state has
    /// what was read and not handled; the id is free afterwards, without a `Closed`.
    Handoff { conn: ConnId, to: ShardId, state: Box<Connection> },
    /// Answer a REST request; then report `Responded`.
    Http { conn: ConnId, request: Box<HttpRequest> },
    /// Tell the operator.
    Log(LogEvent),
}

/// Letters between cores, for a document whose socket lives elsewhere.
#[derive(Debug)]
pub enum Mail {
    /// A message of a socket on the sending core for a document of the receiving one.
    Message { conn: ConnId, dialect: Dialect, peer: IpAddr, text: Bytes },
    /// The socket is gone.
    Unlink { conn: ConnId },
    /// A WebSocket frame for a socket of the receiving core.
    Frame { conn: ConnId, frame: Bytes },
    /// The document's core is done with the socket: close it, so that the client comes back.
    Unlinked { conn: ConnId },
}

/// What an operator wants to read. One line each; never a token, never contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    pub level: LogLevel,
    pub what: &'static str,
    pub doc: Option<DocKey>,
    pub detail: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Info,
    Warn,
    Error,
}
