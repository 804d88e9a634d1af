//! One's own account and sessions.

use super::accounts::{session_cookie, shown};
use super::caller::{Caller, csrf_token};
use super::fault::ApiFault;
use super::{Answer, Call};
use crate::http::reply::Reply;
use levee_core::directory::{Directory, DirectoryFault, Session, check_password};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct NewPassword {
    current_password: String,
    new_password: String,
}

pub(super) fn me(caller: &Caller) -> Answer {
    match caller {
        Caller::AdminKey { .. } => Err(ApiFault::NotAUser),
        Caller::User { user, token, by_cookie, .. } => {
            let csrf = by_cookie.then(|| csrf_token(token));
            Ok(Reply::of(200, &shown(&user.account(), csrf)))
        }
    }
}

pub(super) async fn log_out(call: Call<'_>, caller: &Caller) -> Answer {
    let Caller::User { token, by_cookie, .. } = caller else {
        return Err(ApiFault::NotAUser);
    };
    let ended = token.clone();
    let job = move |directory: &mut Directory, _: &mut _| {
        directory.log_out(&ended);
        Ok(())
    };
    call.core.directories.call(caller.who(), job).await?;
    let reply = Reply::of(200, &json!({ "message": "logged out" }));
    Ok(match by_cookie {
        true => reply.with("set-cookie", session_cookie(call, "", Some(0))),
        false => reply,
    })
}

pub(super) async fn change_password(call: Call<'_>, caller: &Caller) -> Answer {
    let Caller::User { user, token, .. } = caller else {
        return Err(ApiFault::NotAUser);
    };
    let body: NewPassword = call.body()?;
    check_password(&body.new_password)?;
    // Who holds a stolen session may guess here as little as at the login.
    let email = user.email.clone();
    let asked = email.clone();
    let attempt = call
        .core
        .directories
        .call(caller.who(), move |directory, act| directory.begin_login(act, &asked));
    attempt.await?;
    let checked = call.core.hasher.check(body.current_password, user.password.clone()).await?;
    let hash = call.core.hasher.hash(body.new_password).await?;
    let (id, keep) = (user.id.clone(), token.clone());
    let changed = call.core.directories.call(caller.who(), move |directory, act| {
        let right = checked.is_right.then_some(id.as_str());
        directory.end_login(act, &email, right, None)?;
        directory.change_password(act, &id, hash, Some(&keep))
    });
    changed.await?;
    Ok(Reply::of(200, &json!({ "message": "password changed" })))
}

pub(super) async fn list(call: Call<'_>, user: String) -> Answer {
    let found = call.core.directories.call(call.nobody(), move |directory, act| {
        directory.user(&user)?;
        Ok(directory.sessions_of(&user, act.now_ms))
    });
    let sessions: Vec<Value> = found.await?.iter().map(session).collect();
    Ok(Reply::of(200, &json!({ "sessions": sessions })))
}

pub(super) async fn revoke(
    call: Call<'_>,
    caller: &Caller,
    user: String,
    session: String,
) -> Answer {
    let revoked = call.core.directories.call(caller.who(), move |directory, act| {
        let outcome: Result<(), DirectoryFault> = directory.revoke_session(act, &user, &session);
        outcome
    });
    revoked.await?;
    Ok(Reply::of(200, &json!({ "message": "session revoked" })))
}

fn session(session: &Session) -> Value {
    json!({
        "id": session.id, "door": session.door, "created_ms": session.created_ms,
        "used_ms": session.used_ms, "expires_ms": session.expires_ms, "from": session.from,
        "agent": session.agent,
    })
}
