//! Files that are written through the loop's own ring, so that a sync does not hold up the loop.

use std::fs::File;
use std::io;

/// A file of this thread's ring. Only for loops on `io_uring`: on epoll its calls would block.
pub struct RingFile(Option<monoio::fs::File>);

impl RingFile {
    /// Takes over an open file. Call it inside the loop.
    ///
    /// # Errors
    /// Those of the ring.
    pub fn new(file: File) -> io::Result<Self> {
        monoio::fs::File::from_std(file).map(|file| Self(Some(file)))
    }

    /// Writes the whole buffer and hands it back.
    pub async fn write_all_at(&self, buffer: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        match &self.0 {
            Some(file) => file.write_all_at(buffer, at).await,
            None => (Err(io::ErrorKind::NotFound.into()), buffer),
        }
    }

    /// Brings what was written to the device (`fdatasync`).
    ///
    /// # Errors
    /// Those of the device. They are final: what the kernel could not write it may have forgotten,
    /// and a second sync would succeed without it.
    pub async fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            Some(file) => file.sync_data().await,
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Closes the file through the ring.
    ///
    /// # Errors
    /// Those of the ring.
    pub async fn close(mut self) -> io::Result<()> {
        match self.0.take() {
            Some(file) => file.close().await,
            None => Ok(()),
        }
    }
}

impl Drop for RingFile {
    fn drop(&mut self) {
        // Such a file closes itself through the ring of the running loop. One that is dropped after
        // its loop has none, so its descriptor is left to the end of the process.
        std::mem::forget(self.0.take());
    }
}
