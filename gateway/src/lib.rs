//! Real gates in: events over HTTP and messages of cameras, published to the queues.
//!
//! | file | what it does |
//! | --- | --- |
//! | `events` | `POST /api/v1/events`: one event, an array, `CloudEvents` |
//! | `ndjson`, `batch` | the same route for a stream of lines, of any length in bounded memory |
//! | `cameras` | `POST /cameras/{format}/{gate_id}`: what cameras send, read by the crate `camera-formats` |
//! | `grpc` | events over gRPC |
//! | `mqtt` | messages of an MQTT broker: of cameras, or gate events |
//! | `publish` | to the bus with confirms, within a deadline |
//! | `arrival` | bodies within limits of size, time and memory |
//! | `streams` | the limit of concurrent streams of lines, and which one ends for another |
//! | `gates`, `filters` | the gates of the lots file, and its rules for their events |
//! | `openapi` | the description of the routes |
//! | `entrance`, `admission` | which senders get in: tokens, and the access mode |
//! | `verdict` | whether an event may be published: by its sender's lots and gates, then by the rules |
//! | `listen`, `findings` | for `dwell gate`: what is sent and how it is read, without publishing |
//!
//! An event is accepted when the bus confirmed it, and nothing lives only here: a gateway that dies costs its senders a
//! repetition, which is harmless. So there is no database, and any number of gateways may stand side by side.
//!
//! What an event means is left to the correlator, what a camera says to `camera-formats`.

mod admission;
mod arrival;
mod batch;
mod cameras;
mod cloud_events;
pub mod entrance;
mod events;
mod examine;
mod filters;
pub mod findings;
pub mod gates;
pub mod grpc;
mod lines;
pub mod listen;
mod metrics;
pub mod mqtt;
mod ndjson;
mod openapi;
mod problem;
mod publish;
mod streams;
#[cfg(test)]
mod tests;
mod topic_filter;
mod verdict;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bus::Bus;
use camera_formats::RecentCars;
use service_kit::ServiceContext;
use service_kit::metrics::show_limits;
use tokio::net::TcpListener;

pub use openapi::{description, description_route};

use arrival::Arrivals;
use entrance::{Entrance, TurnedAway};
use gates::Gates;
use metrics::Metrics;
use publish::{Door, Publisher};

/// The port on which a lone gateway listens.
pub const DEFAULT_PORT: u16 = 8080;
/// The port on which it shows its metrics: not the one that cameras reach.
pub const DEFAULT_METRICS_PORT: u16 = 2115;

/// The name of the task of gRPC.
pub const GRPC_TASK: &str = "grpc";
/// The name of the task that takes the messages of an MQTT broker, and of the broker as a dependency.
pub const MQTT_TASK: &str = "mqtt";

/// What the routes share.
#[derive(Debug)]
struct Gateway {
    publisher: Publisher,
    arrivals: Arrivals,
    gates: Gates,
    entrance: Entrance,
    /// For the two senders that refine a plate without saying which read they replace.
    cars: Mutex<RecentCars>,
    metrics: Metrics,
    context: ServiceContext,
}

/// Longer than any stream of lines. A server whose bodies may take this long is safe: each route has a deadline of its
/// own.
pub const BODY_MAX: Duration = Duration::from_hours(24);

/// The doors of a gateway besides HTTP.
#[derive(Debug, Default)]
pub struct Doors {
    /// An MQTT broker.
    pub broker: Option<mqtt::Config>,
    /// The port of gRPC.
    pub grpc: Option<TcpListener>,
}

/// Opens the doors, and makes the [`routes`], which may be merged with others.
///
/// # Errors
/// A metric can't be registered: a defect of the program.
pub fn start(
    gates: Gates,
    entrance: Entrance,
    doors: Doors,
    bus: Arc<dyn Bus>,
    context: &ServiceContext,
) -> Result<Router, service_kit::metrics::Error> {
    let gateway = Gateway::new(gates, entrance, bus, context)?;
    if let Some(broker) = doors.broker {
        let dependency = context.health.dependency(MQTT_TASK);
        let bridge = mqtt::run(Arc::clone(&gateway), broker, dependency);
        context.lifecycle.spawn(MQTT_TASK, async move {
            bridge.await;
            Ok(())
        });
    }
    if let Some(listener) = doors.grpc {
        grpc::serve(Arc::clone(&gateway), listener);
    }
    Ok(routes_of(gateway))
}

/// All routes of a gateway. `/livez` and `/readyz` are left to the caller, and so is what is no route: [`not_found`].
///
/// # Errors
/// A metric can't be registered: a defect of the program.
pub fn routes(
    gates: Gates,
    entrance: Entrance,
    bus: Arc<dyn Bus>,
    context: &ServiceContext,
) -> Result<Router, service_kit::metrics::Error> {
    Gateway::new(gates, entrance, bus, context).map(routes_of)
}

impl Gateway {
    fn new(
        gates: Gates,
        entrance: Entrance,
        bus: Arc<dyn Bus>,
        context: &ServiceContext,
    ) -> Result<Arc<Self>, service_kit::metrics::Error> {
        let metrics = Metrics::new(&context.registry, &Door::NAMES, &TurnedAway::REASONS)?;
        show_limits(&context.registry, &limits())?;
        Ok(Arc::new(Self {
            publisher: Publisher::new(bus, context, metrics.clone()),
            arrivals: Arrivals::new(metrics.clone()),
            gates,
            entrance,
            cars: Mutex::default(),
            metrics,
            context: context.clone(),
        }))
    }
}

fn routes_of(gateway: Arc<Gateway>) -> Router {
    let cameras = Router::new()
        .route("/cameras/{format}/{gate_id}", post(cameras::of_gate).put(cameras::of_gate))
        .route("/cameras/{format}/{gate_id}/{*rest}", post(cameras::of_gate).put(cameras::of_gate))
        // Dahua's ITSAPI has fixed paths; the device names itself.
        .route("/NotificationInfo/{kind}", post(cameras::of_device))
        .route("/DeviceInfo", post(cameras::of_device));
    let routes = Router::new().route("/api/v1/events", post(events::take)).merge(cameras);
    // Each route reads its body within limits of its own.
    let routes = routes.layer(DefaultBodyLimit::disable());
    routes.layer(from_fn_with_state(Arc::clone(&gateway), admission::admit)).with_state(gateway)
}

/// The answer to a path that is no route.
pub async fn not_found() -> Response {
    problem::not_found().into_response()
}

/// The limits by name; the unit ends each name.
fn limits() -> Vec<(&'static str, u64)> {
    let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    vec![
        ("gateway_bodies_bytes", number(arrival::BODIES_BYTES_MAX)),
        ("gateway_streams", number(streams::STREAMS_MAX)),
        ("gateway_stream_bytes_per_second", streams::RATE_MIN.into()),
        ("gateway_stream_behind_seconds", streams::BEHIND_MAX.as_secs()),
        ("gateway_stream_wait_seconds", streams::PERMIT_WAIT_MAX.as_secs()),
        ("gateway_body_seconds", arrival::BODY_DEADLINE.as_secs()),
        ("gateway_camera_body_bytes", number(camera_formats::MAX_BODY_BYTES)),
        ("gateway_events_body_bytes", number(parking::wire::MAX_BODY_BYTES)),
        ("gateway_line_bytes", number(lines::LINE_BYTES_MAX)),
        ("gateway_grpc_connections", number(grpc::CONNECTIONS_MAX)),
        ("gateway_grpc_handshakes", number(grpc::HANDSHAKES_MAX)),
        ("gateway_wrong_token_addresses", number(entrance::ADDRESSES_MAX)),
        ("gateway_grpc_connection_calls", grpc::CALLS_MAX.into()),
        ("gateway_grpc_call_bytes", grpc::CALL_WINDOW_BYTES.into()),
        ("gateway_grpc_message_bytes", number(grpc::MESSAGE_BYTES_MAX)),
        ("gateway_grpc_message_events", number(grpc::MESSAGE_EVENTS_MAX)),
        ("gateway_mqtt_messages", mqtt::UNDER_WAY_MAX.into()),
        ("gateway_mqtt_message_bytes", mqtt::MESSAGE_BYTES_MAX.into()),
        ("gateway_publish_seconds", publish::DEADLINE.as_secs()),
        ("gateway_stream_publish_seconds", ndjson::PUBLISH_DEADLINE.as_secs()),
        ("gateway_stream_idle_seconds", ndjson::IDLE_MAX.as_secs()),
    ]
}
