//! The client's half of WebSocket (RFC 6455): masked frames out, unmasked frames in, no extensions.

use std::ops::Range;
use thiserror::Error;

/// Largest payload accepted from a service: a flooded `op` frame is a few megabytes.
pub const MAX_PAYLOAD_BYTES: usize = 32 << 20;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// One frame found in a receive buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub opcode: Opcode,
    /// The last frame of its message.
    pub fin: bool,
    /// Where the payload lies in the buffer; the frame ends where it ends.
    pub payload: Range<usize>,
}

/// Why bytes are not a frame that a service may send.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    #[error("a reserved bit is set without an extension")]
    ReservedBit,
    #[error("opcode {0} does not exist")]
    Opcode(u8),
    #[error("the service masked a frame")]
    Masked,
    #[error("a frame of {0} bytes is over the limit")]
    TooLarge(u64),
}

/// Finds the frame that starts at `start`, or `None` if it is not complete yet.
///
/// # Errors
/// The bytes break the protocol; the connection is of no more use.
pub fn decode(buffer: &[u8], start: usize) -> Result<Option<Frame>, FrameError> {
    let bytes = &buffer[start..];
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBit);
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => return Err(FrameError::Opcode(other)),
    };
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let (header, length) = match second {
        126 => match bytes {
            &[_, _, a, b, ..] => (4, u64::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        127 => match bytes {
            &[_, _, a, b, c, d, e, f, g, h, ..] => {
                (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    let payload_length = usize::try_from(length).unwrap_or(usize::MAX);
    if payload_length > MAX_PAYLOAD_BYTES {
        return Err(FrameError::TooLarge(length));
    }
    if bytes.len() - header < payload_length {
        return Ok(None);
    }
    let from = start + header;
    let payload = from..from + payload_length;
    Ok(Some(Frame { opcode, fin: first & 0x80 != 0, payload }))
}

/// Masks and frames what a client sends.
#[derive(Clone, Debug)]
pub struct Encoder {
    mask: u64,
}

impl Encoder {
    /// An encoder whose masks follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { mask: seed | 1 }
    }

    /// Appends one frame; `write` puts the payload, which is then masked in place.
    pub fn frame(&mut self, out: &mut Vec<u8>, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        // The header's length is not known before the payload is written: room for the usual form
        // (16 bits) is left and corrected by moving the payload in the rare other cases.
        const USUAL_HEADER_BYTES: usize = 8;
        let start = out.len();
        out.extend_from_slice(&[0; USUAL_HEADER_BYTES]);
        write(out);
        let length = out.len() - start - USUAL_HEADER_BYTES;
        let mut header = [0; 14];
        header[0] = 0x80 | opcode_bits(opcode);
        let used = if length < 126 {
            header[1] = 0x80 | length as u8;
            2
        } else if let Ok(short) = u16::try_from(length) {
            header[1] = 0x80 | 126;
            header[2..4].copy_from_slice(&short.to_be_bytes());
            4
        } else {
            header[1] = 0x80 | 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        };
        let mask = self.next_mask();
        header[used..used + 4].copy_from_slice(&mask);
        let header = &header[..used + 4];
        if header.len() != USUAL_HEADER_BYTES {
            out.splice(start..start + USUAL_HEADER_BYTES, header.iter().copied());
        } else {
            out[start..start + USUAL_HEADER_BYTES].copy_from_slice(header);
        }
        apply_mask(&mut out[start + header.len()..], mask);
    }

    /// Appends one text frame of the given text.
    pub fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        self.frame(out, Opcode::Text, |out| out.extend_from_slice(text));
    }

    fn next_mask(&mut self) -> [u8; 4] {
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 7;
        self.mask ^= self.mask << 17;
        ((self.mask >> 32) as u32).to_ne_bytes()
    }
}

fn opcode_bits(opcode: Opcode) -> u8 {
    match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    }
}

fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
    }
    words.into_remainder().iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(short as u8),
            middle @ 126..65_536 => {
                bytes.push(126);
                bytes.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    fn unmask(frame: &[u8]) -> (u8, Vec<u8>) {
        let header = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let mask = &frame[header..header + 4];
        let payload = frame[header + 4..].iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m);
        (frame[0], payload.collect())
    }

    #[test]
    fn every_length_form_survives_the_encoder() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut out = b"before".to_vec();
            Encoder::new(7).text(&mut out, &payload);
            assert_eq!(&out[..6], b"before");
            assert_eq!(unmask(&out[6..]), (0x81, payload));
        }
    }

    #[test]
    fn every_length_form_is_decoded_whole_and_not_before() {
        for length in [0, 5, 126, 65_535, 65_536] {
            let frame = server_frame(0x81, &vec![b'x'; length]);
            for cut in [0, 1, 2, 3, 9, frame.len() - 1] {
                if cut < frame.len() {
                    assert_eq!(decode(&frame[..cut], 0), Ok(None), "length {length} cut {cut}");
                }
            }
            let found = decode(&frame, 0).unwrap().unwrap();
            assert_eq!(found.payload, frame.len() - length..frame.len());
            assert!(found.fin);
        }
    }

    #[test]
    fn frames_follow_each_other() {
        let mut bytes = server_frame(0x01, b"ab");
        bytes.extend(server_frame(0x80, b"c"));
        let first = decode(&bytes, 0).unwrap().unwrap();
        let second = decode(&bytes, first.payload.end).unwrap().unwrap();
        assert_eq!((first.opcode, first.fin), (Opcode::Text, false));
        assert_eq!((second.opcode, second.fin), (Opcode::Continuation, true));
        assert_eq!(&bytes[second.payload], b"c");
    }

    #[test]
    fn broken_frames_are_refused() {
        assert_eq!(decode(&[0xc1, 0], 0), Err(FrameError::ReservedBit));
        assert_eq!(decode(&[0x83, 0], 0), Err(FrameError::Opcode(3)));
        assert_eq!(decode(&[0x81, 0x80], 0), Err(FrameError::Masked));
        let huge = [0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(decode(&huge, 0), Err(FrameError::TooLarge(1 << 32)));
    }
}
