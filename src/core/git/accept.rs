//! From a summarize op to a new version, or to the reason why not.

use std::fmt::Display;

use serde::Deserialize;

use super::layout::{Protocol, add_version};
use super::object::{Kind, ObjectId, StoredObject};
use super::tree::Mode;
use super::{Draft, GitError, Objects, ObjectsUnavailable};

/// What a summarize op proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryProposal {
    /// The uploaded summary: a tree, a commit (Levee), or what the whole upload returned.
    pub handle: String,
    /// The version that the client's summary builds on. Levee's first summary has none.
    pub head: Option<String>,
    /// The versions that it names as its parents.
    pub parents: Vec<String>,
    /// The version's message.
    pub message: String,
    /// The op's RSN: the version contains everything up to it.
    pub reference_seq: u64,
    /// The op's own sequence number; a version without a message is named by it.
    pub summary_seq: u64,
}

#[derive(Deserialize)]
struct Contents {
    handle: String,
    head: Option<String>,
    parents: Option<Vec<String>>,
    message: Option<String>,
}

impl SummaryProposal {
    /// Reads the contents of a summarize op, raw JSON: an object, or a string that holds one.
    ///
    /// Errors: [`GitError::BadBody`].
    pub fn parse(contents: &[u8], reference_seq: u64, summary_seq: u64) -> Result<Self, GitError> {
        let parsed = match contents.trim_ascii_start().first() {
            Some(b'"') => serde_json::from_slice::<String>(contents)
                .and_then(|inner| serde_json::from_str::<Contents>(&inner)),
            _ => serde_json::from_slice(contents),
        };
        let Contents {
            handle,
            head,
            parents,
            message,
        } = parsed.map_err(|_| GitError::BadBody)?;
        let (parents, message) = (parents.unwrap_or_default(), message.unwrap_or_default());
        Ok(Self {
            handle,
            head,
            parents,
            message,
            reference_seq,
            summary_seq,
        })
    }
}

/// What the document knows about its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptContext {
    /// The version of the last acknowledged summary.
    pub last_acked: Option<ObjectId>,
    /// Other versions that a client may build on: the initial one, and the service's own.
    pub valid_parents: Vec<ObjectId>,
    /// Now, in seconds since the Unix epoch.
    pub time_unix_s: i64,
}

/// The answer to a summarize op. There is always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SummaryVerdict {
    /// Store the objects, move the document's reference to `version`, then send the ack with it.
    Ack {
        /// The new version, the handle of the ack.
        version: ObjectId,
        /// Everything to store.
        new_objects: Vec<StoredObject>,
    },
    /// Send a nack with this message.
    Nack {
        /// The reason, for people.
        message: String,
    },
}

/// Decides on a summary: makes the version with this protocol state, which is the state at the
/// op's RSN, or says why there is none.
///
/// Errors: only a store that cannot be read now.
pub fn accept_summary(
    objects: &dyn Objects,
    proposal: &SummaryProposal,
    protocol: &Protocol,
    context: &AcceptContext,
) -> Result<SummaryVerdict, ObjectsUnavailable> {
    let mut draft = Draft::new(objects);
    match version_of(&mut draft, proposal, protocol, context) {
        Ok(version) => Ok(SummaryVerdict::Ack {
            version,
            new_objects: draft.into_new(),
        }),
        Err(Refusal::Git(GitError::Unavailable(unavailable))) => Err(unavailable),
        Err(refusal) => Ok(SummaryVerdict::Nack {
            message: refusal.to_string(),
        }),
    }
}

/// Why a summary is not accepted; the texts are part of the nack.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "Proposed parent summary \"{proposed}\" does not match actual parent summary \"{actual}\" \
         nor other valid parent summaries \"[{valid}] nor the last known client summary \
         \"{last_acked}\"."
    )]
    WrongHead {
        proposed: String,
        actual: String,
        valid: String,
        last_acked: String,
    },
    #[error("One or more parent summaries are invalid")]
    InvalidParents,
    #[error("Summary at sequence number {proposed} is older than the last one at {last}")]
    Old { proposed: u64, last: u64 },
    #[error("Summary \"{handle}\" does not exist")]
    NoSuchHandle { handle: String },
    #[error("Summary is not usable: {0}")]
    Git(#[from] GitError),
}

fn version_of(
    draft: &mut Draft<'_>,
    proposal: &SummaryProposal,
    protocol: &Protocol,
    context: &AcceptContext,
) -> Result<ObjectId, Refusal> {
    let current = draft.head()?;
    check_head(proposal.head.as_deref(), current, context)?;
    for parent in &proposal.parents {
        let parent = parent.parse().map_err(|_| Refusal::InvalidParents)?;
        if draft.kind(&parent)? != Some(Kind::Commit) {
            return Err(Refusal::InvalidParents);
        }
    }
    if let Some(current) = current {
        let root = draft.commit(&current)?.tree;
        let last = Protocol::read(draft, &root)?.map_or(0, |p| p.attributes.sequence_number);
        if proposal.reference_seq < last {
            return Err(Refusal::Old {
                proposed: proposal.reference_seq,
                last,
            });
        }
    }
    let no_such = || Refusal::NoSuchHandle {
        handle: proposal.handle.clone(),
    };
    let summary = match draft.resolve(&proposal.handle) {
        Ok((Mode::Directory, tree)) => tree,
        Ok((Mode::File, _)) | Err(GitError::MissingObject(_)) => return Err(no_such()),
        Err(error) => return Err(error.into()),
    };
    let default_message = format!("Summary at sequence {}", proposal.summary_seq);
    let message = match proposal.message.as_str() {
        "" => &default_message,
        message => message,
    };
    Ok(add_version(
        draft,
        &summary,
        protocol,
        message,
        context.time_unix_s,
    )?)
}

/// The head must be a version that nobody's accepted summary has overtaken.
fn check_head(
    proposed: Option<&str>,
    current: Option<ObjectId>,
    context: &AcceptContext,
) -> Result<(), Refusal> {
    let known = |id: ObjectId| {
        Some(id) == context.last_acked || Some(id) == current || context.valid_parents.contains(&id)
    };
    let valid = match proposed {
        // An empty head is how a client spells none.
        None | Some("") => context.last_acked.is_none(),
        Some(head) => head.parse().is_ok_and(known),
    };
    if valid {
        return Ok(());
    }
    let valid_parents: Vec<String> = context
        .valid_parents
        .iter()
        .map(ObjectId::to_string)
        .collect();
    Err(Refusal::WrongHead {
        proposed: or_undefined(proposed),
        actual: or_undefined(current),
        valid: valid_parents.join(","),
        last_acked: or_undefined(context.last_acked),
    })
}

fn or_undefined(value: Option<impl Display>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| value.to_string())
}
