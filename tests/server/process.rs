//! A service of a test's own: started on a free port, killed with the test.

use crate::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The binary, without the variables of whoever runs the tests.
pub(crate) fn levee() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_levee")))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("LEVEE_") || name == "PORT" || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    command
}

/// A directory that goes with the test.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("levee-server-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running service.
pub(crate) struct Levee {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) banner: String,
    log: Option<JoinHandle<String>>,
    logged: String,
    _data: Option<TempDir>,
}

impl Levee {
    /// `--dev` on a free port with data of its own.
    pub(crate) fn dev(args: &[&str]) -> Self {
        Self::dev_with(args, &[])
    }

    pub(crate) fn dev_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let data = TempDir::new("data");
        let mut all = vec!["--dev", "--data", data.text()];
        all.extend(args);
        let mut levee = Self::start_with(&all, env);
        levee._data = Some(data);
        levee
    }

    /// The same with so many descriptors at most.
    pub(crate) fn limited(descriptors: u32, args: &[&str]) -> Self {
        let data = TempDir::new("data");
        let mut command = clean(Command::new("sh"));
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_levee")]);
        let mut levee = Self::spawn(command, &[&["--dev", "--data", data.text()], args].concat());
        levee._data = Some(data);
        levee
    }

    /// `serve` on a free port.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    fn start_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = levee();
        command.envs(env.iter().copied());
        Self::spawn(command, args)
    }

    fn spawn(mut command: Command, args: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = child.stderr.take().map(|log| std::thread::spawn(move || read_all(log)));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        let mut address = None;
        // The last line that every start prints, or the one before it.
        for line in lines.by_ref().map_while(Result::ok) {
            address = address.or_else(|| line.strip_prefix("listening on http://")?.parse().ok());
            banner.push_str(&line);
            banner.push('\n');
            if line.starts_with("paste") {
                break;
            }
        }
        let mut levee = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            banner,
            log,
            logged: String::new(),
            _data: None,
        };
        match address {
            Some(address) => levee.address = address,
            None => panic!("it did not start: {}", levee.log()),
        }
        levee
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The same socket if it still lives, or a new one where the service has closed an idle one.
    pub(crate) fn connect_again(&self, stream: TcpStream) -> TcpStream {
        stream.set_nonblocking(true).unwrap();
        let is_open =
            stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        if is_open { stream } else { self.connect() }
    }

    /// Sends a signal and waits for the end: the exit code.
    pub(crate) fn end(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(status.success());
    }

    /// What it has written to standard error; after its end.
    pub(crate) fn log(&mut self) -> &str {
        if let Some(log) = self.log.take() {
            let _ = self.child.kill();
            self.logged = log.join().unwrap_or_default();
        }
        &self.logged
    }
}

impl Drop for Levee {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut log: ChildStderr) -> String {
    let mut bytes = Vec::new();
    let _ = log.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
