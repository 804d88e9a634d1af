//! The names of `super`, on monoio.

use super::RuntimeChoice;
use monoio::io::{AsyncWriteRent, OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::TimeDriver;
use monoio::{FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use monoio::time::{sleep, timeout};

/// What carries a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    IoUring { entries: u32 },
    Epoll,
}

impl std::fmt::Display for DriverKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IoUring { entries } => write!(f, "io_uring ({entries} entries)"),
            Self::Epoll => f.write_str("epoll"),
        }
    }
}

/// Rings that are tried in turn: locked memory may not suffice for the first.
const RING_ENTRIES: [u32; 3] = [4096, 1024, 256];

/// The event loop of one thread.
pub struct Loop(FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>);

impl Loop {
    /// Builds the loop for the calling thread: the wanted ring, smaller ones, then epoll. The
    /// runtime's own fallback covers a forbidden ring, but not one that does not fit.
    ///
    /// # Errors
    /// When even epoll cannot be had.
    pub fn build(choice: RuntimeChoice) -> io::Result<(Self, DriverKind)> {
        if choice == RuntimeChoice::Auto && monoio::utils::detect_uring() {
            for entries in RING_ENTRIES {
                let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries);
                if let Ok(runtime) = builder.enable_timer().build() {
                    let kind = DriverKind::IoUring { entries };
                    return Ok((Self(FusionRuntime::Uring(runtime)), kind));
                }
            }
        }
        let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
        Ok((Self(FusionRuntime::Legacy(runtime)), DriverKind::Epoll))
    }

    /// Runs the loop until the future is done. Tasks that are left are dropped with the loop.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

/// Starts a task on this thread's loop. Tasks run in the order in which they became ready.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    drop(monoio::spawn(future));
}

/// Ties the calling thread, and those it will start, to these CPUs.
///
/// # Errors
/// When a CPU does not exist or is not allowed.
pub fn pin_to_cpus(cpus: &[usize]) -> io::Result<()> {
    let bound = monoio::utils::bind_to_cpu_set(cpus.iter().copied());
    bound.map_err(|errno| io::Error::from_raw_os_error(errno as i32))
}

/// A listening socket, watched by this thread's loop.
pub struct Listener(TcpListener);

/// A new connection: its socket does not belong to any loop yet.
pub struct Accepted {
    pub socket: OwnedFd,
    pub peer: IpAddr,
}

impl Listener {
    /// Takes over a listening socket.
    ///
    /// # Errors
    /// When the loop cannot watch it.
    pub fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self)
    }

    /// Waits until a connection may be there.
    ///
    /// # Errors
    /// When the loop cannot wait.
    pub async fn ready(&self) -> io::Result<()> {
        self.0.readable(false).await
    }

    /// Takes one connection without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; otherwise what the system says, such as `EMFILE`.
    pub fn accept(&self) -> io::Result<Accepted> {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: all-zero bytes are a valid address of no family.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let mut bytes = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        let address = (&raw mut storage).cast();
        // SAFETY: `address` and `bytes` describe `storage`, which outlives the call.
        let fd = unsafe { libc::accept4(self.0.as_raw_fd(), address, &mut bytes, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call just made this descriptor, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Accepted { socket, peer: peer_address(&storage) })
    }
}

/// The address in a kernel answer; unspecified where there is none, such as a unix socket.
fn peer_address(storage: &libc::sockaddr_storage) -> IpAddr {
    let storage: *const libc::sockaddr_storage = storage;
    // SAFETY: `sockaddr_storage` is large enough and aligned for both kinds, and the family,
    // which is at the same place in all three, says which one it holds.
    unsafe {
        match i32::from((*storage).ss_family) {
            libc::AF_INET => {
                let address = &*storage.cast::<libc::sockaddr_in>();
                IpAddr::from(address.sin_addr.s_addr.to_ne_bytes())
            }
            libc::AF_INET6 => {
                let address = &*storage.cast::<libc::sockaddr_in6>();
                IpAddr::from(address.sin6_addr.s6_addr).to_canonical()
            }
            _ => IpAddr::from([0, 0, 0, 0]),
        }
    }
}

/// The receiving half of a socket. It never owns a buffer.
pub struct Reader {
    half: OwnedReadHalf<TcpStream>,
    fd: RawFd,
}

/// The sending half of a socket. Dropping it tells the peer that nothing follows.
pub struct Writer(OwnedWriteHalf<TcpStream>);

/// Puts a socket under this thread's loop.
///
/// # Errors
/// When the loop cannot watch it; the socket is closed then.
pub fn register(socket: OwnedFd) -> io::Result<(Reader, Writer)> {
    let fd = socket.as_raw_fd();
    let stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
    let (half, writer) = stream.into_split();
    Ok((Reader { half, fd }, Writer(writer)))
}

/// Takes a socket out of this thread's loop again, open. No write may be under way.
///
/// # Errors
/// When the process has no descriptor left for the moment of the change; the socket is closed.
pub fn join(reader: Reader, writer: Writer) -> io::Result<OwnedFd> {
    let stream = reader.half.reunite(writer.0).map_err(|_| io::ErrorKind::InvalidInput)?;
    // A wait that was dropped may still be on its way through the ring and holds the old
    // descriptor, so the socket leaves under a new one.
    // SAFETY: the stream keeps its descriptor open until the end of this function.
    let socket = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    socket.try_clone_to_owned()
}

impl Reader {
    /// Waits until bytes, the end, or an error are there. The wait may be dropped at any time:
    /// it holds no bytes. (A read that is dropped would lose what it had already received.)
    ///
    /// # Errors
    /// When the loop cannot wait.
    pub async fn ready(&self) -> io::Result<()> {
        // SAFETY: both halves share the stream on this one thread, and the runtime declares a
        // stream's reading and writing independent; waiting does not change the stream. The
        // strict form of waiting is needed: the relaxed one hangs on epoll.
        let stream = unsafe { &*self.half.0.get() };
        stream.readable(false).await
    }

    /// Receives into the caller's buffer without waiting; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing; otherwise what the system says.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = buffer.as_mut_ptr().cast();
        // SAFETY: pointer and length describe `buffer`, which outlives the call.
        let count = unsafe { libc::recv(self.fd, start, buffer.len(), libc::MSG_DONTWAIT) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Ends both directions at once; a write under way fails.
    pub fn shut(&self) {
        // SAFETY: a plain system call on a descriptor that this half keeps open.
        unsafe { libc::shutdown(self.fd, libc::SHUT_RDWR) };
    }
}

impl Writer {
    /// Writes some of the buffer, at least a byte of it, and gives it back; how much the system
    /// has taken, or an error when the peer is gone.
    pub async fn write<B: monoio::buf::IoBuf>(&mut self, bytes: B) -> (io::Result<usize>, B) {
        match self.0.write(bytes).await {
            (Ok(0), bytes) => (Err(io::ErrorKind::WriteZero.into()), bytes),
            result => result,
        }
    }

    /// Tells the peer that nothing follows.
    pub async fn finish(&mut self) {
        // The peer may be gone already; then it need not be told.
        let _ = self.0.shutdown().await;
    }
}
