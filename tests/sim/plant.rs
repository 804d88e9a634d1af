//! Bugs planted on purpose: each changes what the core is told, what it asks for or what it says,
//! and knows nothing of the checks. It must be caught by the invariant that it breaks, and by no
//! other first.

use crate::checker::{Checker, Doc};
use crate::disk::Group;
use crate::invariant::Invariant;
use crate::speech::Heard;
use bytes::Bytes;
use levee_core::git::StoredObject;
use levee_core::ids::DocKey;
use levee_core::limits::Limits;
use levee_core::record::{DocumentImage, OpRun, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A frame of operations never reaches its socket.
    DropOps,
    /// A receiver is told other bytes than are on disk.
    ChangeBytes,
    /// A run is written twice.
    RepeatRecord,
    /// The disk forgets what it was asked to keep.
    LoseAppend,
    /// A load finds bytes that nobody wrote.
    DamagedImage,
    /// A load finds an older state than the last one kept.
    OldImage,
    /// The minimum of an operation is too low, or too high.
    LowerMin,
    RaiseMin,
    /// A client number comes again.
    RepeatClientSeq,
    /// A submission is in the order twice.
    RepeatMark,
    /// A client is sequenced that is not there.
    StrangerWrites,
    /// After a load, a writer of the earlier life stays.
    LoseLeave,
    /// A summary's verdict is lost.
    LoseVerdict,
    /// A summary is answered twice.
    RepeatVerdict,
    /// The version moves by itself.
    StrayVersion,
    /// A version's members are not those of its reference number.
    ForgetMember,
    /// More waits for a socket than may.
    WideOutbox,
    /// More waits for the store than may.
    WidePending,
    /// A signal is heard in another document.
    LeakSignal,
    /// A reader is in the order.
    SequenceReader,
    /// A client id comes again.
    RepeatClientId,
    /// The nack comes before what was accepted.
    EarlyNack,
    /// A connect is not answered.
    SilentConnect,
    /// A timestamp is in the past.
    OldTime,
    /// Something nobody understands is said.
    Garbage,
    /// The history in memory is not what was written.
    OtherHistory,
    /// The store never says that a group is durable.
    LosePersisted,
    /// A drain tells nobody.
    NoGoodbye,
    /// An operation is in another document than the one it was sent to.
    MisplaceOp,
    /// What is heard names another document.
    OtherName,
    /// Somebody does not hear who comes and goes.
    LosePresence,
    /// Who ends its side is cut off, whatever it waits for.
    CutHalfClosed,
    /// A panic takes another document with it.
    SpreadPanic,
}

pub const ALL: [(Plant, Invariant); 33] = [
    (Plant::DropOps, Invariant::ReceiverOrder),
    (Plant::ChangeBytes, Invariant::SameBytes),
    (Plant::RepeatRecord, Invariant::DurableOrder),
    (Plant::LoseAppend, Invariant::ShownIsDurable),
    (Plant::DamagedImage, Invariant::NoPanic),
    (Plant::OldImage, Invariant::SameBytes),
    (Plant::LowerMin, Invariant::MinNeverFalls),
    (Plant::RaiseMin, Invariant::MinIsExact),
    (Plant::RepeatClientSeq, Invariant::ClientOrder),
    (Plant::RepeatMark, Invariant::ExactlyOnce),
    (Plant::StrangerWrites, Invariant::Membership),
    (Plant::LoseLeave, Invariant::EarlierLifeLeaves),
    (Plant::LoseVerdict, Invariant::SummaryAnswered),
    (Plant::RepeatVerdict, Invariant::SummaryAnswered),
    (Plant::StrayVersion, Invariant::VersionWithAck),
    (Plant::ForgetMember, Invariant::ProtocolAtReference),
    (Plant::WideOutbox, Invariant::OutboxBounded),
    (Plant::WidePending, Invariant::PendingBounded),
    (Plant::LeakSignal, Invariant::SignalStays),
    (Plant::SequenceReader, Invariant::ReaderNotSequenced),
    (Plant::RepeatClientId, Invariant::ClientIdOnce),
    (Plant::EarlyNack, Invariant::NackAfterPrefix),
    (Plant::SilentConnect, Invariant::ConnectAnswered),
    (Plant::OldTime, Invariant::TimeNeverFalls),
    (Plant::Garbage, Invariant::WellFormed),
    (Plant::OtherHistory, Invariant::HistoryIsDisk),
    (Plant::LosePersisted, Invariant::QuietSystemSettles),
    (Plant::NoGoodbye, Invariant::DrainTellsEveryone),
    (Plant::MisplaceOp, Invariant::DocumentsApart),
    (Plant::OtherName, Invariant::DocumentsApart),
    (Plant::LosePresence, Invariant::PresenceConverges),
    (Plant::CutHalfClosed, Invariant::HalfClosedAnswered),
    (Plant::SpreadPanic, Invariant::PanicIsolated),
];

impl Plant {
    /// Now and then, by the clock: the same seed does the same.
    pub fn strikes(self, planted: Option<Self>, now_ms: u64) -> bool {
        planted == Some(self) && now_ms.wrapping_mul(0x9e37_79b9) >> 7 & 7 == 0
    }
}

/// What is written is not what was asked for.
pub fn on_commit(plant: Option<Plant>, checker: &Checker, group: &mut Group) {
    let Some(plant) = plant else { return };
    for record in &mut group.records {
        let Record::Ops(doc, run) = record else { continue };
        let Some(doc) = checker.docs.get(doc.document()) else { continue };
        let ops = run.ops().map(|(_, op)| written(plant, doc, &String::from_utf8_lossy(op)));
        let ops: Vec<Bytes> = ops.map(Bytes::from).collect();
        *run = crate::disk::run_of(run.first.0, &ops.iter().collect::<Vec<_>>());
    }
}

/// One operation as it is written behind what is there.
fn written(plant: Plant, doc: &Doc, text: &str) -> String {
    let last = doc.log.ops.last();
    let own = |op: &&crate::log::Op| {
        op.client.is_some() && op.client.as_deref().is_some_and(|id| text.contains(id))
    };
    let before = doc.log.ops.iter().rev().find(own);
    let replaced = |name: &str, value: String| with_field(text, name, &value);
    let changed = match plant {
        Plant::LowerMin => last
            .filter(|last| last.min > 0)
            .and_then(|last| replaced("minimumSequenceNumber", (last.min - 1).to_string())),
        Plant::RaiseMin if text.contains("\"type\":\"op\"") => {
            replaced("minimumSequenceNumber", doc.log.head().to_string())
        }
        Plant::RepeatClientSeq if text.contains("\"type\":\"op\"") => {
            before.and_then(|op| replaced("clientSequenceNumber", op.client_seq.to_string()))
        }
        Plant::RepeatMark if text.contains("\"type\":\"op\"") => {
            let mark = doc.log.ops.iter().rev().find_map(|op| op.mark.clone());
            mark.and_then(|mark| replaced("contents", format!(r#"{{"mark":"{mark}"}}"#)))
        }
        Plant::MisplaceOp if text.contains("\"type\":\"op\"") => {
            replaced("contents", r#"{"mark":"d9-0-0"}"#.to_owned())
        }
        Plant::StrangerWrites if text.contains("\"type\":\"op\"") => {
            replaced("clientId", "\"00000000-0000-4000-8000-000000000000\"".to_owned())
        }
        Plant::LoseLeave if doc.has_earlier_life() => replaced("type", "\"noop\"".to_owned()),
        Plant::OldTime => replaced("timestamp", "7".to_owned()).filter(|_| last.is_some()),
        _ => None,
    };
    changed.unwrap_or_else(|| text.to_owned())
}

/// The JSON object with one member replaced, the others untouched.
fn with_field(text: &str, name: &str, value: &str) -> Option<String> {
    let mut object: serde_json::Value = serde_json::from_str(text).ok()?;
    *object.get_mut(name)? = serde_json::from_str(value).ok()?;
    Some(object.to_string())
}

pub fn on_records(plant: Option<Plant>, now_ms: u64, records: &mut Vec<Record>) {
    let first = records.first().cloned();
    match (plant, first) {
        (Some(Plant::RepeatRecord), Some(Record::Ops(doc, run)))
            if Plant::RepeatRecord.strikes(plant, now_ms) =>
        {
            records.insert(1, Record::Ops(doc, run));
        }
        (Some(Plant::StrayVersion), Some(record)) => {
            let version = levee_core::git::ObjectId::from_bytes([7; 20]);
            records.push(Record::Version(record.doc().clone(), version));
        }
        (Some(Plant::RepeatVerdict), _) => {
            for record in records.iter_mut() {
                if let Record::Ops(_, run) = record {
                    repeat_answer(run);
                }
            }
        }
        _ => {}
    }
}

/// The operation behind a summary's answer becomes the same answer.
fn repeat_answer(run: &mut OpRun) {
    let ops: Vec<String> =
        run.ops().map(|(_, op)| String::from_utf8_lossy(op).into_owned()).collect();
    let Some(at) = ops.iter().position(|op| op.contains("\"type\":\"summaryNack\"")) else {
        return;
    };
    let mut ops = ops;
    let Some(answer) = ops.get(at).cloned() else {
        return;
    };
    let seq = run.first.0 + at as u64 + 1;
    let twice = with_field(&answer, "sequenceNumber", &seq.to_string()).unwrap_or_default();
    ops.insert(at + 1, twice);
    ops.truncate(at + 2);
    let parts: Vec<Bytes> = ops.into_iter().map(Bytes::from).collect();
    *run = crate::disk::run_of(run.first.0, &parts.iter().collect::<Vec<_>>());
}

pub fn on_image(plant: Option<Plant>, image: &mut DocumentImage) {
    if plant == Some(Plant::OldImage) {
        image.ops.pop();
    }
    if let (Some(Plant::DamagedImage), Some(run)) = (plant, image.ops.last_mut()) {
        run.bytes = Bytes::from(vec![b' '; run.bytes.len()]);
    }
}

/// What a shard says that it has in memory.
pub fn on_history(plant: Option<Plant>, slices: &mut [Bytes]) {
    if let (Some(Plant::OtherHistory), Some(slice)) = (plant, slices.last_mut()) {
        *slice = Bytes::from([slice.as_ref(), b" "].concat());
    }
}

/// What a shard takes its limits to be.
pub fn on_limits(plant: Option<Plant>, mut limits: Limits) -> Limits {
    if plant == Some(Plant::WideOutbox) {
        limits.outbox_bytes_max *= 100;
    }
    if plant == Some(Plant::WidePending) {
        limits.pending_bytes_max *= 100;
    }
    limits
}

/// The objects that a summary's verdict brings.
pub fn on_objects(plant: Option<Plant>, objects: &mut [StoredObject]) {
    if plant != Some(Plant::ForgetMember) {
        return;
    }
    for object in objects {
        let members: Result<Vec<(String, serde_json::Value)>, _> =
            serde_json::from_slice(&object.body);
        let Ok(mut members) = members else { continue };
        if members.pop().is_some_and(|(_, member)| member.get("client").is_some()) {
            object.body = serde_json::to_vec(&members).unwrap_or_default().into();
        }
    }
}

/// Which of the others a panic takes with it.
pub fn on_panic(plant: Option<Plant>, others: &[DocKey]) -> &[DocKey] {
    if plant == Some(Plant::SpreadPanic) { others } else { &[] }
}

/// The bytes of whole frames, as a socket is to carry them.
pub fn on_bytes(plant: Option<Plant>, now_ms: u64, frames: &mut [u8]) {
    if !Plant::Garbage.strikes(plant, now_ms) {
        return;
    }
    let payload_at = match frames.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    // No text begins like this, and no msgpack has it anywhere.
    if let Some(first) = frames.get_mut(payload_at) {
        *first = 0xc1;
    }
}

/// What a socket hears.
pub fn on_heard(plant: Option<Plant>, mut heard: Vec<Heard>, now_ms: u64) -> Vec<Heard> {
    let Some(plant) = plant else {
        return heard;
    };
    let strikes = plant.strikes(Some(plant), now_ms);
    match plant {
        Plant::DropOps if strikes => {
            if let Some(at) = heard.iter().position(|h| matches!(h, Heard::Ops { .. })) {
                heard.remove(at);
            }
        }
        Plant::LosePresence => {
            heard.retain(|h| !matches!(h, Heard::Presence { is_state: false, .. }));
        }
        Plant::NoGoodbye => heard.retain(|h| !matches!(h, Heard::Goodbye | Heard::Close(_))),
        Plant::EarlyNack => {
            if let Some(at) = heard.iter().position(|h| matches!(h, Heard::Nack { .. })) {
                heard[..=at].rotate_right(1);
            }
        }
        _ => heard.iter_mut().for_each(|heard| change(plant, heard, strikes)),
    }
    heard
}

fn change(plant: Plant, heard: &mut Heard, strikes: bool) {
    match (plant, heard) {
        (Plant::ChangeBytes, Heard::Ops { ops, .. }) if strikes => {
            if let Some((_, bytes)) = ops.last_mut() {
                bytes.insert(bytes.len() - 1, ' ');
                *bytes = bytes.replace("\"type\"", "\"typo\"");
            }
        }
        (Plant::LeakSignal, Heard::Signal { at, content, .. }) => {
            let is_mark = content.contains('-') && at.document.is_some();
            at.document = if is_mark { Some("d9".to_owned()) } else { at.document.take() };
        }
        (Plant::OtherName, Heard::Ops { at, .. }) if strikes => {
            at.document = Some("d9".to_owned());
        }
        (Plant::SilentConnect, Heard::Connected(connected)) if strikes => {
            connected.at.join_ref = Some("another".to_owned());
        }
        (Plant::SequenceReader, Heard::Connected(connected)) => {
            connected.mode = "read".to_owned();
        }
        (Plant::RepeatClientId, Heard::Connected(connected)) if strikes => {
            connected.client = "00000000-0000-4000-8000-000000000000".to_owned();
        }
        _ => {}
    }
}
