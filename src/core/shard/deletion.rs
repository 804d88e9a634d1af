//! Deleting a document: its clients are told goodbye, what is under way for it comes to its end,
//! then the store removes it. Whoever comes meanwhile is answered afterwards.

use super::Shard;
use super::docs::{Entry, Stage};
use crate::event::Action;
use crate::ids::{DocKey, Now};

impl Shard {
    pub(super) fn delete(&mut self, now: Now, key: &DocKey, actions: &mut Vec<Action>) {
        let Some(slot) = self.docs.find(key) else {
            self.docs.insert(key, Entry::Doomed { stage: Stage::Removing, waiters: Vec::new() });
            return actions.push(Action::Delete { doc: key.clone() });
        };
        let Some(entry) = self.docs.entry(slot) else { return };
        let nothing = Entry::Loading { waiters: Vec::new() };
        let (stage, waiters) = match std::mem::replace(entry, nothing) {
            Entry::Loading { waiters } => (Stage::Loading, waiters),
            Entry::Ready(document) => (Stage::Settling(Some(document)), Vec::new()),
            // Twice is once.
            Entry::Doomed { stage, waiters } => {
                *entry = Entry::Doomed { stage, waiters };
                return;
            }
        };
        *entry = Entry::Doomed { stage, waiters };
        let members = self.docs.get(slot).map(|document| document.members());
        let conns: Vec<_> = members.into_iter().flat_map(|m| m.iter()).map(|m| m.conn).collect();
        for conn in conns {
            self.dismiss(now, conn, actions);
        }
        self.doomed.push(slot);
    }

    /// Has the store remove the documents for which nothing is under way any more.
    pub(super) fn remove_settled(&mut self, actions: &mut Vec<Action>) {
        let (docs, commits) = (&mut self.docs, &self.commits);
        self.doomed.retain(|slot| {
            let key = docs.key(*slot).cloned();
            let Some((doc, Entry::Doomed { stage, .. })) = key.zip(docs.entry(*slot)) else {
                return false;
            };
            let is_settled = match stage {
                Stage::Loading => false,
                Stage::Settling(document) => document.as_ref().is_none_or(|d| d.is_settled()),
                Stage::Removing => return false,
            };
            if !is_settled || commits.iter().any(|queue| queue.is_writing(*slot)) {
                return true;
            }
            *stage = Stage::Removing;
            actions.push(Action::Delete { doc });
            false
        });
    }

    /// The store is done with a deletion, one way or the other: whoever waits finds out which.
    pub(super) fn deleted(&mut self, key: &DocKey, actions: &mut Vec<Action>) {
        let Some(slot) = self.docs.find(key) else { return };
        let Some(entry) = self.docs.entry(slot) else { return };
        let Entry::Doomed { stage: Stage::Removing, waiters } = entry else { return };
        let waiters = std::mem::take(waiters);
        if waiters.is_empty() {
            self.docs.remove(slot);
            return;
        }
        *entry = Entry::Loading { waiters };
        actions.push(Action::Load { doc: key.clone() });
    }
}
