//! `connect_document` as it arrives on both wires.

use super::{ClientEvent, Connect, Malformed, MissingKeys, Mode};
use crate::wire::json::{Kind, Raw};
use std::borrow::Cow;

/// The text of Socket.IO's answer (code 400) to a [`Malformed::Connect`].
pub const INVALID_CONNECT: &str = "Invalid connection message";

/// The members that either wire reads; the last one of a name counts.
#[derive(Default)]
struct Fields<'a> {
    tenant: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    token: Option<Raw<'a>>,
    client: Option<Raw<'a>>,
    mode: Option<Raw<'a>>,
    versions: Option<Raw<'a>>,
    features: Option<Raw<'a>>,
    last_seen: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    fn read(payload: Raw<'a>) -> Self {
        let mut fields = Self::default();
        for (key, value) in payload.object().into_iter().flatten() {
            match key {
                b"tenantId" => fields.tenant = Some(value),
                b"id" => fields.id = Some(value),
                b"token" => fields.token = Some(value),
                b"client" => fields.client = Some(value),
                b"mode" => fields.mode = Some(value),
                b"versions" => fields.versions = Some(value),
                b"supportedFeatures" => fields.features = Some(value),
                b"lastSeenSequenceNumber" => fields.last_seen = Some(value),
                _ => {}
            }
        }
        fields
    }

    /// The event, once the wire's own checks are passed.
    fn into_event(self, client: Raw<'a>) -> ClientEvent<'a> {
        let text = |value: Option<Raw<'a>>| value.and_then(Raw::as_str);
        let is_read = self.mode.is_some_and(|mode| mode.bytes() == b"\"read\"");
        let versions = self.versions.filter(|value| value.kind() == Kind::Array);
        let signals_v2 = self.features.and_then(|value| value.field("submit_signals_v2"));
        ClientEvent::Connect(Connect {
            tenant: text(self.tenant).unwrap_or(Cow::Borrowed("")),
            document: text(self.id).unwrap_or(Cow::Borrowed("")),
            token: text(self.token).filter(|token| !token.is_empty()),
            client: client.bytes(),
            mode: if is_read { Mode::Read } else { Mode::Write },
            versions: versions.map_or(&[], Raw::bytes),
            signals_v2: signals_v2.and_then(Raw::as_bool),
            last_seen: self.last_seen.and_then(Raw::as_i64),
        })
    }
}

/// Four keys must be there, null included; a `client` that Fluid's peers would trip over counts as
/// missing: it would close the container of everybody who hears of it. Other types are found out by
/// what is compared with them.
pub(super) fn decode_phoenix(payload: Raw<'_>) -> ClientEvent<'_> {
    let fields = Fields::read(payload);
    let client = fields.client.filter(|client| is_readable(*client));
    let missing = MissingKeys {
        tenant_id: fields.tenant.is_none(),
        id: fields.id.is_none(),
        client: client.is_none(),
        mode: fields.mode.is_none(),
    };
    match client {
        Some(client) if missing == MissingKeys::default() => fields.into_event(client),
        Some(_) | None => ClientEvent::Malformed(Malformed::Connect(missing)),
    }
}

/// Checks the types that the reference service checks.
pub(super) fn decode_socketio(payload: Option<Raw<'_>>) -> ClientEvent<'_> {
    let fault = ClientEvent::Malformed(Malformed::Connect(MissingKeys::default()));
    let Some(payload) = payload else {
        return fault;
    };
    let fields = Fields::read(payload);
    let is_string = |value: Option<Raw<'_>>| value.is_some_and(|raw| raw.kind() == Kind::String);
    match fields.client {
        Some(client)
            if is_string(fields.tenant)
                && is_string(fields.id)
                && is_string(fields.mode)
                && fields.versions.is_some_and(is_list_of_strings)
                && is_client(client) =>
        {
            fields.into_event(client)
        }
        Some(_) | None => fault,
    }
}

fn is_list_of_strings(value: Raw<'_>) -> bool {
    let items = value.array();
    items.is_some_and(|mut items| items.all(|item| item.kind() == Kind::String))
}

/// An IClient as the reference service has it.
fn is_client(client: Raw<'_>) -> bool {
    is_readable(client)
        && kind_of(client, &["mode"]) == Some(Kind::String)
        && kind_of(client, &["permission"]) == Some(Kind::Array)
        && kind_of(client, &["scopes"]) == Some(Kind::Array)
}

/// What Fluid's audience, quorum and runtime read of every member without looking first.
fn is_readable(client: Raw<'_>) -> bool {
    kind_of(client, &["details", "capabilities", "interactive"]) == Some(Kind::Bool)
        && kind_of(client, &["user", "id"]) == Some(Kind::String)
}

fn kind_of(value: Raw<'_>, path: &[&str]) -> Option<Kind> {
    let found = path.iter().try_fold(value, |value, &name| value.field(name));
    found.map(Raw::kind)
}
