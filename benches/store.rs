//! How long an append takes to be durable, at several rates, beside bare writes and syncs of the
//! same disk in the same run.
//!
//! `cargo bench --bench store -- [directory [operations a second [partitions]]]`; the directory
//! decides which disk is measured.

use bytes::Bytes;
use hdrhistogram::Histogram;
use levee::store::{DataDir, Durability, Store, StoreConfig};
use levee_core::ids::{DocKey, PartitionId, Seq};
use levee_core::placement::Placement;
use levee_core::record::{OpRun, Record};
use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const OP_BYTES: usize = 300;
const DOCUMENTS: usize = 1_000;
const SLICES: usize = 4;
const SLICE: Duration = Duration::from_millis(1_500);
const BARE_SLICE: Duration = Duration::from_millis(700);
const BARE_BYTES: u64 = 4 << 20;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let dir = arguments.first().map_or(env!("CARGO_TARGET_TMPDIR"), String::as_str);
    let dir = PathBuf::from(dir);
    let only = |at: usize| arguments.get(at).and_then(|number| number.parse::<usize>().ok());
    let ring = monoio::utils::detect_uring();
    println!("ring: {ring}; {OP_BYTES} B operations of {DOCUMENTS} documents, one core; µs");
    println!(
        "| durability | partitions | ops/s | ack p50 | p99 | p99.9 | write p50 | p99 | sync p50 | p99 | bare p50 | p99 \
         | ops a frame |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (durability, partitions, rate) in [
        (Durability::Power, 1, 1_000),
        (Durability::Power, 1, 10_000),
        (Durability::Power, 1, 50_000),
        (Durability::Power, 1, 200_000),
        (Durability::Power, 4, 10_000),
        (Durability::Power, 4, 50_000),
        (Durability::Process, 1, 50_000),
        (Durability::Process, 4, 50_000),
    ] {
        let wanted = only(1).is_none_or(|only| only == rate)
            && only(2).is_none_or(|only| only == usize::from(partitions));
        if !wanted {
            continue;
        }
        let at = dir.join(format!("levee-bench-{}", std::process::id()));
        let builder = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().enable_timer();
        let mut runtime = builder.with_entries(1_024).build().expect("a runtime");
        let config =
            StoreConfig { dir: at.clone(), durability, partitions, ring, ..StoreConfig::default() };
        runtime.block_on(measure(&config, rate));
        fs::remove_dir_all(&at).expect("the bench's own directory");
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("sound bounds")
}

async fn measure(config: &StoreConfig, rate: usize) {
    let data = Arc::new(DataDir::open(config).expect("a new data directory"));
    let owned = (0..data.partitions()).map(PartitionId);
    let (store, _) = Store::open(&data, config, owned).await.expect("a new store");
    let mut load = Load::new(Rc::new(store), data.partitions());
    let bare_file = monoio::fs::File::from_std(bare_file(&config.dir)).expect("a file");
    let mut bare = histogram();
    // The first slice warms up.
    for slice in 0..=SLICES {
        load.run(rate, SLICE).await;
        if slice == 0 {
            load.acks.borrow_mut().clear();
        }
        measure_bare(&bare_file, &mut bare).await;
    }
    bare_file.close().await.expect("a file");
    let acks = load.acks.borrow().clone();
    let (mut writes, mut syncs) = (histogram(), histogram());
    let mut frames = 0;
    for partition in load.store.stats() {
        writes.add(&partition.write_us).expect("the same bounds");
        syncs.add(&partition.sync_us).expect("the same bounds");
        frames += partition.frames;
    }
    println!(
        "| {:?} | {} | {rate} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
        config.durability,
        data.partitions(),
        acks.value_at_quantile(0.5),
        acks.value_at_quantile(0.99),
        acks.value_at_quantile(0.999),
        writes.value_at_quantile(0.5),
        writes.value_at_quantile(0.99),
        syncs.value_at_quantile(0.5),
        syncs.value_at_quantile(0.99),
        bare.value_at_quantile(0.5),
        bare.value_at_quantile(0.99),
        load.written as f64 / frames.max(1) as f64,
    );
    let Ok(store) = Rc::try_unwrap(load.store) else { panic!("an append is still in flight") };
    store.close().await.expect("a good end");
}

async fn measure_bare(file: &monoio::fs::File, times_us: &mut Histogram<u64>) {
    let end = Instant::now() + BARE_SLICE;
    let mut at = 0;
    while Instant::now() < end {
        let start = Instant::now();
        let (written, _) = file.write_all_at(vec![7_u8; 4_096], at % BARE_BYTES).await;
        written.expect("a disk that works");
        file.sync_data().await.expect("a disk that works");
        times_us.saturating_record(start.elapsed().as_micros() as u64);
        at += 4_096;
    }
}

fn bare_file(dir: &Path) -> File {
    let path = dir.join("bare");
    fs::write(&path, vec![0; BARE_BYTES as usize]).expect("a file");
    let file = File::options().write(true).open(path).expect("a file");
    file.sync_all().expect("a disk that works");
    file
}

/// What waits for the next group of one partition.
#[derive(Default)]
struct Lane {
    waiting: Vec<(usize, Instant)>,
    in_flight: bool,
}

struct Load {
    store: Rc<Store>,
    docs: Rc<Vec<(DocKey, PartitionId)>>,
    next: Rc<RefCell<Vec<u64>>>,
    lanes: Rc<Vec<RefCell<Lane>>>,
    acks: Rc<RefCell<Histogram<u64>>>,
    turn: usize,
    written: usize,
}

impl Load {
    fn new(store: Rc<Store>, partitions: u16) -> Self {
        let placement = Placement::new(partitions, 1);
        let docs = (0..DOCUMENTS).map(|n| DocKey::new("bench", &format!("document {n}")));
        let docs = docs.map(|doc| (doc.clone(), placement.partition(&doc))).collect();
        Self {
            store,
            docs: Rc::new(docs),
            next: Rc::new(RefCell::new(vec![1; DOCUMENTS])),
            lanes: Rc::new((0..partitions).map(|_| RefCell::default()).collect()),
            acks: Rc::new(RefCell::new(histogram())),
            turn: 0,
            written: 0,
        }
    }

    /// Puts operations at an even rate; each partition's next group goes when its last is back, as
    /// the core does it.
    async fn run(&mut self, rate: usize, time: Duration) {
        let start = Instant::now();
        let mut put = 0;
        while start.elapsed() < time {
            let due = (start.elapsed().as_secs_f64() * rate as f64) as usize;
            let now = Instant::now();
            while put < due {
                let doc = self.turn % DOCUMENTS;
                self.turn += 7;
                let partition = self.docs[doc].1;
                self.lanes[usize::from(partition.0)].borrow_mut().waiting.push((doc, now));
                put += 1;
            }
            for lane in 0..self.lanes.len() {
                self.flush(lane);
            }
            monoio::time::sleep(Duration::from_micros(200)).await;
        }
        self.written += put;
        while self.lanes.iter().any(|lane| lane.borrow().in_flight) {
            monoio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn flush(&self, index: usize) {
        {
            let mut lane = self.lanes[index].borrow_mut();
            if lane.in_flight || lane.waiting.is_empty() {
                return;
            }
            lane.in_flight = true;
        }
        let (store, docs, next) =
            (Rc::clone(&self.store), Rc::clone(&self.docs), Rc::clone(&self.next));
        let (lanes, acks) = (Rc::clone(&self.lanes), Rc::clone(&self.acks));
        monoio::spawn(async move {
            loop {
                let group = std::mem::take(&mut lanes[index].borrow_mut().waiting);
                if group.is_empty() {
                    break;
                }
                let records = group.iter().map(|&(doc, _)| {
                    let seq = &mut next.borrow_mut()[doc];
                    *seq += 1;
                    op(&docs[doc].0, *seq - 1)
                });
                let append = store.append(PartitionId(index as u16), records.collect());
                append.await.expect("a disk that works");
                let mut acks = acks.borrow_mut();
                for (_, put) in group {
                    acks.saturating_record(put.elapsed().as_micros() as u64);
                }
            }
            drop(store);
            lanes[index].borrow_mut().in_flight = false;
        });
    }
}

fn op(doc: &DocKey, seq: u64) -> Record {
    static BODY: [u8; OP_BYTES] = [b'x'; OP_BYTES];
    let ends = Arc::from([OP_BYTES as u32]);
    Record::Ops(doc.clone(), OpRun { first: Seq(seq), ends, bytes: Bytes::from_static(&BODY) })
}
