//! The data directory: its manifest, and the lock against a second process.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::config::{OpenError, StoreConfig};

/// The newest disk format that this version reads, and the one it writes.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Version of everything in the directory.
    format: u32,
    partitions: u16,
    /// 32 hexadecimal digits, random.
    identity: String,
}

/// Only the format: a newer manifest may lack the rest.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// An open data directory. The lock is held until the last clone of the `Arc` around this is gone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    partitions: u16,
    identity: u128,
    _lock: File,
}

impl DataDir {
    /// Opens or makes the directory. Blocks: call it before serving.
    pub fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        let path = config.dir.clone();
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        let lock = lock(&path)?;
        let at = path.join("manifest.toml");
        let manifest = match fs::read_to_string(&at) {
            Ok(text) => parse(&at, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(&path, &at, config.partitions.max(1))?
            }
            Err(source) => {
                return Err(OpenError::Io { action: "read", path: at, source });
            }
        };
        let identity = u128::from_str_radix(&manifest.identity, 16)
            .map_err(|_| OpenError::Manifest(at.clone()))?;
        if manifest.partitions == 0 {
            return Err(OpenError::Manifest(at));
        }
        Ok(Self { path, partitions: manifest.partitions, identity, _lock: lock })
    }

    /// Number of partitions, fixed when the directory was made.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Random name of the directory.
    #[must_use]
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// Where people and tenants are kept.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.path.join("directory")
    }

    pub(crate) fn partition(&self, partition: u16) -> PathBuf {
        self.path.join(format!("p{partition:04}"))
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.into())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { action: "lock", path, source }),
    }
}

fn parse(path: &Path, text: &str) -> Result<Manifest, OpenError> {
    let malformed = |_| OpenError::Manifest(path.into());
    let FormatOnly { format } = toml::from_str(text).map_err(malformed)?;
    if format > FORMAT {
        return Err(OpenError::NewerFormat { path: path.into(), found: format, supported: FORMAT });
    }
    toml::from_str(text).map_err(malformed)
}

/// Writes a new manifest beside its place and renames it, so that it is there whole or not at all.
fn create(dir: &Path, path: &Path, partitions: u16) -> Result<Manifest, OpenError> {
    let mut random = [0; 16];
    let source = Path::new("/dev/urandom");
    let read = File::open(source).and_then(|mut file| file.read_exact(&mut random));
    read.map_err(io_error("read", source))?;
    let identity = format!("{:032x}", u128::from_le_bytes(random));
    let manifest = Manifest { format: FORMAT, partitions, identity };
    let text = toml::to_string(&manifest).map_err(|_| OpenError::Manifest(path.into()))?;
    let draft = dir.join("manifest.new");
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(dir)?.sync_all()?;
        // The directory may be new itself. Its parent may be closed to us, but then it is not.
        match fs::canonicalize(dir)?.parent().map(File::open) {
            Some(Ok(parent)) => parent.sync_all(),
            Some(Err(_)) | None => Ok(()),
        }
    };
    write().map_err(io_error("write", path))?;
    Ok(manifest)
}

pub(crate) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_path_buf();
    move |source| OpenError::Io { action, path, source }
}
