//! Operations in the bytes that the store, `/deltas` and every socket share: written once.

use crate::dialect::{OpKind, RawOp};
use crate::ids::{ClientId, Seq};
use crate::record::OpRun;
use crate::sequencer::Ticket;
use crate::wire::json::{write_i64, write_string, write_u64};
use bytes::Bytes;

/// Operations of one document that wait for the next commit, already encoded.
#[derive(Debug, Default)]
pub struct RunBuilder {
    first: Seq,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl RunBuilder {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Takes what has gathered, leaving the builder empty; `None` when there is nothing.
    pub fn take(&mut self) -> Option<OpRun> {
        if self.ends.is_empty() {
            return None;
        }
        let run = OpRun {
            first: self.first,
            ends: self.ends.as_slice().into(),
            bytes: Bytes::from(std::mem::take(&mut self.bytes)),
        };
        self.ends.clear();
        Some(run)
    }

    // walk 8/12
    /// A client's operation.
    pub fn push_op(&mut self, client: ClientId, op: &RawOp<'_>, ticket: Ticket, time_ms: u64) {
        let out = self.begin(ticket.seq);
        out.extend_from_slice(b"{\"clientId\":\"");
        out.extend_from_slice(client.as_str().as_bytes());
        out.extend_from_slice(b"\",\"clientSequenceNumber\":");
        write_i64(out, op.client_seq);
        for (key, value) in [
            (&b",\"contents\":"[..], op.contents),
            (&b",\"metadata\":"[..], op.metadata),
            (&b",\"compression\":"[..], op.compression),
        ] {
            if let Some(value) = value {
                out.extend_from_slice(key);
                out.extend_from_slice(value);
            }
        }
        write_place(out, ticket, time_ms, op.kind.as_str());
        out.push(b'}');
        self.end();
    }

    /// A join: `detail` is the client's IClient JSON, byte for byte.
    pub fn push_join(&mut self, client: ClientId, detail: &[u8], ticket: Ticket, time_ms: u64) {
        let mut data = Vec::with_capacity(detail.len() + 80);
        write_member(&mut data, "detail", client, detail);
        self.push_system("join", None, &data, ticket, time_ms);
    }

    /// A leave of a client of this life or an earlier one.
    pub fn push_leave(&mut self, client: ClientId, ticket: Ticket, time_ms: u64) {
        let mut data = Vec::with_capacity(40);
        write_string(&mut data, client.as_str());
        self.push_system("leave", None, &data, ticket, time_ms);
    }

    /// A service noop: carries the minimum and nothing else.
    pub fn push_noop(&mut self, ticket: Ticket, time_ms: u64) {
        let out = self.begin(ticket.seq);
        out.extend_from_slice(b"{\"clientId\":null,\"clientSequenceNumber\":-1,\"contents\":null");
        write_place(out, ticket, time_ms, OpKind::Noop.as_str());
        out.push(b'}');
        self.end();
    }

    /// `summaryAck` or `summaryNack`: the answer is an object in `contents` and a string in `data`.
    pub fn push_summary_answer(
        &mut self,
        kind: &'static str,
        answer: &[u8],
        ticket: Ticket,
        time_ms: u64,
    ) {
        self.push_system(kind, Some(answer), answer, ticket, time_ms);
    }

    fn push_system(
        &mut self,
        kind: &'static str,
        contents: Option<&[u8]>,
        data: &[u8],
        ticket: Ticket,
        time_ms: u64,
    ) {
        let out = self.begin(ticket.seq);
        out.extend_from_slice(b"{\"clientId\":null,\"clientSequenceNumber\":-1,\"contents\":");
        out.extend_from_slice(contents.unwrap_or(b"null"));
        write_place(out, ticket, time_ms, kind);
        out.extend_from_slice(b",\"data\":");
        write_string(out, std::str::from_utf8(data).unwrap_or_default());
        out.push(b'}');
        self.end();
    }

    fn begin(&mut self, seq: Seq) -> &mut Vec<u8> {
        if self.ends.is_empty() {
            self.first = seq;
        } else {
            self.bytes.push(b',');
        }
        assert!(seq.0 == self.first.0 + self.ends.len() as u64, "numbers are consecutive");
        &mut self.bytes
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }
}

fn write_place(out: &mut Vec<u8>, ticket: Ticket, time_ms: u64, kind: &str) {
    out.extend_from_slice(b",\"minimumSequenceNumber\":");
    write_u64(out, ticket.min.0);
    out.extend_from_slice(b",\"referenceSequenceNumber\":");
    write_i64(out, ticket.reference_seq);
    out.extend_from_slice(b",\"sequenceNumber\":");
    write_u64(out, ticket.seq.0);
    out.extend_from_slice(b",\"timestamp\":");
    write_u64(out, time_ms);
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// `{"clientId":"…","<key>":<detail>}`: a join's data and the content of a join signal.
pub fn write_member(out: &mut Vec<u8>, key: &str, client: ClientId, detail: &[u8]) {
    out.extend_from_slice(b"{\"clientId\":\"");
    out.extend_from_slice(client.as_str().as_bytes());
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(detail);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(seq: u64, min: u64, reference_seq: i64) -> Ticket {
        Ticket { seq: Seq(seq), min: Seq(min), reference_seq }
    }

    #[test]
    fn operations_keep_their_raw_contents() {
        let mut run = RunBuilder::default();
        let op = RawOp {
            kind: OpKind::Op,
            client_seq: 1,
            reference_seq: Some(2),
            contents: Some(br#""{\"a\":1}""#),
            metadata: Some(br#"{"batchId":"x"}"#),
            compression: None,
            raw: b"",
        };
        let client = ClientId::from_bits(0);
        run.push_op(client, &op, ticket(3, 0, 2), 7);
        run.push_leave(client, ticket(4, 4, -1), 8);
        let run = run.take().expect("two operations");
        let first = concat!(
            r#"{"clientId":"00000000-0000-4000-8000-000000000000","clientSequenceNumber":1,"#,
            r#""contents":"{\"a\":1}","metadata":{"batchId":"x"},"minimumSequenceNumber":0,"#,
            r#""referenceSequenceNumber":2,"sequenceNumber":3,"timestamp":7,"type":"op"}"#,
        );
        let second = concat!(
            r#"{"clientId":null,"clientSequenceNumber":-1,"contents":null,"#,
            r#""minimumSequenceNumber":4,"referenceSequenceNumber":-1,"sequenceNumber":4,"#,
            r#""timestamp":8,"type":"leave","#,
            r#""data":"\"00000000-0000-4000-8000-000000000000\""}"#,
        );
        let ops: Vec<_> = run.ops().map(|(seq, op)| (seq.0, op.to_vec())).collect();
        assert_eq!(ops, vec![(3, first.as_bytes().to_vec()), (4, second.as_bytes().to_vec())]);
    }

    #[test]
    fn a_join_carries_the_client_byte_for_byte() {
        let mut run = RunBuilder::default();
        let detail = br#"{"user":{"id":"\u00fc"},"mode":"write"}"#;
        run.push_join(ClientId::from_bits(0), detail, ticket(1, 0, -1), 0);
        let run = run.take().expect("one operation");
        let op: serde_json::Value = serde_json::from_slice(&run.bytes).expect("valid JSON");
        let data = op["data"].as_str().expect("a string");
        assert_eq!(
            data.as_bytes(),
            [&br#"{"clientId":"00000000-0000-4000-8000-000000000000","detail":"#[..], detail, b"}"]
                .concat()
        );
    }
}
