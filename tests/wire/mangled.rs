//! A short, seeded run of the fuzz targets on stable: valid messages, mangled.
//!
//! `FUZZ_ROUNDS=1000000` makes it long.

use crate::decoders;
use levee_core::dialect::msgpack;

const ROUNDS: u64 = 3_000;

/// A small generator (xorshift64*): the same input in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// Bytes that mean something to one decoder or another.
const TOKENS: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"[",
    b"]",
    b"{}",
    b",",
    b":",
    b"null",
    b"-1e9",
    b"\\ud800",
    b"\xc3\xa9",
    b"\xd4\0\0",
    b"\xdf\xff\xff\xff\xff",
    b"\r\n",
    b"\x81\x80\0\0\0\0",
    b"42",
];

fn mangle(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] ^= 1 << random.below(8);
            }
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..end, [])),
            3 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].to_vec())),
            4 => {
                let other = &seeds[random.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend(&other[random.below(other.len() + 1)..]);
            }
            _ => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes
}

fn run(target: fn(&[u8]), seeds: &[Vec<u8>]) {
    for seed in seeds {
        target(seed);
    }
    let rounds = std::env::var("FUZZ_ROUNDS").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random(0x5eed);
    for _ in 0..rounds {
        target(&mangle(&mut random, seeds));
    }
}

fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn json() {
    let seeds = [
        r#"{"a":[1,-2.5e3,true,false,null],"b":"x\"\\\u00e9\ud83d\ude00","c":{"d":{}}}"#,
        r#""text \n with \u2028 escapes""#,
        "[[[[]]]]",
        " 12 ",
    ];
    run(decoders::json, &texts(&seeds));
}

#[test]
fn websocket() {
    use levee_core::wire::websocket::{Opcode, client_frame};
    let mut seeds = Vec::new();
    for len in [0, 5, 125, 126, 300] {
        let mut frame = Vec::new();
        client_frame(&mut frame, Opcode::Text, true, [7, 9, 11, 13], &vec![b'x'; len]);
        seeds.push(frame);
    }
    let mut stream = Vec::new();
    client_frame(&mut stream, Opcode::Text, false, [1, 2, 3, 4], b"first ");
    client_frame(&mut stream, Opcode::Ping, true, [0; 4], b"ping");
    client_frame(&mut stream, Opcode::Continuation, true, [4, 3, 2, 1], b"last");
    client_frame(&mut stream, Opcode::Close, true, [9; 4], &[0x03, 0xe8]);
    seeds.push(stream);
    run(decoders::websocket, &seeds);
}

#[test]
fn socketio() {
    let seeds: Vec<_> = crate::inbound::SCRIPT.iter().map(|line| line.socketio).collect();
    run(decoders::socketio, &texts(&seeds));
}

#[test]
fn phoenix() {
    let mut seeds: Vec<_> = crate::inbound::SCRIPT.iter().map(|line| line.phoenix).collect();
    seeds.push(crate::outbound::JOIN_OP);
    run(decoders::phoenix, &texts(&seeds));
}

#[test]
fn msgpack() {
    let whole = crate::inbound::SCRIPT.iter().filter(|line| line.phoenix.ends_with(']'));
    let mut seeds: Vec<_> = whole
        .map(|line| {
            let mut bytes = Vec::new();
            msgpack::from_json(line.phoenix.as_bytes(), &mut bytes).unwrap();
            bytes
        })
        .collect();
    seeds.extend(crate::inbound::MSGPACKR.iter().map(|(_, hex, _)| crate::inbound::unhex(hex)));
    run(decoders::msgpack, &seeds);
}

#[test]
fn ops() {
    let seeds = [
        r#"[[{"type":"op","contents":"{\"a\":1}","clientSequenceNumber":1,"referenceSequenceNumber":2}]]"#,
        r#"[{"type":"noop"},[[{"metadata":{"batchId":"b"},"compression":"lz4"}]],5]"#,
        r#"{"contents":null}"#,
    ];
    run(decoders::ops, &texts(&seeds));
}

#[test]
fn signals() {
    let seeds = [
        r#"[{"content":"x","targetClientId":"c","type":"t","foo":[1]}]"#,
        r#"[["a","b"],"c"]"#,
        r#"["[{\"content\":\"x\"},{\"signal\":{\"content\":\"y\"}}]",{"address":"a","contents":{"content":1}}]"#,
        r#"[[{"content":"x","targetedClients":["a"],"ignoredClients":["b"]}]]"#,
    ];
    run(decoders::signals, &texts(&seeds));
}

#[test]
fn http_head() {
    let seeds = [
        "GET /socket.io/?documentId=d&tenantId=t&EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "POST /documents/t HTTP/1.1\r\nHost: x\r\nAuthorization: Basic abc\r\nContent-Length: 5\r\n\r\n\
         hello",
        "POST /repos/t/git/blobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        "POST /a%20b HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded;restless\r\n\
         Content-Length: 52\r\n\r\nmethod=GET&header=Authorization%3A%20Basic%20x&body=",
    ];
    run(decoders::http_head, &texts(&seeds));
}
