//! The events of one stream: to the bus in batches, several under way at once, and an answer for each batch once it is
//! confirmed, in the order of the events.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, FuturesOrdered};
use parking::{GateEvent, Refusal};
use tokio::time::Instant;
use tonic::Status;

use super::MESSAGE_EVENTS_MAX;
use super::event::to_json;
use super::proto::{self, Event, ExchangeResponse};
use crate::Gateway;
use crate::batch::Batch;
use crate::entrance::{Checks, Pass};
use crate::examine::examine;
use crate::ndjson::PUBLISH_DEADLINE;
use crate::publish::Door;
use crate::verdict::Verdict;

/// A batch that is not full is sent after this long.
const LINGER: Duration = Duration::from_millis(5);
/// Batches of a stream that are under way at once.
const BATCHES_UNDER_WAY: usize = 4;
/// A batch is sent when its answer is about this many events, refused ones included.
const ANSWER_EVENTS: usize = 1_000;

/// The events of messages, or the end of the stream.
type Messages = BoxStream<'static, Result<Vec<Event>, Status>>;
type UnderWay = FuturesOrdered<Pin<Box<dyn Future<Output = Result<ExchangeResponse, Status>> + Send>>>;

/// A stream of events until its end.
pub(super) struct Session {
    gateway: Arc<Gateway>,
    sender: Checks,
    messages: Messages,
    has_ended: bool,
    under_way: UnderWay,
    /// The events since the last batch, and their answer.
    batch: Batch,
    answer: ExchangeResponse,
    send_at: Option<Instant>,
    /// Of the last event.
    number: u64,
}

impl Session {
    pub(super) fn new(gateway: Arc<Gateway>, pass: Pass, messages: Messages) -> Self {
        let batch = Batch::new(Door::GRPC, Arc::clone(&gateway.context.clock));
        Self {
            gateway,
            sender: pass.checks(),
            messages,
            has_ended: false,
            under_way: UnderWay::new(),
            batch,
            answer: ExchangeResponse::default(),
            send_at: None,
            number: 0,
        }
    }

    /// The next answer; `None` once every event has one.
    ///
    /// # Errors
    /// The bus did not confirm, the client broke off, its token is no longer valid, or the gateway stops: what has no
    /// answer is to be sent again.
    pub(super) async fn next(&mut self) -> Result<Option<ExchangeResponse>, Status> {
        let lifecycle = self.gateway.context.lifecycle.clone();
        loop {
            let has_room = !self.has_ended && self.under_way.len() < BATCHES_UNDER_WAY;
            let send_at = self.send_at;
            tokio::select! {
                // Confirms before messages: of a fast client there is always one.
                biased;
                () = self.sender.ended(), if !self.has_ended => {
                    return Err(Status::unauthenticated(
                        "the token of this stream is no longer valid; what was not acknowledged may not have been published",
                    ));
                }
                Some(answer) = self.under_way.next(), if !self.under_way.is_empty() => return answer.map(Some),
                message = self.messages.next(), if has_room => {
                    if let Some(message) = message {
                        self.take(message?)?;
                    } else {
                        self.has_ended = true;
                        self.send();
                    }
                }
                () = tokio::time::sleep_until(send_at.unwrap_or_else(Instant::now)), if has_room && send_at.is_some() => {
                    self.send();
                }
                () = lifecycle.stopping(), if !self.has_ended => {
                    return Err(Status::unavailable("the gateway is stopping; send again what was not acknowledged"));
                }
                else => return Ok(None),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) -> Result<(), Status> {
        if events.len() > MESSAGE_EVENTS_MAX {
            let count = events.len();
            return Err(Status::invalid_argument(format!(
                "a message has {count} events, and at most {MESSAGE_EVENTS_MAX} are allowed: send more messages"
            )));
        }
        for event in events {
            self.number += 1;
            let examined = to_json(&event).and_then(|json| examine(&json).map(|event| (event, json)));
            match examined {
                Ok((gate_event, json)) => self.add(event.id, &gate_event, json),
                Err(refusal) => self.refuse(event.id, &refusal),
            }
            if self.batch.is_full() || self.answered() >= ANSWER_EVENTS {
                self.send();
            }
        }
        if self.send_at.is_none() && self.answered() > 0 {
            self.send_at = Some(Instant::now() + LINGER);
        }
        Ok(())
    }

    fn add(&mut self, id: String, event: &GateEvent, json: Vec<u8>) {
        match self.gateway.judge(self.sender.principal(), event, json.into()) {
            Verdict::Publish(json) => {
                self.batch.add(event.key.direction, &json, self.number);
                self.answer.accepted.push(id);
            }
            Verdict::Filtered(rule) => self.answer.filtered.push(proto::Filtered { id, rule: rule.to_owned() }),
            Verdict::Denied(refusal) => self.refuse(id, &refusal),
        }
    }

    fn refuse(&mut self, id: String, refusal: &Refusal) {
        self.gateway.metrics.refused.with_label_values(&[Door::GRPC.name, refusal.member()]).inc();
        let (member, detail) = (refusal.member().to_owned(), refusal.to_string());
        self.answer.refusals.push(proto::Refusal { number: self.number, id, member, detail });
    }

    /// The events since the last batch.
    fn answered(&self) -> usize {
        self.answer.accepted.len() + self.answer.filtered.len() + self.answer.refusals.len()
    }

    /// Hands the batch to the bus.
    fn send(&mut self) {
        self.send_at = None;
        if self.answered() == 0 {
            return;
        }
        let ((outgoing, _), answer) = (self.batch.take(), std::mem::take(&mut self.answer));
        let gateway = Arc::clone(&self.gateway);
        self.under_way.push_back(Box::pin(async move {
            let published = gateway.publish(outgoing, Door::GRPC, PUBLISH_DEADLINE).await;
            published.map(|()| answer).map_err(|_| {
                Status::unavailable(
                    "the bus did not confirm: it is unavailable or full; send again what was not acknowledged, which is harmless",
                )
            })
        }));
    }
}
