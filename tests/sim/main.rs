//! Deterministic simulation: whole shards under a virtual clock, with clients of all dialects, a
//! network that cuts and loses, disks that fail, crashes and drains. See `docs/TESTING.md`.
//!
//! `cargo test --test sim` runs a few hundred seeds; `make sim SEEDS=10000` as many as you like;
//! `SIM_SEED=n cargo test --test sim replay` runs one again.

#![allow(unreachable_pub, clippy::unwrap_used)] // one binary, many files

mod checker;
mod clients;
mod disk;
mod invariant;
mod log;
mod network;
mod plant;
mod quorum;
mod random;
mod receivers;
mod shell;
mod speech;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use world::{Outcome, World};

/// Seeds of a plain test run.
const SEEDS: u64 = 300;
/// A planted bug shows within so many.
const PLANT_SEEDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.trim().parse().ok()
}

fn run(seed: u64) -> Result<Outcome, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(seed, None).run()));
    let outcome = outcome.map_err(|_| format!("seed {seed} panicked"))?;
    match &outcome.violation {
        None => Ok(outcome),
        Some(violation) => Err(format!("seed {seed}: {violation:?}")),
    }
}

/// Each world has one thread, each core has worlds of its own. In the order of the items.
fn on_every_core<I: Copy + Send, T: Send>(
    items: impl Iterator<Item = I> + Send,
    work: impl Fn(I) -> T + Sync,
) -> Vec<(I, T)> {
    let items = Mutex::new(items.enumerate());
    let done = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = items.lock().unwrap().next();
                    let Some((at, item)) = next else { return };
                    let result = (at, item, work(item));
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, ..)| *at);
    done.into_iter().map(|(_, item, result)| (item, result)).collect()
}

#[test]
fn seeds() {
    let count = number("SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("SIM_FIRST").unwrap_or(1);
    let is_verbose = std::env::var_os("SIM_VERBOSE").is_some();
    let mut failures = Vec::new();
    let (mut shown, mut steps) = (0, 0);
    let said = |seed| {
        let outcome = run(seed);
        match &outcome {
            Ok(outcome) if is_verbose => {
                println!("seed {seed}: {} steps, {} heard", outcome.steps, outcome.shown);
            }
            Ok(_) => {}
            Err(failure) => println!("{failure}"),
        }
        outcome
    };
    for (seed, outcome) in on_every_core(first..first + count, said) {
        match outcome {
            Ok(outcome) => {
                shown += outcome.shown;
                steps += outcome.steps;
            }
            Err(_) => failures.push(seed),
        }
    }
    println!("{count} seeds, {steps} steps, {shown} operations heard");
    assert!(shown > count, "the simulation does something");
    assert!(failures.is_empty(), "seeds that fail: {failures:?}; SIM_SEED=n replays one");
}

#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let outcome = run(seed);
    println!("{outcome:#?}");
    assert!(outcome.is_ok());
}

/// Every planted bug is caught by its own invariant.
#[test]
fn plants() {
    let caught = |(plant, _)| {
        (1..=PLANT_SEEDS).find_map(|seed| {
            let run = || World::new(seed, Some(plant)).run().violation;
            let violation = catch_unwind(AssertUnwindSafe(run)).ok()??;
            Some((seed, violation))
        })
    };
    let mut missed = Vec::new();
    for ((plant, invariant), caught) in on_every_core(plant::ALL.into_iter(), caught) {
        match caught {
            Some((_, violation)) if violation.invariant == invariant => {}
            Some((seed, violation)) => {
                missed.push(format!("{plant:?}: seed {seed} finds {violation:?}"));
            }
            None => missed.push(format!("{plant:?}: nothing found")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// `SIM_PLANT=DropOps SIM_SEED=1` replays a planted bug.
#[test]
fn replay_plant() {
    let (Some(seed), Ok(name)) = (number("SIM_SEED"), std::env::var("SIM_PLANT")) else {
        return;
    };
    for (plant, _) in plant::ALL.iter().filter(|(plant, _)| format!("{plant:?}") == name) {
        println!("{:#?}", World::new(seed, Some(*plant)).run());
    }
}
