//! Delivers for one webhook while this process has its lease.
//!
//! Changes are read from the ledger behind the webhook's sequence number and put into the queue; what is due is sent,
//! and progress is saved. One task does all that, so nothing here is shared. After a crash everything since the last
//! save is sent again, with equal ids.
//!
//! Here is the loop; `progress` has the ledger's side, `sending` the receivers'.

mod progress;
mod sending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Trouble, WaitingDelivery, Webhook};
use parking::Timestamp;
use service_kit::Lifecycle;
use sessions::{Error, ScopedService};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::queue::Queue;
use crate::sender::{Outcome, Sender};
use progress::READ_INTERVAL;

/// What all deliverers of a process share.
#[derive(Debug)]
pub(crate) struct Parts {
    /// As an administrator.
    pub(crate) service: ScopedService,
    pub(crate) sender: Sender,
    pub(crate) pace: Pace,
    pub(crate) metrics: Metrics,
    pub(crate) lifecycle: Lifecycle,
    /// Who has the leases of this process.
    pub(crate) holder: Uuid,
}

/// What became of an attempt. `None`: there was none, because the ledger could not be read.
type Attempted = (WaitingDelivery, Option<Outcome>);

/// Why a deliverer does not go on.
enum End {
    /// The webhook was removed, another process has its lease, or the process stops.
    Regular,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The deliverer of one webhook.
pub(crate) struct Deliverer {
    parts: Arc<Parts>,
    /// The service as the receiver may see it.
    viewer: ScopedService,
    webhook: watch::Receiver<Webhook>,
    /// Until when nobody else delivers.
    leased_until: Timestamp,
    generation: u64,
    /// The last change that was looked at.
    sequence: u64,
    queue: Queue,
    messages: BTreeMap<u64, Message>,
    breaker: Breaker,
    failing: Option<Trouble>,
    delivered: Option<Timestamp>,
    /// Tasks of their own: they have to go on while this one waits for the ledger, because they hold connections to it.
    in_flight: JoinSet<Attempted>,
    /// Whether something is not saved, and when something was saved last.
    is_unsaved: bool,
    saved_at: Instant,
    /// Whether there may be changes that were not looked at, and when that was done last.
    is_behind: bool,
    read_at: Instant,
    /// The receiver has answered 410.
    is_gone: bool,
}

impl Deliverer {
    /// The deliverer of a webhook whose lease this process has taken.
    pub(crate) fn new(parts: Arc<Parts>, viewer: ScopedService, webhook: watch::Receiver<Webhook>) -> Self {
        let now = Instant::now();
        Self {
            parts,
            viewer,
            webhook,
            leased_until: Timestamp::from_millis(0),
            generation: 0,
            sequence: 0,
            queue: Queue::default(),
            messages: BTreeMap::new(),
            breaker: Breaker::default(),
            failing: None,
            delivered: None,
            in_flight: JoinSet::new(),
            is_unsaved: false,
            saved_at: now,
            is_behind: true,
            read_at: now,
            is_gone: false,
        }
    }

    /// Delivers until the webhook is removed, the lease is lost, or the process stops.
    pub(crate) async fn run(mut self) {
        let id = self.id();
        let ended = match self.load().await {
            Ok(()) => self.deliver().await,
            Err(end) => end,
        };
        self.finish().await;
        if let End::Failed(error) = ended {
            // That the ledger is down is reported as a dependency. The webhook is taken up again.
            tracing::debug!(%id, %error, "deliveries to a webhook pause: the ledger can't be used");
        }
    }

    async fn deliver(&mut self) -> End {
        let mut commits = self.parts.service.commits();
        loop {
            if self.parts.lifecycle.is_stopping() || self.webhook.has_changed().is_err() {
                return End::Regular;
            }
            if let Err(end) = self.work().await {
                return end;
            }
            let lifecycle = self.parts.lifecycle.clone();
            let (is_sending, idle) = (!self.in_flight.is_empty(), self.idle_time());
            tokio::select! {
                biased;
                () = lifecycle.stopping() => {}
                Some(attempted) = next_attempted(&mut self.in_flight), if is_sending => self.attempted(attempted).await,
                changed = self.webhook.changed() => if changed.is_err() { return End::Regular },
                Ok(()) = commits.changed(), if !self.is_behind => self.is_behind = true,
                () = tokio::time::sleep(idle) => {}
            }
        }
    }

    /// Everything that can be done now without waiting for a receiver.
    async fn work(&mut self) -> Result<(), End> {
        self.extend_lease().await?;
        // What was read once a second may be older than what was loaded.
        if self.webhook.borrow_and_update().generation > self.generation {
            // Another attempt of a delivery must not overtake the one under way.
            while let Some(attempted) = next_attempted(&mut self.in_flight).await {
                self.attempted(attempted).await;
            }
            self.load().await?;
        }
        if !self.is_paused() {
            self.read_changes().await?;
            self.send_due();
        }
        if self.is_unsaved && self.saved_at.elapsed() >= self.parts.pace.save {
            self.save().await?;
        }
        Ok(())
    }

    fn id(&self) -> Uuid {
        self.webhook.borrow().id
    }

    fn now(&self) -> Timestamp {
        self.viewer.now()
    }

    fn is_paused(&self) -> bool {
        self.is_gone || self.webhook.borrow().paused.is_some()
    }

    /// How long nothing has to be done, unless something happens.
    fn idle_time(&self) -> Duration {
        let now = self.now();
        let until = |at: Timestamp| Duration::from_millis(u64::try_from(at.millis_since(now)).unwrap_or(0));
        let mut idle = self.parts.pace.poll;
        if self.is_paused() {
            return idle;
        }
        let requests_max = self.breaker.requests_max(&self.parts.pace, now);
        if requests_max == 0 {
            idle = idle.min(until(self.breaker.opens_at()));
        } else if self.in_flight.len() < requests_max {
            idle = idle.min(self.queue.next_due().map_or(idle, until));
            if self.may_read(now) {
                idle = idle.min(READ_INTERVAL);
            }
        }
        if self.is_unsaved { idle.min(self.parts.pace.save) } else { idle }.max(Duration::from_millis(1))
    }
}

/// Waits for the next attempt to end; `None` without one.
async fn next_attempted(in_flight: &mut JoinSet<Attempted>) -> Option<Attempted> {
    let ended = in_flight.join_next().await?;
    Some(ended.expect("an attempt does not panic, and nobody cancels it"))
}
