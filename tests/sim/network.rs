//! One simulated socket: a stream in each direction, cut and delayed, and how it ends.

use crate::speech::Ear;
use levee_core::ids::ConnId;
use levee_core::session::Connection;

#[derive(Debug)]
pub struct Socket {
    pub client: usize,
    pub shard: usize,
    /// None before the accept and while the socket is between two cores.
    pub conn: Option<ConnId>,
    /// Both ends think that it is open.
    pub is_open: bool,
    /// The client has gone without a sign: nothing arrives, nothing is taken.
    pub is_dead: bool,
    pub is_writing: bool,
    pub is_closing: bool,
    /// Closed without waiting for what was queued.
    pub is_cut: bool,
    pub is_slow: bool,
    /// Leaves for another core once the write under way is done.
    pub moves: Option<(usize, Box<Connection>)>,
    /// Arrived while the socket was between two cores.
    pub backlog: Vec<u8>,
    pub ended: bool,
    /// When the last bytes in each direction arrive.
    pub in_ms: u64,
    pub out_ms: u64,
    pub ear: Ear,
    /// Its client has asked by REST, ended its side and listens, since then.
    pub asks_since_ms: Option<u64>,
    pub heard_goodbye: bool,
    pub was_open_at_drain: bool,
}

impl Socket {
    pub fn new(client: usize, shard: usize, ear: Ear, is_slow: bool) -> Self {
        Self {
            client,
            shard,
            conn: None,
            is_open: true,
            is_dead: false,
            is_writing: false,
            is_closing: false,
            is_cut: false,
            is_slow,
            moves: None,
            backlog: Vec::new(),
            ended: false,
            in_ms: 0,
            out_ms: 0,
            ear,
            asks_since_ms: None,
            heard_goodbye: false,
            was_open_at_drain: false,
        }
    }
}
