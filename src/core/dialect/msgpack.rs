//! The same messages in msgpack (`levee-wire.md` 1.5): transcoded from and to JSON at the edge.
//!
//! What comes in becomes the text that `JSON.stringify` would have made of it, so that everything
//! behind this file knows one form. What goes out is made from our own JSON.

use crate::wire::json::write_u64;
use crate::wire::json::{self, Cursor, DEPTH_MAX, JsonFault, Kind, Raw, write_i64, write_string};
use rmp::Marker;
use std::io::Write as _;

/// Bytes that one message may become as JSON: four times the largest frame. Bytes written as JSON
/// numbers and escaped strings grow, and a hostile peer would make them grow on purpose.
pub const JSON_BYTES_MAX: usize = 64 << 20;

/// Integers above this go out as floats: JavaScript would read 64-bit ones as `BigInt`.
const INTEGER_MAX: i64 = 0xffff_ffff;
const INTEGER_MIN: i64 = -0x8000_0000;

/// Why bytes are not a msgpack message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackFault {
    /// The bytes end inside a value.
    #[error("msgpack ends too early")]
    Truncated,
    /// Bytes follow the message.
    #[error("bytes follow the msgpack message")]
    Trailing,
    /// The one marker that msgpack never uses.
    #[error("marker is not defined")]
    ReservedMarker,
    /// Deeper than JSON may be nested.
    #[error("msgpack is nested too deeply")]
    TooDeep,
    /// The message would become more than [`JSON_BYTES_MAX`].
    #[error("msgpack is too large as JSON")]
    TooLarge,
    /// A string that is not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A map key that is not a string.
    #[error("map key is not a string")]
    KeyNotString,
}

/// Appends one msgpack message as JSON text. On a fault `out` holds a part, to be dropped.
///
/// Any extension stands for JavaScript's `undefined`: no member in an object, null elsewhere.
pub fn to_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), MsgpackFault> {
    let mut reader = Reader { rest: bytes, end_max: out.len() + JSON_BYTES_MAX };
    if reader.value(out, 0)? == Wrote::Undefined {
        out.extend_from_slice(b"null");
    }
    match reader.rest {
        [] => Ok(()),
        _ => Err(MsgpackFault::Trailing),
    }
}

/// Whether a value became JSON; `undefined` has none.
#[derive(PartialEq, Eq)]
enum Wrote {
    Value,
    Undefined,
}

struct Reader<'a> {
    rest: &'a [u8],
    end_max: usize,
}

impl<'a> Reader<'a> {
    /// Transcodes one value; `depth` is how many containers it stands in.
    fn value(&mut self, out: &mut Vec<u8>, depth: u32) -> Result<Wrote, MsgpackFault> {
        if out.len() > self.end_max {
            return Err(MsgpackFault::TooLarge);
        }
        let marker = self.marker()?;
        match marker {
            Marker::Null => out.extend_from_slice(b"null"),
            Marker::True => out.extend_from_slice(b"true"),
            Marker::False => out.extend_from_slice(b"false"),
            Marker::FixPos(value) => write_u64(out, u64::from(value)),
            Marker::FixNeg(value) => write_i64(out, i64::from(value)),
            Marker::U8 => write_u64(out, u64::from(u8::from_be_bytes(self.array()?))),
            Marker::U16 => write_u64(out, u64::from(u16::from_be_bytes(self.array()?))),
            Marker::U32 => write_u64(out, u64::from(u32::from_be_bytes(self.array()?))),
            Marker::U64 => write_u64(out, u64::from_be_bytes(self.array()?)),
            Marker::I8 => write_i64(out, i64::from(i8::from_be_bytes(self.array()?))),
            Marker::I16 => write_i64(out, i64::from(i16::from_be_bytes(self.array()?))),
            Marker::I32 => write_i64(out, i64::from(i32::from_be_bytes(self.array()?))),
            Marker::I64 => write_i64(out, i64::from_be_bytes(self.array()?)),
            Marker::F32 => write_float(f64::from(f32::from_be_bytes(self.array()?)), out),
            Marker::F64 => write_float(f64::from_be_bytes(self.array()?), out),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                write_string(out, self.string(marker)?);
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => self.bytes(marker, out)?,
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                self.items(marker, out, depth)?;
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.fields(marker, out, depth)?,
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {
                let len = self.len(marker)?;
                self.take(1 + len)?; // the type, then its data
                return Ok(Wrote::Undefined);
            }
            Marker::Reserved => return Err(MsgpackFault::ReservedMarker),
        }
        Ok(Wrote::Value)
    }

    fn items(&mut self, marker: Marker, out: &mut Vec<u8>, depth: u32) -> Result<(), MsgpackFault> {
        let len = self.enter(marker, depth)?;
        out.push(b'[');
        for at in 0..len {
            if at > 0 {
                out.push(b',');
            }
            if self.value(out, depth + 1)? == Wrote::Undefined {
                out.extend_from_slice(b"null");
            }
        }
        out.push(b']');
        Ok(())
    }

    fn fields(
        &mut self,
        marker: Marker,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), MsgpackFault> {
        let len = self.enter(marker, depth)?;
        out.push(b'{');
        let start = out.len();
        for _ in 0..len {
            let before = out.len();
            if before > start {
                out.push(b',');
            }
            let marker = self.marker()?;
            write_string(out, self.string(marker)?);
            out.push(b':');
            if self.value(out, depth + 1)? == Wrote::Undefined {
                out.truncate(before);
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Bytes as `JSON.stringify` writes a `Uint8Array`: an object with the indexes as keys.
    fn bytes(&mut self, marker: Marker, out: &mut Vec<u8>) -> Result<(), MsgpackFault> {
        let len = self.len(marker)?;
        let bytes = self.take(len)?;
        out.push(b'{');
        for (at, byte) in bytes.iter().enumerate() {
            if out.len() > self.end_max {
                return Err(MsgpackFault::TooLarge);
            }
            out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
            write_u64(out, at as u64);
            out.extend_from_slice(b"\":");
            write_u64(out, u64::from(*byte));
        }
        out.push(b'}');
        Ok(())
    }

    fn enter(&mut self, marker: Marker, depth: u32) -> Result<usize, MsgpackFault> {
        match depth < DEPTH_MAX {
            true => self.len(marker),
            false => Err(MsgpackFault::TooDeep),
        }
    }

    fn string(&mut self, marker: Marker) -> Result<&'a str, MsgpackFault> {
        let len = match marker {
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => self.len(marker)?,
            _ => return Err(MsgpackFault::KeyNotString),
        };
        simdutf8::basic::from_utf8(self.take(len)?).map_err(|_| MsgpackFault::NotUtf8)
    }

    /// How many bytes, items or pairs follow a marker that says so.
    fn len(&mut self, marker: Marker) -> Result<usize, MsgpackFault> {
        Ok(match marker {
            Marker::FixStr(len) | Marker::FixArray(len) | Marker::FixMap(len) => usize::from(len),
            Marker::Str8 | Marker::Bin8 | Marker::Ext8 => {
                usize::from(u8::from_be_bytes(self.array()?))
            }
            Marker::Str16 | Marker::Bin16 | Marker::Ext16 | Marker::Array16 | Marker::Map16 => {
                usize::from(u16::from_be_bytes(self.array()?))
            }
            Marker::Str32 | Marker::Bin32 | Marker::Ext32 | Marker::Array32 | Marker::Map32 => {
                u32::from_be_bytes(self.array()?) as usize
            }
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            _ => 0,
        })
    }

    fn marker(&mut self) -> Result<Marker, MsgpackFault> {
        let [byte] = self.array()?;
        Ok(Marker::from_u8(byte))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackFault> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(MsgpackFault::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], MsgpackFault> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(MsgpackFault::Truncated)?;
        self.rest = rest;
        Ok(head)
    }
}

/// Writes a number as JavaScript does: integers without a fraction, null for what JSON lacks.
fn write_float(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    // Writing to a Vec cannot fail.
    let _ = match () {
        () if !value.is_finite() => out.write_all(b"null"),
        () if value == 0.0 => out.write_all(b"0"),
        () if (1e-6..1e21).contains(&size) => write!(out, "{value}"),
        () => write!(out, "{value:e}"),
    };
}

/// Appends JSON text as one msgpack message. On a fault `out` holds a part, to be dropped.
///
/// Containers get a 32-bit length, filled in at their end, so that one pass is enough.
pub fn from_json(text: &[u8], out: &mut Vec<u8>) -> Result<(), JsonFault> {
    let mut cursor = Cursor::new(text);
    write_value(&mut cursor, out)?;
    cursor.finish()
}

/// [`from_json`] for text that this service wrote, which is always JSON; else nothing is appended.
pub(super) fn from_own_json(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if !text.is_empty() && from_json(text, out).is_err() {
        debug_assert!(false, "an encoder wrote what is not JSON");
        out.truncate(start);
    }
}

/// The cursor bounds how deep this recurses.
fn write_value(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), JsonFault> {
    match cursor.peek()? {
        b'[' => {
            let mut items = cursor.array()?;
            let header = write_header(out, Marker::Array32);
            let mut count = 0u32;
            while items.item(cursor)? {
                write_value(cursor, out)?;
                count += 1;
            }
            out[header..header + 4].copy_from_slice(&count.to_be_bytes());
        }
        b'{' => {
            let mut fields = cursor.object()?;
            let header = write_header(out, Marker::Map32);
            let mut count = 0u32;
            while let Some(key) = fields.key(cursor)? {
                write_text(&json::unescape(key).unwrap_or_default(), out);
                write_value(cursor, out)?;
                count += 1;
            }
            out[header..header + 4].copy_from_slice(&count.to_be_bytes());
        }
        _ => write_scalar(cursor.value()?, out),
    }
    Ok(())
}

/// Writes a marker and room for its length; returns where the length stands.
fn write_header(out: &mut Vec<u8>, marker: Marker) -> usize {
    out.push(marker.to_u8());
    out.extend_from_slice(&[0; 4]);
    out.len() - 4
}

fn write_scalar(value: Raw<'_>, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Bool => out.push(match value.as_bool() {
            Some(true) => Marker::True.to_u8(),
            Some(false) | None => Marker::False.to_u8(),
        }),
        Kind::Number => write_number(value, out),
        Kind::String => write_text(&value.as_str().unwrap_or_default(), out),
        Kind::Null | Kind::Array | Kind::Object => out.push(Marker::Null.to_u8()),
    }
}

fn write_number(value: Raw<'_>, out: &mut Vec<u8>) {
    let is_negative_zero = value.bytes().starts_with(b"-0");
    match value.as_i64() {
        Some(integer @ 0..=0x7f) if !is_negative_zero => out.push(integer as u8),
        Some(integer @ -32..0) => out.push(integer as i8 as u8),
        Some(integer @ 0x80..=INTEGER_MAX) => {
            out.push(Marker::U32.to_u8());
            out.extend_from_slice(&(integer as u32).to_be_bytes());
        }
        Some(integer @ INTEGER_MIN..-32) => {
            out.push(Marker::I32.to_u8());
            out.extend_from_slice(&(integer as i32).to_be_bytes());
        }
        Some(_) | None => {
            let text = std::str::from_utf8(value.bytes()).unwrap_or_default();
            let float: f64 = text.parse().unwrap_or_default();
            out.push(Marker::F64.to_u8());
            out.extend_from_slice(&float.to_be_bytes());
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let len = text.len();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..32), _) => out.push(Marker::FixStr(short).to_u8()),
        (Ok(len), _) => out.extend_from_slice(&[Marker::Str8.to_u8(), len]),
        (Err(_), Ok(len)) => {
            out.push(Marker::Str16.to_u8());
            out.extend_from_slice(&len.to_be_bytes());
        }
        // A frame is far below 4 GiB.
        (Err(_), Err(_)) => {
            out.push(Marker::Str32.to_u8());
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn json_of(bytes: &[u8]) -> Result<String, MsgpackFault> {
        let mut out = Vec::new();
        to_json(bytes, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        from_json(text.as_bytes(), &mut out).unwrap();
        out
    }

    #[test]
    fn undefined_is_null_in_arrays_and_absent_in_objects() {
        // [undefined, {a: undefined, b: 1, c: undefined}]
        let bytes = b"\x92\xd4\x00\x00\x83\xa1a\xd4\x00\x00\xa1b\x01\xa1c\xd4\x00\x00";
        assert_eq!(json_of(bytes).unwrap(), r#"[null,{"b":1}]"#);
        assert_eq!(json_of(b"\xd4\x00\x00").unwrap(), "null");
        assert_eq!(json_of(b"\xc7\x02\x05ab").unwrap(), "null");
        assert_eq!(json_of(b"\xd6\xff\x00\x00\x00\x00").unwrap(), "null");
    }

    #[test]
    fn numbers_read_as_javascript_writes_them() {
        let float = |value: f64| {
            let mut bytes = vec![0xcb];
            bytes.extend(value.to_be_bytes());
            json_of(&bytes).unwrap()
        };
        assert_eq!(float(1_760_000_000_000.0), "1760000000000");
        assert_eq!(float(-0.0), "0");
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1e300), "1e300");
        assert_eq!(float(5e-324), "5e-324");
        assert_eq!(float(f64::NAN), "null");
        assert_eq!(float(f64::INFINITY), "null");
        assert_eq!(json_of(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").unwrap(), u64::MAX.to_string());
        assert_eq!(json_of(b"\xd3\x80\0\0\0\0\0\0\0").unwrap(), i64::MIN.to_string());
        assert_eq!(json_of(b"\xca\x3f\x00\x00\x00").unwrap(), "0.5");
        assert_eq!(json_of(b"\xe0").unwrap(), "-32");
    }

    #[test]
    fn bytes_read_as_an_object_of_indexes() {
        assert_eq!(json_of(b"\xc4\x03\x07\x00\xff").unwrap(), r#"{"0":7,"1":0,"2":255}"#);
        assert_eq!(json_of(b"\xc4\x00").unwrap(), "{}");
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(json_of(b""), Err(MsgpackFault::Truncated));
        assert_eq!(json_of(b"\x92\x01"), Err(MsgpackFault::Truncated));
        assert_eq!(json_of(b"\xdd\xff\xff\xff\xff\x01"), Err(MsgpackFault::Truncated));
        assert_eq!(json_of(b"\xdb\xff\xff\xff\xffab"), Err(MsgpackFault::Truncated));
        assert_eq!(json_of(b"\x01\x02"), Err(MsgpackFault::Trailing));
        assert_eq!(json_of(b"\xc1"), Err(MsgpackFault::ReservedMarker));
        assert_eq!(json_of(b"\xa1\xff"), Err(MsgpackFault::NotUtf8));
        assert_eq!(json_of(b"\x81\x01\x02"), Err(MsgpackFault::KeyNotString));
        assert_eq!(json_of(&[0x91; 200]), Err(MsgpackFault::TooDeep));
        let mut bomb = vec![0xc6, 0x00, 0xa0, 0x00, 0x00];
        bomb.resize(5 + 0xa0_0000, 0xff);
        assert_eq!(json_of(&bomb), Err(MsgpackFault::TooLarge));
    }

    #[test]
    fn deepest_nesting_is_the_same_both_ways() {
        let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
        assert_eq!(json_of(&packed(&deep)).unwrap(), deep);
    }

    #[test]
    fn integers_above_32_bits_go_out_as_floats() {
        assert_eq!(packed("4294967295"), b"\xce\xff\xff\xff\xff");
        assert_eq!(packed("4294967296"), b"\xcb\x41\xf0\0\0\0\0\0\0");
        assert_eq!(packed("-2147483648"), b"\xd2\x80\0\0\0");
        assert_eq!(packed("-2147483649"), b"\xcb\xc1\xe0\0\0\0\x20\0\0");
        assert_eq!(packed("1760000000000")[0], 0xcb);
        assert_eq!(packed("-1"), b"\xff");
        assert_eq!(packed("[\"a\\n\"]"), b"\xdd\0\0\0\x01\xa2a\n");
        assert_eq!(packed("{\"k\":null}"), b"\xdf\0\0\0\x01\xa1k\xc0");
    }

    /// What an independent reading of msgpack gives.
    fn reference(bytes: &mut &[u8]) -> Value {
        use rmp::decode as read;
        match Marker::from_u8(bytes[0]) {
            Marker::Null => {
                read::read_nil(bytes).unwrap();
                Value::Null
            }
            Marker::True | Marker::False => Value::Bool(read::read_bool(bytes).unwrap()),
            Marker::F64 => serde_json::json!(read::read_f64(bytes).unwrap()),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let len = read::read_str_len(bytes).unwrap() as usize;
                let (text, rest) = bytes.split_at(len);
                *bytes = rest;
                Value::String(String::from_utf8(text.to_vec()).unwrap())
            }
            Marker::Array32 => {
                let len = read::read_array_len(bytes).unwrap();
                (0..len).map(|_| reference(bytes)).collect()
            }
            Marker::Map32 => {
                let len = read::read_map_len(bytes).unwrap();
                let pairs = (0..len).map(|_| {
                    let Value::String(key) = reference(bytes) else {
                        panic!("keys are strings");
                    };
                    (key, reference(bytes))
                });
                Value::Object(pairs.collect())
            }
            _ => serde_json::json!(read::read_int::<i64, _>(bytes).unwrap()),
        }
    }

    /// Numbers as JavaScript sees them, of one kind, and rounded: the reference parser may be off
    /// in the last bit.
    fn as_floats(value: Value) -> Value {
        match value {
            Value::Number(number) => Value::String(format!("{:.12e}", number.as_f64().unwrap())),
            Value::Array(items) => items.into_iter().map(as_floats).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| (key, as_floats(value)));
                Value::Object(fields.collect())
            }
            other => other,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            (-100i64..100).prop_map(Value::from),
            any::<i32>().prop_map(|number| serde_json::json!(f64::from(number) / 1024.0)),
            ".*".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::vec((".*", inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_survives_the_way_there_and_back(value in any_json()) {
            let bytes = packed(&value.to_string());
            prop_assert_eq!(as_floats(reference(&mut &bytes[..])), as_floats(value.clone()));
            let back: Value = serde_json::from_str(&json_of(&bytes).unwrap()).unwrap();
            prop_assert_eq!(as_floats(back), as_floats(value));
        }

        #[test]
        fn floats_keep_every_bit(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
            let mut bytes = vec![0xcb];
            bytes.extend(value.to_be_bytes());
            let text = json_of(&bytes).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert!(Raw::parse(text.as_bytes()).is_ok());
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_give_json(bytes: Vec<u8>) {
            if let Ok(text) = json_of(&bytes) {
                prop_assert!(Raw::parse(text.as_bytes()).is_ok());
            }
            let _ = from_json(&bytes, &mut Vec::new());
        }
    }
}
