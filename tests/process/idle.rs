//! Ten thousand clients that have joined and say nothing: they stay, they cost little, and the
//! others are served as if they were not there.

use crate::client::{Client, Mode, introduction};
use crate::service::{Dir, Options, PATIENCE};
use crate::socket::{Message, Socket};
use crate::token;
use crate::wire::{BOTH, Event, Outgoing, Wire};
use crate::{rest, witness::Witness};
use std::io;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 10_000;
/// What is asked for where the system does not allow as many descriptors.
const CONNECTIONS_MIN: usize = 4_000;
/// Descriptors that the test and its neighbours need for themselves.
const DESCRIPTORS_SPARE: usize = 1_000;
const CLIENTS_PER_DOCUMENT: usize = 50;
/// Connections that are set up side by side.
const WAVE: usize = 250;
/// Clients that are silent for longer than this say that they live.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
const BYTES_PER_CONNECTION_MAX: u64 = 16 << 10;

#[test]
fn ten_thousand_idle_clients_stay_and_cost_little() {
    let connections = CONNECTIONS.min(descriptors() - DESCRIPTORS_SPARE);
    assert!(connections >= CONNECTIONS_MIN, "only {connections} connections are allowed");
    let dir = Dir::new("idle");
    let mut service = Options::new(dir.path()).flag("log", "warn").start();
    let mut witness = Witness::new(&service, "witness");
    witness.check(&mut service);
    // The first wave pays for what the service allocates once.
    let mut sockets = Vec::with_capacity(connections);
    let mut before = 0;
    let mut said = Instant::now();
    while sockets.len() < connections {
        if sockets.len() == WAVE {
            before = service.resident_bytes();
        }
        stay(&mut sockets, &mut said);
        let first = sockets.len();
        let count = WAVE.min(connections - first);
        let wave: Vec<_> =
            (first..first + count).map(|index| open(&service.address, index)).collect();
        sockets.extend(wave.into_iter().map(joined));
    }
    let after = service.resident_bytes();
    let per_connection = after.saturating_sub(before) / (connections - WAVE) as u64;
    eprintln!("{connections} idle clients: {per_connection} bytes of resident memory each");
    assert!(per_connection < BYTES_PER_CONNECTION_MAX, "{per_connection} bytes a connection");
    witness.check(&mut service);
    // Every one of them is still there, and heard.
    for (index, socket) in sockets.iter_mut().enumerate() {
        socket.send_text(probe(index).as_str()).expect("an open socket");
    }
    let until = Instant::now() + PATIENCE;
    for (index, socket) in sockets.iter_mut().enumerate() {
        await_probe(socket, index, until);
    }
    // They go at once, and their memory is not kept for each of them again.
    drop(sockets);
    witness.check(&mut service);
    let mut late = Client::connect(service.address, Wire::Levee, "document-0");
    late.edit("after all have left");
    service.assert_alive();
}

fn wire_of(index: usize) -> Wire {
    BOTH[index % 2]
}

fn document_of(index: usize) -> String {
    format!("document-{}", index / CLIENTS_PER_DOCUMENT)
}

/// Connects and says everything that there is to say, without waiting for the answers.
fn open(address: &std::net::SocketAddr, index: usize) -> (Socket, usize) {
    let (wire, document) = (wire_of(index), document_of(index));
    if index.is_multiple_of(CLIENTS_PER_DOCUMENT) {
        rest::create(*address, &document);
    }
    let mut socket = Socket::open(*address, &wire.path(&document)).expect("a socket");
    match wire {
        Wire::Fluid => socket.send_text("40"),
        Wire::Levee => {
            let topic = crate::wire::topic(&document);
            socket.send_text(&format!("[\"1\",\"1\",\"{topic}\",\"phx_join\",{{}}]"))
        }
    }
    .expect("an open socket");
    let token = token::of(&document);
    let connect = Outgoing::Connect(introduction(&document, Mode::Read, &token));
    let text = wire.message(&document, "connect_document", &connect);
    socket.send_text(&text).expect("an open socket");
    (socket, index)
}

/// Waits until a connection has joined.
fn joined((mut socket, index): (Socket, usize)) -> Socket {
    let until = Instant::now() + PATIENCE;
    loop {
        match socket.receive(until) {
            Ok(Some(Message::Text(text))) => {
                if let Event::Connected { .. } = wire_of(index).event(&text) {
                    return socket;
                }
            }
            other => panic!("connection {index} does not join: {other:?}"),
        }
    }
}

/// Says a sign of life for everybody, if it is time: setting all up may take long.
fn stay(sockets: &mut [Socket], said: &mut Instant) {
    if said.elapsed() < SIGN_OF_LIFE {
        return;
    }
    *said = Instant::now();
    for (index, socket) in sockets.iter_mut().enumerate() {
        let sign = match wire_of(index) {
            Wire::Fluid => "3",
            Wire::Levee => "[null,\"1\",\"phoenix\",\"heartbeat\",{}]",
        };
        socket.send_text(sign).expect("an open socket");
    }
}

/// What a client may ask at any time, and is answered.
fn probe(index: usize) -> String {
    match wire_of(index) {
        Wire::Fluid => String::from("420[\"ping\"]"),
        Wire::Levee => String::from("[null,\"77\",\"phoenix\",\"heartbeat\",{}]"),
    }
}

fn await_probe(socket: &mut Socket, index: usize, until: Instant) {
    loop {
        match socket.receive(until) {
            Ok(Some(Message::Text(text))) => {
                let is_answer = match wire_of(index) {
                    Wire::Fluid => text == "430[]",
                    Wire::Levee => text.contains("\"77\""),
                };
                if is_answer {
                    return;
                }
                if text == "2" {
                    socket.send_text("3").expect("an open socket");
                }
            }
            other => panic!("connection {index} is lost: {other:?}"),
        }
    }
}

/// Raises the limit of open descriptors as far as it goes; what it is then.
fn descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives both calls, which touch nothing else.
    let result = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
