//! Why an operation is refused: a closed set of causes, and the words each wire has for them.

use crate::dialect::{Dialect, NackKind, NackOut};
use crate::ids::ClientId;
use std::borrow::Cow;

/// Every reason for which a submission is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackCause {
    /// The payload of `submitOp` is not what it must be.
    MalformedSubmit,
    /// The payload of `submitSignal` is not what it must be.
    MalformedSignal,
    /// The socket has not connected to a document.
    NotConnected,
    /// The client id has left, or never was.
    UnknownClient,
    /// The client id is not the one this channel was given.
    OtherClient,
    /// The session is in read mode although its token would allow writing.
    ReadOnlySession,
    /// The token does not allow writing.
    NoWriteScope,
    /// The token does not allow summaries.
    NoSummaryScope(ClientId),
    /// A type that only the service writes, or none that exists.
    TypeNotAllowed,
    /// A client sequence number was skipped.
    Gap,
    /// The reference sequence number is below the collaboration window.
    BelowWindow { reference_seq: i64, min: u64 },
    /// The reference sequence number is one that does not exist yet.
    AheadOfHead { reference_seq: i64, head: u64 },
    /// More operations in one submission than the limit.
    BatchTooLarge { count: usize, max: usize },
    /// More operations a second than the limit.
    Throttled { retry_after_s: u32 },
    /// The document cannot be written now (the store is failing).
    Frozen { retry_after_s: u32 },
}

impl NackCause {
    /// Whether the nack belongs to the document's order (it carries the operation and the MSN) or
    /// to the session.
    #[must_use]
    pub fn is_sequencers(self) -> bool {
        match self {
            Self::NoSummaryScope(_)
            | Self::TypeNotAllowed
            | Self::Gap
            | Self::BelowWindow { .. }
            | Self::AheadOfHead { .. } => true,
            Self::MalformedSubmit
            | Self::MalformedSignal
            | Self::NotConnected
            | Self::UnknownClient
            | Self::OtherClient
            | Self::ReadOnlySession
            | Self::NoWriteScope
            | Self::BatchTooLarge { .. }
            | Self::Throttled { .. }
            | Self::Frozen { .. } => false,
        }
    }

    /// The nack in the words of a wire. 403 is final for a client; all others make it reconnect.
    #[must_use]
    pub fn words(self, dialect: Dialect) -> NackOut<'static> {
        let phoenix = dialect != Dialect::SocketIo;
        let (code, kind, message): (u16, NackKind, Cow<'static, str>) = match self {
            Self::MalformedSubmit if phoenix => {
                bad("Malformed submitOp: missing clientId or messageBatches")
            }
            Self::MalformedSubmit => bad("Invalid message batch"),
            Self::MalformedSignal => bad("Invalid signal message"),
            Self::NotConnected if phoenix => bad("Client not connected"),
            Self::UnknownClient if phoenix => bad("Unknown client"),
            Self::OtherClient if phoenix => bad("Client ID mismatch"),
            Self::NotConnected | Self::UnknownClient | Self::OtherClient => {
                bad("Nonexistent client")
            }
            Self::ReadOnlySession if phoenix => scope("Read-only clients cannot submit operations"),
            Self::ReadOnlySession => bad("Readonly client"),
            Self::NoWriteScope if phoenix => scope("Missing doc:write scope"),
            Self::NoWriteScope => scope("Invalid scope"),
            Self::NoSummaryScope(client) => (
                403,
                NackKind::InvalidScope,
                format!("Client {client} does not have summary permission").into(),
            ),
            Self::TypeNotAllowed => bad("Op not allowed"),
            Self::Gap => bad("Gap detected in incoming op"),
            Self::BelowWindow { reference_seq, min } => {
                bad(format!("Refseq {reference_seq} < {min}"))
            }
            Self::AheadOfHead { reference_seq, head } => {
                bad(format!("Refseq {reference_seq} > {head}"))
            }
            Self::BatchTooLarge { count, max } => (
                413,
                NackKind::LimitExceeded,
                format!("Batch size {count} exceeds maximum {max}").into(),
            ),
            Self::Throttled { .. } => (429, NackKind::Throttling, "Rate limit exceeded".into()),
            Self::Frozen { .. } => (
                503,
                NackKind::Throttling,
                "The document cannot be written now; nothing unacknowledged was kept".into(),
            ),
        };
        let retry_after_s = match self {
            Self::Throttled { retry_after_s } | Self::Frozen { retry_after_s } => {
                Some(retry_after_s)
            }
            _ => None,
        };
        NackOut { code, kind, message, retry_after_s, operation: None, sequence_number: -1 }
    }
}

fn bad(message: impl Into<Cow<'static, str>>) -> (u16, NackKind, Cow<'static, str>) {
    (400, NackKind::BadRequest, message.into())
}

fn scope(message: &'static str) -> (u16, NackKind, Cow<'static, str>) {
    (403, NackKind::InvalidScope, message.into())
}
