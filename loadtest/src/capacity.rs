//! What the generator itself can receive and verify: a stub sends sequenced ops over loopback as
//! fast as sockets take them, without doing anything that a service must do.

use crate::check::{Document, Receiver, Violation, contents_mark};
use crate::net::Stream;
use crate::room::latency_histogram;
use crate::scan::{self, Packet};
use crate::sys::{self, Poller};
use crate::ws::{self, FrameError};
use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Receivers, as in the hot document.
const RECEIVERS: usize = 100;
/// Frames sent to each receiver in a measurement worth its name.
pub const FRAMES: u32 = 4_000;
/// Length of each op's contents.
const CONTENTS_BYTES: usize = 256;
/// The one author of all ops.
const AUTHOR: &[u8] = b"00000000-0000-4000-8000-000000000000";

/// Why the capacity could not be measured.
#[derive(Debug, Error)]
pub enum CapacityError {
    #[error("loopback: {0}")]
    Io(#[from] io::Error),
    #[error("the stub's ops: {0}")]
    Check(#[from] Violation),
    #[error("the stub's frames: {0}")]
    Frame(#[from] FrameError),
}

/// The generator's own speed.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub receptions: u64,
    pub elapsed: Duration,
    /// Processor time of the receiving thread.
    pub cpu_time: Duration,
}

impl fmt::Display for Capacity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receptions = self.receptions as f64;
        let (elapsed_s, cpu_s) = (self.elapsed.as_secs_f64(), self.cpu_time.as_secs_f64());
        writeln!(out, "{receptions} checked receptions in {elapsed_s:.2} s")?;
        writeln!(out, "{:.0} receptions/s with the stub on this machine", receptions / elapsed_s)?;
        let each_ns = cpu_s * 1e9 / receptions;
        writeln!(out, "{:.0} receptions per second of processor time", receptions / cpu_s)?;
        writeln!(out, "{each_ns:.0} ns of processor time for each")
    }
}

/// Receives and verifies a stub's ops: `frames` to each receiver, `batch` ops in each.
///
/// # Errors
/// Loopback fails, or the stub's ops do not verify.
pub fn measure(
    frames: u32,
    batch: u32,
    cpu: Option<usize>,
    stub_cpu: Option<usize>,
) -> Result<Capacity, CapacityError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let host = listener.local_addr()?;
    let ops = u64::from(frames) * u64::from(batch);
    let stub = thread::spawn(move || send_all(&listener, ops, batch, stub_cpu));
    if let Some(cpu) = cpu {
        sys::pin_to_cpu(cpu)?;
    }
    let capacity = receive_all(host, ops)?;
    match stub.join() {
        Ok(sent) => drop(sent?),
        Err(_) => unreachable!("the stub returns its errors"),
    }
    Ok(capacity)
}

/// One socket after the other gets the same frame, as a service's fan-out does it. The sockets
/// are answered, open, so that nobody sees an end of file.
fn send_all(
    listener: &TcpListener,
    ops: u64,
    batch: u32,
    cpu: Option<usize>,
) -> io::Result<Vec<TcpStream>> {
    if let Some(cpu) = cpu {
        sys::pin_to_cpu(cpu)?;
    }
    let mut sockets = (0..RECEIVERS)
        .map(|_| listener.accept().map(|(socket, _)| socket))
        .collect::<io::Result<Vec<_>>>()?;
    for first in (1..=ops).step_by(batch as usize) {
        let frame = frame(first, first + u64::from(batch) - 1);
        for socket in &mut sockets {
            socket.write_all(&frame)?;
        }
    }
    Ok(sockets)
}

fn frame(first: u64, last: u64) -> Vec<u8> {
    let author = String::from_utf8_lossy(AUTHOR);
    let op = |n: u64| {
        let mark = contents_mark(0, n as i64);
        let filler = "x".repeat(CONTENTS_BYTES - mark.len());
        let (minimum, reference) = (n / 2, n - 1);
        [
            format!(r#"{{"clientId":"{author}","clientSequenceNumber":{n},"#),
            format!(r#""contents":"{mark}{filler}","minimumSequenceNumber":{minimum},"#),
            format!(r#""referenceSequenceNumber":{reference},"sequenceNumber":{n},"#),
            r#""timestamp":1795376885872,"type":"op"}"#.to_owned(),
        ]
        .concat()
    };
    let ops: Vec<_> = (first..=last).map(op).collect();
    let payload = format!(r#"42["op","00fe52e0-3fbd-4e44-bacb-10113f4ff9dd",[{}]]"#, ops.join(","));
    let mut bytes = vec![0x81, 127];
    bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}

fn receive_all(host: SocketAddr, ops: u64) -> Result<Capacity, CapacityError> {
    let mut poller = Poller::new()?;
    let mut receivers = (0..RECEIVERS)
        .map(|token| {
            let stream = Stream::connect(host, &poller, token as u64)?;
            Ok((stream, Receiver::default()))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut document = Document::default();
    document.add_author(AUTHOR, 0);
    for n in 0..ops {
        document.submitted(AUTHOR, n);
    }
    let mut histogram = latency_histogram();
    let (mut ready, mut buffer) = (Vec::new(), Vec::new());
    let (start, cpu_start) = (Instant::now(), sys::thread_cpu_time());
    let mut receptions = 0;
    while receptions < ops * RECEIVERS as u64 {
        poller.wait(Duration::from_secs(1), &mut ready)?;
        for event in &ready {
            let (stream, receiver) = &mut receivers[event.token as usize];
            if event.writable {
                stream.flush(&poller)?;
            }
            let Some(count) = stream.read(&mut buffer)? else {
                continue;
            };
            let now_us = start.elapsed().as_micros() as u64;
            let mut at = 0;
            while let Some(found) = ws::decode(&buffer[..count], at)? {
                at = found.payload.end;
                let text = &buffer[found.payload];
                if let Packet::Ops(text) = scan::classify(text).map_err(Violation::from)? {
                    document.receive(receiver, text, |_| {
                        receptions += 1;
                        histogram.saturating_record(now_us);
                    })?;
                }
            }
            stream.keep(&buffer[at..count]);
        }
        if document.wants_trim() {
            let lowest = receivers.iter().map(|(_, receiver)| receiver.last()).min();
            document.trim(lowest.unwrap_or(0));
        }
    }
    let cpu_time = sys::thread_cpu_time().saturating_sub(cpu_start);
    Ok(Capacity { receptions, elapsed: start.elapsed(), cpu_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_sends_what_verifies() {
        let receptions = measure(100, 2, None, None).unwrap().receptions;
        assert_eq!(receptions, 100 * 2 * RECEIVERS as u64);
    }
}
