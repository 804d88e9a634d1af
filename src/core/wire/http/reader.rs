//! Whole requests out of the pieces that a socket delivers.

use super::{BodyReader, Framing, HttpFault, Limits, Parsed, Request, parse};

/// A reader's buffers above this many bytes are freed once their request has been delivered.
const BUFFER_KEPT_BYTES: usize = 4096;

/// What [`RequestReader::next`] found.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // lives on the stack, for one call
pub enum Incoming<'a> {
    /// The client waits for [`continue_head`](super::continue_head) before it sends the body.
    ExpectsContinue,
    /// A request with its whole body.
    Request {
        /// The head.
        request: Request<'a>,
        /// The body, chunks joined.
        body: &'a [u8],
    },
}

/// Collects one connection's requests. A request that is in the input in full is borrowed from it;
/// only one that is cut is copied, up to the limits.
#[derive(Debug, Default)]
pub struct RequestReader {
    head: Vec<u8>,
    body: Vec<u8>,
    /// The head is complete and its body is under way.
    reading: Option<BodyReader>,
    /// The buffers hold a request that the caller has seen.
    delivered: bool,
}

impl RequestReader {
    /// Bytes of heap that the connection holds for a request under way.
    pub fn buffered_bytes(&self) -> usize {
        self.head.capacity() + self.body.capacity()
    }

    /// True between requests: nothing of a next one has arrived.
    pub fn is_idle(&self) -> bool {
        self.delivered || (self.head.is_empty() && self.reading.is_none())
    }

    /// Takes the next request out of `input`, reading from `at` and moving it; `None` when all of
    /// `input` is used up. Bytes after a request stay for the next call, so a request that upgrades
    /// the connection leaves what follows it. After a fault the connection must be closed.
    pub fn next<'a>(
        &'a mut self,
        input: &'a [u8],
        at: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Incoming<'a>>, HttpFault> {
        self.release();
        if self.head.is_empty()
            && let Some(incoming) = whole(input, at, limits)?
        {
            return Ok(Some(incoming));
        }
        if self.reading.is_none() {
            match self.collect_head(input, at, limits)? {
                Some(true) => return Ok(Some(Incoming::ExpectsContinue)),
                Some(false) => {}
                None => return Ok(None),
            }
        }
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        let progress = reading.feed(&input[*at..], &mut self.body)?;
        *at += progress.consumed_bytes;
        if !progress.is_done {
            return Ok(None);
        }
        self.delivered = true;
        match parse(&self.head, limits)? {
            Parsed::Head { request, .. } => {
                Ok(Some(Incoming::Request { request, body: &self.body }))
            }
            Parsed::Incomplete => Ok(None), // it was complete when it was collected
        }
    }

    /// Copies the head until it is complete: then whether the client waits for a go-ahead.
    fn collect_head(
        &mut self,
        input: &[u8],
        at: &mut usize,
        limits: &Limits,
    ) -> Result<Option<bool>, HttpFault> {
        let had_bytes = self.head.len();
        let room = limits.head_bytes.saturating_sub(had_bytes);
        let there = room.min(input.len() - *at);
        self.head.extend_from_slice(&input[*at..*at + there]);
        let Parsed::Head { request, head_bytes } = parse(&self.head, limits)? else {
            *at += there;
            return Ok(None);
        };
        self.reading = Some(BodyReader::new(request.framing, limits.body_bytes)?);
        let expects_continue = request.expects_continue;
        let used = head_bytes - had_bytes;
        self.head.truncate(head_bytes);
        *at += used;
        // A client that has already begun to send its body waits for nothing.
        Ok(Some(expects_continue && *at == input.len()))
    }

    fn release(&mut self) {
        if !std::mem::take(&mut self.delivered) {
            return;
        }
        self.reading = None;
        for buffer in [&mut self.head, &mut self.body] {
            buffer.clear();
            if buffer.capacity() > BUFFER_KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

/// Takes a request that stands in full at `at`; `None` also for chunks, which have to be joined
/// elsewhere.
fn whole<'a>(
    input: &'a [u8],
    at: &mut usize,
    limits: &Limits,
) -> Result<Option<Incoming<'a>>, HttpFault> {
    let bytes = &input[*at..];
    let Parsed::Head { request, head_bytes } = parse(bytes, limits)? else {
        return Ok(None);
    };
    let body_bytes = match request.framing {
        Framing::None => 0,
        Framing::Length(len) => usize::try_from(len).unwrap_or(usize::MAX),
        Framing::Chunked => return Ok(None),
    };
    let Some(body) = bytes[head_bytes..].get(..body_bytes) else {
        return Ok(None);
    };
    *at += head_bytes + body_bytes;
    Ok(Some(Incoming::Request { request, body }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::Method;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { head_bytes: 500, body_bytes: 1000 };

    #[derive(Debug, PartialEq)]
    enum Seen {
        Continue,
        Request(Method, String, Vec<u8>),
        Fault(HttpFault),
    }

    fn read(parts: &[&[u8]]) -> Vec<Seen> {
        let mut reader = RequestReader::default();
        let mut seen = Vec::new();
        for part in parts {
            let mut at = 0;
            loop {
                match reader.next(part, &mut at, &LIMITS) {
                    Ok(Some(Incoming::ExpectsContinue)) => seen.push(Seen::Continue),
                    Ok(Some(Incoming::Request { request, body })) => {
                        let path = request.path.to_string();
                        seen.push(Seen::Request(request.method, path, body.to_vec()));
                    }
                    Ok(None) => break,
                    Err(fault) => {
                        seen.push(Seen::Fault(fault));
                        return seen;
                    }
                }
            }
            assert_eq!(at, part.len());
        }
        seen
    }

    const PIPELINE: &[u8] = b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n\
        POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
        POST /three HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        DELETE /four HTTP/1.1\r\nHost: h\r\n\r\n";

    #[test]
    fn pipelined_requests_at_every_cut() {
        let expected = [
            Seen::Request(Method::Get, "/one".into(), vec![]),
            Seen::Request(Method::Post, "/two".into(), b"hello".to_vec()),
            Seen::Request(Method::Post, "/three".into(), b"abc".to_vec()),
            Seen::Request(Method::Delete, "/four".into(), vec![]),
        ];
        assert_eq!(read(&[PIPELINE]), expected);
        for cut in 0..PIPELINE.len() {
            assert_eq!(read(&[&PIPELINE[..cut], &PIPELINE[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(read(&PIPELINE.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_go_ahead_is_asked_for_once_and_only_when_the_body_is_not_there() {
        let head =
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        let request = || Seen::Request(Method::Post, "/".into(), b"ok".to_vec());
        assert_eq!(read(&[head, b"o", b"k"]), [Seen::Continue, request()]);
        assert_eq!(read(&[&[&head[..], b"ok"].concat()]), [request()]);
        assert_eq!(read(&[&[&head[..], b"o"].concat(), b"k"]), [request()]);
    }

    #[test]
    fn whole_requests_are_borrowed_and_buffers_given_back() {
        let mut reader = RequestReader::default();
        let mut at = 0;
        while reader.next(&PIPELINE[..90], &mut at, &LIMITS).unwrap().is_some() {}
        assert!(!reader.is_idle());
        let limits = Limits { head_bytes: 500, body_bytes: 100_000 };
        let mut reader = RequestReader::default();
        let text = b"POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n";
        assert!(reader.next(text, &mut 0, &limits).unwrap().is_none());
        assert!(!reader.is_idle());
        let body = vec![b'x'; 50_000];
        let mut at = 0;
        assert!(reader.next(&body, &mut at, &limits).unwrap().is_some());
        assert!(reader.next(&body, &mut at, &limits).unwrap().is_none());
        assert!(reader.is_idle());
        assert!(reader.buffered_bytes() < BUFFER_KEPT_BYTES);
    }

    #[test]
    fn bounds_hold_however_slowly_it_comes() {
        let drip: Vec<u8> = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(200)].concat();
        assert_eq!(
            read(&drip.chunks(7).collect::<Vec<_>>()),
            [Seen::Fault(HttpFault::HeadTooLarge)]
        );
        let chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = [b"64\r\n".to_vec(), vec![b'x'; 100], b"\r\n".to_vec()].concat();
        let mut parts = vec![&chunked[..]];
        parts.extend(std::iter::repeat_n(&chunk[..], 11));
        assert_eq!(read(&parts), [Seen::Fault(HttpFault::BodyTooLarge)]);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same(
            cuts in prop::collection::vec(0..PIPELINE.len(), 0..8),
            damage in prop::option::of((0..PIPELINE.len(), any::<u8>())),
        ) {
            let mut bytes = PIPELINE.to_vec();
            if let Some((at, byte)) = damage {
                bytes[at] = byte;
            }
            let mut cuts = cuts;
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&parts), read(&[&bytes]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&[&bytes]);
        }
    }
}
