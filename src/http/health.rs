//! What operators and their machines ask: is it up, can it work, how much has it done.

use super::CoreContext;
use super::reply::Reply;

const OK: &str = "{\"status\":\"ok\"}";

/// `/health`: in the exact words that Levee's clients want, unless the store takes no writes. That
/// is no reason to restart a service that goes on answering reads: the status stays 200, and
/// [`ready`] is for those who want a service that takes writes.
pub(super) fn health(core: &CoreContext) -> Reply {
    match (core.live.fault)() {
        None => Reply::json(200, OK),
        Some(fault) => {
            Reply::json(200, format!("{{\"status\":\"read-only\",\"reason\":\"{fault}\"}}"))
        }
    }
}

/// The process runs.
pub(super) fn live() -> Reply {
    Reply::json(200, OK)
}

/// The core takes work.
pub(super) fn ready(core: &CoreContext) -> Reply {
    if (core.live.is_ready)() {
        Reply::json(200, OK)
    } else {
        Reply::json(503, "{\"status\":\"unavailable\"}")
    }
}

pub(super) fn metrics(core: &CoreContext) -> Reply {
    Reply::metrics((core.live.metrics)())
}
