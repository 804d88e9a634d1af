//! What is on disk of one document, operation by operation, read once with an ordinary JSON parser.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One operation as it stands on disk.
#[derive(Clone, Debug)]
pub struct Op {
    pub bytes: String,
    pub seq: u64,
    pub min: u64,
    pub client: Option<String>,
    pub client_seq: i64,
    pub reference_seq: i64,
    pub time_ms: u64,
    pub kind: String,
    /// The mark that a simulated client put into the contents.
    pub mark: Option<String>,
    /// Who joins or leaves.
    pub member: Option<String>,
    /// Of a summary's answer: the number of its summarize operation, and the handle of an ack.
    pub answers: Option<(u64, Option<String>)>,
    /// As the Phoenix wire shows it.
    pub phoenix: Value,
    pub phoenix_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    client_id: Option<String>,
    client_sequence_number: i64,
    minimum_sequence_number: u64,
    reference_sequence_number: i64,
    sequence_number: u64,
    timestamp: u64,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
    data: Option<String>,
}

impl Op {
    pub fn parse(bytes: &str) -> Result<Self, String> {
        let fields: Fields<'_> =
            serde_json::from_str(bytes).map_err(|e| format!("{e}: {bytes}"))?;
        let contents: Value = fields
            .contents
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or(Value::Null);
        let contents = match &contents {
            Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            other => other.clone(),
        };
        let data: Option<Value> =
            fields.data.as_deref().and_then(|data| serde_json::from_str(data).ok());
        let mut phoenix: Value = serde_json::from_str(bytes).map_err(|e| e.to_string())?;
        let mut member = None;
        match (fields.kind.as_str(), &data) {
            ("join", Some(data)) => {
                member = data["clientId"].as_str().map(str::to_owned);
                phoenix["contents"] = data.clone();
            }
            ("leave", Some(data)) => {
                member = data.as_str().map(str::to_owned);
                phoenix["contents"] = data.clone();
            }
            _ => {}
        }
        let answers = matches!(fields.kind.as_str(), "summaryAck" | "summaryNack").then(|| {
            let seq = contents["summaryProposal"]["summarySequenceNumber"].as_u64();
            (seq.unwrap_or(0), contents["handle"].as_str().map(str::to_owned))
        });
        let phoenix_bytes = match member {
            Some(_) => phoenix.to_string(),
            None => bytes.to_owned(),
        };
        Ok(Self {
            bytes: bytes.to_owned(),
            seq: fields.sequence_number,
            min: fields.minimum_sequence_number,
            client: fields.client_id,
            client_seq: fields.client_sequence_number,
            reference_seq: fields.reference_sequence_number,
            time_ms: fields.timestamp,
            kind: fields.kind,
            mark: contents["mark"].as_str().map(str::to_owned),
            member,
            answers,
            phoenix,
            phoenix_bytes,
        })
    }
}

impl Op {
    /// Whether this is the operation as the Phoenix wire shows it, however it is spelled.
    pub fn is_phoenix(&self, bytes: &str) -> bool {
        let heard: Result<Value, _> = serde_json::from_str(bytes);
        heard.is_ok_and(|heard| heard == self.phoenix)
    }
}

/// The operations of one document, from the first one it has.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The document was created at this number; operations follow it.
    pub start: u64,
    pub ops: Vec<Op>,
}

impl Log {
    pub fn head(&self) -> u64 {
        self.start + self.ops.len() as u64
    }

    pub fn get(&self, seq: u64) -> Option<&Op> {
        self.ops.get(seq.checked_sub(self.start + 1)? as usize)
    }
}
