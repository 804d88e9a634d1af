//! What the process tells its cores, and what they tell it: a few atomics, looked at every tick.

use crate::observe::Figures;
use crossbeam_utils::CachePadded;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// How far the process has come with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serve,
    /// No new sockets; those there are say goodbye.
    Drain,
    /// Close the store and return.
    Stop,
}

/// One core as the process sees it.
#[derive(Default)]
pub struct CoreState {
    /// When the core last ticked, milliseconds since the process started.
    beat_ms: AtomicU64,
    /// Drained: no sockets, no commit under way.
    settled: AtomicBool,
    /// The core's figures as of its last tick.
    figures: Mutex<Figures>,
}

/// Shared by the process's main thread and all cores.
pub struct Control {
    phase: AtomicU8,
    drain_spread_ms: u64,
    cores: Vec<CachePadded<CoreState>>,
}

impl Control {
    #[must_use]
    pub fn new(cores: u16, drain_spread_ms: u64) -> Self {
        let cores = (0..cores).map(|_| CachePadded::new(CoreState::default())).collect();
        Self { phase: AtomicU8::new(0), drain_spread_ms, cores }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serve,
            1 => Phase::Drain,
            _ => Phase::Stop,
        }
    }

    /// Goes on to a later phase; cores follow within a tick.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    #[must_use]
    pub fn drain_spread_ms(&self) -> u64 {
        self.drain_spread_ms
    }

    /// A core reports that it lives, how it stands, and what it has counted.
    pub fn report(&self, core: u16, mono_ms: u64, settled: bool, figures: &Figures) {
        let Some(state) = self.cores.get(usize::from(core)) else {
            return;
        };
        state.beat_ms.store(mono_ms, Ordering::Relaxed);
        state.settled.store(settled, Ordering::Release);
        if let Ok(mut kept) = state.figures.lock() {
            kept.clone_from(figures);
        }
    }

    /// Whether every core is drained.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cores.iter().all(|core| core.settled.load(Ordering::Acquire))
    }

    /// When each core last ticked, milliseconds since the process started.
    pub fn beats(&self) -> impl Iterator<Item = u64> {
        self.cores.iter().map(|core| core.beat_ms.load(Ordering::Relaxed))
    }

    /// Every core's figures, at most a tick old.
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        let kept = self.cores.iter().filter_map(|core| core.figures.lock().ok());
        kept.map(|figures| figures.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_forward() {
        let control = Control::new(2, 0);
        control.advance(Phase::Stop);
        control.advance(Phase::Drain);
        assert_eq!(control.phase(), Phase::Stop);
    }

    #[test]
    fn the_process_is_settled_when_every_core_is() {
        let control = Control::new(2, 0);
        control.report(0, 5, true, &Figures::default());
        assert!(!control.is_settled());
        control.report(1, 7, true, &Figures::default());
        assert!(control.is_settled());
        assert!(control.beats().eq([5, 7]));
    }
}
