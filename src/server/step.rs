//! What a core can be at, for a watchdog that finds it silent.

use levee_core::event::Event;

/// One piece of a core's work that runs without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Nothing has happened yet.
    Start,
    Opened,
    Adopted,
    Bytes,
    Sent,
    Closed,
    Persisted,
    Loaded,
    Summarized,
    Responded,
    Broadcast,
    Delete,
    Deleted,
    Mail,
    Keyring,
    Turn,
    Tick,
    Drain,
    /// The writes of a turn.
    Writes,
    /// A piece of work for the store or REST, between two waits.
    Work,
    /// What a peer sends that is being closed.
    Swallow,
}

impl Step {
    const ALL: [Self; 21] = [
        Self::Start,
        Self::Opened,
        Self::Adopted,
        Self::Bytes,
        Self::Sent,
        Self::Closed,
        Self::Persisted,
        Self::Loaded,
        Self::Summarized,
        Self::Responded,
        Self::Broadcast,
        Self::Delete,
        Self::Deleted,
        Self::Mail,
        Self::Keyring,
        Self::Turn,
        Self::Tick,
        Self::Drain,
        Self::Writes,
        Self::Work,
        Self::Swallow,
    ];

    /// The step of that number, as `step as u8` gives it.
    pub(super) fn of_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Start)
    }
}

impl From<&Event<'_>> for Step {
    fn from(event: &Event<'_>) -> Self {
        match event {
            Event::Opened { .. } => Self::Opened,
            Event::Adopted { .. } => Self::Adopted,
            Event::Bytes { .. } => Self::Bytes,
            Event::Sent { .. } => Self::Sent,
            Event::Closed { .. } => Self::Closed,
            Event::Persisted { .. } => Self::Persisted,
            Event::Loaded { .. } => Self::Loaded,
            Event::Summarized { .. } => Self::Summarized,
            Event::Responded { .. } => Self::Responded,
            Event::Broadcast { .. } => Self::Broadcast,
            Event::Delete { .. } => Self::Delete,
            Event::Deleted { .. } => Self::Deleted,
            Event::Mail { .. } => Self::Mail,
            Event::Keyring(_) => Self::Keyring,
            Event::Turn => Self::Turn,
            Event::Tick => Self::Tick,
            Event::Drain { .. } => Self::Drain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_comes_back_from_its_number() {
        for (code, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, code);
            assert_eq!(Step::of_code(code as u8), step);
        }
    }
}
