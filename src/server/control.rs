//! What the process tells its cores, and what they tell it: a few atomics, looked at every tick.

use super::step::Step;
use crate::observe::Figures;
use crossbeam_utils::CachePadded;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

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
    /// The kernel's number of its thread, 0 before it serves.
    thread_id: AtomicU32,
    /// The step that it is at or was at last.
    step: AtomicU8,
    is_in_step: AtomicBool,
    /// Drained: no sockets, no commit under way.
    settled: AtomicBool,
    /// The core's figures as of its last tick.
    figures: Mutex<Figures>,
}

/// A core's signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// When it last ticked, milliseconds since the process started.
    pub beat_ms: u64,
    /// The kernel's number of its thread; `None` before it serves.
    pub thread_id: Option<u32>,
    pub step: At,
}

/// Where a core is: in a step, or behind it and before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    In(Step),
    After(Step),
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

    /// A core begins to serve on a thread.
    pub fn began(&self, core: u16, mono_ms: u64, thread_id: u32) {
        if let Some(state) = self.cores.get(usize::from(core)) {
            state.beat_ms.store(mono_ms, Ordering::Relaxed);
            state.thread_id.store(thread_id, Ordering::Release);
        }
    }

    /// Runs a step of a core, for everyone to see which.
    pub fn during<T>(&self, core: u16, step: Step, f: impl FnOnce() -> T) -> T {
        let Some(state) = self.cores.get(usize::from(core)) else {
            return f();
        };
        state.step.store(step as u8, Ordering::Relaxed);
        state.is_in_step.store(true, Ordering::Relaxed);
        let done = f();
        state.is_in_step.store(false, Ordering::Relaxed);
        done
    }

    /// A core reports that it lives, how it stands, and what it has counted.
    pub fn report(&self, core: u16, mono_ms: u64, settled: bool, figures: &Figures) {
        let Some(state) = self.cores.get(usize::from(core)) else {
            return;
        };
        state.beat_ms.store(mono_ms, Ordering::Relaxed);
        state.settled.store(settled, Ordering::Release);
        // Whoever reads the figures may have been put to sleep by the system in the middle of it;
        // a core does not wait for that. The next tick has newer ones.
        if let Ok(mut kept) = state.figures.try_lock() {
            kept.clone_from(figures);
        }
    }

    /// Whether every core is drained.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cores.iter().all(|core| core.settled.load(Ordering::Acquire))
    }

    /// Every core's signs of life.
    pub fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.cores.iter().map(|core| {
            let thread_id = core.thread_id.load(Ordering::Acquire);
            let step = Step::of_code(core.step.load(Ordering::Relaxed));
            let is_in_step = core.is_in_step.load(Ordering::Relaxed);
            Pulse {
                beat_ms: core.beat_ms.load(Ordering::Relaxed),
                thread_id: (thread_id != 0).then_some(thread_id),
                step: if is_in_step { At::In(step) } else { At::After(step) },
            }
        })
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
        assert!(control.pulses().map(|pulse| pulse.beat_ms).eq([5, 7]));
    }

    #[test]
    fn the_step_of_a_core_is_seen_while_it_lasts_and_after_it() {
        let control = Control::new(1, 0);
        let seen = || control.pulses().next().unwrap();
        assert_eq!(seen().thread_id, None);
        control.began(0, 3, 77);
        control.during(0, Step::Loaded, || assert_eq!(seen().step, At::In(Step::Loaded)));
        let after = Pulse { beat_ms: 3, thread_id: Some(77), step: At::After(Step::Loaded) };
        assert_eq!(seen(), after);
    }

    #[test]
    fn a_reader_of_figures_does_not_hold_up_a_core() {
        let control = Control::new(1, 0);
        let reading = control.cores[0].figures.lock().unwrap();
        control.report(0, 9, true, &Figures::default());
        drop(reading);
        assert!(control.is_settled());
    }
}
