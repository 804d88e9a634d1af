//! WebSocket frames (RFC 6455), server side, without extensions.
//!
//! A core receives into one shared buffer. [`FrameReader::next`] takes messages out of it: one
//! that is there in full is unmasked where it lies and borrowed; only a message cut by the end of
//! the buffer, or sent in fragments, is copied into the connection's own memory, which is given
//! back afterwards. An idle connection therefore owns no buffer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// A reader's buffer above this many bytes is freed once its message has been delivered.
const BUFFER_KEPT_BYTES: usize = 4096;
/// Payload bytes that a control frame can carry.
const CONTROL_BYTES_MAX: usize = 125;
/// Two bytes, an eight-byte length and a mask.
const HEADER_BYTES_MAX: usize = 14;

/// The six opcodes of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// The peer leaves.
    Close = 0x8,
    /// Wants a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or comes unasked.
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, PeerFault> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            _ => Err(PeerFault::ReservedOpcode),
        }
    }

    fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}

/// What a client sent, complete and unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, checked to be UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
    /// To be answered with [`pong_frame`] and this payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// Needs no answer.
    Pong,
    /// The client leaves; nothing comes after it.
    Close {
        /// The reason's number, if it gave one.
        code: Option<u16>,
    },
}

/// What a client did wrong. The connection ends with [`PeerFault::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Client frames must be masked.
    #[error("frame is not masked")]
    Unmasked,
    /// No extension was agreed that would use these bits.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("opcode is not defined")]
    ReservedOpcode,
    /// A control frame with more than 125 bytes.
    #[error("control frame is too long")]
    ControlTooLong,
    /// Control frames come whole.
    #[error("control frame is fragmented")]
    ControlFragmented,
    /// A continuation without a message to continue.
    #[error("continuation of nothing")]
    NothingToContinue,
    /// A new message inside another.
    #[error("message begins inside another")]
    MessageInsideMessage,
    /// A length in more bytes than it needs, or with its top bit set.
    #[error("length is badly encoded")]
    BadLength,
    /// A close frame whose payload is one byte or whose code must not be sent.
    #[error("close code is not allowed")]
    BadCloseCode,
    /// Text or a close reason that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A message above the reader's limit.
    #[error("message is too large")]
    TooLarge,
}

impl PeerFault {
    /// The close code that tells the client what it did (RFC 6455 section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::Unmasked
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::NothingToContinue
            | Self::MessageInsideMessage
            | Self::BadLength
            | Self::BadCloseCode => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// A frame whose header has been read; `mask` is turned so that it fits the next payload byte.
#[derive(Debug, Clone, Copy)]
struct Frame {
    mask: [u8; 4],
    remaining_bytes: u32,
    opcode: Opcode,
    is_final: bool,
}

/// Where the payload of a finished frame stands.
enum Payload {
    /// In the input, from this offset on.
    Input(usize),
    /// In the reader's buffer for its kind of frame.
    Kept,
}

/// Takes one connection's messages out of what was received. Holds no buffer while no message is
/// under way.
#[derive(Debug)]
pub struct FrameReader {
    /// The message under way: payload bytes of its fragments, unmasked.
    message: Vec<u8>,
    /// A control frame under way, which may stand between fragments.
    control: Vec<u8>,
    /// Header bytes of a frame whose header is not complete.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// `Text` or `Binary` while fragments are awaited.
    fragmented: Option<Opcode>,
    frame: Option<Frame>,
    limit_bytes: u32,
    /// The last message stood in a buffer, which is to be emptied now.
    delivered: bool,
    /// Nothing further is read: after a close frame or a fault.
    ended: bool,
}

impl FrameReader {
    /// Accepts messages of up to `limit_bytes`, all fragments together.
    pub fn new(limit_bytes: u32) -> Self {
        Self {
            message: Vec::new(),
            control: Vec::new(),
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            fragmented: None,
            frame: None,
            limit_bytes,
            delivered: false,
            ended: false,
        }
    }

    /// Bytes of heap that the connection holds for messages under way.
    pub fn buffered_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    /// Takes the next message out of `input`, reading from `at` and moving it. `None` when all of
    /// `input` is used up: call again with `at` 0 after the next receive. Bytes already passed are
    /// changed by unmasking. After a fault or a close frame everything is passed over.
    ///
    /// ```
    /// # use levee_core::wire::websocket::*;
    /// # fn received(reader: &mut FrameReader, buffer: &mut [u8]) -> Result<(), PeerFault> {
    /// let mut at = 0;
    /// while let Some(message) = reader.next(buffer, &mut at)? {
    ///     // use the message
    /// }
    /// # Ok(()) }
    /// ```
    // walk 3/12
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut [u8],
        at: &mut usize,
    ) -> Result<Option<Message<'a>>, PeerFault> {
        self.release();
        if self.ended {
            *at = input.len();
            return Ok(None);
        }
        let (frame, payload) = match self.advance(input, at) {
            Ok(Some(done)) => done,
            Ok(None) => return Ok(None),
            Err(fault) => {
                self.end();
                return Err(fault);
            }
        };
        let kind = self.kind(frame.opcode);
        let bytes: &'a [u8] = match payload {
            Payload::Input(from) => &input[from..*at],
            Payload::Kept if frame.opcode.is_control() => &self.control,
            Payload::Kept => &self.message,
        };
        let message = decode(kind, bytes);
        self.delivered = true;
        self.ended = matches!(message, Ok(Message::Close { .. }) | Err(_));
        if !frame.opcode.is_control() {
            self.fragmented = None;
        }
        message.map(Some)
    }

    /// Reads frames until one ends a message or is a control frame.
    fn advance(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
    ) -> Result<Option<(Frame, Payload)>, PeerFault> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_header(input, at)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let there = (input.len() - *at).min(frame.remaining_bytes as usize);
            let from = *at;
            *at += there;
            let bytes = &mut input[from..*at];
            unmask(bytes, frame.mask);
            let is_whole = there == frame.remaining_bytes as usize;
            let kept = match frame.opcode.is_control() {
                true => &mut self.control,
                false => &mut self.message,
            };
            if is_whole && frame.is_final && kept.is_empty() {
                return Ok(Some((frame, Payload::Input(from))));
            }
            kept.extend_from_slice(bytes);
            if !is_whole {
                frame.remaining_bytes -= there as u32;
                frame.mask.rotate_left(there % 4);
                self.frame = Some(frame);
                return Ok(None);
            }
            if frame.is_final {
                return Ok(Some((frame, Payload::Kept)));
            }
            if frame.opcode != Opcode::Continuation {
                self.fragmented = Some(frame.opcode);
            }
        }
    }

    /// Reads one header and holds it against the rules; `None` if the input ends inside it.
    fn read_header(&mut self, input: &[u8], at: &mut usize) -> Result<Option<Frame>, PeerFault> {
        if self.header_len == 0
            && let Some((frame, used)) = self.parse_header(&input[*at..])?
        {
            *at += used;
            return Ok(Some(frame));
        }
        while let Some(&byte) = input.get(*at) {
            *at += 1;
            self.header[usize::from(self.header_len)] = byte;
            self.header_len += 1;
            let header = self.header;
            if let Some((frame, _)) = self.parse_header(&header[..usize::from(self.header_len)])? {
                self.header_len = 0;
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn parse_header(&self, bytes: &[u8]) -> Result<Option<(Frame, usize)>, PeerFault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(PeerFault::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let is_final = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(PeerFault::Unmasked);
        }
        let (len, len_bytes) = match second & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => (126, 2),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => (0x1_0000, 8),
            },
            len => (u64::from(len), 0),
        };
        // A length that is still incomplete stands for the least it can be, which passes as far
        // as the true one might.
        let is_minimal = match len_bytes {
            2 => len >= 126,
            8 => len >= 0x1_0000 && len >> 63 == 0,
            _ => true,
        };
        if !is_minimal {
            return Err(PeerFault::BadLength);
        }
        self.admit(opcode, is_final, len)?;
        let Some(mask) = rest.get(len_bytes..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Ok(None);
        };
        // `admit` held it against a limit of 32 bits.
        let remaining_bytes = len as u32;
        Ok(Some((Frame { mask: *mask, remaining_bytes, opcode, is_final }, 2 + len_bytes + 4)))
    }

    /// May a frame like this come now?
    fn admit(&self, opcode: Opcode, is_final: bool, len: u64) -> Result<(), PeerFault> {
        if opcode.is_control() {
            return match (is_final, len <= CONTROL_BYTES_MAX as u64) {
                (false, _) => Err(PeerFault::ControlFragmented),
                (true, false) => Err(PeerFault::ControlTooLong),
                (true, true) => Ok(()),
            };
        }
        match (opcode == Opcode::Continuation, self.fragmented.is_some()) {
            (true, false) => return Err(PeerFault::NothingToContinue),
            (false, true) => return Err(PeerFault::MessageInsideMessage),
            (true, true) | (false, false) => {}
        }
        match self.message.len() as u64 + len > u64::from(self.limit_bytes) {
            true => Err(PeerFault::TooLarge),
            false => Ok(()),
        }
    }

    /// What a finished frame's message is: for a continuation, what its first fragment said.
    fn kind(&self, opcode: Opcode) -> Opcode {
        match (opcode, self.fragmented) {
            (Opcode::Continuation, Some(kind)) => kind,
            (kind, _) => kind,
        }
    }

    /// Empties the buffer whose message the caller has seen.
    fn release(&mut self) {
        if !std::mem::take(&mut self.delivered) {
            return;
        }
        self.control = Vec::new();
        if self.fragmented.is_none() {
            self.message.clear();
            if self.message.capacity() > BUFFER_KEPT_BYTES {
                self.message = Vec::new();
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.message = Vec::new();
        self.control = Vec::new();
    }
}

fn decode(kind: Opcode, bytes: &[u8]) -> Result<Message<'_>, PeerFault> {
    match kind {
        Opcode::Text => match simdutf8::basic::from_utf8(bytes) {
            Ok(_) => Ok(Message::Text(bytes)),
            Err(_) => Err(PeerFault::NotUtf8),
        },
        Opcode::Binary => Ok(Message::Binary(bytes)),
        Opcode::Ping => Ok(Message::Ping(bytes)),
        Opcode::Pong => Ok(Message::Pong),
        Opcode::Close => decode_close(bytes),
        Opcode::Continuation => Err(PeerFault::NothingToContinue),
    }
}

fn decode_close(bytes: &[u8]) -> Result<Message<'_>, PeerFault> {
    let (code, reason) = match bytes {
        [] => return Ok(Message::Close { code: None }),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        [_] => return Err(PeerFault::BadCloseCode),
    };
    // 1004 to 1006 and 1015 are never sent; below 3000 only what is registered.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PeerFault::BadCloseCode);
    }
    match simdutf8::basic::from_utf8(reason) {
        Ok(_) => Ok(Message::Close { code: Some(code) }),
        Err(_) => Err(PeerFault::NotUtf8),
    }
}

/// Applies a mask in place, eight bytes at a time.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(mask));
    let wide = half | half << 32;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends the header of an unfragmented server frame that carries `len` bytes.
pub fn write_header(out: &mut Vec<u8>, opcode: Opcode, len: usize) {
    out.push(0x80 | opcode as u8);
    write_len(out, len, 0);
}

fn write_len(out: &mut Vec<u8>, len: usize, mask_bit: u8) {
    match (len, u16::try_from(len)) {
        (0..126, _) => out.push(mask_bit | len as u8),
        (_, Ok(len)) => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Appends a text frame.
pub fn text_frame(out: &mut Vec<u8>, text: &[u8]) {
    write_header(out, Opcode::Text, text.len());
    out.extend_from_slice(text);
}

/// Appends a binary frame.
pub fn binary_frame(out: &mut Vec<u8>, bytes: &[u8]) {
    write_header(out, Opcode::Binary, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the answer to a ping, whose payload it repeats (cut to what a control frame holds).
pub fn pong_frame(out: &mut Vec<u8>, payload: &[u8]) {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    write_header(out, Opcode::Pong, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame; no code (1005 in the client's eyes) leaves it empty. A long reason is
/// cut at a character.
pub fn close_frame(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else {
        write_header(out, Opcode::Close, 0);
        return;
    };
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = &reason[..end];
    write_header(out, Opcode::Close, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends a masked frame as a client sends it: for tests and load generators.
pub fn client_frame(
    out: &mut Vec<u8>,
    opcode: Opcode,
    is_final: bool,
    mask: [u8; 4],
    payload: &[u8],
) {
    out.push(if is_final { 0x80 } else { 0 } | opcode as u8);
    write_len(out, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask);
}

/// The `Sec-WebSocket-Accept` that answers a client's `Sec-WebSocket-Key`.
pub fn accept_key(sec_websocket_key: &str) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(sec_websocket_key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut key = [0; 28];
    // 20 bytes are 28 base64 characters, so it always fits.
    let written = STANDARD.encode_slice(hash.finalize(), &mut key);
    debug_assert_eq!(written, Ok(28));
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    enum Seen {
        Text(Vec<u8>),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Pong,
        Close(Option<u16>),
        Fault(PeerFault),
    }

    /// Feeds `parts` one receive at a time and lists what comes out.
    fn read(limit_bytes: u32, parts: &[&[u8]]) -> Vec<Seen> {
        let mut reader = FrameReader::new(limit_bytes);
        let mut seen = Vec::new();
        for part in parts {
            let mut buffer = part.to_vec();
            let mut at = 0;
            loop {
                match reader.next(&mut buffer, &mut at) {
                    Ok(Some(Message::Text(text))) => seen.push(Seen::Text(text.to_vec())),
                    Ok(Some(Message::Binary(bytes))) => seen.push(Seen::Binary(bytes.to_vec())),
                    Ok(Some(Message::Ping(bytes))) => seen.push(Seen::Ping(bytes.to_vec())),
                    Ok(Some(Message::Pong)) => seen.push(Seen::Pong),
                    Ok(Some(Message::Close { code })) => seen.push(Seen::Close(code)),
                    Ok(None) => break,
                    Err(fault) => seen.push(Seen::Fault(fault)),
                }
            }
            assert_eq!(at, buffer.len());
        }
        seen
    }

    fn frame(opcode: Opcode, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        client_frame(&mut out, opcode, is_final, [0x37, 0xfa, 0x21, 0x3d], payload);
        out
    }

    fn fault(bytes: &[u8]) -> Option<PeerFault> {
        match read(1000, &[bytes]).pop() {
            Some(Seen::Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    #[test]
    fn an_idle_reader_is_small() {
        assert!(size_of::<FrameReader>() < 100, "{}", size_of::<FrameReader>());
        assert_eq!(FrameReader::new(1).buffered_bytes(), 0);
    }

    #[test]
    fn rfc_vectors() {
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(100, &[&hello]), [Seen::Text(b"Hello".to_vec())]);
        assert_eq!(frame(Opcode::Text, true, b"Hello"), hello);
        let mut out = Vec::new();
        text_frame(&mut out, b"Hello");
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(100, &[&ping]), [Seen::Ping(b"Hello".to_vec())]);
        for (len, header) in [
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (256, vec![0x82, 126, 1, 0]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            write_header(&mut out, Opcode::Binary, len);
            assert_eq!(out, header);
        }
        assert_eq!(&accept_key("dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_whole_frame_is_borrowed_from_the_input() {
        let mut reader = FrameReader::new(1000);
        let mut buffer =
            [frame(Opcode::Text, true, b"one"), frame(Opcode::Binary, true, b"two")].concat();
        let range = buffer.as_ptr_range();
        let mut at = 0;
        for expected in [Message::Text(b"one"), Message::Binary(b"two")] {
            let message = reader.next(&mut buffer, &mut at).unwrap().unwrap();
            assert_eq!(message, expected);
            let (Message::Text(bytes) | Message::Binary(bytes)) = message else { panic!() };
            assert!(range.contains(&bytes.as_ptr()));
        }
        assert_eq!(reader.next(&mut buffer, &mut at), Ok(None));
        assert_eq!(reader.buffered_bytes(), 0);
    }

    #[test]
    fn large_buffers_are_given_back() {
        let bytes = frame(Opcode::Binary, true, &vec![7; 50_000]);
        let (head, tail) = bytes.split_at(30_000);
        let mut reader = FrameReader::new(100_000);
        let (mut head, mut tail) = (head.to_vec(), tail.to_vec());
        assert_eq!(reader.next(&mut head, &mut 0), Ok(None));
        assert!(reader.buffered_bytes() >= 29_000);
        let mut at = 0;
        let message = reader.next(&mut tail, &mut at).unwrap();
        assert_eq!(message, Some(Message::Binary(&[7; 50_000])));
        assert_eq!(reader.next(&mut tail, &mut at), Ok(None));
        assert_eq!(reader.buffered_bytes(), 0);
    }

    #[test]
    fn a_declared_length_reserves_nothing() {
        let mut header = frame(Opcode::Binary, true, &vec![0; 10_000_000]);
        header.truncate(14);
        let mut reader = FrameReader::new(16 << 20);
        assert_eq!(reader.next(&mut header, &mut 0), Ok(None));
        assert_eq!(reader.buffered_bytes(), 0);
    }

    #[test]
    fn control_frames_pass_between_fragments() {
        let bytes = [
            frame(Opcode::Text, false, "zü".as_bytes()),
            frame(Opcode::Ping, true, b"p"),
            frame(Opcode::Continuation, false, b""),
            frame(Opcode::Pong, true, b"unasked"),
            frame(Opcode::Continuation, true, b"rich"),
            frame(Opcode::Close, true, &[0x03, 0xe8, b'b', b'y', b'e']),
            frame(Opcode::Text, true, b"after the end"),
        ]
        .concat();
        let expected = [
            Seen::Ping(b"p".to_vec()),
            Seen::Pong,
            Seen::Text("zürich".as_bytes().to_vec()),
            Seen::Close(Some(1000)),
        ];
        assert_eq!(read(1000, &[&bytes]), expected);
        for cut in 0..bytes.len() {
            assert_eq!(read(1000, &[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(1000, &single), expected);
    }

    #[test]
    fn faults_have_their_codes() {
        use PeerFault::*;
        let text = |payload| frame(Opcode::Text, true, payload);
        for (bytes, expected, code) in [
            (vec![0x81, 0x01, b'a'], Unmasked, 1002),
            (vec![0xc1, 0x80, 0, 0, 0, 0], ReservedBits, 1002),
            (vec![0x83, 0x80, 0, 0, 0, 0], ReservedOpcode, 1002),
            (vec![0x8b, 0x80, 0, 0, 0, 0], ReservedOpcode, 1002),
            (frame(Opcode::Ping, true, &[0; 126]), ControlTooLong, 1002),
            (frame(Opcode::Ping, false, b""), ControlFragmented, 1002),
            (frame(Opcode::Continuation, true, b""), NothingToContinue, 1002),
            ([frame(Opcode::Text, false, b"a"), text(b"b")].concat(), MessageInsideMessage, 1002),
            (vec![0x81, 0xfe, 0, 125, 0, 0, 0, 0], BadLength, 1002),
            (vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], BadLength, 1002),
            (vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], BadLength, 1002),
            (frame(Opcode::Close, true, &[3]), BadCloseCode, 1002),
            (frame(Opcode::Close, true, &1005u16.to_be_bytes()), BadCloseCode, 1002),
            (frame(Opcode::Close, true, &2999u16.to_be_bytes()), BadCloseCode, 1002),
            (frame(Opcode::Close, true, &[0x03, 0xe8, 0xff]), NotUtf8, 1007),
            (text(&[b'a', 0xc3]), NotUtf8, 1007),
            (text(&[b'a'; 1001]), TooLarge, 1009),
            (vec![0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], TooLarge, 1009),
        ] {
            assert_eq!(fault(&bytes), Some(expected), "{bytes:x?}");
            assert_eq!(expected.close_code(), code);
        }
        assert_eq!(fault(&text(&[b'a'; 1000])), None);
        let halves =
            [frame(Opcode::Text, false, &[0; 600]), frame(Opcode::Continuation, true, &[0; 600])];
        assert_eq!(fault(&halves.concat()), Some(TooLarge));
        assert_eq!(read(1000, &[&frame(Opcode::Close, true, b"")]), [Seen::Close(None)]);
    }

    #[test]
    fn text_split_inside_a_character_is_one_message() {
        let euro = "€".as_bytes();
        let bytes =
            [frame(Opcode::Text, false, &euro[..1]), frame(Opcode::Continuation, true, &euro[1..])];
        assert_eq!(read(10, &[&bytes.concat()]), [Seen::Text(euro.to_vec())]);
    }

    #[test]
    fn close_reasons_are_cut_at_a_character() {
        let mut out = Vec::new();
        close_frame(&mut out, Some(1008), &"ü".repeat(100));
        assert_eq!(out[1], 124);
        assert!(std::str::from_utf8(&out[4..]).is_ok());
        out.clear();
        close_frame(&mut out, None, "not sent");
        assert_eq!(out, [0x88, 0]);
        out.clear();
        pong_frame(&mut out, &[1; 200]);
        assert_eq!(out.len(), 127);
        out.clear();
        binary_frame(&mut out, &[1, 2]);
        assert_eq!(out, [0x82, 2, 1, 2]);
    }

    const CONTINUATION: Opcode = Opcode::Continuation;

    #[derive(Debug, Clone)]
    enum Sent {
        Whole(bool, Vec<u8>),
        Pieces(bool, Vec<Vec<u8>>),
        Ping(Vec<u8>),
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        let ascii = || "[ -~]{0,300}".prop_map(String::into_bytes);
        prop_oneof![
            bytes().prop_map(|bytes| Sent::Whole(false, bytes)),
            ascii().prop_map(|bytes| Sent::Whole(true, bytes)),
            prop::collection::vec(ascii(), 1..5).prop_map(|pieces| Sent::Pieces(true, pieces)),
            prop::collection::vec(bytes(), 1..5).prop_map(|pieces| Sent::Pieces(false, pieces)),
            prop::collection::vec(any::<u8>(), 0..125).prop_map(Sent::Ping),
        ]
    }

    fn seen(is_text: bool, bytes: Vec<u8>) -> Seen {
        if is_text { Seen::Text(bytes) } else { Seen::Binary(bytes) }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_messages(
            sent in prop::collection::vec(sent(), 0..8), mask in any::<[u8; 4]>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            let opcode = |text: bool| if text { Opcode::Text } else { Opcode::Binary };
            for message in sent {
                match message {
                    Sent::Whole(is_text, payload) => {
                        client_frame(&mut bytes, opcode(is_text), true, mask, &payload);
                        expected.push(seen(is_text, payload));
                    }
                    Sent::Pieces(is_text, pieces) => {
                        for (index, piece) in pieces.iter().enumerate() {
                            let kind = if index == 0 { opcode(is_text) } else { CONTINUATION };
                            client_frame(&mut bytes, kind, index + 1 == pieces.len(), mask, piece);
                        }
                        expected.push(seen(is_text, pieces.concat()));
                    }
                    Sent::Ping(payload) => {
                        client_frame(&mut bytes, Opcode::Ping, true, mask, &payload);
                        expected.push(Seen::Ping(payload));
                    }
                }
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(10_000, &parts), expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
            header in prop::option::of(any::<u8>()),
        ) {
            // With a plausible first byte more of the reader is reached.
            let mut parts = parts;
            if let (Some(bits), Some(first)) = (header, parts.first_mut()) {
                first.splice(0..0, [0x80 | bits & 0x0f, 0x80 | bits]);
            }
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let seen = read(1000, &parts);
            let faults = seen.iter().filter(|seen| matches!(seen, Seen::Fault(_))).count();
            prop_assert!(faults <= 1);
        }

        #[test]
        fn unmask_applies_the_mask_to_every_byte(
            bytes in prop::collection::vec(any::<u8>(), 0..70), mask in any::<[u8; 4]>(),
        ) {
            let mut masked = bytes.clone();
            unmask(&mut masked, mask);
            for (index, byte) in masked.iter().enumerate() {
                prop_assert_eq!(*byte, bytes[index] ^ mask[index % 4]);
            }
        }
    }
}
