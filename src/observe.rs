//! What operators see: log lines, and the figures of every core merged when they are asked for.

mod lines;

use crate::store::PartitionStats;
use levee_core::counters::Counters;
use levee_core::event::{LogEvent, LogLevel};
use levee_core::ids::ShardId;
use levee_core::record::StoreFault;
use levee_core::shard::Shard;
use lines::Lines;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How long the end of the process waits for who reads its log.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The log while it is kept; its last lines are written when it is dropped.
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_LINES);
    }
}

/// One line per event to standard error, by a thread of its own. `RUST_LOG` may say more per
/// module.
///
/// # Errors
/// When the thread cannot be started.
pub fn start_log(level: tracing::Level) -> io::Result<Log> {
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let lines = Lines::start(io::stderr())?;
    let writer = lines.clone();
    // A second start (tests) keeps the first one's settings.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_target(false)
        .try_init();
    Ok(Log(lines))
}

/// Writes what a shard wants to tell.
pub fn log(core: ShardId, event: &LogEvent) {
    let LogEvent { level, what, doc, detail } = event;
    let (core, doc) = (core.0, doc.as_ref().map(tracing::field::display));
    match level {
        LogLevel::Info => tracing::info!(core, doc, %detail, "{what}"),
        LogLevel::Warn => tracing::warn!(core, doc, %detail, "{what}"),
        LogLevel::Error => tracing::error!(core, doc, %detail, "{what}"),
    }
}

/// The figures of one core.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    counters: Counters,
    pub sockets: u64,
    /// Pieces of work for the store and REST that are under way.
    pub work: u64,
    documents: u64,
    /// Letters that wait behind full rings.
    pub letters_waiting: u64,
    /// Sockets that are on their way out.
    pub closing: u64,
    /// A commit group is under way or gathers.
    pub is_committing: bool,
    long_turns: u64,
    turn_max_ms: u64,
    /// Longest time between two ticks.
    tick_gap_max_ms: u64,
    /// Tasks of the shell that panicked.
    pub panics: u64,
    partitions: Vec<PartitionFigures>,
}

#[derive(Clone, Copy, Debug)]
struct PartitionFigures {
    partition: u16,
    sync_p50_us: u64,
    sync_p99_us: u64,
    groups: u64,
    frames: u64,
    bytes: u64,
    queue_bytes: u64,
    backlog_bytes: u64,
    fault: Option<StoreFault>,
}

impl Figures {
    /// Takes over how a shard stands.
    pub fn shard(&mut self, shard: &Shard, sockets: usize, letters_waiting: usize) {
        self.counters = *shard.counters();
        self.sockets = sockets as u64;
        self.documents = shard.documents() as u64;
        self.letters_waiting = letters_waiting as u64;
    }

    /// Takes over how a store stands.
    pub fn store(&mut self, stats: &[PartitionStats]) {
        self.partitions.clear();
        self.partitions.extend(stats.iter().map(|stats| PartitionFigures {
            partition: stats.partition.0,
            sync_p50_us: stats.sync_us.value_at_quantile(0.5),
            sync_p99_us: stats.sync_us.value_at_quantile(0.99),
            groups: stats.groups,
            frames: stats.frames,
            bytes: stats.bytes,
            queue_bytes: stats.queue_bytes as u64,
            backlog_bytes: stats.backlog_bytes as u64,
            fault: stats.fault,
        }));
    }

    /// Takes note of a turn that took too long.
    pub fn long_turn(&mut self, took_ms: u64) {
        self.long_turns += 1;
        self.turn_max_ms = self.turn_max_ms.max(took_ms);
    }

    /// Takes note of how long ago the tick before was.
    pub fn ticked(&mut self, gap_ms: u64) {
        self.tick_gap_max_ms = self.tick_gap_max_ms.max(gap_ms);
    }

    /// Whether every partition of the core takes writes.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.fault().is_none()
    }

    /// Why some partition of the core refuses writes.
    #[must_use]
    pub fn fault(&self) -> Option<StoreFault> {
        self.partitions.iter().find_map(|partition| partition.fault)
    }
}

/// How a figure behaves, in the words of the text format.
#[derive(Clone, Copy)]
enum Type {
    Counter,
    Gauge,
}

type Row = (&'static str, Type, &'static str, fn(&Figures) -> u64);
type PartitionRow = (&'static str, Type, &'static str, fn(&PartitionFigures) -> u64);

/// Every figure of a core once: name, kind, help, value.
const ROWS: [Row; 31] = {
    use Type::{Counter, Gauge};
    [
        ("sockets", Gauge, "Open sockets.", |f| f.sockets),
        ("work", Gauge, "Store and REST work under way.", |f| f.work),
        ("documents", Gauge, "Documents in memory.", |f| f.documents),
        ("letters_waiting", Gauge, "Letters to other cores behind full rings.", |f| {
            f.letters_waiting
        }),
        ("long_turns_total", Counter, "Turns of the loop over 25 ms.", |f| f.long_turns),
        ("turn_max_ms", Gauge, "Longest such turn, milliseconds.", |f| f.turn_max_ms),
        ("tick_gap_max_ms", Gauge, "Longest time between two ticks, milliseconds.", |f| {
            f.tick_gap_max_ms
        }),
        ("panics_total", Counter, "Tasks that panicked.", |f| f.panics),
        ("connections_opened_total", Counter, "Sockets accepted.", |f| {
            f.counters.connections_opened
        }),
        ("connections_closed_total", Counter, "Sockets closed.", |f| f.counters.connections_closed),
        ("connects_accepted_total", Counter, "Clients that joined a document.", |f| {
            f.counters.connects_accepted
        }),
        ("connects_refused_total", Counter, "Clients that were refused.", |f| {
            f.counters.connects_refused
        }),
        ("ops_sequenced_total", Counter, "Operations given a number.", |f| {
            f.counters.ops_sequenced
        }),
        ("ops_published_total", Counter, "Operations made durable and visible.", |f| {
            f.counters.ops_published
        }),
        ("op_deliveries_total", Counter, "Operations queued for a socket.", |f| {
            f.counters.op_deliveries
        }),
        ("duplicates_dropped_total", Counter, "Operations sent twice.", |f| {
            f.counters.duplicates_dropped
        }),
        ("noops_absorbed_total", Counter, "Noops that needed no number.", |f| {
            f.counters.noops_absorbed
        }),
        ("nacks_total", Counter, "Operations refused.", |f| f.counters.nacks),
        ("signals_received_total", Counter, "Signals received.", |f| f.counters.signals_received),
        ("signal_deliveries_total", Counter, "Signals queued for a socket.", |f| {
            f.counters.signal_deliveries
        }),
        ("groups_committed_total", Counter, "Commit groups.", |f| f.counters.groups_committed),
        ("groups_failed_total", Counter, "Commit groups that failed.", |f| {
            f.counters.groups_failed
        }),
        ("documents_loaded_total", Counter, "Documents brought into memory.", |f| {
            f.counters.documents_loaded
        }),
        ("documents_evicted_total", Counter, "Documents that left memory.", |f| {
            f.counters.documents_evicted
        }),
        ("documents_failed_total", Counter, "Documents dropped after a fault.", |f| {
            f.counters.documents_failed
        }),
        ("summaries_acked_total", Counter, "Summaries accepted.", |f| f.counters.summaries_acked),
        ("summaries_nacked_total", Counter, "Summaries refused.", |f| f.counters.summaries_nacked),
        ("handoffs_total", Counter, "Sockets moved to another core.", |f| f.counters.handoffs),
        ("peer_faults_total", Counter, "Protocol violations of peers.", |f| f.counters.peer_faults),
        ("slow_readers_closed_total", Counter, "Sockets closed for a full outbox.", |f| {
            f.counters.slow_readers_closed
        }),
        ("requests_total", Counter, "REST requests.", |f| f.counters.requests),
    ]
};

/// Every figure of a partition once.
const PARTITION_ROWS: [PartitionRow; 8] = {
    use Type::{Counter, Gauge};
    [
        ("log_sync_p50_us", Gauge, "Median sync of the commit log, microseconds.", |p| {
            p.sync_p50_us
        }),
        ("log_sync_p99_us", Gauge, "99th percentile of the same.", |p| p.sync_p99_us),
        ("log_groups_total", Counter, "Groups written to the log.", |p| p.groups),
        ("log_frames_total", Counter, "Writes to the log.", |p| p.frames),
        ("log_bytes_total", Counter, "Bytes written to the log.", |p| p.bytes),
        ("log_queue_bytes", Gauge, "Bytes that wait for their commit.", |p| p.queue_bytes),
        ("log_backlog_bytes", Gauge, "Bytes committed, not yet in the tree.", |p| p.backlog_bytes),
        ("partition_faulty", Gauge, "1 while the partition refuses writes.", |p| {
            u64::from(p.fault.is_some())
        }),
    ]
};

/// The figures of all cores as Prometheus text, one series per core or partition.
#[must_use]
pub fn prometheus(cores: &[Figures]) -> String {
    let mut out = String::with_capacity(8 << 10);
    for (name, kind, help, value) in ROWS {
        head(&mut out, name, kind, help);
        for (core, figures) in cores.iter().enumerate() {
            let _ = writeln!(out, "levee_{name}{{core=\"{core}\"}} {}", value(figures));
        }
    }
    for (name, kind, help, value) in PARTITION_ROWS {
        head(&mut out, name, kind, help);
        for figures in cores.iter().flat_map(|core| &core.partitions) {
            let partition = figures.partition;
            let _ = writeln!(out, "levee_{name}{{partition=\"{partition}\"}} {}", value(figures));
        }
    }
    out
}

/// The figures of all cores as JSON: each under its name in [`prometheus`], without the prefix.
#[must_use]
pub fn figures_json(cores: &[Figures]) -> Value {
    let of_partition = |figures: &PartitionFigures| {
        let rows = PARTITION_ROWS.iter().map(|(name, _, _, value)| (*name, value(figures)));
        object([("partition", u64::from(figures.partition))].into_iter().chain(rows))
    };
    let of_core = |(core, figures): (usize, &Figures)| {
        let rows = ROWS.iter().map(|(name, _, _, value)| (*name, value(figures)));
        let mut shown = object([("core", core as u64)].into_iter().chain(rows));
        shown["partitions"] = figures.partitions.iter().map(of_partition).collect();
        shown
    };
    json!({ "cores": cores.iter().enumerate().map(of_core).collect::<Vec<Value>>() })
}

fn object(rows: impl Iterator<Item = (&'static str, u64)>) -> Value {
    Value::Object(rows.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

fn head(out: &mut String, name: &str, kind: Type, help: &str) {
    let kind = match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
    };
    let _ = writeln!(out, "# HELP levee_{name} {help}\n# TYPE levee_{name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_all_cores_stand_under_one_head() {
        let mut slow = Figures { sockets: 3, ..Figures::default() };
        slow.long_turn(40);
        slow.long_turn(30);
        let cores = [Figures::default(), slow];
        let text = prometheus(&cores);
        assert!(text.contains("levee_sockets{core=\"1\"} 3\n"), "{text}");
        assert!(text.contains("levee_long_turns_total{core=\"1\"} 2\n"));
        assert!(text.contains("levee_turn_max_ms{core=\"1\"} 40\n"));
        assert_eq!(text.matches("# TYPE levee_sockets gauge").count(), 1);
        let shown = figures_json(&cores);
        assert_eq!(shown["cores"][1]["sockets"], 3);
        assert_eq!(shown["cores"][1]["turn_max_ms"], 40);
        assert_eq!(shown["cores"][0]["core"], 0);
    }
}
