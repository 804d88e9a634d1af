//! The open loop's schedule: when each op is meant to be sent, whatever the service does.

/// A fixed rate from a fixed start. Latency is measured from the time an op was due, so a service
/// that stalls is charged for every op that it held up (no coordinated omission).
#[derive(Clone, Debug)]
pub struct Pacer {
    start_ns: u64,
    rate_per_s: f64,
    issued: u64,
}

impl Pacer {
    /// A schedule whose first op is due at `start_ns`. The rate must be positive.
    #[must_use]
    pub fn new(start_ns: u64, rate_per_s: f64) -> Self {
        Self { start_ns, rate_per_s, issued: 0 }
    }

    /// When the next op is due. Computed from the count, so no rounding adds up.
    #[must_use]
    pub fn next_due_ns(&self) -> u64 {
        self.start_ns + (self.issued as f64 * 1e9 / self.rate_per_s) as u64
    }

    /// Takes the next op if it is due: its number and the time it was due.
    pub fn take(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        let due_ns = self.next_due_ns();
        if due_ns > now_ns {
            return None;
        }
        let number = self.issued;
        self.issued += 1;
        Some((number, due_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_are_due_at_the_rate_without_drift() {
        let mut pacer = Pacer::new(1_000, 3.0);
        let last = (0..=3_000).map(|_| pacer.take(u64::MAX).unwrap()).last().unwrap();
        assert_eq!(last, (3_000, 1_000 + 1_000_000_000_000));
    }

    #[test]
    fn nothing_is_due_early() {
        let mut pacer = Pacer::new(500, 1_000.0);
        assert_eq!(pacer.take(499), None);
        assert_eq!(pacer.take(500), Some((0, 500)));
        assert_eq!(pacer.take(1_000_499), None);
        assert_eq!(pacer.take(1_000_500), Some((1, 1_000_500)));
    }

    #[test]
    fn a_stall_does_not_move_the_times_ops_were_due() {
        let mut pacer = Pacer::new(0, 1_000.0);
        assert_eq!(pacer.take(0), Some((0, 0)));
        let stalled_until_ns = 5_000_000;
        let late: Vec<_> = std::iter::from_fn(|| pacer.take(stalled_until_ns)).collect();
        let due: Vec<_> = (1..=5).map(|n| (n, n * 1_000_000)).collect();
        assert_eq!(late, due);
    }
}
