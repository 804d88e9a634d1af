//! The scopes that a document token can grant.

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read operations, snapshots and signals.
    DocRead = 1,
    /// Submit operations.
    DocWrite = 2,
    /// Read summaries.
    SummaryRead = 4,
    /// Upload and propose summaries.
    SummaryWrite = 8,
}

impl Scope {
    /// In the order in which missing ones are listed.
    pub const ALL: [Self; 4] =
        [Self::DocRead, Self::DocWrite, Self::SummaryRead, Self::SummaryWrite];

    /// The name in a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocRead => "doc:read",
            Self::DocWrite => "doc:write",
            Self::SummaryRead => "summary:read",
            Self::SummaryWrite => "summary:write",
        }
    }

    /// Names of other services' scopes are no scopes here.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Exactly these.
    pub const fn of(scopes: &[Scope]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < scopes.len() {
            bits |= scopes[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// With one more.
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope as u8)
    }

    /// With one less: a client that is no summarizer loses `summary:write` in what others see.
    pub const fn without(self, scope: Scope) -> Self {
        Self(self.0 & !(scope as u8))
    }

    /// Is it granted?
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// Those of `required` that are not granted.
    pub const fn missing_of(self, required: Self) -> Self {
        Self(required.0 & !self.0)
    }

    /// Nothing is granted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let set = Scopes::of(&[Scope::SummaryWrite, Scope::DocRead]);
        assert!(set.contains(Scope::DocRead) && !set.contains(Scope::DocWrite));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Scope::DocRead, Scope::SummaryWrite]);
        assert_eq!(set.without(Scope::SummaryWrite), Scopes::NONE.with(Scope::DocRead));
        let required = Scopes::of(&[Scope::DocRead, Scope::DocWrite]);
        assert_eq!(set.missing_of(required), Scopes::of(&[Scope::DocWrite]));
        assert!(required.missing_of(required).is_empty());
    }

    #[test]
    fn names_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        for other in ["", "doc", "doc:READ", "doc:summarize", "doc:read "] {
            assert_eq!(Scope::parse(other), None);
        }
    }
}
