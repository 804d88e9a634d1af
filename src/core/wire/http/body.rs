//! Where a body ends, and its bytes without the chunks around them.

use super::HttpFault;

/// Bytes of one chunk's size line, and of all trailers together.
const LINE_BYTES_MAX: u16 = 4096;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes, more than none.
    Length(u64),
    /// Chunks, the last of them empty.
    Chunked,
}

/// What one piece of input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that belong to this body; the next request begins after them.
    pub consumed_bytes: usize,
    /// The body is complete.
    pub is_done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    /// In the digits of a chunk's size; true once there is one.
    Size(u64, bool),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Collects one body as it arrives.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    /// Body bytes that may still come.
    allowed_bytes: u64,
    /// Of the current size line or trailers.
    line_bytes: u16,
}

impl BodyReader {
    /// For a body of up to `limit_bytes`; a longer declared length is refused at once.
    pub fn new(framing: Framing, limit_bytes: u64) -> Result<Self, HttpFault> {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(len) if len > limit_bytes => return Err(HttpFault::BodyTooLarge),
            Framing::Length(len) => State::Length(len),
            Framing::Chunked => State::Size(0, false),
        };
        Ok(Self { state, allowed_bytes: limit_bytes, line_bytes: 0 })
    }

    /// Takes what belongs to this body from `input` and appends the body's bytes to `out`.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, HttpFault> {
        let mut at = 0;
        while self.state != State::Done && at < input.len() {
            match self.state {
                State::Length(left) | State::Data(left) => {
                    let there = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                    out.extend_from_slice(&input[at..at + there]);
                    at += there;
                    self.state = self.after_data(left - there as u64);
                }
                _ => {
                    self.state = self.byte(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(Progress { consumed_bytes: at, is_done: self.state == State::Done })
    }

    fn after_data(&self, left: u64) -> State {
        match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::DataCr,
            (_, left) => State::Data(left),
        }
    }

    /// One byte between the data of chunks. Line ends are exactly CR LF, or else a proxy might see
    /// other chunks than this.
    fn byte(&mut self, byte: u8) -> Result<State, HttpFault> {
        self.line_bytes += 1;
        if self.line_bytes > LINE_BYTES_MAX {
            return Err(HttpFault::BadChunk);
        }
        Ok(match (self.state, byte) {
            (State::Size(size, has_digit), byte) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    let size = size.checked_mul(16).ok_or(HttpFault::BadChunk)?;
                    State::Size(size + u64::from(digit), true)
                }
                None if has_digit && byte == b';' => State::Extension(size),
                None if has_digit && byte == b'\r' => State::SizeLf(size),
                None => return Err(HttpFault::BadChunk),
            },
            (State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => State::Extension(size),
            (State::SizeLf(0), b'\n') => State::TrailerStart,
            (State::SizeLf(size), b'\n') => {
                self.line_bytes = 0;
                let left = self.allowed_bytes.checked_sub(size);
                self.allowed_bytes = left.ok_or(HttpFault::BodyTooLarge)?;
                State::Data(size)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0, false),
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => State::Trailer,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(HttpFault::BadChunk),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(framing: Framing, parts: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), HttpFault> {
        let mut reader = BodyReader::new(framing, 100)?;
        let mut out = Vec::new();
        let (mut consumed, mut is_done) = (0, false);
        for part in parts {
            let progress = reader.feed(part, &mut out)?;
            consumed += progress.consumed_bytes;
            is_done = progress.is_done;
        }
        Ok((out, consumed, is_done))
    }

    #[test]
    fn lengths() {
        assert_eq!(read(Framing::None, &[b"GET /"]), Ok((vec![], 0, true)));
        assert_eq!(read(Framing::Length(3), &[b"abGET"]), Ok((b"abG".to_vec(), 3, true)));
        assert_eq!(read(Framing::Length(3), &[b"ab"]), Ok((b"ab".to_vec(), 2, false)));
        assert_eq!(read(Framing::Length(101), &[]), Err(HttpFault::BodyTooLarge));
    }

    #[test]
    fn chunks_at_every_cut() {
        let text = b"3\r\nabc\r\n0A;name=\"v\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /";
        let expected = Ok((b"abc0123456789".to_vec(), text.len() - 5, true));
        assert_eq!(read(Framing::Chunked, &[text]), expected);
        for cut in 0..text.len() - 5 {
            assert_eq!(read(Framing::Chunked, &[&text[..cut], &text[cut..]]), expected, "{cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(Framing::Chunked, &single), expected);
        assert_eq!(read(Framing::Chunked, &[b"0\r\n\r\n"]), Ok((vec![], 5, true)));
    }

    #[test]
    fn bad_chunks() {
        let long = format!("1;{}\r\n", "x".repeat(5000));
        let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(1000));
        for text in [
            "\r\n",
            ";x\r\n",
            "g\r\n",
            "-1\r\n",
            " 1\r\n",
            "1 \r\n",
            "0x1\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "10000000000000000\r\n",
            "1;\0\r\n",
            &long,
            &trailers,
        ] {
            let result = read(Framing::Chunked, &[text.as_bytes()]);
            assert_eq!(result, Err(HttpFault::BadChunk), "{text:?}");
        }
        let result = read(Framing::Chunked, &[b"33\r\n", &[b'a'; 51], b"\r\n32\r\n"]);
        assert_eq!(result, Err(HttpFault::BodyTooLarge));
        assert_eq!(read(Framing::Chunked, &[b"fffffffffffffff\r\n"]), Err(HttpFault::BodyTooLarge));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in "[0-9a-f;\r\n\\x00-\\xff]{0,60}") {
            let _ = read(Framing::Chunked, &[bytes.as_bytes()]);
        }
    }
}
