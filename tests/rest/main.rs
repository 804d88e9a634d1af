//! REST of both wires against a store in memory: every route, wire and failure.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod access;
mod api;
mod captures;
mod deltas;
mod disk;
mod documents;
mod git;
#[path = "../support/members.rs"]
mod members;
mod plain;
mod schema;
mod storage;
mod world;
