//! Names of tree entries. Fluid stores each name as a URI component, whatever the client called it.

use std::borrow::Cow;

/// Encodes a raw name exactly as JavaScript's `encodeURIComponent`, which official clients use.
pub fn encode_name(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.bytes().position(|byte| !is_plain(byte)) else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len() + 8);
    out.push_str(&raw[..first]);
    for byte in raw[first..].bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(upper_hex_digit(byte >> 4));
            out.push(upper_hex_digit(byte & 0xf));
        }
    }
    Cow::Owned(out)
}

/// Decodes a stored name for a client that wants raw names. A name that was never encoded, or one
/// that would read as a path, stays as it is.
pub fn decode_name(stored: &str) -> Cow<'_, str> {
    if !stored.contains('%') {
        return Cow::Borrowed(stored);
    }
    match decode(stored.as_bytes()) {
        Some(raw) if !raw.contains(['/', '\0']) => Cow::Owned(raw),
        _ => Cow::Borrowed(stored),
    }
}

fn decode(mut stored: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(stored.len());
    while let Some((&byte, rest)) = stored.split_first() {
        stored = rest;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, rest) = stored.split_first_chunk::<2>()?;
        stored = rest;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        out.push(u8::try_from(high? << 4 | low?).ok()?);
    }
    String::from_utf8(out).ok()
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

const fn upper_hex_digit(nibble: u8) -> char {
    match nibble {
        0..=9 => (b'0' + nibble) as char,
        _ => (b'A' + nibble - 10) as char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_encoded_as_javascript_does() {
        assert_eq!(encode_name(".channels"), ".channels");
        assert_eq!(encode_name("my map ü"), "my%20map%20%C3%BC");
        assert_eq!(encode_name("a/b%:+"), "a%2Fb%25%3A%2B");
        assert_eq!(encode_name("-_.!~*'()"), "-_.!~*'()");
    }

    #[test]
    fn what_was_not_encoded_stays() {
        for name in ["50%", "%zz", "%", "%2", "%ff", "a%2Fb", "%00"] {
            assert_eq!(decode_name(name), name);
        }
    }

    proptest! {
        #[test]
        fn encoding_round_trips(raw in "[^/\0]*") {
            let stored = encode_name(&raw).into_owned();
            prop_assert!(stored.is_ascii());
            prop_assert_eq!(decode_name(&stored), raw);
        }
    }
}
