//! Bytes on the wire, in and out, without I/O: JSON, WebSocket frames, HTTP/1.1 and its routes.
//!
//! Everything here borrows from the bytes that arrived and allocates only what a message cut in
//! pieces needs. Nothing here knows documents, sessions or dialects.

pub mod http;
pub mod json;
pub mod route;
pub mod websocket;
