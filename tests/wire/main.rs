//! What goes over the wire: golden transcripts of every dialect, the shapes of recorded traffic,
//! and every decoder under mangled input.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../../fuzz/decoders.rs"]
mod decoders;
mod golden;
mod inbound;
mod mangled;
#[path = "../support/members.rs"]
mod members;
mod oracle;
mod outbound;
mod schema;
mod vectors;
