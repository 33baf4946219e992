//! One MQTT message: read, filtered and counted, and what of it is to be published.

use std::sync::Arc;

use access::Principal;
use bus::Message;
use bytes::Bytes;
use camera_formats::TimeSource;
use parking::Refusal;

use super::topics::Topics;
use crate::cameras::{Received, count, count_refusal, outgoing};
use crate::events::elements;
use crate::examine::examine;
use crate::publish::{Door, Outgoing};
use crate::verdict::Verdict;
use crate::{Gateway, MQTT_TASK};

/// A message as it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// The broker kept it from an earlier time, and sends it because the gateway subscribed.
    pub(super) is_retained: bool,
}

/// The part of a message to publish. Everything else is counted here, and each refusal is logged.
pub(super) async fn read(gateway: &Arc<Gateway>, topics: &Topics, message: &Arrived) -> Outgoing {
    let mut all = Outgoing::default();
    // The broker has decided who may publish.
    let sender = Principal::system(MQTT_TASK);
    let gates = topics.gates_of(&message.topic);
    let has_events = topics.has_events(&message.topic);
    if gates.is_empty() && !has_events {
        // A subscription that an earlier configuration left behind in the broker.
        gateway.metrics.refused.with_label_values(&[Door::MQTT.name, "topic"]).inc();
    }
    if has_events {
        all.append(own_events(gateway, &sender, &message.payload));
    }
    for (format, gates) in gates {
        let door = Door::MQTT.of_format(format);
        let gate = if let [gate] = &gates[..] { gate.id.to_string() } else { "unknown".to_owned() };
        let received = Received::of_topic(&message.topic, message.payload.clone(), gateway.context.clock.now());
        let (read, _) = received.read(gateway, gates).await;
        match read {
            Err(refusal) => count_refusal(gateway, door, format, &gate, &refusal),
            Ok(mut outcome) => {
                if message.is_retained {
                    // It would become a passage at the moment at which it is sent again.
                    let before = outcome.reads.len();
                    outcome.reads.retain(|read| read.time_source != TimeSource::Received);
                    let left_out = u64::try_from(before - outcome.reads.len()).unwrap_or(u64::MAX);
                    gateway.metrics.skipped.with_label_values(&[format.as_str(), "retained"]).inc_by(left_out);
                }
                count(gateway, door, format, &gate, &outcome);
                all.append(outgoing(gateway, &sender, door, &outcome));
            }
        }
    }
    all
}

/// Gate events in their own form: one, or an array.
fn own_events(gateway: &Gateway, sender: &Principal, payload: &Bytes) -> Outgoing {
    let properties = Door::MQTT.properties(gateway.context.clock.now());
    let mut outgoing = Outgoing::default();
    let refuse = |refusal: &Refusal| {
        gateway.metrics.refused.with_label_values(&[Door::MQTT.name, refusal.member()]).inc();
        let line = || tracing::warn!(door = Door::MQTT.name, reason = %refusal, "gate event refused");
        gateway.context.decisions.decision("gate_event_refused", line);
    };
    let elements = match elements(payload) {
        Ok(elements) => elements,
        Err(refusal) => {
            refuse(&refusal);
            return outgoing;
        }
    };
    for json in elements {
        match examine(&json) {
            Ok(event) => {
                if let Verdict::Publish(json) = gateway.judge(sender, &event, json) {
                    let message = Message { properties: Some(Arc::clone(&properties)), ..Message::new(json) };
                    outgoing.add(event.key.direction, message);
                }
            }
            Err(refusal) => refuse(&refusal),
        }
    }
    outgoing
}
