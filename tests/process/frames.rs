//! Frames that break RFC 6455: the close code says which rule, and nobody else notices.

use crate::service::{Dir, Options, PATIENCE};
use crate::socket::{Ended, Message, Socket};
use crate::wire::{BOTH, Wire};
use crate::witness::Witness;
use levee_core::wire::websocket::{Opcode, client_frame};
use std::io::Write as _;
use std::time::Instant;

const MASK: [u8; 4] = [1, 2, 3, 4];
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// A masked frame with any first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    client_frame(&mut frame, Opcode::Text, true, MASK, payload);
    frame[0] = first;
    frame
}

/// The header of a masked frame that announces so many bytes.
fn announcing(first: u8, len: u64) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&MASK);
    frame
}

fn bad_frames() -> Vec<(&'static str, Vec<u8>, u16)> {
    let unmasked = vec![0x81, 2, b'4', b'0'];
    let started = frame(0x01, b"half");
    let both = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    vec![
        ("not masked", unmasked, PROTOCOL_ERROR),
        ("reserved bit 1", frame(0xC1, b"40"), PROTOCOL_ERROR),
        ("reserved bit 2", frame(0xA1, b"40"), PROTOCOL_ERROR),
        ("reserved bit 3", frame(0x91, b"40"), PROTOCOL_ERROR),
        ("opcode 3", frame(0x83, b"40"), PROTOCOL_ERROR),
        ("opcode 7", frame(0x87, b"40"), PROTOCOL_ERROR),
        ("opcode 11", frame(0x8B, b""), PROTOCOL_ERROR),
        ("opcode 15", frame(0x8F, b""), PROTOCOL_ERROR),
        ("a long ping", frame(0x89, &[0; 126]), PROTOCOL_ERROR),
        ("half a ping", frame(0x09, b"x"), PROTOCOL_ERROR),
        ("a continuation of nothing", frame(0x80, b"x"), PROTOCOL_ERROR),
        ("a message inside another", both(started.clone(), frame(0x81, b"x")), PROTOCOL_ERROR),
        ("half a close code", frame(0x88, &[3]), PROTOCOL_ERROR),
        ("close code 999", frame(0x88, &999_u16.to_be_bytes()), PROTOCOL_ERROR),
        ("close code 1005", frame(0x88, &1005_u16.to_be_bytes()), PROTOCOL_ERROR),
        ("close code 1006", frame(0x88, &1006_u16.to_be_bytes()), PROTOCOL_ERROR),
        ("a length with its top bit", announcing(0x81, u64::MAX), PROTOCOL_ERROR),
        ("a length too long for itself", announcing(0x81, 5), PROTOCOL_ERROR),
        ("text that is not UTF-8", frame(0x81, &[b'4', 0xFF]), NOT_UTF8),
        ("a surrogate", frame(0x81, &[0xED, 0xA0, 0x80]), NOT_UTF8),
        ("text cut inside a character", frame(0x81, &[0xE2, 0x82]), NOT_UTF8),
        ("bad text over two frames", both(frame(0x01, &[0xE2]), frame(0x80, b"x")), NOT_UTF8),
        ("a reason that is not UTF-8", frame(0x88, &[3, 0xE8, 0xFF]), NOT_UTF8),
        ("17 MiB announced", announcing(0x81, 17 << 20), TOO_LARGE),
        ("2^62 bytes announced", announcing(0x81, 1 << 62), TOO_LARGE),
        ("fragments that would add up", both(started, announcing(0x80, 16 << 20)), TOO_LARGE),
    ]
}

#[test]
fn a_bad_frame_closes_its_own_socket_with_the_code_that_says_why() {
    let dir = Dir::new("frames");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    for wire in BOTH {
        for (what, bytes, code) in bad_frames() {
            let mut socket = Socket::open(service.address, &wire.path("d")).expect("a socket");
            socket.stream.write_all(&bytes).expect("an open socket");
            let ended = socket.read_to_end(Instant::now() + PATIENCE);
            assert_eq!(ended, Ended::with(code), "{wire:?}: {what}");
            service.assert_alive();
        }
        witness.check(&mut service);
    }
}

#[test]
fn a_message_too_large_is_refused_before_it_is_kept() {
    const PIECE: usize = 1 << 20;
    let dir = Dir::new("frames");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    witness.check(&mut service);
    let before = service.resident_bytes();
    let piece = vec![b'x'; PIECE];
    for wire in BOTH {
        let mut socket = Socket::open(service.address, &wire.path("d")).expect("a socket");
        for index in 0..64 {
            let opcode = if index == 0 { Opcode::Text } else { Opcode::Continuation };
            // It is closed in the middle, as it should be.
            if socket.send(opcode, false, &piece).is_err() {
                break;
            }
        }
        match socket.read_to_end(Instant::now() + PATIENCE) {
            // A peer that goes on sending may be cut before it reads the code.
            Ended { code: None } => {}
            ended => assert_eq!(ended, Ended::with(TOO_LARGE), "{wire:?}"),
        }
        witness.check(&mut service);
    }
    let grown = service.resident_bytes().saturating_sub(before);
    assert!(grown < 96 << 20, "{grown} bytes are kept");
}

#[test]
fn messages_that_mean_nothing_harm_nobody() {
    let dir = Dir::new("frames");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    let deep = "[".repeat(200_000);
    let texts = [
        "",
        "4",
        "42",
        "42[",
        "42[]",
        "42{}",
        "42[1]",
        "42[null]",
        "42[\"submitOp\"]",
        "9",
        "\0",
        "42[\"connect_document\"]",
        "42[\"connect_document\",null]",
        "42[\"connect_document\",[]]",
        "42[\"submitOp\",\"x\",[[{}]]]",
        "42[\"submitOp\",\"x\",\"y\"]",
        "420",
        "429999999999999[]",
        "42[\"submitSignal\",1,2]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
        "5",
        "1",
        "0",
        "[]",
        "{}",
        "null",
        "[null,null,null,null,null]",
        "[\"1\",\"1\",\"document:fluid:d\"]",
        "[\"1\",\"1\",\"document:fluid:d\",\"phx_join\",null,7]",
        "[\"1\",\"1\",\"document:fluid\",\"phx_join\",{}]",
        "[1,2,3,4,5]",
        "[\"1\",\"2\",\"phoenix\",\"x\",{}]",
        "[\"1\",\"1\",\"document:fluid:d\",\"submitOp\",{\"clientId\":1,\"messageBatches\":\"x\"}]",
        "[\"1\",\"1\",\"document:fluid:d\",\"connect_document\",{}]",
        &deep,
    ];
    for wire in BOTH {
        for joined in [false, true] {
            for text in texts {
                let mut socket = Socket::open(service.address, &wire.path("d")).expect("a socket");
                if joined {
                    let hello = match wire {
                        Wire::Fluid => "40",
                        Wire::Levee => "[\"1\",\"1\",\"document:fluid:d\",\"phx_join\",{}]",
                    };
                    socket.send_text(hello).expect("an open socket");
                }
                socket.send_text(text).expect("an open socket");
                // It may be closed or kept, as its wire has it; a ping tells when it was read.
                let pinged = socket.send(Opcode::Ping, true, b"there?");
                while pinged.is_ok() {
                    match socket.receive(Instant::now() + PATIENCE) {
                        Ok(Some(Message::Pong(_)) | None) | Err(_) => break,
                        Ok(Some(_)) => {}
                    }
                }
                service.assert_alive();
            }
        }
        witness.check(&mut service);
    }
}

/// A heartbeat of so many bytes, answered by Phoenix with its own reference.
fn heartbeat(reference: &str, len: usize) -> String {
    let empty = format!("[null,\"{reference}\",\"phoenix\",\"heartbeat\",{{\"pad\":\"\"}}]");
    let pad = "ü".repeat((len - empty.len()) / 2) + &"x".repeat((len - empty.len()) % 2);
    empty.replace("\"\"", &format!("\"{pad}\""))
}

fn is_answer(message: &Message, reference: &str) -> bool {
    matches!(message, Message::Text(text) if text.contains(&format!("\"{reference}\",\"phoenix\",\"phx_reply\"")))
}

/// Frames that few clients send and every server must take: RFC 6455 sections 5.4 and 5.5.
#[test]
fn messages_may_come_in_any_frames() {
    let dir = Dir::new("frames");
    let mut service = Options::new(dir.path()).start();
    let mut socket = Socket::open(service.address, &Wire::Levee.path("d")).expect("a socket");
    let next = |socket: &mut Socket| {
        let message = socket.receive(Instant::now() + PATIENCE).expect("an open socket");
        message.expect("an answer")
    };
    // Every form of a length, and both of its edges.
    for len in [125, 126, 127, 128, 65_535, 65_536, 70_001] {
        let reference = len.to_string();
        let text = heartbeat(&reference, len);
        assert_eq!(text.len(), len);
        socket.send_text(&text).expect("an open socket");
        assert!(is_answer(&next(&mut socket), &reference), "{len} bytes");
    }
    // In fragments of one byte, so that characters are cut; empty ones and control frames between.
    let text = heartbeat("cut", 200);
    let bytes = text.as_bytes();
    socket.send(Opcode::Text, false, b"").expect("an open socket");
    for (at, byte) in bytes.iter().enumerate() {
        socket.send(Opcode::Continuation, false, &[*byte]).expect("an open socket");
        if at % 50 == 0 {
            socket.send(Opcode::Ping, true, &[at as u8; 125]).expect("an open socket");
            socket.send(Opcode::Pong, true, b"unasked").expect("an open socket");
            assert_eq!(next(&mut socket), Message::Pong(vec![at as u8; 125]), "before the message");
        }
    }
    socket.send(Opcode::Continuation, true, b"").expect("an open socket");
    assert!(is_answer(&next(&mut socket), "cut"));
    // Ten pings are answered one by one, in order, an empty one too.
    for number in 0..10_u8 {
        socket.send(Opcode::Ping, true, &vec![number; usize::from(number)]).expect("open");
    }
    for number in 0..10_u8 {
        assert_eq!(next(&mut socket), Message::Pong(vec![number; usize::from(number)]));
    }
    service.assert_alive();
}

/// RFC 6455 section 5.5.1: a close frame is answered with its code, and nothing comes after it.
#[test]
fn a_close_frame_is_answered_and_is_the_end() {
    let dir = Dir::new("frames");
    let mut service = Options::new(dir.path()).start();
    for wire in BOTH {
        let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
        for code in codes.map(Some).into_iter().chain([None]) {
            let mut socket = Socket::open(service.address, &wire.path("d")).expect("a socket");
            let mut payload = code.map_or_else(Vec::new, |code: u16| code.to_be_bytes().to_vec());
            if code.is_some() {
                payload.resize(125, b'r');
            }
            let mut bytes = frame(0x01, b"half a message");
            bytes.extend(frame(0x88, &payload));
            bytes.extend(frame(0x89, b"too late"));
            socket.stream.write_all(&bytes).expect("an open socket");
            let mut closed = None;
            let end = loop {
                match socket.receive(Instant::now() + PATIENCE) {
                    Ok(Some(Message::Close(found))) => closed = Some(found),
                    Ok(Some(Message::Pong(_))) => panic!("{wire:?}: a pong after {code:?}"),
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{wire:?}: still open after {code:?}"),
                    Err(end) => break end,
                }
            };
            assert_eq!(closed, Some(code), "{wire:?}: {end}");
        }
    }
    service.assert_alive();
}
