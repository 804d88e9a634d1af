//! The chosen runtime's names, and nothing of its own: one loop per thread on `io_uring`, or on
//! epoll where the ring cannot be made. Another runtime would be another file with these names.

mod clock;
mod fs;
mod monoio;
mod threads;

pub use self::monoio::{
    Accepted, DriverKind, Listener, Loop, Reader, Writer, join, pin_to_cpus, register, sleep,
    spawn, timeout,
};
pub use clock::Clock;
pub use fs::RingFile;
pub use threads::{ThreadTimes, Watched, thread_id};

/// Which loop carries the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// `io_uring`, or epoll where the ring cannot be made.
    Auto,
    Epoll,
}

/// CPUs this process may run on, ascending.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    // SAFETY: an all-zero CPU set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the size describe `set`, which outlives the call.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if result != 0 {
        return vec![0];
    }
    // SAFETY: every index is below the set's size in bits.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Whether this machine has the address, such as `127.0.0.1` or `[::1]`.
#[must_use]
pub fn is_local(host: &str) -> bool {
    std::net::TcpListener::bind(format!("{host}:0")).is_ok()
}

/// 128 bits that nobody can predict; `None` only where the kernel has no random numbers.
#[must_use]
pub fn random() -> Option<u128> {
    let mut bits = [0; 16];
    // SAFETY: pointer and length describe `bits`, which outlives the call.
    let count = unsafe { libc::getrandom(bits.as_mut_ptr().cast(), bits.len(), 0) };
    (count == bits.len() as isize).then(|| u128::from_ne_bytes(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn loopback_is_local_and_a_foreign_address_is_not() {
        assert!(is_local("127.0.0.1"));
        assert!(!is_local("192.0.2.1"));
    }

    #[test]
    fn some_cpu_is_allowed() {
        assert!(!allowed_cpus().is_empty());
    }

    #[test]
    fn the_ladder_ends_on_a_working_loop() {
        let (_, kind) = Loop::build(RuntimeChoice::Epoll).unwrap();
        assert_eq!(kind, DriverKind::Epoll);
        assert!(Loop::build(RuntimeChoice::Auto).is_ok());
    }

    /// Accept, receive without a buffer of the connection's own, write, hand the socket on.
    fn echo(choice: RuntimeChoice) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).unwrap();
            stream.write_all(b"more!").unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            (answer, rest)
        });
        let (mut looped, _) = Loop::build(choice).unwrap();
        looped.block_on(async move {
            let listener = Listener::new(listener).unwrap();
            listener.ready().await.unwrap();
            let Accepted { socket, .. } = listener.accept().unwrap();
            let (reader, mut writer) = register(socket).unwrap();
            reader.ready().await.unwrap();
            let mut buffer = [0; 16];
            assert_eq!(reader.receive(&mut buffer).unwrap(), 5);
            assert!(reader.receive(&mut buffer).is_err());
            assert_eq!(writer.write(buffer[..5].to_vec()).await.0.unwrap(), 5);
            let (reader, mut writer) = register(join(reader, writer).unwrap()).unwrap();
            reader.ready().await.unwrap();
            assert_eq!(reader.receive(&mut buffer).unwrap(), 5);
            assert_eq!(writer.write(b"bye".to_vec()).await.0.unwrap(), 3);
        });
        let (answer, rest) = client.join().unwrap();
        assert_eq!((&answer, rest.as_slice()), (b"hello", &b"bye"[..]));
    }

    #[test]
    fn sockets_work_on_the_ring_and_on_epoll() {
        echo(RuntimeChoice::Auto);
        echo(RuntimeChoice::Epoll);
    }
}
