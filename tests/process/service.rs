//! The real binary as a child process: started on a free port and a directory of its own, watched,
//! ended in every way a process can end.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// What nothing in these tests may take longer than, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of the service's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// A directory that goes away with its test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("process-{name}-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // What cannot be removed is under the build's own directory and harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How to start a service.
pub(crate) struct Options {
    data: PathBuf,
    cores: u16,
    flags: Vec<String>,
    env: Vec<(&'static str, String)>,
    is_log_read: bool,
}

impl Options {
    /// One core, everything else as `--dev` has it.
    pub(crate) fn new(data: &Path) -> Self {
        Self { data: data.into(), cores: 1, flags: Vec::new(), env: Vec::new(), is_log_read: true }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn cores(mut self, cores: u16) -> Self {
        self.cores = cores;
        self
    }

    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push(format!("--{name}={value}"));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Nobody reads what it logs until it is waited for.
    pub(crate) fn unread_log(mut self) -> Self {
        self.is_log_read = false;
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self) -> Service {
        match self.try_start() {
            Ok(service) => service,
            Err(end) => panic!("the service did not start: {end:?}"),
        }
    }

    /// Starts it and kills it after so long, wherever it is by then.
    pub(crate) fn start_and_kill(&self, after: Duration) {
        let mut child = self.command().spawn().expect("the service's binary");
        thread::sleep(after);
        child.kill().expect("a child to kill");
        child.wait().expect("a child to wait for");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .args([format!("--cores={}", self.cores)])
            .args([format!("--cpus={}", cpus(self.cores))])
            .args(&self.flags)
            .envs(self.env.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it; `Err` when it ends before it listens.
    pub(crate) fn try_start(&self) -> Result<Service, Refused> {
        let mut child = self.command().spawn().expect("the service's binary");
        let (report, lines) = mpsc::channel();
        let out = Output::default();
        let err = Output::default();
        out.follow(child.stdout.take(), Some(report));
        let unread = match self.is_log_read {
            true => None,
            false => child.stderr.take(),
        };
        if unread.is_none() {
            err.follow(child.stderr.take(), None);
        }
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut service = Service { child, address, out, err, unread };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix("listening on http://") {
                        service.address = address.parse().expect("an address in the banner");
                        return Ok(service);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = service.wait();
                    let error = service.err.text();
                    return Err(Refused { status, error });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the service says nothing:\n{}", service.err.text())
                }
            }
        }
    }
}

/// The binary of this build, or the one that `LEVEE_PROCESS_BINARY` names: a release, say.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("LEVEE_PROCESS_BINARY");
    named.map_or_else(|| env!("CARGO_BIN_EXE_levee").into(), PathBuf::from)
}

/// The CPUs for one more service: in turn, so that several do not share one while another idles.
fn cpus(cores: u16) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let allowed = levee::runtime::allowed_cpus();
    let first = NEXT.fetch_add(usize::from(cores), Ordering::Relaxed);
    let cpus = (0..usize::from(cores)).map(|core| allowed[(first + core) % allowed.len()]);
    let mut cpus: Vec<_> = cpus.map(|cpu| cpu.to_string()).collect();
    cpus.dedup();
    cpus.join(",")
}

/// A service that ended before it served.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: ExitStatus,
    pub(crate) error: String,
}

/// One stream of the service's output, kept whole: a test's service does not say much.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Output {
    fn follow(
        &self,
        stream: Option<impl Read + Send + 'static>,
        lines: Option<mpsc::Sender<String>>,
    ) {
        let stream = stream.expect("a pipe");
        let kept = self.0.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line).into_owned();
                {
                    let mut kept = kept.lock().expect("no test panics while it holds this");
                    kept.push_str(&line);
                    kept.push('\n');
                }
                if let Some(lines) = &lines {
                    // Nobody waits for the banner any more.
                    let _ = lines.send(line);
                }
            }
        });
    }

    fn text(&self) -> String {
        self.0.lock().expect("no test panics while it holds this").clone()
    }
}

/// A running service. Dropping it kills it.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    out: Output,
    err: Output,
    /// Its log, while nobody reads that.
    unread: Option<ChildStderr>,
}

impl Service {
    /// Somebody reads the log from now on.
    pub(crate) fn read_log(&mut self) {
        self.err.follow(self.unread.take(), None);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed at its start.
    pub(crate) fn banner(&self) -> String {
        self.out.text()
    }

    pub(crate) fn log(&self) -> String {
        self.err.text()
    }

    /// `kill -9`, and the wait for the corpse.
    pub(crate) fn kill(mut self) {
        self.assert_alive();
        self.child.kill().expect("a child to kill");
        let status = self.wait();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it ended by itself: {}", self.log());
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.pid()).expect("a pid");
        // SAFETY: a system call without pointers; the child has not been waited for, so the number
        // is still its own.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and the wait for the drain.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait()
    }

    /// That the process lives and has not panicked anywhere.
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("the service has ended: {status}\n{}", self.log());
        }
        let log = self.log();
        assert!(!log.contains("panicked"), "a panic:\n{log}");
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(path).expect("the status of a living process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("VmRSS") * 1024
    }

    /// Waits until the service answers what `is_so` accepts on `/health` and friends.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "in vain waited for: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        // No failure on a machine that is busy with other things, but worth to be seen.
        for line in log.lines().filter(|line| line.contains("stalled")) {
            eprintln!("service {}: {line}", self.pid());
        }
        if thread::panicking() {
            let lines: Vec<_> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
            for line in lines.iter().rev() {
                eprintln!("service: {line}");
            }
        }
    }
}
