//! Listening sockets: one per core and address, shared by the kernel's hash.

use super::flag::Flag;
use super::shard_loop::Core;
use crate::runtime::{Listener, sleep};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Sockets accepted before others get their turn.
const ACCEPTS_PER_WAKE: usize = 64;
/// A port that is in use is asked for again so often, before that is believed.
const IN_USE_TRIES: u32 = 40;
const IN_USE_PAUSE: Duration = Duration::from_millis(50);
/// How long accepting rests when the process has no descriptor or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// A silent peer is probed after this long, then at this interval, so often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// Bytes that a peer does not acknowledge for this long end its socket: it is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{0} is in use by another process")]
    InUse(SocketAddr),
    #[error("{0} needs privileges that this process does not have")]
    Forbidden(SocketAddr),
    #[error("{0} is not an address of this machine")]
    NotHere(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Other { address: SocketAddr, source: io::Error },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::Forbidden(address),
            io::ErrorKind::AddrNotAvailable => Self::NotHere(address),
            _ => Self::Other { address, source },
        }
    }
}

/// One address with a listening socket for every core.
pub struct Bound {
    /// With the port that was taken where 0 was asked for.
    pub address: SocketAddr,
    pub sockets: Vec<TcpListener>,
}

/// Listens on an address, once for every core.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr, cores: u16) -> Result<Bound, ListenError> {
    let failed = |source| ListenError::new(address, source);
    // Sharing a port would be granted beside another process of the same user too; a socket that
    // does not share finds out whether somebody is there.
    let probe = listen_when_free(address).map_err(failed)?;
    let address = probe.local_addr().map_err(failed)?;
    drop(probe);
    let sockets = (0..cores).map(|_| listen(address, true)).collect::<Result<_, _>>();
    Ok(Bound { address, sockets: sockets.map_err(failed)? })
}

/// A process that was killed keeps its ports until the kernel has wound its ring down.
fn listen_when_free(address: SocketAddr) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match listen(address, false) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && tries < IN_USE_TRIES => {
                tries += 1;
                std::thread::sleep(IN_USE_PAUSE);
            }
            other => return other,
        }
    }
}

fn listen(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    // Accepted sockets inherit these: no system call for each of them.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the flag is raised.
pub async fn accept(core: Rc<Core>, listener: Listener, stop: Rc<Flag>) {
    while let Some(Ok(())) = stop.or(listener.ready()).await {
        if let Err(error) = accept_some(&core, &listener) {
            core.cannot_accept(&error);
            sleep(EXHAUSTED_PAUSE).await;
        }
    }
}

/// Takes what waits, up to a bound; an error means that nothing more can be taken for a while.
fn accept_some(core: &Rc<Core>, listener: &Listener) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_WAKE {
        match listener.accept() {
            Ok(accepted) => core.opened(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // The peer gave up while it waited.
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_of_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_share_a_port_but_processes_do_not() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound = bind(any, 3).unwrap();
        assert_eq!(bound.sockets.len(), 3);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
        assert!(matches!(bind(bound.address, 1), Err(ListenError::InUse(_))));
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
        assert!(matches!(bind(elsewhere, 1), Err(ListenError::NotHere(_))));
    }
}
