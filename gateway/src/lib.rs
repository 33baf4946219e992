//! Real gates in: events over HTTP and messages of cameras, published to the queues.
//!
//! | file | what it does |
//! | --- | --- |
//! | `events` | `POST /api/v1/events`: one event, an array, `CloudEvents` |
//! | `ndjson`, `batch` | the same route for a stream of lines, of any length in bounded memory |
//! | `cameras` | `POST /cameras/{format}/{gate_id}`: what cameras send, read by the crate `camera-formats` |
//! | `publish` | to the bus with confirms, within a deadline |
//! | `arrival` | bodies within limits of size, time and memory |
//! | `streams` | the limit of concurrent streams of lines, and which one ends for another |
//! | `gates`, `filters` | the gates of the lots file, and its rules for their events |
//! | `listen`, `findings` | for `dwell gate`: what is sent and how it is read, without publishing |
//!
//! An event is accepted when the bus confirmed it, and nothing lives only here: a gateway that dies costs its senders a
//! repetition, which is harmless. So there is no database, and any number of gateways may stand side by side.
//!
//! What an event means is left to the correlator, what a camera says to `camera-formats`.

mod arrival;
mod batch;
mod cameras;
mod cloud_events;
mod events;
mod examine;
mod filters;
pub mod findings;
pub mod gates;
mod lines;
pub mod listen;
mod metrics;
mod ndjson;
mod problem;
mod publish;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use bus::Bus;
use camera_formats::RecentCars;
use service_kit::ServiceContext;
use service_kit::metrics::show_limits;

use arrival::Arrivals;
use gates::Gates;
use metrics::Metrics;
use publish::{Door, Publisher};

/// The port on which a lone gateway listens.
pub const DEFAULT_PORT: u16 = 8080;
/// The port on which it shows its metrics: not the one that cameras reach.
pub const DEFAULT_METRICS_PORT: u16 = 2115;

/// What the routes share.
#[derive(Debug)]
struct Gateway {
    publisher: Publisher,
    arrivals: Arrivals,
    gates: Gates,
    /// For the two senders that refine a plate without saying which read they replace.
    cars: Mutex<RecentCars>,
    metrics: Metrics,
    context: ServiceContext,
}

/// All routes of a gateway, `/livez` and `/readyz` left out.
///
/// # Errors
/// A metric can't be registered: a defect of the program.
pub fn routes(
    gates: Gates,
    bus: Arc<dyn Bus>,
    context: &ServiceContext,
) -> Result<Router, service_kit::metrics::Error> {
    let metrics = Metrics::new(&context.registry, &Door::NAMES)?;
    show_limits(&context.registry, &limits())?;
    let gateway = Arc::new(Gateway {
        publisher: Publisher::new(bus, context, metrics.clone()),
        arrivals: Arrivals::new(metrics.clone()),
        gates,
        cars: Mutex::default(),
        metrics,
        context: context.clone(),
    });
    let cameras = Router::new()
        .route("/cameras/{format}/{gate_id}", post(cameras::of_gate).put(cameras::of_gate))
        .route("/cameras/{format}/{gate_id}/{*rest}", post(cameras::of_gate).put(cameras::of_gate))
        // Dahua's ITSAPI has fixed paths; the device names itself.
        .route("/NotificationInfo/{kind}", post(cameras::of_device))
        .route("/DeviceInfo", post(cameras::of_device));
    let routes = Router::new().route("/api/v1/events", post(events::take)).merge(cameras);
    // Each route reads its body within limits of its own.
    Ok(routes.fallback(problem::not_found).layer(DefaultBodyLimit::disable()).with_state(gateway))
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
        ("gateway_publish_seconds", publish::DEADLINE.as_secs()),
        ("gateway_stream_publish_seconds", ndjson::PUBLISH_DEADLINE.as_secs()),
        ("gateway_stream_idle_seconds", ndjson::IDLE_MAX.as_secs()),
    ]
}
