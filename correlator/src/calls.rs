//! Calls to the ledger: retries during an outage, and bisection to find rejected items.
//!
//! A call of many items may be rejected because of one of them. It is repeated in halves until the rejected item is
//! alone, so that the others are recorded. The caller handles the rejected item.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use recorder::{Error, Recorder};
use service_kit::traces::TraceContext;
use service_kit::{Backoff, Lifecycle};

use crate::ledger_health::{Call, LedgerHealth};
use crate::metrics::Metrics;

/// The stop came while the ledger was down. Messages in flight are redelivered after the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShutDown;

/// Why the ledger rejects the content of a call, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected(pub(crate) String);

/// One call of a recorder with some items, such as [`Recorder::record`].
pub(crate) type Ask<Item, Answer> =
    for<'a> fn(&'a dyn Recorder, &'a [Item], TraceContext) -> BoxFuture<'a, Result<Vec<Answer>, Error>>;

/// Makes the calls of one correlator.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) health: LedgerHealth,
    pub(crate) metrics: Metrics,
    pub(crate) lifecycle: Lifecycle,
}

impl Calls {
    /// Makes one call for all items and returns the answers in order. Single items may be rejected.
    pub(crate) async fn in_parts<Item, Answer>(
        &self,
        call: Call,
        items: &[Item],
        trace: TraceContext,
        ask: Ask<Item, Answer>,
    ) -> Result<Vec<Result<Answer, Rejected>>, ShutDown> {
        let mut waiting = vec![items];
        let mut answers = Vec::with_capacity(items.len());
        while let Some(part) = waiting.pop() {
            match self.patiently(call, || ask(self.recorder.as_ref(), part, trace)).await? {
                Ok(answered) => answers.extend(answered.into_iter().map(Ok)),
                Err(rejected) if part.len() <= 1 => answers.push(Err(rejected)),
                Err(_) => {
                    let (first, rest) = part.split_at(part.len() / 2);
                    waiting.extend([rest, first]);
                }
            }
        }
        Ok(answers)
    }

    /// Repeats a call until the ledger accepts or rejects it. After the stop, the first failure is final.
    pub(crate) async fn patiently<T, F>(
        &self,
        call: Call,
        attempt: impl Fn() -> F,
    ) -> Result<Result<T, Rejected>, ShutDown>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let health = self.health.of(call);
        let mut backoff = Backoff::default();
        loop {
            let error = match attempt().await {
                Ok(answer) => {
                    health.up();
                    return Ok(Ok(answer));
                }
                Err(Error::Rejected(reason)) => {
                    health.up();
                    return Ok(Err(Rejected(reason)));
                }
                Err(error @ (Error::Unavailable(_) | Error::Refused(_))) => error,
            };
            tracing::debug!(%error, "{} failed, retrying", call.as_str());
            health.down(error.to_string());
            if !backoff.wait(&self.lifecycle).await {
                return Err(ShutDown);
            }
            self.metrics.tried_again(call);
        }
    }
}
