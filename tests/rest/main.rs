//! REST of both wires against a store in memory: every route, wire and failure.

mod access;
mod captures;
mod deltas;
mod disk;
mod documents;
mod git;
mod plain;
mod world;
