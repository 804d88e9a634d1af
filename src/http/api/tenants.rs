//! Tenants and their secrets.

use super::caller::Caller;
use super::fault::ApiFault;
use super::{Answer, Call};
use crate::http::reply::Reply;
use levee_core::auth::TenantLimits;
use levee_core::directory::{DirectoryFault, NewTenant, Role, TenantRecord};
use levee_core::wire::route::ApiRoute;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    limits: Option<TenantLimits>,
}

pub(super) async fn answer(call: Call<'_>, caller: &Caller, route: ApiRoute<'_>) -> Answer {
    match route {
        ApiRoute::Tenants => list(call, caller).await,
        ApiRoute::CreateTenant => create(call, caller).await,
        ApiRoute::Tenant { tenant } => show(call, caller, tenant.into()).await,
        ApiRoute::ChangeTenant { tenant } => change(call, caller, tenant.into()).await,
        ApiRoute::DeleteTenant { tenant } => {
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let deleted = call.core.directories.call(caller.who(), move |directory, act| {
                directory.tenant(&tenant)?;
                authority.require(directory, &tenant, Role::Owner)?;
                directory.delete_tenant(act, &tenant)
            });
            deleted.await?;
            Ok(Reply::of(200, &json!({ "message": "Tenant unregistered" })))
        }
        ApiRoute::RotateSecret { tenant, slot } => {
            let slot = slot.parse().map_err(|_| DirectoryFault::InvalidSlot)?;
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let rotated = call.core.directories.call(caller.who(), move |directory, act| {
                directory.tenant(&tenant)?;
                authority.require(directory, &tenant, Role::Owner)?;
                directory.rotate_secret(act, &tenant, slot)
            });
            Ok(Reply::of(200, &json!({ "secret": rotated.await? })))
        }
        _ => Err(ApiFault::NoRoute),
    }
}

/// All for administrators of the service, otherwise one's own.
async fn list(call: Call<'_>, caller: &Caller) -> Answer {
    let (all, user) = (caller.require_admin().is_ok(), caller.user_id().ok());
    let found = call.core.directories.call(caller.who(), move |directory, _| {
        let role = |tenant: &str| user.as_ref().and_then(|user| directory.role(tenant, user));
        let rows = directory.tenants().filter_map(|tenant| {
            let role = role(&tenant.id);
            let row = json!({ "id": tenant.id, "name": tenant.name, "role": role });
            (all || role.is_some()).then_some(row)
        });
        Ok(rows.collect::<Vec<Value>>())
    });
    Ok(Reply::of(200, &json!({ "tenants": found.await? })))
}

async fn create(call: Call<'_>, caller: &Caller) -> Answer {
    caller.require_admin()?;
    // No body at all lacks the name as an empty object does.
    let new: NewTenant = match call.request.body.decode().is_empty() {
        true => NewTenant::default(),
        false => call.body()?,
    };
    let made = call
        .core
        .directories
        .call(caller.who(), move |directory, act| directory.create_tenant(act, new));
    Ok(Reply::of(201, &json!({ "tenant": shown(&made.await?, true) })))
}

/// Secrets are for owners; the original's page needs the keys to be there, so to others they are
/// empty.
async fn show(call: Call<'_>, caller: &Caller, tenant: String) -> Answer {
    let authority = caller.authority();
    let found = call.core.directories.call(caller.who(), move |directory, _| {
        let record = directory.tenant(&tenant)?.clone();
        let role = authority.require(directory, &tenant, Role::Viewer)?;
        Ok((record, role))
    });
    let (record, role) = found.await?;
    let mut tenant = shown(&record, role == Role::Owner);
    tenant["role"] = json!(role);
    Ok(Reply::of(200, &json!({ "tenant": tenant })))
}

async fn change(call: Call<'_>, caller: &Caller, tenant: String) -> Answer {
    let Change { name, limits } = call.body()?;
    // What a tenant may use is not for the tenant to say.
    if limits.is_some() {
        caller.require_admin()?;
    }
    let authority = caller.authority();
    let changed = call.core.directories.call(caller.who(), move |directory, act| {
        directory.tenant(&tenant)?;
        let role = authority.require(directory, &tenant, Role::Admin)?;
        let changed = directory.change_tenant(act, &tenant, name.as_deref(), limits)?;
        Ok((changed, role))
    });
    let (record, role) = changed.await?;
    Ok(Reply::of(200, &json!({ "tenant": shown(&record, role == Role::Owner) })))
}

fn shown(tenant: &TenantRecord, with_secrets: bool) -> Value {
    let secret = |secret: &str| if with_secrets { secret.to_owned() } else { String::new() };
    json!({
        "id": tenant.id, "name": tenant.name, "secret1": secret(&tenant.secret1),
        "secret2": secret(&tenant.secret2), "limits": tenant.limits,
        "created_at": tenant.created_at_s,
    })
}
