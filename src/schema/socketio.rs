//! Messages of the Socket.IO wire: the arguments of an event packet, `42[event, …]`, and the JSON
//! of the few packets that are no events.

use super::parts::{
    Definition, Schema, any, closed, count, described, either, extended, integer, list, may, must,
    nullable, object, only, open, text, to, tuple,
};

pub(super) fn definitions() -> Vec<Definition> {
    [messages(), transport(), requests(), answers()].concat()
}

/// The events of a client; presence is the service's own addition.
fn client_events() -> [Schema; 7] {
    let state = || to("PresenceDetails");
    [
        event("connect_document", [to("SocketIoConnect")]),
        event("submitOp", [text(), to("ClientOperations")]),
        event("submitSignal", [text(), to("SocketIoSignals")]),
        event("ping", []),
        event("joinPresence", [text(), state()]),
        event("updatePresence", [text(), state()]),
        event("leavePresence", [text()]),
    ]
}

fn server_events() -> [Schema; 8] {
    [
        event("connect_document_success", [to("SocketIoConnected")]),
        event("connect_document_error", [to("ConnectError")]),
        event("op", [text(), list(to("SequencedOperation"))]),
        event("signal", [to("SocketIoSignal")]),
        event("nack", [text(), list(to("SocketIoNack"))]),
        event("presence_state", [text(), to("PresenceState")]),
        event("presence_diff", [text(), to("PresenceDiff")]),
        event("presence_error", [text(), to("PresenceError")]),
    ]
}

fn event(name: &'static str, arguments: impl IntoIterator<Item = Schema>) -> Schema {
    tuple([only(name)].into_iter().chain(arguments))
}

fn messages() -> Vec<Definition> {
    let doc = "The event packets of the";
    let arguments = "Ids in front are the client's.";
    let client = described(&format!("{doc} client. {arguments}"), either(client_events()));
    let arguments = "Ids in front are the document's; a nack of the session has an empty one.";
    let server = described(&format!("{doc} service. {arguments}"), either(server_events()));
    vec![("SocketIoClientMessage", client), ("SocketIoServerMessage", server)]
}

fn transport() -> Vec<Definition> {
    vec![
        (
            "EngineOpen",
            closed(
                "Packet `0`: the transport is open.",
                [
                    must("sid", text(), ""),
                    must("upgrades", list(text()), "None: there is only WebSocket."),
                    must("pingInterval", count(), "Milliseconds."),
                    must("pingTimeout", count(), "Milliseconds."),
                    must("maxPayload", count(), "Bytes."),
                ],
            ),
        ),
        ("NamespaceOpened", closed("Packet `40`.", [must("sid", text(), "")])),
        (
            "NamespaceRefused",
            closed("Packet `44`, behind the namespace's name.", [must("message", text(), "")]),
        ),
    ]
}

fn requests() -> Vec<Definition> {
    vec![
        (
            "SocketIoConnect",
            open(
                "Enters a document. Members for other services are ignored.",
                [
                    must("tenantId", text(), ""),
                    must("id", text(), "The document's."),
                    must("token", text(), "A JWT with `TokenClaims`."),
                    must("client", to("Client"), ""),
                    must("mode", to("Mode"), ""),
                    must("versions", list(text()), "Version ranges that the client speaks."),
                    may("supportedFeatures", to("ClientFeatures"), ""),
                ],
            ),
        ),
        (
            "SocketIoSignals",
            described(
                "Objects from a client that announced `submit_signals_v2`, else texts.",
                either([list(to("SocketIoSubmittedSignal")), list(either([text(), list(text())]))]),
            ),
        ),
        (
            "SocketIoSubmittedSignal",
            open(
                "Members beside these are echoed.",
                [
                    must("content", text(), ""),
                    may("targetClientId", text(), "Only this client hears it."),
                    may("type", text(), ""),
                    may("clientConnectionNumber", integer(), ""),
                    may("referenceSequenceNumber", integer(), ""),
                ],
            ),
        ),
        ("PresenceDetails", described("What a client says of itself.", object())),
    ]
}

fn answers() -> Vec<Definition> {
    let member = closed(
        "",
        [
            must("clientId", text(), ""),
            must("client", to("Client"), "As the service describes it."),
        ],
    );
    vec![
        (
            "SocketIoConnected",
            closed(
                "A client is in its document.",
                [
                    must("claims", to("TokenClaims"), "The token's, as signed."),
                    must("clientId", text(), ""),
                    must("existing", only(true), ""),
                    must("maxMessageSize", count(), "Bytes; readers are told less."),
                    must("mode", to("Mode"), "As the token allows."),
                    must("serviceConfiguration", to("ServiceConfiguration"), ""),
                    must("initialClients", list(member), "Others; not the client."),
                    must("initialMessages", list(to("SequencedOperation")), ""),
                    must("initialSignals", list(any()), "Empty."),
                    must("supportedVersions", list(text()), "Ranges that the service speaks."),
                    must("supportedFeatures", to("ServiceFeatures"), ""),
                    must("version", text(), "The range agreed on."),
                    must("timestamp", count(), "The service's clock, milliseconds of Unix time."),
                ],
            ),
        ),
        (
            "SocketIoSignal",
            extended(
                "Members beside these are the sender's.",
                [
                    must("content", text(), ""),
                    must(
                        "clientId",
                        nullable(text()),
                        "The sender; null where the service speaks.",
                    ),
                    may("targetClientId", text(), ""),
                ],
            ),
        ),
        (
            "SocketIoNack",
            closed(
                "What was submitted was refused; the client must connect anew.",
                [
                    may("operation", to("RefusedOperation"), "Absent where it is the session's."),
                    must("sequenceNumber", integer(), "The minimum, or -1 for the session's."),
                    must("content", to("NackContent"), ""),
                ],
            ),
        ),
    ]
}
