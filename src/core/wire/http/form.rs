//! Percent-encoding: path segments, query strings, form bodies.

use std::borrow::Cow;

/// Encodes everything but what RFC 3986 calls unreserved.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Decodes a path segment; `None` if an escape is malformed or the result is not UTF-8. A plus
/// stays a plus.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = text.find('%') else {
        return Some(Cow::Borrowed(text));
    };
    let (plain, mut rest) = text.as_bytes().split_at(first);
    let mut out = plain.to_vec();
    while let [byte, tail @ ..] = rest {
        match (byte, hex_pair(tail)) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            (b'%', None) => return None,
            (plain, _) => {
                out.push(*plain);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Name and value pairs of a query string or an `application/x-www-form-urlencoded` body, decoded
/// once, in order. As in browsers nothing is an error: a stray `%` stands for itself and bytes
/// that are not UTF-8 become U+FFFD.
pub fn pairs(text: &[u8]) -> Pairs<'_> {
    Pairs { rest: text }
}

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = split_at_byte(self.rest, b'&');
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = split_at_byte(pair, b'=');
                return Some((decode(name), decode(value)));
            }
        }
        None
    }
}

fn split_at_byte(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(separator, text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

fn decode(text: &[u8]) -> Cow<'_, str> {
    let Some(first) = memchr::memchr2(b'%', b'+', text) else {
        return String::from_utf8_lossy(text);
    };
    let (plain, mut rest) = text.split_at(first);
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(plain);
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match hex_pair(tail) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            plain => out.push(*plain),
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Cow::Owned(text),
        Err(fault) => Cow::Owned(String::from_utf8_lossy(fault.as_bytes()).into_owned()),
    }
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let [high, low] = *digits.first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments() {
        for (text, expected) in [
            ("plain", Some("plain")),
            ("a%20b+c", Some("a b+c")),
            ("%2F%2f", Some("//")),
            ("z%C3%BCrich", Some("zürich")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
            ("%+1", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), expected, "{text}");
        }
        assert!(matches!(percent_decode("plain"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn forms() {
        let text = b"a=1&b=x+y%26z&&c&=v&d=%zz%&e=%ff&f=%2520&a=2=3";
        let found: Vec<(String, String)> =
            pairs(text).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let expected = [
            ("a", "1"),
            ("b", "x y&z"),
            ("c", ""),
            ("", "v"),
            ("d", "%zz%"),
            ("e", "\u{fffd}"),
            ("f", "%20"),
            ("a", "2=3"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_string(), v.to_string())));
        assert_eq!(pairs(b"").next(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let chars = |text: Cow<'_, str>| text.chars().count();
            let total: usize = pairs(&bytes).map(|(k, v)| chars(k) + chars(v)).sum();
            prop_assert!(total <= bytes.len());
            let _ = percent_decode(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decode(&encoded), Some(Cow::Borrowed(text.as_str())));
        }
    }
}
