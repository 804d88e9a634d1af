//! Segment files of one partition's log: made, filled, freed, used again.

use futures_channel::oneshot;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// Free segments kept for use; more are deleted.
const FREE_MAX: usize = 2;
/// The first segment of a partition is small, so that a new data directory opens quickly; those
/// that follow are each twice as large, so that one is ready when the last is full.
const FIRST_BYTES: u64 = 4 << 20;

/// A file ready to be filled from its start.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) file: File,
    pub(crate) bytes: u64,
}

/// How a new segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// Its blocks are written once: a sync into such blocks changes no metadata, which halves its
    /// time. Takes a second or so.
    Written,
    /// Its blocks are only reserved: for a log that must go on at once.
    Reserved,
}

/// The segment files of a partition, kept by its storage thread.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    bytes: u64,
    disk: Disk,
    next_id: u64,
    /// Size of the last segment made.
    made_bytes: u64,
    /// Number and size, the largest last.
    free: Vec<(u64, u64)>,
    filled: Vec<Filled>,
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
    /// Takes over a directory whose log ends at `end`: every file is needed until the tree has it.
    pub(crate) fn new(dir: PathBuf, bytes: u64, disk: Disk, end: u64) -> io::Result<Self> {
        let (free, filled) = (Vec::new(), Vec::new());
        let made_bytes = bytes.min(FIRST_BYTES);
        let mut this = Self { dir, bytes, disk, next_id: 1, made_bytes, free, filled };
        for (id, _) in list(&this.dir)? {
            this.next_id = this.next_id.max(id + 1);
            this.retire(id, end, false);
        }
        Ok(this)
    }

    /// Files that are filled and still needed.
    pub(crate) fn filled(&self) -> usize {
        self.filled.len()
    }

    /// The segment to begin with: a free one, or a small new one.
    pub(crate) fn first(&mut self) -> io::Result<Segment> {
        if let Some(free) = self.take_free(0) {
            return free;
        }
        let (id, bytes) = (self.new_id(), self.made_bytes);
        let made = self.disk.check_space().and_then(|()| {
            let file = create(&self.dir, id, bytes, Make::Written)?;
            Ok(Segment { id, file, bytes })
        });
        made.inspect_err(|_| drop(fs::remove_file(path(&self.dir, id))))
    }

    /// Hands out a segment with room for `least_bytes`: at once if one is free, else after a thread
    /// has made one.
    pub(crate) fn prepare(
        &mut self,
        least_bytes: u64,
        make: Make,
        done: oneshot::Sender<io::Result<Segment>>,
    ) {
        if let Some(free) = self.take_free(least_bytes) {
            if let Err(Ok(Segment { id, bytes, .. })) = done.send(free) {
                self.free.push((id, bytes));
            }
            return;
        }
        self.made_bytes = self.bytes.min(self.made_bytes * 2);
        let (id, bytes) = (self.new_id(), self.made_bytes.max(least_bytes));
        let (dir, disk) = (self.dir.clone(), self.disk.clone());
        let make = move || {
            let made = disk.check_space().and_then(|()| create(&dir, id, bytes, make));
            // Half a file is of no use, and the disk may be full of it; nor is one that nobody
            // waits for any more.
            let wanted = made.is_ok();
            let taken = done.send(made.map(|file| Segment { id, file, bytes })).is_ok();
            if !(wanted && taken) {
                let _ = fs::remove_file(path(&dir, id));
            }
        };
        // If no thread can be had, dropping `done` tells the writer, which asks again.
        let _ = std::thread::Builder::new().name("levee-segment".into()).spawn(make);
    }

    fn take_free(&mut self, least_bytes: u64) -> Option<io::Result<Segment>> {
        let (id, bytes) = self.free.pop_if(|(_, bytes)| *bytes >= least_bytes)?;
        let opened = File::options().write(true).open(path(&self.dir, id));
        Some(opened.map(|file| Segment { id, file, bytes }))
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
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
        let (done, left) = self.filled.drain(..).partition(|filled| filled.end <= synced);
        self.filled = left;
        let done: Vec<Filled> = done;
        done.into_iter().try_for_each(|Filled { id, broken, .. }| match broken {
            true => fs::remove_file(path(&self.dir, id)),
            false => self.free(id),
        })
    }

    fn free(&mut self, id: u64) -> io::Result<()> {
        let bytes = fs::metadata(path(&self.dir, id))?.len();
        self.made_bytes = self.made_bytes.max(bytes.min(self.bytes));
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
        let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (true, Some(id)) = (log, id) {
            files.push((id, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Makes a segment file, of zeros.
fn create(dir: &Path, id: u64, bytes: u64, make: Make) -> io::Result<File> {
    let path = path(dir, id);
    let file = File::options().write(true).create(true).truncate(true).open(path)?;
    reserve(&file, bytes)?;
    match make {
        Make::Written => write_zeros(&file, bytes)?,
        Make::Reserved => {}
    }
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// In steps that leave the disk to the log in between.
fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let length = ZEROS.len().min(usize::try_from(bytes - at).unwrap_or(ZEROS.len()));
        file.write_all_at(&ZEROS[..length], at)?;
        file.sync_data()?;
        at += length as u64;
    }
    Ok(())
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
