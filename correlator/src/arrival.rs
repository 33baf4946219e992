//! What arrives: events and refused elements, each tied to the message that brought it.
//!
//! A message is acknowledged once everything in it is done; one message may hold many events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus::{Delivery, Queue, Tag};
use bytes::Bytes;
use parking::wire::{Dropped, parse_message};
use parking::{GateEvent, Refusal, Timestamp};
use service_kit::traces::TraceContext;
use tokio::time::Instant;

/// An event that arrives further ahead of the clock than this is refused: one wrong gate clock must not age a lot.
pub(crate) const AHEAD_MAX_MS: i64 = 5 * 60 * 1000;

/// A message that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) queue: Queue,
    pub(crate) tag: Tag,
    pub(crate) at: Instant,
    pub(crate) trace: Option<TraceContext>,
    left: AtomicUsize,
}

impl Received {
    /// One of its elements is done; tells whether that was the last.
    pub(crate) fn one_done(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// One element of a message: a gate event, or what can't be taken.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) content: Result<GateEvent, Refused>,
    pub(crate) received_at: Timestamp,
    pub(crate) message: Arc<Received>,
}

impl Arrival {
    /// The event's time; what is refused goes first, since it waits for nothing.
    pub(crate) fn order(&self) -> Timestamp {
        self.content.as_ref().map_or(Timestamp::from_millis(i64::MIN), |event| event.key.time)
    }
}

/// What goes to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) body: Bytes,
    pub(crate) refusal: Refusal,
}

/// Takes a message apart, and adds what is in it. `count_dropped` gets the members that events had to be taken without.
pub(crate) fn read(
    queue: Queue,
    delivery: &Delivery,
    now: Timestamp,
    arrivals: &mut impl Extend<Arrival>,
    mut count_dropped: impl FnMut(Dropped),
) {
    let body = &delivery.body;
    let (elements, refusal) = match parse_message(body) {
        Err(refusal) => (Vec::new(), Some(refusal)),
        Ok(elements) if elements.is_empty() => (elements, Some(Refusal::new("body", "is an empty array"))),
        Ok(elements) => (elements, None),
    };
    let left = AtomicUsize::new(elements.len().max(1));
    let message = Arc::new(Received { queue, tag: delivery.tag, at: delivery.received, trace: delivery.trace, left });
    let arrival = |content| Arrival { content, received_at: now, message: Arc::clone(&message) };
    arrivals.extend(refusal.map(|refusal| arrival(Err(Refused { body: body.clone(), refusal }))));
    arrivals.extend(elements.into_iter().map(|element| {
        let event = element.event.and_then(|parsed| {
            count_dropped(parsed.dropped);
            not_ahead(parsed.event, now)
        });
        arrival(event.map_err(|refusal| Refused { body: body.slice_ref(element.json), refusal }))
    }));
}

fn not_ahead(event: GateEvent, now: Timestamp) -> Result<GateEvent, Refusal> {
    if event.key.time.millis_since(now) <= AHEAD_MAX_MS {
        return Ok(event);
    }
    let time = event.key.time;
    Err(Refusal::new(
        "future",
        format!("event: its time {time} is more than five minutes ahead of {now}; set the gate's clock"),
    ))
}

/// What is in a message.
#[cfg(test)]
pub(crate) fn read_all(queue: Queue, delivery: &Delivery, now: Timestamp) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    read(queue, delivery, now, &mut arrivals, |_| {});
    arrivals
}

/// A message with this body, just received.
#[cfg(test)]
pub(crate) fn delivered(body: String) -> Delivery {
    let tag = Tag { generation: 1, number: 1 };
    Delivery { tag, body: body.into(), received: Instant::now(), redelivered: false, death: None, trace: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_000);
    fn event(time: &str) -> String {
        format!(
            r#"{{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "ABC-123", "exit_date_time": "{time}"}}"#
        )
    }

    fn members(body: String) -> Vec<Result<i64, &'static str>> {
        let arrivals = read_all(Queue::Exit, &delivered(body), NOW);
        arrivals
            .iter()
            .map(|arrival| {
                arrival
                    .content
                    .as_ref()
                    .map(|event| event.key.time.as_millis())
                    .map_err(|refused| refused.refusal.member())
            })
            .collect()
    }

    #[test]
    fn an_event_more_than_five_minutes_ahead_is_refused() {
        assert_eq!(members(event("2024-09-24T09:05:00Z")), [Ok(1_727_168_700_000)]);
        assert_eq!(members(event("2024-09-24T09:05:00.001Z")), [Err("future")]);
    }

    #[test]
    fn a_byte_order_mark_before_a_message_is_ignored() {
        let event = event("2024-09-24T09:00:00Z");
        let expected = [Ok(1_727_168_400_000)];
        assert_eq!(members(format!("\u{feff}{event}")), expected);
        assert_eq!(members(format!("\u{feff}[{event}]")), expected);
    }

    #[test]
    fn every_message_has_something_that_ends_it() {
        assert_eq!(members(String::new()), [Err("body")]);
        assert_eq!(members("[]".into()), [Err("body")]);
        assert_eq!(members(format!("[{}, 7]", event("2024-09-24T09:00:00Z"))), [Ok(1_727_168_400_000), Err("body")]);
    }

    #[test]
    fn a_message_is_done_with_its_last_element() {
        let body = format!("[{0}, {0}, 7]", event("2024-09-24T09:00:00Z"));
        let arrivals = read_all(Queue::Exit, &delivered(body), NOW);
        let done: Vec<bool> = arrivals.iter().map(|arrival| arrival.message.one_done()).collect();
        assert_eq!(done, [false, false, true]);
        assert_eq!(arrivals[2].content.as_ref().unwrap_err().body, Bytes::from_static(b"7"));
    }
}
