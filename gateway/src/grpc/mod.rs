//! `Report` and `Exchange` of `proto/dwell/v1/events.proto`: gate events over gRPC, with health and reflection.
//!
//! | file | what it does |
//! | --- | --- |
//! | `session` | the events of one stream: batches to the bus, and their acknowledgements |
//! | `event` | an event of a message as the JSON text that is published |
//! | `connection` | connections of clients, limited in number |
//!
//! Reads no faster than the bus confirms, so HTTP/2's flow control holds a client back. The windows are large, because
//! a server that stalls counts many small frames of a client as an attack, and cuts all streams of the connection.
//!
//! A call of the service needs the metadata `authorization: Bearer` with a token, like a request over HTTP. Health and
//! reflection need none: probes have no token, and the description is public.

mod connection;
mod event;
mod session;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use service_kit::http::RemoteNetwork;
use settings::{GRPC_LISTEN, Listen, Settings};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::Gateway;
use crate::entrance::credentials::of_authorization;
use crate::entrance::{Pass, TurnedAway};
use connection::{Limits, connections};
use proto::events_server::{Events, EventsServer};
use proto::{ExchangeRequest, ExchangeResponse, ReportRequest, ReportResponse};
use session::Session;

/// The messages and the service.
pub mod proto {
    #![allow(
        warnings,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "made from events.proto by tonic's generator"
    )]
    tonic::include_proto!("dwell.v1");
}

/// The description of the service, as reflection gives it.
pub const DESCRIPTION: &[u8] = tonic::include_file_descriptor_set!("events");

/// The port of a lone gateway.
pub const DEFAULT_PORT: u16 = 50_051;
/// The most bytes of a message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The most events of a message. An event without members has two bytes there, and a hundred times as many in memory.
pub(crate) const MESSAGE_EVENTS_MAX: usize = 10_000;
/// Open connections; further ones wait.
pub(crate) const CONNECTIONS_MAX: usize = 16;
/// Connections that have not begun HTTP/2; a further one ends the oldest.
pub(crate) const HANDSHAKES_MAX: usize = 64;
/// Calls of a connection under way at once.
pub(crate) const CALLS_MAX: u32 = 4;
/// Bytes of a call that wait to be read. All calls of a connection have less than its window, so none blocks another
/// one.
pub(crate) const CALL_WINDOW_BYTES: u32 = 1024 * 1024;
/// The window of a connection. The library allows half of it in small frames, more than [`CALLS_MAX`] calls can fill.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// A connection that is this old takes no new calls, and ends with its last one: so a client without a call does not
/// keep its place. Clients open another one by themselves.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(15);
const HEADER_BYTES_MAX: u32 = 16 * 1024;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);
/// The most refusals of a [`ReportResponse`].
const REFUSALS_MAX: usize = 1_000;

/// The address of a gateway's gRPC port, by default on loopback.
///
/// # Errors
/// It is no address.
pub fn address(settings: &Settings) -> Result<Listen, settings::Error> {
    settings.listen(&GRPC_LISTEN, DEFAULT_PORT)
}

/// The service, for a client of any stream.
#[derive(Debug, Clone)]
struct EventsService(Arc<Gateway>);

#[tonic::async_trait]
impl Events for EventsService {
    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<ReportResponse>, Status> {
        let pass = pass(&request)?;
        let events = request.into_inner().map(|message| message.map(|message| message.events));
        let mut session = Session::new(Arc::clone(&self.0), pass, events.boxed());
        let mut sum = ReportResponse::default();
        while let Some(answer) = session.next().await? {
            sum.accepted += answer.accepted.len() as u64;
            sum.filtered += answer.filtered.len() as u64;
            sum.refused += answer.refusals.len() as u64;
            let room = REFUSALS_MAX - sum.refusals.len();
            sum.refusals.extend(answer.refusals.into_iter().take(room));
        }
        Ok(Response::new(sum))
    }

    type ExchangeStream = BoxStream<'static, Result<ExchangeResponse, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let pass = pass(&request)?;
        let events = request.into_inner().map(|message| message.map(|message| message.events));
        let session = Session::new(Arc::clone(&self.0), pass, events.boxed());
        let answers = stream::try_unfold(session, |mut session| async move {
            let answer = session.next().await?;
            Ok::<_, Status>(answer.map(|answer| (answer, session)))
        });
        Ok(Response::new(answers.boxed()))
    }
}

/// The pass that [`admit`] has put into a call.
fn pass<T>(request: &Request<T>) -> Result<Pass, Status> {
    request.extensions().get().cloned().ok_or_else(|| Status::internal("a call came past the check of its sender"))
}

/// Lets a call in.
fn admit(gateway: &Gateway, mut request: Request<()>) -> Result<Request<()>, Status> {
    let remote = request.extensions().get::<RemoteNetwork>();
    let from = remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.0);
    let values = request.metadata().get_all("authorization").iter();
    let shown = of_authorization(values.map(|value| value.to_str().ok()));
    let pass = gateway.admit(shown, from).map_err(|turned_away| status(&turned_away))?;
    request.metadata_mut().remove("authorization");
    request.extensions_mut().insert(pass);
    Ok(request)
}

fn status(turned_away: &TurnedAway) -> Status {
    let text = turned_away.to_string();
    match turned_away {
        TurnedAway::Missing | TurnedAway::Several | TurnedAway::Refused(_) => Status::unauthenticated(text),
        TurnedAway::SetUp | TurnedAway::Scope => Status::permission_denied(text),
        TurnedAway::Slowed(_) => Status::resource_exhausted(text),
        TurnedAway::NotReady => Status::unavailable(text),
    }
}

/// Serves gRPC on `listener` until the stop.
pub(crate) fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let lifecycle = gateway.context.lifecycle.clone();
    let stop = lifecycle.clone();
    lifecycle.spawn(crate::GRPC_TASK, async move {
        let (reporter, health) = tonic_health::server::health_reporter();
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTION)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let events =
            EventsServer::new(EventsService(Arc::clone(&gateway))).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let admitting = Arc::clone(&gateway);
        let events = InterceptedService::new(events, move |request: Request<()>| admit(&admitting, request));
        let router = Server::builder()
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .initial_stream_window_size(CALL_WINDOW_BYTES)
            .max_concurrent_streams(CALLS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .max_connection_age(CONNECTION_AGE_MAX)
            .add_service(events)
            .add_service(health)
            // Some clients ask by the older name.
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        let limits = Limits { connections: CONNECTIONS_MAX, handshakes: HANDSHAKES_MAX };
        let connections = connections(listener, limits, gateway.context.tls.clone(), stop.clone());
        let serving = router.serve_with_incoming_shutdown(connections, stop.stopping());
        tokio::select! {
            served = serving => served?,
            () = report_health(&gateway, &reporter) => {}
        }
        Ok(())
    });
}

/// Shows the health of the bus, and whether the tokens are known, as that of the service, for ever.
async fn report_health(gateway: &Gateway, reporter: &HealthReporter) {
    loop {
        let is_serving = gateway.entrance.is_ready() && !gateway.publisher.is_away();
        let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        reporter.set_service_status("dwell.v1.Events", status).await;
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}
