//! Log files on the disk: through the core's ring, or by a helper thread where there is no ring.
//! The one place where tests make the disk fail.

use crossbeam_channel::{Receiver, Sender};
use futures_channel::oneshot;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::RingFile;

/// The disk under the log files.
#[derive(Clone, Debug, Default)]
pub enum Disk {
    #[default]
    Real,
    /// For tests.
    Faulty(Arc<Faults>),
}

/// What a faulty disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Writes fail.
    Write,
    /// Writes fail after so many bytes reached the disk.
    ShortWrite(usize),
    /// Syncs fail.
    Sync,
    /// Writes, and new segments, find no space.
    Full,
    /// The tree finds no space to take the log in.
    Tree,
}

/// Switches of a faulty disk; shared with the test that sets them.
#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<(Option<Fault>, u32)>,
}

impl Faults {
    /// From the call after the next `after` on, calls fail until [`Self::clear`].
    pub fn set(&self, fault: Fault, after: u32) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (Some(fault), after);
    }

    /// The disk is well again.
    pub fn clear(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (None, 0);
    }

    fn hit(&self, concerns: impl FnOnce(Fault) -> bool) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = state.0.filter(|fault| concerns(*fault))?;
        match state.1.checked_sub(1) {
            Some(left) => {
                state.1 = left;
                None
            }
            None => Some(fault),
        }
    }
}

impl Disk {
    /// How a write of `length` bytes fails: how much of it arrives, and the error.
    fn write_fault(&self, length: usize) -> Option<(usize, io::Error)> {
        let Self::Faulty(faults) = self else {
            return None;
        };
        match faults.hit(|fault| !matches!(fault, Fault::Sync | Fault::Tree))? {
            Fault::Write | Fault::Sync | Fault::Tree => {
                Some((0, io::Error::other("planted write fault")))
            }
            Fault::ShortWrite(bytes) => {
                Some((bytes.min(length), io::Error::other("planted short write")))
            }
            Fault::Full => Some((0, io::ErrorKind::StorageFull.into())),
        }
    }

    fn sync_fault(&self) -> Option<io::Error> {
        let Self::Faulty(faults) = self else {
            return None;
        };
        faults.hit(|fault| fault == Fault::Sync)?;
        Some(io::Error::other("planted sync fault"))
    }

    /// Whether room for a new segment can be had.
    pub(crate) fn check_space(&self) -> io::Result<()> {
        self.check(|fault| fault == Fault::Full)
    }

    /// Whether the tree can be written.
    pub(crate) fn check_tree(&self) -> io::Result<()> {
        self.check(|fault| fault == Fault::Tree)
    }

    fn check(&self, concerns: impl FnOnce(Fault) -> bool) -> io::Result<()> {
        let Self::Faulty(faults) = self else {
            return Ok(());
        };
        faults.hit(concerns).map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
    }
}

/// One segment file open for writing, on its core.
pub(crate) struct LogFile {
    driver: Driver,
    disk: Disk,
}

enum Driver {
    Ring(RingFile),
    Thread(Sender<Request>),
}

enum Request {
    Write { buffer: Vec<u8>, at: u64, done: oneshot::Sender<(io::Result<()>, Vec<u8>)> },
    Sync { done: oneshot::Sender<io::Result<()>> },
}

impl LogFile {
    /// Takes over an open file. Call it on the core.
    pub(crate) fn new(file: File, ring: bool, disk: Disk) -> io::Result<Self> {
        let driver = if ring {
            Driver::Ring(RingFile::new(file)?)
        } else {
            let (sender, requests) = crossbeam_channel::unbounded();
            let thread = std::thread::Builder::new().name("levee-log".into());
            thread.spawn(move || serve(&file, &requests))?;
            Driver::Thread(sender)
        };
        Ok(Self { driver, disk })
    }

    /// Writes the whole buffer and hands it back.
    pub(crate) async fn write(&self, mut buffer: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        let fault = self.disk.write_fault(buffer.len());
        let Some((arrives, error)) = fault else {
            return self.write_all(buffer, at).await;
        };
        buffer.truncate(arrives);
        let (_, buffer) = self.write_all(buffer, at).await;
        (Err(error), buffer)
    }

    async fn write_all(&self, buffer: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        match &self.driver {
            Driver::Ring(file) => file.write_all_at(buffer, at).await,
            Driver::Thread(requests) => {
                let (done, result) = oneshot::channel();
                if requests.send(Request::Write { buffer, at, done }).is_err() {
                    return (Err(gone()), Vec::new());
                }
                result.await.unwrap_or_else(|_| (Err(gone()), Vec::new()))
            }
        }
    }

    /// Brings everything written before to the device. An error is final for the segment.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        if let Some(error) = self.disk.sync_fault() {
            return Err(error);
        }
        match &self.driver {
            Driver::Ring(file) => file.sync_data().await,
            Driver::Thread(requests) => {
                let (done, result) = oneshot::channel();
                requests.send(Request::Sync { done }).map_err(|_| gone())?;
                result.await.unwrap_or_else(|_| Err(gone()))
            }
        }
    }

    /// Closes the file without blocking the core.
    pub(crate) async fn close(self) {
        match self.driver {
            Driver::Ring(file) => {
                // Everything that matters was synced before.
                let _ = file.close().await;
            }
            // The thread ends, and closes the file, when there are no more requests.
            Driver::Thread(_) => {}
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the log's helper thread has ended")
}

fn serve(file: &File, requests: &Receiver<Request>) {
    for request in requests {
        // A caller that has gone away needs no answer.
        match request {
            Request::Write { buffer, at, done } => {
                let result = file.write_all_at(&buffer, at);
                let _ = done.send((result, buffer));
            }
            Request::Sync { done } => {
                let _ = done.send(file.sync_data());
            }
        }
    }
}
