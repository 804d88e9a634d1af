//! Git objects: their ids, kinds and bytes, equal to what stock git computes.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use sha1::{Digest, Sha1};

use super::GitError;

/// The SHA-1 name of a git object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; Self::BYTES]);

impl ObjectId {
    /// Length of an id in bytes.
    pub const BYTES: usize = 20;
    /// Length of an id in hexadecimal digits.
    pub const HEX_DIGITS: usize = 2 * Self::BYTES;

    /// Wraps the 20 raw bytes, as they stand in a tree or a store key.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The 20 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The id of an object with this kind and content.
    pub fn of(kind: Kind, body: &[u8]) -> Self {
        let mut hasher = Sha1::new();
        hasher.update(header(kind, body.len()));
        hasher.update(body);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0_u8; Self::HEX_DIGITS];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = hex_digit(byte >> 4);
            pair[1] = hex_digit(byte & 0xf);
        }
        // Hexadecimal digits are ASCII, so the fallback is never taken.
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = GitError;

    /// Reads exactly 40 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, GitError> {
        let digits = text.as_bytes();
        if digits.len() != Self::HEX_DIGITS {
            return Err(GitError::InvalidId);
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

const fn hex_value(digit: u8) -> Result<u8, GitError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(GitError::InvalidId),
    }
}

/// What an object is. Tags are not used by Fluid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Opaque bytes.
    Blob,
    /// A directory.
    Tree,
    /// A version of a document: a tree, its parents and a message.
    Commit,
}

impl Kind {
    /// Git's word for the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
        }
    }
}

/// Git's object header, hashed and compressed in front of the content: `kind length NUL`.
pub fn header(kind: Kind, body_bytes: usize) -> Vec<u8> {
    format!("{} {body_bytes}\0", kind.name()).into_bytes()
}

/// An object as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub id: ObjectId,
    /// What `body` is.
    pub kind: Kind,
    /// The content, without git's header.
    pub body: Bytes,
}

impl StoredObject {
    /// Names the content.
    pub fn new(kind: Kind, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { id: ObjectId::of(kind, &body), kind, body }
    }

    /// A blob of these bytes.
    pub fn blob(body: impl Into<Bytes>) -> Self {
        Self::new(Kind::Blob, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        let empty_blob = StoredObject::blob("");
        assert_eq!(empty_blob.id.to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        let empty_tree = ObjectId::of(Kind::Tree, b"");
        assert_eq!(empty_tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        // From recorded traffic of an official client.
        let blob = StoredObject::blob("remote blob");
        assert_eq!(blob.id.to_string(), "8de16e4d53aae53d45cb74b8c1d1bedac53af565");
    }

    #[test]
    fn hex_round_trips_and_refuses_anything_else() {
        let text = "8de16e4d53aae53d45cb74b8c1d1bedac53af565";
        let id: ObjectId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<ObjectId>().unwrap(), id);
        for bad in ["", "8de1", &text[1..], &format!("{text}0"), &text.replace('8', "g"), "é"] {
            assert!(matches!(bad.parse::<ObjectId>(), Err(GitError::InvalidId)), "{bad}");
        }
    }
}
