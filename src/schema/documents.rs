//! Bodies of requests about documents, and of failures.

use super::parts::{
    Definition, any, closed, count, described, either, list, may, must, nullable, object, only,
    open, switch, text, to, word,
};

pub(super) fn definitions() -> Vec<Definition> {
    [documents(), operations(), failures()].concat()
}

fn documents() -> Vec<Definition> {
    let summary = nullable(either([to("SummaryTree"), to("NoSummary")]));
    vec![
        (
            "CreateDocument",
            open(
                "Makes a document, whole and durable before it is answered.",
                [
                    may("id", nullable(text()), "Else the service makes one."),
                    may("summary", summary, "Only Levee's wire goes without."),
                    may("sequenceNumber", nullable(count()), "Where its order begins."),
                    may("values", nullable(list(any())), "The quorum's, `[[key, value], …]`."),
                    may("enableDiscovery", any(), "Truthy: the answer holds the session."),
                    may("generateToken", any(), "Truthy: the answer holds a token."),
                ],
            ),
        ),
        (
            "CreatedDocument",
            described(
                "The document's id, alone where nothing else was asked for.",
                either([
                    text(),
                    closed(
                        "",
                        [
                            must("id", text(), ""),
                            may("token", text(), "Proves for five minutes who made it."),
                            may("session", to("Session"), ""),
                        ],
                    ),
                ]),
            ),
        ),
        (
            "DocumentDescription",
            closed(
                "",
                [
                    must("id", text(), ""),
                    must("documentId", text(), "The same."),
                    must("tenantId", text(), ""),
                    must("sequenceNumber", count(), "Of the newest operation."),
                ],
            ),
        ),
        (
            "Session",
            closed(
                "Where to connect.",
                [
                    must("ordererUrl", text(), ""),
                    must("historianUrl", text(), ""),
                    must("deltaStreamUrl", text(), ""),
                    must("isSessionAlive", switch(), ""),
                    must("isSessionActive", switch(), ""),
                ],
            ),
        ),
    ]
}

fn operations() -> Vec<Definition> {
    vec![
        ("FluidDeltas", list(to("SequencedOperation"))),
        ("LeveeDeltas", closed("", [must("value", list(to("SequencedOperation")), "")])),
        (
            "BroadcastSignal",
            open(
                "A signal of the app's own service to everyone in a document.",
                [must("signalContent", object(), "Up to 64 KiB.")],
            ),
        ),
        (
            "Status",
            closed(
                "",
                [
                    must("status", word(["ok", "read-only", "unavailable"]), ""),
                    may("reason", text(), "Why documents cannot be written."),
                ],
            ),
        ),
    ]
}

fn failures() -> Vec<Definition> {
    let retry = "Come back after so many milliseconds.";
    vec![
        (
            "FluidFailure",
            closed(
                "Why a request was not done, on Fluid's wire.",
                [
                    must("code", count(), "The HTTP status."),
                    must("message", text(), "For people."),
                    must("canRetry", switch(), "The same request may succeed later."),
                    may("isFatal", switch(), ""),
                    may("retryAfter", count(), retry),
                ],
            ),
        ),
        (
            "LeveeFailure",
            described(
                "Why a request was not done, on Levee's wire.",
                either([
                    closed(
                        "",
                        [
                            must("error", text(), "For people."),
                            may("canRetry", only(true), "The same request may succeed later."),
                            may("retryAfter", count(), retry),
                        ],
                    ),
                    closed(
                        "",
                        [must("errors", closed("", [must("detail", text(), "For people.")]), "")],
                    ),
                ]),
            ),
        ),
    ]
}
