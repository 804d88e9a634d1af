//! A disk that is full: nothing is acknowledged that is not kept, reads go on, and when there is
//! room again the service goes on by itself.

use crate::checker::Ledger;
use crate::client::{Client, Gone, Mode};
use crate::rest;
use crate::service::{Dir, Options, Service};
use crate::token;
use crate::wire::{BOTH, Wire};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const DISK_BYTES: usize = 192 << 20;
const OP_BYTES: usize = 64 << 10;
/// More than the disk holds: a service that takes so much lies.
const OPS_MAX: usize = 2 * DISK_BYTES / OP_BYTES;
/// Largest file offset while files may not grow.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// A small file system in memory, where the system lets the test mount one.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(path: &Path) -> Option<Self> {
        let target = CString::new(path.as_os_str().as_bytes()).expect("a path");
        let options = CString::new(format!("size={DISK_BYTES}")).expect("an option");
        let kind = c"tmpfs";
        // SAFETY: four strings that outlive the call.
        let result = unsafe {
            let kind = kind.as_ptr();
            libc::mount(kind, target.as_ptr(), kind, 0, options.as_ptr().cast())
        };
        (result == 0).then(|| Self(path.into()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        if let Ok(target) = CString::new(self.0.as_os_str().as_bytes()) {
            // SAFETY: a string that outlives the call. What stays mounted is empty memory.
            unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
        }
    }
}

/// What keeps the service from writing, and stops doing so.
trait Obstacle {
    fn raise(&mut self, service: &Service);
    fn lower(&mut self, service: &Service);
}

/// A file that takes all the room there is.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(&self) {
        let mut file = File::create(&self.0).expect("a file");
        let zeros = vec![0; 1 << 20];
        for size in [zeros.len(), 4096, 1] {
            let full = loop {
                if let Err(error) = file.write_all(&zeros[..size]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        }
    }
}

impl Obstacle for Ballast {
    fn raise(&mut self, _: &Service) {
        self.fill();
    }

    fn lower(&mut self, _: &Service) {
        fs::remove_file(&self.0).expect("the ballast");
    }
}

/// A limit on the size of the service's files.
struct FileLimit;

impl FileLimit {
    fn set(service: &Service, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
        let pid = libc::pid_t::try_from(service.pid()).expect("a pid");
        // SAFETY: `limit` outlives the call; nothing is written to the null pointer.
        let result =
            unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }
}

impl Obstacle for FileLimit {
    fn raise(&mut self, service: &Service) {
        Self::set(service, FILE_BYTES_MAX);
    }

    fn lower(&mut self, service: &Service) {
        Self::set(service, libc::RLIM_INFINITY);
    }
}

#[test]
fn a_full_disk_loses_nothing_and_heals() {
    let dir = Dir::new("disk");
    let Some(mounted) = Tmpfs::mount(dir.path()) else {
        eprintln!("no file system may be mounted here; the limit on files stands in for it");
        return;
    };
    for durability in ["power", "process"] {
        let ballast = dir.path().join("ballast");
        obstructed(&dir.path().join(durability), durability, &mut Ballast(ballast));
        fs::remove_dir_all(dir.path().join(durability)).expect("the data");
    }
    drop(mounted);
}

#[test]
fn a_start_on_a_full_disk_serves_reads_and_takes_writes_when_there_is_room() {
    let dir = Dir::new("disk");
    let Some(mounted) = Tmpfs::mount(dir.path()) else {
        eprintln!("no file system may be mounted here; tests/store has a disk that fails at will");
        return;
    };
    for durability in ["power", "process"] {
        for end in [Service::kill, drain] {
            started_on_a_full_disk(&dir.path().join(durability), durability, end);
            fs::remove_dir_all(dir.path().join(durability)).expect("the data");
        }
    }
    drop(mounted);
}

/// The life before fills the disk up and ends in some way; the next ones start on it.
fn started_on_a_full_disk(data: &Path, durability: &str, end: fn(Service)) {
    let options = Options::new(data).flag("durability", durability).flag("partitions", "1");
    let service = options.start();
    let mut ledger = Ledger::default();
    rest::create(service.address, "d");
    let blob = rest::store_blob(service.address, "d", "a blob").expect("an answer");
    let large = "large".repeat(1 << 20);
    let large_blob = rest::store_blob(service.address, "d", &large).expect("an answer");
    for wire in BOTH {
        let mut client = Client::connect(service.address, wire, "d");
        (0..20).for_each(|_| client.edit("while there is room"));
        ledger.note("d", wire, &client.cut());
    }
    let versions = rest::versions(service.address, "d").expect("an answer");
    let mut ballast = Vec::new();
    let mut service = full_at_start(service, &options, end, &mut ballast, &mut ledger);
    // Started again and again, as by a supervisor that finds it not ready.
    for life in 1..=3 {
        assert_eq!(get(&service, "/health"), (200, READ_ONLY.to_owned()), "life {life}");
        assert_eq!(get(&service, "/livez").0, 200);
        assert_eq!(get(&service, "/readyz").0, 503);
        service.wait_until("a word in the log", |s| s.log().contains("starts without taking"));
        ledger.check(service.address, "d");
        assert_eq!(rest::blob(service.address, "d", &blob), "a blob");
        assert!(rest::blob(service.address, "d", &large_blob) == large);
        assert_eq!(rest::versions(service.address, "d").expect("an answer"), versions);
        let refused = rest::try_create(service.address, "another").expect("an answer");
        assert_eq!(refused.status, 503, "{}", refused.text());
        for content in ["small", &large[1..]] {
            let refused = rest::try_store_blob(service.address, "d", content).expect("an answer");
            assert_eq!(refused.status, 503, "{}", refused.text());
        }
        for wire in BOTH {
            assert_refused(&service, wire);
        }
        service.assert_alive();
        service.kill();
        service = start_and_look(&options);
    }
    ballast.iter().for_each(|ballast| fs::remove_file(ballast).expect("the ballast"));
    service.wait_until("writing to begin", |service| get(service, "/readyz").0 == 200);
    assert_eq!(get(&service, "/health"), (200, "{\"status\":\"ok\"}".to_owned()));
    for wire in BOTH {
        let mut client = Client::connect(service.address, wire, "d");
        client.edit("there is room");
        ledger.note("d", wire, &client.cut());
    }
    rest::create(service.address, "another");
    let whole = ledger.check(service.address, "d");
    service.assert_alive();
    service.kill();
    let mut service = options.start();
    let again = ledger.check(service.address, "d");
    assert!(again.len() >= whole.len() && again[..whole.len()] == whole[..], "it has changed");
    assert_eq!(rest::blob(service.address, "d", &blob), "a blob");
    assert!(rest::blob(service.address, "d", &large_blob) == large);
    service.assert_alive();
}

const READ_ONLY: &str = "{\"status\":\"read-only\",\"reason\":\"the disk is full\"}";

/// A service that has found no room at its start. The first start may find some, by tidying up
/// after the life before: then that is filled up, too.
fn full_at_start(
    mut service: Service,
    options: &Options,
    end: fn(Service),
    ballast: &mut Vec<PathBuf>,
    ledger: &mut Ledger,
) -> Service {
    for round in 0..8 {
        let file = options.data().with_extension(round.to_string());
        Ballast(file.clone()).fill();
        ballast.push(file);
        fill(&service, ledger);
        end(service);
        service = start_and_look(options);
        if get(&service, "/health").1 == READ_ONLY {
            return service;
        }
    }
    panic!("there is always room again:\n{}", service.log());
}

/// Starts it and waits until it has looked at its store for the figures.
fn start_and_look(options: &Options) -> Service {
    let service = options.start();
    service
        .wait_until("figures", |service| get(service, "/metrics").1.contains("partition_faulty{"));
    service
}

fn drain(service: Service) {
    assert!(service.terminate().success());
}

fn get(service: &Service, path: &str) -> (u16, String) {
    let reply = rest::get(service.address, path, &[]).expect("an answer");
    (reply.status, reply.text())
}

/// While there is no room, who wants to write is asked to come back.
fn assert_refused(service: &Service, wire: Wire) {
    let token = token::of("d");
    service.wait_until("a refusal", |service| {
        match Client::try_connect(service.address, wire, "d", Mode::Write, &token) {
            Err(Gone::Refused(error)) => {
                assert_eq!(error["code"], 503, "{error}");
                assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{error}");
                true
            }
            // By its join the document finds out, and sends it away.
            Err(Gone::Broken(_) | Gone::Ended { .. }) => false,
            Ok(_) => panic!("{wire:?}: it may write"),
        }
    });
}

#[test]
fn files_that_may_not_grow_lose_nothing_and_heal() {
    // Else the first write over the limit would end the service, which inherits this.
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let dir = Dir::new("disk");
    for durability in ["power", "process"] {
        obstructed(&dir.path().join(durability), durability, &mut FileLimit);
    }
}

fn obstructed(data: &Path, durability: &str, obstacle: &mut impl Obstacle) {
    let options = Options::new(data).flag("durability", durability).flag("partitions", "1");
    let mut service = options.start();
    let mut ledger = Ledger::default();
    rest::create(service.address, "d");
    for wire in BOTH {
        let mut client = Client::connect(service.address, wire, "d");
        (0..20).for_each(|_| client.edit("while there is room"));
        ledger.note("d", wire, &client.cut());
    }
    obstacle.raise(&service);
    let mut witness = Client::connect_to_read(service.address, Wire::Levee, "d");
    fill(&service, &mut ledger);
    // Reading goes on, of what everybody was shown and nothing else.
    ledger.check(service.address, "d");
    for wire in BOTH {
        refused_or_served(&service, wire, &mut ledger);
    }
    service.assert_alive();
    obstacle.lower(&service);
    service.wait_until("writing to go on", |service| {
        let token = token::of("d");
        let client = Client::try_connect(service.address, Wire::Fluid, "d", Mode::Write, &token);
        let Ok(mut client) = client else { return false };
        client.edit("there is room again");
        ledger.note("d", Wire::Fluid, &client.cut());
        true
    });
    // Nobody gets an answer twice or a gap; a reader may have been sent away meanwhile.
    while let Ok(Some(_)) = witness.hear(std::time::Instant::now()) {}
    ledger.note("d", Wire::Levee, &witness.shown);
    let whole = ledger.check(service.address, "d");
    service.assert_alive();
    // The next one ends violently while there is no room, and the one after that starts then.
    obstacle.raise(&service);
    fill(&service, &mut ledger);
    service.kill();
    let cramped = options.start();
    ledger.check(cramped.address, "d");
    obstacle.lower(&cramped);
    drop(cramped);
    let mut service = options.start();
    let again = ledger.check(service.address, "d");
    assert!(again.len() >= whole.len() && again[..whole.len()] == whole[..], "it has changed");
    Client::connect(service.address, Wire::Levee, "d").edit("a second life");
    ledger.check(service.address, "d");
    service.assert_alive();
}

/// Writes until it is refused, in the words that tell a client to come back.
fn fill(service: &Service, ledger: &mut Ledger) {
    let contents = "x".repeat(OP_BYTES);
    let mut written = 0;
    loop {
        let token = token::of("d");
        let client = Client::try_connect(service.address, Wire::Fluid, "d", Mode::Write, &token);
        let mut client = match client {
            Ok(client) => client,
            Err(Gone::Refused(error)) => {
                assert_eq!(error["code"], 503, "{error}");
                assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{error}");
                return;
            }
            // By its join the document finds out, and sends it away.
            Err(Gone::Broken(_) | Gone::Ended { .. }) => {
                written += 1;
                assert!(written < OPS_MAX, "neither served nor refused");
                continue;
            }
        };
        let end = loop {
            assert!(written < OPS_MAX, "more was taken than there is room for");
            let submitted = client.submit(&[&contents]).and_then(|()| {
                let mine = client.client_seq;
                client.wait_until(|client| client.echoed >= mine || !client.nacks.is_empty())
            });
            written += 1;
            match submitted {
                Ok(()) if client.nacks.is_empty() => {}
                end => break end,
            }
        };
        for nack in &client.nacks {
            let content = if nack.is_array() { &nack[0]["content"] } else { &nack["content"] };
            assert_eq!(content["code"], 503, "{nack}");
        }
        assert!(!client.nacks.is_empty() || end.is_err());
        ledger.note("d", Wire::Fluid, &client.cut());
        // It comes back, as clients do, and is refused once the service knows.
        thread::sleep(Duration::from_millis(50));
    }
}

/// While there is no room, a connect is answered: by a refusal that asks to come back, or by
/// success if the service has found room.
fn refused_or_served(service: &Service, wire: Wire, ledger: &mut Ledger) {
    let token = token::of("d");
    match Client::try_connect(service.address, wire, "d", Mode::Write, &token) {
        Ok(client) => ledger.note("d", wire, &client.cut()),
        Err(Gone::Refused(error)) => assert_eq!(error["code"], 503, "{error}"),
        Err(Gone::Ended { .. }) => {}
        Err(Gone::Broken(error)) => panic!("{wire:?}: {error}"),
    }
}
