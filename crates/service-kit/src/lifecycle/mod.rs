//! Stopping a process: first a soft stop (no new work, finish work in flight), then, after a timeout, a hard stop.
//!
//! A task that fails or panics before the stop stops the whole process with a failure: half a service is worse than a
//! restarted one. Each task decides what a soft stop means.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// `timeout`, a shell and a terminal may each pass on the signal that stops a group of processes: another signal
/// within this time after the first one counts as the same.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The error of a task.
pub type TaskError = Box<dyn StdError + Send + Sync>;

/// Why a process did not end regularly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A task returned an error before the stop.
    #[error("{name} failed")]
    TaskFailed {
        /// The task.
        name: String,
        /// Its error.
        source: TaskError,
    },
    /// A task panicked: a defect of the program.
    #[error("{name} panicked: {message}")]
    TaskPanicked {
        /// The task.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// Some work was cut off; it is repeated after the next start.
    #[error("the stop cut off unfinished work in: {}; the next start repeats it", .unfinished.join(", "))]
    CutOff {
        /// The tasks that had not finished.
        unfinished: Vec<String>,
    },
    /// Signals cannot be received.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// The two stops of a process and its tasks. Cheap to clone; all clones share the state.
#[derive(Clone, Default)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<u64, String>,
    spawned: u64,
    failure: Option<Error>,
    cut_off: Vec<String>,
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lifecycle")
            .field("stopping", &self.is_stopping())
            .field("aborted", &self.is_aborted())
            .field("running", &self.running())
            .finish()
    }
}

impl Lifecycle {
    /// A new lifecycle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for the soft stop: take no new work, finish and acknowledge work in flight.
    pub async fn stopping(&self) {
        self.inner.soft.cancelled().await;
    }

    /// Waits for the hard stop. [Spawned](Self::spawn) tasks are dropped then and need not wait for it.
    pub async fn aborted(&self) {
        self.inner.hard.cancelled().await;
    }

    /// Whether the soft stop has come.
    pub fn is_stopping(&self) -> bool {
        self.inner.soft.is_cancelled()
    }

    /// Whether the hard stop has come.
    pub fn is_aborted(&self) -> bool {
        self.inner.hard.is_cancelled()
    }

    /// The soft stop as a token, for libraries. Cancelling the token is like calling [`stop`](Self::stop).
    pub fn soft_token(&self) -> CancellationToken {
        self.inner.soft.clone()
    }

    /// The hard stop as a token.
    pub fn hard_token(&self) -> CancellationToken {
        self.inner.hard.clone()
    }

    /// Begins the soft stop.
    pub fn stop(&self) {
        self.inner.soft.cancel();
    }

    /// Begins the hard stop: every spawned task is dropped at its next wait.
    pub fn abort(&self) {
        self.inner.soft.cancel();
        self.inner.hard.cancel();
    }

    /// The names of the running tasks.
    pub fn running(&self) -> Vec<String> {
        self.state().running.values().cloned().collect()
    }

    /// Runs a task until it ends, or until the hard stop. It may end regularly at any time; an error or a panic
    /// before the stop stops the process, and [`finished`](Self::finished) returns it.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let name = name.into();
        let number = self.enter(&name);
        let hard = self.inner.hard.clone();
        let work = self.inner.tasks.spawn(async move {
            tokio::select! {
                ended = task => Some(ended),
                () = hard.cancelled() => None,
            }
        });
        let lifecycle = self.clone();
        self.inner.tasks.spawn(async move {
            match work.await {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(source))) => lifecycle.fail(Error::TaskFailed { name: name.clone(), source }),
                Ok(None) => lifecycle.state().cut_off.push(name),
                Err(error) => lifecycle.fail(Error::TaskPanicked { name, message: panic_message(error) }),
            }
            lifecycle.state().running.remove(&number);
        });
    }

    /// Runs a future that is not a task of its own, but that the drain waits for. `None` if it was cut off.
    pub(crate) async fn run_here<F: Future>(&self, name: &str, work: F) -> Option<F::Output> {
        let _counted = self.inner.tasks.token();
        let number = self.enter(name);
        let ended = tokio::select! {
            ended = work => Some(ended),
            () = self.aborted() => None,
        };
        let mut state = self.state();
        state.running.remove(&number);
        if ended.is_none() {
            state.cut_off.push(name.to_owned());
        }
        ended
    }

    /// Waits for the soft stop and then for all tasks, at most `drain`; unfinished tasks are cut off then.
    pub async fn finished(&self, drain: Duration) -> Result<(), Error> {
        // A task that is cut off ends at its next await; one without an await would block the process for ever.
        const CUT_OFF_MAX: Duration = Duration::from_secs(1);
        self.stopping().await;
        self.inner.tasks.close();
        tokio::select! {
            () = self.inner.tasks.wait() => {}
            () = self.aborted() => {}
            () = tokio::time::sleep(drain) => {
                tracing::warn!(unfinished = ?self.running(), "the stop takes too long, cutting off unfinished work");
            }
        }
        self.abort();
        let ended = tokio::time::timeout(CUT_OFF_MAX, self.inner.tasks.wait()).await;
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let mut unfinished = std::mem::take(&mut state.cut_off);
        if ended.is_err() {
            unfinished.extend(state.running.values().cloned());
        }
        if unfinished.is_empty() { Ok(()) } else { Err(Error::CutOff { unfinished }) }
    }

    /// Runs until SIGINT or SIGTERM (or [`stop`](Self::stop), or a failing task), then finishes within `drain`. A
    /// second signal, a second or more after the first, cuts off at once.
    pub async fn run_until_signal(self, drain: Duration) -> Result<(), Error> {
        self.watch_signals(true)?;
        self.finished(drain).await
    }

    /// From now on the first SIGINT or SIGTERM begins the soft stop and the second one the hard stop; signals within
    /// a second of the first count as the first. `is_told` enables the log line of the first one. Needs a Tokio
    /// runtime.
    pub fn watch_signals(&self, is_told: bool) -> Result<(), Error> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let lifecycle = self.clone();
        // Not on the tracker: the watch ends with the runtime, and the drain must not wait for it.
        tokio::spawn(async move {
            let first = received(&mut interrupt, &mut terminate).await;
            if is_told {
                tracing::info!(signal = first, "stopping: finishing work in flight");
            }
            lifecycle.stop();
            same_signal(&mut interrupt, &mut terminate).await;
            let second = received(&mut interrupt, &mut terminate).await;
            tracing::warn!(signal = second, "second signal: stopping at once");
            lifecycle.abort();
        });
        Ok(())
    }

    fn enter(&self, name: &str) -> u64 {
        let mut state = self.state();
        state.spawned += 1;
        let number = state.spawned;
        state.running.insert(number, name.to_owned());
        number
    }

    /// Only the first failure before the stop is returned; later ones are usually its consequences.
    fn fail(&self, error: Error) {
        let defect = matches!(error, Error::TaskPanicked { .. });
        if self.is_stopping() && !defect {
            tracing::warn!(error = &error as &dyn StdError, "failed during the stop");
            return;
        }
        tracing::error!(error = &error as &dyn StdError, "a task failed, so the process stops");
        self.state().failure.get_or_insert(error);
        self.stop();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn received(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Ignores the signals that count as the first one.
async fn same_signal(interrupt: &mut Signal, terminate: &mut Signal) {
    let mut over = pin!(tokio::time::sleep(SAME_SIGNAL));
    loop {
        tokio::select! {
            () = &mut over => return,
            again = received(interrupt, terminate) => {
                tracing::info!(signal = again, "ignoring a signal this soon after the first");
            }
        }
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled by the runtime".to_owned();
    };
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without words".to_owned(),
    }
}

#[cfg(test)]
mod tests;
