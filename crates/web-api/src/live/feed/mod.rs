//! The live feed: the ledger's changes, as they are committed, to any number of clients up to [`CLIENTS_MAX`].
//!
//! One task per process ([`follow`]) reads new changes, once for all clients, and only while there are any. Each client
//! has a [`Subscription`]: it reads from the ledger up to the newest change, and from then on from a ring buffer. A
//! client more than [`QUEUE_MESSAGES_MAX`] messages behind is disconnected, so no client delays the recording. A client
//! that reconnects with the last number it saw misses nothing, however old that is.
//!
//! WebSocket, server-sent events and their addresses are left to the module above.

mod follow;
mod metrics;
mod subscription;

use std::sync::Arc;

use access::{Lots, Principal};
use api::{ChangeView, Kind, Problem};
use axum::extract::FromRef;
use axum::extract::ws::Utf8Bytes;
use parking::LotId;
use service_kit::{Lifecycle, ServiceContext};
use sessions::{Changed, LEDGER_DEADLINE, ScopedService, Service};
use tokio::sync::{Semaphore, broadcast, watch};

use metrics::LiveMetrics;

pub(crate) use subscription::{Ended, Subscription};

/// The most concurrent clients.
pub(crate) const CLIENTS_MAX: usize = 256;
/// The most messages that wait for a client.
pub(crate) const QUEUE_MESSAGES_MAX: usize = 256;

/// The live feed of one process. Cheap to clone; all clones share one feed.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    inner: Arc<Inner>,
    service: Service,
}

impl FromRef<Live> for Service {
    fn from_ref(live: &Live) -> Self {
        live.service.clone()
    }
}

#[derive(Debug)]
struct Inner {
    service: ScopedService,
    lifecycle: Lifecycle,
    audience: watch::Sender<Audience>,
    messages: broadcast::Sender<Announced>,
    /// The permit to read old changes from the ledger, for clients that are not at the newest change yet.
    catching_up: Semaphore,
    metrics: LiveMetrics,
}

/// The number of clients, and whether the task follows the ledger for them.
#[derive(Debug, Default)]
struct Audience {
    clients: usize,
    is_followed: bool,
}

/// A serialized change.
#[derive(Debug)]
pub(crate) struct Message {
    /// The sequence number of the change.
    pub(crate) sequence: u64,
    /// The lot of its session.
    pub(crate) lot: LotId,
    /// The JSON: an element of `/api/v1/changes`.
    pub(crate) text: Utf8Bytes,
}

impl Message {
    fn of(changed: &Changed) -> Self {
        let view = ChangeView::from(changed);
        let text = serde_json::to_string(&view).expect("strings and numbers are always JSON");
        Self {
            sequence: changed.change.sequence,
            lot: changed.session.session.vehicle.lot.clone(),
            text: Utf8Bytes::from(text),
        }
    }
}

/// A broadcast to all clients that are at the newest change.
#[derive(Debug, Clone)]
enum Announced {
    Change(Arc<Message>),
    /// The task skipped changes, because too many were committed.
    Skipped,
}

/// The reason why a client can't join.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the live feed has {CLIENTS_MAX} clients, the maximum; try again later, or poll /api/v1/changes")]
    Full,
    #[error("the summary API is stopping")]
    Stopping,
    #[error(transparent)]
    Service(#[from] sessions::Error),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::new(Kind::Full, refused.to_string()),
            Refused::Stopping => Self::new(Kind::Unavailable, refused.to_string()),
            Refused::Service(error) => error.into(),
        }
    }
}

impl Live {
    /// Starts the feed of a service: its task and its metrics.
    pub(crate) fn start(service: &Service, context: &ServiceContext) -> Self {
        let metrics =
            LiveMetrics::register(&context.registry).expect("these names are registered here only, always in one form");
        let inner = Arc::new(Inner {
            service: service.scoped(Principal::system("live feed")),
            lifecycle: context.lifecycle.clone(),
            audience: watch::Sender::default(),
            messages: broadcast::Sender::new(QUEUE_MESSAGES_MAX),
            catching_up: Semaphore::new(1),
            metrics,
        });
        let follower = Arc::clone(&inner);
        context.lifecycle.spawn("live feed", async move {
            follow::run(&follower).await;
            Ok(())
        });
        Self { inner, service: service.clone() }
    }

    /// Subscribes a client to the changes after `after`, or else after the newest one; of these lots.
    pub(crate) async fn join(&self, after: Option<u64>, lots: Lots) -> Result<Subscription, Refused> {
        let slot = ClientSlot::reserve(&self.inner)?;
        let mut audience = self.inner.audience.subscribe();
        let followed = async { audience.wait_for(|audience| audience.is_followed).await.is_ok() };
        tokio::select! {
            biased;
            () = self.inner.lifecycle.stopping() => return Err(Refused::Stopping),
            followed = tokio::time::timeout(LEDGER_DEADLINE, followed) => {
                if followed != Ok(true) {
                    return Err(sessions::Error::TooSlow.into());
                }
            }
        }
        let after = match after {
            Some(after) => after,
            None => self.inner.service.last_change().await?,
        };
        Ok(Subscription::new(slot, after, lots))
    }
}

/// One of the [`CLIENTS_MAX`] slots, until it is dropped.
#[derive(Debug)]
struct ClientSlot {
    inner: Arc<Inner>,
}

impl ClientSlot {
    fn reserve(inner: &Arc<Inner>) -> Result<Self, Refused> {
        let is_reserved = inner.audience.send_if_modified(|audience| {
            let is_free = audience.clients < CLIENTS_MAX;
            audience.clients += usize::from(is_free);
            is_free
        });
        if !is_reserved {
            return Err(Refused::Full);
        }
        inner.metrics.joined();
        Ok(Self { inner: Arc::clone(inner) })
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.inner.audience.send_modify(|audience| audience.clients -= 1);
        self.inner.metrics.left();
    }
}

/// The limits of the feed, by name.
pub(crate) fn limits() -> [(&'static str, u64); 3] {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("live_clients", count(CLIENTS_MAX)),
        ("live_queue_messages", count(QUEUE_MESSAGES_MAX)),
        ("live_behind_changes", follow::BEHIND_CHANGES_MAX),
    ]
}

#[cfg(test)]
mod tests;
