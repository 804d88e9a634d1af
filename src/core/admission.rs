//! Who may connect to a document, and as what: the checks of `connect_document`, once per client.

use crate::auth::{Claims, Keyring, Pass, Scope, Scopes, TokenFault};
use crate::dialect::{
    Connect, ConnectError, Dialect, MissingKeys, Mode, choose_version, unsupported_version,
};
use crate::ids::{DocKey, Now};
use crate::limits::{CLIENT_DETAIL_BYTES_MAX, NAME_BYTES_MAX};
use crate::wire::json::{Raw, write_string};
use bytes::Bytes;
use std::sync::Arc;

/// A client that passed every check; all it needs once its document is in memory.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub key: DocKey,
    pub dialect: Dialect,
    pub join_ref: Option<Box<str>>,
    pub detail: Bytes,
    pub mode: Mode,
    pub may_write: bool,
    pub may_summarize: bool,
    pub user: Arc<str>,
    pub claims: Bytes,
    pub version: &'static str,
    pub signals_v2: bool,
    pub last_seen: Option<i64>,
    pub expires_unix_s: u64,
    pub pass: Pass,
    /// Phoenix clients may open documents that were never created.
    pub creates: bool,
}

/// Checks a `connect_document`. Errors carry the code and text of the client's wire.
pub fn admit(
    keyring: &Keyring,
    now: Now,
    dialect: Dialect,
    connect: &Connect<'_>,
) -> Result<Admitted, ConnectError> {
    if connect.client.len() > CLIENT_DETAIL_BYTES_MAX
        || connect.tenant.len() + connect.document.len() > NAME_BYTES_MAX
    {
        return Err(error(400, "Invalid connection message"));
    }
    let refuse = |fault: TokenFault| match dialect {
        Dialect::SocketIo => rejected(fault.fluid_socket()),
        Dialect::Phoenix | Dialect::PhoenixMsgpack => rejected(fault.levee_socket()),
    };
    let token = connect.token.as_deref().ok_or_else(|| refuse(TokenFault::Missing))?;
    let claims = keyring.verify(&connect.tenant, token, now.unix_s() as i64).map_err(refuse)?;
    let required = match dialect {
        Dialect::SocketIo => Scopes::NONE,
        Dialect::Phoenix | Dialect::PhoenixMsgpack if connect.mode == Mode::Write => {
            Scopes::of(&[Scope::DocRead, Scope::DocWrite])
        }
        Dialect::Phoenix | Dialect::PhoenixMsgpack => Scopes::of(&[Scope::DocRead]),
    };
    claims.permit(&connect.tenant, Some(&connect.document), required).map_err(refuse)?;
    if claims.scopes.is_empty() {
        return Err(refuse(TokenFault::MissingScopes(Scopes::of(&[Scope::DocRead]))));
    }
    let version = choose_version(dialect, connect.versions)
        .ok_or_else(|| error(400, unsupported_version(connect.versions)))?;
    let scopes = match dialect {
        Dialect::SocketIo if !is_summarizer(connect.client) => {
            claims.scopes.without(Scope::SummaryWrite)
        }
        _ => claims.scopes,
    };
    let may_write = scopes.contains(Scope::DocWrite) || scopes.contains(Scope::SummaryWrite);
    let mode = if may_write { connect.mode } else { Mode::Read };
    let detail = match dialect {
        Dialect::SocketIo => described(connect.client, &claims, scopes, mode).into(),
        Dialect::Phoenix | Dialect::PhoenixMsgpack => Bytes::copy_from_slice(connect.client),
    };
    Ok(Admitted {
        key: DocKey::new(&connect.tenant, &connect.document),
        dialect,
        join_ref: None,
        detail,
        mode,
        may_write,
        may_summarize: scopes.contains(Scope::SummaryWrite),
        user: user_of(&claims),
        claims: Bytes::copy_from_slice(claims.json().as_bytes()),
        version,
        signals_v2: signals_v2(dialect, connect),
        last_seen: connect.last_seen,
        expires_unix_s: u64::try_from(claims.expires_at_s).unwrap_or(0),
        pass: Pass::from(&claims),
        creates: dialect != Dialect::SocketIo,
    })
}

/// The answer to a `connect_document` that cannot be read.
#[must_use]
pub fn malformed(dialect: Dialect, missing: MissingKeys) -> ConnectError {
    if dialect == Dialect::SocketIo || missing == MissingKeys::default() {
        return error(400, "Invalid connection message");
    }
    let MissingKeys { tenant_id, id, client, mode } = missing;
    let names: Vec<&str> =
        [(tenant_id, "tenantId"), (id, "id"), (client, "client"), (mode, "mode")]
            .into_iter()
            .filter_map(|(is_missing, name)| is_missing.then_some(name))
            .collect();
    error(400, format!("Missing required fields: {}", names.join(", ")))
}

/// The answer to a `connect_document` on another document's topic.
#[must_use]
pub fn wrong_topic() -> ConnectError {
    error(400, "Tenant/document ID mismatch with topic")
}

fn rejected(rejection: crate::auth::Rejection) -> ConnectError {
    ConnectError { code: rejection.status, message: rejection.text, retry_after_ms: None }
}

fn error(code: u16, message: impl Into<std::borrow::Cow<'static, str>>) -> ConnectError {
    ConnectError { code, message: message.into(), retry_after_ms: None }
}

fn signals_v2(dialect: Dialect, connect: &Connect<'_>) -> bool {
    match dialect {
        // A client that did not announce it sends the first form.
        Dialect::SocketIo => connect.signals_v2 == Some(true),
        Dialect::Phoenix | Dialect::PhoenixMsgpack => connect.signals_v2 != Some(false),
    }
}

fn user_of(claims: &Claims) -> Arc<str> {
    let user = claims.user_json().and_then(|json| Raw::parse(json.as_bytes()).ok());
    let id = user.and_then(|user| user.field("id")).and_then(Raw::as_str);
    id.unwrap_or_default().as_ref().into()
}

/// A client that the runtime made to summarise: not interactive, or of that type.
fn is_summarizer(client: &[u8]) -> bool {
    let details = Raw::parse(client).ok().and_then(|client| client.field("details"));
    let Some(details) = details else { return false };
    let kind = details.field("type").and_then(Raw::as_str);
    let interactive = details
        .field("capabilities")
        .and_then(|capabilities| capabilities.field("interactive"))
        .and_then(Raw::as_bool);
    kind.as_deref() == Some("summarizer") || interactive == Some(false)
}

/// The client's description as others see it: its own JSON, with user, scopes and mode as the
/// token and the service have them, in the places where they stood.
fn described(client: &[u8], claims: &Claims, scopes: Scopes, mode: Mode) -> Vec<u8> {
    let mut scope_list = vec![b'['];
    for (at, scope) in scopes.iter().enumerate() {
        if at > 0 {
            scope_list.push(b',');
        }
        write_string(&mut scope_list, scope.as_str());
    }
    scope_list.push(b']');
    let mode = format!("\"{}\"", mode.as_str());
    let replaced: [(&[u8], &[u8]); 3] = [
        (b"mode", mode.as_bytes()),
        (b"user", claims.user_json().unwrap_or("{\"id\":\"\"}").as_bytes()),
        (b"scopes", &scope_list),
    ];
    let mut out = Vec::with_capacity(client.len() + 256);
    out.push(b'{');
    let mut write = |key: &[u8], value: &[u8]| {
        if out.len() > 1 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    };
    let mut seen = [false; 3];
    let fields = Raw::parse(client).ok().and_then(Raw::object);
    for (key, value) in fields.into_iter().flatten() {
        match replaced.iter().position(|(name, _)| *name == key) {
            Some(at) if seen[at] => {}
            Some(at) => {
                seen[at] = true;
                write(key, replaced[at].1);
            }
            None => write(key, value.bytes()),
        }
    }
    for (at, (key, value)) in replaced.iter().enumerate() {
        if !seen[at] {
            write(key, value);
        }
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Tenant, TenantKeys, sign};

    const NOW: Now = Now { mono_ms: 0, unix_ms: 1_000_000 };
    const CLIENT: &[u8] = br#"{"details":{"capabilities":{"interactive":true}},"permission":[],"scopes":[],"user":{"id":""},"mode":"write"}"#;

    fn keyring() -> Keyring {
        let keys = TenantKeys::new("key", None).expect("a key");
        Keyring::new([Tenant::new("t", "T", keys)])
    }

    fn connect<'a>(token: &'a str, client: &'a [u8]) -> Connect<'a> {
        Connect {
            tenant: "t".into(),
            document: "d".into(),
            token: Some(token.into()),
            client,
            mode: Mode::Write,
            versions: br#"["^0.4.0"]"#,
            signals_v2: Some(true),
            last_seen: None,
        }
    }

    fn token(scopes: &str) -> String {
        let claims = format!(
            r#"{{"documentId":"d","tenantId":"t","scopes":{scopes},"user":{{"id":"u","name":"N"}},"iat":1,"exp":2000,"ver":"1.0"}}"#
        );
        sign(&claims, b"key")
    }

    #[test]
    fn the_description_takes_user_and_scopes_from_the_token_in_place() {
        let token = token(r#"["doc:read","doc:write","summary:write"]"#);
        let admitted = admit(&keyring(), NOW, Dialect::SocketIo, &connect(&token, CLIENT));
        let admitted = admitted.expect("admitted");
        let detail = std::str::from_utf8(&admitted.detail).expect("UTF-8");
        let expected = r#"{"details":{"capabilities":{"interactive":true}},"permission":[],"scopes":["doc:read","doc:write"],"user":{"id":"u","name":"N"},"mode":"write"}"#;
        assert_eq!(detail, expected);
        assert!(admitted.may_write && !admitted.may_summarize);
        assert_eq!(&*admitted.user, "u");
    }

    #[test]
    fn summarizers_keep_their_scope_and_readers_stay_readers() {
        let client = br#"{"details":{"capabilities":{"interactive":false}},"mode":"write"}"#;
        let summarizer = token(r#"["doc:read","summary:write"]"#);
        let admitted = admit(&keyring(), NOW, Dialect::SocketIo, &connect(&summarizer, client));
        let admitted = admitted.expect("admitted");
        assert!(admitted.may_summarize && admitted.mode == Mode::Write);
        let admitted = admit(&keyring(), NOW, Dialect::SocketIo, &connect(&summarizer, CLIENT));
        assert_eq!(admitted.expect("admitted").mode, Mode::Read, "an interactive client");
        let reader = token(r#"["doc:read"]"#);
        let admitted = admit(&keyring(), NOW, Dialect::SocketIo, &connect(&reader, CLIENT));
        assert_eq!(admitted.expect("admitted").mode, Mode::Read);
        let refused = admit(&keyring(), NOW, Dialect::Phoenix, &connect(&reader, CLIENT));
        let refused = refused.expect_err("refused");
        assert_eq!((refused.code, &*refused.message), (403, "Write mode requires doc:write scope"));
    }

    #[test]
    fn phoenix_clients_are_shown_as_they_came() {
        let token = token(r#"["doc:read","doc:write"]"#);
        let admitted = admit(&keyring(), NOW, Dialect::Phoenix, &connect(&token, CLIENT));
        assert_eq!(&admitted.expect("admitted").detail[..], CLIENT);
    }

    #[test]
    fn unreadable_connects_name_what_is_missing() {
        let missing = MissingKeys { tenant_id: true, mode: true, ..MissingKeys::default() };
        let error = malformed(Dialect::Phoenix, missing);
        assert_eq!(error.message, "Missing required fields: tenantId, mode");
        assert_eq!(malformed(Dialect::SocketIo, missing).message, "Invalid connection message");
    }
}
