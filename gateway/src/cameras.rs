//! `POST /cameras/{format}/{gate_id}`: what cameras send, read by the crate `camera-formats`.
//!
//! Each camera gets the answer that it waits for, once the bus confirmed its reads. A message that can't be read is
//! answered, counted, logged with its reason and dropped. Pictures are counted and dropped.

use std::sync::{Arc, Mutex, PoisonError};

use access::{Gates, Lots, Principal};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::{self, HeaderMap, StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use bus::{HeaderValue, Message, Properties};
use bytes::Bytes;
use camera_formats::{Answer, Delivery, Format, Gate, MAX_BODY_BYTES, Outcome, Recall, RecentCars, Skipped, read};
use parking::{Refusal, Timestamp};
use serde::Deserialize;

use crate::Gateway;
use crate::arrival::Arrived;
use crate::entrance::Pass;
use crate::entrance::credentials::without_token;
use crate::examine::examine;
use crate::listen::ReadOutcome;
use crate::problem::Problem;
use crate::publish::{DEADLINE, Door, Outgoing};
use crate::verdict::Verdict;

/// Bodies above this are read beside the runtime's own threads.
const READ_HERE_BYTES_MAX: usize = 128 * 1024;
/// The header in which Survision names the camera.
const CAMERA_HEADER: &str = "survision-serial-number";

/// The parameters in the path of a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    format: String,
    gate_id: String,
    /// A token, if it can show one in no other way; then what the camera puts behind the path that it was given.
    #[serde(default)]
    rest: String,
}

/// Takes a message of the camera of a gate.
pub(crate) async fn of_gate(
    State(gateway): State<Arc<Gateway>>,
    Extension(pass): Extension<Pass>,
    Path(place): Path<Place>,
    request: Request,
) -> Response {
    match find(&gateway, pass.principal(), &place) {
        Ok(gate) => take(&gateway, &pass, vec![gate], without_token(&place.rest), request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Takes a message of a Dahua camera that posts to the fixed paths of ITSAPI: the gate is the one whose `camera` it
/// names.
pub(crate) async fn of_device(
    State(gateway): State<Arc<Gateway>>,
    Extension(pass): Extension<Pass>,
    request: Request,
) -> Response {
    let sender = pass.principal();
    let own = gateway.gates.speaking(Format::DahuaItsapi).filter(|gate| may_report(sender, gate));
    let gates: Vec<Gate> = own.cloned().collect();
    if gates.is_empty() {
        let problem = if is_of_all(sender) {
            Problem::new(StatusCode::NOT_FOUND, "no gate has the format dahua-itsapi")
        } else {
            Problem::new(StatusCode::FORBIDDEN, "the token is for no gate of the format dahua-itsapi")
        };
        return problem.into_response();
    }
    let path = request.uri().path().to_owned();
    take(&gateway, &pass, gates, &path, request).await
}

fn may_report(sender: &Principal, gate: &Gate) -> bool {
    sender.check_ingest(&gate.lot, Some(&gate.id)).is_ok()
}

/// Whether a sender may report every gate, so that it may know which ones there are.
fn is_of_all(sender: &Principal) -> bool {
    *sender.lots() == Lots::All && *sender.grant().gates() == Gates::All
}

fn find(gateway: &Gateway, sender: &Principal, place: &Place) -> Result<Gate, Problem> {
    let format: Format =
        place.format.parse().map_err(|error| Problem::new(StatusCode::NOT_FOUND, format!("the format {error}")))?;
    let gate = gateway.gates.get(&place.gate_id);
    // A gate that the sender may not report looks like one that does not exist.
    if !gate.map_or_else(|| is_of_all(sender), |gate| may_report(sender, gate)) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the token is not for this gate"));
    }
    let Some(gate) = gate else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such gate in the lots file"));
    };
    if gate.format != format {
        let detail = format!("this gate has the format {}, not {format}", gate.format);
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    Ok(gate.clone())
}

async fn take(gateway: &Arc<Gateway>, pass: &Pass, gates: Vec<Gate>, path: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let arrived = match gateway.arrivals.read(&head.headers, body, MAX_BODY_BYTES).await {
        Ok(arrived) => arrived,
        Err(problem) => return problem.into_response(),
    };
    let format = gates[0].format;
    // The message has to name the gate where several could have sent it.
    let gate = if let [gate] = &gates[..] { gate.id.to_string() } else { "unknown".to_owned() };
    let message = Received::new(&head, path, arrived, gateway.context.clock.now());
    let (outcome, arrived) = message.read(gateway, gates).await;
    let answer = match &outcome {
        Err(refusal) => {
            count_refusal(gateway, Door::camera(format), format, &gate, refusal);
            format.refused(refusal)
        }
        Ok(outcome) => match publish(gateway, pass.principal(), Door::camera(format), outcome).await {
            Ok(()) => {
                count(gateway, Door::camera(format), format, &gate, outcome);
                format.accepted(outcome)
            }
            Err(problem) => return problem.into_response(),
        },
    };
    drop(arrived);
    let mut response = response(answer);
    response.extensions_mut().insert(ReadOutcome(Arc::new(outcome)));
    response
}

/// A message, and all that its reader may look at.
#[derive(Debug)]
pub(crate) struct Received {
    content_type: Option<String>,
    query: Option<String>,
    path: String,
    camera: Option<String>,
    arrived: Arrived,
    at: Timestamp,
}

impl Received {
    fn new(head: &request::Parts, path: &str, arrived: Arrived, at: Timestamp) -> Self {
        let header = |name: &str| text(&head.headers, name);
        Self {
            content_type: header(header::CONTENT_TYPE.as_str()),
            query: head.uri.query().map(str::to_owned),
            path: path.to_owned(),
            camera: header(CAMERA_HEADER),
            arrived,
            at,
        }
    }

    /// A message on an MQTT topic.
    pub(crate) fn of_topic(topic: &str, payload: Bytes, at: Timestamp) -> Self {
        Self { content_type: None, query: None, path: topic.to_owned(), camera: None, arrived: payload.into(), at }
    }

    /// Reads the message for the one of these gates whose camera sent it. Returns the body too, so that its memory
    /// stays reserved.
    pub(crate) async fn read(self, gateway: &Arc<Gateway>, gates: Vec<Gate>) -> (Result<Outcome, Refusal>, Arrived) {
        if self.arrived.bytes.len() <= READ_HERE_BYTES_MAX {
            return (self.read_here(gateway, &gates), self.arrived);
        }
        let beside = Arc::clone(gateway);
        let reading = tokio::task::spawn_blocking(move || (self.read_here(&beside, &gates), self.arrived));
        reading.await.expect("reading a message never panics, and nothing cancels the task")
    }

    fn read_here(&self, gateway: &Gateway, gates: &[Gate]) -> Result<Outcome, Refusal> {
        let delivery = Delivery {
            content_type: self.content_type.as_deref(),
            query: self.query.as_deref(),
            path: &self.path,
            camera: self.camera.as_deref(),
            ..Delivery::new(&self.arrived.bytes, self.at)
        };
        let mut last = None;
        for gate in gates {
            let outcome = read(&delivery, gate, &mut Shared(&gateway.cars));
            let is_of_other = |outcome: &Outcome| {
                outcome.reads.is_empty() && outcome.skipped.iter().any(|why| matches!(why, Skipped::OtherCamera(_)))
            };
            match &outcome {
                Ok(other) if is_of_other(other) => last = Some(outcome),
                Ok(_) | Err(_) => return outcome,
            }
        }
        last.unwrap_or_else(|| Err(Refusal::new("camera", "is that of no gate")))
    }
}

/// The memory of all cameras, locked for a look-up only.
struct Shared<'a>(&'a Mutex<RecentCars>);

impl Recall for Shared<'_> {
    fn place(&mut self, car: u128, read: u128) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).place(car, read)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn publish(gateway: &Gateway, sender: &Principal, door: Door, outcome: &Outcome) -> Result<(), Problem> {
    gateway.publish(outgoing(gateway, sender, door, outcome), door, DEADLINE).await
}

/// The reads that no rule drops, as messages.
pub(crate) fn outgoing(gateway: &Gateway, sender: &Principal, door: Door, outcome: &Outcome) -> Outgoing {
    let properties = door.properties(gateway.context.clock.now());
    let mut outgoing = Outgoing::default();
    for read in &outcome.reads {
        let mut properties = Properties::clone(&properties);
        let source = HeaderValue::text(read.time_source.as_str());
        properties.headers.insert("x-dwell-time-source".to_owned(), source);
        let body = Bytes::from(read.to_json());
        // What a read becomes is always an event; golden files and property tests of `camera-formats` hold that.
        let Ok(event) = examine(&body) else { continue };
        // The gate of the message was checked before: the event has its lot and its name.
        let Verdict::Publish(body) = gateway.judge(sender, &event, body) else { continue };
        outgoing.add(read.direction, Message { properties: Some(Arc::new(properties)), ..Message::new(body) });
    }
    outgoing
}

/// Counts what was found in a message.
pub(crate) fn count(gateway: &Gateway, door: Door, format: Format, gate: &str, outcome: &Outcome) {
    let metrics = &gateway.metrics;
    metrics.images.inc_by(u64::try_from(outcome.images).unwrap_or(u64::MAX));
    for read in &outcome.reads {
        metrics.times.with_label_values(&[format.as_str(), read.time_source.as_str()]).inc();
    }
    for skipped in &outcome.skipped {
        metrics.skipped.with_label_values(&[format.as_str(), skipped.as_str()]).inc();
    }
    for refusal in &outcome.refused {
        count_refusal(gateway, door, format, gate, refusal);
    }
}

/// Counts and logs a refusal. Cameras rarely show an answer, and some get 200, so the log is where its reason is seen.
pub(crate) fn count_refusal(gateway: &Gateway, door: Door, format: Format, gate: &str, refusal: &Refusal) {
    gateway.metrics.refused.with_label_values(&[door.name, refusal.member()]).inc();
    let line = || tracing::warn!(%format, %gate, reason = %refusal, "camera message refused");
    gateway.context.decisions.decision("camera_message_refused", line);
}

fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(answer.content_type));
    response
}
