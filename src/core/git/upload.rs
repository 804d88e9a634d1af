//! Summaries as clients upload them in one body, in both of Fluid's JSON forms.
//!
//! The *whole* form lists `entries` whose paths are URI components already; `ISummaryTree` maps raw
//! names to nodes. The fields differ enough that a node's form shows without its `type`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::display::Base64Display;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::names::encode_name;
use super::object::{Kind, ObjectId, StoredObject};
use super::tree::Mode;
use super::{Draft, GitError, TreeEntry};

/// Node's decoder does not ask for padding, so clients may leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes as base64 in a JSON string.
pub(super) struct Base64<'a>(pub(super) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64))
    }
}

/// JSON text, borrowed from the body where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A part of an uploaded summary. The JSON parser's own bound on nesting bounds its depth.
#[derive(Deserialize)]
pub(super) struct Node<'a> {
    /// Children in the whole form.
    #[serde(borrow)]
    entries: Option<Vec<Entry<'a>>>,
    /// Children in the form of `ISummaryTree`.
    #[serde(borrow)]
    tree: Option<Children<'a>>,
    /// Content of a blob.
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    encoding: Option<Text<'a>>,
    /// A path in the previous version that stays as it was.
    #[serde(borrow)]
    handle: Option<Text<'a>>,
    /// An attachment's blob.
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    value: Option<Box<Node<'a>>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

impl Node<'_> {
    /// Reads a body.
    ///
    /// Errors: [`GitError::BadBody`].
    pub(super) fn parse(body: &[u8]) -> Result<Node<'_>, GitError> {
        serde_json::from_slice(body).map_err(|_| GitError::BadBody)
    }

    /// Whether the node says nothing that this service knows.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_none()
            && self.tree.is_none()
            && self.content.is_none()
            && self.handle.is_none()
            && self.id.is_none()
    }

    /// Adds the node and all below it as git objects, and returns the tree it became.
    pub(super) fn add_root(self, draft: &mut Draft<'_>) -> Result<ObjectId, GitError> {
        match self.add(draft)? {
            (Mode::Directory, id) => Ok(id),
            (Mode::File, id) => Err(GitError::WrongKind { id, expected: Kind::Tree }),
        }
    }

    fn add(self, draft: &mut Draft<'_>) -> Result<(Mode, ObjectId), GitError> {
        if let Some(entries) = self.entries {
            let mut tree = Vec::with_capacity(entries.len());
            for entry in entries {
                let (mode, id) = match (entry.value, entry.id) {
                    (Some(value), _) => value.add(draft)?,
                    (None, Some(id)) => draft.resolve(&id.0)?,
                    (None, None) => return Err(GitError::MissingField("value")),
                };
                tree.push(TreeEntry::new(entry.path.0, mode, id));
            }
            return Ok((Mode::Directory, draft.add_tree(tree)?));
        }
        if let Some(Children(children)) = self.tree {
            let mut tree = Vec::with_capacity(children.len());
            for (name, child) in children {
                let (mode, id) = child.add(draft)?;
                tree.push(TreeEntry::new(encode_name(&name.0), mode, id));
            }
            return Ok((Mode::Directory, draft.add_tree(tree)?));
        }
        if let Some(content) = self.content {
            let encoding = self.encoding.as_ref().map(|encoding| &*encoding.0);
            let blob = StoredObject::blob(content.into_bytes(encoding)?);
            return Ok((Mode::File, draft.add(blob)?));
        }
        match (self.handle, self.id) {
            // An empty path would be the whole previous version, `.protocol` included.
            (Some(handle), _) if handle.0.starts_with('/') => draft.resolve(&handle.0),
            (Some(handle), _) => draft.resolve(&format!("/{}", handle.0)),
            (None, Some(id)) => draft.resolve(&id.0),
            (None, None) => Err(GitError::MissingField("content")),
        }
    }
}

/// The members of a JSON object in their order.
struct Children<'a>(Vec<(Text<'a>, Node<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Children<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Children<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of summary nodes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut children = Vec::new();
                while let Some(child) = map.next_entry()? {
                    children.push(child);
                }
                Ok(Children(children))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A blob's content: text, or bytes in the forms that JavaScript's JSON gives them.
pub(super) enum Content<'a> {
    /// A JSON string; what its bytes are depends on the encoding beside it.
    Text(Cow<'a, str>),
    /// A `Uint8Array` (an object with keys 0 to n-1) or a `Buffer` (`{"type":"Buffer","data":[…]}`).
    Bytes(Vec<u8>),
}

impl Content<'_> {
    /// The blob's bytes. Only `base64` is an encoding; any other word means the text itself.
    ///
    /// Errors: [`GitError::InvalidBase64`].
    pub(super) fn into_bytes(self, encoding: Option<&str>) -> Result<Bytes, GitError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.into()),
            Self::Text(text) if encoding == Some("base64") => {
                let bytes = BASE64.decode(text.as_bytes()).map_err(|_| GitError::InvalidBase64)?;
                Ok(bytes.into())
            }
            Self::Text(text) => Ok(text.into_owned().into_bytes().into()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or bytes")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Content::Bytes(bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "type" => drop(map.next_value::<IgnoredAny>()?),
                "data" => bytes = map.next_value()?,
                // JavaScript writes integer keys in ascending order.
                index if index.parse() == Ok(bytes.len()) => bytes.push(map.next_value()?),
                _ => return Err(de::Error::custom("not the bytes of an array")),
            }
        }
        Ok(Content::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryObjects;
    use super::*;

    /// The bytes of a blob node.
    fn blob(node: &str) -> Result<Vec<u8>, GitError> {
        let store = MemoryObjects::default();
        let mut draft = Draft::new(&store);
        let (_, id) = Node::parse(node.as_bytes())?.add(&mut draft)?;
        Ok(draft.expect(&id, Kind::Blob)?.body.to_vec())
    }

    #[test]
    fn content_has_many_forms() {
        assert_eq!(blob(r#"{"type":2,"content":"t\u00fc\n"}"#), Ok("tü\n".into()));
        assert_eq!(blob(r#"{"content":"plain","encoding":"utf-8"}"#), Ok(b"plain".into()));
        assert_eq!(blob(r#"{"content":"/w==","encoding":"base64"}"#), Ok(vec![0xff]));
        assert_eq!(blob(r#"{"content":"/w","encoding":"base64"}"#), Ok(vec![0xff]));
        assert_eq!(blob(r#"{"content":{"0":1,"1":255,"2":0}}"#), Ok(vec![1, 255, 0]));
        assert_eq!(blob(r#"{"content":{}}"#), Ok(vec![]));
        assert_eq!(blob(r#"{"content":{"type":"Buffer","data":[9,8]}}"#), Ok(vec![9, 8]));
        assert_eq!(blob(r#"{"content":[9,8]}"#), Ok(vec![9, 8]));
    }

    #[test]
    fn other_content_is_refused() {
        let bad = [
            r#"{"content":{"1":1}}"#,
            r#"{"content":{"0":256}}"#,
            r#"{"content":{"0":-1}}"#,
            r#"{"content":{"0":"a"}}"#,
            r#"{"content":5}"#,
            r#"{"content":"\ud800"}"#,
            r#"{"content":"#,
            "[]",
            "",
        ];
        for node in bad {
            assert_eq!(blob(node), Err(GitError::BadBody), "{node}");
        }
        let invalid = blob(r#"{"content":"****","encoding":"base64"}"#);
        assert_eq!(invalid, Err(GitError::InvalidBase64));
        assert_eq!(blob(r#"{"type":2}"#), Err(GitError::MissingField("content")));
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let body = br#"{"tree":{"a":{"content":"plain"}}}"#;
        let node = Node::parse(body).unwrap();
        let (name, child) = &node.tree.as_ref().unwrap().0[0];
        assert!(matches!(name.0, Cow::Borrowed("a")));
        assert!(matches!(child.content, Some(Content::Text(Cow::Borrowed("plain")))));
    }

    #[test]
    fn nesting_is_bounded_by_the_parser() {
        let depth = 100;
        let deep = r#"{"tree":{"a":"#.repeat(depth) + r#"{"content":""}"# + &"}}".repeat(depth);
        assert_eq!(blob(&deep), Err(GitError::BadBody));
    }
}
