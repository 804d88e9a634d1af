//! Sessions: opaque tokens of which only the hash is kept.

use serde::{Deserialize, Serialize};

use super::audit::Subject;
use super::{Act, Deed, Directory, DirectoryFault, Kind, User, token_hash};
use serde_json::{Value, json};

/// A use is written down at most this often, so that reading does not cost a sync.
const TOUCH_MS: u64 = 60_000;
/// Sessions of one user; the longest unused one ends when there would be more.
const SESSIONS_PER_USER_MAX: usize = 100;
const AGENT_CHARS_MAX: usize = 200;
/// The first characters of the hash name a session to people.
const ID_CHARS: usize = 16;

/// How a session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    Password,
    GitHub,
    OpenId,
    SetUp,
    CommandLine,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names it to people; no use as a token.
    pub id: String,
    pub user: String,
    pub door: Door,
    /// Milliseconds since the Unix epoch, as are the others.
    pub created_ms: u64,
    pub used_ms: u64,
    pub expires_ms: u64,
    pub from: Option<String>,
    /// `User-Agent`
    pub agent: String,
}

/// A session that was just opened, with its token, which is nowhere else.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// `ses_…`
    pub token: String,
    pub session: Session,
}

impl Directory {
    /// Opens a session for a user who has proved to be one.
    pub fn open_session(
        &mut self,
        act: &mut Act,
        user: &str,
        door: Door,
        agent: &str,
    ) -> OpenedSession {
        self.make_room(user);
        let token = act.token("ses");
        let hash = token_hash(&token);
        let session = Session {
            id: hash.chars().take(ID_CHARS).collect(),
            user: user.to_owned(),
            door,
            created_ms: act.now_ms,
            used_ms: act.now_ms,
            expires_ms: act.now_ms + self.policy.session_idle_ms.min(self.policy.session_ms),
            from: act.from.map(|address| address.to_string()),
            agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
        };
        self.sessions.put(&mut self.writes, &hash, session.clone());
        let subject = Subject { kind: "user", id: user, tenant: None };
        let how = json!({ "session": session.id, "door": door });
        self.note(act, Deed::LoggedIn, subject, (Value::Null, how));
        OpenedSession { token, session }
    }

    /// Whose session this is; its end moves on.
    ///
    /// # Errors
    /// [`DirectoryFault::NoSession`] when it is unknown or over, or its user is disabled.
    pub fn session(&mut self, token: &str, now_ms: u64) -> Result<(User, Session), DirectoryFault> {
        let hash = token_hash(token);
        let session = self.sessions.get(&hash).filter(|session| session.expires_ms > now_ms);
        let mut session = session.cloned().ok_or(DirectoryFault::NoSession)?;
        let user = self.users.get(&session.user).filter(|user| !user.is_disabled);
        let user = user.cloned().ok_or(DirectoryFault::NoSession)?;
        if now_ms >= session.used_ms + TOUCH_MS {
            session.used_ms = now_ms;
            let last_ms = session.created_ms + self.policy.session_ms;
            session.expires_ms = (now_ms + self.policy.session_idle_ms).min(last_ms);
            self.sessions.put(&mut self.writes, &hash, session.clone());
        }
        Ok((user, session))
    }

    /// Ends the session of this token, if there is one.
    pub fn log_out(&mut self, token: &str) {
        self.sessions.remove(&mut self.writes, &token_hash(token));
    }

    /// The living sessions of a user, the latest used first.
    #[must_use]
    pub fn sessions_of(&self, user: &str, now_ms: u64) -> Vec<Session> {
        let is_theirs = |session: &&Session| session.user == user && session.expires_ms > now_ms;
        let mut found: Vec<_> = self.sessions.values().filter(is_theirs).cloned().collect();
        found.sort_by(|a, b| b.used_ms.cmp(&a.used_ms).then_with(|| a.id.cmp(&b.id)));
        found
    }

    /// Ends one session of a user, by the id that people see.
    ///
    /// # Errors
    /// The user has no such session.
    pub fn revoke_session(
        &mut self,
        act: &Act,
        user: &str,
        id: &str,
    ) -> Result<(), DirectoryFault> {
        let found =
            self.sessions.iter().find(|(_, session)| session.user == user && session.id == id);
        let hash = found.map(|(hash, _)| hash.to_owned());
        let hash = hash.ok_or(DirectoryFault::NotFound(Kind::Session))?;
        self.sessions.remove(&mut self.writes, &hash);
        let subject = Subject { kind: "user", id: user, tenant: None };
        self.note(act, Deed::SessionRevoked, subject, (json!({ "session": id }), Value::Null));
        Ok(())
    }

    /// Ends all sessions of a user but the one of `keep`, a token.
    pub(super) fn end_sessions_of(&mut self, user: &str, keep: Option<&str>) {
        let keep = keep.map(token_hash);
        let is_over = |(hash, session): &(&str, &Session)| {
            session.user == user && Some(*hash) != keep.as_deref()
        };
        let over: Vec<_> =
            self.sessions.iter().filter(is_over).map(|(h, _)| h.to_owned()).collect();
        for hash in over {
            self.sessions.remove(&mut self.writes, &hash);
        }
    }

    pub(super) fn sweep_sessions(&mut self, now_ms: u64) {
        let is_over = |(_, session): &(&str, &Session)| session.expires_ms <= now_ms;
        let over: Vec<_> =
            self.sessions.iter().filter(is_over).map(|(h, _)| h.to_owned()).collect();
        for hash in over {
            self.sessions.remove(&mut self.writes, &hash);
        }
    }

    fn make_room(&mut self, user: &str) {
        let theirs = self.sessions.iter().filter(|(_, session)| session.user == user);
        let mut theirs: Vec<_> =
            theirs.map(|(h, session)| (session.used_ms, h.to_owned())).collect();
        theirs.sort();
        let over = (theirs.len() + 1).saturating_sub(SESSIONS_PER_USER_MAX);
        for (_, hash) in theirs.into_iter().take(over) {
            self.sessions.remove(&mut self.writes, &hash);
        }
    }
}
