//! Ends that are not in good order, and reopening.
