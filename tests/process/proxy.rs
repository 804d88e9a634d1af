//! A TCP proxy that mangles: it cuts what passes at random places, holds it back, and glues pieces
//! together. TCP allows all of it, so nothing may come out differently.

use crate::random::Random;
use crate::service::PATIENCE;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
}

impl Proxy {
    /// Starts one in front of a service. Its threads end with the sockets that they carry.
    pub(crate) fn start(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut random = Random::new(seed);
        thread::spawn(move || {
            for inbound in listener.incoming() {
                let (Ok(inbound), Ok(outbound)) = (inbound, TcpStream::connect(target)) else {
                    continue;
                };
                let pairs =
                    [(inbound.try_clone(), outbound.try_clone()), (Ok(outbound), Ok(inbound))];
                for (from, to) in pairs {
                    let random = Random::new(random.next());
                    if let (Ok(from), Ok(to)) = (from, to) {
                        thread::spawn(move || {
                            // Either end may break off; then so does the other.
                            let _ = pump(&from, &to, random);
                            let _ = to.shutdown(Shutdown::Write);
                        });
                    }
                }
            }
        });
        Self { address }
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, mut random: Random) -> io::Result<()> {
    from.set_read_timeout(Some(PATIENCE))?;
    to.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        // Mostly large reads: the session's largest messages must not take minutes.
        let size = if random.once_in(3) { random.size(1, 200) } else { buffer.len() };
        let mut held = from.read(&mut buffer[..size])?;
        if held == 0 {
            return Ok(());
        }
        if random.once_in(4) && held < buffer.len() {
            // Glue: wait for more to send along.
            thread::sleep(Duration::from_millis(random.below(4)));
            held += more(from, &mut buffer[held..])?;
        }
        let mut rest = &buffer[..held];
        while !rest.is_empty() {
            let most = if random.once_in(2) { 16 } else { rest.len() };
            let (piece, after) = rest.split_at(random.size(1, most.min(rest.len())));
            to.write_all(piece)?;
            rest = after;
            if random.once_in(8) {
                thread::sleep(Duration::from_micros(random.below(1500)));
            }
        }
    }
}

/// What has arrived meanwhile, without waiting.
fn more(mut from: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    from.set_nonblocking(true)?;
    let read = from.read(into);
    from.set_nonblocking(false)?;
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        read => read,
    }
}
