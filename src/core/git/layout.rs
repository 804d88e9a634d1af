//! The one stored layout of a version, for both wires: the app's tree at the root, and beside it
//! `.protocol`, which only the service writes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::object::{Kind, ObjectId, StoredObject};
use super::tree::Mode;
use super::{Commit, Draft, GitError, Objects, TreeEntry};

/// Where clients put the app's part of a summary that has more than that part.
pub(super) const APP: &str = ".app";
/// The part that holds the state of the protocol.
pub(super) const PROTOCOL: &str = ".protocol";
/// Parts of other services' versions that a client may send back, and that have no meaning here.
const FOREIGN: [&str; 2] = [".serviceProtocol", ".logTail"];

const ATTRIBUTES: &str = "attributes";
const MEMBERS: &str = "quorumMembers";
const PROPOSALS: &str = "quorumProposals";
const VALUES: &str = "quorumValues";

/// Sequence numbers of a version, as `.protocol/attributes` spells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attributes {
    /// The MSN at that point.
    pub minimum_sequence_number: u64,
    /// The last op that the version contains.
    pub sequence_number: u64,
}

/// A document's protocol state at one sequence number. The lists are JSON arrays in the form of
/// Fluid's protocol state, stored byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Where the document stands.
    pub attributes: Attributes,
    /// `[[clientId, {client, sequenceNumber}], …]`
    pub members: Bytes,
    /// `[[sequenceNumber, proposal, …], …]`
    pub proposals: Bytes,
    /// `[[key, {value, …}], …]`
    pub values: Bytes,
}

impl Protocol {
    /// The state of a document nobody has joined yet.
    pub fn new(attributes: Attributes, values: Bytes) -> Self {
        let empty = Bytes::from_static(b"[]");
        Self { attributes, members: empty.clone(), proposals: empty, values }
    }

    /// The state that a version was made with.
    ///
    /// Errors: [`GitError::VersionNotFound`], or [`GitError::Damaged`] without a sound `.protocol`.
    pub fn of_version(objects: &dyn Objects, version: &ObjectId) -> Result<Self, GitError> {
        let draft = Draft::new(objects);
        let root = match draft.kind(version)? {
            Some(Kind::Commit) => draft.commit(version)?.tree,
            Some(Kind::Blob | Kind::Tree) | None => return Err(GitError::VersionNotFound),
        };
        Self::read(&draft, &root)?.ok_or(GitError::Damaged(root))
    }

    /// The state below `.protocol` of a tree, if it has one.
    pub(super) fn read(draft: &Draft<'_>, root: &ObjectId) -> Result<Option<Self>, GitError> {
        let Some((Mode::Directory, tree)) = draft.child(root, PROTOCOL)? else {
            return Ok(None);
        };
        let part = |name| -> Result<Bytes, GitError> {
            match draft.child(&tree, name)? {
                Some((Mode::File, id)) => Ok(draft.expect(&id, Kind::Blob)?.body),
                Some((Mode::Directory, _)) | None => Ok(Bytes::from_static(b"[]")),
            }
        };
        let attributes =
            serde_json::from_slice(&part(ATTRIBUTES)?).map_err(|_| GitError::Damaged(tree))?;
        let (members, proposals) = (part(MEMBERS)?, part(PROPOSALS)?);
        Ok(Some(Self { attributes, members, proposals, values: part(VALUES)? }))
    }

    fn add_to(&self, draft: &mut Draft<'_>) -> Result<ObjectId, GitError> {
        let Attributes { minimum_sequence_number: min, sequence_number: seq } = self.attributes;
        let attributes =
            format!("{{\"minimumSequenceNumber\":{min},\"sequenceNumber\":{seq}}}").into();
        let parts = [
            (ATTRIBUTES, attributes),
            (MEMBERS, self.members.clone()),
            (PROPOSALS, self.proposals.clone()),
            (VALUES, self.values.clone()),
        ];
        let mut entries = Vec::with_capacity(parts.len());
        for (name, body) in parts {
            let id = draft.add(StoredObject::blob(body))?;
            entries.push(TreeEntry::new(name, Mode::File, id));
        }
        draft.add_tree(entries)
    }
}

/// Makes a version: the app's part of `summary` with this protocol state beside it. The commit
/// follows the document's current version.
pub(super) fn add_version(
    draft: &mut Draft<'_>,
    summary: &ObjectId,
    protocol: &Protocol,
    message: &str,
    time_unix_s: i64,
) -> Result<ObjectId, GitError> {
    let mut entries = app_entries(draft, summary)?;
    let protocol = protocol.add_to(draft)?;
    entries.push(TreeEntry::new(PROTOCOL, Mode::Directory, protocol));
    let root = draft.add_tree(entries)?;
    let parents = draft.head()?.into_iter().collect();
    // As git's own tools do, and the reference service with them: a message is a line.
    let message = format!("{}\n", message.trim_end_matches('\n'));
    draft.add(Commit::by_service(root, parents, message, time_unix_s).to_object())
}

/// The entries of the app's part of a summary, whether it stands below `.app` or at the root.
fn app_entries(draft: &Draft<'_>, summary: &ObjectId) -> Result<Vec<TreeEntry>, GitError> {
    let mut entries = draft.tree(summary)?;
    let app = entries.iter().find(|entry| entry.name == APP && entry.mode == Mode::Directory);
    if let Some(app) = app {
        entries = draft.tree(&app.id)?;
    }
    entries.retain(|entry| {
        let name = entry.name.as_str();
        name != PROTOCOL && name != APP && !FOREIGN.contains(&name)
    });
    Ok(entries)
}
