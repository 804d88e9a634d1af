//! Everything Levee can decide without a system call: no I/O, no clock, no randomness of its own.
#![forbid(unsafe_code)]

pub mod auth;
pub mod dialect;
pub mod git;
pub mod http_request;
pub mod ids;
pub mod limits;
pub mod placement;
pub mod record;
pub mod wire;
