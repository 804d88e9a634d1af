//! One frame, many sockets: outboxes, the frames shared between them, and what happens to a
//! reader that does not keep up.

use crate::dialect::{Address, Dialect, ServerEvent, encode};
use bytes::Bytes;
use std::collections::VecDeque;

/// What waits to be written to one socket. Empty, it owns no memory.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Bytes>,
    queued_bytes: usize,
    in_flight_bytes: usize,
    is_sending: bool,
}

/// What [`Outbox::push`] asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// A write is under way: the frame leaves with the next one.
    Waits,
    /// Nothing was under way: ask the shell to write.
    Start,
    /// Over the bound: the reader is too slow, nothing was queued.
    Overflow,
}

impl Outbox {
    /// Queues a frame. `bytes_max` bounds what is queued and under way together; a single frame
    /// always fits an idle outbox.
    pub fn push(&mut self, frame: Bytes, bytes_max: usize) -> Pushed {
        let held = self.queued_bytes + self.in_flight_bytes;
        if held > 0 && held + frame.len() > bytes_max {
            return Pushed::Overflow;
        }
        self.queued_bytes += frame.len();
        self.frames.push_back(frame);
        if std::mem::replace(&mut self.is_sending, true) { Pushed::Waits } else { Pushed::Start }
    }

    /// Moves frames into `out` for one write, at least one and about `bytes_max`; returns bytes.
    pub fn take(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> usize {
        let mut taken = 0;
        while let Some(frame) = self.frames.front() {
            if taken > 0 && taken + frame.len() > bytes_max {
                break;
            }
            taken += frame.len();
            out.extend(self.frames.pop_front());
        }
        self.queued_bytes -= taken;
        self.in_flight_bytes += taken;
        taken
    }

    /// A write has finished; true when there is more to write.
    pub fn sent(&mut self, bytes: usize) -> bool {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
            self.is_sending = false;
        }
        self.is_sending
    }

    /// Whether everything that was pushed has left.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.frames.is_empty() && self.in_flight_bytes == 0
    }
}

/// Encodes one event for one address.
#[must_use]
pub fn frame(address: &Address<'_>, event: &ServerEvent<'_>, bytes_hint: usize) -> Bytes {
    let mut out = Vec::with_capacity(bytes_hint + 192);
    encode(address, event, &mut out);
    Bytes::from(out)
}

/// Frames of one event, made once for each dialect and join reference that is in use.
pub struct Frames<'e> {
    event: ServerEvent<'e>,
    bytes_hint: usize,
    made: Vec<(Dialect, Option<Box<str>>, Bytes)>,
}

impl<'e> Frames<'e> {
    /// `bytes_hint` is about the size of the event's payload.
    #[must_use]
    pub fn new(event: ServerEvent<'e>, bytes_hint: usize) -> Self {
        Self { event, bytes_hint, made: Vec::new() }
    }

    // walk 11/12
    /// The frame for one address; all addresses are of one document, so the topic is the same.
    pub fn of(&mut self, address: &Address<'_>) -> Bytes {
        let known = self.made.iter().find(|(dialect, join_ref, _)| {
            *dialect == address.dialect && join_ref.as_deref() == address.join_ref
        });
        if let Some((_, _, frame)) = known {
            return frame.clone();
        }
        let made = frame(address, &self.event, self.bytes_hint);
        // Few join references are in use at once; a flood of them is not worth remembering.
        if self.made.len() < 32 {
            self.made.push((address.dialect, address.join_ref.map(Box::from), made.clone()));
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_asked_for_once_and_frames_gather_behind_it() {
        let mut outbox = Outbox::default();
        let frame = Bytes::from_static(b"0123456789");
        assert_eq!(outbox.push(frame.clone(), 100), Pushed::Start);
        assert_eq!(outbox.push(frame.clone(), 100), Pushed::Waits);
        let mut out = Vec::new();
        assert_eq!(outbox.take(15, &mut out), 10);
        assert_eq!(outbox.push(frame.clone(), 100), Pushed::Waits);
        assert!(outbox.sent(10), "two more wait");
        assert_eq!(outbox.take(100, &mut out), 20);
        assert!(!outbox.sent(20));
        assert!(outbox.is_drained());
        assert_eq!(outbox.push(frame, 100), Pushed::Start);
    }

    #[test]
    fn the_bound_counts_what_is_under_way() {
        let mut outbox = Outbox::default();
        let big = Bytes::from(vec![0; 90]);
        assert_eq!(outbox.push(big.clone(), 100), Pushed::Start);
        outbox.take(1, &mut Vec::new());
        assert_eq!(outbox.push(big, 100), Pushed::Overflow);
        assert!(!outbox.sent(90));
        let huge = Bytes::from(vec![0; 900]);
        assert_eq!(outbox.push(huge, 100), Pushed::Start, "one frame always fits");
    }
}
