//! What administrators do with accounts, and the audit log.

use super::caller::Caller;
use super::fault::ApiFault;
use super::{Answer, Call, sessions};
use crate::http::reply::Reply;
use levee_core::directory::{Profile, Role, UserChange, check_password};
use levee_core::wire::route::ApiRoute;
use serde::Deserialize;
use serde_json::json;

const PAGE_DEFAULT: u64 = 100;
const PAGE_MAX: u64 = 1000;

#[derive(Deserialize)]
struct NewUser {
    email: String,
    password: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    is_admin: bool,
}

pub(super) async fn answer(call: Call<'_>, caller: &Caller, route: ApiRoute<'_>) -> Answer {
    if route == ApiRoute::Audit {
        return audit(call, caller).await;
    }
    caller.require_admin()?;
    match route {
        ApiRoute::Users => list(call, caller).await,
        ApiRoute::CreateUser => create(call, caller).await,
        ApiRoute::User { user } => {
            let user = String::from(user);
            let found = call.core.directories.call(caller.who(), move |directory, _| {
                Ok((directory.user(&user)?.account(), directory.memberships(&user)))
            });
            let (user, memberships) = found.await?;
            Ok(Reply::of(200, &json!({ "user": user, "memberships": memberships })))
        }
        ApiRoute::ChangeUser { user } => {
            let (user, change): (String, UserChange) = (user.into(), call.body()?);
            let changed = call.core.directories.call(caller.who(), move |directory, act| {
                Ok(directory.change_user(act, &user, &change)?.account())
            });
            Ok(Reply::of(200, &json!({ "user": changed.await? })))
        }
        ApiRoute::DeleteUser { user } => {
            let user = String::from(user);
            let deleted = call
                .core
                .directories
                .call(caller.who(), move |directory, act| directory.delete_user(act, &user));
            deleted.await?;
            Ok(Reply::of(200, &json!({ "message": "user deleted" })))
        }
        ApiRoute::UserSessions { user } => sessions::list(call, user.into()).await,
        ApiRoute::RevokeUserSession { user, session } => {
            sessions::revoke(call, caller, user.into(), session.into()).await
        }
        _ => Err(ApiFault::NoRoute),
    }
}

async fn list(call: Call<'_>, caller: &Caller) -> Answer {
    let search = call.request.query("search").unwrap_or_default().into_owned();
    let from = usize::try_from(call.number("from", 0, u64::MAX)).unwrap_or(usize::MAX);
    let limit = call.number("limit", PAGE_DEFAULT, PAGE_MAX) as usize;
    let found = call
        .core
        .directories
        .call(caller.who(), move |directory, _| Ok(directory.users(&search, from, limit)));
    let (users, total) = found.await?;
    Ok(Reply::of(200, &json!({ "users": users, "total": total })))
}

async fn create(call: Call<'_>, caller: &Caller) -> Answer {
    let body: NewUser = call.body()?;
    check_password(&body.password)?;
    let profile = Profile {
        email: body.email,
        display_name: body.display_name,
        password: Some(call.core.hasher.hash(body.password).await?),
        ..Profile::default()
    };
    let is_admin = body.is_admin;
    let created = call.core.directories.call(caller.who(), move |directory, act| {
        Ok(directory.create_user(act, profile, is_admin)?.account())
    });
    Ok(Reply::of(201, &json!({ "user": created.await? })))
}

/// All of it for administrators of the service, a tenant's part for those of the tenant.
async fn audit(call: Call<'_>, caller: &Caller) -> Answer {
    let tenant = call.request.query("tenant").map(|tenant| tenant.into_owned());
    if caller.require_admin().is_err() {
        let tenant = tenant.clone().unwrap_or_default();
        let authority = caller.authority();
        let allowed = call.core.directories.call(caller.who(), move |directory, _| {
            authority.require(directory, &tenant, Role::Admin)
        });
        allowed.await?;
    }
    let before = call.request.query("before").and_then(|text| text.parse().ok());
    let limit = call.number("limit", PAGE_DEFAULT, PAGE_MAX) as usize;
    let entries = call.core.directories.audit(before, tenant, limit).await?;
    Ok(Reply::of(200, &json!({ "entries": entries })))
}
