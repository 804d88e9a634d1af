//! Sequenced operations as a test sees them: the few fields that order them, and their bytes.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) seq: u64,
    pub(crate) min: u64,
    /// `None` for what the service says itself.
    pub(crate) client: Option<String>,
    pub(crate) client_seq: i64,
    pub(crate) kind: String,
    pub(crate) timestamp_ms: u64,
    /// Who joins or leaves.
    pub(crate) member: Option<String>,
    /// The summary that an ack or a nack is about.
    pub(crate) answers: Option<u64>,
    /// Exactly as it came.
    pub(crate) json: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    sequence_number: u64,
    minimum_sequence_number: u64,
    client_id: Option<String>,
    client_sequence_number: i64,
    #[serde(rename = "type")]
    kind: String,
    timestamp: u64,
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    client_id: String,
}

/// The data of a summary's ack or nack.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    summary_proposal: Proposal,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proposal {
    summary_sequence_number: u64,
}

impl Op {
    pub(crate) fn parse(raw: &RawValue) -> Self {
        let json = raw.get().to_owned();
        let fields: Fields = match serde_json::from_str(&json) {
            Ok(fields) => fields,
            Err(error) => panic!("not an operation: {error}\n{json}"),
        };
        let data = fields.data.as_deref().unwrap_or("");
        let member = match fields.kind.as_str() {
            "join" => {
                let joined: Joined = serde_json::from_str(data).expect("the data of a join");
                Some(joined.client_id)
            }
            "leave" => Some(serde_json::from_str(data).expect("the data of a leave")),
            _ => None,
        };
        let answers = match fields.kind.as_str() {
            "summaryAck" | "summaryNack" => {
                let verdict: Verdict = serde_json::from_str(data).expect("the data of a verdict");
                Some(verdict.summary_proposal.summary_sequence_number)
            }
            _ => None,
        };
        Self {
            seq: fields.sequence_number,
            min: fields.minimum_sequence_number,
            client: fields.client_id,
            client_seq: fields.client_sequence_number,
            kind: fields.kind,
            timestamp_ms: fields.timestamp,
            answers,
            member,
            json,
        }
    }

    /// The version that a summary's ack has made.
    pub(crate) fn acked_handle(&self) -> Option<String> {
        if self.kind != "summaryAck" {
            return None;
        }
        let op: serde_json::Value = serde_json::from_str(&self.json).expect("JSON");
        let data = op["data"].as_str().expect("data");
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON in the data");
        data["handle"].as_str().map(str::to_owned)
    }
}
