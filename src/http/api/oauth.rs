//! Signing in with another service: off to it, and back.

use super::accounts::session_cookie;
use super::fault::ApiFault;
use super::{Answer, Call};
use crate::http::reply::Reply;
use crate::http::url::base_url;
use crate::identity::{self, IdentityFault, Provider, Vouched};
use levee_core::directory::{
    Act, Actor, Directory, DirectoryFault, Door, PendingLogin, Profile, UserChange,
};
use levee_core::wire::http::percent_encode;
use serde::Deserialize;
use serde_json::json;

/// Ties the answer to the browser that asked.
const STATE_COOKIE: &str = "levee_oauth";
const STATE_S: u32 = 180;
/// Where a login ends unless something else was asked for.
const HOME: &str = "/admin";

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// `GET /auth/:provider[?redirect_url=]`
pub(super) async fn begin(call: Call<'_>, name: &str) -> Answer {
    let provider = provider(call, name)?;
    let redirect = call.request.query("redirect_url").map(|url| url.into_owned());
    if redirect.as_ref().is_some_and(|url| !may_end_at(provider, url)) {
        return Err(ApiFault::RedirectUrl);
    }
    let owned = provider.name.clone();
    let started = call.core.directories.call(call.nobody(), move |directory, act| {
        directory.begin_provider_login(act, &owned, redirect)
    });
    let started = started.await?;
    let state = started.state.clone();
    let back = redirect_uri(call, provider);
    let url = call.core.identities.sign_in_url(provider, started, back).await;
    let url = url.map_err(|_| ApiFault::SignInNotStarted)?;
    let cookie = format!(
        "{STATE_COOKIE}={state}; Path=/auth; HttpOnly; SameSite=Lax{}; Max-Age={STATE_S}",
        super::accounts::secure_attribute(call)
    );
    Ok(Reply::empty(302).with("location", url).with("set-cookie", cookie))
}

/// `GET /auth/:provider/callback?code=&state=`
pub(super) async fn finish(call: Call<'_>, name: &str) -> Answer {
    let provider = provider(call, name)?;
    let text = |name: &str| call.request.query(name).map(|value| value.into_owned());
    let (code, state, error) = (text("code"), text("state"), text("error"));
    let Some(state) = state else {
        return Err(if error.is_some() { ApiFault::SignInFailed } else { ApiFault::BadRequest });
    };
    let login = take_login(call, provider, &state).await?;
    if let Some(error) = error {
        if login.is_none() {
            return Err(ApiFault::SignInFailed);
        }
        let said = text("error_description").unwrap_or(error);
        let body = json!({ "error": { "code": "oauth_failed", "message": said } });
        return Ok(Reply::of(401, &body));
    }
    let login = login.ok_or(ApiFault::StateInvalid)?;
    // Somebody else's answer, brought to this browser, must not sign it in as them.
    if call.request.cookie(STATE_COOKIE) != Some(state.as_str()) {
        return Err(ApiFault::StateMismatch);
    }
    let answer = identity::Answer {
        code: code.ok_or(ApiFault::BadRequest)?,
        verifier: login.verifier,
        nonce: login.nonce,
        redirect_uri: redirect_uri(call, provider),
        now_unix_s: call.core.now_unix_s(),
    };
    let vouched = match call.core.identities.vouch(provider, answer).await {
        Ok(vouched) => vouched,
        Err(IdentityFault::Unreachable | IdentityFault::Busy) => return Err(ApiFault::Provider),
        Err(IdentityFault::CodeRefused) => return Err(ApiFault::CodeRefused),
        Err(IdentityFault::Token(_)) => return Err(ApiFault::SignInFailed),
    };
    let end = login.redirect.unwrap_or_else(|| HOME.to_owned());
    if !vouched.may_enter(provider) {
        return Ok(Reply::empty(302).with("location", with_parameter(&end, "error", REFUSED)));
    }
    enter(call, provider, vouched, &end).await
}

const REFUSED: &str = "not_authorized";

async fn take_login(
    call: Call<'_>,
    provider: &Provider,
    state: &str,
) -> Result<Option<PendingLogin>, ApiFault> {
    let (name, state) = (provider.name.clone(), state.to_owned());
    let taken = call.core.directories.call(call.nobody(), move |directory, act| {
        Ok(directory.take_provider_login(&name, &state, act.now_ms))
    });
    Ok(taken.await?)
}

/// Opens the session. A page of this service finds it in its cookie; an app of another origin
/// gets a code, for which it fetches the token once.
async fn enter(call: Call<'_>, provider: &Provider, vouched: Vouched, end: &str) -> Answer {
    let is_admin = vouched.is_admin(provider);
    let is_own = end.starts_with('/');
    let door = match provider.kind {
        identity::Kind::GitHub { .. } => Door::GitHub,
        identity::Kind::OpenId { .. } => Door::OpenId,
    };
    let agent = call.agent();
    let entered = call.core.directories.call(call.nobody(), move |directory, act| {
        let user = enter_directory(directory, act, vouched, is_admin)?;
        act.actor = Actor::User(user.clone());
        directory.refresh_memberships(act, &user);
        let token = directory.open_session(act, &user, door, &agent).token;
        match is_own {
            true => Ok((Some(token), None)),
            false => Ok((None, Some(directory.offer_session(act, token)?))),
        }
    });
    let (token, code) = match entered.await {
        Ok(opened) => opened,
        Err(DirectoryFault::UserDisabled | DirectoryFault::RegistrationClosed) => {
            return Ok(Reply::empty(302).with("location", with_parameter(end, "error", REFUSED)));
        }
        Err(fault) => return Err(fault.into()),
    };
    let location = code.map_or_else(|| end.to_owned(), |code| with_parameter(end, "code", &code));
    let reply = Reply::empty(302).with("location", location);
    Ok(match token {
        Some(token) => reply.with("set-cookie", session_cookie(call, &token, None)),
        None => reply,
    })
}

fn enter_directory(
    directory: &mut Directory,
    act: &mut Act,
    vouched: Vouched,
    is_admin: bool,
) -> Result<String, DirectoryFault> {
    let profile =
        Profile { email: vouched.email, display_name: vouched.display_name, ..Profile::default() };
    let verified = vouched.email_verified;
    let user = directory.enter_with_identity(act, vouched.identity, profile, verified)?;
    if is_admin && !user.is_admin {
        act.actor = Actor::Service;
        let change = UserChange { is_admin: Some(true), ..UserChange::default() };
        directory.change_user(act, &user.id, &change)?;
    }
    Ok(user.id)
}

/// `POST /api/auth/exchange`: the session of a one-time code.
pub(super) async fn exchange(call: Call<'_>) -> Answer {
    let Code { code } = call.body()?;
    let taken = call.core.directories.call(call.nobody(), move |directory, act| {
        let token = directory.take_session(&code, act.now_ms)?;
        let (user, _) = directory.session(&token, act.now_ms)?;
        Ok((user.account(), token))
    });
    let (user, token) = taken.await?;
    Ok(Reply::of(200, &json!({ "user": user, "token": token })))
}

fn provider<'a>(call: Call<'a>, name: &str) -> Result<&'a Provider, ApiFault> {
    let found = call.core.identities.provider(name);
    found.ok_or_else(|| match name {
        "github" => ApiFault::ProviderNotConfigured,
        other => ApiFault::UnknownProvider(other.into()),
    })
}

fn redirect_uri(call: Call<'_>, provider: &Provider) -> String {
    let own = || format!("{}/auth/{}/callback", base_url(call.core, call.request), provider.name);
    provider.redirect_uri.clone().unwrap_or_else(own)
}

/// A path of this service, or a listed page. Browsers read `//host` and `/\host` as other hosts.
fn may_end_at(provider: &Provider, url: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let is_own = url.starts_with('/') && !url.starts_with("//") && url.bytes().all(is_plain);
    is_own || provider.redirect_urls.iter().any(|listed| listed == url)
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{name}={}{fragment}", percent_encode(value))
}
