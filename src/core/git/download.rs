//! A version as one body, the form that drivers in whole-summary mode load.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::layout::{APP, PROTOCOL, Protocol};
use super::listing::Listed;
use super::object::{Kind, ObjectId};
use super::tree::Mode;
use super::upload::Base64;
use super::{Draft, GitError, MAX_SNAPSHOT_BYTES};

#[derive(Serialize)]
struct Snapshot<'a> {
    id: ObjectId,
    trees: [SnapshotTree<'a>; 1],
    blobs: Vec<SnapshotBlob>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotTree<'a> {
    id: ObjectId,
    sequence_number: u64,
    entries: Vec<SnapshotEntry<'a>>,
}

#[derive(Serialize)]
struct SnapshotEntry<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ObjectId>,
}

struct SnapshotBlob {
    id: ObjectId,
    body: Bytes,
}

impl Serialize for SnapshotBlob {
    /// Text as text, the rest as base64, without a copy of either.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut blob = serializer.serialize_struct("blob", 4)?;
        blob.serialize_field("id", &self.id)?;
        match std::str::from_utf8(&self.body) {
            Ok(text) => {
                blob.serialize_field("content", text)?;
                blob.serialize_field("encoding", "utf-8")?;
            }
            Err(_) => {
                blob.serialize_field("content", &Base64(&self.body))?;
                blob.serialize_field("encoding", "base64")?;
            }
        }
        blob.serialize_field("size", &self.body.len())?;
        blob.end()
    }
}

/// Writes a version with all its blobs inline: the app's part below `.app`, as these drivers
/// expect it, and `.protocol` beside it.
///
/// Errors: [`GitError::VersionNotFound`], [`GitError::TooLarge`].
pub(super) fn whole_summary(draft: &Draft<'_>, version: &ObjectId) -> Result<Vec<u8>, GitError> {
    let Some(Kind::Commit) = draft.kind(version)? else {
        return Err(GitError::VersionNotFound);
    };
    let root = draft.commit(version)?.tree;
    let protocol = Protocol::read(draft, &root)?;
    let mut listing = draft.list(&root, true)?;
    for listed in &mut listing {
        if listed.path.split('/').next() != Some(PROTOCOL) {
            listed.path.insert(0, '/');
            listed.path.insert_str(0, APP);
        }
    }
    listing.insert(0, Listed { path: APP.to_owned(), mode: Mode::Directory, id: root });
    let snapshot = Snapshot {
        id: *version,
        trees: [SnapshotTree {
            id: root,
            sequence_number: protocol.map_or(0, |state| state.attributes.sequence_number),
            entries: listing.iter().map(snapshot_entry).collect(),
        }],
        blobs: snapshot_blobs(draft, &listing)?,
    };
    // Plain structs of strings and numbers always have a JSON form.
    serde_json::to_vec(&snapshot).map_err(|_| GitError::TooLarge)
}

fn snapshot_entry(listed: &Listed) -> SnapshotEntry<'_> {
    SnapshotEntry {
        path: &listed.path,
        kind: listed.mode.kind().name(),
        id: (listed.mode == Mode::File).then_some(listed.id),
    }
}

/// Each blob once.
fn snapshot_blobs(draft: &Draft<'_>, listing: &[Listed]) -> Result<Vec<SnapshotBlob>, GitError> {
    let ids: BTreeSet<ObjectId> =
        listing.iter().filter(|l| l.mode == Mode::File).map(|l| l.id).collect();
    let mut blobs = Vec::with_capacity(ids.len());
    let mut bytes_left = MAX_SNAPSHOT_BYTES;
    for id in ids {
        let body = draft.expect(&id, Kind::Blob)?.body;
        bytes_left = bytes_left.checked_sub(body.len()).ok_or(GitError::TooLarge)?;
        blobs.push(SnapshotBlob { id, body });
    }
    Ok(blobs)
}
