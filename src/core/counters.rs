//! What one core counts. Plain integers: the shell reads them between turns.

/// Everything that has happened on one core since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub connections_opened: u64,
    pub connections_closed: u64,
    pub connects_accepted: u64,
    pub connects_refused: u64,
    pub ops_sequenced: u64,
    pub ops_published: u64,
    pub op_deliveries: u64,
    pub duplicates_dropped: u64,
    pub noops_absorbed: u64,
    pub nacks: u64,
    pub signals_received: u64,
    pub signal_deliveries: u64,
    pub groups_committed: u64,
    pub groups_failed: u64,
    pub documents_loaded: u64,
    pub documents_evicted: u64,
    pub documents_failed: u64,
    pub summaries_acked: u64,
    pub summaries_nacked: u64,
    pub handoffs: u64,
    pub peer_faults: u64,
    pub slow_readers_closed: u64,
    pub throttled: u64,
    pub requests: u64,
}
