//! Everything Levee can decide without a system call: no I/O, no clock, no randomness of its own.
#![forbid(unsafe_code)]

pub mod admission;
pub mod auth;
pub mod commit;
pub mod conns;
pub mod counters;
pub mod dialect;
pub mod directory;
pub mod document;
pub mod encode;
pub mod event;
pub mod fanout;
pub mod git;
pub mod history;
pub mod http_request;
pub mod ids;
pub mod limits;
pub mod nack;
pub mod placement;
pub mod presence;
pub mod quorum;
pub mod record;
pub mod sequencer;
pub mod session;
pub mod shard;
pub mod summary;
pub mod wire;
