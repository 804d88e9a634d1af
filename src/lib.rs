//! Levee.
