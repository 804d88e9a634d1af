//! What the service's process uses, read from `/proc`.

use crate::sys;
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

/// One look at a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Processor time of all its threads since it started.
    pub cpu_time: Duration,
    /// Time its threads could have run but stood in line for a processor.
    pub wait_time: Duration,
}

/// Looks at a process; `None` if it is gone or not ours to see.
#[must_use]
pub fn sample(pid: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Sample {
        resident_bytes: resident_bytes(&status)?,
        cpu_time: cpu_time(&stat)?,
        wait_time: wait_time(pid),
    })
}

fn wait_time(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let waited = threads.filter_map(|thread| {
        let figures = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        figures.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(waited.sum())
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu_time(stat: &str) -> Option<Duration> {
    // The name in parentheses may hold anything; the fields after it are numbers.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = sys::clock_ticks_per_second();
    Some(Duration::from_secs_f64((user + system) as f64 / ticks as f64))
}

/// The process that listens on a loopback port, if it is ours to see.
#[must_use]
pub fn listener(host: SocketAddr) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: HashSet<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|text| listening_inodes(&text, host.port()))
        .collect();
    let holds = |pid: &u32| -> bool {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter_map(|link| Some(link.to_str()?.to_owned())).any(|link| inodes.contains(&link))
    };
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(holds)
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && fields.get(3)? == &LISTEN;
        listens.then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn this_process_is_seen() {
        let seen = sample(std::process::id()).unwrap();
        assert!(seen.resident_bytes > 100_000);
    }

    #[test]
    fn the_fields_are_the_right_ones() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        let ticks = sys::clock_ticks_per_second() as f64;
        assert_eq!(cpu_time(stat), Some(Duration::from_secs_f64(200.0 / ticks)));
        assert_eq!(resident_bytes("Name: x\nVmRSS:\t   12 kB\n"), Some(12_288));
    }

    #[test]
    fn a_listener_is_found_by_its_port() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = listener.local_addr().unwrap();
        assert_eq!(super::listener(host), Some(std::process::id()));
    }
}
