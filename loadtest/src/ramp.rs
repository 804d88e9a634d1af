//! The highest rate that a service sustains under a latency bound.

use crate::report::Report;
use crate::run::{Run, RunError, Service};
use crate::scenario::{Kind, Scenario};
use std::time::Duration;

/// Share of the wanted rate that must be reached for it to count.
const REACHED: f64 = 0.95;
/// The search ends when the bounds are this close.
const PRECISION: f64 = 1.05;
/// Most measurements of one search.
const STEPS: usize = 24;
/// Most measurements of one rate on a machine that has other work.
const TRIES: u32 = 3;

/// What a search has found so far.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Search {
    /// Highest rate that passed.
    passed: Option<f64>,
    /// Lowest rate that failed.
    failed: Option<f64>,
    start: f64,
}

impl Search {
    fn new(start: f64) -> Self {
        Self { passed: None, failed: None, start }
    }

    /// The rate to try next, or `None` when the answer is close enough.
    fn next(&self) -> Option<f64> {
        match (self.passed, self.failed) {
            (None, None) => Some(self.start),
            (Some(passed), None) => Some(passed * 2.0),
            (None, Some(failed)) => (failed >= 2.0).then_some(failed / 2.0),
            // Rates spread over magnitudes: the middle is the geometric one.
            (Some(passed), Some(failed)) => {
                (failed / passed > PRECISION).then(|| (passed * failed).sqrt())
            }
        }
    }

    fn took(&mut self, rate: f64, passes: bool) {
        if passes {
            self.passed = Some(rate);
        } else {
            self.failed = Some(rate);
        }
    }
}

/// Searches by doubling, then by bisection, on connected clients. Answers the report of the
/// highest rate that passed, or of the last one if none did or something went wrong.
///
/// # Errors
/// The scenario has no rate, or a measurement could not be carried out.
pub fn ramp(
    scenario: &Scenario,
    service: &Service,
    start_per_s: f64,
    step: Duration,
    mut each: impl FnMut(&Report, bool),
) -> Result<Report, RunError> {
    if !matches!(scenario.kind, Kind::Ops | Kind::Signals) {
        return Err(RunError::NotARate);
    }
    let mut search = Search::new(start_per_s);
    let mut run = Run::start(scenario, service)?;
    let mut best: Option<Report> = None;
    let mut last: Option<Report> = None;
    for _ in 0..STEPS {
        let Some(rate) = search.next() else { break };
        let (report, passed) = try_rate(scenario, &mut run, rate, step, &mut each)?;
        search.took(rate, passed);
        if passed {
            best = Some(report.clone());
        }
        last = Some(report);
        if run.has_faults() {
            break;
        }
    }
    let report = if run.has_faults() { last } else { best.or(last) };
    let report = report.ok_or(RunError::NotARate)?;
    run.finish(report)
}

/// Measures one rate, again if it failed while other work took the processors.
fn try_rate(
    scenario: &Scenario,
    run: &mut Run<'_>,
    rate: f64,
    step: Duration,
    each: &mut impl FnMut(&Report, bool),
) -> Result<(Report, bool), RunError> {
    let bound_us = u64::from(scenario.p99_bound_ms) * 1_000;
    let mut tries_left = TRIES;
    loop {
        tries_left -= 1;
        let report = run.measure(Some(rate), step, true)?;
        let in_bound = report.p99_us().is_some_and(|p99_us| p99_us < bound_us);
        let reached = report.rate_per_s >= rate * REACHED && !report.fell_behind;
        let passed = in_bound && reached && report.faults.is_empty();
        each(&report, passed);
        let is_final = passed || !report.is_disturbed() || run.has_faults();
        if is_final || tries_left == 0 {
            return Ok((report, passed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(start: f64, limit: f64) -> (f64, usize) {
        let mut search = Search::new(start);
        let mut steps = 0;
        while let Some(rate) = search.next() {
            search.took(rate, rate <= limit);
            steps += 1;
        }
        (search.passed.unwrap_or(0.0), steps)
    }

    #[test]
    fn the_search_closes_in_from_both_sides() {
        for start in [10.0, 1_000.0, 100_000.0] {
            let (found, steps) = search(start, 1_234.0);
            assert!((1_234.0 / PRECISION..=1_234.0).contains(&found), "{found}");
            assert!(steps <= STEPS, "{steps}");
        }
        assert_eq!(search(50.0, 0.0).0, 0.0);
    }
}
