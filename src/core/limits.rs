//! Every bound of the service in one place. Reaching one is a named event with a counter.

/// Bounds that the operator may set; the defaults bound abuse and never work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest WebSocket message, bytes.
    pub frame_bytes_max: usize,
    /// Largest REST body, bytes.
    pub body_bytes_max: usize,
    /// Most operations in one `submitOp`.
    pub batch_ops_max: usize,
    /// Bytes of requests and messages that are not whole yet, over all sockets of one shard.
    pub unfinished_bytes_max: usize,
    /// Most bytes that wait for one socket before it counts as a slow reader.
    pub outbox_bytes_max: usize,
    /// Bytes of one document that may wait for the store before its writers must slow down.
    pub pending_bytes_max: usize,
    /// Most open sockets from one address.
    pub sockets_per_address_max: u32,
    /// Most open sockets of one shard.
    pub sockets_max: u32,
    /// Operations one client may submit in a second.
    pub ops_per_second_max: u32,
    /// Signals one client may submit in a second.
    pub signals_per_second_max: u32,
    /// Most clients of one document.
    pub clients_per_document_max: u32,
    /// A writer that says nothing for this long, and holds the MSN back, gets a leave op.
    pub idle_writer_ms: u64,
    /// A document without clients leaves memory after this long.
    pub idle_document_ms: u64,
    /// A socket that has not finished its handshake or request head by then is closed.
    pub handshake_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            body_bytes_max: 100 << 20,
            batch_ops_max: 10_000,
            unfinished_bytes_max: 512 << 20,
            outbox_bytes_max: 64 << 20,
            pending_bytes_max: 32 << 20,
            sockets_per_address_max: 20_000,
            sockets_max: 1_000_000,
            ops_per_second_max: 50_000,
            signals_per_second_max: 50_000,
            clients_per_document_max: 50_000,
            idle_writer_ms: 300_000,
            idle_document_ms: 60_000,
            handshake_ms: 20_000,
        }
    }
}

/// Bytes of one commit group; what is over waits for the next one.
pub const GROUP_BYTES_MAX: usize = 8 << 20;
/// Bytes that may wait for the commit of one partition before submitters are told to slow down.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 128 << 20;
/// Newest operations kept in memory per live document: bytes and count.
pub const HISTORY_BYTES_MAX: usize = 4 << 20;
pub const HISTORY_OPS_MAX: usize = 10_000;
/// A socket that holds no more than this of an unfinished message is never refused for what the
/// others hold.
pub const UNFINISHED_BYTES_FREE: usize = 256 << 10;
/// Least bound of an outbox: a client that connects is sent a document's history in one message,
/// and is no slow reader when its own join waits behind it.
pub const OUTBOX_BYTES_MIN: u64 = 8 << 20;
/// `initialMessages` on the Phoenix wire, newest first.
pub const INITIAL_MESSAGES_MAX: usize = 1_000;
/// A checkpoint is written after so many operations of a document.
pub const CHECKPOINT_OPS: u64 = 1_000;
/// Request head on any HTTP connection, bytes.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Document and tenant ids, bytes.
pub const NAME_BYTES_MAX: usize = 512;
/// The client's own description of itself (IClient JSON), bytes.
pub const CLIENT_DETAIL_BYTES_MAX: usize = 64 << 10;
/// Channels (topics or documents) on one socket.
pub const CHANNELS_MAX: usize = 64;
/// Advertised and never enforced below `frame_bytes_max`: clients cut their batches by it.
pub const MAX_MESSAGE_SIZE_FLUID: u32 = 16_384;
pub const MAX_MESSAGE_SIZE_LEVEE: u32 = 16 << 20;
/// Timers fire at this grain.
pub const TICK_MS: u64 = 50;
/// Client noops are consolidated into one server noop after this long.
pub const NOOP_CONSOLIDATION_MS: u64 = 250;
/// Engine.IO heartbeat, from its open packet.
pub const PING_INTERVAL_MS: u64 = 25_000;
pub const PING_TIMEOUT_MS: u64 = 20_000;
/// A Phoenix socket without traffic in either direction is closed.
pub const PHOENIX_IDLE_MS: u64 = 60_000;
/// `connect_document` is answered within this time whatever the store does; clients wait 22 s.
pub const CONNECT_ANSWER_MS: u64 = 15_000;

const _: () = assert!(2 * HISTORY_BYTES_MAX as u64 <= OUTBOX_BYTES_MIN);
const _: () = assert!(GROUP_BYTES_MAX < COMMIT_QUEUE_BYTES_MAX);
const _: () = assert!(CONNECT_ANSWER_MS < 22_000);
const _: () = assert!(TICK_MS < NOOP_CONSOLIDATION_MS);
const _: () = assert!(PING_TIMEOUT_MS < PING_INTERVAL_MS);
