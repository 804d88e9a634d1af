//! Rows by key, and the writes that make a change durable.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DirectoryFault;

/// One change of the stored directory: a row to put, or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// `<table>/<key>`
    pub key: String,
    /// JSON; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

/// Rows of one kind, in memory; what changes is also written down.
#[derive(Debug)]
pub(super) struct Table<T> {
    name: &'static str,
    rows: BTreeMap<String, T>,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, rows: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.rows.get(key)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &T)> {
        self.rows.iter().map(|(key, row)| (key.as_str(), row))
    }

    /// Rows whose key begins so, in order.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
        let from = self.rows.range::<str, _>((Included(prefix), Unbounded));
        from.map(|(key, row)| (key.as_str(), row))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn put(&mut self, writes: &mut Vec<Write>, key: &str, row: T) {
        // Structs of texts and numbers always have a JSON form.
        let value = serde_json::to_vec(&row).unwrap_or_default();
        writes.push(Write { key: self.path(key), value: Some(value) });
        self.rows.insert(key.to_owned(), row);
    }

    pub(super) fn remove(&mut self, writes: &mut Vec<Write>, key: &str) -> Option<T> {
        let row = self.rows.remove(key)?;
        writes.push(Write { key: self.path(key), value: None });
        Some(row)
    }

    /// Takes in a stored row if it belongs here; its key.
    pub(super) fn load(
        &mut self,
        path: &str,
        value: &[u8],
    ) -> Result<Option<String>, DirectoryFault> {
        let Some((_, key)) = path.split_once('/').filter(|(table, _)| *table == self.name) else {
            return Ok(None);
        };
        let row = serde_json::from_slice(value).map_err(|_| DirectoryFault::Damaged)?;
        self.rows.insert(key.to_owned(), row);
        Ok(Some(key.to_owned()))
    }

    fn path(&self, key: &str) -> String {
        [self.name, "/", key].concat()
    }
}
