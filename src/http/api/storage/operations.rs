//! A document's operations, one by one and with their contents as text.

use super::super::{Answer, Call};
use crate::http::deltas::{OPS_MAX, Range, read};
use crate::http::reply::Reply;
use bytes::Bytes;
use levee_core::dialect::phoenix::membership_contents;
use levee_core::ids::DocKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const LIMIT_DEFAULT: u64 = 100;
/// What follows waits for the next page; one larger operation still comes.
const BYTES_MAX: usize = 1 << 20;

/// An operation as it is stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation<'a> {
    sequence_number: u64,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_sequence_number: i64,
    #[serde(default)]
    reference_sequence_number: i64,
    #[serde(default)]
    minimum_sequence_number: u64,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default, borrow)]
    contents: Option<&'a RawValue>,
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(default)]
    timestamp: u64,
}

/// `?from=-1&to=&limit=`: after `from`, up to and with `to`.
pub(super) async fn list(call: Call<'_>, doc: &DocKey) -> Answer {
    let number = |name| call.request.query(name).and_then(|text| text.trim().parse::<i64>().ok());
    let from = number("from").unwrap_or(-1).max(0).unsigned_abs() + 1;
    let to = number("to").unwrap_or(i64::MAX).max(0).unsigned_abs();
    let limit = match number("limit").unwrap_or(LIMIT_DEFAULT as i64) {
        limit if (1..=OPS_MAX as i64).contains(&limit) => limit.unsigned_abs(),
        _ => OPS_MAX,
    };
    let range = Range { from, to: to.min(from.saturating_add(limit - 1)) };
    let found = read(call.core, doc, range).await?;
    // Parsing and indenting take their time.
    let body = call.core.store.run(doc, move |_| shown(&found.runs)).await?;
    Ok(Reply::of(200, &json!({ "deltas": body })))
}

fn shown(runs: &[Bytes]) -> Vec<Value> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for run in runs {
        let run = membership_contents(run);
        let array = [b"[", &run[..], b"]"].concat();
        let Ok(ops) = serde_json::from_slice::<Vec<Operation<'_>>>(&array) else { continue };
        for op in &ops {
            bytes += op.contents.map_or(0, |contents| contents.get().len());
            if bytes > BYTES_MAX && !rows.is_empty() {
                return rows;
            }
            rows.push(row(op));
        }
    }
    rows
}

fn row(op: &Operation<'_>) -> Value {
    json!({
        "sequence_number": op.sequence_number, "client_id": op.client_id,
        "client_sequence_number": op.client_sequence_number,
        "reference_sequence_number": op.reference_sequence_number,
        "minimum_sequence_number": op.minimum_sequence_number, "type": op.kind,
        "contents": text(op.contents), "metadata": text(op.metadata),
        "timestamp": op.timestamp,
    })
}

/// A text as it is, anything else as indented JSON, nothing as nothing.
fn text(value: Option<&RawValue>) -> String {
    match value.map(|raw| serde_json::from_str::<Value>(raw.get())) {
        None | Some(Ok(Value::Null)) => String::new(),
        Some(Ok(Value::String(text))) => text,
        Some(Ok(other)) => serde_json::to_string_pretty(&other).unwrap_or_default(),
        // Too deep to be indented.
        Some(Err(_)) => value.map(|raw| raw.get().to_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(seq: u64, contents: &str) -> String {
        format!(
            "{{\"clientId\":\"c\",\"sequenceNumber\":{seq},\"clientSequenceNumber\":7,\
             \"referenceSequenceNumber\":-1,\"minimumSequenceNumber\":2,\"type\":\"op\",\
             \"contents\":{contents},\"timestamp\":9}}"
        )
    }

    #[test]
    fn contents_are_texts() {
        let run = [op(1, "\"a \\\"b\\\"\""), op(2, "{\"x\":[1]}"), op(3, "null")].join(",");
        let rows = shown(&[Bytes::from(run)]);
        let contents: Vec<_> = rows.iter().map(|row| row["contents"].as_str().unwrap()).collect();
        assert_eq!(contents, ["a \"b\"", "{\n  \"x\": [\n    1\n  ]\n}", ""]);
        assert_eq!(rows[0]["metadata"], "");
        assert_eq!(rows[2]["sequence_number"], 3);
        assert_eq!(rows[2]["reference_sequence_number"], -1);
    }

    #[test]
    fn large_operations_come_page_by_page() {
        let large = format!("\"{}\"", "x".repeat(BYTES_MAX));
        let runs = [1, 2].map(|seq| Bytes::from(op(seq, &large)));
        assert_eq!(shown(&runs).len(), 1);
        assert_eq!(shown(&[Bytes::from(op(1, "1")), runs[1].clone()]).len(), 1);
    }
}
