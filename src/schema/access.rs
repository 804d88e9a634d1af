//! Who connects, and what a token says.

use super::parts::{
    Definition, any, closed, count, described, integer, list, may, must, nullable, object, only,
    open, switch, text, to, word,
};
use levee_core::auth::Scope;
use levee_core::dialect::Mode;

pub(super) fn definitions() -> Vec<Definition> {
    [clients(), tokens(), connected(), refused()].concat()
}

fn clients() -> Vec<Definition> {
    let modes = word([Mode::Read, Mode::Write].map(Mode::as_str));
    let interactive = must("interactive", switch(), "False for a summarizer and other machines.");
    let capabilities = must("capabilities", open("", [interactive]), "");
    vec![
        ("Mode", described("Whether a client writes or only reads.", modes)),
        ("User", open("A person.", [must("id", text(), ""), may("name", text(), "")])),
        (
            "Client",
            open(
                "A client as it describes itself; Fluid's `IClient`. Other clients see it as it \
                 was sent, further members included.",
                [
                    must("mode", to("Mode"), ""),
                    must(
                        "details",
                        open(
                            "",
                            [capabilities, may("type", text(), ""), may("environment", text(), "")],
                        ),
                        "",
                    ),
                    must("permission", list(text()), ""),
                    must("scopes", list(text()), "The token's decide."),
                    must("user", to("User"), ""),
                ],
            ),
        ),
    ]
}

fn tokens() -> Vec<Definition> {
    vec![
        (
            "Scope",
            described("One right. Other names grant nothing.", word(Scope::ALL.map(Scope::as_str))),
        ),
        (
            "TokenClaims",
            open(
                "The claims of a document's token, a JWT signed with HS256. Times are seconds of \
                 Unix time.",
                [
                    must("tenantId", text(), ""),
                    must("documentId", text(), "Empty for a document that has no id yet."),
                    must("exp", integer(), "Not valid from then on."),
                    may("scopes", list(text()), "Without them the token grants nothing."),
                    may("user", object(), "Its `id` is the person's name among other clients."),
                    may("iat", integer(), ""),
                    may("nbf", integer(), "Not valid before."),
                    may("ver", any(), "`1.0`"),
                    may("jti", text(), ""),
                ],
            ),
        ),
        (
            "ShownClaims",
            closed(
                "What a Phoenix client is told of its token.",
                [
                    must("user", closed("", [must("id", nullable(text()), "")]), ""),
                    must("documentId", text(), ""),
                    may("scopes", list(text()), ""),
                    must("tenantId", text(), ""),
                    may("iat", integer(), ""),
                    must("exp", integer(), ""),
                    may("ver", any(), ""),
                ],
            ),
        ),
    ]
}

fn connected() -> Vec<Definition> {
    let flag = |name| may(name, switch(), "");
    vec![
        (
            "ServiceConfiguration",
            closed("", [must("blockSize", count(), ""), must("maxMessageSize", count(), "Bytes.")]),
        ),
        ("ClientFeatures", open("What a client can do.", [flag("submit_signals_v2")])),
        (
            "ServiceFeatures",
            closed(
                "What the service can do.",
                [
                    must("submit_signals_v2", switch(), "As agreed with the client."),
                    must("presence_v1", only(true), "Server-backed presence."),
                ],
            ),
        ),
    ]
}

fn refused() -> Vec<Definition> {
    vec![(
        "ConnectError",
        closed(
            "Why a `connect_document` was refused.",
            [
                must("code", count(), "401: with a new token; 403 and 404: final."),
                must("message", text(), "For people."),
                may("retryAfterMs", count(), "Come back after so many milliseconds."),
            ],
        ),
    )]
}
