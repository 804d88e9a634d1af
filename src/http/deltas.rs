//! A document's operations, exactly as they went to its sockets: stored runs are joined, never
//! parsed.

use super::CoreContext;
use super::access::{Need, Wire, named};
use super::failure::Failure;
use super::reply::Reply;
use bytes::Bytes;
use levee_core::dialect::phoenix::membership_contents;
use levee_core::http_request::HttpRequest;
use levee_core::ids::{DocKey, Seq};
use levee_core::record::StoreFault;
use std::borrow::Cow;

/// Most operations of one answer.
pub(super) const OPS_MAX: u64 = 2000;
/// Most bytes of one answer; one larger operation still comes, alone.
const BYTES_MAX: usize = 16 << 20;

/// Inclusive bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Operations in order, and the number of the last.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) runs: Vec<Bytes>,
    last: Option<Seq>,
}

/// `GET /deltas/:tenant/:document?from=&to=`. An unknown document has no operations.
pub(super) async fn get(
    core: &CoreContext,
    request: &HttpRequest,
    wire: Wire,
    place: (&str, &str),
) -> Result<Reply, Failure> {
    let doc = named(core, request, wire, place, Need::Read)?;
    let number = |name| request.query(name).and_then(|text| text.trim().parse::<i64>().ok());
    let (from, to) = (number("from"), number("to"));
    match wire {
        Wire::Fluid => {
            let found = read(core, &doc, fluid_range(from, to)).await?;
            Ok(Reply::json(200, joined("[", &found.runs, "]")))
        }
        Wire::Levee => {
            let found = levee(core, &doc, from, to).await?;
            let runs: Vec<Cow<'_, [u8]>> =
                found.runs.iter().map(|run| membership_contents(run)).collect();
            Ok(Reply::json(200, joined("{\"value\":[", &runs, "]}")))
        }
    }
}

/// Both bounds are exclusive, and each has a default on the other's side.
fn fluid_range(from: Option<i64>, to: Option<i64>) -> Range {
    let span = OPS_MAX as i64 + 1;
    let from = from.unwrap_or_else(|| to.map_or(0, |to| to.saturating_sub(span)).max(0)).max(0);
    let to = to.unwrap_or(i64::MAX).min(from.saturating_add(span));
    Range { from: from.unsigned_abs() + 1, to: to.saturating_sub(1).max(0).unsigned_abs() }
}

/// The upper bound is inclusive; so is the lower one, as far as [`levee`] goes along.
fn levee_range(bound: u64, to: Option<i64>) -> Range {
    let from = bound.max(1);
    let to = to.unwrap_or(i64::MAX).max(0).unsigned_abs();
    Range { from, to: to.min(from + OPS_MAX - 1) }
}

/// Levee's driver takes the lower bound for inclusive where it loads, and for exclusive where it
/// pages. So the operation at the bound comes along, except alone: the driver would ask for ever.
async fn levee(
    core: &CoreContext,
    doc: &DocKey,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Found, Failure> {
    let bound = from.unwrap_or(-1).max(0).unsigned_abs();
    let range = levee_range(bound, to);
    let found = read(core, doc, range).await?;
    if found.last.is_none_or(|last| last.0 > bound) {
        return Ok(found);
    }
    // Alone: there is no other in the range, or it is so large that no other fits beside it.
    Ok(read(core, doc, Range { from: bound + 1, ..range }).await?)
}

/// What everybody may see of a range: from the document's memory if all of it is there.
pub(super) async fn read(
    core: &CoreContext,
    doc: &DocKey,
    range: Range,
) -> Result<Found, StoreFault> {
    let mut to = Seq(range.to);
    let from = Seq(range.from);
    if let Some(published) = (core.live.published)(doc) {
        to = to.min(published.head);
        if from <= to && published.first_in_history.is_some_and(|first| first <= from) {
            let runs = (core.live.history)(doc, from, to);
            let bytes: usize = runs.iter().map(Bytes::len).sum();
            if bytes <= BYTES_MAX && bytes > 0 {
                return Ok(Found { runs, last: Some(to) });
            }
        }
    }
    if from > to {
        return Ok(Found::default());
    }
    let runs = core.store.ops(doc, from, to, BYTES_MAX).await?;
    Ok(Found {
        last: runs.last().map(|run| run.last()),
        runs: runs.into_iter().map(|run| run.bytes).collect(),
    })
}

fn joined(open: &str, runs: &[impl AsRef<[u8]>], close: &str) -> Bytes {
    let bytes: usize = runs.iter().map(|run| run.as_ref().len() + 1).sum();
    let mut body = Vec::with_capacity(open.len() + bytes + close.len());
    body.extend_from_slice(open.as_bytes());
    for (index, run) in runs.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(run.as_ref());
    }
    body.extend_from_slice(close.as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fluids_bounds_are_exclusive() {
        for (from, to, expected) in [
            (Some(0), Some(3), (1, 2)),
            (Some(-1), Some(3), (1, 2)),
            (Some(5), Some(6), (6, 5)),
            (Some(5), None, (6, 2005)),
            (None, None, (1, 2000)),
            (None, Some(5), (1, 4)),
            (None, Some(5000), (3000, 4999)),
            (Some(0), Some(i64::MAX), (1, 2000)),
            (Some(i64::MAX), None, (1 << 63, (1 << 63) - 2)),
            (Some(3), Some(i64::MIN), (4, 0)),
        ] {
            let range = fluid_range(from, to);
            assert_eq!((range.from, range.to), expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn levees_bounds_are_inclusive() {
        for (from, to, expected) in [
            (0, None, (1, 2000)),
            (0, Some(7), (1, 7)),
            (7, Some(7), (7, 7)),
            (7, None, (7, 2006)),
            (7, Some(-3), (7, 0)),
            ((1 << 63) - 1, None, ((1 << 63) - 1, (1 << 63) - 1)),
        ] {
            let range = levee_range(from, to);
            assert_eq!((range.from, range.to), expected, "{from} {to:?}");
        }
    }

    #[test]
    fn runs_are_joined() {
        assert_eq!(joined("[", &[] as &[Bytes], "]"), "[]");
        assert_eq!(joined("[", &["1,2", "3"], "]"), "[1,2,3]");
    }
}
