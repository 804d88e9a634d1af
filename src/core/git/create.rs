//! The first version of a document, from the body of `POST /documents/:tenant`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;
use serde_json::value::RawValue;

use super::layout::{Attributes, Protocol, add_version};
use super::upload::{Node, Text};
use super::{Draft, GitError, MemoryObjects, ObjectId, StoredObject};

/// The body of a create request; the summary is left unparsed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest<'a> {
    /// The id that the client wants; the service makes one when it is absent.
    #[serde(borrow, default, deserialize_with = "text")]
    pub id: Option<Cow<'a, str>>,
    /// The sequence number that the document starts at.
    pub sequence_number: Option<u64>,
    /// The answer should be an object with the session in it.
    #[serde(default, deserialize_with = "truthy")]
    pub enable_discovery: bool,
    /// The answer should be an object with a short-lived token in it.
    #[serde(default, deserialize_with = "truthy")]
    pub generate_token: bool,
    /// Quorum values that hold from the beginning, a JSON array.
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
}

impl<'a> CreateRequest<'a> {
    /// Reads a body.
    ///
    /// Errors: [`GitError::BadBody`].
    pub fn parse(body: &'a [u8]) -> Result<Self, GitError> {
        serde_json::from_slice(body).map_err(|_| GitError::BadBody)
    }
}

/// What a document begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// The first version; none if the body has no summary, which only Levee's wire allows.
    pub version: Option<ObjectId>,
    /// The state that the document's sequencer and quorum start from.
    pub protocol: Protocol,
    /// Everything to store.
    pub objects: Vec<StoredObject>,
}

/// Makes the first version of a document from the body of a create request.
///
/// Errors: those of an upload; nothing exists yet, so a handle or attachment is a
/// [`GitError::MissingObject`].
pub fn create_document(body: &[u8], time_unix_s: i64) -> Result<NewDocument, GitError> {
    let request = CreateRequest::parse(body)?;
    let nothing = MemoryObjects::default();
    let mut draft = Draft::new(&nothing);
    let summary = match request.summary {
        Some(summary) => Some(Node::parse(summary.get().as_bytes())?).filter(|n| !n.is_empty()),
        None => None,
    };
    let values = match request.values {
        Some(values) if values.get().starts_with('[') => {
            Bytes::copy_from_slice(values.get().as_bytes())
        }
        Some(_) => return Err(GitError::MissingField("values")),
        None => Bytes::from_static(b"[]"),
    };
    let attributes =
        |sequence_number| Attributes { minimum_sequence_number: sequence_number, sequence_number };
    let start = request.sequence_number;
    let Some(summary) = summary else {
        let protocol = Protocol::new(attributes(start.unwrap_or(0)), values);
        return Ok(NewDocument { version: None, protocol, objects: Vec::new() });
    };
    let root = summary.add_root(&mut draft)?;
    // A summary that brings its own protocol tree is the better witness of the quorum's values.
    let sent = Protocol::read(&draft, &root).map_err(|_| GitError::MissingField(".protocol"))?;
    let (sent_start, values) = match sent {
        Some(sent) => (sent.attributes.sequence_number, sent.values),
        None => (0, values),
    };
    let protocol = Protocol::new(attributes(start.unwrap_or(sent_start)), values);
    let version = add_version(&mut draft, &root, &protocol, "New document", time_unix_s)?;
    Ok(NewDocument { version: Some(version), protocol, objects: draft.into_new() })
}

/// A borrowed string where the field may be null.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0))
}

/// JavaScript's idea of true.
fn truthy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => false,
        Value::Bool(value) => value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::*;

    fn create(body: Value) -> Result<NewDocument, GitError> {
        create_document(body.to_string().as_bytes(), 1)
    }

    #[test]
    fn the_request_is_read_without_the_summary() {
        let body = br#"{"id":"a\u00e9","sequenceNumber":7,"enableDiscovery":1,"generateToken":""}"#;
        let request = CreateRequest::parse(body).unwrap();
        assert_eq!(request.id.as_deref(), Some("aé"));
        assert_eq!(request.sequence_number, Some(7));
        assert!(request.enable_discovery && !request.generate_token);
        let request = CreateRequest::parse(br#"{"id":null,"enableDiscovery":true}"#).unwrap();
        assert_eq!((request.id, request.enable_discovery), (None, true));
        for bad in ["", "[]", "7", r#"{"id":7}"#, r#"{"sequenceNumber":-1}"#, r#"{"summary":}"#] {
            let error = CreateRequest::parse(bad.as_bytes()).err();
            assert_eq!(error, Some(GitError::BadBody), "{bad}");
        }
    }

    #[test]
    fn without_a_summary_there_is_no_version() {
        for body in [json!({}), json!({ "summary": null }), json!({ "summary": {} })] {
            let new = create(body).unwrap();
            assert_eq!((new.version, new.objects.len()), (None, 0));
            assert_eq!(new.protocol.values, "[]");
        }
    }

    #[test]
    fn the_protocol_begins_with_the_values_sent() {
        let values = json!([["code", { "value": 1 }]]);
        let summary = json!({ "type": 1, "tree": {} });
        let new = create(json!({ "summary": summary, "values": values, "sequenceNumber": 3 }));
        let new = new.unwrap();
        let attributes = Attributes { minimum_sequence_number: 3, sequence_number: 3 };
        assert_eq!(new.protocol, Protocol::new(attributes, values.to_string().into()));
        let mut store = MemoryObjects::default();
        store.insert(new.objects);
        let version = new.version.unwrap();
        assert_eq!(Protocol::of_version(&store, &version), Ok(new.protocol));
        let absent = ObjectId::of(Kind::Blob, b"absent");
        assert_eq!(Protocol::of_version(&store, &absent), Err(GitError::VersionNotFound));
    }

    #[test]
    fn a_protocol_tree_in_the_summary_wins() {
        let file = |content: &str| json!({ "type": 2, "content": content });
        let protocol = json!({ "type": 1, "tree": {
            "attributes": file(r#"{"minimumSequenceNumber":0,"sequenceNumber":4,"term":1}"#),
            "quorumMembers": file("[[1]]"),
            "quorumValues": file("[2]"),
        }});
        let app = json!({ "type": 1, "tree": { "a": file("x") } });
        let summary = json!({ "type": 1, "tree": { ".app": app, ".protocol": protocol } });
        let new = create(json!({ "summary": summary, "values": [1] })).unwrap();
        let attributes = Attributes { minimum_sequence_number: 4, sequence_number: 4 };
        assert_eq!(new.protocol, Protocol::new(attributes, "[2]".into()));
    }

    #[test]
    fn bad_summaries_are_refused() {
        let summary = |tree: Value| create(json!({ "summary": { "type": 1, "tree": tree } }));
        let handle = summary(json!({ "a": { "type": 3, "handle": "/a", "handleType": 1 } }));
        assert_eq!(handle, Err(GitError::MissingObject("/a".into())));
        let attachment = summary(json!({ "a": { "type": 4, "id": "x" } }));
        assert_eq!(attachment, Err(GitError::MissingObject("x".into())));
        let file = json!({ "type": 2, "content": "not JSON" });
        let protocol = json!({ "type": 1, "tree": { "attributes": file } });
        let damaged = summary(json!({ ".protocol": protocol }));
        assert_eq!(damaged, Err(GitError::MissingField(".protocol")));
        assert_eq!(summary(json!({ "": file })), Err(GitError::InvalidName));
        let blob = create(json!({ "summary": file }));
        assert!(matches!(blob, Err(GitError::WrongKind { expected: Kind::Tree, .. })));
        let values = create(json!({ "values": {} }));
        assert_eq!(values, Err(GitError::MissingField("values")));
    }
}
