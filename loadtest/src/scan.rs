//! Reads what a service sends without building a JSON tree: one pass, slices of the frame.

use memchr::{memchr, memchr2};
use thiserror::Error;

/// A Socket.IO text frame by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Engine.IO opened.
    Open,
    /// Heartbeat, to be answered.
    Ping,
    /// The root namespace is joined.
    NamespaceJoined,
    /// The service ends the session.
    NamespaceLeft,
    /// Sequenced ops; the whole frame is kept for [`OpScanner`].
    Ops(&'a [u8]),
    /// One signal's object.
    Signal(&'a [u8]),
    /// The session stands; the answer's object.
    ConnectSuccess(&'a [u8]),
    /// The session was refused; the answer's object.
    ConnectError(&'a [u8]),
    /// An op or signal was refused; the arguments.
    Nack(&'a [u8]),
    /// An event or acknowledgement of no interest here.
    Other,
}

/// Why a text frame is not what a Fluid service sends.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    #[error("not an Engine.IO packet")]
    UnknownPacket,
    #[error("the frame ends inside a value")]
    Truncated,
    #[error("unexpected byte 0x{found:02x} at {at}")]
    Unexpected { at: usize, found: u8 },
    #[error("an op lacks its sequence number or another required field")]
    MissingField,
}

/// Sorts a text frame by its event.
///
/// # Errors
/// The frame is no packet of Engine.IO 4 and Socket.IO 5.
pub fn classify(frame: &[u8]) -> Result<Packet<'_>, ScanError> {
    match frame {
        [b'4', b'2', rest @ ..] => event(frame, rest),
        [b'2', ..] => Ok(Packet::Ping),
        [b'0', ..] => Ok(Packet::Open),
        [b'4', b'0', ..] => Ok(Packet::NamespaceJoined),
        [b'4', b'1', ..] => Ok(Packet::NamespaceLeft),
        [b'4', b'3', ..] | [b'6'] => Ok(Packet::Other),
        _ => Err(ScanError::UnknownPacket),
    }
}

fn event<'a>(frame: &'a [u8], array: &'a [u8]) -> Result<Packet<'a>, ScanError> {
    let Some(array) = array.strip_prefix(b"[\"") else {
        return Ok(Packet::Other);
    };
    let end = memchr(b'"', array).ok_or(ScanError::Truncated)?;
    let arguments = array[end + 1..].strip_prefix(b",").unwrap_or(&[]);
    Ok(match &array[..end] {
        b"op" => Packet::Ops(frame),
        b"signal" => Packet::Signal(arguments),
        b"nack" => Packet::Nack(arguments),
        b"connect_document_success" => Packet::ConnectSuccess(arguments),
        b"connect_document_error" => Packet::ConnectError(arguments),
        _ => Packet::Other,
    })
}

/// One sequenced op; text is as it stands in the frame, escapes untouched, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    pub sequence_number: u64,
    pub minimum_sequence_number: u64,
    pub reference_sequence_number: i64,
    pub client_sequence_number: i64,
    pub timestamp_ms: i64,
    /// `None` for system ops.
    pub client_id: Option<&'a [u8]>,
    pub kind: &'a [u8],
    /// Any JSON value, quotes included; empty when absent.
    pub contents: &'a [u8],
    /// Payload of system ops, without quotes; empty when absent.
    pub data: &'a [u8],
}

/// Iterates over the ops of an `op` event.
pub struct OpScanner<'a> {
    cursor: Cursor<'a>,
    state: ScannerState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScannerState {
    Before,
    Between,
    Done,
}

impl<'a> OpScanner<'a> {
    /// A scanner over a frame that was classified as [`Packet::Ops`].
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self { cursor: Cursor { bytes: frame, at: 2 }, state: ScannerState::Before }
    }

    fn step(&mut self) -> Result<Option<Op<'a>>, ScanError> {
        if self.state == ScannerState::Before {
            // `["op","<document>",[`
            self.cursor.expect(b'[')?;
            self.cursor.string()?;
            self.cursor.expect(b',')?;
            self.cursor.string()?;
            self.cursor.expect(b',')?;
            self.cursor.expect(b'[')?;
            if self.cursor.peek()? == b']' {
                return Ok(None);
            }
        } else if !self.cursor.another(b']')? {
            return Ok(None);
        }
        self.state = ScannerState::Between;
        self.cursor.op().map(Some)
    }
}

impl<'a> Iterator for OpScanner<'a> {
    type Item = Result<Op<'a>, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == ScannerState::Done {
            return None;
        }
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.state = ScannerState::Done;
        }
        step
    }
}

/// The text of one field of a JSON object, without its quotes; `None` if absent or not a string.
#[must_use]
pub fn text_field<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = field(object, name)?;
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The raw value of one field at the top of a JSON object.
#[must_use]
pub fn field<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut cursor = Cursor { bytes: object, at: 0 };
    cursor.expect(b'{').ok()?;
    loop {
        let key = cursor.string().ok()?;
        cursor.expect(b':').ok()?;
        let value = cursor.value().ok()?;
        if key == name {
            return Some(value);
        }
        if !cursor.another(b'}').ok()? {
            return None;
        }
    }
}

/// The client id inside a join op's `data`, which is JSON inside a JSON string.
#[must_use]
pub fn joined_client_id(data: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = br#"\"clientId\":\""#;
    let at = memchr::memmem::find(data, KEY)? + KEY.len();
    let end = memchr(b'\\', &data[at..])?;
    Some(&data[at..at + end])
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Result<u8, ScanError> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(ScanError::Truncated),
            }
        }
    }

    fn unexpected<T>(&self, found: u8) -> Result<T, ScanError> {
        Err(ScanError::Unexpected { at: self.at, found })
    }

    fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        let found = self.peek()?;
        if found != byte {
            return self.unexpected(found);
        }
        self.at += 1;
        Ok(())
    }

    /// After an element: true past a comma, false past the closing byte.
    fn another(&mut self, close: u8) -> Result<bool, ScanError> {
        let found = self.peek()?;
        if found != b',' && found != close {
            return self.unexpected(found);
        }
        self.at += 1;
        Ok(found == b',')
    }

    /// The inside of a string.
    fn string(&mut self) -> Result<&'a [u8], ScanError> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let found = memchr2(b'"', b'\\', &self.bytes[self.at..]).ok_or(ScanError::Truncated)?;
            self.at += found;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(&self.bytes[start..self.at - 1]);
            }
            self.at = (self.at + 2).min(self.bytes.len());
        }
    }

    /// Any value, as it stands.
    fn value(&mut self) -> Result<&'a [u8], ScanError> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => self.skip_nested()?,
            _ => self.skip_scalar(),
        }
        Ok(&self.bytes[start..self.at])
    }

    fn skip_scalar(&mut self) {
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    fn skip_nested(&mut self) -> Result<(), ScanError> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn integer(&mut self) -> Result<i64, ScanError> {
        let first = self.peek()?;
        let negative = first == b'-';
        self.at += usize::from(negative);
        let start = self.at;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == start {
            return self.unexpected(first);
        }
        // A fraction or exponent is cut off: no field read here has one.
        self.skip_scalar();
        Ok(if negative { -value } else { value })
    }

    fn natural(&mut self) -> Result<u64, ScanError> {
        u64::try_from(self.integer()?).map_err(|_| ScanError::MissingField)
    }

    fn op(&mut self) -> Result<Op<'a>, ScanError> {
        self.expect(b'{')?;
        let (mut sequence_number, mut client_id, mut kind) = (None, None, None);
        let (mut minimum, mut reference, mut csn, mut timestamp_ms) = (None, -1, -1, 0);
        let (mut contents, mut data): (&[u8], &[u8]) = (&[], &[]);
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            match key {
                b"sequenceNumber" => sequence_number = Some(self.natural()?),
                b"minimumSequenceNumber" => minimum = Some(self.natural()?),
                b"referenceSequenceNumber" => reference = self.integer()?,
                b"clientSequenceNumber" => csn = self.integer()?,
                b"timestamp" => timestamp_ms = self.integer()?,
                b"clientId" if self.peek()? == b'"' => client_id = Some(self.string()?),
                b"type" => kind = Some(self.string()?),
                b"contents" => contents = self.value()?,
                b"data" if self.peek()? == b'"' => data = self.string()?,
                _ => {
                    self.value()?;
                }
            }
            if !self.another(b'}')? {
                break;
            }
        }
        Ok(Op {
            sequence_number: sequence_number.ok_or(ScanError::MissingField)?,
            minimum_sequence_number: minimum.ok_or(ScanError::MissingField)?,
            reference_sequence_number: reference,
            client_sequence_number: csn,
            timestamp_ms,
            client_id,
            kind: kind.ok_or(ScanError::MissingField)?,
            contents,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPS: &[u8] = concat!(
        r#"42["op","d",[{"clientId":"c1","clientSequenceNumber":1,"#,
        r#""contents":"{\"sequenceNumber\":99,\"x\":\"]}\"}","metadata":{"a":[1,"}"]},"#,
        r#""minimumSequenceNumber":0,"referenceSequenceNumber":2,"sequenceNumber":3,"#,
        r#""timestamp":17,"type":"op","expHash1":"2e"}, {"type":"join","clientId":null,"#,
        r#""contents":null,"clientSequenceNumber":-1,"minimumSequenceNumber":1,"#,
        r#""referenceSequenceNumber":-1,"sequenceNumber":4,"timestamp":1.5,"#,
        r#""traces":[{"timestamp":2.5}],"data":"{\"clientId\":\"c2\",\"detail\":{}}"}]]"#
    )
    .as_bytes();

    #[test]
    fn ops_are_read_whatever_their_order_and_contents() {
        let ops: Vec<_> = OpScanner::new(OPS).collect::<Result<_, _>>().unwrap();
        assert_eq!(ops.len(), 2);
        assert_eq!((ops[0].sequence_number, ops[0].client_sequence_number), (3, 1));
        assert_eq!((ops[0].client_id, ops[0].kind), (Some(&b"c1"[..]), &b"op"[..]));
        assert_eq!(ops[0].contents, br#""{\"sequenceNumber\":99,\"x\":\"]}\"}""#);
        assert_eq!((ops[1].sequence_number, ops[1].client_id), (4, None));
        assert_eq!((ops[1].client_sequence_number, ops[1].timestamp_ms), (-1, 1));
        assert_eq!(joined_client_id(ops[1].data), Some(&b"c2"[..]));
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_and_no_panic() {
        for cut in 2..OPS.len() - 2 {
            let ops: Result<Vec<_>, _> = OpScanner::new(&OPS[..cut]).collect();
            assert!(ops.is_err(), "cut {cut}");
        }
    }

    #[test]
    fn packets_are_sorted() {
        let sorted = |text: &'static str| classify(text.as_bytes());
        assert_eq!(sorted("2"), Ok(Packet::Ping));
        assert_eq!(sorted(r#"0{"sid":"x"}"#), Ok(Packet::Open));
        assert_eq!(sorted(r#"40{"sid":"x"}"#), Ok(Packet::NamespaceJoined));
        assert_eq!(sorted("41"), Ok(Packet::NamespaceLeft));
        assert_eq!(sorted("430[]"), Ok(Packet::Other));
        assert_eq!(sorted(r#"42["pong",1]"#), Ok(Packet::Other));
        assert_eq!(sorted(r#"42["nack","",[{}]]"#), Ok(Packet::Nack(br#""",[{}]]"#)));
        assert_eq!(sorted("x"), Err(ScanError::UnknownPacket));
    }

    #[test]
    fn fields_are_found_at_the_top_only() {
        let object = br#"{"claims":{"clientId":"inner"},"n":1,"clientId":"outer","m":[]}]"#;
        assert_eq!(text_field(object, b"clientId"), Some(&b"outer"[..]));
        assert_eq!(field(object, b"n"), Some(&b"1"[..]));
        assert_eq!(field(object, b"absent"), None);
    }

    #[test]
    fn an_empty_list_of_ops_has_none() {
        assert_eq!(OpScanner::new(br#"42["op","d",[]]"#).count(), 0);
    }
}
