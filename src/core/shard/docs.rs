//! The documents of one core: in memory, or on their way there.

use crate::admission::Admitted;
use crate::document::Document;
use crate::ids::{ConnId, DocKey};
use crate::session::{Channel, Place};

/// A document's place on its core, and the generation that tells successive uses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocSlot {
    slot: u32,
    generation: u32,
}

/// A client that waits for its document.
#[derive(Debug)]
pub struct Waiter {
    pub conn: ConnId,
    pub topic: Box<str>,
    pub admitted: Admitted,
    pub since_ms: u64,
}

impl Waiter {
    /// Whether it waits at this channel: not once that was left, joined anew or answered.
    #[must_use]
    pub fn waits_at(&self, channel: &Channel) -> bool {
        channel.topic == self.topic
            && channel.join_ref == self.admitted.join_ref
            && channel.key == self.admitted.key
            && matches!(channel.place, Place::Waiting)
    }
}

/// A document in memory, or the clients that wait for it.
#[derive(Debug)]
pub enum Entry {
    Loading {
        waiters: Vec<Waiter>,
    },
    Ready(Box<Document>),
    /// Being deleted; whoever comes meanwhile waits for the end of it.
    Doomed {
        stage: Stage,
        waiters: Vec<Waiter>,
    },
}

/// How far a deletion has come.
#[derive(Debug)]
pub enum Stage {
    /// The document is on its way into memory.
    Loading,
    /// Something of it may be under way. The document is away if it has failed meanwhile.
    Settling(Option<Box<Document>>),
    /// The store removes it.
    Removing,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    entry: Option<(DocKey, Entry)>,
}

/// All documents of one core.
#[derive(Debug, Default)]
pub struct Docs {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_key: foldhash::HashMap<DocKey, DocSlot>,
}

impl Docs {
    #[must_use]
    pub fn find(&self, key: &DocKey) -> Option<DocSlot> {
        self.by_key.get(key).copied()
    }

    pub fn insert(&mut self, key: &DocKey, entry: Entry) -> DocSlot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let mut id = DocSlot { slot, generation: 0 };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            place.generation = place.generation.wrapping_add(1);
            place.entry = Some((key.clone(), entry));
            id.generation = place.generation;
        }
        self.by_key.insert(key.clone(), id);
        id
    }

    pub fn entry(&mut self, id: DocSlot) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let (_, entry) = slot.entry.as_mut().filter(|_| slot.generation == id.generation)?;
        Some(entry)
    }

    #[must_use]
    pub fn get(&self, id: DocSlot) -> Option<&Document> {
        let slot = self.slots.get(id.slot as usize)?;
        match slot.entry.as_ref().filter(|_| slot.generation == id.generation)? {
            (_, Entry::Ready(document))
            | (_, Entry::Doomed { stage: Stage::Settling(Some(document)), .. }) => Some(document),
            (_, Entry::Loading { .. } | Entry::Doomed { .. }) => None,
        }
    }

    pub fn get_mut(&mut self, id: DocSlot) -> Option<&mut Document> {
        match self.entry(id)? {
            Entry::Ready(document)
            | Entry::Doomed { stage: Stage::Settling(Some(document)), .. } => Some(document),
            Entry::Loading { .. } | Entry::Doomed { .. } => None,
        }
    }

    /// The document that a slot is taken by.
    #[must_use]
    pub fn key(&self, id: DocSlot) -> Option<&DocKey> {
        let slot = self.slots.get(id.slot as usize)?;
        Some(&slot.entry.as_ref().filter(|_| slot.generation == id.generation)?.0)
    }

    pub fn remove(&mut self, id: DocSlot) -> Option<Entry> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let (key, entry) = slot.entry.take()?;
        self.by_key.remove(&key);
        self.free.push(id.slot);
        Some(entry)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Whatever is in a slot, for a sweep in parts.
    #[must_use]
    pub fn at_slot(&self, slot: usize) -> Option<DocSlot> {
        let place = self.slots.get(slot)?;
        place.entry.as_ref()?;
        Some(DocSlot { slot: slot as u32, generation: place.generation })
    }
}
