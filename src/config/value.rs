//! The kinds of values an option may have, and how their text is read.

use std::net::SocketAddr;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What an option's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `address:port`, one or more, separated by commas.
    Addresses,
    /// `0-3,6`, or empty.
    CpuList,
    Count {
        min: u64,
        max: u64,
    },
    /// An integer with KiB, MiB or GiB after it, or plain bytes.
    Bytes {
        min: u64,
        max: u64,
    },
    /// An integer with ms, s, m or h after it, or plain milliseconds.
    Millis {
        min: u64,
        max: u64,
    },
    Choice(&'static [&'static str]),
    Path,
    Text,
    /// `true` or `false`.
    Switch,
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    #[error("expected address:port, such as 127.0.0.1:4000")]
    NotAnAddress,
    #[error("expected CPU numbers, such as 0-3,6")]
    NotACpuList,
    #[error("expected a whole number{0}")]
    NotANumber(&'static str),
    #[error("must lie between {min} and {max}")]
    OutOfBounds { min: u64, max: u64 },
    #[error("expected one of {0:?}")]
    NotAChoice(&'static [&'static str]),
    #[error("expected true or false")]
    NotASwitch,
    #[error("this option takes one value")]
    NotAList,
}

impl Kind {
    /// Whether the text is a value of this kind.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check(self, text: &str) -> Result<(), ValueFault> {
        match self {
            Self::Addresses => addresses(text).map(drop).ok_or(ValueFault::NotAnAddress),
            Self::CpuList => cpu_list(text).map(drop).ok_or(ValueFault::NotACpuList),
            Self::Count { min, max } | Self::Bytes { min, max } | Self::Millis { min, max } => {
                let number =
                    self.number(text).ok_or_else(|| ValueFault::NotANumber(self.suffix_hint()))?;
                if (min..=max).contains(&number) {
                    Ok(())
                } else {
                    Err(ValueFault::OutOfBounds { min, max })
                }
            }
            Self::Choice(choices) if choices.contains(&text) => Ok(()),
            Self::Choice(choices) => Err(ValueFault::NotAChoice(choices)),
            Self::Switch if matches!(text, "true" | "false") => Ok(()),
            Self::Switch => Err(ValueFault::NotASwitch),
            Self::Path | Self::Text => Ok(()),
        }
    }

    /// The number that a text of a numeric kind stands for, in the kind's own unit.
    #[must_use]
    pub fn number(self, text: &str) -> Option<u64> {
        let units: &[(&str, u64)] = match self {
            Self::Bytes { .. } => &[("KiB", KIB), ("MiB", MIB), ("GiB", GIB)],
            Self::Millis { .. } => &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)],
            Self::Count { .. }
            | Self::Addresses
            | Self::CpuList
            | Self::Choice(_)
            | Self::Path
            | Self::Text
            | Self::Switch => &[],
        };
        let text = text.trim();
        for (suffix, scale) in units {
            if let Some(digits) = text.strip_suffix(suffix) {
                return whole(digits.trim_end())?.checked_mul(*scale);
            }
        }
        whole(text)
    }

    /// Whether a TOML array makes sense.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Addresses | Self::CpuList)
    }

    fn suffix_hint(self) -> &'static str {
        match self {
            Self::Bytes { .. } => ", optionally with KiB, MiB or GiB",
            Self::Millis { .. } => " of milliseconds, or one with s, m or h",
            Self::Count { .. }
            | Self::Addresses
            | Self::CpuList
            | Self::Choice(_)
            | Self::Path
            | Self::Text
            | Self::Switch => "",
        }
    }
}

fn whole(text: &str) -> Option<u64> {
    text.replace('_', "").parse().ok()
}

/// The socket addresses in a list separated by commas; at least one.
#[must_use]
pub fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    text.split(',').map(|one| one.trim().replace("localhost:", "127.0.0.1:").parse().ok()).collect()
}

/// The CPU numbers of `0-3,6`, in order, each once.
#[must_use]
pub fn cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > 4095 {
            return None;
        }
        for cpu in first..=last {
            if !cpus.contains(&cpu) {
                cpus.push(cpu);
            }
        }
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_suffixes_of_their_unit() {
        let bytes = Kind::Bytes { min: 0, max: u64::MAX };
        assert_eq!(bytes.number("16MiB"), Some(16 << 20));
        assert_eq!(bytes.number("1_000"), Some(1000));
        assert_eq!(bytes.number("2 GiB"), Some(2 << 30));
        assert_eq!(bytes.number("5s"), None);
        let time = Kind::Millis { min: 0, max: u64::MAX };
        assert_eq!(time.number("5s"), Some(5000));
        assert_eq!(time.number("250ms"), Some(250));
        assert_eq!(time.number("2m"), Some(120_000));
        assert_eq!(Kind::Count { min: 0, max: 9 }.number("-1"), None);
    }

    #[test]
    fn bounds_are_inclusive() {
        let kind = Kind::Count { min: 1, max: 3 };
        assert_eq!(kind.check("1"), Ok(()));
        assert_eq!(kind.check("3"), Ok(()));
        assert_eq!(kind.check("4"), Err(ValueFault::OutOfBounds { min: 1, max: 3 }));
        assert!(matches!(kind.check("x"), Err(ValueFault::NotANumber(_))));
    }

    #[test]
    fn lists_of_cpus_and_addresses() {
        assert_eq!(cpu_list("0-2,5,1"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list(""), Some(vec![]));
        assert_eq!(cpu_list("3-1"), None);
        assert_eq!(addresses("127.0.0.1:1, [::1]:2").map(|list| list.len()), Some(2));
        assert_eq!(addresses("localhost:7070").map(|list| list.len()), Some(1));
        assert_eq!(addresses("4000"), None);
        assert_eq!(addresses(""), None);
    }
}
