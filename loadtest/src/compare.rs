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
    fn new(service: &str) -> Self {
        Self { service: service.to_owned(), figures: Vec::new(), unit: "", faults: 0 }
    }

    fn add(&mut self, report: &Report) {
        let (figure, unit) = report.headline();
        self.figures.push(figure);
        self.unit = unit;
        self.faults += report.faults.len();
    }

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
        writeln!(out, "{:<18} {:<14} {:>14} {:>10}  runs", self.scenario, "", "median", "ratio")?;
        let first = self.rows.first().map_or(0.0, Row::median);
        for row in &self.rows {
            let median = row.median();
            let ratio = if first == 0.0 { f64::NAN } else { median / first };
            let figures: Vec<_> = row.figures.iter().map(|figure| format!("{figure:.1}")).collect();
            write!(out, "{:<18} {:<14} {median:>14.1} {ratio:>10.3}  ", row.unit, row.service)?;
            writeln!(out, "{} ({} faults)", figures.join(" "), row.faults)?;
        }
        Ok(())
    }
}

/// Groups reports by scenario and service, both in the order of their first report.
#[must_use]
pub fn group(reports: &[Report]) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = Vec::new();
    for report in reports {
        let known = comparisons.iter().position(|known| known.scenario == report.scenario);
        let place = known.unwrap_or_else(|| {
            let scenario = report.scenario.clone();
            comparisons.push(Comparison { scenario, rows: Vec::new() });
            comparisons.len() - 1
        });
        let rows = &mut comparisons[place].rows;
        let known = rows.iter().position(|row| row.service == report.service);
        let place = known.unwrap_or_else(|| {
            rows.push(Row::new(&report.service));
            rows.len() - 1
        });
        rows[place].add(report);
    }
    comparisons
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
    let mut rows: Vec<_> = services.iter().map(|service| Row::new(&service.name)).collect();
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
            row.add(&report);
        }
    }
    Ok(Comparison { scenario: scenario.name.clone(), rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(service: &str, figures: &[f64]) -> Row {
        Row { service: service.to_owned(), figures: figures.to_vec(), unit: "ops/s", faults: 0 }
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
        let table = Comparison { scenario: "x".to_owned(), rows }.to_string();
        assert!(table.contains("30.000"), "{table}");
    }
}
