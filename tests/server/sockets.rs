//! Clients on sockets: hand-off, cut-up byte streams, kill -9.

use crate::fluid::{Client, Op, assert_consecutive, create, deltas};
use crate::get;
use crate::process::{Levee, TempDir};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

fn op_count(ops: &[Op]) -> usize {
    ops.iter().filter(|op| op.body["type"] == "op").count()
}

/// Several clients write to one document; everybody sees the same.
fn converge(address: SocketAddr, document: &str, clients: usize, ops_each: usize) {
    let mut clients: Vec<_> =
        (0..clients).map(|_| Client::join(address, document).unwrap()).collect();
    for round in 0..ops_each {
        for (number, client) in clients.iter_mut().enumerate() {
            client.submit(&format!("{number}-{round}"));
        }
    }
    let wanted = clients.len() * ops_each;
    for client in &mut clients {
        assert!(client.read_until(|seen| op_count(seen) == wanted), "{:?}", client.seen.len());
        assert_consecutive(&client.seen);
    }
    let stored = deltas(address, document);
    assert_consecutive(&stored);
    for client in &clients {
        for op in &client.seen {
            assert_eq!(Some(op), stored.get(op.seq as usize - 1), "the same on socket and in REST");
        }
    }
}

#[test]
fn sockets_meet_on_the_core_of_their_document() {
    let levee = Levee::dev(&["--cores", "2"]);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let address = levee.address;
            std::thread::spawn(move || converge(address, &create(address), 3, 20))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let metrics = get(&levee, "/metrics");
    let handoffs = metrics.lines().filter_map(|line| {
        line.strip_prefix("levee_handoffs_total{")?.split(' ').nth(1)?.parse::<u64>().ok()
    });
    assert!(handoffs.sum::<u64>() > 0, "24 sockets never all land on their core by chance");
}

#[test]
fn what_was_queued_for_a_socket_moves_with_it() {
    let levee = Levee::dev(&["--cores", "2"]);
    for _ in 0..12 {
        let document = create(levee.address);
        assert!(Client::rush(levee.address, &document).is_some(), "every answer comes");
    }
}

#[test]
fn epoll_serves_sockets_as_well() {
    let levee = Levee::dev_with(&["--cores", "2"], &[("LEVEE_RUNTIME", "epoll")]);
    for _ in 0..3 {
        converge(levee.address, &create(levee.address), 3, 20);
    }
}

#[test]
fn byte_streams_may_be_cut_anywhere() {
    let levee = Levee::dev(&["--cores", "2"]);
    let proxy = mangle(levee.address);
    converge(proxy, &create(levee.address), 3, 30);
}

/// A proxy that forwards in pieces of odd sizes, now and then with a pause.
fn mangle(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(target).unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || forward(client, server));
            std::thread::spawn(move || forward(server2, client2));
        }
    });
    address
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let mut state = 0x2545_f491_u32;
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let (piece, after) = rest.split_at((state as usize % 97 + 1).min(rest.len()));
            if to.write_all(piece).is_err() {
                return;
            }
            rest = after;
            if state.is_multiple_of(31) {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn a_lost_socket_leaves_its_document() {
    let levee = Levee::dev(&[]);
    let document = create(levee.address);
    let mut stays = Client::join(levee.address, &document).unwrap();
    let goes = Client::join(levee.address, &document).unwrap();
    let id = goes.id.clone();
    goes.vanish();
    let left = |seen: &[Op]| {
        seen.iter().any(|op| {
            let data = op.body["data"].as_str().unwrap_or("");
            op.body["type"] == "leave" && data.trim_matches('"') == id
        })
    };
    assert!(stays.read_until(left), "the leave is told");
}

/// What anybody has seen is there after kill -9, as it was seen. `LEVEE_KILLS` sets how often.
#[test]
fn nothing_that_was_shown_is_lost_by_a_kill() {
    let kills = std::env::var("LEVEE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let data = TempDir::new("kills");
    let args = ["--dev", "--cores", "2", "--partitions", "2", "--data", data.text()];
    let mut levee = Levee::start(&args);
    let document = create(levee.address);
    let mut shown: Vec<Op> = Vec::new();
    for kill in 0..kills {
        let address = levee.address;
        let mut client = Client::join(address, &document).expect("the document loads again");
        let writer = std::thread::spawn(move || {
            let mut number = 0;
            loop {
                number += 1;
                client.submit(&format!("{kill}-{number}"));
                let mine = client.id.clone();
                let is_back = |seen: &[Op]| {
                    let back = seen.iter().filter(|op| op.body["clientId"] == mine.as_str());
                    back.count() + 8 > number
                };
                if !client.read_until(is_back) {
                    return client.seen;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(40 + (kill * 37) % 150));
        levee.end("KILL");
        let seen = writer.join().unwrap();
        assert_consecutive(&seen);
        merge(&mut shown, &seen);
        drop(levee);
        levee = Levee::start(&args);
        let stored = deltas(levee.address, &document);
        assert_consecutive(&stored);
        for op in &shown {
            assert_eq!(stored.get(op.seq as usize - 1), Some(op), "shown, then changed or lost");
        }
    }
    assert!(op_count(&shown) > kills as usize, "{} ops", op_count(&shown));
}

/// Adds what is new, and finds what has changed.
fn merge(shown: &mut Vec<Op>, seen: &[Op]) {
    for op in seen {
        match shown.iter().find(|known| known.seq == op.seq) {
            Some(known) => assert_eq!(known, op, "shown twice, differently"),
            None => shown.push(op.clone()),
        }
    }
}
