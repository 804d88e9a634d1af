//! Document tokens: minting them, API keys for services that mint, and taking tokens back.

use super::caller::{Caller, bearer};
use super::fault::ApiFault;
use super::{Answer, Call};
use crate::http::reply::Reply;
use levee_core::directory::{ApiKey, DirectoryFault, MintedUser, NewApiKey, Role};
use levee_core::wire::route::ApiRoute;
use serde::Deserialize;
use serde_json::{Value, json};

/// What API keys begin with.
const API_KEY_PREFIX: &str = "lvk_";

#[derive(Deserialize)]
struct Mint {
    #[serde(rename = "documentId")]
    document_id: Option<String>,
    /// Of the tokens of a service only: whom they are for, and which scopes they get.
    #[serde(default)]
    user: Option<MintedUser>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Revocation {
    /// One token.
    jti: Option<String>,
    /// All tokens of a user that have been issued until now.
    user: Option<String>,
    /// When the token expires, Unix time in seconds.
    expires: Option<u64>,
}

/// Errors are texts here, as the original's clients know them.
pub(super) async fn mint(call: Call<'_>, tenant: &str) -> Answer {
    let failed = |status, text: &str| Ok(Reply::of(status, &json!({ "error": text })));
    match mint_for(call, tenant.to_owned()).await {
        Err(ApiFault::Directory(DirectoryFault::NotMember)) => {
            failed(403, "Not a member of this tenant")
        }
        Err(ApiFault::Directory(DirectoryFault::NotFound(_))) => failed(404, "Tenant not found"),
        Err(ApiFault::BadRequest) => failed(400, "Missing required field: documentId"),
        other => other,
    }
}

async fn mint_for(call: Call<'_>, tenant: String) -> Answer {
    let key = bearer(call.request).filter(|token| token.starts_with(API_KEY_PREFIX));
    if let Some(key) = key.map(str::to_owned) {
        let body: Mint = call.body()?;
        let document = body.document_id.ok_or(ApiFault::BadRequest)?;
        let user = body.user.ok_or(DirectoryFault::MissingField("user"))?;
        let minted = call.core.directories.call(call.nobody(), move |directory, act| {
            let named = (tenant.as_str(), document.as_str());
            directory.mint_with_key(act, &key, named, body.scopes.as_deref(), user)
        });
        return Ok(Reply::of(200, &minted.await?));
    }
    let caller = Caller::of(call).await?;
    let user = caller.user_id()?;
    // Levee's drivers send a user of their own making, of any shape: the session says who it is.
    let document: Value = call.body()?;
    let document = document["documentId"].as_str().ok_or(ApiFault::BadRequest)?.to_owned();
    let minted = call
        .core
        .directories
        .call(caller.who(), move |directory, act| directory.mint(act, &tenant, &document, &user));
    Ok(Reply::of(200, &minted.await?))
}

pub(super) async fn answer(call: Call<'_>, caller: &Caller, route: ApiRoute<'_>) -> Answer {
    match route {
        ApiRoute::ApiKeys { tenant } => {
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let found = call.core.directories.call(caller.who(), move |directory, _| {
                authority.require(directory, &tenant, Role::Admin)?;
                Ok(directory.api_keys(&tenant).map(shown).collect::<Vec<Value>>())
            });
            Ok(Reply::of(200, &json!({ "api_keys": found.await? })))
        }
        ApiRoute::CreateApiKey { tenant } => {
            let new: NewApiKey = call.body()?;
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let made = call.core.directories.call(caller.who(), move |directory, act| {
                authority.require(directory, &tenant, Role::Admin)?;
                directory.create_api_key(act, &tenant, new)
            });
            let (key, text) = made.await?;
            Ok(Reply::of(201, &json!({ "api_key": shown(&key), "key": text })))
        }
        ApiRoute::RevokeApiKey { tenant, key } => {
            let (tenant, key) = (String::from(tenant), String::from(key));
            let authority = caller.authority();
            let revoked = call.core.directories.call(caller.who(), move |directory, act| {
                authority.require(directory, &tenant, Role::Admin)?;
                directory.revoke_api_key(act, &tenant, &key)
            });
            revoked.await?;
            Ok(Reply::of(200, &json!({ "message": "API key revoked" })))
        }
        ApiRoute::Revoke { tenant } => {
            let body: Revocation = call.body()?;
            let (tenant, authority) = (String::from(tenant), caller.authority());
            let revoked = call.core.directories.call(caller.who(), move |directory, act| {
                directory.tenant(&tenant)?;
                authority.require(directory, &tenant, Role::Admin)?;
                match (body.jti, body.user) {
                    (Some(jti), None) => directory.revoke_token(act, &tenant, &jti, body.expires),
                    (None, Some(user)) => {
                        directory.revoke_user(act, &tenant, &user);
                        Ok(())
                    }
                    (Some(_), Some(_)) | (None, None) => {
                        Err(DirectoryFault::MissingField("jti or user"))
                    }
                }
            });
            revoked.await?;
            Ok(Reply::of(200, &json!({ "message": "revoked" })))
        }
        _ => Err(ApiFault::NoRoute),
    }
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "name": key.name, "scopes": key.scopes, "created_ms": key.created_ms,
        "expires_ms": key.expires_ms,
    })
}
