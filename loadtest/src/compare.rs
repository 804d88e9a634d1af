//! The same scenario against several services, interleaved, so that the machine's moods hit all.

use crate::ramp;
use crate::report::Report;
use crate::run::{self, RunError, Service};
use crate::scenario::Scenario;
use std::fmt;
use std::time::Duration;

/// Headlines of one service.
#[derive(Clone, Debug)]
pub struct Row {
    pub service: String,
    /// One for each repetition.
    pub figures: Vec<f64>,
    pub unit: &'static str,
    pub faults: usize,
}

impl Row {
    /// The middle of the figures.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }
}

/// The outcome of a comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub scenario: String,
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Whether every run of every service was without fault.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(|row| row.faults == 0)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<18} {:<14} {:>14} {:>10}  runs",
            self.scenario, "", "median", "ratio"
        )?;
        let first = self.rows.first().map_or(0.0, Row::median);
        for row in &self.rows {
            let median = row.median();
            let ratio = if first == 0.0 {
                f64::NAN
            } else {
                median / first
            };
            let figures: Vec<_> = row
                .figures
                .iter()
                .map(|figure| format!("{figure:.1}"))
                .collect();
            write!(
                out,
                "{:<18} {:<14} {median:>14.1} {ratio:>10.3}  ",
                row.unit, row.service
            )?;
            writeln!(out, "{} ({} faults)", figures.join(" "), row.faults)?;
        }
        Ok(())
    }
}

/// Runs the scenario `repeats` times against every service in turn. Ratios are to the first one.
///
/// # Errors
/// A run could not be carried out.
pub fn compare(
    scenario: &Scenario,
    services: &[Service],
    repeats: u32,
    step: Duration,
    mut each: impl FnMut(&Report),
) -> Result<Comparison, RunError> {
    let mut rows: Vec<Row> = services
        .iter()
        .map(|service| Row {
            service: service.name.clone(),
            figures: Vec::new(),
            unit: "",
            faults: 0,
        })
        .collect();
    for _ in 0..repeats {
        for (service, row) in services.iter().zip(&mut rows) {
            let report = if scenario.compare_by_ramp {
                // Later repetitions start near the last answer: half of it is always tried first.
                let known = row.figures.last().filter(|figure| **figure > 4.0);
                let start = known.map_or(scenario.ramp_start_per_s, |figure| figure / 2.0);
                ramp::ramp(scenario, service, start, step, |_, _| {})?
            } else {
                run::run(scenario, service)?
            };
            each(&report);
            let (figure, unit) = report.headline();
            row.figures.push(figure);
            row.unit = unit;
            row.faults += report.faults.len();
        }
    }
    Ok(Comparison {
        scenario: scenario.name.clone(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(service: &str, figures: &[f64]) -> Row {
        Row {
            service: service.to_owned(),
            figures: figures.to_vec(),
            unit: "ops/s",
            faults: 0,
        }
    }

    #[test]
    fn medians_are_the_middle() {
        assert!((row("a", &[3.0, 1.0, 2.0]).median() - 2.0).abs() < 1e-9);
        assert!((row("a", &[4.0, 1.0, 2.0, 3.0]).median() - 2.5).abs() < 1e-9);
        assert!(row("a", &[]).median().abs() < 1e-9);
    }

    #[test]
    fn the_table_has_the_ratio_to_the_first() {
        let rows = vec![row("slow", &[10.0]), row("fast", &[300.0])];
        let table = Comparison {
            scenario: "x".to_owned(),
            rows,
        }
        .to_string();
        assert!(table.contains("30.000"), "{table}");
    }
}
