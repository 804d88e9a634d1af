//! Operations and signals: the same on both wires but for the few words said here.

use super::parts::{
    Definition, any, closed, count, described, either, integer, list, may, must, null, nullable,
    object, only, open, text, to, word,
};
use levee_core::dialect::{NackKind, OpKind};

/// What a client may submit.
const CLIENT_TYPES: [OpKind; 10] = [
    OpKind::Op,
    OpKind::Noop,
    OpKind::Summarize,
    OpKind::Propose,
    OpKind::Accept,
    OpKind::Reject,
    OpKind::BlobAttach,
    OpKind::TripComplete,
    OpKind::SaveOp,
    OpKind::RemoteHelp,
];

const NACK_TYPES: [NackKind; 4] =
    [NackKind::Throttling, NackKind::InvalidScope, NackKind::BadRequest, NackKind::LimitExceeded];

pub(super) fn definitions() -> Vec<Definition> {
    [submitted(), sequenced(), service_operations(), summaries(), signals(), refusals()].concat()
}

fn submitted() -> Vec<Definition> {
    let types = word(CLIENT_TYPES.map(OpKind::as_str));
    vec![
        ("ClientOperationType", described("What a client may submit.", types)),
        (
            "ClientOperation",
            open(
                "An operation as a client submits it.",
                [
                    must(
                        "clientSequenceNumber",
                        count(),
                        "Counts the client's operations from 1. Any other than the next is a gap \
                         or a duplicate.",
                    ),
                    may(
                        "referenceSequenceNumber",
                        integer(),
                        "The newest operation that the client had seen; -1 stands for the newest \
                         of all, absence for 0.",
                    ),
                    may("type", to("ClientOperationType"), "Absence counts as `op`."),
                    may("contents", any(), "The service never looks into it, but for summaries."),
                    may("metadata", any(), "Goes to all clients; null counts as absent."),
                    may("compression", nullable(text()), "Goes to all clients."),
                ],
            ),
        ),
        (
            "ClientOperations",
            described(
                "Operations, nested to any depth, in order.",
                either([to("ClientOperation"), list(to("ClientOperations"))]),
            ),
        ),
    ]
}

/// What every sequenced operation has.
fn place() -> [super::parts::Field; 4] {
    [
        must("minimumSequenceNumber", count(), "No client's reference is below it."),
        must("referenceSequenceNumber", integer(), "-1 where the service speaks."),
        must("sequenceNumber", count(), "Its place in the document's order, from 1."),
        must("timestamp", count(), "When it was ordered, milliseconds of Unix time."),
    ]
}

fn sequenced() -> Vec<Definition> {
    let options = [
        "ClientSequencedOperation",
        "JoinOperation",
        "LeaveOperation",
        "ServiceNoop",
        "SummaryAckOperation",
        "SummaryNackOperation",
    ];
    let own = [
        must("clientId", text(), "Who submitted it."),
        must("clientSequenceNumber", count(), "As submitted."),
        may("contents", any(), "As submitted, byte for byte."),
        may("metadata", any(), "As submitted."),
        may("compression", text(), "As submitted."),
        must("type", to("ClientOperationType"), ""),
    ];
    vec![
        (
            "SequencedOperation",
            described("One operation of a document's order.", either(options.map(to))),
        ),
        (
            "ClientSequencedOperation",
            closed("A client's operation in the order.", own.into_iter().chain(place())),
        ),
    ]
}

/// An operation that the service itself writes.
fn service_operation(
    doc: &str,
    kind: &'static str,
    contents: super::parts::Schema,
    contents_doc: &'static str,
) -> super::parts::Schema {
    let own = [
        must("clientId", null(), ""),
        must("clientSequenceNumber", only(-1), ""),
        must("contents", contents, contents_doc),
        must("type", only(kind), ""),
    ];
    let data = (kind != "noop").then(|| must("data", text(), "What it says, as JSON text."));
    closed(doc, own.into_iter().chain(place()).chain(data))
}

fn service_operations() -> Vec<Definition> {
    vec![
        (
            "JoinOperation",
            service_operation(
                "A writer enters.",
                "join",
                nullable(to("Join")),
                "What `data` says; null on Socket.IO.",
            ),
        ),
        (
            "LeaveOperation",
            service_operation(
                "A writer leaves.",
                "leave",
                nullable(text()),
                "The client's id, which `data` says too; null on Socket.IO.",
            ),
        ),
        (
            "ServiceNoop",
            service_operation("Carries the minimum and nothing else.", "noop", null(), ""),
        ),
        (
            "SummaryAckOperation",
            service_operation("A summary was accepted.", "summaryAck", to("SummaryAck"), ""),
        ),
        (
            "SummaryNackOperation",
            service_operation("A summary was refused.", "summaryNack", to("SummaryNack"), ""),
        ),
        (
            "Join",
            closed(
                "Who enters: the `data` of a join.",
                [
                    must("clientId", text(), ""),
                    must("detail", to("Client"), "As the client sent it."),
                ],
            ),
        ),
    ]
}

fn summaries() -> Vec<Definition> {
    let proposal = || must("summaryProposal", to("SummaryProposal"), "What is answered.");
    vec![
        (
            "Summarize",
            open(
                "The contents of a `summarize`, or the JSON of its text.",
                [
                    must("handle", text(), "The uploaded tree, or on Levee's wire a commit."),
                    may("head", nullable(text()), "The version that the summary builds on."),
                    may("parents", nullable(list(text())), "Versions, which must exist."),
                    may("message", nullable(text()), "Becomes the version's message."),
                ],
            ),
        ),
        (
            "SummaryProposal",
            closed("", [must("summarySequenceNumber", count(), "Number of the `summarize`.")]),
        ),
        (
            "SummaryAck",
            closed(
                "The contents of a `summaryAck`.",
                [must("handle", text(), "The new version."), proposal()],
            ),
        ),
        (
            "SummaryNack",
            closed(
                "The contents of a `summaryNack`.",
                [
                    must("message", text(), "Why."),
                    proposal(),
                    may("retryAfter", count(), "Seconds after which to try again."),
                ],
            ),
        ),
    ]
}

fn signals() -> Vec<Definition> {
    let client = must("client", to("Client"), "As the client sent it.");
    vec![
        (
            "SystemSignal",
            described(
                "The content of a signal without a sender, as JSON text: a client enters or \
                 leaves, readers too.",
                either([to("JoinSignal"), to("LeaveSignal")]),
            ),
        ),
        (
            "JoinSignal",
            closed(
                "",
                [
                    must("type", only("join"), ""),
                    must("content", closed("", [must("clientId", text(), ""), client]), ""),
                ],
            ),
        ),
        (
            "LeaveSignal",
            closed(
                "",
                [must("type", only("leave"), ""), must("content", text(), "A client's id.")],
            ),
        ),
    ]
}

fn refusals() -> Vec<Definition> {
    let code = "403 is final, 429 and 503 come with `retryAfter`, after others connect anew.";
    vec![
        (
            "NackContent",
            closed(
                "Why operations were refused.",
                [
                    must("code", count(), code),
                    must("type", word(NACK_TYPES.map(NackKind::as_str)), ""),
                    must("message", text(), "For people."),
                    may("retryAfter", count(), "Seconds after which to come back."),
                ],
            ),
        ),
        ("RefusedOperation", described("The refused operation, as it was submitted.", object())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_is_forgotten() {
        for kind in CLIENT_TYPES {
            assert_eq!(OpKind::from_wire(kind.as_str()), kind);
        }
        // A new kind does not compile here until it is in one of the lists.
        let place = |kind: OpKind| match kind {
            OpKind::Op
            | OpKind::Noop
            | OpKind::Summarize
            | OpKind::Propose
            | OpKind::Accept
            | OpKind::Reject
            | OpKind::BlobAttach
            | OpKind::TripComplete
            | OpKind::SaveOp
            | OpKind::RemoteHelp => CLIENT_TYPES.contains(&kind),
            OpKind::System | OpKind::Unknown => !CLIENT_TYPES.contains(&kind),
        };
        assert!(CLIENT_TYPES.into_iter().chain([OpKind::System, OpKind::Unknown]).all(place));
        let is_listed = |kind: NackKind| match kind {
            NackKind::Throttling
            | NackKind::InvalidScope
            | NackKind::BadRequest
            | NackKind::LimitExceeded => NACK_TYPES.contains(&kind),
        };
        assert!(NACK_TYPES.into_iter().all(is_listed));
    }
}
