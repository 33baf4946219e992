//! The routes of a gateway that publishes nothing and records every request: for `dwell gate listen`.
//!
//! Senders get the answers that a gateway would give them. How requests are shown is left to the caller.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use bus::{Bus, Consumer, Counts, Message, Queue};
use camera_formats::Outcome;
use futures::StreamExt as _;
use parking::{Refusal, Timestamp};
use service_kit::ServiceContext;
use tokio::sync::mpsc;

use crate::entrance::Entrance;
use crate::entrance::credentials::hidden;
use crate::findings::{Finding, findings};
use crate::gates::Gates;
use crate::problem::Problem;

/// This much of a body is kept to be shown.
pub const BEGIN_BYTES_MAX: usize = 4 * 1024;
/// The most bytes of an answer: that of a stream with its first refusals.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request, how it was read, and its answer.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// When its head had arrived.
    pub at: Timestamp,
    /// Its method and its path with the query, without tokens.
    pub request: String,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The beginning of its body.
    pub begin: Vec<u8>,
    /// The bytes of its body that were read.
    pub bytes: u64,
    /// What was found in it, if it was a camera's message.
    pub findings: Vec<Finding>,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: String,
}

/// The outcome of reading a camera's message: an extension of the response.
#[derive(Debug, Clone)]
pub(crate) struct ReadOutcome(pub(crate) Arc<Result<Outcome, Refusal>>);

/// The routes. Each request is sent to `received` when it is answered.
///
/// # Errors
/// A metric can't be registered: a defect of the program.
pub fn listening_routes(
    gates: Gates,
    context: &ServiceContext,
    received: mpsc::Sender<ReceivedRequest>,
) -> Result<Router, service_kit::metrics::Error> {
    let routes = crate::routes(gates.clone(), Entrance::local(Arc::clone(&context.clock)), Arc::new(Nowhere), context)?
        .fallback(crate::not_found);
    let recorder = Recorder { gates, context: context.clone(), received };
    Ok(routes.layer(middleware::from_fn_with_state(Arc::new(recorder), record)))
}

/// A bus that confirms everything and keeps nothing.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Bus for Nowhere {
    async fn publish(&self, _: Queue, _: Vec<Message>) -> Result<(), bus::Error> {
        Ok(())
    }

    async fn consume(&self, _: Queue, _: u16) -> Result<Box<dyn Consumer>, bus::Error> {
        Err(bus::Error::Stopping)
    }

    async fn counts(&self, _: Queue) -> Result<Option<Counts>, bus::Error> {
        Ok(None)
    }
}

#[derive(Debug)]
struct Recorder {
    gates: Gates,
    context: ServiceContext,
    received: mpsc::Sender<ReceivedRequest>,
}

/// The beginning of a body, and how long it was.
#[derive(Debug, Default)]
struct Begin {
    bytes: Vec<u8>,
    length: u64,
}

async fn record(State(recorder): State<Arc<Recorder>>, request: Request, next: Next) -> Response {
    let at = recorder.context.clock.now();
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, hidden(&head.uri.to_string()));
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|it| String::from_utf8_lossy(it.as_bytes()).into());
    let begin = Arc::new(Mutex::new(Begin::default()));
    let watching = Arc::clone(&begin);
    let watched = body.into_data_stream().inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            let mut begin = watching.lock().unwrap_or_else(PoisonError::into_inner);
            let room = BEGIN_BYTES_MAX - begin.bytes.len();
            begin.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            begin.length += chunk.len() as u64;
        }
    });
    let response = next.run(Request::from_parts(head, Body::from_stream(watched))).await;
    let (head, body) = response.into_parts();
    let Ok(answer) = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long to be shown").into_response();
    };
    let found = head.extensions.get().map(|ReadOutcome(read)| findings(read, &recorder.gates));
    let Begin { bytes: begin, length: bytes } =
        std::mem::take(&mut *begin.lock().unwrap_or_else(PoisonError::into_inner));
    let received = ReceivedRequest {
        at,
        request: line,
        content_type,
        begin,
        bytes,
        findings: found.unwrap_or_default(),
        status: head.status.as_u16(),
        answer: String::from_utf8_lossy(&answer).into_owned(),
    };
    if recorder.received.send(received).await.is_err() {
        tracing::debug!("requests are no longer shown");
    }
    Response::from_parts(head, Body::from(answer))
}
