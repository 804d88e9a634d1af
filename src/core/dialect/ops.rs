//! Operations inside a `submitOp`.

use super::{OpKind, RawOp};
use crate::wire::json::{Cursor, JsonFault, Raw};

/// Why an item of a batch is not an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpFault {
    /// A number, a string, a boolean or null stands where an operation should.
    #[error("operation is not an object")]
    NotAnObject,
    /// The batches are not JSON; cannot happen with what [`decode`](super::decode) returned.
    #[error(transparent)]
    Json(#[from] JsonFault),
}

/// The operations of `batches`: an array nested to any depth, flattened in order, or one bare
/// operation. Allocates nothing. Ends after the first [`OpFault::Json`].
pub fn each(batches: &[u8]) -> impl Iterator<Item = Result<RawOp<'_>, OpFault>> {
    let mut rest = batches;
    std::iter::from_fn(move || {
        // The whole is valid JSON, so whatever stands between two values only nests them.
        let skipped = rest
            .iter()
            .position(|byte| !matches!(byte, b'[' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t'));
        rest = skipped.map_or(&[], |at| &rest[at..]);
        let next = match rest.first()? {
            b'{' => read(rest),
            _ => skip(rest),
        };
        match next {
            Ok((op, used_bytes)) => {
                rest = &rest[used_bytes..];
                Some(op.ok_or(OpFault::NotAnObject))
            }
            Err(fault) => {
                rest = &[];
                Some(Err(OpFault::Json(fault)))
            }
        }
    })
}

/// Passes a value that is not an operation.
fn skip(rest: &[u8]) -> Result<(Option<RawOp<'_>>, usize), JsonFault> {
    let mut cursor = Cursor::new(rest);
    cursor.skip_value()?;
    Ok((None, cursor.offset()))
}

/// Reads the object at the start of `rest`, and how many bytes it takes.
fn read(rest: &[u8]) -> Result<(Option<RawOp<'_>>, usize), JsonFault> {
    let mut cursor = Cursor::new(rest);
    let mut op = RawOp {
        kind: OpKind::Op,
        client_seq: 0,
        reference_seq: None,
        contents: None,
        metadata: None,
        compression: None,
        raw: &[],
    };
    let mut fields = cursor.object()?;
    while let Some(key) = fields.key(&mut cursor)? {
        let value = cursor.value()?;
        match key {
            b"type" => op.kind = kind(value),
            b"clientSequenceNumber" => op.client_seq = value.as_i64().unwrap_or(0),
            b"referenceSequenceNumber" => op.reference_seq = value.as_i64(),
            b"contents" => op.contents = Some(value.bytes()),
            b"metadata" => op.metadata = present(value),
            b"compression" => op.compression = present(value),
            _ => {}
        }
    }
    op.raw = &rest[..cursor.offset()];
    Ok((Some(op), cursor.offset()))
}

fn kind(value: Raw<'_>) -> OpKind {
    match value.as_str() {
        Some(text) => OpKind::from_wire(&text),
        None => OpKind::Unknown,
    }
}

fn present(value: Raw<'_>) -> Option<&[u8]> {
    (!value.is_null()).then(|| value.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seqs(batches: &str) -> Vec<Result<i64, OpFault>> {
        let ops = each(batches.as_bytes());
        ops.map(|op| op.map(|op| op.client_seq)).collect()
    }

    #[test]
    fn batches_are_flattened_at_any_depth() {
        let op = |seq: i64| format!(r#"{{"clientSequenceNumber":{seq}}}"#);
        let (a, b, c) = (op(1), op(2), op(3));
        assert_eq!(seqs(&a), [Ok(1)]);
        assert_eq!(seqs(&format!("[[{a},{b}]]")), [Ok(1), Ok(2)]);
        assert_eq!(seqs(&format!("[ [[ [{a}]],\n{b}] , [[]],[{c}]]")), [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(seqs("[[],[[[]]]]"), []);
        let deep = format!("{}{a}{}", "[".repeat(126), "]".repeat(126));
        assert_eq!(seqs(&deep), [Ok(1)]);
    }

    #[test]
    fn what_is_not_an_object_is_one_fault_and_the_next_item_counts() {
        let found = seqs(r#"["[{",null,7,{"clientSequenceNumber":4},true]"#);
        let fault = Err(OpFault::NotAnObject);
        assert_eq!(found, [fault, fault, fault, Ok(4), fault]);
    }

    #[test]
    fn fields_come_in_any_order_and_the_last_counts() {
        let text = r#"{"metadata":{"batchId":"b"},"type":"noop","contents":"\"x\"",
            "compression":"lz4",
            "clientSequenceNumber":9,"clientSequenceNumber":1e1,
            "referenceSequenceNumber":-1,"traces":[]}"#;
        let ops: Vec<_> = each(text.as_bytes()).collect();
        let [Ok(op)] = ops.as_slice() else {
            panic!("one operation, not {ops:?}");
        };
        assert_eq!(op.kind, OpKind::Noop);
        assert_eq!((op.client_seq, op.reference_seq), (10, Some(-1)));
        assert_eq!(op.contents, Some(br#""\"x\"""#.as_slice()));
        assert_eq!(op.metadata, Some(br#"{"batchId":"b"}"#.as_slice()));
        assert_eq!(op.compression, Some(br#""lz4""#.as_slice()));
        assert_eq!(op.raw, text.as_bytes());
    }

    #[test]
    fn absent_and_mistyped_fields() {
        let text = br#"[{},{"type":5,"clientSequenceNumber":"1","referenceSequenceNumber":1.5,
            "contents":null,"metadata":null,"compression":null},{"type":"join"}]"#;
        let ops: Vec<_> = each(text).map(|op| op.unwrap()).collect();
        assert_eq!(ops[0].kind, OpKind::Op);
        assert_eq!((ops[0].contents, ops[0].reference_seq), (None, None));
        assert_eq!(ops[1].kind, OpKind::Unknown);
        assert_eq!((ops[1].client_seq, ops[1].reference_seq), (0, None));
        assert_eq!(ops[1].contents, Some(b"null".as_slice()));
        assert_eq!((ops[1].metadata, ops[1].compression), (None, None));
        assert_eq!(ops[2].kind, OpKind::System);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_end(bytes: Vec<u8>) {
            prop_assert!(each(&bytes).count() <= bytes.len());
        }
    }
}
