//! `POST /api/v1/events`: one gate event, an array, `CloudEvents`, or a stream of lines.
//!
//! | type of the body | what it holds |
//! | --- | --- |
//! | `application/json`, or none | one event or an array |
//! | `application/x-ndjson`, `application/jsonl` | one event a line, any number of lines (`ndjson`) |
//! | `application/cloudevents+json` | one event as the `data` of a `CloudEvent` |
//! | `application/cloudevents-batch+json` | an array of those |
//!
//! The answer has a result for each element: 202 when all were accepted, 207 when some were, 422 when none was, 503
//! when the bus did not confirm. Sending again is harmless, so there is no `Idempotency-Key`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bus::Message;
use bytes::Bytes;
use parking::Refusal;
use parking::wire::{MAX_BODY_BYTES, MAX_EVENTS_OF_MESSAGE, without_byte_order_mark};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::entrance::Pass;
use crate::examine::examine;
use crate::problem::{Problem, status};
use crate::publish::{DEADLINE, Door, Outgoing};
use crate::verdict::Verdict;
use crate::{Gateway, cloud_events, ndjson};

/// What became of an element.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Outcome {
    /// The bus confirmed it.
    Accepted {
        /// The event's id.
        id: Uuid,
    },
    /// A rule of the lots file dropped it.
    Filtered {
        /// The event's id.
        id: Uuid,
        /// The rule's name.
        rule: String,
    },
    /// It is no gate event, or its sender may not report it.
    Refused {
        /// The member at fault.
        member: &'static str,
        /// What is wrong, and what is allowed.
        detail: String,
    },
}

/// Takes gate events in any of the forms.
pub(crate) async fn take(
    State(gateway): State<Arc<Gateway>>,
    Extension(pass): Extension<Pass>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let answered = match media_type(&head.headers).as_str() {
        "" | "application/json" | "text/json" => plain(&gateway, &pass, &head.headers, body).await,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            return ndjson::take(&gateway, pass, &head, body).await;
        }
        "application/cloudevents+json" => in_envelopes(&gateway, &pass, &head.headers, body, false).await,
        "application/cloudevents-batch+json" => in_envelopes(&gateway, &pass, &head.headers, body, true).await,
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the Content-Type is not taken; taken are application/json, application/x-ndjson, application/cloudevents+json and \
             application/cloudevents-batch+json",
        )),
    };
    answered.unwrap_or_else(Problem::into_response)
}

/// The type of a body without its parameters.
fn media_type(headers: &HeaderMap) -> String {
    let written = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn plain(gateway: &Gateway, pass: &Pass, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let arrived = gateway.arrivals.read(headers, body, MAX_BODY_BYTES).await?;
    let elements = elements(&arrived.bytes).map_err(|refusal| Problem::of_refusal(&refusal))?;
    let is_array = without_byte_order_mark(&arrived.bytes).trim_ascii_start().starts_with(b"[");
    if let ([only], false) = (elements.as_slice(), is_array)
        && let Err(refusal) = examine(only)
        && refusal.member() == "body"
    {
        return Err(Problem::of_refusal(&refusal));
    }
    answer(gateway, pass, Door::HTTP, elements.into_iter().map(Ok).collect()).await
}

async fn in_envelopes(
    gateway: &Gateway,
    pass: &Pass,
    headers: &HeaderMap,
    body: Body,
    is_batch: bool,
) -> Result<Response, Problem> {
    let arrived = gateway.arrivals.read(headers, body, MAX_BODY_BYTES).await?;
    let elements = elements(&arrived.bytes).map_err(|refusal| Problem::of_refusal(&refusal))?;
    let is_array = without_byte_order_mark(&arrived.bytes).trim_ascii_start().starts_with(b"[");
    if is_array != is_batch {
        let wanted = if is_batch { "is not an array of CloudEvents" } else { "is not one CloudEvent" };
        return Err(Problem::of_refusal(&Refusal::new("body", wanted)));
    }
    let events = elements.iter().map(|element| cloud_events::gate_event(element)).collect();
    answer(gateway, pass, Door::CLOUD_EVENTS, events).await
}

/// The elements of an array, or the one object, as they stand in the body.
pub(crate) fn elements(body: &Bytes) -> Result<Vec<Bytes>, Refusal> {
    let text = without_byte_order_mark(body).trim_ascii();
    if !text.starts_with(b"[") {
        return Ok(vec![body.slice_ref(text)]);
    }
    let elements: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| {
        Refusal::new("body", format!("is not a JSON array: see line {} column {}", error.line(), error.column()))
    })?;
    if elements.len() > MAX_EVENTS_OF_MESSAGE {
        let problem = format!("has {} events; allowed are {MAX_EVENTS_OF_MESSAGE}", elements.len());
        return Err(Refusal::new("body", problem));
    }
    Ok(elements.into_iter().map(|element| body.slice_ref(element.get().as_bytes())).collect())
}

/// Publishes what is a gate event of this sender, and reports what became of each element.
async fn answer(
    gateway: &Gateway,
    pass: &Pass,
    door: Door,
    elements: Vec<Result<Bytes, Refusal>>,
) -> Result<Response, Problem> {
    let properties = door.properties(gateway.context.clock.now());
    let mut outgoing = Outgoing::default();
    let mut results = Vec::with_capacity(elements.len());
    let (mut refused, mut denied, mut filtered) = (0, 0, 0);
    let refuse = |refusal: &Refusal| {
        gateway.metrics.refused.with_label_values(&[door.name, refusal.member()]).inc();
        Outcome::Refused { member: refusal.member(), detail: refusal.to_string() }
    };
    for element in elements {
        let (event, json) = match element.and_then(|json| examine(&json).map(|event| (event, json))) {
            Ok(examined) => examined,
            Err(refusal) => {
                refused += 1;
                results.push(refuse(&refusal));
                continue;
            }
        };
        results.push(match gateway.judge(pass.principal(), &event, json) {
            Verdict::Publish(json) => {
                let message = Message { properties: Some(Arc::clone(&properties)), ..Message::new(json) };
                outgoing.add(event.key.direction, message);
                Outcome::Accepted { id: event.key.id }
            }
            Verdict::Filtered(rule) => {
                filtered += 1;
                Outcome::Filtered { id: event.key.id, rule: rule.to_owned() }
            }
            Verdict::Denied(refusal) => {
                (refused, denied) = (refused + 1, denied + 1);
                refuse(&refusal)
            }
        });
    }
    gateway.publish(outgoing, door, DEADLINE).await?;
    let accepted = results.len() - refused - filtered;
    let status = status(accepted + filtered, refused, denied);
    let body =
        serde_json::json!({ "accepted": accepted, "filtered": filtered, "refused": refused, "results": results });
    Ok((status, axum::Json(body)).into_response())
}

impl Gateway {
    /// Publishes through a door, and counts.
    pub(crate) async fn publish(
        &self,
        outgoing: Outgoing,
        door: Door,
        within: std::time::Duration,
    ) -> Result<(), Problem> {
        let events = outgoing.events();
        let is_confirmed = !self.publisher.is_away() && self.publisher.publish(outgoing, within).await.is_ok();
        if events > 0 && !is_confirmed {
            self.metrics.unavailable.with_label_values(&[door.name]).inc();
            return Err(Problem::unavailable(
                "the bus did not confirm: it is unavailable or full. Nothing was accepted; send again, which is harmless",
            ));
        }
        self.metrics.accepted.with_label_values(&[door.name]).inc_by(events);
        Ok(())
    }
}
