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

use std::sync::{Arc, OnceLock};

use access::Principal;
use api::{ChangeView, Kind, Problem};
use axum::extract::FromRef;
use axum::extract::ws::Utf8Bytes;
use parking::LotId;
use service_kit::{Lifecycle, ServiceContext};
use sessions::{FollowedChange, LEDGER_DEADLINE, ScopedService, Service};
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

/// A change, serialized once for all clients that see plates, and once for those that see masks.
#[derive(Debug)]
struct Announcement {
    change: FollowedChange,
    whole: OnceLock<Utf8Bytes>,
    masked: OnceLock<Utf8Bytes>,
}

impl Announcement {
    const fn of(change: FollowedChange) -> Self {
        Self { change, whole: OnceLock::new(), masked: OnceLock::new() }
    }

    const fn sequence(&self) -> u64 {
        self.change.sequence()
    }

    const fn lot(&self) -> &LotId {
        self.change.lot()
    }

    /// The message for a client.
    fn message(&self, viewer: &ScopedService) -> Message {
        let text = if viewer.sees_plates() { &self.whole } else { &self.masked };
        let written = || {
            let view = ChangeView::from(&self.change.seen_by(viewer));
            Utf8Bytes::from(serde_json::to_string(&view).expect("strings and numbers are always JSON"))
        };
        Message { sequence: self.sequence(), text: text.get_or_init(written).clone() }
    }
}

/// A serialized change, as a client may see it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The sequence number of the change.
    pub(crate) sequence: u64,
    /// The JSON: an element of `/api/v1/changes`.
    pub(crate) text: Utf8Bytes,
}

/// A broadcast to all clients that are at the newest change.
#[derive(Debug, Clone)]
enum Announced {
    Change(Arc<Announcement>),
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

    /// Subscribes a client to the changes after `after`, or else after the newest one; of one lot, or of all that it may see.
    pub(crate) async fn join(
        &self,
        after: Option<u64>,
        lot: Option<&LotId>,
        viewer: &ScopedService,
    ) -> Result<Subscription, Refused> {
        let lots = viewer.readable(lot)?;
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
        Ok(Subscription::new(slot, after, lots, viewer.clone()))
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
