//! Messages of the Phoenix wire: `[join_ref, ref, topic, event, payload]`, in JSON or msgpack.

use super::parts::{
    Definition, Schema, any, closed, count, described, either, extended, integer, list, map, may,
    must, nullable, object, only, open, text, to, tuple, word,
};

/// What a client says: the event's name and its payload's definition.
pub const CLIENT_EVENTS: [(&str, &str); 11] = [
    ("phx_join", "PhoenixJoin"),
    ("phx_leave", "Empty"),
    ("heartbeat", "Empty"),
    ("connect_document", "PhoenixConnect"),
    ("submitOp", "SubmitOp"),
    ("submitSignal", "SubmitSignal"),
    ("noop", "Noop"),
    ("requestOps", "RequestOps"),
    ("joinPresence", "PresenceMeta"),
    ("updatePresence", "PresenceMeta"),
    ("leavePresence", "Empty"),
];

/// What the service says: the event's name and its payload's definition.
pub const SERVER_EVENTS: [(&str, &str); 11] = [
    ("phx_reply", "PhoenixReply"),
    ("phx_close", "Empty"),
    ("phx_error", "Empty"),
    ("connect_document_success", "PhoenixConnected"),
    ("connect_document_error", "ConnectError"),
    ("op", "Operations"),
    ("signal", "PhoenixSignal"),
    ("nack", "PhoenixNack"),
    ("presence_state", "PresenceState"),
    ("presence_diff", "PresenceDiff"),
    ("presence_error", "PresenceError"),
];

pub(super) fn definitions() -> Vec<Definition> {
    [messages(), requests(), submissions(), answers(), broadcasts(), presence()].concat()
}

fn message((event, payload): (&'static str, &'static str)) -> Schema {
    let topic = if event == "heartbeat" { only("phoenix") } else { text() };
    tuple([nullable(text()), nullable(text()), topic, only(event), to(payload)])
}

fn messages() -> Vec<Definition> {
    let doc = "`[join_ref, ref, topic, event, payload]` from the";
    let client = described(&format!("{doc} client."), either(CLIENT_EVENTS.map(message)));
    let server = described(&format!("{doc} service."), either(SERVER_EVENTS.map(message)));
    vec![("PhoenixClientMessage", client), ("PhoenixServerMessage", server)]
}

fn requests() -> Vec<Definition> {
    vec![
        ("Empty", closed("", [])),
        (
            "PhoenixJoin",
            open(
                "Joins the topic `document:tenant:document`.",
                [may("token", text(), "Not looked at here; `connect_document` brings it.")],
            ),
        ),
        (
            "PhoenixConnect",
            open(
                "Enters the document of a joined topic.",
                [
                    must("tenantId", text(), "The topic's."),
                    must("id", text(), "The document's, as in the topic."),
                    must("token", text(), "A JWT with `TokenClaims`."),
                    must("client", to("Client"), ""),
                    must("mode", to("Mode"), ""),
                    may("versions", list(text()), "Version ranges that the client speaks."),
                    may("supportedFeatures", to("ClientFeatures"), ""),
                    may(
                        "lastSeenSequenceNumber",
                        integer(),
                        "Only what comes after it is wanted in `initialMessages`.",
                    ),
                ],
            ),
        ),
    ]
}

fn submissions() -> Vec<Definition> {
    let target = || {
        [
            may("targetClientId", text(), "Only this client hears it."),
            may("targetedClients", list(text()), "Only these hear it."),
            may("ignoredClients", list(text()), "All but these hear it."),
        ]
    };
    let content = || must("content", any(), "Anything but null.");
    vec![
        (
            "SubmitOp",
            open(
                "",
                [
                    must("clientId", text(), "The channel's."),
                    must("messageBatches", to("ClientOperations"), "An operation, or a list."),
                ],
            ),
        ),
        (
            "SubmitSignal",
            open(
                "",
                [
                    must("clientId", text(), "The channel's."),
                    must(
                        "contentBatches",
                        list(either([to("SubmittedSignal"), list(to("SubmittedSignal"))])),
                        "",
                    ),
                ],
            ),
        ),
        (
            "SubmittedSignal",
            described(
                "One signal. Text holds the JSON of one, or alone in `contentBatches` of a list.",
                either([
                    open("", [content()].into_iter().chain(target())),
                    open("The older form.", [must("contents", open("", [content()]), "")]),
                    text(),
                ]),
            ),
        ),
        (
            "Noop",
            open(
                "Says what the client has seen, without an operation.",
                [must("referenceSequenceNumber", integer(), "")],
            ),
        ),
        ("RequestOps", open("Asks for all operations after one.", [must("from", integer(), "")])),
    ]
}

fn answers() -> Vec<Definition> {
    let failure = closed("", [must("reason", text(), "")]);
    let reply = |status: &'static str, response| {
        closed("", [must("status", only(status), ""), must("response", response, "")])
    };
    vec![
        ("PhoenixReply", either([reply("ok", to("Empty")), reply("error", failure)])),
        (
            "PhoenixConnected",
            closed(
                "A client is in its document.",
                [
                    must("claims", to("ShownClaims"), ""),
                    must("clientId", text(), ""),
                    must("existing", only(true), ""),
                    must("maxMessageSize", count(), "Bytes of a message that the client may send."),
                    must("mode", to("Mode"), "As the token allows."),
                    must("serviceConfiguration", to("ServiceConfiguration"), ""),
                    must("initialClients", list(to("PhoenixMember")), "Others; not the client."),
                    must("initialMessages", list(to("SequencedOperation")), ""),
                    must("initialSignals", list(to("PhoenixSignal")), ""),
                    must("supportedVersions", list(text()), "Ranges that the service speaks."),
                    must("supportedFeatures", to("ServiceFeatures"), ""),
                    must("version", text(), "The one agreed on."),
                    must(
                        "checkpointSequenceNumber",
                        count(),
                        "Number of the own join; for a reader of the newest operation.",
                    ),
                    may("summaryContext", to("SummaryContext"), "The newest accepted summary."),
                ],
            ),
        ),
        (
            "PhoenixMember",
            closed(
                "",
                [
                    must("clientId", text(), ""),
                    must("client", to("Client"), "As that client sent it."),
                    must("mode", to("Mode"), ""),
                ],
            ),
        ),
        (
            "SummaryContext",
            closed("", [must("handle", text(), "A version."), must("sequenceNumber", count(), "")]),
        ),
    ]
}

fn broadcasts() -> Vec<Definition> {
    let nack = || {
        [
            must("operation", nullable(to("RefusedOperation")), "Null where it is the session's."),
            must("sequenceNumber", integer(), "The minimum, or -1 where it is the session's."),
            must("content", to("NackContent"), ""),
        ]
    };
    let nacks = must("nacks", list(closed("", nack())), "The same, in a list.");
    let head = must("clientId", only(""), "");
    vec![
        (
            "Operations",
            closed(
                "New operations in order.",
                [
                    must("documentId", text(), ""),
                    must("op", list(to("SequencedOperation")), "Not empty."),
                ],
            ),
        ),
        (
            "PhoenixSignal",
            closed(
                "",
                [
                    must(
                        "clientId",
                        nullable(text()),
                        "The sender; null where the service speaks.",
                    ),
                    must("content", any(), "As sent; with Fluid's clients JSON text."),
                ],
            ),
        ),
        (
            "PhoenixNack",
            closed(
                "What was submitted was refused; the client must connect anew.",
                [head].into_iter().chain(nack()).chain([nacks]),
            ),
        ),
    ]
}

fn presence() -> Vec<Definition> {
    let meta = extended(
        "What one client says of itself, beside what the service adds.",
        [must("phx_ref", text(), "Changes with every change."), must("clientId", text(), "")],
    );
    let reasons = ["invalid_meta", "meta_too_large", "not_joined"];
    vec![
        (
            "PresenceMeta",
            closed(
                "Appears, or changes what it says of itself.",
                [must("meta", object(), "Seen by all; up to 64 KiB of JSON.")],
            ),
        ),
        ("PresentUser", closed("", [must("metas", list(meta), "One of each client of the user.")])),
        ("PresenceState", described("Who is present, by user id.", map(to("PresentUser")))),
        (
            "PresenceDiff",
            closed(
                "A change is a leave and a join.",
                [
                    must("joins", map(to("PresentUser")), ""),
                    must("leaves", map(to("PresentUser")), ""),
                ],
            ),
        ),
        ("PresenceError", closed("", [must("reason", word(reasons), "")])),
    ]
}
