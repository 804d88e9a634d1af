//! Document tokens: minting them for members and for services, and taking them back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Subject;
use super::{Act, Actor, Deed, Directory, DirectoryFault, Kind, token_hash};
use crate::auth::{Scope, Scopes, sign};

const KEYS_PER_TENANT_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 200;
const REVOKED_MAX: usize = 100_000;
/// No token is believed for longer than this after its issue, so a revocation need not last longer.
const TOKEN_LIFE_S: u64 = 86_400 * 30;

/// A service's right to mint tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_<uuid4>`
    pub id: String,
    pub tenant: String,
    pub name: String,
    pub hash: String,
    /// Names of scopes that its tokens may have.
    pub scopes: Vec<String>,
    pub created_ms: u64,
    pub expires_ms: Option<u64>,
}

/// An API key to be made.
#[derive(Debug, Clone, Deserialize)]
pub struct NewApiKey {
    pub name: String,
    /// Names of scopes.
    pub scopes: Vec<String>,
    /// Milliseconds since the Unix epoch; `None`: until it is revoked.
    #[serde(default)]
    pub expires_ms: Option<u64>,
}

/// A token that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revocation {
    /// The token is dead by then anyhow.
    pub until_s: u64,
}

/// All tokens of a user that were issued before a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RevokedUser {
    pub issued_before_s: i64,
    pub until_s: u64,
}

/// A document token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Minted {
    pub jwt: String,
    #[serde(rename = "expiresIn")]
    pub expires_in_s: u64,
    pub user: MintedUser,
}

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintedUser {
    pub id: String,
    pub name: String,
}

impl Directory {
    /// A document token for a member, with the scopes of their role.
    ///
    /// # Errors
    /// [`DirectoryFault::NotMember`] (also of an unknown tenant), or the tenant is gone.
    pub fn mint(
        &self,
        act: &mut Act,
        tenant: &str,
        document: &str,
        user: &str,
    ) -> Result<Minted, DirectoryFault> {
        let role = self.role(tenant, user).ok_or(DirectoryFault::NotMember)?;
        let user = self.user(user)?;
        let user = MintedUser { id: user.id.clone(), name: user.display_name.clone() };
        self.sign(act, (tenant, document), role.scopes(), user)
    }

    /// A document token for a service's user. Asks for no more than the key may give.
    ///
    /// # Errors
    /// The key is not known or over, or does not cover the scopes.
    pub fn mint_with_key(
        &self,
        act: &mut Act,
        key: &str,
        (tenant, document): (&str, &str),
        asked: Option<&[String]>,
        user: MintedUser,
    ) -> Result<Minted, DirectoryFault> {
        let key = self.api_key(key, act.now_ms)?;
        if key.tenant != tenant {
            return Err(DirectoryFault::NotMember);
        }
        let granted = parse_scopes(&key.scopes)?;
        let scopes = asked.map_or(Ok(granted), parse_scopes)?;
        if !granted.missing_of(scopes).is_empty() {
            return Err(DirectoryFault::RoleTooLow);
        }
        act.actor = Actor::ApiKey(key.id.clone());
        self.sign(act, (tenant, document), scopes, user)
    }

    /// Makes an API key; its text is returned here and kept nowhere.
    ///
    /// # Errors
    /// No such tenant, no such scope, or too many keys.
    pub fn create_api_key(
        &mut self,
        act: &mut Act,
        tenant: &str,
        new: NewApiKey,
    ) -> Result<(ApiKey, String), DirectoryFault> {
        self.tenant(tenant)?;
        if new.name.trim().is_empty() {
            return Err(DirectoryFault::MissingField("name"));
        }
        if parse_scopes(&new.scopes)? == Scopes::NONE {
            return Err(DirectoryFault::MissingField("scopes"));
        }
        if self.api_keys(tenant).count() >= KEYS_PER_TENANT_MAX {
            return Err(DirectoryFault::TooMany("API keys"));
        }
        let text = act.token("lvk");
        let key = ApiKey {
            id: act.id("key"),
            tenant: tenant.to_owned(),
            name: new.name.trim().chars().take(NAME_CHARS_MAX).collect(),
            hash: token_hash(&text),
            scopes: new.scopes,
            created_ms: act.now_ms,
            expires_ms: new.expires_ms,
        };
        self.api_keys.put(&mut self.writes, &key.id, key.clone());
        let shown = json!({ "name": key.name, "scopes": key.scopes, "expires_ms": key.expires_ms });
        let subject = Subject { kind: "api_key", id: &key.id, tenant: Some(tenant) };
        self.note(act, Deed::ApiKeyCreated, subject, (Value::Null, shown));
        Ok((key, text))
    }

    /// A tenant's API keys.
    pub fn api_keys<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a ApiKey> {
        self.api_keys.values().filter(move |key| key.tenant == tenant)
    }

    /// Ends an API key. Tokens that it minted live on to their expiry.
    ///
    /// # Errors
    /// The tenant has no such key.
    pub fn revoke_api_key(
        &mut self,
        act: &Act,
        tenant: &str,
        id: &str,
    ) -> Result<(), DirectoryFault> {
        let key = self.api_keys.get(id).filter(|key| key.tenant == tenant);
        let name = key.ok_or(DirectoryFault::NotFound(Kind::ApiKey))?.name.clone();
        self.api_keys.remove(&mut self.writes, id);
        let subject = Subject { kind: "api_key", id, tenant: Some(tenant) };
        self.note(act, Deed::ApiKeyRevoked, subject, (json!({ "name": name }), Value::Null));
        Ok(())
    }

    /// Takes back one token by its `jti`. `expires_s` is the token's own end, if it is known.
    ///
    /// # Errors
    /// No such tenant, a `jti` that cannot be one, or too many revocations.
    pub fn revoke_token(
        &mut self,
        act: &Act,
        tenant: &str,
        jti: &str,
        expires_s: Option<u64>,
    ) -> Result<(), DirectoryFault> {
        self.tenant(tenant)?;
        if jti.is_empty() || jti.len() > 200 {
            return Err(DirectoryFault::InvalidField("jti"));
        }
        if self.revoked_tokens.len() >= REVOKED_MAX {
            return Err(DirectoryFault::TooMany("revoked tokens"));
        }
        let until_s = expires_s.unwrap_or(act.now_ms / 1000 + TOKEN_LIFE_S);
        let key = [tenant, "/", jti].concat();
        self.revoked_tokens.put(&mut self.writes, &key, Revocation { until_s });
        self.keyring_changed = true;
        let subject = Subject { kind: "token", id: jti, tenant: Some(tenant) };
        self.note(act, Deed::TokenRevoked, subject, (Value::Null, Value::Null));
        Ok(())
    }

    /// Takes back every token of a user for a tenant that has been issued until now.
    pub fn revoke_user(&mut self, act: &Act, tenant: &str, user: &str) {
        let now_s = act.now_ms / 1000;
        let row = RevokedUser {
            // Tokens of this very second are caught too; one that is minted later in it has to be
            // minted again.
            issued_before_s: i64::try_from(now_s + 1).unwrap_or(i64::MAX),
            until_s: now_s + TOKEN_LIFE_S,
        };
        self.revoked_users.put(&mut self.writes, &[tenant, "/", user].concat(), row);
        self.keyring_changed = true;
        let subject = Subject { kind: "user", id: user, tenant: Some(tenant) };
        self.note(act, Deed::TokenRevoked, subject, (Value::Null, Value::Null));
    }

    pub(super) fn revoke_user_everywhere(&mut self, act: &Act, user: &str) {
        for membership in self.memberships(user) {
            self.revoke_user(act, &membership.tenant, user);
        }
    }

    pub(super) fn clear_keys(&mut self, tenant: &str) {
        let keys: Vec<_> = self.api_keys(tenant).map(|key| key.id.clone()).collect();
        for id in keys {
            self.api_keys.remove(&mut self.writes, &id);
        }
    }

    pub(super) fn sweep_revocations(&mut self, now_ms: u64) {
        let now_s = now_ms / 1000;
        let dead = |until_s: u64| until_s <= now_s;
        let tokens = self.revoked_tokens.iter().filter(|(_, row)| dead(row.until_s));
        let tokens: Vec<_> = tokens.map(|(key, _)| key.to_owned()).collect();
        let users = self.revoked_users.iter().filter(|(_, row)| dead(row.until_s));
        let users: Vec<_> = users.map(|(key, _)| key.to_owned()).collect();
        self.keyring_changed |= !tokens.is_empty() || !users.is_empty();
        for key in tokens {
            self.revoked_tokens.remove(&mut self.writes, &key);
        }
        for key in users {
            self.revoked_users.remove(&mut self.writes, &key);
        }
    }

    fn api_key(&self, text: &str, now_ms: u64) -> Result<&ApiKey, DirectoryFault> {
        let hash = token_hash(text);
        let key = self.api_keys.values().find(|key| key.hash == hash);
        let alive = |key: &&ApiKey| key.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms);
        key.filter(alive).ok_or(DirectoryFault::NoSession)
    }

    fn sign(
        &self,
        act: &mut Act,
        (tenant, document): (&str, &str),
        scopes: Scopes,
        user: MintedUser,
    ) -> Result<Minted, DirectoryFault> {
        let record = self.tenant(tenant)?;
        let now_s = act.now_ms / 1000;
        let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
        let claims = json!({
            "documentId": document, "tenantId": tenant, "scopes": names, "user": user,
            "iat": now_s, "exp": now_s + self.policy.token_s, "ver": "1.0", "jti": act.id("jwt"),
        });
        let jwt = sign(&claims.to_string(), record.secret1.as_bytes());
        Ok(Minted { jwt, expires_in_s: self.policy.token_s, user })
    }
}

fn parse_scopes(names: &[String]) -> Result<Scopes, DirectoryFault> {
    names.iter().try_fold(Scopes::NONE, |scopes, name| {
        let scope = Scope::parse(name).ok_or(DirectoryFault::InvalidField("scopes"))?;
        Ok(scopes.with(scope))
    })
}
