//! What both wires say to a connection about itself: success, refusal, nack.

use super::frame::put;
use super::{ConnectError, Connected, Mode, NackOut, version};
use crate::limits::{MAX_MESSAGE_SIZE_FLUID, MAX_MESSAGE_SIZE_LEVEE};
use crate::wire::json::{Raw, write_i64, write_string, write_u64};

/// What a client may send in one message, as announced; readers of the reference are told less.
const MAX_MESSAGE_SIZE_READ: u32 = 1024;
const BLOCK_SIZE_FLUID: u64 = 64_436;
const BLOCK_SIZE_LEVEE: u64 = 65_536;

/// Members of a token's claims that the Phoenix wire shows, beside the user.
const CLAIMS_SHOWN: [&str; 6] = ["documentId", "scopes", "tenantId", "iat", "exp", "ver"];

/// `fluid-wire.md` 2.2.
pub(super) fn write_socketio(success: &Connected<'_>, out: &mut Vec<u8>) {
    put(out, &[b"{\"claims\":", success.claims]);
    let max_message_size = match success.mode {
        Mode::Write => MAX_MESSAGE_SIZE_FLUID,
        Mode::Read => MAX_MESSAGE_SIZE_READ,
    };
    write_identity(success, max_message_size, out);
    write_configuration(BLOCK_SIZE_FLUID, MAX_MESSAGE_SIZE_FLUID, out);
    out.extend_from_slice(b",\"initialClients\":[");
    for (at, entry) in success.initial_clients.iter().enumerate() {
        write_client_id(at, entry.client_id.as_str(), out);
        put(out, &[b",\"client\":", entry.client, b"}"]);
    }
    put(out, &[b"],\"initialMessages\":[", success.initial_messages]);
    out.extend_from_slice(b"],\"initialSignals\":[]");
    write_versions(success, &version::SOCKETIO, out);
    out.extend_from_slice(b",\"timestamp\":");
    write_u64(out, success.timestamp_ms);
    out.push(b'}');
}

/// `levee-wire.md` 2.3.
pub(super) fn write_phoenix(success: &Connected<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"claims\":");
    write_claims(success.claims, out);
    write_identity(success, MAX_MESSAGE_SIZE_LEVEE, out);
    write_configuration(BLOCK_SIZE_LEVEE, MAX_MESSAGE_SIZE_LEVEE, out);
    out.extend_from_slice(b",\"initialClients\":[");
    for (at, entry) in success.initial_clients.iter().enumerate() {
        write_client_id(at, entry.client_id.as_str(), out);
        let mode = entry.mode.as_str().as_bytes();
        put(out, &[b",\"client\":", entry.client, b",\"mode\":\"", mode, b"\"}"]);
    }
    let messages = super::phoenix::membership_contents(success.initial_messages);
    put(out, &[b"],\"initialMessages\":[", &messages]);
    out.extend_from_slice(b"],\"initialSignals\":[]");
    write_versions(success, &version::PHOENIX, out);
    out.extend_from_slice(b",\"checkpointSequenceNumber\":");
    write_u64(out, success.checkpoint_seq.0);
    if let Some((handle, seq)) = success.summary {
        out.extend_from_slice(b",\"summaryContext\":{\"handle\":");
        write_string(out, handle);
        out.extend_from_slice(b",\"sequenceNumber\":");
        write_u64(out, seq.0);
        out.push(b'}');
    }
    out.push(b'}');
}

/// The claims without what is nobody's business: of the user only the id.
fn write_claims(claims: &[u8], out: &mut Vec<u8>) {
    let Ok(claims) = Raw::parse(claims) else {
        out.extend_from_slice(b"{}");
        return;
    };
    let user_id = claims.field("user").and_then(|user| user.field("id"));
    let user_id = user_id.map_or(b"null".as_slice(), Raw::bytes);
    put(out, &[b"{\"user\":{\"id\":", user_id, b"}"]);
    for name in CLAIMS_SHOWN {
        if let Some(value) = claims.field(name) {
            put(out, &[b",\"", name.as_bytes(), b"\":", value.bytes()]);
        }
    }
    out.push(b'}');
}

fn write_identity(success: &Connected<'_>, max_message_size: u32, out: &mut Vec<u8>) {
    let id = success.client_id.as_str().as_bytes();
    put(out, &[b",\"clientId\":\"", id, b"\",\"existing\":true,\"maxMessageSize\":"]);
    write_u64(out, u64::from(max_message_size));
    put(out, &[b",\"mode\":\"", success.mode.as_str().as_bytes(), b"\""]);
}

fn write_configuration(block_size: u64, max_message_size: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"serviceConfiguration\":{\"blockSize\":");
    write_u64(out, block_size);
    out.extend_from_slice(b",\"maxMessageSize\":");
    write_u64(out, u64::from(max_message_size));
    out.push(b'}');
}

fn write_client_id(at: usize, client_id: &str, out: &mut Vec<u8>) {
    let separator: &[u8] = if at == 0 { b"" } else { b"," };
    put(out, &[separator, b"{\"clientId\":\"", client_id.as_bytes(), b"\""]);
}

/// Clients use server-backed presence only where `presence_v1` is true.
fn write_versions(success: &Connected<'_>, supported: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"supportedVersions\":");
    for (at, range) in supported.iter().enumerate() {
        let separator: &[u8] = if at == 0 { b"[\"" } else { b",\"" };
        put(out, &[separator, range.as_bytes(), b"\""]);
    }
    let signals_v2: &[u8] = if success.signals_v2 { b"true" } else { b"false" };
    put(
        out,
        &[
            b"],\"supportedFeatures\":{\"submit_signals_v2\":",
            signals_v2,
            b",\"presence_v1\":true},\"version\":",
        ],
    );
    write_string(out, success.version);
}

pub(super) fn write_error(error: &ConnectError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":");
    write_u64(out, u64::from(error.code));
    out.extend_from_slice(b",\"message\":");
    write_string(out, &error.message);
    if let Some(retry_after_ms) = error.retry_after_ms {
        out.extend_from_slice(b",\"retryAfterMs\":");
        write_u64(out, retry_after_ms);
    }
    out.push(b'}');
}

/// The members of a nack, without braces.
pub(super) fn write_nack(nack: &NackOut<'_>, out: &mut Vec<u8>) {
    if let Some(operation) = nack.operation {
        put(out, &[b"\"operation\":", operation, b","]);
    }
    out.extend_from_slice(b"\"sequenceNumber\":");
    write_i64(out, nack.sequence_number);
    out.extend_from_slice(b",\"content\":{\"code\":");
    write_u64(out, u64::from(nack.code));
    put(out, &[b",\"type\":\"", nack.kind.as_str().as_bytes(), b"\",\"message\":"]);
    write_string(out, &nack.message);
    if let Some(retry_after_s) = nack.retry_after_s {
        out.extend_from_slice(b",\"retryAfter\":");
        write_u64(out, u64::from(retry_after_s));
    }
    out.push(b'}');
}
