//! Document → partition → core. The only place that knows; a later cluster maps nodes in front.

use crate::ids::{DocKey, PartitionId, ShardId};
use xxhash_rust::xxh3::Xxh3;

/// Stable hash of a document's full name. Part of the disk format: never change it.
#[must_use]
pub fn document_hash(tenant: &str, document: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&(tenant.len() as u64).to_le_bytes());
    hash.update(tenant.as_bytes());
    hash.update(document.as_bytes());
    hash.digest()
}

/// How many partitions the data has and how many cores serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    partitions: u16,
    shards: u16,
}

impl Placement {
    /// Both counts are at least 1; more cores than partitions leave some cores without documents.
    #[must_use]
    pub fn new(partitions: u16, shards: u16) -> Self {
        Self { partitions: partitions.max(1), shards: shards.max(1) }
    }

    #[must_use]
    pub fn shards(self) -> u16 {
        self.shards
    }

    #[must_use]
    pub fn partition(self, doc: &DocKey) -> PartitionId {
        // Multiply-shift keeps all 64 bits of the hash in play, for any partition count.
        let wide = u128::from(doc.hash64()) * u128::from(self.partitions);
        PartitionId((wide >> 64) as u16)
    }

    #[must_use]
    pub fn shard_of(self, partition: PartitionId) -> ShardId {
        ShardId(partition.0 % self.shards)
    }

    #[must_use]
    pub fn shard(self, doc: &DocKey) -> ShardId {
        self.shard_of(self.partition(doc))
    }

    /// The partitions that one core serves.
    pub fn owned_by(self, shard: ShardId) -> impl Iterator<Item = PartitionId> {
        (0..self.partitions).map(PartitionId).filter(move |p| self.shard_of(*p) == shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_exactly_one_core() {
        let placement = Placement::new(8, 3);
        let mut seen: Vec<u16> = (0..3)
            .flat_map(|s| placement.owned_by(ShardId(s)).map(|p| p.0).collect::<Vec<_>>())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn the_hash_is_part_of_the_disk_format() {
        assert_eq!(document_hash("fluid", "d1"), document_hash("fluid", "d1"));
        let placement = Placement::new(8, 2);
        let mut used = [0_u32; 8];
        for n in 0..800 {
            used[usize::from(placement.partition(&DocKey::new("t", &n.to_string())).0)] += 1;
        }
        assert!(used.iter().all(|&n| n > 50), "{used:?}");
    }
}
