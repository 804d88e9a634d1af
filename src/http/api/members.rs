//! Who belongs to a tenant, and invites.

use super::caller::Caller;
use super::fault::ApiFault;
use super::{Answer, Call};
use crate::http::reply::Reply;
use levee_core::directory::{DirectoryFault, Invite, Role};
use levee_core::wire::route::ApiRoute;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct NewRole {
    role: Role,
}

#[derive(Deserialize)]
struct NewInvite {
    #[serde(default)]
    email: Option<String>,
    role: Role,
}

#[derive(Deserialize)]
struct Accept {
    token: String,
}

pub(super) async fn answer(call: Call<'_>, caller: &Caller, route: ApiRoute<'_>) -> Answer {
    match route {
        ApiRoute::Members { tenant } => {
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let found = call.core.directories.call(caller.who(), move |directory, _| {
                directory.tenant(&tenant)?;
                authority.require(directory, &tenant, Role::Viewer)?;
                Ok(directory.members(&tenant))
            });
            Ok(Reply::of(200, &json!({ "members": found.await? })))
        }
        ApiRoute::SetMember { tenant, user } => {
            let body: NewRole = call.body()?;
            let (tenant, user, authority) = (tenant.into(), String::from(user), caller.authority());
            let set = call.core.directories.call(caller.who(), move |directory, act| {
                let tenant: String = tenant;
                let by = authority.require(directory, &tenant, Role::Admin)?;
                // People know each other by e-mail.
                let by_email = directory.user_by_email(&user).map(|user| user.id.clone());
                let id = by_email.unwrap_or(user);
                directory.set_role(act, (&tenant, &id), body.role, by)
            });
            set.await?;
            Ok(Reply::of(200, &json!({ "message": "member set" })))
        }
        ApiRoute::RemoveMember { tenant, user } => {
            let (tenant, user) = (String::from(tenant), String::from(user));
            let (authority, own) = (caller.authority(), caller.user_id().ok());
            let removed = call.core.directories.call(caller.who(), move |directory, act| {
                // Everybody may leave.
                let by = match own == Some(user.clone()) {
                    true => Role::Owner,
                    false => authority.require(directory, &tenant, Role::Admin)?,
                };
                directory.remove_member(act, (&tenant, &user), by)
            });
            removed.await?;
            Ok(Reply::of(200, &json!({ "message": "member removed" })))
        }
        ApiRoute::Invites { tenant } => {
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let found = call.core.directories.call(caller.who(), move |directory, _| {
                authority.require(directory, &tenant, Role::Admin)?;
                Ok(directory.invites(&tenant).map(shown).collect::<Vec<Value>>())
            });
            Ok(Reply::of(200, &json!({ "invites": found.await? })))
        }
        ApiRoute::CreateInvite { tenant } => {
            let body: NewInvite = call.body()?;
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let made = call.core.directories.call(caller.who(), move |directory, act| {
                let by = authority.require(directory, &tenant, Role::Admin)?;
                directory.invite(act, &tenant, (body.email, body.role), by)
            });
            let (invite, token) = made.await?;
            Ok(Reply::of(201, &json!({ "invite": shown(&invite), "token": token })))
        }
        ApiRoute::RevokeInvite { tenant, invite } => {
            let (tenant, invite) = (String::from(tenant), String::from(invite));
            let authority = caller.authority();
            let revoked = call.core.directories.call(caller.who(), move |directory, act| {
                authority.require(directory, &tenant, Role::Admin)?;
                directory.revoke_invite(act, &tenant, &invite)
            });
            revoked.await?;
            Ok(Reply::of(200, &json!({ "message": "invite revoked" })))
        }
        _ => Err(ApiFault::NoRoute),
    }
}

pub(super) async fn accept_invite(call: Call<'_>, caller: &Caller) -> Answer {
    let Accept { token } = call.body()?;
    let user = caller.user_id()?;
    let accepted = call.core.directories.call(caller.who(), move |directory, act| {
        let outcome: Result<_, DirectoryFault> = directory.accept_invite(act, &user, &token);
        outcome
    });
    Ok(Reply::of(200, &json!({ "membership": accepted.await? })))
}

fn shown(invite: &Invite) -> Value {
    json!({
        "id": invite.id, "email": invite.email, "role": invite.role, "state": invite.state,
        "created_ms": invite.created_ms, "expires_ms": invite.expires_ms,
        "accepted_by": invite.accepted_by,
    })
}
