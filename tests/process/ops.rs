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
    /// Who joins or leaves.
    pub(crate) member: Option<String>,
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
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    client_id: String,
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
        Self {
            seq: fields.sequence_number,
            min: fields.minimum_sequence_number,
            client: fields.client_id,
            client_seq: fields.client_sequence_number,
            kind: fields.kind,
            member,
            json,
        }
    }
}
