//! Slowing down whoever guesses passwords: per account and per address, in bounded memory.

use std::collections::HashMap;

/// Failures that cost an account nothing: people mistype.
pub(super) const FREE_OF_ACCOUNT: u32 = 5;
/// Many people may share an address, and none of their logins clears its failures: whoever has an
/// account could otherwise guess at everybody else's for ever.
pub(super) const FREE_OF_ADDRESS: u32 = 50;
const WAIT_MAX_S: u64 = 900;
/// A quiet time after which failures are forgotten.
const FORGET_MS: u64 = 3_600_000;
/// Accounts or addresses remembered; the longest quiet ones are forgotten first.
const REMEMBERED_MAX: usize = 10_000;

/// Failures by key.
#[derive(Debug)]
pub(super) struct Backoff {
    free: u32,
    failures: HashMap<String, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Failures {
    /// Doubles with every failure beyond the free ones.
    fn wait_ms(self, free: u32) -> u64 {
        match self.count.checked_sub(free) {
            None | Some(0) => 0,
            Some(more) => (1_u64 << more.min(20)).min(WAIT_MAX_S) * 1000,
        }
    }
}

impl Backoff {
    /// With so many failures that cost nothing.
    pub(super) fn new(free: u32) -> Self {
        Self { free, failures: HashMap::new() }
    }

    /// Seconds until this key may try again; 0 when it may now.
    pub(super) fn wait_s(&self, key: &str, now_ms: u64) -> u32 {
        let Some(failures) = self.failures.get(key) else { return 0 };
        let open_ms = failures.last_ms + failures.wait_ms(self.free);
        u32::try_from(open_ms.saturating_sub(now_ms).div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(super) fn failed(&mut self, key: &str, now_ms: u64) {
        if self.failures.len() >= REMEMBERED_MAX && !self.failures.contains_key(key) {
            self.forget(now_ms);
        }
        let entry = self.failures.entry(key.to_owned());
        let failures = entry.or_insert(Failures { count: 0, last_ms: now_ms });
        if now_ms.saturating_sub(failures.last_ms) > FORGET_MS {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last_ms = now_ms;
    }

    pub(super) fn succeeded(&mut self, key: &str) {
        self.failures.remove(key);
    }

    fn forget(&mut self, now_ms: u64) {
        self.failures.retain(|_, failures| now_ms.saturating_sub(failures.last_ms) <= FORGET_MS);
        if self.failures.len() >= REMEMBERED_MAX {
            let mut times: Vec<u64> = self.failures.values().map(|f| f.last_ms).collect();
            let middle = times.len() / 2;
            let (_, cut, _) = times.select_nth_unstable(middle);
            let cut = *cut;
            self.failures.retain(|_, failures| failures.last_ms > cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_beyond_the_free_ones_cost_ever_more_time() {
        let mut backoff = Backoff::new(FREE_OF_ACCOUNT);
        let mut waits = Vec::new();
        for _ in 0..20 {
            backoff.failed("a", 1000);
            waits.push(backoff.wait_s("a", 1000));
        }
        assert_eq!(waits[..8], [0, 0, 0, 0, 0, 2, 4, 8]);
        assert_eq!(waits[19], 900);
        assert_eq!(backoff.wait_s("a", 1000 + 900_000), 0);
        assert_eq!(backoff.wait_s("b", 1000), 0);
        backoff.succeeded("a");
        assert_eq!(backoff.wait_s("a", 1000), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut backoff = Backoff::new(FREE_OF_ACCOUNT);
        for key in 0..50_000_u64 {
            backoff.failed(&key.to_string(), key);
        }
        assert!(backoff.failures.len() <= REMEMBERED_MAX);
        assert!(backoff.failures.contains_key("49999"));
    }
}
