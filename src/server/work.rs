//! Work beside the shard: the store and REST. Each piece comes back as one event.

use super::flag::caught;
use super::mailbox::Letter;
use super::shard_loop::Core;
use super::step::Step;
use crate::http::{self, Errand, Response, Upload};
use crate::runtime::spawn;
use bytes::Bytes;
use futures_channel::oneshot;
use levee_core::event::{Event, SummaryOutcome};
use levee_core::git::SummaryVerdict;
use levee_core::http_request::HttpRequest;
use levee_core::ids::{BatchId, ConnId, DocKey, PartitionId, Seq, ShardId};
use levee_core::record::{Record, StoreFault};
use levee_core::summary::SummaryJob;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;

/// What a request gets whose handler panicked.
fn broken() -> Response {
    const BYTES: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\n\
        access-control-allow-origin: *\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    Response { bytes: Bytes::from_static(BYTES), close: true }
}

/// The way back to who waits for the end of a deletion.
type Deleted = oneshot::Sender<Result<(), StoreFault>>;

/// The work that is under way.
#[derive(Default)]
pub(super) struct Work {
    count: Cell<usize>,
    /// Who waits for the end of a deletion.
    deletions: RefCell<HashMap<DocKey, Vec<Deleted>>>,
}

impl Work {
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }
}

impl Core {
    /// Starts a piece of work. When it panics, `otherwise` is what comes of it.
    fn begin<T: 'static>(
        self: &Rc<Self>,
        what: &'static str,
        job: impl Future<Output = T> + 'static,
        otherwise: T,
        done: impl FnOnce(&Rc<Self>, T) + 'static,
    ) {
        let core = self.clone();
        core.work.count.set(core.work.count.get() + 1);
        spawn(async move {
            let result = caught(core.watched(job)).await.unwrap_or_else(|| {
                core.panicked(what);
                otherwise
            });
            core.work.count.set(core.work.count.get() - 1);
            done(&core, result);
        });
    }

    /// Polls a job in view of the watchdog.
    async fn watched<T>(&self, job: impl Future<Output = T>) -> T {
        let mut job = pin!(job);
        poll_fn(|context| self.during(Step::Work, || job.as_mut().poll(context))).await
    }

    pub(super) fn append(
        self: &Rc<Self>,
        partition: PartitionId,
        batch: BatchId,
        records: Vec<Record>,
    ) {
        // The order of groups is that of these calls, not of the tasks.
        let appending = self.store.append(partition, records);
        self.begin("append", appending, Err(StoreFault::DiskFailed), move |core, result| {
            core.handle(Event::Persisted { partition, batch, result });
        });
    }

    pub(super) fn load(self: &Rc<Self>, doc: DocKey) {
        let (store, key) = (self.store.clone(), doc.clone());
        let loading = async move { store.load(&key).await.map(|image| image.map(Box::new)) };
        self.begin("load", loading, Err(StoreFault::Damaged), move |core, image| {
            core.handle(Event::Loaded { doc, image });
        });
    }

    pub(super) fn summarize(self: &Rc<Self>, doc: DocKey, seq: Seq, job: Box<SummaryJob>) {
        let (core, key) = (self.clone(), doc.clone());
        let deciding = async move {
            let store = &core.store;
            let verdict = store.run(&key, move |objects| job.run(objects)).await?;
            let verdict = verdict.map_err(|_| StoreFault::Damaged)?;
            let outcome = SummaryOutcome::from(&verdict);
            if let SummaryVerdict::Ack { new_objects, .. } = verdict {
                let _upload = Upload::begin(&core.context, &key)?;
                store.put_objects(&key, new_objects).await?;
            }
            Ok(outcome)
        };
        self.begin("summary", deciding, Err(StoreFault::Damaged), move |core, verdict| {
            core.handle(Event::Summarized { doc, seq, verdict });
        });
    }

    /// Deletes a document of this core; what comes of it is told when everything of it is gone.
    pub fn start_deletion(
        self: &Rc<Self>,
        doc: DocKey,
    ) -> oneshot::Receiver<Result<(), StoreFault>> {
        let (done, deleted) = oneshot::channel();
        self.work.deletions.borrow_mut().entry(doc.clone()).or_default().push(done);
        self.handle(Event::Delete { doc });
        deleted
    }

    pub(super) fn delete(self: &Rc<Self>, doc: DocKey) {
        let (store, key) = (self.store.clone(), doc.clone());
        let deleting = async move { store.delete(&key).await };
        self.begin("delete", deleting, Err(StoreFault::Damaged), move |core, result| {
            let waiting = core.work.deletions.borrow_mut().remove(&doc);
            core.handle(Event::Deleted { doc });
            for done in waiting.into_iter().flatten() {
                // Who has gone meanwhile needs no answer.
                let _ = done.send(result);
            }
        });
    }

    /// A request of a socket of this core: answered here, or where its document is.
    pub(super) fn request(self: &Rc<Self>, conn: ConnId, mut request: Box<HttpRequest>) {
        let document = http::document_of(&mut request, &self.context.random);
        match document.map(|doc| self.context.placement.shard(&doc)) {
            Some(home) if home != self.id => self.post(home, Letter::Request { conn, request }),
            Some(_) | None => self.answer(request, move |core, response| {
                core.responded(conn, response);
            }),
        }
    }

    /// A request of a socket of another core.
    pub(super) fn foreign_request(
        self: &Rc<Self>,
        from: ShardId,
        conn: ConnId,
        request: Box<HttpRequest>,
    ) {
        self.answer(request, move |core, Response { bytes: response, close }| {
            core.post(from, Letter::Response { conn, response, close });
        });
    }

    /// Has another core do something.
    pub fn send_errand(&self, to: ShardId, errand: Errand) {
        self.post(to, Letter::Errand(Box::new(errand)));
    }

    /// An errand of another core. One that panics is dropped with its way back, which tells.
    pub(super) fn run_errand(self: &Rc<Self>, errand: Errand) {
        let core = self.clone();
        let running = async move { http::run_errand(&core.context, errand).await };
        self.begin("errand", running, (), |_, ()| {});
    }

    pub(super) fn responded(self: &Rc<Self>, conn: ConnId, response: Response) {
        let Response { bytes: response, close } = response;
        self.handle(Event::Responded { conn, response, close });
    }

    fn answer(
        self: &Rc<Self>,
        request: Box<HttpRequest>,
        done: impl FnOnce(&Rc<Self>, Response) + 'static,
    ) {
        let core = self.clone();
        let answering = async move { http::respond(&core.context, &request).await };
        self.begin("request", answering, broken(), done);
    }
}
