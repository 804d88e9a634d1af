//! A document's state on disk: its checkpoint, and the replay of what follows it.

use super::Document;
use crate::ids::{ClientId, DocKey, PartitionId, Seq};
use crate::quorum::{Change, Quorum};
use crate::record::{DocumentImage, OpRun};
use crate::sequencer::Sequencer;
use crate::summary::Summaries;
use crate::wire::json::Raw;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The stored image of a document does not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    #[error("the checkpoint is not readable")]
    Checkpoint,
    #[error("an operation is not readable or out of order")]
    Operation,
}

/// What a checkpoint holds: the fold of every operation up to its number.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Checkpoint {
    min: u64,
    time_ms: u64,
    quorum: Quorum,
    summaries: Summaries,
}

/// The checkpoint of a document that is created with agreed values (raw JSON array) and starts
/// after `sequence_number`; goes into the same group as its first version.
#[must_use]
pub fn initial_checkpoint(sequence_number: u64, values: &[u8]) -> Bytes {
    let checkpoint = Checkpoint {
        min: sequence_number,
        quorum: Quorum::created(values),
        ..Checkpoint::default()
    };
    serde_json::to_vec(&checkpoint).unwrap_or_default().into()
}

impl Document {
    /// Brings a document back into memory. Writers of an earlier life leave when it is first used.
    ///
    /// Errors: an image that does not add up; the document stays as it is in the store.
    pub fn load(
        key: DocKey,
        partition: PartitionId,
        image: DocumentImage,
        mono_ms: u64,
    ) -> Result<Self, ImageFault> {
        let (mut head, mut state) = match &image.checkpoint {
            Some((seq, bytes)) => {
                let state: Checkpoint =
                    serde_json::from_slice(bytes).map_err(|_| ImageFault::Checkpoint)?;
                (*seq, state)
            }
            None => (Seq(0), Checkpoint::default()),
        };
        for run in &image.ops {
            head = replay(run, head, &mut state)?;
        }
        let min = if state.quorum.members().is_empty() { head } else { Seq(state.min) };
        let mut document = Self::new(key, partition, Sequencer::resume(head, min), mono_ms);
        document.quorum = state.quorum;
        document.summaries = state.summaries;
        document.time_ms = state.time_ms;
        document.visible = head;
        document.checkpoint_seq = image.checkpoint.map_or(Seq(0), |(seq, _)| seq);
        for run in image.ops {
            document.history.push(run);
        }
        Ok(document)
    }

    /// The state after everything that has a number.
    #[must_use]
    pub fn checkpoint(&self) -> Bytes {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            min: u64,
            time_ms: u64,
            quorum: &'a Quorum,
            summaries: &'a Summaries,
        }
        let checkpoint = Borrowed {
            min: self.sequencer.min().0,
            time_ms: self.time_ms,
            quorum: &self.quorum,
            summaries: &self.summaries,
        };
        serde_json::to_vec(&checkpoint).unwrap_or_default().into()
    }
}

fn replay(run: &OpRun, mut head: Seq, state: &mut Checkpoint) -> Result<Seq, ImageFault> {
    for (seq, bytes) in run.ops() {
        if seq != head.next() {
            return Err(ImageFault::Operation);
        }
        head = seq;
        let op = Raw::parse(bytes).map_err(|_| ImageFault::Operation)?;
        let number = |name: &str| op.field(name).and_then(Raw::as_u64);
        let kind = op.field("type").and_then(Raw::as_str).ok_or(ImageFault::Operation)?;
        if number("sequenceNumber") != Some(seq.0) {
            return Err(ImageFault::Operation);
        }
        state.min = number("minimumSequenceNumber").ok_or(ImageFault::Operation)?;
        state.time_ms = number("timestamp").unwrap_or(0).max(state.time_ms);
        let contents = op.field("contents");
        if let Some(change) = change_of(&kind, contents, op.field("data")) {
            state.quorum.apply(seq, change);
        }
        state.summaries.replay(&kind, seq, contents);
        state.quorum.advance(seq, Seq(state.min));
    }
    Ok(head)
}

/// What an operation changes in the quorum, from its raw type, contents and data.
pub(super) fn change_of(
    kind: &str,
    contents: Option<Raw<'_>>,
    data: Option<Raw<'_>>,
) -> Option<Change> {
    match kind {
        "join" => {
            let text = data?.as_str()?;
            let member = Raw::parse(text.as_bytes()).ok()?;
            let client = member.field("clientId")?.as_str()?.into_owned();
            let detail = std::str::from_utf8(member.field("detail")?.bytes()).ok()?.to_owned();
            Some(Change::Join { client, detail })
        }
        "leave" => {
            let text = data?.as_str()?;
            let client = Raw::parse(text.as_bytes()).ok()?.as_str()?.into_owned();
            ClientId::parse(&client).map(|_| Change::Leave { client })
        }
        "propose" => inner_json(contents?, |proposal| {
            let key = proposal.field("key")?.as_str()?.into_owned();
            let value = std::str::from_utf8(proposal.field("value")?.bytes()).ok()?.to_owned();
            Some(Change::Propose { key, value })
        }),
        "reject" => {
            inner_json(contents?, |number| Some(Change::Reject { proposal: number.as_u64()? }))
        }
        _ => None,
    }
}

/// Contents are JSON, or a string that holds JSON.
fn inner_json<T>(contents: Raw<'_>, read: impl Fn(Raw<'_>) -> Option<T>) -> Option<T> {
    match contents.as_str() {
        Some(text) => read(Raw::parse(text.as_bytes()).ok()?),
        None => read(contents),
    }
}
