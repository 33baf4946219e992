//! The worker threads that parse, check and execute GraphQL requests.
//!
//! A request may keep a processor busy, so it runs on a thread of this pool: whatever the load, the threads of the
//! runtime continue to serve health checks, recording and the shutdown. Reads of the ledger run on the runtime; the
//! worker awaits them. Requests beyond the queue are refused, and so are those in the queue at a shutdown.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use api::{Kind, Problem};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use service_kit::Lifecycle;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The number of threads: requests that are executed concurrently.
pub(super) const THREADS: usize = 4;
/// The most requests in the queue.
pub(super) const QUEUED_REQUESTS_MAX: usize = 256;
/// The stack of a thread, bytes. A request of [`NESTING_BRACKETS_MAX`](super::scan::NESTING_BRACKETS_MAX) brackets
/// needs a small part of it.
const STACK_BYTES: usize = 8 * 1024 * 1024;

type Job = (Handle, BoxFuture<'static, ()>);

/// The thread pool. The threads end when all clones are dropped.
#[derive(Clone)]
pub(super) struct Workers {
    queue: SyncSender<Job>,
    lifecycle: Lifecycle,
}

impl Workers {
    /// Starts the threads.
    pub(super) fn start(lifecycle: &Lifecycle) -> Self {
        let (queue, jobs) = sync_channel(QUEUED_REQUESTS_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..THREADS {
            let (jobs, lifecycle) = (Arc::clone(&jobs), lifecycle.clone());
            let thread = std::thread::Builder::new().name(format!("graphql {number}")).stack_size(STACK_BYTES);
            if let Err(error) = thread.spawn(move || work(&jobs, &lifecycle)) {
                tracing::error!(%error, "can't start a GraphQL worker thread");
            }
        }
        Self { queue, lifecycle: lifecycle.clone() }
    }

    /// Runs `work` on one of the threads. Dropping the returned future cancels `work` at its next await.
    ///
    /// # Errors
    /// All threads are busy and the queue is full, the process shuts down, or `work` panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let job = answer_unless_closed(reply, work).boxed();
        self.queue.try_send((Handle::current(), job)).map_err(|error| match error {
            TrySendError::Full(_) => Problem::new(
                Kind::Full,
                format!("too many GraphQL requests: {THREADS} are running and {QUEUED_REQUESTS_MAX} are waiting"),
            ),
            TrySendError::Disconnected(_) => Problem::new(Kind::Unavailable, "no GraphQL worker thread is running"),
        })?;
        answer.await.map_err(|_| {
            if self.lifecycle.is_stopping() {
                return Problem::new(Kind::Unavailable, "the summary API is stopping");
            }
            Problem::new(Kind::Internal, Kind::Internal.meaning())
        })
    }
}

async fn answer_unless_closed<T>(mut reply: oneshot::Sender<T>, work: impl Future<Output = T>) {
    let answer = tokio::select! {
        biased;
        () = reply.closed() => return,
        answer = work => answer,
    };
    // Fails if the caller no longer waits; the result is not needed then.
    drop(reply.send(answer));
}

/// Runs jobs until the queue is closed. A panic ends only its own job.
fn work(jobs: &Mutex<Receiver<Job>>, lifecycle: &Lifecycle) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((runtime, job)) = job else { return };
        if lifecycle.is_stopping() {
            continue;
        }
        // The handle provides the timers, sockets and tasks of the runtime; the job itself runs on this thread.
        if std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(job))).is_err() {
            tracing::error!("a GraphQL request panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use service_kit::ServiceContext;

    use super::*;

    fn start() -> Workers {
        Workers::start(&ServiceContext::for_testing().lifecycle)
    }

    #[tokio::test]
    async fn at_a_shutdown_waiting_requests_are_refused_and_running_ones_finish() {
        let workers = start();
        let mut running = Vec::new();
        for _ in 0..THREADS {
            let (begun, begins) = oneshot::channel::<()>();
            let (go, waits) = oneshot::channel::<()>();
            let workers = workers.clone();
            let work = async move { begun.send(()).is_ok() && waits.await.is_ok() };
            running.push((tokio::spawn(async move { workers.run(work).await }), go));
            begins.await.unwrap();
        }
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(workers.run(async {}))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));

        workers.lifecycle.stop();
        for (ended, go) in running {
            go.send(()).unwrap();
            assert_eq!(ended.await.unwrap(), Ok(true));
        }

        for one in waiting {
            assert_eq!(one.await.unwrap_err().status(), 503);
        }
    }

    #[tokio::test]
    async fn a_job_runs_on_a_worker_thread_and_awaits_tasks_of_the_runtime() {
        let workers = start();
        let here = std::thread::current().id();
        let ran = workers.run(async move {
            let elsewhere = tokio::spawn(async { std::thread::current().id() }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            (elsewhere == here, std::thread::current().id() == here)
        });
        assert_eq!(ran.await, Ok((true, false)));
    }

    #[tokio::test]
    async fn a_caller_of_work_that_takes_too_long_can_time_out() {
        let workers = start();
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let busy = workers.run(async move {
            while !seen.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let waited = tokio::time::timeout(Duration::from_millis(10), busy).await;
        is_over.store(true, Ordering::Relaxed);
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_job() {
        let workers = start();
        for _ in 0..2 * THREADS {
            let ended = workers.run(async { panic!("on purpose") }).await;
            assert_eq!(ended, Err::<(), _>(Problem::new(Kind::Internal, Kind::Internal.meaning())));
        }
        assert_eq!(workers.run(async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn jobs_beyond_the_queue_are_refused_and_jobs_without_a_caller_are_cancelled() {
        let workers = start();
        let busy = || {
            let workers = workers.clone();
            tokio::spawn(async move { workers.run(std::future::pending::<()>()).await })
        };
        let all: Vec<_> = (0..THREADS + QUEUED_REQUESTS_MAX).map(|_| busy()).collect();
        let refused = loop {
            if let Some(Err(problem)) = workers.run(std::future::ready(())).now_or_never() {
                break problem;
            }
            // Jobs take a moment to reach the threads.
            tokio::task::yield_now().await;
        };
        assert_eq!(refused.status().as_u16(), 503);

        all.iter().for_each(tokio::task::JoinHandle::abort);

        while workers.run(async { 1 }).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
