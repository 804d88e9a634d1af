//! Bodies below `/api`: people, tenants, tokens and the audit log.

use super::parts::{
    Definition, Field, any, closed, count, described, integer, list, may, must, nullable, open,
    switch, text, text_like, to, word,
};
use serde_json::{Value, json};

/// One request below `/api` and its answer, by definition; `None` has no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiExchange {
    /// Method and path, as `core/wire/route/api.rs` writes them.
    pub route: &'static str,
    pub request: Option<&'static str>,
    /// Status of success.
    pub status: u16,
    pub answer: &'static str,
}

/// What every failure says, but those of the token mint that the original's clients know as text.
pub const API_FAILURE: &str = "ApiFailure";

impl ApiExchange {
    pub(super) fn to_json(self) -> Value {
        let to = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
        json!({
            "route": self.route, "request": self.request.map(to), "status": self.status,
            "success": to(self.answer), "failure": to(API_FAILURE),
        })
    }
}

/// Without a body.
const fn get(route: &'static str, answer: &'static str) -> ApiExchange {
    ApiExchange { route, request: None, status: 200, answer }
}

const fn made(
    route: &'static str,
    request: &'static str,
    status: u16,
    answer: &'static str,
) -> ApiExchange {
    ApiExchange { route, request: Some(request), status, answer }
}

/// Every request below `/api` that has a session, an account or a tenant to do with.
pub const API_EXCHANGES: [ApiExchange; 46] = [
    get("GET /api/auth/config", "SignInWays"),
    made("POST /api/auth/register", "Registration", 201, "SignedIn"),
    made("POST /api/auth/login", "Login", 200, "SignedIn"),
    made("POST /api/auth/set-up", "SetUp", 201, "SignedIn"),
    made("POST /api/auth/exchange", "SessionCode", 200, "SignedIn"),
    ApiExchange { route: "POST /api/auth/logout", request: None, status: 200, answer: "Done" },
    get("GET /api/auth/me", "OwnAccount"),
    made("POST /api/auth/password", "NewPassword", 200, "Done"),
    get("GET /api/auth/sessions", "Sessions"),
    get("DELETE /api/auth/sessions/:session", "Done"),
    made("POST /api/invites/accept", "InviteToken", 200, "Joined"),
    get("GET /api/users", "Users"),
    made("POST /api/users", "NewUser", 201, "OneUser"),
    get("GET /api/users/:user", "OneUser"),
    made("PATCH /api/users/:user", "UserChange", 200, "OneUser"),
    get("DELETE /api/users/:user", "Done"),
    get("GET /api/users/:user/sessions", "Sessions"),
    get("DELETE /api/users/:user/sessions/:session", "Done"),
    get("GET /api/audit", "AuditLog"),
    get("GET /api/tenants", "Tenants"),
    made("POST /api/tenants", "NewTenant", 201, "OneTenant"),
    get("GET /api/tenants/:tenant", "OneTenant"),
    made("PATCH /api/tenants/:tenant", "TenantChange", 200, "OneTenant"),
    get("DELETE /api/tenants/:tenant", "Done"),
    ApiExchange {
        route: "POST /api/tenants/:tenant/secrets/:slot",
        request: None,
        status: 200,
        answer: "NewSecret",
    },
    made("POST /api/tenants/:tenant/token-mint", "MintRequest", 200, "MintedToken"),
    made("POST /api/tenants/:tenant/revocations", "TokenRevocation", 200, "Done"),
    get("GET /api/tenants/:tenant/members", "Members"),
    made("PUT /api/tenants/:tenant/members/:user", "NewRole", 200, "Done"),
    get("DELETE /api/tenants/:tenant/members/:user", "Done"),
    get("GET /api/tenants/:tenant/invites", "Invites"),
    made("POST /api/tenants/:tenant/invites", "NewInvite", 201, "MadeInvite"),
    get("DELETE /api/tenants/:tenant/invites/:invite", "Done"),
    get("GET /api/tenants/:tenant/api-keys", "ApiKeys"),
    made("POST /api/tenants/:tenant/api-keys", "NewApiKey", 201, "MadeApiKey"),
    get("DELETE /api/tenants/:tenant/api-keys/:key", "Done"),
    get("GET /api/metrics", "Figures"),
    get("GET /api/tenants/:tenant/documents", "StoredDocuments"),
    get("GET /api/tenants/:tenant/documents/:document", "StoredDocumentView"),
    get("DELETE /api/tenants/:tenant/documents/:document", "Done"),
    get("GET /api/tenants/:tenant/documents/:document/deltas", "StoredOperations"),
    get("GET /api/tenants/:tenant/documents/:document/summaries", "StoredSummaries"),
    get("GET /api/tenants/:tenant/refs", "StoredRefs"),
    get("GET /api/tenants/:tenant/git/blobs/:id", "StoredBlob"),
    get("GET /api/tenants/:tenant/git/trees/:id", "StoredTree"),
    get("GET /api/tenants/:tenant/git/commits/:id", "StoredCommit"),
];

pub(super) fn definitions() -> Vec<Definition> {
    [accounts(), sessions(), users(), tenants(), members(), tokens(), api_keys(), audit()].concat()
}

fn accounts() -> Vec<Definition> {
    let handover = || may("session", word(["token", "cookie"]), "How it is handed over.");
    let person = || {
        [
            must("email", text(), ""),
            must("password", text(), "8 characters to 1024 bytes."),
            may("display_name", nullable(text()), "Without one, what stands before the `@`."),
            may("invite", nullable(text()), "The token of an invite."),
            handover(),
        ]
    };
    let set_up = [must("token", text(), "Out of the link of the first start.")];
    let failure = [must("code", text(), "For programs."), must("message", text(), "For people.")];
    vec![
        (API_FAILURE, closed("What every failure says.", [must("error", closed("", failure), "")])),
        ("Done", closed("It is done.", [must("message", text(), "")])),
        (
            "SignInWays",
            closed(
                "How one can sign in.",
                [
                    must("registration", switch(), "Anybody may register."),
                    must("providers", list(text()), "Each at `/auth/<name>`."),
                ],
            ),
        ),
        ("Registration", open("A new account.", person())),
        ("SetUp", open("The first administrator.", person().into_iter().chain(set_up))),
        ("Login", open("", [must("email", text(), ""), must("password", text(), ""), handover()])),
        ("SessionCode", open("A code out of a redirect, good once.", [must("code", text(), "")])),
        (
            "SignedIn",
            closed(
                "A new session.",
                [
                    must("user", to("Account"), ""),
                    may("token", text(), "`ses_…`, for `Authorization: Bearer`."),
                    may("csrf", text(), "With a cookie: for `X-CSRF-Token`."),
                ],
            ),
        ),
        (
            "OwnAccount",
            closed("", [must("user", to("Account"), ""), may("csrf", text(), "With a cookie.")]),
        ),
        (
            "NewPassword",
            open("", [must("current_password", text(), ""), must("new_password", text(), "")]),
        ),
        ("Account", closed("An account, without its secrets.", account())),
    ]
}

fn account() -> [Field; 7] {
    [
        must("id", text_like("^usr_"), ""),
        must("email", text(), "Empty if another service told none."),
        must("display_name", text(), ""),
        must("github_id", nullable(text()), ""),
        must("is_admin", switch(), "Administers the whole service."),
        must("is_disabled", switch(), ""),
        must("created_at", count(), "Unix time in seconds."),
    ]
}

fn sessions() -> Vec<Definition> {
    let session = closed(
        "Times are milliseconds of Unix time.",
        [
            must("id", text(), "Names it; no use as a token."),
            must("door", text(), "How it was opened."),
            must("created_ms", count(), ""),
            must("used_ms", count(), ""),
            must("expires_ms", count(), ""),
            must("from", nullable(text()), "An address."),
            must("agent", text(), "`User-Agent`"),
        ],
    );
    vec![
        ("UserSession", session),
        ("Sessions", closed("", [must("sessions", list(to("UserSession")), "")])),
    ]
}

fn users() -> Vec<Definition> {
    vec![
        (
            "Users",
            closed(
                "A page of accounts.",
                [
                    must("users", list(to("Account")), ""),
                    must("total", count(), "That fit the search."),
                ],
            ),
        ),
        (
            "NewUser",
            open(
                "",
                [
                    must("email", text(), ""),
                    must("password", text(), ""),
                    may("display_name", text(), ""),
                    may("is_admin", switch(), ""),
                ],
            ),
        ),
        (
            "UserChange",
            closed(
                "What is absent stays.",
                [
                    may("display_name", nullable(text()), ""),
                    may("is_admin", nullable(switch()), ""),
                    may("is_disabled", nullable(switch()), ""),
                ],
            ),
        ),
        (
            "OneUser",
            closed(
                "",
                [
                    must("user", to("Account"), ""),
                    may("memberships", list(to("Membership")), "When one is asked for."),
                ],
            ),
        ),
    ]
}

fn tenants() -> Vec<Definition> {
    let limit = |name| may(name, nullable(count()), "");
    let limits = ["connections", "documents", "ops_per_second", "stored_bytes"].map(limit);
    vec![
        ("TenantLimits", closed("What a tenant may use; null is no limit.", limits)),
        (
            "Tenants",
            closed(
                "",
                [must(
                    "tenants",
                    list(closed(
                        "",
                        [
                            must("id", text(), ""),
                            must("name", text(), ""),
                            must("role", nullable(to("Role")), "One's own."),
                        ],
                    )),
                    "",
                )],
            ),
        ),
        (
            "NewTenant",
            open(
                "",
                [
                    may("id", nullable(text()), "Without one it is made up."),
                    must("name", text(), ""),
                    may("limits", to("TenantLimits"), ""),
                ],
            ),
        ),
        (
            "TenantChange",
            open(
                "What is absent stays.",
                [
                    may("name", nullable(text()), ""),
                    may("limits", nullable(to("TenantLimits")), "For administrators only."),
                ],
            ),
        ),
        (
            "OneTenant",
            closed(
                "",
                [must(
                    "tenant",
                    closed(
                        "",
                        [
                            must("id", text(), ""),
                            must("name", text(), ""),
                            must("secret1", text(), "Empty but for owners."),
                            must("secret2", text(), "Empty but for owners."),
                            must("limits", to("TenantLimits"), ""),
                            must("created_at", count(), "Unix time in seconds."),
                            may("role", to("Role"), "One's own, when it is asked for."),
                        ],
                    ),
                    "",
                )],
            ),
        ),
        ("NewSecret", closed("", [must("secret", text(), "64 hexadecimal digits.")])),
    ]
}

fn members() -> Vec<Definition> {
    let invite = closed(
        "Times are milliseconds of Unix time.",
        [
            must("id", text_like("^inv_"), ""),
            must("email", nullable(text()), "Only this address may accept it."),
            must("role", to("Role"), ""),
            must("state", word(["open", "accepted", "revoked"]), ""),
            must("created_ms", count(), ""),
            must("expires_ms", count(), ""),
            must("accepted_by", nullable(text()), "A user."),
        ],
    );
    let member = [
        must("user", text(), ""),
        must("email", text(), ""),
        must("display_name", text(), ""),
        must("role", to("Role"), ""),
        must("since_s", count(), ""),
    ];
    let membership = [
        must("tenant", text(), ""),
        must("user", text(), ""),
        must("role", to("Role"), ""),
        must("since_s", count(), ""),
    ];
    let new_invite = [
        may("email", nullable(text()), "Whose it is; else whoever has it."),
        must("role", to("Role"), ""),
    ];
    vec![
        ("Role", described("", word(["viewer", "member", "admin", "owner"]))),
        ("Membership", closed("", membership)),
        ("Members", closed("", [must("members", list(closed("", member)), "")])),
        ("NewRole", open("", [must("role", to("Role"), "")])),
        ("Invite", invite),
        ("Invites", closed("", [must("invites", list(to("Invite")), "")])),
        ("NewInvite", open("", new_invite)),
        (
            "MadeInvite",
            closed(
                "",
                [must("invite", to("Invite"), ""), must("token", text(), "Shown this once.")],
            ),
        ),
        ("InviteToken", open("", [must("token", text(), "")])),
        ("Joined", closed("", [must("membership", to("Membership"), "")])),
    ]
}

fn tokens() -> Vec<Definition> {
    let person = || closed("", [must("id", text(), ""), must("name", text(), "")]);
    vec![
        (
            "MintRequest",
            open(
                "With a session the token is for its user. With an API key `user` says for whom.",
                [
                    must("documentId", text(), "May be empty."),
                    may("user", any(), "A person's `id` and `name`."),
                    may("scopes", list(to("Scope")), "No more than the API key has."),
                ],
            ),
        ),
        (
            "MintedToken",
            closed(
                "",
                [
                    must("jwt", text(), "A document's token."),
                    must("expiresIn", count(), "Seconds."),
                    must("user", person(), ""),
                ],
            ),
        ),
        (
            "TokenRevocation",
            open(
                "Either one token, or all tokens of a user that have been issued until now.",
                [
                    may("jti", nullable(text()), ""),
                    may("user", nullable(text()), ""),
                    may(
                        "expires",
                        nullable(integer()),
                        "The token's own end, Unix time in seconds.",
                    ),
                ],
            ),
        ),
    ]
}

fn api_keys() -> Vec<Definition> {
    let key = closed(
        "Times are milliseconds of Unix time.",
        [
            must("id", text_like("^key_"), ""),
            must("name", text(), ""),
            must("scopes", list(to("Scope")), ""),
            must("created_ms", count(), ""),
            must("expires_ms", nullable(count()), ""),
        ],
    );
    vec![
        ("ApiKey", key),
        ("ApiKeys", closed("", [must("api_keys", list(to("ApiKey")), "")])),
        (
            "NewApiKey",
            open(
                "",
                [
                    must("name", text(), ""),
                    must("scopes", list(to("Scope")), ""),
                    may("expires_ms", nullable(count()), ""),
                ],
            ),
        ),
        (
            "MadeApiKey",
            closed(
                "",
                [must("api_key", to("ApiKey"), ""), must("key", text(), "Shown this once.")],
            ),
        ),
    ]
}

fn audit() -> Vec<Definition> {
    let actor = open("", [must("kind", text(), ""), may("id", text(), "")]);
    let entry = closed(
        "Who did what, when and from where.",
        [
            must("seq", count(), "Counted from 1, without a gap."),
            must("at_ms", count(), "Milliseconds of Unix time."),
            must("actor", actor, ""),
            must("from", nullable(text()), "An address."),
            must("deed", text(), ""),
            must("subject", text(), "`user/usr_…`, `tenant/acme`."),
            must("tenant", nullable(text()), ""),
            must("before", any(), ""),
            must("after", any(), ""),
        ],
    );
    vec![
        ("AuditEntry", entry),
        ("AuditLog", closed("Newest first.", [must("entries", list(to("AuditEntry")), "")])),
    ]
}
