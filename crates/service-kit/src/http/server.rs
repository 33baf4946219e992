//! Serving a router on a port, within limits that slow or greedy clients cannot exceed, until the stop.
//!
//! A client that is slow to send its head or body, or that takes nothing of its answer, is cut off; at the limit of
//! connections new ones wait in the system's queue. Limits on sizes are left to the routes.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntGauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;

use super::requests::{ReplyBody, TimedBody, UnderWay};
use crate::metrics::{self, Registry};
use crate::{Backoff, Lifecycle};

/// A connection without a request gets this long after the stop, in case a request is arriving right then.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// What clients may take of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// How long the head of a request may take. A connection may also lie idle this long.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long a client may take nothing of an answer that is sent to it.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            head: Duration::from_secs(20),
            body: Duration::from_secs(15),
            // Less than a stop may take, so that such a client does not hold it.
            answer: Duration::from_secs(8),
        }
    }
}

/// Serves `router` within the default [`Limits`] until the soft stop; requests under way may then finish until the hard
/// stop. A reply that streams without end has to watch the stop itself.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: Lifecycle) {
    Server::default().serve(listener, router, lifecycle).await;
}

/// A server with limits, which it can show as metrics.
#[derive(Debug, Clone, Default)]
pub struct Server {
    limits: Limits,
    open: Option<IntGauge>,
}

impl Server {
    /// A server with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: None }
    }

    /// Shows the connections, and how many there may be, as metrics.
    pub fn shown_in(mut self, registry: &Registry) -> Result<Self, metrics::Error> {
        let max = metrics::gauge(registry, "dwell_http_connections_max", "Connections that may be open at once")?;
        max.set(i64::from(self.limits.connections));
        self.open = Some(metrics::gauge(registry, "dwell_http_connections", "Connections that are open")?);
        Ok(self)
    }

    /// Serves `router` until the soft stop; requests under way may then finish until the hard stop.
    pub async fn serve(self, listener: TcpListener, router: Router, lifecycle: Lifecycle) {
        let permits = usize::try_from(self.limits.connections).unwrap_or(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(permits));
        let connections = TaskTracker::new();
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        while let Some(accepted) = accept(&listener, &free, &lifecycle).await {
            match accepted {
                Ok((stream, permit)) => {
                    backoff.reset();
                    let connection = Connection { stream, limits: self.limits, lifecycle: lifecycle.clone() };
                    let open = Open::count(self.open.clone(), permit);
                    let router = router.clone();
                    connections.spawn(async move {
                        connection.run(router).await;
                        drop(open);
                    });
                }
                Err(error) => {
                    // Most often too many open files: connections that end make room again.
                    tracing::warn!(%error, "cannot accept a connection");
                    backoff.wait(&lifecycle).await;
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }
}

/// The next connection, as soon as there may be one more; none after the stop.
async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
    lifecycle: &Lifecycle,
) -> Option<std::io::Result<(TcpStream, OwnedSemaphorePermit)>> {
    let next = async {
        let permit = Arc::clone(free).acquire_owned().await.expect("the semaphore is never closed");
        listener.accept().await.map(|(stream, _)| (stream, permit))
    };
    tokio::select! {
        biased;
        () = lifecycle.stopping() => None,
        next = next => Some(next),
    }
}

/// Counts a connection while it is open.
struct Open {
    gauge: Option<IntGauge>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn count(gauge: Option<IntGauge>, permit: OwnedSemaphorePermit) -> Self {
        if let Some(gauge) = &gauge {
            gauge.inc();
        }
        Self { gauge, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.dec();
        }
    }
}

struct Connection {
    stream: TcpStream,
    limits: Limits,
    lifecycle: Lifecycle,
}

impl Connection {
    async fn run(self, router: Router) {
        let under_way = UnderWay::default();
        let requests = under_way.clone();
        let Limits { head, body, answer, .. } = self.limits;
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |request: Request<Incoming>| {
            let this_one = requests.begin();
            let reply = router.call(request.map(|incoming| TimedBody::within(incoming, body)));
            async move {
                let reply = reply.await?;
                Ok::<_, Infallible>(reply.map(|body| ReplyBody::new(body, this_one)))
            }
        });
        // A client that goes away in the middle, or talks nonsense, is its own affair.
        if let Err(error) = self.stream.set_nodelay(true) {
            tracing::debug!(%error, "connection without nodelay");
        }
        let mut stream = TimeoutStream::new(self.stream);
        stream.set_write_timeout(Some(answer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.lifecycle.stopping() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = self.lifecycle.aborted() => Ok(()),
                    () = no_more_requests(&under_way) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Waits until it is clear that a connection without a request gets none any more, so that a client that sent half a
/// head does not hold the drain. A connection with a request is ended by its reply.
async fn no_more_requests(under_way: &UnderWay) {
    if !under_way.any() {
        tokio::time::sleep(LAST_REQUEST).await;
    }
    if under_way.any() {
        std::future::pending::<()>().await;
    }
}
