//! Serves a router on a port until the stop, within limits that slow or greedy clients can't exceed.
//!
//! The [`Guard`] checks each request before the router. [`slots`](super::slots) decides which connection makes room
//! for others; the routes limit sizes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use settings::TrustedProxies;
use tls::{Accepted, Protocol};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::OBSERVABILITY;
use super::guard::Guard;
use super::limits::{Limits, Metrics};
use super::refusal::Refusal;
use super::requests::{self, ReplyBody, TimedBody};
use super::slots::{Slot, Slots, network};
use super::stream::Stream;
use crate::metrics::{self, Registry};
use crate::{Backoff, Lifecycle, tls as own_tls};

/// A connection without a request gets this time after the stop, in case a request is just arriving.
const LAST_REQUEST: Duration = Duration::from_millis(500);
/// The header in which a reverse proxy names its client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Serves `router` for `localhost` and IP addresses, within the default [`Limits`], until the soft stop; requests in
/// flight may then finish until the hard stop. An endless reply has to watch the stop itself.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: Lifecycle) {
    Server::default().serve(listener, router, lifecycle).await;
}

/// The remote address of a request, for shares of limits: the one that trusted proxies name, or that of the connection.
/// Of IPv6 it is the /64 network, since a client has all of its addresses. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteNetwork(pub IpAddr);

impl RemoteNetwork {
    /// The network of a remote address.
    pub fn of(address: IpAddr) -> Self {
        Self(network(address))
    }
}

/// The connection of a request has TLS of this port. An extension of such requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTls;

/// What a connection proves about its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// Nothing that concerns TLS keeps its requests out.
    All,
    /// It has shown the certificate that clients need, at this time.
    Certified(Instant),
    /// It has not shown the certificate that clients need.
    OnlyObservability,
    /// It is without TLS, on a port with TLS.
    Nothing,
}

impl Admission {
    /// Why a request for this path is refused, if it is.
    fn refusal(self, path: &str) -> Option<Refusal> {
        match self {
            Self::All | Self::Certified(_) => None,
            Self::OnlyObservability => (!OBSERVABILITY.contains(&path)).then(Refusal::no_certificate),
            Self::Nothing => Some(Refusal::no_tls()),
        }
    }
}

/// Where the requests of a connection come from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    remote: IpAddr,
    admission: Admission,
}

/// A server with a guard and limits, optionally with TLS and with metrics.
#[derive(Debug, Clone, Default)]
pub struct Server {
    guard: Guard,
    limits: Limits,
    metrics: Option<Metrics>,
    tls: Option<own_tls::Listener>,
    proxies: TrustedProxies,
}

impl Server {
    /// A server with this guard and the default limits.
    pub fn new(guard: Guard) -> Self {
        Self { guard, ..Self::default() }
    }

    /// Sets other limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Speaks TLS, if there is one: a connection without it only gets an answer that explains this. A client without
    /// the certificate that it needs gets health and metrics only, because those who ask for them seldom have one.
    #[must_use]
    pub fn over(self, tls: Option<own_tls::Listener>) -> Self {
        Self { guard: self.guard.over_tls(tls.is_some()), tls, ..self }
    }

    /// Believes these reverse proxies which client they send a request for.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Exports the limits and their use as metrics.
    pub fn shown_in(self, registry: &Registry) -> Result<Self, metrics::Error> {
        let metrics = Some(Metrics::new(registry, &self.limits)?);
        Ok(Self { metrics, ..self })
    }

    /// Serves `router` until the soft stop; requests in flight may then finish until the hard stop.
    pub async fn serve(self, listener: TcpListener, router: Router, lifecycle: Lifecycle) {
        let slots = Slots::new(self.limits, self.metrics.clone());
        let server = Arc::new(self);
        let connections = TaskTracker::new();
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        while let Some(accepted) = accept(&listener, &slots, &lifecycle).await {
            match accepted {
                Ok((socket, slot)) => {
                    backoff.reset();
                    let (server, router, lifecycle) = (Arc::clone(&server), router.clone(), lifecycle.clone());
                    connections.spawn(async move { server.connection(socket, slot, router, &lifecycle).await });
                }
                Err(error) => {
                    // Usually too many open files: a connection that ends makes room again.
                    tracing::warn!(%error, "cannot accept a connection");
                    slots.make_room();
                    backoff.wait(&lifecycle).await;
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, slot: Slot, router: Router, lifecycle: &Lifecycle) {
        let slot = Arc::new(slot);
        let remote = socket.peer_addr().map_or_else(|_| slot.address(), |address| address.ip());
        // A client that disconnects, or sends invalid data, is not an error of the server.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "connection without nodelay");
        }
        let Some((stream, admission)) = self.handshake(socket, &slot, lifecycle).await else { return };
        let stream = Stream::new(stream, Arc::clone(&slot), &self.limits);
        let idle = self.limits.idle;
        let asked = Arc::clone(&slot);
        let origin = Origin { remote, admission };
        let service =
            service_fn(move |request| Arc::clone(&self).answer(request, router.clone(), Arc::clone(&asked), origin));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The head has a shorter timeout, in the stream.
            .header_read_timeout(idle)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            // Data that has already arrived is read before the connection may be closed for others.
            biased;
            ended = connection.as_mut() => ended,
            () = slot.ended() => Ok(()),
            () = lifecycle.stopping() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = lifecycle.aborted() => Ok(()),
                    () = no_more_requests(&slot) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// Begins TLS, if the port has it. The connection has the slot of an incomplete request until then, so slow handshakes
    /// share its limits.
    async fn handshake(
        &self,
        socket: TcpStream,
        slot: &Slot,
        lifecycle: &Lifecycle,
    ) -> Option<(tls::Stream, Admission)> {
        let Some(tls) = &self.tls else { return Some((tls::Stream::Plain(socket), Admission::All)) };
        let accepting = Box::pin(tls.accept(socket, Protocol::Http, self.limits.head));
        let accepted = tokio::select! {
            biased;
            accepted = accepting => accepted.ok()?,
            () = slot.ended() => return None,
            () = lifecycle.stopping() => return None,
        };
        Some(match accepted {
            Accepted::Plain(socket) => (tls::Stream::Plain(socket), Admission::Nothing),
            Accepted::Tls { stream, .. } if !tls.needs_certificates() => (stream, Admission::All),
            Accepted::Tls { stream, has_certificate: true } => (stream, Admission::Certified(Instant::now())),
            Accepted::Tls { stream, .. } => (stream, Admission::OnlyObservability),
        })
    }

    /// Answers a request, or refuses it.
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        router: Router,
        slot: Arc<Slot>,
        origin: Origin,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let (mut head, body) = request.into_parts();
        let Origin { remote, admission } = origin;
        let client = self.proxies.client(remote, forwarded(&head.headers));
        head.extensions.insert(RemoteNetwork::of(client));
        if self.tls.is_some() {
            head.extensions.insert(OverTls);
        }
        let refused = admission.refusal(head.uri.path()).or_else(|| self.guard.check(&head).err());
        let counts = refused.is_none() && !OBSERVABILITY.contains(&head.uri.path());
        let has_room = slot.begin(!body.is_end_stream(), counts);
        let this_one = requests::Request::at(Arc::clone(&slot));
        let refused = refused.or_else(|| (!has_room).then(|| Refusal::full(self.limits.requests())));
        let mut response = if let Some(refusal) = refused {
            self.refuse(refusal)
        } else {
            let body = TimedBody::within(body, self.limits.body, slot);
            TowerToHyperService::new(router).call(Request::from_parts(head, body)).await?
        };
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !is_upgrade && matches!(admission, Admission::Certified(at) if at.elapsed() >= self.limits.certified) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let this_one = if is_upgrade { this_one.never_ends() } else { this_one };
        Ok(response.map(|body| ReplyBody::new(body, this_one)))
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        tracing::debug!(reason = refusal.reason(), "request refused");
        if let Some(metrics) = &self.metrics {
            metrics.refused.with_label_values(&[refusal.reason()]).inc();
        }
        refusal.into_response()
    }
}

/// The addresses of `X-Forwarded-For` in order. A value that is no text is one of unknown addresses.
fn forwarded(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &str> {
    let values = headers.get_all(FORWARDED_FOR).iter();
    values.flat_map(|value| value.to_str().unwrap_or_default().split(','))
}

/// The next connection, once there is a slot for it; none after the stop.
async fn accept(
    listener: &TcpListener,
    slots: &Slots,
    lifecycle: &Lifecycle,
) -> Option<std::io::Result<(TcpStream, Slot)>> {
    let next = async {
        let (socket, from) = listener.accept().await?;
        let address: IpAddr = from.ip();
        Ok((socket, slots.admit(address).await))
    };
    tokio::select! {
        biased;
        () = lifecycle.stopping() => None,
        next = next => Some(next),
    }
}

/// Waits until a connection without a request can be closed, so that a client with half a head does not delay the
/// drain. A connection with a request ends with its reply.
async fn no_more_requests(slot: &Slot) {
    if !slot.has_request() {
        tokio::time::sleep(LAST_REQUEST).await;
    }
    if slot.has_request() {
        std::future::pending::<()>().await;
    }
}
