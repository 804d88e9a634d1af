//! Tells the operator when a core does not tick, and whose doing that is: the machine's, which does
//! not run its thread, or the service's own, which computes or waits where it should not.

use crate::runtime::{Clock, ThreadTimes, Watched};
use crate::server::control::{Control, Pulse};

/// A core that has not ticked for so long is reported.
const STALLED_MS: u64 = 5_000;

/// Looks after the cores from the main thread.
pub(super) struct Watchdog {
    clock: Clock,
    cores: Vec<Observed>,
}

/// One core.
#[derive(Default)]
struct Observed {
    thread: Option<Watched>,
    beat_ms: u64,
    /// As of that beat, or a little later.
    times: ThreadTimes,
    is_stalled: bool,
}

/// Where the milliseconds of a stall went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    whole_ms: u64,
    ran_ms: u64,
    queued_ms: u64,
}

impl Silence {
    fn new(whole_ms: u64, times: ThreadTimes) -> Self {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { whole_ms, ran_ms: ms(times.ran), queued_ms: ms(times.queued) }
    }

    /// One that has not ended: what a thread that is ready has neither run nor waited yet by the
    /// kernel's count, it waits right now.
    fn under_way(whole_ms: u64, times: ThreadTimes, is_ready: bool) -> Self {
        let known = Self::new(whole_ms, times);
        let waits_ms = if is_ready { known.slept_ms() } else { 0 };
        Self { queued_ms: known.queued_ms + waits_ms, ..known }
    }

    fn slept_ms(self) -> u64 {
        self.whole_ms.saturating_sub(self.ran_ms).saturating_sub(self.queued_ms)
    }

    /// Whose doing most of it is.
    fn cause(self) -> &'static str {
        if self.queued_ms >= self.ran_ms.max(self.slept_ms()) {
            "the machine has no CPU for it"
        } else if self.ran_ms >= self.slept_ms() {
            "it computes"
        } else {
            "it waits"
        }
    }
}

impl Watchdog {
    pub(super) fn new(clock: Clock, cores: usize) -> Self {
        Self { clock, cores: (0..cores).map(|_| Observed::default()).collect() }
    }

    /// Looks at every core; to be called often.
    pub(super) fn look(&mut self, control: &Control) {
        let now_ms = self.clock.mono_ms();
        for ((core, pulse), observed) in control.pulses().enumerate().zip(&mut self.cores) {
            observed.look(core, now_ms, pulse);
        }
    }
}

impl Observed {
    fn look(&mut self, core: usize, now_ms: u64, pulse: Pulse) {
        let Some(thread_id) = pulse.thread_id else {
            return;
        };
        let is_silent = pulse.beat_ms == self.beat_ms;
        let silent_ms = now_ms.saturating_sub(self.beat_ms);
        if is_silent && (silent_ms <= STALLED_MS || self.is_stalled) {
            return;
        }
        let thread = self.thread.get_or_insert_with(|| Watched::new(thread_id));
        let times = thread.times().unwrap_or_default();
        let spent = times.since(self.times);
        if is_silent {
            self.is_stalled = true;
            let silence = Silence::under_way(silent_ms, spent, thread.is_ready());
            let (cause, call) = (silence.cause(), thread.waits_in());
            let (ran_ms, queued_ms) = (silence.ran_ms, silence.queued_ms);
            tracing::error!(core, cause, silent_ms, ran_ms, queued_ms, step = ?pulse.step,
                system_call = call, "a core is stalled");
            return;
        }
        if std::mem::take(&mut self.is_stalled) {
            let silent_ms = pulse.beat_ms.saturating_sub(self.beat_ms);
            let silence = Silence::new(silent_ms, spent);
            let (cause, ran_ms, queued_ms) = (silence.cause(), silence.ran_ms, silence.queued_ms);
            tracing::warn!(
                core,
                cause,
                silent_ms,
                ran_ms,
                queued_ms,
                "a core that was stalled goes on"
            );
        }
        (self.beat_ms, self.times) = (pulse.beat_ms, times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Figures;
    use crate::runtime::thread_id;
    use std::time::Duration;

    #[test]
    fn a_busy_machine_is_told_apart_from_our_own_doing() {
        let cause = |ran_ms, queued_ms| {
            let (ran, queued) = (Duration::from_millis(ran_ms), Duration::from_millis(queued_ms));
            Silence::new(9_000, ThreadTimes { ran, queued }).cause()
        };
        assert_eq!(cause(700, 8_000), "the machine has no CPU for it");
        assert_eq!(cause(8_000, 900), "it computes");
        assert_eq!(cause(5, 20), "it waits");
        // The kernel has not counted yet what a thread still waits for.
        let none = ThreadTimes::default();
        assert_eq!(Silence::under_way(9, none, true).cause(), "the machine has no CPU for it");
        assert_eq!(Silence::under_way(9, none, false).cause(), "it waits");
        // Figures that the kernel rounds may add up to more than the whole.
        assert_eq!(Silence::new(10, ThreadTimes::default()).slept_ms(), 10);
        let over = ThreadTimes { ran: Duration::from_millis(11), queued: Duration::ZERO };
        assert_eq!(Silence::new(10, over).slept_ms(), 0);
    }

    /// A core that took its time to open its data was reported as stalled since the start of the
    /// process.
    #[test]
    fn a_slow_start_is_no_stall_but_silence_after_it_is() {
        let control = Control::new(1, 0);
        let mut observed = Observed::default();
        let pulse = || control.pulses().next().unwrap();
        observed.look(0, 18_000, pulse());
        assert!(!observed.is_stalled, "it does not serve yet");
        control.began(0, 19_000, thread_id());
        observed.look(0, 19_050, pulse());
        observed.look(0, 19_000 + STALLED_MS, pulse());
        assert!(!observed.is_stalled, "it has just begun to serve");
        observed.look(0, 19_001 + STALLED_MS, pulse());
        assert!(observed.is_stalled);
        control.report(0, 30_000, false, &Figures::default());
        observed.look(0, 30_010, pulse());
        assert!(!observed.is_stalled);
    }
}
