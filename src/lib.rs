//! Levee.

pub mod git_export;
