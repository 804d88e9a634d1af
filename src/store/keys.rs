//! Key bytes of the LSM tree, in one table: this is the disk format, held by golden tests.
//!
//! | key | value |
//! |---|---|
//! | `m` | how far the log has been moved into the tree |
//! | `h` document | [`super::values::Head`]: last number, checkpoint, tail chunk, version |
//! | `c` document | the newest checkpoint: its number (8, big endian), then its bytes |
//! | `o` document, number of the first operation (8, big endian) | a chunk of operations |
//! | `g` document, object id (20) | kind (1), body |
//! | `x` document | nothing: it is deleted, and not all of it is gone yet |
//!
//! A document is: length of the tenant (2, big endian), tenant, name of the document with every
//! zero byte doubled up as `00 01`, then `00 00`. So one tenant's documents lie together, sorted by
//! name, and no document's keys are a prefix of another's.

use levee_core::git::ObjectId;
use levee_core::ids::{DocKey, Seq};

/// How far the log has been moved.
pub(crate) const MOVED: &[u8] = b"m";

const HEAD: u8 = b'h';
const CHECKPOINT: u8 = b'c';
const CHUNK: u8 = b'o';
const OBJECT: u8 = b'g';
const DOOMED: u8 = b'x';

pub(crate) fn head(doc: &DocKey) -> Vec<u8> {
    tagged(HEAD, doc, 0)
}

/// Common start of the heads of one tenant's documents, or of all of them.
pub(crate) fn heads(tenant: Option<&str>) -> Vec<u8> {
    let mut key = vec![HEAD];
    if let Some(tenant) = tenant {
        put_tenant(&mut key, tenant);
    }
    key
}

pub(crate) fn doomed(doc: &DocKey) -> Vec<u8> {
    tagged(DOOMED, doc, 0)
}

/// Common start of the keys of deletions under way.
pub(crate) const ALL_DOOMED: &[u8] = &[DOOMED];

/// The document that a head's key names, or that of a deletion.
pub(crate) fn document_of_head(key: &[u8]) -> Option<DocKey> {
    let (&(HEAD | DOOMED), rest) = key.split_first()? else {
        return None;
    };
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (tenant, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let mut document = Vec::with_capacity(rest.len());
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte != 0 {
            document.push(byte);
            continue;
        }
        let (&mark, after) = rest.split_first()?;
        rest = after;
        match mark {
            0 if rest.is_empty() => break,
            1 => document.push(0),
            _ => return None,
        }
    }
    let document = std::str::from_utf8(&document).ok()?;
    Some(DocKey::new(std::str::from_utf8(tenant).ok()?, document))
}

pub(crate) fn checkpoint(doc: &DocKey) -> Vec<u8> {
    tagged(CHECKPOINT, doc, 0)
}

/// Common start of the keys of a document's chunks.
pub(crate) fn chunks(doc: &DocKey) -> Vec<u8> {
    tagged(CHUNK, doc, 8)
}

pub(crate) fn chunk(doc: &DocKey, first: Seq) -> Vec<u8> {
    let mut key = chunks(doc);
    key.extend_from_slice(&first.0.to_be_bytes());
    key
}

/// The first operation of the chunk that has this key.
pub(crate) fn first_of_chunk(key: &[u8]) -> Option<Seq> {
    key.last_chunk::<8>().map(|bytes| Seq(u64::from_be_bytes(*bytes)))
}

/// Common start of the keys of a document's objects.
pub(crate) fn objects(doc: &DocKey) -> Vec<u8> {
    tagged(OBJECT, doc, ObjectId::BYTES)
}

pub(crate) fn object(doc: &DocKey, id: &ObjectId) -> Vec<u8> {
    let mut key = objects(doc);
    key.extend_from_slice(id.as_bytes());
    key
}

fn tagged(tag: u8, doc: &DocKey, more_bytes: usize) -> Vec<u8> {
    let names = doc.tenant().len() + doc.document().len();
    let mut key = Vec::with_capacity(1 + 2 + names + 2 + more_bytes);
    key.push(tag);
    put_tenant(&mut key, doc.tenant());
    for &byte in doc.document().as_bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(1);
        }
    }
    key.extend_from_slice(&[0, 0]);
    key
}

fn put_tenant(key: &mut Vec<u8>, tenant: &str) {
    // Names are bounded far below this when a request is parsed (`limits::NAME_BYTES_MAX`).
    debug_assert!(tenant.len() <= usize::from(u16::MAX));
    key.extend_from_slice(&(tenant.len() as u16).to_be_bytes());
    key.extend_from_slice(tenant.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use levee_core::git::StoredObject;

    #[test]
    fn key_bytes_are_the_disk_format() {
        let doc = DocKey::new("fluid", "d1");
        assert_eq!(MOVED, b"m");
        assert_eq!(head(&doc), b"h\x00\x05fluidd1\x00\x00");
        assert_eq!(checkpoint(&doc), b"c\x00\x05fluidd1\x00\x00");
        assert_eq!(
            chunk(&doc, Seq(0x0102)),
            b"o\x00\x05fluidd1\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02"
        );
        let id = StoredObject::blob("").id;
        let mut object_key = b"g\x00\x05fluidd1\x00\x00".to_vec();
        object_key.extend_from_slice(id.as_bytes());
        assert_eq!(object(&doc, &id), object_key);
        assert_eq!(heads(Some("fluid")), b"h\x00\x05fluid");
        assert_eq!(doomed(&doc), b"x\x00\x05fluidd1\x00\x00");
        assert_eq!(document_of_head(&doomed(&doc)), Some(doc));
    }

    #[test]
    fn a_head_names_its_document_and_sorts_by_name() {
        let names = ["", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "ü"];
        let keys: Vec<_> = names.iter().map(|name| head(&DocKey::new("t", name))).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for (key, name) in keys.iter().zip(names) {
            assert_eq!(document_of_head(key), Some(DocKey::new("t", name)));
            assert_eq!(document_of_head(&key[..key.len() - 1]), None);
        }
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().enumerate().all(|(n, k)| n == at || !k.starts_with(key)));
        }
    }

    #[test]
    fn chunks_sort_by_number() {
        let doc = DocKey::new("t", "d");
        assert!(chunk(&doc, Seq(255)) < chunk(&doc, Seq(256)));
        assert_eq!(first_of_chunk(&chunk(&doc, Seq(77))), Some(Seq(77)));
    }
}
