//! What is not HTTP, or is it in a way that two readers would read differently: one refusal, the
//! connection ends, and nothing smuggled behind it is answered.

use crate::client::Client;
use crate::random::Random;
use crate::service::{Dir, Options, PATIENCE, Service};
use crate::wire::Wire;
use crate::witness::Witness;
use crate::{rest, token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use socket2::SockRef;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Follows every bad request: whoever answers it was smuggled past.
const SMUGGLED: &str = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Sends bytes, says that no more will come, and reads to the end.
fn exchange(service: &Service, bytes: &[u8]) -> String {
    let mut stream = rest::open(service.address).expect("a connection");
    // It may be refused before all of it was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => {
            let waits = matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            );
            assert!(!waits, "the connection stays open: {}", String::from_utf8_lossy(&answer));
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.split("\r\n").filter(|line| line.starts_with("HTTP/1."));
    lines.filter_map(|line| line.get(9..12)).collect()
}

fn bad_requests() -> Vec<(&'static str, String, &'static str)> {
    let post = "POST /documents/fluid HTTP/1.1\r\nhost: x\r\n";
    let get = "GET /health HTTP/1.1\r\nhost: x\r\n";
    let large = "x".repeat(40 << 10);
    let many: String = (0..2_000).map(|n| format!("x-{n}: y\r\n")).collect();
    vec![
        (
            "length and chunks",
            format!("{post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        (
            "chunks and length",
            format!("{post}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        ("two lengths", format!("{post}content-length: 0\r\ncontent-length: 60\r\n\r\n"), "400"),
        ("a list of lengths", format!("{post}content-length: 0, 60\r\n\r\n"), "400"),
        ("a signed length", format!("{post}content-length: +0\r\n\r\n"), "400"),
        ("a negative length", format!("{post}content-length: -1\r\n\r\n"), "400"),
        ("a hexadecimal length", format!("{post}content-length: 0x0\r\n\r\n"), "400"),
        ("an empty length", format!("{post}content-length:\r\n\r\n"), "400"),
        (
            "a length over 64 bits",
            format!("{post}content-length: 99999999999999999999999\r\n\r\n"),
            "4",
        ),
        (
            "an unknown encoding",
            format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
            "501",
        ),
        (
            "an encoding twice",
            format!(
                "{post}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"
            ),
            "",
        ),
        ("space before the colon", format!("{post}content-length : 0\r\n\r\n"), "400"),
        ("a folded header", format!("{post}x: a\r\n content-length: 60\r\n\r\n"), "400"),
        ("a header without a colon", format!("{get}nonsense\r\n\r\n"), "400"),
        ("a NUL in a header", format!("{get}x: a\0b\r\n\r\n"), "400"),
        ("a bare CR in a header", format!("{get}x: a\rcontent-length: 60\r\n\r\n"), "400"),
        (
            "a chunk size with a sign",
            format!("{post}transfer-encoding: chunked\r\n\r\n+0\r\n\r\n"),
            "400",
        ),
        (
            "a chunk size over 64 bits",
            format!("{post}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n"),
            "4",
        ),
        (
            "a chunk without its end",
            format!("{post}transfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n"),
            "400",
        ),
        ("no host", "GET /health HTTP/1.1\r\n\r\n".into(), "400"),
        ("two hosts", format!("{get}host: y\r\n\r\n"), "400"),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), ""),
        ("HTTP/3.0", "GET /health HTTP/3.0\r\nhost: x\r\n\r\n".into(), ""),
        ("HTTP/0.9", "GET /health\r\n\r\n".into(), "400"),
        ("a method that is none", "G@T /health HTTP/1.1\r\nhost: x\r\n\r\n".into(), ""),
        ("two spaces", "GET  /health HTTP/1.1\r\nhost: x\r\n\r\n".into(), "400"),
        ("a target that is none", "GET health HTTP/1.1\r\nhost: x\r\n\r\n".into(), "400"),
        ("a head too large", format!("{get}x: {large}\r\n\r\n"), "431"),
        ("too many headers", format!("{get}{many}\r\n"), "431"),
        ("a target too long", format!("GET /{large} HTTP/1.1\r\nhost: x\r\n\r\n"), "4"),
        ("a body too large", format!("{post}content-length: 200000000\r\n\r\n"), "4"),
        ("an expectation", format!("{post}expect: miracles\r\ncontent-length: 0\r\n\r\n"), "417"),
    ]
}

#[test]
fn nothing_is_smuggled_past_a_bad_request() {
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    for (what, request, status) in bad_requests() {
        let answer = exchange(&service, format!("{request}{SMUGGLED}").as_bytes());
        let found = statuses(&answer);
        assert_eq!(found.len(), 1, "{what}: one answer, not {found:?}:\n{answer}");
        assert!(found[0].starts_with(status), "{what}: {}", found[0]);
        assert!(found[0] >= "400", "{what}: {}", found[0]);
        service.assert_alive();
    }
    witness.check(&mut service);
}

#[test]
fn garbage_ends_its_own_connection() {
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    let mut random = Random::new(5);
    for round in 0..200 {
        let len = random.size(1, 3_000);
        let mut bytes: Vec<_> = (0..len).map(|_| random.next() as u8).collect();
        match round % 4 {
            // A TLS greeting.
            0 => bytes.splice(..0, [0x16, 3, 1, 2, 0, 1]).for_each(drop),
            1 => bytes.splice(..0, *b"GET / HTTP/1.1\r\n").for_each(drop),
            2 => {
                bytes.splice(..0, *b"POST /documents/fluid HTTP/1.1\r\nhost: x\r\n").for_each(drop)
            }
            _ => {}
        }
        let answer = exchange(&service, &bytes);
        assert!(statuses(&answer).iter().all(|status| *status >= "400"), "{answer}");
    }
    witness.check(&mut service);
}

#[test]
fn envelopes_and_bodies_of_nonsense_are_refused_one_by_one() {
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).start();
    let mut witness = Witness::new(&service, "d");
    let restless = "application/x-www-form-urlencoded;restless";
    let token = token::of("d");
    let authorization = format!("header=Authorization%3A+Basic+{token}");
    let nothing = String::new();
    let bodies = [
        (restless, nothing.clone()),
        (restless, "=&=&=".into()),
        (restless, "method=".into()),
        (restless, "method=BREW".into()),
        (restless, "method=GET&method=POST".into()),
        (restless, "method=GET&header=%ZZ".into()),
        (restless, "method=GET&header=nocolon".into()),
        (restless, format!("method=CONNECT&{authorization}")),
        (restless, format!("method=POST&{authorization}&body=%7B")),
        (restless, format!("method=POST&{authorization}&body=%00%FF")),
        (restless, "header=x%0D%0Acontent-length%3A+5%3A+y&method=GET".into()),
        (restless, format!("method=GET&{}", "header=a%3A+b&".repeat(20_000))),
        ("application/json", nothing),
        ("application/json", "{".into()),
        ("application/json", "[".repeat(100_000)),
        ("application/json", "{\"summary\":7}".into()),
        ("application/json", "{\"summary\":{\"type\":1,\"tree\":{\"..\":7}}}".into()),
        ("application/json", "null".into()),
        ("text/plain", "hello".into()),
    ];
    let authorization = format!("Basic {token}");
    let paths = ["/documents/fluid", "/repos/fluid/git/blobs", "/repos/fluid/git/summaries", "/x"];
    for path in paths {
        for (content_type, body) in &bodies {
            let headers =
                [("content-type", *content_type), ("authorization", authorization.as_str())];
            let reply = rest::request(service.address, "POST", path, &headers, body.as_bytes());
            let reply = reply.unwrap_or_else(|error| panic!("{path} {body:.80}: {error}"));
            assert!(reply.status >= 400, "{path} {body:.80}: {}", reply.status);
            service.assert_alive();
        }
    }
    witness.check(&mut service);
}

#[test]
fn slow_requests_and_silent_sockets_are_closed_in_time() {
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).flag("handshake-ms", "700").start();
    let mut witness = Witness::new(&service, "d");
    let body = format!(
        "POST /documents/fluid HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n\
         content-type: application/json\r\ncontent-length: 100000\r\n\r\n",
        token::of("d")
    );
    let chunked =
        "POST /documents/fluid HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n";
    let starts = ["", "G", "GET / HTTP/1.1\r\nhost: x\r\nx: ", body.as_str(), chunked];
    let address = service.address;
    let drips: Vec<_> = starts
        .into_iter()
        .map(|start| {
            let start = start.to_owned();
            thread::spawn(move || drip(&start, rest::open(address).expect("a connection")))
        })
        .collect();
    // Half open: connected, and never a byte.
    let mut silent: Vec<_> = (0..100).map(|_| rest::open(address).expect("a connection")).collect();
    witness.check(&mut service);
    for drip in drips {
        drip.join().expect("a slow request that ended");
    }
    for stream in &mut silent {
        read_to_end(stream);
    }
    witness.check(&mut service);
}

#[test]
fn who_ends_its_side_after_asking_is_still_answered() {
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).start();
    rest::create(service.address, "d");
    let request = format!(
        "GET /repos/fluid/commits?count=1&sha=d HTTP/1.1\r\nhost: x\r\n\
         authorization: Basic {}\r\n\r\n",
        STANDARD.encode(format!("fluid:{}", token::of("d")))
    );
    for _ in 0..20 {
        let answer = exchange(&service, request.as_bytes());
        assert_eq!(statuses(&answer), ["200"], "{answer}");
    }
    service.assert_alive();
}

#[test]
fn a_slow_download_is_let_go_on_to_its_end() {
    const OPS: usize = 60;
    let dir = Dir::new("requests");
    let mut service = Options::new(dir.path()).flag("handshake-ms", "300").start();
    rest::create(service.address, "d");
    let mut client = Client::connect(service.address, Wire::Fluid, "d");
    let contents = "x".repeat(100 << 10);
    (0..OPS).for_each(|_| client.edit(&contents));
    let stream = rest::open(service.address).expect("a connection");
    // Little room in the system, so that the service has to wait for this reader.
    SockRef::from(&stream).set_recv_buffer_size(16 << 10).expect("a small buffer");
    let request = format!(
        "GET /deltas/fluid/d?from=0 HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n\r\n",
        token::of("d")
    );
    (&stream).write_all(request.as_bytes()).expect("an open connection");
    let started = Instant::now();
    let mut body = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while body.len() < OPS * contents.len() {
        match (&stream).read(&mut piece) {
            Ok(count) if count > 0 => body.extend_from_slice(&piece[..count]),
            end => panic!("cut after {} bytes and {:?}: {end:?}", body.len(), started.elapsed()),
        }
        // A second and more for the whole: several times what a silent peer is given.
        thread::sleep(Duration::from_millis(12));
    }
    assert!(started.elapsed() > Duration::from_millis(900), "it was not slow");
    service.assert_alive();
}

/// Sends a byte now and then, until the service has had enough.
fn drip(start: &str, mut stream: TcpStream) {
    let deadline = Instant::now() + PATIENCE;
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    if stream.write_all(start.as_bytes()).is_err() {
        return;
    }
    let mut answer = [0; 1024];
    loop {
        assert!(Instant::now() < deadline, "{start:?} may go on for ever");
        match stream.read(&mut answer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {}
                _ => return,
            },
        }
        // An empty start is a socket that never says anything.
        if !start.is_empty() && stream.write_all(b"x").is_err() {
            return;
        }
    }
}
