//! WebSocket frames whose payload is written straight into the output.

use super::{Address, ServerEvent};
use crate::wire::websocket::{Opcode, write_header};

/// What an envelope adds to its payload, roughly: brackets, event name, keys.
const ENVELOPE_BYTES: usize = 64;

/// Appends what `write` writes as one frame; nothing if it writes nothing.
///
/// The header's length depends on the payload's. A header for `guess_bytes` is written first and
/// corrected afterwards, so only a guess on the wrong side of 126 or 65,536 moves the payload.
pub(super) fn append(
    out: &mut Vec<u8>,
    opcode: Opcode,
    guess_bytes: usize,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    write_header(out, opcode, guess_bytes);
    let body = out.len();
    write(out);
    let end = out.len();
    if end == body {
        out.truncate(start);
        return;
    }
    write_header(out, opcode, end - body);
    let mut header = [0; 10];
    let header_bytes = (out.len() - end).min(header.len());
    header[..header_bytes].copy_from_slice(&out[end..end + header_bytes]);
    out.truncate(end);
    if header_bytes == body - start {
        out[start..body].copy_from_slice(&header[..header_bytes]);
    } else {
        out.splice(start..body, header[..header_bytes].iter().copied());
    }
}

/// About how many bytes the payload of `event` takes: near for the events that are sent often.
pub(super) fn guess_bytes(address: &Address<'_>, event: &ServerEvent<'_>) -> usize {
    let addressed = ENVELOPE_BYTES + address.topic.len();
    match event {
        ServerEvent::Ops { document, run } => addressed + document.len() + run.len(),
        ServerEvent::Signal(signal) => addressed + signal.content.len() + signal.extra.len(),
        ServerEvent::Presence { payload, .. } => addressed + payload.len(),
        ServerEvent::Reply { response, .. } => addressed + response.len(),
        ServerEvent::Connected(connected) => {
            let clients = connected.initial_clients.iter();
            let clients_bytes: usize = clients.map(|entry| entry.client.len() + 80).sum();
            addressed
                + 600
                + connected.claims.len()
                + connected.initial_messages.len()
                + clients_bytes
        }
        ServerEvent::Nack { nack, .. } => {
            addressed + 160 + nack.operation.map_or(0, <[u8]>::len) + nack.message.len()
        }
        ServerEvent::ConnectError(error) => addressed + 64 + error.message.len(),
        ServerEvent::Open { .. }
        | ServerEvent::NamespaceOpened { .. }
        | ServerEvent::NamespaceRefused { .. }
        | ServerEvent::Ping
        | ServerEvent::Pong { .. }
        | ServerEvent::ChannelClosed
        | ServerEvent::ChannelFailed
        | ServerEvent::Goodbye => addressed,
    }
}

/// Appends slices one after another.
pub(super) fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_guess_gives_the_same_frame() {
        for len in [1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let mut expected = b"before".to_vec();
            write_header(&mut expected, Opcode::Text, len);
            expected.extend(std::iter::repeat_n(b'x', len));
            for guess in [0, 125, 126, 65_535, 65_536, 1 << 30] {
                let mut out = b"before".to_vec();
                append(&mut out, Opcode::Text, guess, |out| {
                    out.extend(std::iter::repeat_n(b'x', len));
                });
                assert_eq!(out, expected, "{len} bytes, guessed {guess}");
            }
        }
    }

    #[test]
    fn nothing_written_is_no_frame() {
        let mut out = b"before".to_vec();
        append(&mut out, Opcode::Binary, 500, |_| {});
        assert_eq!(out, b"before");
    }
}
