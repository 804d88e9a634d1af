//! Which body belongs to which request.

use serde_json::{Value, json};

/// One request and its answer. A body is named by its definition; `None` is one that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Method and path, as `core/wire/route.rs` writes them.
    pub route: &'static str,
    pub request: Option<&'static str>,
    /// Status of success.
    pub status: u16,
    /// The answer on Fluid's wire.
    pub fluid: Option<&'static str>,
    /// The answer on Levee's wire.
    pub levee: Option<&'static str>,
}

/// What every failure says, on Fluid's wire.
pub const FLUID_FAILURE: &str = "FluidFailure";
/// What every failure says, on Levee's wire.
pub const LEVEE_FAILURE: &str = "LeveeFailure";

impl Exchange {
    pub(super) fn to_json(self) -> Value {
        let to = |name: Option<&str>| name.map(|name| json!({ "$ref": format!("#/$defs/{name}") }));
        json!({
            "route": self.route,
            "request": to(self.request),
            "status": self.status,
            "fluid": { "success": to(self.fluid), "failure": to(Some(FLUID_FAILURE)) },
            "levee": { "success": to(self.levee), "failure": to(Some(LEVEE_FAILURE)) },
        })
    }
}

/// The same answer on both wires.
const fn both(
    route: &'static str,
    request: Option<&'static str>,
    status: u16,
    answer: &'static str,
) -> Exchange {
    Exchange { route, request, status, fluid: Some(answer), levee: Some(answer) }
}

const fn get(route: &'static str, answer: &'static str) -> Exchange {
    both(route, None, 200, answer)
}

const fn post(route: &'static str, request: &'static str, answer: &'static str) -> Exchange {
    both(route, Some(request), 201, answer)
}

/// A request that no release does yet: it has failures only.
const fn absent(route: &'static str) -> Exchange {
    Exchange { route, request: None, status: 501, fluid: None, levee: None }
}

/// Every request that has a JSON body or answer.
pub const EXCHANGES: [Exchange; 24] = [
    get("GET /health", "Status"),
    get("GET /livez", "Status"),
    get("GET /readyz", "Status"),
    post("POST /documents/:tenant", "CreateDocument", "CreatedDocument"),
    get("GET /documents/:tenant/:document", "DocumentDescription"),
    get("GET /documents/:tenant/session/:document", "Session"),
    Exchange {
        route: "DELETE /documents/:tenant/document/:document",
        request: None,
        status: 204,
        fluid: None,
        levee: None,
    },
    absent("POST /documents/:tenant/document/:document/revokeToken"),
    Exchange {
        route: "GET /deltas/:tenant/:document",
        request: None,
        status: 200,
        fluid: Some("FluidDeltas"),
        levee: Some("LeveeDeltas"),
    },
    Exchange {
        route: "POST /:tenant/:document/broadcast-signal",
        request: Some("BroadcastSignal"),
        status: 200,
        fluid: None,
        levee: None,
    },
    get("GET /repos/:tenant/commits", "DocumentVersions"),
    post("POST /repos/:tenant/git/blobs", "CreateBlob", "ObjectReference"),
    get("GET /repos/:tenant/git/blobs/:id", "GitBlob"),
    post("POST /repos/:tenant/git/trees", "CreateTree", "GitTree"),
    get("GET /repos/:tenant/git/trees/:id", "GitTree"),
    post("POST /repos/:tenant/git/commits", "CreateCommit", "GitCommit"),
    get("GET /repos/:tenant/git/commits/:id", "GitCommit"),
    get("GET /repos/:tenant/git/refs", "GitRefs"),
    post("POST /repos/:tenant/git/refs", "CreateRef", "GitRef"),
    get("GET /repos/:tenant/git/refs/*name", "GitRef"),
    both("PATCH /repos/:tenant/git/refs/*name", Some("UpdateRef"), 200, "GitRef"),
    post("POST /repos/:tenant/git/summaries", "SummaryTree", "UploadedSummary"),
    get("GET /repos/:tenant/git/summaries/latest", "Snapshot"),
    get("GET /repos/:tenant/git/summaries/:id", "Snapshot"),
];
