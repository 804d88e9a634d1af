//! One non-blocking connection: what is to be sent, and what has come but is not a whole frame yet.

use crate::sys::Poller;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;

/// Bytes asked from a socket at a time.
pub const READ_BYTES: usize = 256 << 10;

/// A connection registered with a [`Poller`].
pub struct Stream {
    socket: TcpStream,
    token: u64,
    watches_writable: bool,
    /// Bytes to send; appended by whoever speaks on this connection.
    pub out: Vec<u8>,
    sent: usize,
    partial: Vec<u8>,
}

impl Stream {
    /// Starts to connect. The connection is usable when the poller says it is writable.
    ///
    /// # Errors
    /// The system refuses at once.
    pub fn connect(host: SocketAddr, poller: &Poller, token: u64) -> io::Result<Self> {
        let domain = Domain::for_address(host);
        let socket = Socket::new(domain, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Err(error) = socket.connect(&host.into())
            && error.raw_os_error() != Some(libc::EINPROGRESS)
        {
            return Err(error);
        }
        let socket = TcpStream::from(socket);
        poller.add(socket.as_raw_fd(), token, true)?;
        let (out, partial) = (Vec::new(), Vec::new());
        Ok(Self { socket, token, watches_writable: true, out, sent: 0, partial })
    }

    /// The error of a finished connect, if it failed.
    ///
    /// # Errors
    /// That error.
    pub fn connected(&self) -> io::Result<()> {
        self.socket.take_error()?.map_or(Ok(()), Err)
    }

    /// Reads behind what was left by [`Stream::keep`], both together at the start of `buffer`.
    /// Answers how many bytes there are, or `None` if nothing was to be read.
    ///
    /// # Errors
    /// The connection ended (`UnexpectedEof`) or failed.
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let kept = self.partial.len();
        if buffer.len() < kept + READ_BYTES {
            buffer.resize(kept + READ_BYTES, 0);
        }
        match self.socket.read(&mut buffer[kept..kept + READ_BYTES]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer[..kept].copy_from_slice(&self.partial);
                self.partial.clear();
                Ok(Some(kept + count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps bytes that are not a whole frame for the next read.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// Sends as much as the socket takes and watches for room if some is left.
    ///
    /// # Errors
    /// The connection failed.
    pub fn flush(&mut self, poller: &Poller) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        let wants_writable = !self.out.is_empty();
        if wants_writable != self.watches_writable {
            poller.modify(self.socket.as_raw_fd(), self.token, wants_writable)?;
            self.watches_writable = wants_writable;
        }
        Ok(())
    }
}
