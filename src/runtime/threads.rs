//! What the kernel says about one of this process's threads: where its time went, and whether it
//! waits in a system call.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// The calling thread, as the kernel numbers it.
#[must_use]
pub fn thread_id() -> u32 {
    // SAFETY: a system call without arguments that cannot fail.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// Where the time of a thread went since it began; what is missing it slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTimes {
    /// On a CPU.
    pub ran: Duration,
    /// Ready, but no CPU was free for it.
    pub queued: Duration,
}

impl ThreadTimes {
    /// What came on top since then.
    #[must_use]
    pub fn since(self, then: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(then.ran),
            queued: self.queued.saturating_sub(then.queued),
        }
    }

    /// Reads the kernel's text: nanoseconds on a CPU, nanoseconds in a run queue, time slices.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map_while(|number| number.parse().ok());
        let mut next = || numbers.next().map(Duration::from_nanos);
        Some(Self { ran: next()?, queued: next()? })
    }
}

/// A thread of this process that another one watches.
pub struct Watched {
    thread_id: u32,
    /// Absent where the kernel keeps no such figures.
    schedstat: Option<File>,
}

impl Watched {
    /// Watches the thread of that number.
    #[must_use]
    pub fn new(thread_id: u32) -> Self {
        let schedstat = File::open(format!("/proc/self/task/{thread_id}/schedstat")).ok();
        Self { thread_id, schedstat }
    }

    /// Where its time went so far; `None` when the kernel does not say.
    #[must_use]
    pub fn times(&self) -> Option<ThreadTimes> {
        let mut text = [0; 96];
        let length = self.schedstat.as_ref()?.read_at(&mut text, 0).ok()?;
        ThreadTimes::parse(std::str::from_utf8(text.get(..length)?).ok()?)
    }

    /// Whether it is ready to run, which includes running. The kernel counts a wait for a CPU only
    /// once that has ended, so this tells whether one is under way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/self/task/{}/stat", self.thread_id));
        // The name of the thread stands in parentheses before its state and may hold anything.
        text.is_ok_and(|text| text.rsplit(')').next().is_some_and(|rest| rest.starts_with(" R")))
    }

    /// The number of the system call that it waits in; `None` when it is ready, or the kernel does
    /// not say.
    #[must_use]
    pub fn waits_in(&self) -> Option<u32> {
        let text = fs::read_to_string(format!("/proc/self/task/{}/syscall", self.thread_id));
        text.ok()?.split_ascii_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    #[test]
    fn the_kernels_text_is_read() {
        let times = ThreadTimes::parse("1133867 248127 12\n").unwrap();
        assert_eq!(times.ran, Duration::from_nanos(1_133_867));
        assert_eq!(times.queued, Duration::from_nanos(248_127));
        assert_eq!(ThreadTimes::parse("running"), None);
        assert_eq!(times.since(times), ThreadTimes::default());
    }

    #[test]
    fn work_counts_as_run_and_a_wait_as_neither() {
        let own = Watched::new(thread_id());
        let before = own.times().unwrap();
        let worked = || own.times().unwrap().since(before).ran;
        while worked() < Duration::from_millis(20) {}
        let (before, started) = (own.times().unwrap(), Instant::now());
        std::thread::sleep(Duration::from_millis(60));
        let slept = own.times().unwrap().since(before);
        assert!(slept.ran + slept.queued < started.elapsed(), "{slept:?}");
        assert!(own.is_ready());
    }

    #[test]
    fn a_wait_is_seen_from_outside() {
        let (say, id) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            say.send(thread_id()).unwrap();
            ended.recv()
        });
        let watched = Watched::new(id.recv().unwrap());
        while watched.waits_in() != Some(libc::SYS_futex as u32) {
            std::thread::yield_now();
        }
        assert!(!watched.is_ready());
        drop(end);
        assert!(sleeper.join().unwrap().is_err());
    }
}
