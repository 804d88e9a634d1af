//! What operators and their machines ask: is it up, can it work, how much has it done.

use super::CoreContext;
use super::reply::Reply;

const OK: &str = "{\"status\":\"ok\"}";

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
