//! Coming in: registration, login, and the first administrator's set-up link.

use super::caller::{SESSION_COOKIE, csrf_token};
use super::fault::ApiFault;
use super::{Answer, Call, oauth};
use crate::http::reply::Reply;
use levee_core::directory::{
    Account, Act, Actor, Directory, DirectoryFault, Door, OpenedSession, Profile, User,
    check_password,
};
use levee_core::wire::route::ApiRoute;
use serde::Deserialize;
use serde_json::{Value, json};

/// Routes that need no session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    Config,
    Register,
    Login,
    SetUp,
    Exchange,
}

pub(super) fn door(route: &ApiRoute<'_>) -> Option<Entry> {
    match route {
        ApiRoute::AuthConfig => Some(Entry::Config),
        ApiRoute::Register => Some(Entry::Register),
        ApiRoute::Login => Some(Entry::Login),
        ApiRoute::SetUp => Some(Entry::SetUp),
        ApiRoute::Exchange => Some(Entry::Exchange),
        _ => None,
    }
}

pub(super) async fn answer(call: Call<'_>, entry: Entry) -> Answer {
    match entry {
        Entry::Config => {
            let open = call.core.api.open_registration;
            let providers: Vec<_> = call.core.identities.names().collect();
            Ok(Reply::of(200, &json!({ "registration": open, "providers": providers })))
        }
        Entry::Register => register(call).await,
        Entry::Login => login(call).await,
        Entry::SetUp => set_up(call).await,
        Entry::Exchange => oauth::exchange(call).await,
    }
}

/// How a new session is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Handover {
    /// In the body, for programs.
    #[default]
    Token,
    /// In an `HttpOnly` cookie, for pages.
    Cookie,
}

impl Handover {
    /// A cookie is for this service's own pages: with another's its visitor would not know whose
    /// session it is.
    fn for_page(self, call: Call<'_>) -> Result<Self, ApiFault> {
        match self {
            Self::Cookie if is_foreign(call) => Err(ApiFault::ForeignPage),
            Self::Cookie | Self::Token => Ok(self),
        }
    }
}

/// Whether a page of another origin asks. Programs have none.
fn is_foreign(call: Call<'_>) -> bool {
    let Some(origin) = call.request.origin.as_deref() else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return true };
    let is_own = call.request.host.as_deref() == Some(authority)
        || call.core.public_url.as_deref().is_some_and(|url| url == origin);
    // A page under development has a server of its own.
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_near = call.core.is_dev && matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    !is_own && !is_near
}

#[derive(Deserialize)]
struct Registration {
    email: String,
    password: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    invite: Option<String>,
    /// The token of the set-up link.
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    session: Handover,
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(default)]
    session: Handover,
}

async fn register(call: Call<'_>) -> Answer {
    let body: Registration = call.body()?;
    let session = body.session.for_page(call)?;
    let profile = profile(call, body).await?;
    let enter = |directory: &mut Directory, act: &mut Act, profile: Profile| {
        directory.register(act, profile)
    };
    enter_new(call, profile, Door::Password, session, enter).await
}

async fn set_up(call: Call<'_>) -> Answer {
    let body: Registration = call.body()?;
    let token = body.token.clone().ok_or(ApiFault::BadRequest)?;
    let session = body.session.for_page(call)?;
    let profile = profile(call, body).await?;
    let enter = move |directory: &mut Directory, act: &mut Act, profile: Profile| {
        directory.set_up(act, &token, profile)
    };
    enter_new(call, profile, Door::SetUp, session, enter).await
}

/// What is wrong with the e-mail is said before the password, as the original did.
async fn profile(call: Call<'_>, body: Registration) -> Result<Profile, ApiFault> {
    if !body.email.contains('@') {
        return Err(DirectoryFault::InvalidEmail.into());
    }
    check_password(&body.password)?;
    Ok(Profile {
        email: body.email,
        display_name: body.display_name.unwrap_or_default(),
        password: Some(call.core.hasher.hash(body.password).await?),
        identity: None,
        invite: body.invite,
    })
}

async fn enter_new(
    call: Call<'_>,
    profile: Profile,
    door: Door,
    handover: Handover,
    enter: impl FnOnce(&mut Directory, &mut Act, Profile) -> Result<User, DirectoryFault>
    + Send
    + 'static,
) -> Answer {
    let agent = call.agent();
    let entered = call.core.directories.call(call.nobody(), move |directory, act| {
        let user = enter(directory, act, profile)?;
        act.actor = Actor::User(user.id.clone());
        let opened = directory.open_session(act, &user.id, door, &agent);
        Ok((user.account(), opened))
    });
    let (account, opened) = entered.await?;
    Ok(hand_over(call, 201, &account, &opened, handover))
}

async fn login(call: Call<'_>) -> Answer {
    let body: Login = call.body()?;
    let session = body.session.for_page(call)?;
    let (email, agent) = (body.email, call.agent());
    let asked = email.clone();
    let attempt = call
        .core
        .directories
        .call(call.nobody(), move |directory, act| directory.begin_login(act, &asked));
    let attempt = attempt.await?;
    let checked = call.core.hasher.check(body.password, attempt.password).await?;
    let right = attempt.user.filter(|_| checked.is_right);
    let entered = call.core.directories.call(call.nobody(), move |directory, act| {
        let user = directory.end_login(act, &email, right.as_deref(), checked.upgraded)?;
        act.actor = Actor::User(user.id.clone());
        directory.refresh_memberships(act, &user.id);
        let opened = directory.open_session(act, &user.id, Door::Password, &agent);
        Ok((user.account(), opened))
    });
    let (account, opened) = entered.await?;
    Ok(hand_over(call, 200, &account, &opened, session))
}

fn hand_over(
    call: Call<'_>,
    status: u16,
    account: &Account,
    opened: &OpenedSession,
    handover: Handover,
) -> Reply {
    match handover {
        Handover::Token => Reply::of(status, &json!({ "user": account, "token": opened.token })),
        Handover::Cookie => {
            let csrf = csrf_token(&opened.token);
            let body = json!({ "user": account, "csrf": csrf });
            Reply::of(status, &body).with("set-cookie", session_cookie(call, &opened.token, None))
        }
    }
}

/// The cookie with a session's token; `Some(0)` seconds removes it.
pub(super) fn session_cookie(call: Call<'_>, token: &str, max_age_s: Option<u32>) -> String {
    let age = max_age_s.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let secure = secure_attribute(call);
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// A browser keeps no `Secure` cookie of a plain connection; one from this machine itself is for
/// development.
pub(super) fn secure_attribute(call: Call<'_>) -> &'static str {
    let is_https = call.request.forwarded_proto.as_deref() == Some("https");
    if call.request.peer.is_loopback() && !is_https { "" } else { "; Secure" }
}

/// An account with what its own page needs.
pub(super) fn shown(account: &Account, csrf: Option<String>) -> Value {
    match csrf {
        Some(csrf) => json!({ "user": account, "csrf": csrf }),
        None => json!({ "user": account }),
    }
}
