//! Every option once. Flags, TOML keys, environment names, `config show` and
//! `docs/configuration.md` are all read off this table.

use super::value::{KIB, Kind, MIB};
use levee_core::directory::Policy;
use levee_core::limits::{COMMIT_QUEUE_BYTES_MAX, Limits, OUTBOX_BYTES_MIN};

/// Names an option in code, so that a misspelt one does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Listen,
    Cores,
    Cpus,
    Runtime,
    Data,
    Store,
    Durability,
    Partitions,
    AcceptDamage,
    PublicUrl,
    AdminKey,
    AdminKeyFile,
    Log,
    DrainMs,
    DrainDeadlineMs,
    OpenRegistration,
    AutoMembership,
    SessionIdleMs,
    SessionMs,
    TokenMs,
    FrameBytesMax,
    BodyBytesMax,
    BatchOpsMax,
    UnfinishedBytesMax,
    OutboxBytesMax,
    PendingBytesMax,
    SocketsPerAddressMax,
    SocketsMax,
    OpsPerSecondMax,
    SignalsPerSecondMax,
    ClientsPerDocumentMax,
    IdleWriterMs,
    IdleDocumentMs,
    HandshakeMs,
}

/// What the program knows about one option.
#[derive(Debug)]
pub struct Spec {
    pub key: Key,
    /// The TOML key; the flag is `--` with dashes, the variable `LEVEE_` in capitals.
    pub name: &'static str,
    pub kind: Kind,
    /// As it would stand in an environment variable.
    pub default: &'static str,
    /// A variable that Levee itself reads, besides `LEVEE_<NAME>`.
    pub also_env: Option<&'static str>,
    /// Never printed.
    pub secret: bool,
    /// One or two sentences; the first is the flag's help.
    pub help: &'static str,
}

impl Spec {
    /// `--frame-bytes-max`, without the dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// `LEVEE_FRAME_BYTES_MAX`.
    #[must_use]
    pub fn env(&self) -> String {
        format!("LEVEE_{}", self.name.to_ascii_uppercase())
    }
}

const fn spec(
    key: Key,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
) -> Spec {
    Spec { key, name, kind, default, also_env: None, secret: false, help }
}

const HOUR_MS: u64 = 3_600_000;

/// Where the service runs and what it keeps.
const SERVICE: [Spec; 15] = [
    Spec {
        also_env: Some("PORT"),
        ..spec(
            Key::Listen,
            "listen",
            Kind::Addresses,
            "0.0.0.0:4000",
            "Addresses to listen on, separated by commas. Port 0 takes a free port. \
             PORT=4000 means 0.0.0.0:4000 (with --dev 127.0.0.1:4000).",
        )
    },
    spec(
        Key::Cores,
        "cores",
        Kind::Count { min: 0, max: 1024 },
        "0",
        "Cores to serve with, one pinned thread each; 0 takes every CPU the process may use.",
    ),
    spec(
        Key::Cpus,
        "cpus",
        Kind::CpuList,
        "",
        "CPUs to use, as in 0-3,6: each core is pinned to one of them, other threads to all. Empty \
         takes those the process may use.",
    ),
    spec(
        Key::Runtime,
        "runtime",
        Kind::Choice(&["auto", "epoll"]),
        "auto",
        "auto uses io_uring, and epoll where the kernel or a sandbox forbids the ring.",
    ),
    spec(Key::Data, "data", Kind::Path, "./data", "Directory of the data; made if absent."),
    spec(
        Key::Store,
        "store",
        Kind::Choice(&["fjall", "memory"]),
        "fjall",
        "fjall keeps documents on disk behind the commit log; memory forgets them at exit.",
    ),
    spec(
        Key::Durability,
        "durability",
        Kind::Choice(&["power", "process", "memory"]),
        "power",
        "What an acknowledged operation survives: power (a power cut: written and synced), \
         process (a killed process: written), memory (nothing).",
    ),
    spec(
        Key::Partitions,
        "partitions",
        Kind::Count { min: 0, max: 4096 },
        "0",
        "Partitions of a new data directory, fixed when it is made; 0 takes the larger of 8 and \
         the cores. Data opens on any number of cores.",
    ),
    spec(
        Key::AcceptDamage,
        "accept_damage",
        Kind::Switch,
        "false",
        "Start although the commit log is damaged before its last sync; what is lost is named.",
    ),
    spec(
        Key::PublicUrl,
        "public_url",
        Kind::Text,
        "",
        "The address clients reach the service by, when a proxy is in front; empty takes it from \
         each request's Host.",
    ),
    Spec {
        secret: true,
        ..spec(Key::AdminKey, "admin_key", Kind::Text, "", "Key of the admin interface.")
    },
    spec(Key::AdminKeyFile, "admin_key_file", Kind::Path, "", "File that holds admin_key."),
    spec(
        Key::Log,
        "log",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "Least level of the lines written to standard error.",
    ),
    spec(
        Key::DrainMs,
        "drain_ms",
        Kind::Millis { min: 0, max: HOUR_MS },
        "3000",
        "On SIGTERM the sockets' goodbyes are spread over this time.",
    ),
    spec(
        Key::DrainDeadlineMs,
        "drain_deadline_ms",
        Kind::Millis { min: 0, max: HOUR_MS },
        "20000",
        "Sockets still open so long after SIGTERM are cut.",
    ),
];

/// Who may come in, and for how long. Closed unless the operator opens it: an account may hold
/// documents, and whoever reaches the port could make one.
const PEOPLE: [Spec; 5] = [
    spec(
        Key::OpenRegistration,
        "open_registration",
        Kind::Switch,
        "false",
        "Anybody who reaches the service may make an account. Closed, it takes an invite or an \
         administrator. With --dev the default is true. Nobody becomes an administrator by \
         registering.",
    ),
    Spec {
        also_env: Some("LEVEE_DISABLE_AUTO_MEMBERSHIP"),
        ..spec(
            Key::AutoMembership,
            "auto_membership",
            Kind::Switch,
            "false",
            "Everybody becomes a member of every tenant when they register or log in. With --dev \
             the default is true. LEVEE_DISABLE_AUTO_MEMBERSHIP=true means false.",
        )
    },
    spec(
        Key::SessionIdleMs,
        "session_idle_ms",
        Kind::Millis { min: 60_000, max: 8760 * HOUR_MS },
        "168h",
        "A session that is not used for this long ends.",
    ),
    spec(
        Key::SessionMs,
        "session_ms",
        Kind::Millis { min: 60_000, max: 8760 * HOUR_MS },
        "720h",
        "A session ends this long after its login, used or not.",
    ),
    spec(
        Key::TokenMs,
        "token_ms",
        Kind::Millis { min: 60_000, max: 24 * HOUR_MS },
        "1h",
        "Life of a minted document token, in whole seconds.",
    ),
];

/// Bounds; the defaults stop abuse and never work.
const LIMITS: [Spec; 14] = [
    spec(
        Key::FrameBytesMax,
        "frame_bytes_max",
        Kind::Bytes { min: 16 * KIB, max: 256 * MIB },
        "16MiB",
        "Largest WebSocket message.",
    ),
    spec(
        Key::BodyBytesMax,
        "body_bytes_max",
        Kind::Bytes { min: 64 * KIB, max: 1024 * MIB },
        "100MiB",
        "Largest REST body.",
    ),
    spec(
        Key::BatchOpsMax,
        "batch_ops_max",
        Kind::Count { min: 1, max: 1_000_000 },
        "10000",
        "Most operations in one submitOp.",
    ),
    spec(
        Key::UnfinishedBytesMax,
        "unfinished_bytes_max",
        Kind::Bytes { min: MIB, max: 1024 * 1024 * MIB },
        "512MiB",
        "Bytes of requests and messages still on their way in, per core; who sends more has to \
         come back.",
    ),
    spec(
        Key::OutboxBytesMax,
        "outbox_bytes_max",
        Kind::Bytes { min: OUTBOX_BYTES_MIN, max: 4096 * MIB },
        "64MiB",
        "Bytes that may wait for one socket; a slower reader is disconnected.",
    ),
    spec(
        Key::PendingBytesMax,
        "pending_bytes_max",
        Kind::Bytes { min: 64 * KIB, max: COMMIT_QUEUE_BYTES_MAX as u64 },
        "32MiB",
        "Bytes of one document that may wait for the disk; until they are less its writers are \
         throttled.",
    ),
    spec(
        Key::SocketsPerAddressMax,
        "sockets_per_address_max",
        Kind::Count { min: 1, max: u32::MAX as u64 },
        "20000",
        "Open sockets from one address, per core.",
    ),
    spec(
        Key::SocketsMax,
        "sockets_max",
        Kind::Count { min: 1, max: u32::MAX as u64 },
        "1000000",
        "Open sockets per core.",
    ),
    spec(
        Key::OpsPerSecondMax,
        "ops_per_second_max",
        Kind::Count { min: 1, max: u32::MAX as u64 },
        "50000",
        "Operations one client may submit in a second.",
    ),
    spec(
        Key::SignalsPerSecondMax,
        "signals_per_second_max",
        Kind::Count { min: 1, max: u32::MAX as u64 },
        "50000",
        "Signals one client may submit in a second.",
    ),
    spec(
        Key::ClientsPerDocumentMax,
        "clients_per_document_max",
        Kind::Count { min: 1, max: u32::MAX as u64 },
        "50000",
        "Clients of one document.",
    ),
    spec(
        Key::IdleWriterMs,
        "idle_writer_ms",
        Kind::Millis { min: 1_000, max: 24 * HOUR_MS },
        "300000",
        "A writer that holds back the minimum sequence number and says nothing for this long \
         is taken out of the quorum.",
    ),
    spec(
        Key::IdleDocumentMs,
        "idle_document_ms",
        Kind::Millis { min: 100, max: 24 * HOUR_MS },
        "60000",
        "A document without clients leaves memory after this long.",
    ),
    spec(
        Key::HandshakeMs,
        "handshake_ms",
        Kind::Millis { min: 100, max: HOUR_MS },
        "20000",
        "A socket that has not sent its whole request or handshake by then is closed.",
    ),
];

/// The table, in the order in which people should read it: its parts with their titles.
pub const GROUPS: [(&str, &[Spec]); 3] =
    [("Service", &SERVICE), ("People", &PEOPLE), ("Limits", &LIMITS)];

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    GROUPS.iter().flat_map(|(_, specs)| specs.iter())
}

/// The row of a key.
#[must_use]
pub fn find(key: Key) -> &'static Spec {
    // Every key has a row (a test counts them); the first row stands in for the impossible.
    all().find(|spec| spec.key == key).unwrap_or(&SERVICE[0])
}

/// The row of a TOML key.
#[must_use]
pub fn find_name(name: &str) -> Option<&'static Spec> {
    all().find(|spec| spec.name == name)
}

/// The known name that is closest to a misspelt one, if any is close.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two names.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.bytes().enumerate() {
            let replaced = above[j] + usize::from(l != r);
            row.push(replaced.min(above[j + 1] + 1).min(row[j] + 1));
        }
        above = row;
    }
    above.last().copied().unwrap_or(0)
}

/// The limits' defaults live in the core too; this keeps the two from drifting apart.
#[must_use]
pub fn core_default(key: Key) -> Option<u64> {
    let (limits, policy) = (Limits::default(), Policy::default());
    Some(match key {
        Key::FrameBytesMax => limits.frame_bytes_max as u64,
        Key::BodyBytesMax => limits.body_bytes_max as u64,
        Key::BatchOpsMax => limits.batch_ops_max as u64,
        Key::UnfinishedBytesMax => limits.unfinished_bytes_max as u64,
        Key::OutboxBytesMax => limits.outbox_bytes_max as u64,
        Key::PendingBytesMax => limits.pending_bytes_max as u64,
        Key::SocketsPerAddressMax => u64::from(limits.sockets_per_address_max),
        Key::SocketsMax => u64::from(limits.sockets_max),
        Key::OpsPerSecondMax => u64::from(limits.ops_per_second_max),
        Key::SignalsPerSecondMax => u64::from(limits.signals_per_second_max),
        Key::ClientsPerDocumentMax => u64::from(limits.clients_per_document_max),
        Key::IdleWriterMs => limits.idle_writer_ms,
        Key::IdleDocumentMs => limits.idle_document_ms,
        Key::HandshakeMs => limits.handshake_ms,
        Key::SessionIdleMs => policy.session_idle_ms,
        Key::SessionMs => policy.session_ms,
        Key::TokenMs => policy.token_s * 1000,
        Key::Listen
        | Key::Cores
        | Key::Cpus
        | Key::Runtime
        | Key::Data
        | Key::Store
        | Key::Durability
        | Key::Partitions
        | Key::AcceptDamage
        | Key::PublicUrl
        | Key::AdminKey
        | Key::AdminKeyFile
        | Key::Log
        | Key::DrainMs
        | Key::DrainDeadlineMs
        | Key::OpenRegistration
        | Key::AutoMembership => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_valid_and_names_are_unique() {
        let mut names = HashSet::new();
        for spec in all() {
            assert!(names.insert(spec.name), "{} twice", spec.name);
            assert!(spec.kind.check(spec.default).is_ok(), "{}", spec.name);
            assert_eq!(find(spec.key).name, spec.name);
        }
        assert_eq!(names.len(), Key::HandshakeMs as usize + 1);
    }

    #[test]
    fn the_core_has_the_same_defaults() {
        for spec in all() {
            if let Some(value) = core_default(spec.key) {
                assert_eq!(spec.kind.number(spec.default), Some(value), "{}", spec.name);
            }
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let names = || all().map(|spec| spec.name);
        assert_eq!(nearest("durabilty", names()), Some("durability"));
        assert_eq!(nearest("listn", names()), Some("listen"));
        assert_eq!(nearest("frame_byte_max", names()), Some("frame_bytes_max"));
        assert_eq!(nearest("something_else_entirely", names()), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
