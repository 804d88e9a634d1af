//! A borrowing, validating JSON scanner and the few writers the hot path needs.
//!
//! Most JSON that passes through is never turned into values: a message is walked once, the
//! fields of interest are kept as [`Raw`] slices of what arrived, and those slices are copied into
//! what leaves. [`Cursor`] walks and validates in one pass; [`Raw`] is a validated value.
//!
//! The input must already be valid UTF-8 (text frames are checked, see
//! [`websocket`](crate::wire::websocket)); on other bytes nothing panics, but strings read as
//! `None`.

mod write;

use std::borrow::Cow;

pub use write::{write_i64, write_string, write_u64};

/// Nesting that is accepted: the deepest that `serde_json` parses too, so whatever is accepted
/// here can be parsed later.
pub const DEPTH_MAX: u32 = 127;

/// Why bytes are not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text ended inside a value.
    #[error("JSON ends too early")]
    Truncated,
    /// A byte that cannot stand where it stands; `at` is its offset in the scanned bytes.
    #[error("unexpected byte in JSON at offset {at}")]
    Unexpected {
        /// Offset in bytes.
        at: usize,
    },
    /// Arrays and objects nested deeper than [`DEPTH_MAX`].
    #[error("JSON is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// The six kinds of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// Any number.
    Number,
    /// A string.
    String,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// One complete JSON value as it arrived, without surrounding whitespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Validates that `bytes` hold exactly one JSON value, whitespace around it allowed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonFault> {
        let mut cursor = Cursor::new(bytes);
        let value = cursor.value()?;
        cursor.finish()?;
        Ok(value)
    }

    /// The bytes of the value: copying them elsewhere keeps it exactly as the client wrote it.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            // A `Raw` is never empty and starts as one of the six, so this is `n`.
            _ => Kind::Null,
        }
    }

    /// True for `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The boolean, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.0[0] == b't')
    }

    /// The text of a string with escapes undone; borrowed when there are none. A surrogate without
    /// its partner reads as U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        unescape(self.0.get(1..self.0.len() - 1)?)
    }

    /// The number if it is integral and fits: `7`, `7.0` and `70e-1` are all 7.
    pub fn as_u64(self) -> Option<u64> {
        match self.digits() {
            Some((false, value)) => Some(value),
            Some((true, 0)) => Some(0),
            Some((true, _)) => None,
            None => self.as_i64().and_then(|value| u64::try_from(value).ok()),
        }
    }

    /// The number if it is integral and fits, negative ones too.
    pub fn as_i64(self) -> Option<i64> {
        match self.digits() {
            Some((false, value)) => i64::try_from(value).ok(),
            Some((true, value)) => 0i64.checked_sub_unsigned(value),
            None => self.integral_float(),
        }
    }

    /// The items of an array, each validated as it is reached; `None` for other kinds.
    pub fn array(self) -> Option<ArrayIter<'a>> {
        let mut cursor = Cursor::new(self.0);
        let walk = cursor.array().ok()?;
        Some(ArrayIter { cursor, walk })
    }

    /// The fields of an object, each validated as it is reached; `None` for other kinds.
    pub fn object(self) -> Option<ObjectIter<'a>> {
        let mut cursor = Cursor::new(self.0);
        let walk = cursor.object().ok()?;
        Some(ObjectIter { cursor, walk })
    }

    /// The last field named `name`, as `JSON.parse` would choose; one scan of the object.
    pub fn field(self, name: &str) -> Option<Self> {
        let fields = self.object()?;
        fields.filter(|(key, _)| *key == name.as_bytes()).last().map(|(_, value)| value)
    }

    /// Sign and digits of a plain integer that fits 64 bits.
    fn digits(self) -> Option<(bool, u64)> {
        let (negative, digits) = match self.0 {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.is_empty() {
            return None;
        }
        let mut value = 0u64;
        for &byte in digits {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        }
        Some((negative, value))
    }

    fn integral_float(self) -> Option<i64> {
        if self.kind() != Kind::Number {
            return None;
        }
        let value: f64 = std::str::from_utf8(self.0).ok()?.parse().ok()?;
        // 2^63 itself is the first that does not fit.
        let fits = value >= -(2f64.powi(63)) && value < 2f64.powi(63);
        (fits && value.fract() == 0.0).then_some(value as i64)
    }
}

/// Items of an array. Stops at the first fault, which cannot happen in a [`Raw`].
#[derive(Debug)]
pub struct ArrayIter<'a> {
    cursor: Cursor<'a>,
    walk: Walk,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        match self.walk.item(&mut self.cursor) {
            Ok(true) => self.cursor.value().ok(),
            Ok(false) | Err(_) => None,
        }
    }
}

/// Fields of an object: the key between its quotes, as written, and the value.
#[derive(Debug)]
pub struct ObjectIter<'a> {
    cursor: Cursor<'a>,
    walk: Walk,
}

impl<'a> Iterator for ObjectIter<'a> {
    type Item = (&'a [u8], Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.walk.key(&mut self.cursor).ok()??;
        Some((key, self.cursor.value().ok()?))
    }
}

/// A position in JSON text. Values are validated as they are passed.
///
/// ```
/// use levee_core::wire::json::Cursor;
/// let mut cursor = Cursor::new(br#"["op",{"n":1}]"#);
/// let mut items = cursor.array()?;
/// while items.item(&mut cursor)? {
///     let value = cursor.value()?; // exactly one value for each item or key
/// }
/// cursor.finish()?;
/// # Ok::<(), levee_core::wire::json::JsonFault>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Containers that were entered and not left.
    depth: u32,
}

/// Progress through one array or object that was entered with [`Cursor::array`] or
/// [`Cursor::object`].
#[derive(Debug)]
pub struct Walk {
    started: bool,
    ended: bool,
}

impl Walk {
    /// Moves to the next item of an array; false at its end. The caller then takes exactly one
    /// value.
    pub fn item(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        self.advance(cursor, b']')
    }

    /// Moves to the next field of an object and returns its key as written between the quotes;
    /// `None` at its end. The caller then takes exactly one value.
    pub fn key<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, JsonFault> {
        if !self.advance(cursor, b'}')? {
            return Ok(None);
        }
        cursor.key().map(Some)
    }

    fn advance(&mut self, cursor: &mut Cursor<'_>, close: u8) -> Result<bool, JsonFault> {
        if self.ended {
            return Ok(false);
        }
        let byte = cursor.peek()?;
        if byte == close {
            cursor.at += 1;
            cursor.depth -= 1;
            self.ended = true;
            return Ok(false);
        }
        if self.started {
            if byte != b',' {
                return Err(cursor.unexpected());
            }
            cursor.at += 1;
        }
        self.started = true;
        Ok(true)
    }
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Offset in bytes of the next thing to read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next byte that is not whitespace, which becomes the position.
    pub fn peek(&mut self) -> Result<u8, JsonFault> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(JsonFault::Truncated)
    }

    /// Enters an array.
    pub fn array(&mut self) -> Result<Walk, JsonFault> {
        self.enter(b'[')
    }

    /// Enters an object.
    pub fn object(&mut self) -> Result<Walk, JsonFault> {
        self.enter(b'{')
    }

    /// Passes one value and returns it.
    pub fn value(&mut self) -> Result<Raw<'a>, JsonFault> {
        self.peek()?;
        let start = self.at;
        self.skip_value()?;
        Ok(Raw(&self.bytes[start..self.at]))
    }

    /// Checks that nothing but whitespace is left.
    pub fn finish(mut self) -> Result<(), JsonFault> {
        match self.peek() {
            Ok(_) => Err(self.unexpected()),
            Err(_) => Ok(()),
        }
    }

    /// Passes one value. Containers inside are kept in a stack of bits, so hostile nesting costs
    /// neither stack nor heap.
    pub fn skip_value(&mut self) -> Result<(), JsonFault> {
        let mut objects = 0u128; // bit 0: the innermost open container is an object
        let mut open = 0;
        loop {
            let byte = self.peek()?;
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    self.at += 1;
                    if self.depth + open == DEPTH_MAX {
                        return Err(JsonFault::TooDeep);
                    }
                    let is_object = byte == b'{';
                    if self.peek()? == byte + 2 {
                        self.at += 1; // `{}` or `[]`: in ASCII the closing byte is two above
                    } else {
                        objects = (objects << 1) | u128::from(is_object);
                        open += 1;
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return Err(self.unexpected()),
            }
            // A value has ended: close what ends with it, up to the next comma.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(self.unexpected()),
                }
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    fn enter(&mut self, opening: u8) -> Result<Walk, JsonFault> {
        if self.peek()? != opening {
            return Err(self.unexpected());
        }
        if self.depth == DEPTH_MAX {
            return Err(JsonFault::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        Ok(Walk { started: false, ended: false })
    }

    /// Passes `"key":` and returns the key between its quotes.
    fn key(&mut self) -> Result<&'a [u8], JsonFault> {
        if self.peek()? != b'"' {
            return Err(self.unexpected());
        }
        let start = self.at + 1;
        self.string()?;
        let key = &self.bytes[start..self.at - 1];
        if self.peek()? != b':' {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(key)
    }

    fn unexpected(&self) -> JsonFault {
        match self.at < self.bytes.len() {
            true => JsonFault::Unexpected { at: self.at },
            false => JsonFault::Truncated,
        }
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonFault> {
        for &expected in word {
            if self.byte() != Some(expected) {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Passes a string, from its opening quote past its closing one.
    fn string(&mut self) -> Result<(), JsonFault> {
        self.at += 1;
        loop {
            self.at += plain_len(&self.bytes[self.at..]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) | None => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonFault> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
            Some(b'u') => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.unexpected());
                    }
                }
            }
            Some(_) | None => return Err(self.unexpected()),
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.some_digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at == start {
            true => Err(self.unexpected()),
            false => Ok(()),
        }
    }
}

/// How many bytes stand before the first quote, backslash or control character; all if none.
///
/// Eight bytes at a time in one register. Op contents are JSON inside a JSON string, with a
/// backslash every few bytes, where calling out to a SIMD search for each would cost more.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // The high bit of a byte is set where it matches; a borrow can set it wrongly only above
        // the first true match, which is the one that counts.
        let hits = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let start = bytes.len() - rest.len();
    let tail = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    tail.map_or(bytes.len(), |at| start + at)
}

/// Undoes the escapes of a validated string; `inner` is what stands between the quotes.
pub fn unescape(inner: &[u8]) -> Option<Cow<'_, str>> {
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    let mut plain = first;
    loop {
        out.extend_from_slice(&rest[..plain]);
        let [b'\\', letter, tail @ ..] = &rest[plain..] else {
            break;
        };
        rest = tail;
        match letter {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (symbol, used) = unescape_unicode(rest)?;
                out.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[used..];
            }
            other => out.push(*other),
        }
        plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Reads what follows `\u`: the character and how many bytes it took, 10 for a surrogate pair.
fn unescape_unicode(digits: &[u8]) -> Option<(char, usize)> {
    let unit = hex4(digits)?;
    if let Some(symbol) = char::from_u32(unit) {
        return Some((symbol, 4));
    }
    if let (0xd800..0xdc00, [b'\\', b'u', low @ ..]) = (unit, &digits[4..])
        && let Some(low @ 0xdc00..0xe000) = hex4(low)
    {
        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return Some((char::from_u32(code)?, 10));
    }
    Some((char::REPLACEMENT_CHARACTER, 4))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    let four = digits.first_chunk::<4>()?;
    four.iter().try_fold(0, |sum, &byte| Some(sum * 16 + char::from(byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &str) -> bool {
        Raw::parse(text.as_bytes()).is_ok()
    }

    fn reference_accepts(text: &str) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            // Halves: serde_json itself reads other fractions with a rounding error.
            any::<i32>().prop_map(|n| (f64::from(n) / 2.0).into()),
            any::<String>().prop_map(Into::into),
            "[ -~\\x00-\\x1f\"\\\\]{0,40}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|fields| fields
                    .into_iter()
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
    }

    /// Rebuilds a value through the scanner's own accessors.
    fn rebuild(raw: Raw<'_>) -> serde_json::Value {
        match raw.kind() {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool => raw.as_bool().unwrap().into(),
            Kind::Number => serde_json::from_slice(raw.bytes()).unwrap(),
            Kind::String => raw.as_str().unwrap().into_owned().into(),
            Kind::Array => raw.array().unwrap().map(rebuild).collect(),
            Kind::Object => {
                let fields = raw.object().unwrap();
                let fields = fields.map(|(k, v)| (unescape(k).unwrap().into_owned(), rebuild(v)));
                serde_json::Value::Object(fields.collect())
            }
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(rebuild(Raw::parse(text.as_bytes()).unwrap()), value.clone());
            }
        }

        #[test]
        fn accepts_and_refuses_as_serde_json_does(
            value in json(), at in any::<prop::sample::Index>(), with in "[ -~\\x00-\\x1fü]{0,2}",
            cut in 0..3usize,
        ) {
            let mut chars: Vec<char> = value.to_string().chars().collect();
            let at = at.index(chars.len());
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, with.chars());
            let text: String = chars.into_iter().collect();
            prop_assert_eq!(accepts(&text), reference_accepts(&text), "{:?}", text);
        }

        #[test]
        fn accepts_and_refuses_alphabet_soup(text in "[\\[\\]{},:\"\\\\u0eE+.\\-1a-f tn]{0,12}") {
            prop_assert_eq!(accepts(&text), reference_accepts(&text), "{:?}", text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(raw) = Raw::parse(&bytes) {
                let _ = (raw.as_str(), raw.as_i64(), raw.as_u64());
            }
            let _ = unescape(&bytes);
        }

        #[test]
        fn writes_strings_as_serde_json_does(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn writes_numbers(signed in any::<i64>(), unsigned in any::<u64>()) {
            let mut out = Vec::new();
            write_i64(&mut out, signed);
            out.push(b' ');
            write_u64(&mut out, unsigned);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{signed} {unsigned}"));
        }

        #[test]
        fn plain_len_is_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let naive = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\');
            prop_assert_eq!(plain_len(&bytes), naive.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn every_control_character_is_refused_in_a_string() {
        for byte in 0u8..0x20 {
            assert!(!accepts(&format!("\"aaaaaaaaaa{}a\"", char::from(byte))), "{byte}");
        }
        assert!(accepts("\"\u{7f}\u{2028}\""));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(accepts(&nested(127)));
        assert_eq!(Raw::parse(nested(128).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(Raw::parse("{\"a\":".repeat(1_000_000).as_bytes()), Err(JsonFault::TooDeep));
        let mut cursor = Cursor::new(b"[[[1]]]");
        for _ in 0..3 {
            cursor.array().unwrap().item(&mut cursor).unwrap();
        }
        assert_eq!(cursor.value().unwrap().as_u64(), Some(1));
    }

    #[test]
    fn integers() {
        let of = |text: &'static str| Raw::parse(text.as_bytes()).unwrap();
        for (text, unsigned, signed) in [
            ("0", Some(0), Some(0)),
            ("-0", Some(0), Some(0)),
            ("3.0", Some(3), Some(3)),
            ("1e3", Some(1000), Some(1000)),
            ("-1", None, Some(-1)),
            ("-1.0", None, Some(-1)),
            ("1.5", None, None),
            ("18446744073709551615", Some(u64::MAX), None),
            ("-9223372036854775808", None, Some(i64::MIN)),
            ("-9223372036854775809", None, None),
            ("18446744073709551616", None, None),
            ("1e300", None, None),
            ("\"7\"", None, None),
            ("null", None, None),
        ] {
            assert_eq!(of(text).as_u64(), unsigned, "{text}");
            assert_eq!(of(text).as_i64(), signed, "{text}");
        }
    }

    #[test]
    fn surrogates() {
        let text = |json: &'static str| Raw::parse(json.as_bytes()).unwrap().as_str().unwrap();
        assert_eq!(text(r#""\ud83d\ude00""#), "😀");
        assert_eq!(text(r#""\uD83Dx""#), "\u{fffd}x");
        assert_eq!(text(r#""\ud83d\n\ude00""#), "\u{fffd}\n\u{fffd}");
        assert_eq!(text(r#""\ud83d\u0041""#), "\u{fffd}A");
        assert!(matches!(text(r#""plain""#), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_walk_takes_fields_in_one_pass() {
        let mut cursor = Cursor::new(br#" ["1",null, {"a" : [1,2] ,"b":{}} ] "#);
        let mut items = cursor.array().unwrap();
        assert!(items.item(&mut cursor).unwrap());
        assert_eq!(cursor.value().unwrap().as_str().unwrap(), "1");
        assert!(items.item(&mut cursor).unwrap());
        assert!(cursor.value().unwrap().is_null());
        assert!(items.item(&mut cursor).unwrap());
        let mut fields = cursor.object().unwrap();
        assert_eq!(fields.key(&mut cursor).unwrap(), Some(&b"a"[..]));
        assert_eq!(cursor.value().unwrap().bytes(), b"[1,2]");
        assert_eq!(fields.key(&mut cursor).unwrap(), Some(&b"b"[..]));
        cursor.skip_value().unwrap();
        assert_eq!(fields.key(&mut cursor).unwrap(), None);
        assert!(!items.item(&mut cursor).unwrap());
        assert!(!items.item(&mut cursor).unwrap());
        cursor.finish().unwrap();
        for bad in ["[1 2]", "[,1]", "[1,]", "[1"] {
            let mut cursor = Cursor::new(bad.as_bytes());
            let mut items = cursor.array().unwrap();
            let mut walk = || -> Result<(), JsonFault> {
                while items.item(&mut cursor)? {
                    cursor.skip_value()?;
                }
                Ok(())
            };
            assert!(walk().is_err(), "{bad}");
        }
    }

    #[test]
    fn field_is_the_last_of_its_name() {
        let raw = Raw::parse(br#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(raw.field("a").and_then(Raw::as_u64), Some(3));
        assert_eq!(raw.field("c"), None);
        assert_eq!(Raw::parse(b"[]").unwrap().field("a"), None);
    }
}
