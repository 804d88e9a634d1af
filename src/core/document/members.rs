//! Who is connected to a document.

use crate::dialect::{Address, Dialect, Mode};
use crate::ids::{ClientId, ConnId};
use crate::sequencer::WriterSlot;
use bytes::Bytes;
use std::sync::Arc;

/// A member's place in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberSlot(u32);

/// One client connection to a document.
#[derive(Debug)]
pub struct Member {
    pub conn: ConnId,
    pub client: ClientId,
    /// IClient JSON, byte for byte the same wherever it is shown.
    pub detail: Bytes,
    pub mode: Mode,
    /// The place in the order; `None` for readers and for writers that were evicted.
    pub writer: Option<WriterSlot>,
    pub may_write: bool,
    pub signals_v2: bool,
    pub dialect: Dialect,
    pub join_ref: Option<Box<str>>,
    /// The token's user: the presence key.
    pub user: Arc<str>,
    pub ops: Budget,
    pub signals: Budget,
}

impl Member {
    /// Where this member's events go; `topic` is the document's.
    #[must_use]
    pub fn address<'a>(&'a self, topic: &'a str) -> Address<'a> {
        Address { dialect: self.dialect, topic, join_ref: self.join_ref.as_deref() }
    }
}

/// A bucket of permits that fills up with time, up to one second's worth.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    per_second: u32,
    /// Thousandths, because a millisecond brings so many permits of a second's.
    thousandths: u64,
    filled_ms: u64,
}

impl Budget {
    #[must_use]
    pub fn new(per_second: u32, mono_ms: u64) -> Self {
        Self { per_second, thousandths: u64::from(per_second) * 1000, filled_ms: mono_ms }
    }

    /// Takes one permit, if there is one.
    pub fn take(&mut self, mono_ms: u64) -> bool {
        let passed_ms = mono_ms.saturating_sub(self.filled_ms).min(1000);
        if passed_ms > 0 {
            let per_second = u64::from(self.per_second);
            self.thousandths = (self.thousandths + per_second * passed_ms).min(per_second * 1000);
            self.filled_ms = mono_ms;
        }
        let left = self.thousandths.checked_sub(1000);
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }
}

/// The members by slot, found by client id where a signal names one.
#[derive(Debug, Default)]
pub struct Members {
    slots: Vec<Option<Member>>,
    free: Vec<u32>,
    by_client: foldhash::HashMap<ClientId, u32>,
}

impl Members {
    pub fn insert(&mut self, member: Member) -> MemberSlot {
        let client = member.client;
        let slot = match self.free.pop() {
            Some(free) => free,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(member);
        }
        let before = self.by_client.insert(client, slot);
        assert!(before.is_none(), "client ids are unique");
        MemberSlot(slot)
    }

    pub fn remove(&mut self, slot: MemberSlot) -> Option<Member> {
        let member = self.slots.get_mut(slot.0 as usize)?.take()?;
        self.by_client.remove(&member.client);
        self.free.push(slot.0);
        Some(member)
    }

    #[must_use]
    pub fn get(&self, slot: MemberSlot) -> Option<&Member> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: MemberSlot) -> Option<&mut Member> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    #[must_use]
    pub fn by_client(&self, client: &str) -> Option<&Member> {
        let slot = self.by_client.get(&ClientId::parse(client)?)?;
        self.slots.get(*slot as usize)?.as_ref()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.slots.iter().flatten()
    }

    /// The member that has this place in the order.
    pub fn by_writer(&mut self, writer: WriterSlot) -> Option<&mut Member> {
        self.slots.iter_mut().flatten().find(|member| member.writer == Some(writer))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_its_rate_and_no_more() {
        let mut budget = Budget::new(100, 0);
        assert_eq!((0..1000).filter(|_| budget.take(0)).count(), 100);
        assert_eq!((0..1000).filter(|_| budget.take(500)).count(), 50);
        assert_eq!((0..1000).filter(|_| budget.take(100_000)).count(), 100);
        // What was not used up in time does not add to it.
        assert_eq!((0..10).filter(|_| budget.take(200_000)).count(), 10);
        assert_eq!((0..1000).filter(|_| budget.take(300_000)).count(), 100);
        let mut slow = Budget::new(1, 0);
        assert_eq!((0..=10_000).filter(|ms| slow.take(*ms)).count(), 11);
    }
}
