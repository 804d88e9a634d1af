//! Levee: a complete Fluid Framework service in one binary.
//!
//! The modules stand in the order of their layers; each imports only from those above it:
//! configuration and the runtime's names, then the store, then what serves sockets and REST, then
//! the boot that ties them together. Everything that can be decided without a system call is in
//! the crate `levee-core`.

pub mod config;
pub mod runtime;
pub mod schema;

pub mod directory;
pub mod identity;
pub mod store;

pub mod git_export;
pub mod http;
pub mod observe;
pub mod server;

pub mod boot;
pub mod cli;
