//! The store's contract: every check runs on every store. Then what only a store on a disk can be
//! asked: kills, torn ends, flipped bits, disks that fail or are full.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contract;
mod crash;
mod faults;
mod world;
