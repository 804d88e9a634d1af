//! The names of things. Newtypes, so that two integers cannot be swapped.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Position of an operation in its document's total order; the first is 1, 0 is "none yet".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One core's shard, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

/// One partition of the data; their number is fixed when the data directory is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionId(pub u16);

/// One commit group of one partition, counted from 1 since the shard started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BatchId(pub u64);

/// A connection of one shard: a slot and the generation that tells its successive users apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    pub slot: u32,
    pub generation: u32,
}

/// Tenant and document: the full name of a document. Cheap to clone, may cross cores.
#[derive(Clone)]
pub struct DocKey(Arc<DocName>);

struct DocName {
    hash: u64,
    tenant: Box<str>,
    document: Box<str>,
}

impl DocKey {
    /// Names a document; the hash is computed once, here.
    #[must_use]
    pub fn new(tenant: &str, document: &str) -> Self {
        let hash = crate::placement::document_hash(tenant, document);
        Self(Arc::new(DocName { hash, tenant: tenant.into(), document: document.into() }))
    }

    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    #[must_use]
    pub fn document(&self) -> &str {
        &self.0.document
    }

    /// The stable hash that places the document (part of the disk format).
    #[must_use]
    pub fn hash64(&self) -> u64 {
        self.0.hash
    }
}

impl PartialEq for DocKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash
                && self.0.tenant == other.0.tenant
                && self.0.document == other.0.document)
    }
}

impl Eq for DocKey {}

impl Hash for DocKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for DocKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DocKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tenant(), self.document()).cmp(&(other.tenant(), other.document()))
    }
}

impl fmt::Debug for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant(), self.document())
    }
}

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant(), self.document())
    }
}

/// The id of one client connection to one document: a UUID in text form, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; 36]);

impl ClientId {
    /// A version 4 UUID from 128 random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bits = (bits & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
        let mut text = [b'-'; 36];
        let mut nibble = 32;
        for (at, slot) in text.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                nibble -= 1;
                *slot = HEX[((bits >> (nibble * 4)) & 0xf) as usize];
            }
        }
        Self(text)
    }

    /// Reads an id that this service gave out before.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The time of one event: a monotonic clock for deadlines, the wall clock for stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Milliseconds since an arbitrary start; never runs backwards.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch; may jump.
    pub unix_ms: u64,
}

impl Now {
    /// Seconds since the Unix epoch, for token expiry.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_version_4_uuids() {
        let id = ClientId::from_bits(u128::MAX);
        assert_eq!(id.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let id = ClientId::from_bits(0);
        assert_eq!(id.as_str(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(ClientId::parse(id.as_str()), Some(id));
        assert_eq!(ClientId::parse("short"), None);
    }

    #[test]
    fn equal_names_are_equal_keys() {
        assert_eq!(DocKey::new("t", "d"), DocKey::new("t", "d"));
        assert_ne!(DocKey::new("t", "d"), DocKey::new("td", ""));
        assert_ne!(DocKey::new("ab", "c").hash64(), DocKey::new("a", "bc").hash64());
    }
}
