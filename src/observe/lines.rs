//! The way of log lines to standard error: through a bounded queue and a thread of their own, since
//! whoever reads that stream may stop reading, and no core waits for it.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lines that wait for the stream; more are counted and lost.
const LINES_MAX: usize = 4_096;

enum Entry {
    Line(Vec<u8>),
    /// Everything before this is to be written, then the other end dropped.
    Mark {
        _written: Sender<()>,
    },
}

/// The queue's inner end: takes a line with every write, and never waits.
#[derive(Clone)]
pub(super) struct Lines {
    entries: Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread that writes to `stream`.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub(super) fn start(stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, queue) = bounded(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new().name("levee-lines".into());
        let counted = lost.clone();
        thread.spawn(move || write_out(stream, &queue, &counted))?;
        Ok(Self { entries, lost })
    }

    /// Waits until what was said so far is written, but not longer than that.
    pub(super) fn flush(&self, patience: Duration) {
        let (mark, written) = bounded(1);
        if self.entries.send_timeout(Entry::Mark { _written: mark }, patience).is_ok() {
            // It ends by the mark's drop, or by the patience; both are fine.
            let _ = written.recv_timeout(patience);
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.entries.try_send(Entry::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_out(mut stream: impl Write, queue: &Receiver<Entry>, lost: &AtomicU64) {
    for entry in queue {
        let Entry::Line(line) = entry else { continue };
        // A stream that is closed has nobody left to be told.
        let _ = stream.write_all(&line);
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stream, "{lost} lines are missing here: nobody read this stream");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc};

    /// Takes nothing until it is let go.
    struct Blocked {
        gate: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Open for good once the other end is gone.
            let _ = self.gate.recv();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_takes_nothing_holds_nobody_up_and_loss_is_told() {
        let (open, gate) = mpsc::channel();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut lines = Lines::start(Blocked { gate, taken: taken.clone() }).unwrap();
        let said = 3 * LINES_MAX;
        for number in 0..said {
            lines.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        lines.flush(Duration::from_millis(1));
        drop(open);
        lines.flush(Duration::from_secs(60));
        let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let written = text.lines().filter(|line| line.starts_with("line ")).count();
        let told = text.lines().find_map(|line| line.split_once(" lines are missing"));
        let lost: usize = told.unwrap().0.parse().unwrap();
        assert!(text.starts_with("line 0\n"));
        assert!(written >= LINES_MAX, "{written}");
        assert_eq!(written + lost, said);
    }
}
