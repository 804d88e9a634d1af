//! The core's state machines against naive models: slow, obvious, written from the contract.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod document;
mod history;
mod presence;
mod quorum;
mod sequencer;
