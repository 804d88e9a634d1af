//! The audit log: every administrative act, append-only.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Act, Actor, Directory, Write};

/// What was done. The names are part of the exported log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    UserCreated,
    UserChanged,
    UserDeleted,
    PasswordChanged,
    IdentityLinked,
    LoggedIn,
    LoginRefused,
    SessionRevoked,
    SetUpLinkMade,
    TenantCreated,
    TenantChanged,
    TenantDeleted,
    SecretRotated,
    MemberAdded,
    MemberChanged,
    MemberRemoved,
    InviteCreated,
    InviteAccepted,
    InviteRevoked,
    ApiKeyCreated,
    ApiKeyRevoked,
    TokenRevoked,
    DocumentDeleted,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counted from 1, without a gap.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub actor: Actor,
    /// The address it came from.
    pub from: Option<String>,
    pub deed: Deed,
    /// What it was done to: `user/usr_…`, `tenant/acme`.
    pub subject: String,
    /// The tenant it belongs to, for those who may read that tenant's part only.
    pub tenant: Option<String>,
    /// Without secrets; `null` where there was nothing.
    pub before: Value,
    pub after: Value,
}

/// The key prefix of the log's rows; what follows is `seq` in 20 digits, so that keys sort by it.
pub const AUDIT_PREFIX: &str = "audit/";

/// What an act was done to.
pub(super) struct Subject<'a> {
    pub kind: &'static str,
    pub id: &'a str,
    pub tenant: Option<&'a str>,
}

impl Directory {
    /// Appends a line. Called by every act that changes something for others than its actor.
    pub(super) fn note(
        &mut self,
        act: &Act,
        deed: Deed,
        subject: Subject<'_>,
        (before, after): (Value, Value),
    ) {
        self.audit_seq += 1;
        let entry = AuditEntry {
            seq: self.audit_seq,
            at_ms: act.now_ms,
            actor: act.actor.clone(),
            from: act.from.map(|address| address.to_string()),
            deed,
            subject: format!("{}/{}", subject.kind, subject.id),
            tenant: subject.tenant.map(str::to_owned),
            before,
            after,
        };
        let value = serde_json::to_vec(&entry).unwrap_or_default();
        self.writes.push(Write { key: audit_key(entry.seq), value: Some(value) });
    }

    /// A document was deleted: the act itself is not the directory's.
    pub fn note_document_deleted(&mut self, act: &Act, tenant: &str, document: &str) {
        let subject = Subject { kind: "document", id: document, tenant: Some(tenant) };
        self.note(act, Deed::DocumentDeleted, subject, (Value::Null, Value::Null));
    }
}

/// The key of a line.
#[must_use]
pub fn audit_key(seq: u64) -> String {
    format!("{AUDIT_PREFIX}{seq:020}")
}
