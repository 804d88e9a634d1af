//! Server-backed presence (`presence_v1`): who is here and what they say of themselves.
//!
//! Shapes are those of Phoenix.Presence: `presence_state` is `{key: {metas: [meta, …]}}`,
//! `presence_diff` is `{joins: {…}, leaves: {…}}`. The key is the token's user; one user may be
//! present through several clients, each with its own meta. Not stored.

use crate::ids::ClientId;
use crate::wire::json::{Raw, write_string, write_u64};
use std::sync::Arc;

/// Largest meta of one client, bytes.
pub const META_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
struct Entry {
    client: ClientId,
    user: Arc<str>,
    meta: Vec<u8>,
}

/// Who is present in one document.
#[derive(Debug, Default)]
pub struct Presence {
    entries: Vec<Entry>,
    /// Counts up; the `phx_ref` of each meta, so that clients can tell them apart.
    next_ref: u64,
}

/// Why a presence request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceFault {
    /// The meta is not a JSON object.
    NotAnObject,
    /// The meta is larger than [`META_BYTES_MAX`].
    TooLarge,
    /// An update or leave of a client that has not joined.
    NotJoined,
}

impl PresenceFault {
    /// The payload of `presence_error`.
    #[must_use]
    pub fn payload(self) -> &'static [u8] {
        match self {
            Self::NotAnObject => br#"{"reason":"invalid_meta"}"#,
            Self::TooLarge => br#"{"reason":"meta_too_large"}"#,
            Self::NotJoined => br#"{"reason":"not_joined"}"#,
        }
    }
}

impl Presence {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The payload of `presence_state`.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        let mut seen: Vec<&str> = Vec::new();
        for entry in &self.entries {
            if seen.contains(&&*entry.user) {
                continue;
            }
            if !seen.is_empty() {
                out.push(b',');
            }
            seen.push(&entry.user);
            let metas = self.entries.iter().filter(|other| other.user == entry.user);
            write_user(&mut out, &entry.user, metas.map(|other| other.meta.as_slice()));
        }
        out.push(b'}');
        out
    }

    /// A client appears, or appears anew with another meta; the payload of the diff.
    pub fn join(
        &mut self,
        client: ClientId,
        user: &Arc<str>,
        meta: &[u8],
    ) -> Result<Vec<u8>, PresenceFault> {
        let meta = self.stamp(client, meta)?;
        let before = self.remove(client);
        let diff = diff(Some((user, &meta)), before.as_ref().map(|e| (&e.user, &*e.meta)));
        self.entries.push(Entry { client, user: user.clone(), meta });
        Ok(diff)
    }

    /// A present client changes its meta; the payload of the diff.
    pub fn update(&mut self, client: ClientId, meta: &[u8]) -> Result<Vec<u8>, PresenceFault> {
        let user = self.entries.iter().find(|entry| entry.client == client);
        let user = user.map(|entry| entry.user.clone()).ok_or(PresenceFault::NotJoined)?;
        self.join(client, &user, meta)
    }

    /// A client goes; the payload of the diff, if it was present.
    pub fn leave(&mut self, client: ClientId) -> Option<Vec<u8>> {
        let entry = self.remove(client)?;
        Some(diff(None, Some((&entry.user, &entry.meta))))
    }

    fn remove(&mut self, client: ClientId) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.client == client)?;
        Some(self.entries.remove(at))
    }

    /// The client's object with `phx_ref` and `clientId` in front.
    fn stamp(&mut self, client: ClientId, meta: &[u8]) -> Result<Vec<u8>, PresenceFault> {
        if meta.len() > META_BYTES_MAX {
            return Err(PresenceFault::TooLarge);
        }
        let fields = Raw::parse(meta).ok().and_then(Raw::object);
        let fields = fields.ok_or(PresenceFault::NotAnObject)?;
        self.next_ref += 1;
        let mut out = Vec::with_capacity(meta.len() + 96);
        out.extend_from_slice(b"{\"phx_ref\":\"");
        write_u64(&mut out, self.next_ref);
        out.extend_from_slice(b"\",\"clientId\":");
        write_string(&mut out, client.as_str());
        for (key, value) in fields {
            if !matches!(key, b"phx_ref" | b"clientId") {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(key);
                out.extend_from_slice(b"\":");
                out.extend_from_slice(value.bytes());
            }
        }
        out.push(b'}');
        Ok(out)
    }
}

fn diff(join: Option<(&Arc<str>, &[u8])>, leave: Option<(&Arc<str>, &[u8])>) -> Vec<u8> {
    let mut out = b"{\"joins\":{".to_vec();
    if let Some((user, meta)) = join {
        write_user(&mut out, user, std::iter::once(meta));
    }
    out.extend_from_slice(b"},\"leaves\":{");
    if let Some((user, meta)) = leave {
        write_user(&mut out, user, std::iter::once(meta));
    }
    out.extend_from_slice(b"}}");
    out
}

fn write_user<'a>(out: &mut Vec<u8>, user: &str, metas: impl Iterator<Item = &'a [u8]>) {
    write_string(out, user);
    out.extend_from_slice(b":{\"metas\":[");
    for (at, meta) in metas.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(meta);
    }
    out.extend_from_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn one_user_may_be_present_through_several_clients() {
        let mut presence = Presence::default();
        let user: Arc<str> = "u".into();
        let (a, b) = (ClientId::from_bits(1), ClientId::from_bits(2));
        let joined = presence.join(a, &user, br#"{"x":1}"#).expect("an object");
        assert_eq!(
            text(&joined),
            format!(
                r#"{{"joins":{{"u":{{"metas":[{{"phx_ref":"1","clientId":"{a}","x":1}}]}}}},"leaves":{{}}}}"#
            )
        );
        presence.join(b, &user, b"{}").expect("an object");
        assert_eq!(text(&presence.state()).matches("phx_ref").count(), 2);
        assert_eq!(text(&presence.state()).matches("\"u\":").count(), 1);
        let changed = presence.update(a, br#"{"x":2}"#).expect("present");
        assert!(text(&changed).contains(r#""x":2"#) && text(&changed).contains(r#""x":1"#));
        assert!(presence.leave(a).is_some() && presence.leave(a).is_none());
        assert_eq!(presence.update(a, b"{}"), Err(PresenceFault::NotJoined));
        assert_eq!(presence.join(a, &user, b"[]"), Err(PresenceFault::NotAnObject));
    }

    #[test]
    fn a_client_cannot_write_the_services_own_members() {
        let mut presence = Presence::default();
        let diff = presence.join(ClientId::from_bits(1), &"u".into(), br#"{"phx_ref":"9"}"#);
        assert!(!text(&diff.expect("an object")).contains("\"9\""));
    }
}
