//! Who belongs to which tenant, in which role; and invites.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Subject;
use super::{Act, Deed, Directory, DirectoryFault, Kind, token_hash};
use crate::auth::{Scope, Scopes};

const INVITE_MS: u64 = 7 * 86_400_000;
/// Invites of one tenant that may be open at once.
const INVITES_MAX: usize = 1000;

/// What a member may do. The order is that of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads documents.
    Viewer,
    /// Reads, writes and summarises.
    Member,
    /// Also manages members below, invites and API keys.
    Admin,
    /// Also manages owners, secrets and the tenant itself.
    Owner,
}

impl Role {
    /// What its document tokens grant. Members summarise: a client that cannot leaves every later
    /// load to replay the whole log.
    #[must_use]
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Viewer => Scopes::of(&[Scope::DocRead]),
            Self::Member => Scopes::of(&[Scope::DocRead, Scope::DocWrite, Scope::SummaryWrite]),
            Self::Admin | Self::Owner => Scopes::of(&Scope::ALL),
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "viewer" => Some(Self::Viewer),
            "member" => Some(Self::Member),
            "admin" => Some(Self::Admin),
            "owner" => Some(Self::Owner),
            _ => None,
        }
    }
}

/// A user's part in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub tenant: String,
    pub user: String,
    pub role: Role,
    /// Unix time in seconds.
    pub since_s: u64,
}

/// A membership as a tenant's page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    pub user: String,
    pub email: String,
    pub display_name: String,
    pub role: Role,
    pub since_s: u64,
}

/// How an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    Open,
    Accepted,
    Revoked,
}

/// An invitation to a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// `inv_<uuid4>`
    pub id: String,
    pub tenant: String,
    /// Only this address may accept it; `None`: whoever has the link.
    pub email: Option<String>,
    pub role: Role,
    /// Of the token in the link.
    pub hash: String,
    pub created_ms: u64,
    pub expires_ms: u64,
    pub state: InviteState,
    /// The user who accepted it.
    pub accepted_by: Option<String>,
}

impl Directory {
    /// The role of a user in a tenant.
    #[must_use]
    pub fn role(&self, tenant: &str, user: &str) -> Option<Role> {
        self.members.get(&row(tenant, user)).map(|member| member.role)
    }

    /// Makes sure that a user has at least this role, or administers the service.
    ///
    /// # Errors
    /// [`DirectoryFault::NotMember`], [`DirectoryFault::RoleTooLow`].
    pub fn require(&self, tenant: &str, user: &str, least: Role) -> Result<Role, DirectoryFault> {
        if self.user(user)?.is_admin {
            return Ok(Role::Owner);
        }
        let role = self.role(tenant, user).ok_or(DirectoryFault::NotMember)?;
        if role >= least { Ok(role) } else { Err(DirectoryFault::RoleTooLow) }
    }

    /// The members of a tenant, most powerful first.
    #[must_use]
    pub fn members(&self, tenant: &str) -> Vec<Member> {
        let prefix = row(tenant, "");
        let found = self.members.below(&prefix).filter_map(|(_, membership)| {
            let user = self.users.get(&membership.user)?;
            Some(Member {
                user: user.id.clone(),
                email: user.email.clone(),
                display_name: user.display_name.clone(),
                role: membership.role,
                since_s: membership.since_s,
            })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.email.cmp(&b.email)));
        found
    }

    /// The tenants of a user.
    #[must_use]
    pub fn memberships(&self, user: &str) -> Vec<Membership> {
        self.members.values().filter(|member| member.user == user).cloned().collect()
    }

    /// Gives a user a role. `by` is the role of whoever does it: nobody makes someone mightier than
    /// themselves, or touches someone mightier.
    ///
    /// # Errors
    /// No such tenant or user, not mighty enough, or the last owner would be one no more.
    pub fn set_role(
        &mut self,
        act: &Act,
        (tenant, user): (&str, &str),
        role: Role,
        by: Role,
    ) -> Result<(), DirectoryFault> {
        self.tenant(tenant)?;
        self.user(user)?;
        let before = self.role(tenant, user);
        self.may_move(tenant, before, Some(role), by)?;
        self.put_member(act, tenant, user, role);
        if before.is_some_and(|before| role < before) {
            self.revoke_user(act, tenant, user);
        }
        Ok(())
    }

    /// Ends a membership; the user's tokens of this tenant end with it.
    ///
    /// # Errors
    /// Not a member, not mighty enough, or the last owner.
    pub fn remove_member(
        &mut self,
        act: &Act,
        (tenant, user): (&str, &str),
        by: Role,
    ) -> Result<(), DirectoryFault> {
        let before = self.role(tenant, user).ok_or(DirectoryFault::NotFound(Kind::Member))?;
        self.may_move(tenant, Some(before), None, by)?;
        self.members.remove(&mut self.writes, &row(tenant, user));
        self.revoke_user(act, tenant, user);
        let subject = Subject { kind: "user", id: user, tenant: Some(tenant) };
        self.note(act, Deed::MemberRemoved, subject, (json!({ "role": before }), Value::Null));
        Ok(())
    }

    /// Invites someone; the token is returned here and kept nowhere.
    ///
    /// # Errors
    /// No such tenant, not mighty enough, or too many open invites.
    pub fn invite(
        &mut self,
        act: &mut Act,
        tenant: &str,
        (email, role): (Option<String>, Role),
        by: Role,
    ) -> Result<(Invite, String), DirectoryFault> {
        self.tenant(tenant)?;
        self.may_move(tenant, None, Some(role), by)?;
        if self.invites(tenant).filter(|i| i.state == InviteState::Open).count() >= INVITES_MAX {
            return Err(DirectoryFault::TooMany("open invites"));
        }
        let token = act.token("inv");
        let email = email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
        let invite = Invite {
            id: act.id("inv"),
            tenant: tenant.to_owned(),
            email,
            role,
            hash: token_hash(&token),
            created_ms: act.now_ms,
            expires_ms: act.now_ms + INVITE_MS,
            state: InviteState::Open,
            accepted_by: None,
        };
        self.invites.put(&mut self.writes, &invite.id, invite.clone());
        let shown = json!({ "email": invite.email, "role": role });
        self.note_invite(act, Deed::InviteCreated, &invite, (Value::Null, shown));
        Ok((invite, token))
    }

    /// A tenant's invites, newest first.
    pub fn invites<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a Invite> {
        let mut found: Vec<_> = self.invites.values().filter(|i| i.tenant == tenant).collect();
        found.sort_by_key(|invite| std::cmp::Reverse(invite.created_ms));
        found.into_iter()
    }

    /// Makes a user a member by an invite; one who is already keeps the mightier role.
    ///
    /// # Errors
    /// The invite is spent, expired or for someone else.
    pub fn accept_invite(
        &mut self,
        act: &Act,
        user: &str,
        token: &str,
    ) -> Result<Membership, DirectoryFault> {
        let email = self.user(user)?.email.clone();
        let mut invite = self.invite_for(token, &email, act.now_ms)?.clone();
        invite.state = InviteState::Accepted;
        invite.accepted_by = Some(user.to_owned());
        self.invites.put(&mut self.writes, &invite.id, invite.clone());
        let role = self.role(&invite.tenant, user).map_or(invite.role, |had| had.max(invite.role));
        let shown = json!({ "user": user, "role": role });
        self.note_invite(act, Deed::InviteAccepted, &invite, (Value::Null, shown));
        self.put_member(act, &invite.tenant, user, role);
        let member = self.members.get(&row(&invite.tenant, user)).cloned();
        member.ok_or(DirectoryFault::NotMember)
    }

    /// Takes an invite back.
    ///
    /// # Errors
    /// There is no such open invite.
    pub fn revoke_invite(
        &mut self,
        act: &Act,
        tenant: &str,
        id: &str,
    ) -> Result<(), DirectoryFault> {
        let open = |i: &&Invite| i.tenant == tenant && i.state == InviteState::Open;
        let invite = self.invites.get(id).filter(open).cloned();
        let mut invite = invite.ok_or(DirectoryFault::NotFound(Kind::Invite))?;
        invite.state = InviteState::Revoked;
        self.invites.put(&mut self.writes, id, invite.clone());
        self.note_invite(act, Deed::InviteRevoked, &invite, (Value::Null, Value::Null));
        Ok(())
    }

    /// The open invite of a token, if this address may use it.
    pub(super) fn invite_for(
        &self,
        token: &str,
        email: &str,
        now_ms: u64,
    ) -> Result<&Invite, DirectoryFault> {
        let hash = token_hash(token);
        let invite = self.invites.values().find(|invite| invite.hash == hash);
        let invite = invite
            .filter(|i| i.state == InviteState::Open && i.expires_ms > now_ms)
            .filter(|i| self.tenant(&i.tenant).is_ok())
            .ok_or(DirectoryFault::InviteSpent)?;
        let is_theirs = |wanted: &String| wanted.eq_ignore_ascii_case(email.trim());
        if invite.email.as_ref().is_none_or(is_theirs) {
            Ok(invite)
        } else {
            Err(DirectoryFault::InviteForOther)
        }
    }

    /// A new user joins every tenant, as in the original.
    pub(super) fn join_all(&mut self, act: &Act, user: &str) {
        self.join_all_as(act, user, Role::Member);
    }

    pub(super) fn join_all_as(&mut self, act: &Act, user: &str, role: Role) {
        let tenants: Vec<_> = self.tenants().map(|tenant| tenant.id.clone()).collect();
        for tenant in tenants {
            if self.role(&tenant, user).is_none() {
                self.put_member(act, &tenant, user, role);
            }
        }
    }

    /// Called at login: tenants made since the registration count too.
    pub fn refresh_memberships(&mut self, act: &Act, user: &str) {
        if self.policy.auto_membership {
            self.join_all(act, user);
        }
    }

    pub(super) fn put_member(&mut self, act: &Act, tenant: &str, user: &str, role: Role) {
        let key = row(tenant, user);
        let before = self.members.get(&key).cloned();
        if before.as_ref().is_some_and(|before| before.role == role) {
            return;
        }
        let since_s = before.as_ref().map_or(act.now_ms / 1000, |before| before.since_s);
        let member = Membership { tenant: tenant.into(), user: user.into(), role, since_s };
        self.members.put(&mut self.writes, &key, member);
        let deed = if before.is_some() { Deed::MemberChanged } else { Deed::MemberAdded };
        let before = before.map_or(Value::Null, |before| json!({ "role": before.role }));
        let subject = Subject { kind: "user", id: user, tenant: Some(tenant) };
        self.note(act, deed, subject, (before, json!({ "role": role })));
    }

    pub(super) fn leave_all(&mut self, user: &str) {
        for membership in self.memberships(user) {
            self.members.remove(&mut self.writes, &row(&membership.tenant, user));
        }
    }

    /// Everything that hangs on a tenant that is going.
    pub(super) fn clear_tenant(&mut self, tenant: &str) {
        let prefix = row(tenant, "");
        let members: Vec<_> = self.members.below(&prefix).map(|(key, _)| key.to_owned()).collect();
        for key in members {
            self.members.remove(&mut self.writes, &key);
        }
        let invites: Vec<_> = self.invites(tenant).map(|invite| invite.id.clone()).collect();
        for id in invites {
            self.invites.remove(&mut self.writes, &id);
        }
        self.clear_keys(tenant);
    }

    pub(super) fn sweep_invites(&mut self, now_ms: u64) {
        // Spent ones stay visible as long as they would have lived.
        let is_over = |invite: &&Invite| invite.expires_ms <= now_ms;
        let over: Vec<_> = self.invites.values().filter(is_over).map(|i| i.id.clone()).collect();
        for id in over {
            self.invites.remove(&mut self.writes, &id);
        }
    }

    fn may_move(
        &self,
        tenant: &str,
        before: Option<Role>,
        after: Option<Role>,
        by: Role,
    ) -> Result<(), DirectoryFault> {
        if by < Role::Admin || before.is_some_and(|r| r > by) || after.is_some_and(|r| r > by) {
            return Err(DirectoryFault::RoleTooLow);
        }
        let owners = || self.members(tenant).iter().filter(|m| m.role == Role::Owner).count();
        if before == Some(Role::Owner) && after != Some(Role::Owner) && owners() == 1 {
            return Err(DirectoryFault::LastOwner);
        }
        Ok(())
    }

    fn note_invite(&mut self, act: &Act, deed: Deed, invite: &Invite, states: (Value, Value)) {
        let subject = Subject { kind: "invite", id: &invite.id, tenant: Some(&invite.tenant) };
        self.note(act, deed, subject, states);
    }
}

fn row(tenant: &str, user: &str) -> String {
    [tenant, "/", user].concat()
}
