//! Everything below `/api`: people, tenants and what administrators do.
//!
//! A handler finds out who asks ([`caller`]), has the directory do it, and shapes the answer. The
//! directory's thread decides; nothing is decided here.

mod accounts;
mod caller;
mod fault;
mod members;
mod oauth;
mod sessions;
mod storage;
mod tenants;
mod tokens;
mod users;

use self::caller::Caller;
use self::fault::ApiFault;
use super::CoreContext;
use super::reply::Reply;
use crate::observe;
use levee_core::directory::Actor;
use levee_core::http_request::HttpRequest;
use levee_core::wire::route::ApiRoute;
use serde::de::DeserializeOwned;
use std::net::IpAddr;

/// One request below `/api`, as its handler sees it.
#[derive(Clone, Copy)]
struct Call<'a> {
    core: &'a CoreContext,
    request: &'a HttpRequest,
}

type Answer = Result<Reply, ApiFault>;

/// Answers a request below `/api`.
pub(super) async fn answer(
    core: &CoreContext,
    request: &HttpRequest,
    route: ApiRoute<'_>,
) -> Reply {
    let call = Call { core, request };
    let answer = if let Some(door) = accounts::door(&route) {
        accounts::answer(call, door).await
    } else {
        with_caller(call, route).await
    };
    answer.unwrap_or_else(|fault| fault.reply())
}

/// `GET /auth/:provider`
pub(super) async fn sign_in(core: &CoreContext, request: &HttpRequest, provider: &str) -> Reply {
    let answer = oauth::begin(Call { core, request }, provider).await;
    answer.unwrap_or_else(|fault| fault.reply())
}

/// `GET /auth/:provider/callback`
pub(super) async fn signed_in(core: &CoreContext, request: &HttpRequest, provider: &str) -> Reply {
    let answer = oauth::finish(Call { core, request }, provider).await;
    answer.unwrap_or_else(|fault| fault.reply())
}

/// Routes that need a session, or the admin key.
async fn with_caller(call: Call<'_>, route: ApiRoute<'_>) -> Answer {
    if let ApiRoute::MintToken { tenant } = &route {
        return tokens::mint(call, tenant).await;
    }
    let caller = Caller::of(call).await?;
    match route {
        ApiRoute::AuthConfig
        | ApiRoute::Register
        | ApiRoute::Login
        | ApiRoute::SetUp
        | ApiRoute::Exchange => {
            Err(ApiFault::NoRoute) // answered before
        }
        ApiRoute::MintToken { .. } => Err(ApiFault::NoRoute), // answered before
        ApiRoute::Logout => sessions::log_out(call, &caller).await,
        ApiRoute::Me => sessions::me(&caller),
        ApiRoute::ChangePassword => sessions::change_password(call, &caller).await,
        ApiRoute::MySessions => sessions::list(call, caller.user_id()?).await,
        ApiRoute::RevokeMySession { session } => {
            let user = caller.user_id()?;
            sessions::revoke(call, &caller, user, session.into()).await
        }
        ApiRoute::AcceptInvite => members::accept_invite(call, &caller).await,
        ApiRoute::Users
        | ApiRoute::CreateUser
        | ApiRoute::User { .. }
        | ApiRoute::ChangeUser { .. }
        | ApiRoute::DeleteUser { .. }
        | ApiRoute::UserSessions { .. }
        | ApiRoute::RevokeUserSession { .. }
        | ApiRoute::Audit => users::answer(call, &caller, route).await,
        ApiRoute::Tenants
        | ApiRoute::CreateTenant
        | ApiRoute::Tenant { .. }
        | ApiRoute::ChangeTenant { .. }
        | ApiRoute::DeleteTenant { .. }
        | ApiRoute::RotateSecret { .. } => tenants::answer(call, &caller, route).await,
        ApiRoute::Members { .. }
        | ApiRoute::SetMember { .. }
        | ApiRoute::RemoveMember { .. }
        | ApiRoute::Invites { .. }
        | ApiRoute::CreateInvite { .. }
        | ApiRoute::RevokeInvite { .. } => members::answer(call, &caller, route).await,
        ApiRoute::Storage { tenant, asked } => storage::answer(call, &caller, &tenant, asked).await,
        ApiRoute::Metrics => {
            caller.require_admin()?;
            Ok(Reply::of(200, &observe::figures_json(&(call.core.live.figures)())))
        }
        ApiRoute::ApiKeys { .. }
        | ApiRoute::CreateApiKey { .. }
        | ApiRoute::RevokeApiKey { .. }
        | ApiRoute::Revoke { .. } => tokens::answer(call, &caller, route).await,
    }
}

impl Call<'_> {
    /// The body, which must be a JSON object with what the route needs.
    fn body<T: DeserializeOwned>(&self) -> Result<T, ApiFault> {
        serde_json::from_slice(&self.request.body.decode()).map_err(|_| ApiFault::BadRequest)
    }

    /// Where it came from, before anybody is known.
    fn nobody(&self) -> (Actor, Option<IpAddr>) {
        (Actor::Anonymous, Some(self.request.peer))
    }

    fn agent(&self) -> String {
        self.request.user_agent.as_deref().unwrap_or("").to_owned()
    }

    /// A number of the query, within bounds.
    fn number(&self, name: &str, otherwise: u64, max: u64) -> u64 {
        let given = self.request.query(name).and_then(|text| text.parse().ok());
        given.unwrap_or(otherwise).min(max)
    }
}
