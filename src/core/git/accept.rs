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
        let Contents { handle, head, parents, message } = parsed.map_err(|_| GitError::BadBody)?;
        let (parents, message) = (parents.unwrap_or_default(), message.unwrap_or_default());
        Ok(Self { handle, head, parents, message, reference_seq, summary_seq })
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
        Ok(version) => Ok(SummaryVerdict::Ack { version, new_objects: draft.into_new() }),
        Err(Refusal::Git(GitError::Unavailable(unavailable))) => Err(unavailable),
        Err(refusal) => Ok(SummaryVerdict::Nack { message: refusal.to_string() }),
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
    WrongHead { proposed: String, actual: String, valid: String, last_acked: String },
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
            return Err(Refusal::Old { proposed: proposal.reference_seq, last });
        }
    }
    let no_such = || Refusal::NoSuchHandle { handle: proposal.handle.clone() };
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
    Ok(add_version(draft, &summary, protocol, message, context.time_unix_s)?)
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
    let valid_parents: Vec<String> =
        context.valid_parents.iter().map(ObjectId::to_string).collect();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{Document, NOW, protocol_at};
    use super::super::{Commit, GitRequest, StoredObject};
    use super::*;

    /// A document whose only version has one file, `a`.
    fn document() -> Document {
        let file = json!({ "type": 2, "content": "1" });
        Document::create(&json!({ "summary": { "type": 1, "tree": { "a": file } } }))
    }

    fn proposal(document: &Document, handle: impl ToString) -> SummaryProposal {
        let head = document.objects.head.map(|head| head.to_string());
        SummaryProposal {
            handle: handle.to_string(),
            parents: head.iter().cloned().collect(),
            head,
            message: "m".into(),
            reference_seq: 6,
            summary_seq: 7,
        }
    }

    fn verdict(document: &Document, proposal: &SummaryProposal, known: &AcceptContext) -> Verdict {
        match accept_summary(&document.objects, proposal, &protocol_at(6), known).unwrap() {
            SummaryVerdict::Ack { version, new_objects } => Ok((version, new_objects)),
            SummaryVerdict::Nack { message } => Err(message),
        }
    }

    type Verdict = Result<(ObjectId, Vec<StoredObject>), String>;

    fn upload(document: &mut Document) -> ObjectId {
        let file = json!({ "type": "blob", "content": "2" });
        document.upload(json!({ "entries": [{ "path": "a", "value": file }] }))
    }

    #[test]
    fn an_accepted_version_follows_the_current_one_and_has_its_protocol() {
        let mut document = document();
        let before = document.head();
        let handle = upload(&mut document);
        let known = AcceptContext { time_unix_s: NOW, ..AcceptContext::default() };
        let (version, new) = verdict(&document, &proposal(&document, handle), &known).unwrap();
        // Four protocol blobs of which one is a stored "[]", two trees and the commit.
        assert_eq!(new.len(), 5);
        document.objects.insert(new);
        document.objects.head = Some(version);
        let object = Draft::new(&document.objects).expect(&version, Kind::Commit).unwrap();
        let commit = Commit::parse(&object).unwrap();
        assert_eq!(commit.parents, [before]);
        assert_eq!(commit.message, "m\n");
        assert_eq!(Protocol::of_version(&document.objects, &version), Ok(protocol_at(6)));
        assert_eq!(document.download("latest")[".app/a"], b"2");
    }

    #[test]
    fn heads_are_the_last_ack_the_current_version_or_a_valid_parent() {
        let mut document = document();
        let handle = upload(&mut document);
        let mut proposal = proposal(&document, handle);
        let (current, [ack, valid]) =
            (document.head(), [3, 4].map(|n| ObjectId::from_bytes([n; 20])));
        let known = AcceptContext {
            last_acked: Some(ack),
            valid_parents: vec![valid, current],
            time_unix_s: NOW,
        };
        for head in [current, ack, valid] {
            proposal.head = Some(head.to_string());
            assert!(verdict(&document, &proposal, &known).is_ok());
        }
        proposal.head = Some("deadbeef".into());
        let expected = format!(
            "Proposed parent summary \"deadbeef\" does not match actual parent summary \
             \"{current}\" nor other valid parent summaries \"[{valid},{current}] nor the last \
             known client summary \"{ack}\"."
        );
        assert_eq!(verdict(&document, &proposal, &known), Err(expected));
        // No head is right only as long as no summary was accepted.
        proposal.head = None;
        assert!(verdict(&document, &proposal, &known).is_err());
        let first = AcceptContext { time_unix_s: NOW, ..AcceptContext::default() };
        assert!(verdict(&document, &proposal, &first).is_ok());
        proposal.head = Some("deadbeef".into());
        let nack = verdict(&document, &proposal, &first).unwrap_err();
        assert!(nack.ends_with("\"[] nor the last known client summary \"undefined\"."), "{nack}");
    }

    #[test]
    fn parents_must_be_versions() {
        let mut document = document();
        let handle = upload(&mut document);
        let mut proposal = proposal(&document, handle);
        let tree = document.tree_of(document.head()).to_string();
        for parent in ["x", &tree, "0123456789012345678901234567890123456789"] {
            proposal.parents = vec![document.head().to_string(), parent.into()];
            let nack = verdict(&document, &proposal, &AcceptContext::default());
            assert_eq!(nack, Err("One or more parent summaries are invalid".into()));
        }
        proposal.parents.clear();
        assert!(verdict(&document, &proposal, &AcceptContext::default()).is_ok());
    }

    #[test]
    fn a_handle_that_leads_nowhere_is_nacked() {
        let document = document();
        let blob = StoredObject::blob("1").id;
        let gone = format!("{}/gone", document.head());
        for handle in
            ["x", "", &gone, &blob.to_string(), "0123456789012345678901234567890123456789"]
        {
            let nack = verdict(&document, &proposal(&document, handle), &AcceptContext::default());
            assert_eq!(nack, Err(format!("Summary \"{handle}\" does not exist")));
        }
    }

    #[test]
    fn a_summary_of_the_past_is_nacked() {
        let mut document = document();
        let handle = upload(&mut document);
        document.accept(handle, 9);
        let nack = verdict(&document, &proposal(&document, handle), &AcceptContext::default());
        assert_eq!(
            nack,
            Err("Summary at sequence number 6 is older than the last one at 9".into())
        );
    }

    #[test]
    fn all_forms_of_a_handle_give_the_same_version() {
        let mut document = document();
        let app = upload(&mut document);
        let parts = |version: ObjectId| document.tree_of(version);
        let root = parts(document.head());
        let trees = json!({ "tree": [
            { "path": ".app", "sha": app.to_string() },
            { "path": ".protocol", "sha": root.to_string() },
            { "path": ".logTail", "sha": root.to_string() },
        ]});
        let (_, wrapped) =
            document.levee(GitRequest::CreateTree { body: trees.to_string().into() });
        let wrapped = wrapped["sha"].as_str().unwrap().to_owned();
        let commit = json!({ "tree": wrapped, "author": {} }).to_string().into();
        let (_, commit) = document.levee(GitRequest::CreateCommit { body: commit });
        let commit = commit["sha"].as_str().unwrap().to_owned();
        let under = format!("{wrapped}/.app");
        let version = |handle: &str| {
            verdict(&document, &proposal(&document, handle), &AcceptContext::default()).unwrap().0
        };
        let expected = version(&app.to_string());
        for handle in [&wrapped, &commit, &under] {
            assert_eq!(version(handle), expected, "{handle}");
        }
    }

    #[test]
    fn proposals_come_as_objects_and_as_strings() {
        let contents = json!({
            "handle": "h", "head": "p", "message": "m", "parents": ["p"],
            "details": { "includesProtocolTree": false },
        });
        let expected = SummaryProposal {
            handle: "h".into(),
            head: Some("p".into()),
            parents: vec!["p".into()],
            message: "m".into(),
            reference_seq: 6,
            summary_seq: 7,
        };
        let parse = |contents: String| SummaryProposal::parse(contents.as_bytes(), 6, 7);
        assert_eq!(parse(contents.to_string()), Ok(expected.clone()));
        assert_eq!(parse(json!(contents.to_string()).to_string()), Ok(expected));
        let only_handle = parse(r#"{"handle":"h","head":null}"#.into()).unwrap();
        assert_eq!((only_handle.head, only_handle.parents.len()), (None, 0));
        for bad in ["", "null", "{}", r#""x""#, r#"{"handle":7}"#, r#"{"handle":"h","parents":1}"#]
        {
            assert_eq!(parse(bad.into()), Err(GitError::BadBody), "{bad}");
        }
    }
}
