//! A document in memory as an operator may see it.

use super::{Document, Member};
use crate::dialect::{Dialect, Mode};
use crate::ids::{ClientId, Seq};
use bytes::Bytes;
use std::sync::Arc;

/// Who is here and how far everybody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The last visible operation.
    pub head: Seq,
    pub min: Seq,
    /// Operations that are in memory.
    pub history: u64,
    pub members: Vec<MemberView>,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub client: ClientId,
    /// The token's user.
    pub user: Arc<str>,
    pub mode: Mode,
    pub dialect: Dialect,
    /// IClient JSON.
    pub detail: Bytes,
    /// The last client and reference sequence number; `None` for who does not write.
    pub written: Option<(i64, u64)>,
}

impl Document {
    /// Who is here and how far everybody is.
    #[must_use]
    pub fn view(&self) -> SessionView {
        let first = self.history.first();
        SessionView {
            head: self.visible,
            min: self.sequencer.min(),
            history: first.map_or(0, |first| (self.visible.0 + 1).saturating_sub(first.0)),
            members: self.members.iter().map(|member| self.member_view(member)).collect(),
        }
    }

    fn member_view(&self, member: &Member) -> MemberView {
        MemberView {
            client: member.client,
            user: member.user.clone(),
            mode: member.mode,
            dialect: member.dialect,
            detail: member.detail.clone(),
            written: member.writer.and_then(|writer| self.sequencer.written(writer)),
        }
    }
}
