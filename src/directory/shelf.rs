//! Where the directory's rows are kept: on fjall beside the documents, or in memory.

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use levee_core::directory::Write;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

const CACHE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
const MEMTABLE_BYTES: u64 = 4 << 20;

/// The rows could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error("the directory of people and tenants: {0}")]
    Fjall(#[from] fjall::Error),
    #[error("the directory of people and tenants has a key that is no text")]
    Key,
    /// This row cannot be read.
    #[error("the directory of people and tenants is damaged at {0}")]
    Damaged(String),
}

/// Rows by key. Blocks; used on the directory's thread only.
pub enum Shelf {
    /// Gone when the process ends.
    Memory(BTreeMap<String, Vec<u8>>),
    /// Every write is synced before it returns.
    Fjall { database: Database, rows: Keyspace },
}

impl Shelf {
    /// In memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(BTreeMap::new())
    }

    /// Opens or makes the files below `path`.
    ///
    /// # Errors
    /// The files cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ShelfError> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let rows = database.keyspace("rows", options)?;
        Ok(Self::Fjall { database, rows })
    }

    /// Writes all or nothing, synced.
    ///
    /// # Errors
    /// The disk did not take it; whether it is there after a restart is not known.
    pub fn write(&mut self, writes: Vec<Write>) -> Result<(), ShelfError> {
        match self {
            Self::Memory(rows) => {
                for Write { key, value } in writes {
                    match value {
                        Some(value) => rows.insert(key, value),
                        None => rows.remove(&key),
                    };
                }
            }
            Self::Fjall { database, rows } => {
                let mut batch = database.batch();
                for Write { key, value } in writes {
                    match value {
                        Some(value) => batch.insert(rows, key, value),
                        None => batch.remove(rows, key),
                    }
                }
                batch.durability(Some(PersistMode::SyncAll)).commit()?;
            }
        }
        Ok(())
    }

    /// Calls `each` with every row whose key is within the bounds, backwards if `newest_first`,
    /// until it returns false.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn scan(
        &self,
        bounds: (Bound<&str>, Bound<&str>),
        newest_first: bool,
        mut each: impl FnMut(&str, &[u8]) -> bool,
    ) -> Result<(), ShelfError> {
        match self {
            Self::Memory(rows) => {
                let range = rows.range::<str, _>(bounds);
                let mut see = |(key, value): (&String, &Vec<u8>)| each(key, value);
                if newest_first {
                    range.rev().all(&mut see);
                } else {
                    let mut range = range;
                    range.all(&mut see);
                }
            }
            Self::Fjall { rows, .. } => {
                let mut range = rows.range::<&str, _>(bounds);
                while let Some(row) = if newest_first { range.next_back() } else { range.next() } {
                    let (key, value) = row.into_inner()?;
                    let key = std::str::from_utf8(&key).map_err(|_| ShelfError::Key)?;
                    if !each(key, &value) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
