//! Arrivals: events and refused elements, each with the message that contained it.
//!
//! A message may contain many events, and is acknowledged once all of them are done.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus::{Delivery, Properties, Queue, Tag};
use bytes::Bytes;
use parking::wire::{Dropped, Element, ParsedEvent, parse_message};
use parking::{AHEAD_MAX_MS, DroppedHeaders, EventKey, GateEvent, Receipt, Refusal, Timestamp, Vehicle};
use service_kit::traces::TraceContext;
use tokio::time::Instant;
use uuid::Uuid;

use crate::progress::OutOfOrder;

/// Names of compressions that may be quoted in a reason. Any other text might be a plate.
const COMPRESSIONS: [&str; 9] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "lz4", "snappy", "bzip2"];
/// Values of `content_encoding` that mean plain text.
const PLAIN_ENCODINGS: [&str; 4] = ["", "identity", "utf-8", "utf8"];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A message that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) queue: Queue,
    pub(crate) tag: Tag,
    pub(crate) at: Instant,
    pub(crate) body: Bytes,
    pub(crate) trace: Option<TraceContext>,
    /// The publisher's properties.
    pub(crate) properties: Option<Arc<Properties>>,
    /// How its events came in.
    pub(crate) receipt: Receipt,
    undecided: AtomicUsize,
    unfinished: AtomicUsize,
    /// Counts the message as out of order while it is in flight.
    _out_of_order: Option<OutOfOrder>,
}

impl Received {
    /// Counts one element as recorded or handed to the dead letters; returns whether it was the last one.
    pub(crate) fn one_decided(&self) -> bool {
        self.undecided.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Counts one element as recorded or confirmed as a dead letter; returns whether it was the last one. Then the
    /// message is acknowledged.
    pub(crate) fn one_finished(&self) -> bool {
        self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The bytes of the message in memory.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.body, self.properties.as_ref())
    }

    /// The original JSON of each event of this message.
    pub(crate) fn sources(&self) -> Sources {
        let elements = parse_message(&self.body).unwrap_or_default().into_iter();
        let source = |element: Element<'_>| {
            let event = element.event.ok()?.event;
            Some(((event.key, event.vehicle), self.body.slice_ref(element.json)))
        };
        elements.filter_map(source).collect()
    }
}

/// One element of a message: a gate event, or a refusal.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) content: Result<GateEvent, Refused>,
    /// The id of the event of the same lot and gate that this one replaces.
    pub(crate) supersedes: Option<Uuid>,
    pub(crate) received_at: Timestamp,
    pub(crate) message: Arc<Received>,
}

impl Arrival {
    /// The event's time. Refusals come first, because nothing waits for them.
    pub(crate) fn order(&self) -> Timestamp {
        self.content.as_ref().map_or(Timestamp::from_millis(i64::MIN), |event| event.key.time)
    }
}

/// The original JSON of events.
pub(crate) type Sources = HashMap<(EventKey, Vehicle), Bytes>;

/// The content of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) body: Bytes,
    pub(crate) refusal: Refusal,
}

/// Bytes of a message in memory.
pub(crate) fn bytes(body: &Bytes, properties: Option<&Arc<Properties>>) -> usize {
    body.len() + properties.map_or(0, |said| said.bytes())
}

/// Parses a message and appends its elements. An array without any event is one refused element: the whole body.
/// `count_dropped` receives the optional members of each event that were dropped. Returns the headers that were
/// dropped.
pub(crate) fn read(
    queue: Queue,
    delivery: &Delivery,
    now: Timestamp,
    out_of_order: Option<OutOfOrder>,
    arrivals: &mut impl Extend<Arrival>,
    mut count_dropped: impl FnMut(Dropped),
) -> DroppedHeaders {
    let body = &delivery.body;
    let header = |name: &str| delivery.properties.as_ref().and_then(|properties| properties.header_text(name));
    let (receipt, dropped_headers) = Receipt::read(header, now);
    let (elements, refusal) = match elements(delivery, now) {
        Ok(elements) => (elements, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let parts = elements.len().max(1);
    let message = Arc::new(Received {
        queue,
        tag: delivery.tag,
        at: delivery.received,
        body: body.clone(),
        trace: delivery.trace,
        properties: delivery.properties.clone(),
        receipt,
        undecided: AtomicUsize::new(parts),
        unfinished: AtomicUsize::new(parts),
        _out_of_order: out_of_order,
    });
    let arrival =
        |content, supersedes| Arrival { content, supersedes, received_at: now, message: Arc::clone(&message) };
    arrivals.extend(refusal.map(|refusal| arrival(Err(Refused { body: body.clone(), refusal }), None)));
    arrivals.extend(elements.into_iter().map(|element| {
        let mut supersedes = None;
        let event = element.event.map(|parsed: ParsedEvent| {
            count_dropped(parsed.dropped);
            supersedes = parsed.supersedes;
            parsed.event
        });
        arrival(event.map_err(|refusal| Refused { body: body.slice_ref(element.json), refusal }), supersedes)
    }));
    dropped_headers
}

/// The elements of a message with at least one event.
fn elements(delivery: &Delivery, now: Timestamp) -> Result<Vec<Element<'_>>, Refusal> {
    let mut elements = parse_message(&delivery.body).map_err(|refusal| encoding(delivery).unwrap_or(refusal))?;
    for element in &mut elements {
        if let Ok(parsed) = &element.event
            && let Some(refusal) = ahead(&parsed.event, now)
        {
            element.event = Err(refusal);
        }
    }
    if elements.iter().any(|element| element.event.is_ok()) {
        return Ok(elements);
    }
    let count = elements.len();
    let first = elements.into_iter().find_map(|element| element.event.err());
    Err(first.map_or_else(|| Refusal::new("body", "is an empty array"), |first| first.of_array(count)))
}

/// The refusal of an unsupported encoding; `None` if an unreadable body has another cause.
fn encoding(delivery: &Delivery) -> Option<Refusal> {
    let said = delivery.properties.as_ref().and_then(|said| said.content_encoding.as_deref()).unwrap_or_default();
    let said = said.trim().to_ascii_lowercase();
    let plain = "publish plain JSON in UTF-8, without content_encoding";
    if let Some(known) = COMPRESSIONS.iter().find(|known| **known == said) {
        return Some(Refusal::new("content_encoding", format!("is {known}, which is not supported: {plain}")));
    }
    if delivery.body.starts_with(&GZIP_MAGIC) {
        return Some(Refusal::new("body", format!("is compressed by gzip, which is not supported: {plain}")));
    }
    let is_plain = PLAIN_ENCODINGS.contains(&said.as_str());
    (!is_plain).then(|| Refusal::new("content_encoding", format!("is not supported: {plain}")))
}

fn ahead(event: &GateEvent, now: Timestamp) -> Option<Refusal> {
    let time = event.key.time;
    let text = || format!("event: its time {time} is more than five minutes ahead of {now}; set the gate's clock");
    (time.millis_since(now) > AHEAD_MAX_MS).then(|| Refusal::new("future", text()))
}

/// The elements of a message.
#[cfg(test)]
pub(crate) fn read_all(queue: Queue, delivery: &Delivery, now: Timestamp) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    read(queue, delivery, now, None, &mut arrivals, |_| {});
    arrivals
}

/// A message with this body, just received.
#[cfg(test)]
pub(crate) fn delivered(body: String) -> Delivery {
    let tag = Tag { generation: 1, number: 1 };
    Delivery {
        tag,
        body: body.into(),
        received: Instant::now(),
        redelivered: false,
        dead_letter: None,
        trace: None,
        properties: None,
    }
}

#[cfg(test)]
mod tests {
    use bus::HeaderValue;
    use parking::{Door, FormatName};

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
        let finished: Vec<bool> = arrivals.iter().map(|arrival| arrival.message.one_finished()).collect();
        assert_eq!(finished, [false, false, true]);
        let decided: Vec<bool> = arrivals.iter().map(|arrival| arrival.message.one_decided()).collect();
        assert_eq!(decided, [false, false, true]);
        assert_eq!(arrivals[2].content.as_ref().unwrap_err().body, Bytes::from_static(b"7"));
    }

    #[test]
    fn an_array_of_which_nothing_is_an_event_is_one_refused_element_with_the_whole_body() {
        let late = event("2024-09-24T09:06:00Z");
        let garbage = format!("[{}7]", "7,".repeat(8_999));
        for (body, member) in
            [(garbage, "body"), (format!("[{late}, {late}]"), "future"), (format!("[{late}, 7]"), "future")]
        {
            let arrivals = read_all(Queue::Exit, &delivered(body.clone()), NOW);
            assert_eq!(arrivals.len(), 1);
            let refused = arrivals[0].content.as_ref().unwrap_err();
            assert_eq!((&*refused.body, refused.refusal.member()), (body.as_bytes(), member));
            assert!(refused.refusal.to_string().contains("elements"), "{}", refused.refusal);
        }
    }

    #[test]
    fn an_encoding_that_is_not_taken_is_the_reason() {
        let reason = |encoding: Option<&str>, body: &[u8]| {
            let said = Properties { content_encoding: encoding.map(str::to_owned), ..Properties::default() };
            let delivery = Delivery {
                body: Bytes::copy_from_slice(body),
                properties: Some(Arc::new(said)),
                ..delivered(String::new())
            };
            let arrivals = read_all(Queue::Exit, &delivery, NOW);
            match &arrivals[0].content {
                Ok(_) => "an event".to_owned(),
                Err(refused) => refused.refusal.to_string().split(", which").next().unwrap_or_default().to_owned(),
            }
        };
        let gzip = [0x1f, 0x8b, 8, 0];
        assert_eq!(reason(Some("gzip"), &gzip), "content_encoding is gzip");
        assert_eq!(reason(None, &gzip), "body is compressed by gzip");
        assert_eq!(reason(Some("Deflate"), &[0x78, 0x9c]), "content_encoding is deflate");
        let unknown = reason(Some("SECRET1"), &[0x78, 0x9c]);
        assert!(unknown.starts_with("content_encoding is not supported") && !unknown.contains("SECRET1"));
        assert!(reason(Some("utf-8"), b"{").starts_with("body is not JSON"));
        // A readable body is accepted with any `content_encoding`.
        assert_eq!(reason(Some("gzip"), event("2024-09-24T09:00:00Z").as_bytes()), "an event");
    }

    #[test]
    fn the_events_of_a_message_share_its_receipt_and_headers_never_cost_an_event() {
        let body = format!("[{0}, {0}]", event("2024-09-24T09:00:00Z"));
        let receipt_of = |headers: &[(&str, HeaderValue)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let properties = Some(Arc::new(Properties { headers, ..Properties::default() }));
            let mut arrivals = Vec::new();
            let delivery = Delivery { properties, ..delivered(body.clone()) };
            let dropped = read(Queue::Exit, &delivery, NOW, None, &mut arrivals, |_| {});
            let receipts: Vec<_> = arrivals.iter().map(|arrival| arrival.message.receipt.clone()).collect();
            assert!(arrivals.iter().all(|arrival| arrival.content.is_ok()) && receipts[0] == receipts[1]);
            (receipts[0].clone(), dropped)
        };
        let [door, format, received] = Receipt::HEADERS;
        let time = HeaderValue::text("2024-09-24T08:59:59.500Z");
        let whole = Receipt::new(Door::Camera, FormatName::parse("axis").ok(), NOW.plus_millis(-500));
        let headers = [(door, HeaderValue::text("camera")), (format, HeaderValue::text("axis")), (received, time)];
        assert_eq!(receipt_of(&headers), (whole, [false; 3]));
        assert_eq!(receipt_of(&[]), (Receipt::default(), [false; 3]));
        for wrong in [HeaderValue::Int64(1), HeaderValue::Void, HeaderValue::text("2999-01-01T00:00:00Z")] {
            let headers = Receipt::HEADERS.map(|name| (name, wrong.clone()));
            assert_eq!(receipt_of(&headers), (Receipt::default(), [true; 3]));
        }
    }

    #[test]
    fn the_json_of_an_event_is_found_as_it_came() {
        let body = format!("[7, {}]", event("2024-09-24T09:00:00Z").replace('{', r#"{"extra": [1],  "#));
        let arrivals = read_all(Queue::Exit, &delivered(body.clone()), NOW);
        let event = arrivals[1].content.clone().unwrap();
        let sources = arrivals[1].message.sources();
        assert_eq!(&*sources[&(event.key, event.vehicle)], &body.as_bytes()[4..body.len() - 1]);
    }
}
