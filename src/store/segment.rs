//! Segment files of one partition's log: made, filled, freed, used again.

use futures_channel::oneshot;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// Free segments kept for use; more are deleted.
const FREE_MAX: usize = 2;
/// The first segment of a partition is small, so that a new data directory opens quickly.
const FIRST_BYTES: u64 = 4 << 20;

/// A file ready to be filled from its start.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) file: File,
    pub(crate) bytes: u64,
}

/// The segment files of a partition, kept by its storage thread.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    bytes: u64,
    disk: Disk,
    next_id: u64,
    /// Number and size, the largest last.
    free: Vec<(u64, u64)>,
    filled: Vec<Filled>,
    begun: bool,
}

/// A segment that the log has left; not yet moved and synced.
#[derive(Debug)]
struct Filled {
    id: u64,
    /// Position in the log.
    end: u64,
    /// A write or a sync failed in it: never used again.
    broken: bool,
}

impl Segments {
    /// Takes over a directory whose log has been moved into the tree, so that every file is free.
    pub(crate) fn new(dir: PathBuf, bytes: u64, disk: Disk) -> io::Result<Self> {
        let (free, filled) = (Vec::new(), Vec::new());
        let mut this = Self {
            dir,
            bytes,
            disk,
            next_id: 1,
            free,
            filled,
            begun: false,
        };
        for (id, _) in list(&this.dir)? {
            this.next_id = this.next_id.max(id + 1);
            this.free(id)?;
        }
        Ok(this)
    }

    /// Files that are filled and still needed.
    pub(crate) fn filled(&self) -> usize {
        self.filled.len()
    }

    /// Hands out a segment with room for `least_bytes`: at once if one is free, else after a thread
    /// has made one.
    pub(crate) fn prepare(&mut self, least_bytes: u64, done: oneshot::Sender<io::Result<Segment>>) {
        let first = !std::mem::replace(&mut self.begun, true);
        if let Some((id, bytes)) = self.free.pop_if(|(_, bytes)| *bytes >= least_bytes) {
            let opened = File::options().write(true).open(path(&self.dir, id));
            // Nobody waits any more when the store is closing.
            let _ = done.send(opened.map(|file| Segment { id, file, bytes }));
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let usual_bytes = if first {
            self.bytes.min(FIRST_BYTES)
        } else {
            self.bytes
        };
        let bytes = usual_bytes.max(least_bytes);
        let (dir, disk) = (self.dir.clone(), self.disk.clone());
        let make = move || {
            let made = disk.check_space().and_then(|()| create(&dir, id, bytes));
            if made.is_err() {
                // Half a file is of no use, and the disk may be full of it.
                let _ = fs::remove_file(path(&dir, id));
            }
            let _ = done.send(made.map(|file| Segment { id, file, bytes }));
        };
        // If no thread can be had, dropping `done` tells the writer, which asks again.
        let _ = std::thread::Builder::new()
            .name("levee-segment".into())
            .spawn(make);
    }

    /// The log has left this segment, which ends at `end`.
    pub(crate) fn retire(&mut self, id: u64, end: u64, broken: bool) {
        self.filled.push(Filled { id, end, broken });
    }

    /// Whether a sync of the tree would free a segment.
    pub(crate) fn frees(&self, moved: u64) -> bool {
        self.filled.iter().any(|filled| filled.end <= moved)
    }

    /// Everything before `synced` is in the tree and on the device.
    pub(crate) fn release(&mut self, synced: u64) -> io::Result<()> {
        let (done, left) = self
            .filled
            .drain(..)
            .partition(|filled| filled.end <= synced);
        self.filled = left;
        let done: Vec<Filled> = done;
        done.into_iter()
            .try_for_each(|Filled { id, broken, .. }| match broken {
                true => fs::remove_file(path(&self.dir, id)),
                false => self.free(id),
            })
    }

    fn free(&mut self, id: u64) -> io::Result<()> {
        let bytes = fs::metadata(path(&self.dir, id))?.len();
        self.free.push((id, bytes));
        self.free.sort_by_key(|&(_, bytes)| bytes);
        if self.free.len() <= FREE_MAX {
            return Ok(());
        }
        let (smallest, _) = self.free.remove(0);
        fs::remove_file(path(&self.dir, smallest))
    }
}

pub(crate) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:08}.log"))
}

/// The segment files of a directory, by their numbers.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let log = path.extension().is_some_and(|extension| extension == "log");
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        if let (true, Some(id)) = (log, id) {
            files.push((id, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Makes a file and writes it full of zeros: a sync into blocks that were written before changes no
/// metadata, which halves its time.
fn create(dir: &Path, id: u64, bytes: u64) -> io::Result<File> {
    static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path(dir, id))?;
    reserve(&file, bytes)?;
    let mut left = bytes;
    while left > 0 {
        let length = ZEROS
            .len()
            .min(usize::try_from(left).unwrap_or(ZEROS.len()));
        file.write_all(&ZEROS[..length])?;
        left -= length as u64;
    }
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// Finds out at once, not after many writes, that a disk has no room.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call takes no memory.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
        0 | libc::EOPNOTSUPP | libc::EINVAL => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
