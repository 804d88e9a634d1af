//! The real binary on loopback: start, ports, signals, fallback, refusals.
#![allow(clippy::unwrap_used)]

mod fluid;
mod process;
mod sockets;

use process::{Levee, levee};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One GET on a connection of its own.
fn get(levee: &Levee, path: &str) -> String {
    let mut stream = levee.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_starts_answers_and_ends_when_asked() {
    let mut levee = Levee::dev(&[]);
    assert!(get(&levee, "/health").ends_with("{\"status\":\"ok\"}"));
    assert!(levee.banner.contains("tokens are not verified"), "{}", levee.banner);
    let code = levee.end("TERM");
    assert_eq!(code, Some(0), "{}", levee.log());
    assert!(TcpStream::connect(levee.address).is_err());
}

#[test]
fn it_starts_again_on_the_same_data() {
    let data = process::TempDir::new("again");
    for _ in 0..2 {
        let mut levee = Levee::start(&["--dev", "--data", data.text()]);
        assert!(get(&levee, "/health").starts_with("HTTP/1.1 200"));
        assert_eq!(levee.end("INT"), Some(0), "{}", levee.log());
        assert!(!levee.log().contains("recovered"), "{}", levee.log());
    }
}

#[test]
fn two_cores_serve_one_port() {
    let levee = Levee::dev(&["--cores", "2"]);
    assert!(levee.banner.contains("cores      2 on CPUs"), "{}", levee.banner);
    // The kernel spreads connections by hash: so many never all land on one core.
    let streams: Vec<_> = (0..64).map(|_| levee.connect()).collect();
    for mut stream in &streams {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    process::eventually("both cores have opened sockets", || {
        let metrics = get(&levee, "/metrics");
        (0..2).all(|core| {
            let line = format!("levee_connections_opened_total{{core=\"{core}\"}} ");
            metrics.lines().any(|text| text.strip_prefix(&line).is_some_and(|count| count != "0"))
        })
    });
}

#[test]
fn it_falls_back_to_epoll_and_says_so() {
    let mut levee = Levee::dev_with(&["--durability", "process"], &[("LEVEE_RUNTIME", "epoll")]);
    assert!(levee.banner.contains(", epoll"), "{}", levee.banner);
    assert!(get(&levee, "/health").starts_with("HTTP/1.1 200"));
    assert_eq!(levee.end("TERM"), Some(0), "{}", levee.log());
}

#[test]
fn several_requests_arrive_in_one_piece_or_in_many() {
    let levee = Levee::dev(&[]);
    let mut stream = levee.connect();
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(&request.repeat(3)).unwrap();
    let last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for byte in last {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("{\"status\":\"ok\"}").count(), 4, "{answers}");
}

#[test]
fn garbage_closes_its_own_socket_only() {
    let levee = Levee::dev(&["--handshake-ms", "500"]);
    let mut bystander = levee.connect();
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\r\n\r\n\0\0", &[b'A'; 70_000]] {
        let mut stream = levee.connect();
        // The service may hang up while this is still being written.
        let _ = stream.write_all(garbage);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // Nor does a peer that never finishes its request hold anything up for long.
    let mut slow = levee.connect();
    slow.write_all(b"GET /hea").unwrap();
    slow.read_to_end(&mut Vec::new()).unwrap();
    bystander = levee.connect_again(bystander);
    bystander.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    bystander.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn a_drain_is_cut_at_its_deadline() {
    let mut levee = Levee::dev(&["--drain-ms", "0", "--drain-deadline-ms", "300"]);
    let mut socket = levee.connect();
    socket.write_all(b"GET /hea").unwrap();
    assert_eq!(levee.end("TERM"), Some(0), "{}", levee.log());
    let end = socket.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.is_err(), "the socket has ended");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let args = ["--drain-ms", "3600000", "--drain-deadline-ms", "3600000"];
    let mut levee = Levee::dev(&args);
    let document = fluid::create(levee.address);
    let clients: Vec<_> =
        (0..8).map(|_| fluid::Client::join(levee.address, &document).unwrap()).collect();
    levee.signal("INT");
    process::eventually("it drains", || TcpStream::connect(levee.address).is_err());
    assert_eq!(levee.end("INT"), Some(130), "{}", levee.log());
    drop(clients);
}

#[test]
fn without_descriptors_it_waits_and_goes_on() {
    let levee = Levee::limited(64, &["--durability", "memory", "--cores", "1"]);
    let sockets: Vec<_> = (0..100).map(|_| levee.connect()).collect();
    // Those that were accepted are served; the others wait.
    let mut first = &sockets[0];
    first.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    drop(sockets);
    assert!(get(&levee, "/health").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_slow_reader_gets_a_large_answer_whole() {
    let levee = Levee::dev(&[]);
    let document = fluid::create(levee.address);
    let content = "x".repeat(12 << 20);
    let body = format!("{{\"content\":\"{content}\",\"encoding\":\"utf-8\"}}");
    let path = format!("/repos/{}/git/blobs", fluid::TENANT);
    let (status, answer) = fluid::call_for(levee.address, "POST", &path, &body, &document);
    assert_eq!(status, 201, "{answer}");
    let sha = answer.split('"').find(|text| text.len() == 40).unwrap();
    let token = fluid::token(&document);
    let mut stream = levee.connect();
    write!(
        stream,
        "GET {path}/{sha} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    let mut piece = vec![0; 2 << 20];
    loop {
        std::thread::sleep(Duration::from_millis(50));
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    assert!(answer.len() > content.len(), "{} bytes", answer.len());
}

#[test]
fn a_port_in_use_is_named() {
    let levee = Levee::dev(&[]);
    let listen = levee.address.to_string();
    let data = process::TempDir::new("busy");
    let (code, _, error) =
        levee_once(&["serve", "--dev", "--listen", &listen, "--data", data.text()]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("{listen} is in use by another process")), "{error}");
}

#[test]
fn a_second_process_is_kept_off_the_data() {
    let data = process::TempDir::new("locked");
    let _levee = Levee::start(&["--dev", "--data", data.text()]);
    let (code, _, error) =
        levee_once(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data", data.text()]);
    assert_eq!(code, Some(1));
    assert!(error.contains("in use by another process"), "{error}");
}

#[test]
fn wrong_configurations_are_refused_with_their_reason() {
    let data = process::TempDir::new("config");
    let file = data.path().join("levee.toml");
    std::fs::write(&file, "durabilty = \"power\"\n").unwrap();
    let file = file.to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["config", "check", "--config", file], "did you mean `durability`?"),
        (&["config", "check", "--config", "/nonexistent.toml"], "cannot read"),
        (&["config", "check", "--dev", "--durability", "maybe"], "expected one of"),
        (&["serve", "--dev", "--listen", "0.0.0.0:0"], "listens on loopback only"),
        (&["serve", "--listen", "127.0.0.1:0"], "no tenant is configured"),
    ];
    for (args, reason) in cases {
        let (code, _, error) = levee_once(args);
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains(reason), "{args:?}: {error}");
    }
}

#[test]
fn show_prints_what_is_in_force_without_secrets() {
    let output = levee()
        .args(["config", "show", "--dev", "--cores", "1"])
        .env("LEVEE_ADMIN_KEY", "hunter2")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.lines().any(|line| line.starts_with("cores") && line.ends_with("= 1  (flag)")));
    assert!(text.contains("(hidden)  (LEVEE_ADMIN_KEY)"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("dev-tenant-secret-key"), "{text}");
}

#[test]
fn a_document_is_exported_as_a_git_repository() {
    let data = process::TempDir::new("export");
    let mut levee = Levee::start(&["--dev", "--data", data.text()]);
    let document = fluid::create(levee.address);
    let out = data.path().join("out.git");
    let out = out.to_str().unwrap();
    let export = |document: &str| {
        levee_once(&["git", "export", fluid::TENANT, document, "--data", data.text(), "--out", out])
    };
    let (code, _, error) = export(&document);
    assert_eq!(code, Some(1));
    assert!(error.contains("stop the service"), "{error}");
    assert_eq!(levee.end("TERM"), Some(0));
    let (code, _, error) = export("unknown");
    assert_eq!(code, Some(1));
    assert!(error.contains("has no version"), "{error}");
    let (code, text, error) = export(&document);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("objects in"), "{text}");
    let fsck = std::process::Command::new("git").args(["-C", out, "fsck", "--strict"]).output();
    let fsck = fsck.unwrap();
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
}

fn levee_once(args: &[&str]) -> (Option<i32>, String, String) {
    let output = levee().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);
