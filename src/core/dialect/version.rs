//! Which protocol version a client and this service share.

use super::Dialect;
use crate::wire::json::Raw;
use std::fmt::Write as _;

/// Ranges announced to Socket.IO clients, best first.
pub(super) const SOCKETIO: [&str; 4] = ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"];
/// Ranges announced to Phoenix clients.
pub(super) const PHOENIX: [&str; 2] = ["^0.1.0", "^1.0.0"];
/// The versions that answer [`PHOENIX`], in the same order.
const PHOENIX_CHOSEN: [&str; 2] = ["0.1.0", "1.0.0"];

/// Bytes of the client's list that a refusal repeats.
const SHOWN_BYTES_MAX: usize = 200;

/// Chooses from the client's `versions` (a raw JSON array, or nothing). `None` only on Socket.IO:
/// nothing in common, to be refused with [`unsupported_version`]. A Phoenix client that names no
/// known range gets the first.
#[must_use]
pub fn choose_version(dialect: Dialect, client_versions: &[u8]) -> Option<&'static str> {
    let client = || {
        let items = Raw::parse(client_versions).ok().and_then(Raw::array);
        items.into_iter().flatten().filter_map(Raw::as_str)
    };
    match dialect {
        Dialect::SocketIo => SOCKETIO.into_iter().find(|ours| {
            let ours = Interval::parse(ours);
            client().any(|theirs| {
                let theirs = theirs.split("||").map(Interval::parse);
                theirs.into_iter().any(|theirs| overlap(ours, theirs))
            })
        }),
        Dialect::Phoenix | Dialect::PhoenixMsgpack => {
            let known = PHOENIX.iter().position(|ours| client().any(|theirs| theirs == *ours));
            PHOENIX_CHOSEN.get(known.unwrap_or(0)).copied()
        }
    }
}

/// The text of Socket.IO's refusal (code 400) where [`choose_version`] found nothing.
#[must_use]
pub fn unsupported_version(client_versions: &[u8]) -> String {
    let server = SOCKETIO.join(",");
    let mut text = format!("Unsupported client protocol. Server: {server}. Client: ");
    let items = Raw::parse(client_versions).ok().and_then(Raw::array);
    let shown_from = text.len();
    for range in items.into_iter().flatten().filter_map(Raw::as_str) {
        if text.len() + range.len() > shown_from + SHOWN_BYTES_MAX {
            text.push('…');
            break;
        }
        let separator = if text.len() == shown_from { "" } else { "," };
        let _ = write!(text, "{separator}{range}"); // writing to a String cannot fail
    }
    text
}

type Version = [u64; 3];

/// Versions from `low` on and below `high`.
#[derive(Clone, Copy)]
struct Interval {
    low: Version,
    high: Version,
}

fn overlap(ours: Option<Interval>, theirs: Option<Interval>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.low.max(theirs.low) < ours.high.min(theirs.high),
        (Some(_) | None, Some(_) | None) => false,
    }
}

impl Interval {
    /// Reads `^1.2.3`, `~1.2.3`, `>=1.2.3`, `1.2.3`, `1.2`, `1` and `*`; `None` for other ranges.
    fn parse(range: &str) -> Option<Self> {
        let range = range.trim();
        let everything = Self { low: [0; 3], high: [u64::MAX; 3] };
        if matches!(range, "" | "*" | "x") {
            return Some(everything);
        }
        let number_at = range.find(|symbol: char| symbol.is_ascii_digit())?;
        let (operator, number) = range.split_at(number_at);
        let (low, parts) = parse_version(number)?;
        let high = match (operator.trim(), low) {
            (">=", _) => everything.high,
            ("^", [0, 0, patch]) if parts == 3 => [0, 0, patch.checked_add(1)?],
            ("^", [0, minor, _]) if parts > 1 => [0, minor.checked_add(1)?, 0],
            ("^", [major, ..]) => [major.checked_add(1)?, 0, 0],
            ("~" | "" | "=" | "v", [major, minor, patch]) => match (operator.trim(), parts) {
                (_, 1) => [major.checked_add(1)?, 0, 0],
                ("~", _) | (_, 2) => [major, minor.checked_add(1)?, 0],
                _ => [major, minor, patch.checked_add(1)?],
            },
            _ => return None,
        };
        Some(Self { low, high })
    }
}

/// A version and how many of its parts were written; a prerelease or build tag is passed over.
fn parse_version(text: &str) -> Option<(Version, usize)> {
    let text = text.split(['-', '+']).next()?;
    let mut version = [0; 3];
    let mut parts = 0;
    for part in text.split('.') {
        if matches!(part, "x" | "*") {
            break;
        }
        *version.get_mut(parts)? = part.trim().parse().ok()?;
        parts += 1;
    }
    Some((version, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(versions: &str) -> Option<&'static str> {
        choose_version(Dialect::SocketIo, versions.as_bytes())
    }

    #[test]
    fn socketio_takes_our_best_range_that_meets_theirs() {
        assert_eq!(chosen(r#"["^0.4.0","^0.3.0","^0.2.0","^0.1.0"]"#), Some("^0.4.0"));
        assert_eq!(chosen(r#"["^0.1.0","^0.3.0"]"#), Some("^0.3.0"));
        assert_eq!(chosen(r#"["0.2.7"]"#), Some("^0.2.0"));
        assert_eq!(chosen(r#"["^0.4.9"]"#), Some("^0.4.0"));
        assert_eq!(chosen(r#"["~0.1.2"]"#), Some("^0.1.0"));
        assert_eq!(chosen(r#"[">=0.2.0"]"#), Some("^0.4.0"));
        assert_eq!(chosen(r#"["^9.0.0 || 0.3"]"#), Some("^0.3.0"));
        assert_eq!(chosen(r#"["*"]"#), Some("^0.4.0"));
    }

    #[test]
    fn socketio_refuses_in_the_words_of_the_reference() {
        for versions in [r#"["^9.0.0"]"#, "[]", "", "[7]", r#"["^0.5.0","^0.0.4","<0.3 >2"]"#] {
            assert_eq!(chosen(versions), None, "{versions}");
        }
        assert_eq!(
            unsupported_version(br#"["^9.0.0","^8.0.0"]"#),
            "Unsupported client protocol. Server: ^0.4.0,^0.3.0,^0.2.0,^0.1.0. \
             Client: ^9.0.0,^8.0.0"
        );
        let long = format!("[\"{}\"]", "9".repeat(100_000));
        assert!(unsupported_version(long.as_bytes()).len() < 300);
        assert_eq!(chosen(&long), None);
    }

    #[test]
    fn phoenix_takes_what_occurs_literally() {
        let chosen = |versions: &str| choose_version(Dialect::Phoenix, versions.as_bytes());
        assert_eq!(chosen(r#"["^0.4.0","^0.3.0","^0.2.0","^0.1.0"]"#), Some("0.1.0"));
        assert_eq!(chosen(r#"["^1.0.0"]"#), Some("1.0.0"));
        assert_eq!(chosen(r#"["1.0.0"]"#), Some("0.1.0"));
        assert_eq!(chosen(""), Some("0.1.0"));
    }
}
