//! Tenants: their names, their two secrets, their limits.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Subject;
use super::names::tenant_id;
use super::{Act, Deed, Directory, DirectoryFault, Kind, Role, token_hash};
use crate::auth::{Keyring, Revoked, Tenant, TenantKeys, TenantLimits};

const TENANTS_MAX: usize = 10_000;
const ID_BYTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 200;

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    pub id: String,
    pub name: String,
    /// Signs, and is tried first.
    pub secret1: String,
    /// Tried second.
    pub secret2: String,
    pub limits: TenantLimits,
    /// Unix time in seconds.
    pub created_at_s: u64,
    /// The hash of the key that the configuration gave last: only when that changes does it
    /// replace `secret1`, so that a rotation outlives a restart.
    pub seed: Option<String>,
    /// A configured tenant that was deleted stays so, until its configured key changes.
    pub is_deleted: bool,
}

impl TenantRecord {
    /// What the audit log shows.
    fn shown(&self) -> Value {
        json!({ "name": self.name, "limits": self.limits })
    }
}

/// A tenant to be made.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NewTenant {
    /// `None`: one is made up.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub limits: TenantLimits,
}

/// A tenant of the configuration.
#[derive(Debug, Clone)]
pub struct Seed {
    pub id: String,
    pub name: String,
    pub key: String,
    pub key2: Option<String>,
}

impl Directory {
    /// Takes in a tenant of the configuration, at every start.
    pub fn seed_tenant(&mut self, act: &mut Act, seed: Seed) {
        let mark = token_hash(&[&seed.key, "\n", seed.key2.as_deref().unwrap_or("")].concat());
        let known = self.tenants.get(&seed.id).cloned();
        if known.as_ref().is_some_and(|known| known.seed.as_ref() == Some(&mark)) {
            return;
        }
        let limits = known.as_ref().map(|known| known.limits).unwrap_or_default();
        let record = TenantRecord {
            secret1: seed.key,
            secret2: seed.key2.unwrap_or_else(|| act.secret()),
            name: seed.name,
            limits,
            created_at_s: known.as_ref().map_or(act.now_ms / 1000, |known| known.created_at_s),
            seed: Some(mark),
            is_deleted: false,
            id: seed.id,
        };
        let deed = if known.is_some() { Deed::TenantChanged } else { Deed::TenantCreated };
        self.save_tenant(act, deed, known.map(|known| known.shown()), record);
    }

    /// Makes a tenant with two fresh secrets; its maker, if a user, becomes its owner.
    ///
    /// # Errors
    /// The name is missing, the id is taken or no id.
    pub fn create_tenant(
        &mut self,
        act: &mut Act,
        new: NewTenant,
    ) -> Result<TenantRecord, DirectoryFault> {
        let name = new.name.trim();
        if name.is_empty() {
            return Err(DirectoryFault::MissingField("name"));
        }
        if self.tenants.len() >= TENANTS_MAX {
            return Err(DirectoryFault::TooMany("tenants"));
        }
        let id = match new.id {
            Some(id) if !is_id(&id) => return Err(DirectoryFault::InvalidField("id")),
            Some(id) if self.tenants.get(&id).is_some_and(|tenant| !tenant.is_deleted) => {
                return Err(DirectoryFault::Exists(Kind::Tenant));
            }
            Some(id) => id,
            None => self.free_id(act),
        };
        // A configured tenant that was deleted and is made again: its configured key is known.
        let seed = self.tenants.get(&id).and_then(|deleted| deleted.seed.clone());
        let record = TenantRecord {
            name: name.chars().take(NAME_CHARS_MAX).collect(),
            secret1: act.secret(),
            secret2: act.secret(),
            limits: new.limits,
            created_at_s: act.now_ms / 1000,
            seed,
            is_deleted: false,
            id,
        };
        self.save_tenant(act, Deed::TenantCreated, None, record.clone());
        if let Some(user) = act.user().map(str::to_owned) {
            self.put_member(act, &record.id, &user, Role::Owner);
        }
        Ok(record)
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantRecord> {
        self.tenants.values().filter(|tenant| !tenant.is_deleted)
    }

    /// One tenant.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn tenant(&self, id: &str) -> Result<&TenantRecord, DirectoryFault> {
        let found = self.tenants.get(id).filter(|tenant| !tenant.is_deleted);
        found.ok_or(DirectoryFault::NotFound(Kind::Tenant))
    }

    /// Changes name and limits; `None` leaves them.
    ///
    /// # Errors
    /// No such tenant.
    pub fn change_tenant(
        &mut self,
        act: &Act,
        id: &str,
        name: Option<&str>,
        limits: Option<TenantLimits>,
    ) -> Result<TenantRecord, DirectoryFault> {
        let mut tenant = self.tenant(id)?.clone();
        let before = tenant.shown();
        if let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) {
            tenant.name = name.chars().take(NAME_CHARS_MAX).collect();
        }
        tenant.limits = limits.unwrap_or(tenant.limits);
        self.save_tenant(act, Deed::TenantChanged, Some(before), tenant.clone());
        Ok(tenant)
    }

    /// Replaces one of the two secrets. Tokens signed with the other go on working: rotate one,
    /// bring it to every signer, then rotate the other.
    ///
    /// # Errors
    /// No such tenant, or a slot that is neither 1 nor 2.
    pub fn rotate_secret(
        &mut self,
        act: &mut Act,
        id: &str,
        slot: u32,
    ) -> Result<String, DirectoryFault> {
        let mut tenant = self.tenant(id)?.clone();
        let secret = act.secret();
        match slot {
            1 => tenant.secret1.clone_from(&secret),
            2 => tenant.secret2.clone_from(&secret),
            _ => return Err(DirectoryFault::InvalidSlot),
        }
        let slot = json!({ "slot": slot });
        self.tenants.put(&mut self.writes, id, tenant);
        self.keyring_changed = true;
        let subject = Subject { kind: "tenant", id, tenant: Some(id) };
        self.note(act, Deed::SecretRotated, subject, (Value::Null, slot));
        Ok(secret)
    }

    /// Takes a tenant out of service, with its memberships, invites and API keys. Its documents'
    /// data is another matter.
    ///
    /// # Errors
    /// No such tenant.
    pub fn delete_tenant(&mut self, act: &Act, id: &str) -> Result<(), DirectoryFault> {
        let mut tenant = self.tenant(id)?.clone();
        let before = tenant.shown();
        self.clear_tenant(id);
        if tenant.seed.is_some() {
            tenant.is_deleted = true;
            self.tenants.put(&mut self.writes, id, tenant);
        } else {
            self.tenants.remove(&mut self.writes, id);
        }
        self.keyring_changed = true;
        let subject = Subject { kind: "tenant", id, tenant: Some(id) };
        self.note(act, Deed::TenantDeleted, subject, (before, Value::Null));
        Ok(())
    }

    /// What cores check tokens with.
    pub(super) fn keyring(&self, extra: &[Tenant]) -> Keyring {
        let ours = self.tenants().filter_map(|record| {
            // Secrets are never empty: a configured key is checked, others are made here.
            let keys = TenantKeys::new(&record.secret1, Some(&record.secret2)).ok()?;
            Some(Tenant {
                id: record.id.clone(),
                name: record.name.clone(),
                keys,
                limits: record.limits,
                revoked: self.revoked(&record.id),
            })
        });
        Keyring::new(ours.chain(extra.iter().cloned()))
    }

    fn revoked(&self, tenant: &str) -> Revoked {
        let prefix = [tenant, "/"].concat();
        let after = |key| -> &str { str::strip_prefix(key, &*prefix).unwrap_or(key) };
        let tokens = self.revoked_tokens.below(&prefix).map(|(key, _)| after(key));
        let users = self.revoked_users.below(&prefix);
        Revoked::new(tokens, users.map(|(key, row)| (after(key), row.issued_before_s)))
    }

    fn free_id(&self, act: &mut Act) -> String {
        let mut attempt = 0;
        loop {
            let id = tenant_id(act.bits(), attempt);
            if self.tenants.get(&id).is_none() {
                return id;
            }
            attempt += 1;
        }
    }

    fn save_tenant(&mut self, act: &Act, deed: Deed, before: Option<Value>, tenant: TenantRecord) {
        let (id, shown) = (tenant.id.clone(), tenant.shown());
        self.tenants.put(&mut self.writes, &id, tenant);
        self.keyring_changed = true;
        let subject = Subject { kind: "tenant", id: &id, tenant: Some(&id) };
        self.note(act, deed, subject, (before.unwrap_or(Value::Null), shown));
    }
}

/// Ids stand in paths and in keys of rows.
fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(fits)
}
