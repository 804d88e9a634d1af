//! Who does something, when and from where, and the unpredictable bits it may use up.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::ids::ClientId;

/// Whoever does something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// Not signed in.
    Anonymous,
    /// A user, by id.
    User(String),
    /// The holder of `LEVEE_ADMIN_KEY`.
    AdminKey,
    /// A service, by the id of its API key.
    ApiKey(String),
    /// Someone at the machine's command line.
    Operator,
    /// The service itself, for instance from its configuration.
    Service,
}

/// One act: everything about it that the directory cannot know by itself.
#[derive(Debug)]
pub struct Act {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    pub actor: Actor,
    pub from: Option<IpAddr>,
    fresh: [[u8; 32]; FRESH],
    used: usize,
}

/// Ids, tokens and secrets that one act makes at most.
const FRESH: usize = 4;

impl Act {
    /// `fresh` must be unpredictable and new for every act.
    #[must_use]
    pub fn new(now_ms: u64, actor: Actor, from: Option<IpAddr>, fresh: [[u8; 32]; FRESH]) -> Self {
        Self { now_ms, actor, from, fresh, used: 0 }
    }

    /// The id of the user who does it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.actor {
            Actor::User(id) => Some(id),
            Actor::Anonymous
            | Actor::AdminKey
            | Actor::ApiKey(_)
            | Actor::Operator
            | Actor::Service => None,
        }
    }

    /// 256 bits that were not given out before. Taken apart by hashing if an act needs more than
    /// it was given.
    pub(super) fn bits(&mut self) -> [u8; 32] {
        let at = self.used;
        self.used += 1;
        if at < FRESH {
            return self.fresh[at];
        }
        let mut input = self.fresh[FRESH - 1].to_vec();
        input.extend_from_slice(&at.to_be_bytes());
        sha256(&input)
    }

    /// `<prefix>_<uuid4>`
    pub(super) fn id(&mut self, prefix: &str) -> String {
        let mut half = [0; 16];
        half.copy_from_slice(&self.bits()[..16]);
        format!("{prefix}_{}", ClientId::from_bits(u128::from_be_bytes(half)))
    }

    /// `<prefix>_` and 256 bits: a token that is stored as its hash only.
    pub(super) fn token(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(self.bits()))
    }

    /// A tenant's secret: 64 hexadecimal digits.
    pub(super) fn secret(&mut self) -> String {
        hex(&self.bits())
    }
}

/// What is stored of a token: its SHA-256 in hexadecimal. The token has 256 random bits, so
/// nothing slower is needed.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex(&sha256(token.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
