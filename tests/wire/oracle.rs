//! Our reading of RFC 6455 against another's: the same bytes of a client go through `tungstenite`
//! and through our reader, and both must see the same messages and the same end.

use levee_core::wire::websocket::{FrameReader, Message, PeerFault};
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

const LIMIT_BYTES: u32 = 300;

/// What a server makes of its client's bytes.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    /// The end, with the code that says why.
    Fault(u16),
}

fn ours(bytes: &[u8]) -> Vec<Seen> {
    let mut reader = FrameReader::new(LIMIT_BYTES);
    let (mut buffer, mut at) = (bytes.to_vec(), 0);
    let mut seen = Vec::new();
    loop {
        seen.push(match reader.next(&mut buffer, &mut at) {
            Ok(Some(Message::Text(text))) => Seen::Text(text.to_vec()),
            Ok(Some(Message::Binary(bytes))) => Seen::Binary(bytes.to_vec()),
            Ok(Some(Message::Ping(payload))) => Seen::Ping(payload.to_vec()),
            Ok(Some(Message::Pong)) => Seen::Pong,
            Ok(Some(Message::Close { code })) => Seen::Close(code),
            Ok(None) => return seen,
            Err(fault) => Seen::Fault(fault.close_code()),
        });
    }
}

/// A peer that has said all it will say; what it is told goes nowhere.
struct Said(Cursor<Vec<u8>>);

impl Read for Said {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Vec<Seen> {
    let limit = Some(LIMIT_BYTES as usize);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let said = Said(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocket::from_raw_socket(said, Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(tungstenite::Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Ok(tungstenite::Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(tungstenite::Message::Ping(payload)) => Seen::Ping(payload.to_vec()),
            Ok(tungstenite::Message::Pong(_)) => Seen::Pong,
            Ok(tungstenite::Message::Close(frame)) => {
                seen.push(match frame {
                    // What it answers to a code that must not be sent.
                    Some(frame)
                        if frame.code == CloseCode::Protocol
                            && frame.reason.as_str() == "Protocol violation" =>
                    {
                        Seen::Fault(1002)
                    }
                    frame => Seen::Close(frame.map(|frame| frame.code.into())),
                });
                return seen;
            }
            Ok(tungstenite::Message::Frame(_)) => unreachable!("only when writing"),
            Err(Error::Utf8(_)) => Seen::Fault(1007),
            Err(Error::Capacity(_)) => Seen::Fault(1009),
            Err(Error::Protocol(fault)) => {
                if fault != tungstenite::error::ProtocolError::ResetWithoutClosingHandshake {
                    seen.push(Seen::Fault(1002));
                }
                return seen;
            }
            Err(error) => panic!("the bytes were all there: {error}"),
        });
        if matches!(seen.last(), Some(Seen::Fault(_))) {
            return seen;
        }
    }
}

/// A frame whose length stands in as few bytes as it can.
fn frame(first: u8, is_masked: bool, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mask_bit = if is_masked { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(mask_bit | len as u8),
        len => {
            frame.push(mask_bit | 126);
            frame.extend((len as u16).to_be_bytes());
        }
    }
    if is_masked {
        frame.extend(mask);
    }
    let byte = |(at, byte): (usize, &u8)| if is_masked { byte ^ mask[at % 4] } else { *byte };
    frame.extend(payload.iter().enumerate().map(byte));
    frame
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![0_u16..20, 990_u16..1020, 2990_u16..3010, 4990_u16..5010, any::<u16>()];
    let reason = prop_oneof!["[a-zü€]{0,40}".prop_map(String::into_bytes), bytes(0..4)];
    prop_oneof![
        4 => "[ -~ü€]{0,40}".prop_map(String::into_bytes),
        1 => bytes(0..4),
        1 => prop_oneof![Just(124), Just(125), Just(126), Just(127), Just(300), Just(301)]
            .prop_map(|len| vec![b'x'; len]),
        2 => (code.prop_filter("see below", |code| *code != 1014), reason).prop_map(|(code, reason)| [&code.to_be_bytes()[..], &reason].concat()),
    ]
}

fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), len)
}

/// First bytes that a client may send: whole, begun, continued and ended messages, pings, pongs.
const USUAL: [u8; 10] = [0x81, 0x82, 0x01, 0x02, 0x00, 0x00, 0x80, 0x80, 0x89, 0x8A];

/// Mostly what a client may send; sometimes any first byte, or no mask.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(&USUAL[..]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    (first, prop::bool::weighted(0.97), any::<[u8; 4]>(), payload())
        .prop_map(|(first, is_masked, mask, payload)| frame(first, is_masked, mask, &payload))
}

/// Did both end in the same way, after the same messages?
///
/// There are two liberties. A frame that is too large and breaks another rule as well may be
/// refused for either. And the other reader refuses text of several fragments at the first bad
/// byte, ours when the message is whole, so that ours sees the control frames in between, and may
/// meet another fault, or nothing at all, before that message's end.
fn agree(ours: &[Seen], theirs: &[Seen]) -> bool {
    if ours == theirs {
        return true;
    }
    if let (Some((Seen::Fault(our_code), our_rest)), Some((Seen::Fault(their_code), their_rest))) =
        (ours.split_last(), theirs.split_last())
        && our_rest == their_rest
        && [*our_code, *their_code].contains(&PeerFault::TooLarge.close_code())
    {
        return true;
    }
    let Some((Seen::Fault(1007), before)) = theirs.split_last() else {
        return false;
    };
    let Some(rest) = ours.strip_prefix(before) else {
        return false;
    };
    let is_between = |seen: &Seen| matches!(seen, Seen::Ping(_) | Seen::Pong);
    match rest.split_last() {
        Some((Seen::Fault(_) | Seen::Close(_), between)) => between.iter().all(is_between),
        _ => rest.iter().all(is_between),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn another_reader_sees_the_same(frames in prop::collection::vec(any_frame(), 1..8)) {
        let bytes = frames.concat();
        let (ours, theirs) = (ours(&bytes), theirs(&bytes));
        prop_assert!(agree(&ours, &theirs), "{bytes:x?}\nours {ours:x?}\ntheirs {theirs:x?}");
    }
}

/// The codes of RFC 6455 section 7.4 and of its registry, one by one.
#[test]
fn close_codes_are_those_that_may_be_sent() {
    for code in 0..=u16::MAX {
        let bytes = frame(0x88, true, [1, 2, 3, 4], &code.to_be_bytes());
        let is_allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = [if is_allowed { Seen::Close(Some(code)) } else { Seen::Fault(1002) }];
        assert_eq!(ours(&bytes), expected, "close code {code}");
        // Registered after the RFC ("bad gateway"), and unknown to the other reader.
        if code != 1014 {
            assert_eq!(theirs(&bytes), expected, "close code {code}, the other reader");
        }
    }
}

/// The other reader lets these lengths pass; RFC 6455 section 5.2 asks for the shortest form.
#[test]
fn a_length_in_more_bytes_than_it_needs_is_refused() {
    let long = [&[0x81, 0xFE, 0, 2, 0, 0, 0, 0][..], b"40"].concat();
    let longer = [&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0][..], b"40"].concat();
    for bytes in [long, longer] {
        assert_eq!(ours(&bytes), [Seen::Fault(PeerFault::BadLength.close_code())]);
        assert_eq!(theirs(&bytes), [Seen::Text(b"40".to_vec())]);
    }
}
