//! What must hold, one name and one sentence each.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A receiver hears consecutive numbers: no gap, and no repetition that it did not ask for.
    ReceiverOrder,
    /// A number means the same bytes everywhere and for ever: on disk, in history, on every wire.
    SameBytes,
    /// On disk every number follows the last one.
    DurableOrder,
    /// The minimum of a document never falls.
    MinNeverFalls,
    /// The minimum is not ahead of what any writer has said it knows, nor behind what all wrote.
    MinIsExact,
    /// What anybody hears is on disk by then.
    ShownIsDurable,
    /// The client numbers of one client rise in the order of the document.
    ClientOrder,
    /// What a client submits, once or again after a reconnect, is in the order exactly once.
    ExactlyOnce,
    /// A client joins once, is sequenced only between its join and its leave, and leaves once.
    Membership,
    /// After a load, the writers of the earlier life leave before anything else is ordered.
    EarlierLifeLeaves,
    /// Every summarize operation is answered exactly once.
    SummaryAnswered,
    /// The version moves in the same group as its ack, and at no other time.
    VersionWithAck,
    /// A summary's `.protocol` is the quorum at the operation's reference number.
    ProtocolAtReference,
    /// What waits for one socket is never more than its bound, except for a single frame.
    OutboxBounded,
    /// What waits for a store that stands still is bounded for each document.
    PendingBounded,
    /// Signals and presence stay in their document, reach their target only, and come once.
    SignalStays,
    /// What is said in one document of a socket stays apart from its others: an operation is where
    /// it was meant to be, and what is heard names a document of the socket.
    DocumentsApart,
    /// When all is quiet, everyone who follows presence has the same picture: who is present, with
    /// what was said last.
    PresenceConverges,
    /// Who asks by REST and ends its side is answered all the same, and then closed.
    HalfClosedAnswered,
    /// A client in read mode is never in the order.
    ReaderNotSequenced,
    /// No client id is given out twice.
    ClientIdOnce,
    /// What was accepted of a submission is shown before the nack of the rest.
    NackAfterPrefix,
    /// Every `connect_document` is answered in time.
    ConnectAnswered,
    /// The timestamps of a document never run backwards.
    TimeNeverFalls,
    /// The service never says what its wire does not know.
    WellFormed,
    /// No document panics by itself, none is found damaged.
    NoPanic,
    /// A panic is its document's alone: its sockets close, the core and its others go on.
    PanicIsolated,
    /// The history in memory is what the disk has.
    HistoryIsDisk,
    /// When everything works and nobody acts, everything pending becomes visible to everyone.
    QuietSystemSettles,
    /// A document is removed when nothing of it is under way, and nothing comes after that.
    NothingAfterADeletion,
    /// A drain tells every socket and leaves nothing unwritten.
    DrainTellsEveryone,
}

#[derive(Clone, Debug)]
#[allow(dead_code)] // read in what a failure prints
pub struct Violation {
    pub invariant: Invariant,
    pub detail: String,
}
