//! The headers of a message: its trace, and dead-letter reasons, our own and the broker's. `properties` handles the
//! other headers.

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use service_kit::traces::{TRACEPARENT, TraceContext};

use super::properties::{self, Publishing};
use crate::{DeadLetterReason, Message, Properties};

const REASON: &str = "x-dwell-reason";
const QUEUE: &str = "x-dwell-queue";
/// The headers that `RabbitMQ` adds: the first death, and the list of all, the newest first.
const BROKER_REASON: &str = "x-first-death-reason";
const BROKER_QUEUE: &str = "x-first-death-queue";
const BROKER_LIST: &str = "x-death";

/// The properties of a message to publish, with its headers.
pub(super) fn properties(message: &Message, publishing: &Publishing<'_>) -> BasicProperties {
    let (properties, mut headers) = properties::to_amqp(message.properties.as_deref(), publishing);
    if let Some(DeadLetterReason { reason, queue }) = &message.dead_letter {
        headers.insert(REASON.into(), AMQPValue::LongString(reason.as_str().into()));
        headers.insert(QUEUE.into(), AMQPValue::LongString(queue.as_str().into()));
    }
    if let Some(trace) = &message.trace
        && !headers.contains_key(TRACEPARENT)
    {
        headers.insert(TRACEPARENT.into(), AMQPValue::LongString(trace.traceparent().into()));
    }
    if headers.inner().is_empty() { properties } else { properties.with_headers(headers) }
}

/// The publisher's properties of a received message, without the trace and our own headers.
pub(super) fn said(properties: &BasicProperties) -> Option<Arc<Properties>> {
    // A trace in another spelling stays a header, and so is passed on unchanged.
    let traceparent = trace(properties).map(|trace| trace.traceparent());
    let is_trace = |headers: &FieldTable| headers.inner().get(TRACEPARENT).and_then(text) == traceparent;
    let hides_trace = traceparent.is_some() && properties.headers().as_ref().is_some_and(is_trace);
    properties::from_amqp(properties, |name| [REASON, QUEUE].contains(&name) || (hides_trace && name == TRACEPARENT))
}

/// The trace of a received message. A header of another format is ignored.
pub(super) fn trace(properties: &BasicProperties) -> Option<TraceContext> {
    let header = properties.headers().as_ref()?.inner().get(TRACEPARENT)?;
    TraceContext::parse(&text(header)?)
}

/// The dead-letter reason of a received message, ours before the broker's. Accepts headers of any type.
pub(super) fn dead_letter_reason(properties: &BasicProperties) -> Option<DeadLetterReason> {
    let headers = properties.headers().as_ref()?;
    reason_in(headers, REASON, QUEUE)
        .or_else(|| reason_in(headers, BROKER_REASON, BROKER_QUEUE))
        .or_else(|| headers.inner().get(BROKER_LIST).and_then(newest_death))
}

fn newest_death(deaths: &AMQPValue) -> Option<DeadLetterReason> {
    let newest = deaths.as_array()?.as_slice().first()?;
    reason_in(newest.as_field_table()?, "reason", "queue")
}

fn reason_in(table: &FieldTable, reason: &str, queue: &str) -> Option<DeadLetterReason> {
    let reason = text(table.inner().get(reason)?)?;
    let queue = table.inner().get(queue).and_then(text).unwrap_or_default();
    Some(DeadLetterReason { reason, queue })
}

fn text(value: &AMQPValue) -> Option<String> {
    let short = value.as_short_string().map(ToString::to_string);
    short.or_else(|| value.as_long_string().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    const OWN_PUBLISHING: Publishing<'_> = Publishing { user: "dwell", is_dead_letter: false };

    fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in entries {
            table.insert((*name).into(), value.clone());
        }
        table
    }

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn read(headers: &[(&str, AMQPValue)]) -> Option<DeadLetterReason> {
        dead_letter_reason(&BasicProperties::default().with_headers(table(headers)))
    }

    #[test]
    fn our_death_note_comes_back_as_it_went() {
        let reason = DeadLetterReason { reason: "no entry time".to_owned(), queue: "parking.entry".to_owned() };

        let with_reason = Message { dead_letter: Some(reason.clone()), ..Message::new("") };
        assert_eq!(dead_letter_reason(&properties(&with_reason, &OWN_PUBLISHING)), Some(reason));
        assert_eq!(dead_letter_reason(&properties(&Message::new(""), &OWN_PUBLISHING)), None);
    }

    #[test]
    fn our_trace_comes_back_as_it_went_and_what_is_none_is_no_error() {
        let context = TraceContext::new();
        let traced = Message { trace: Some(context), ..Message::new("") };
        assert_eq!(trace(&properties(&traced, &OWN_PUBLISHING)), Some(context));
        assert_eq!(said(&properties(&traced, &OWN_PUBLISHING)), None);
        assert_eq!(properties(&Message::new(""), &OWN_PUBLISHING).headers(), &None);
        for value in [long("not a trace"), AMQPValue::Boolean(true)] {
            assert_eq!(trace(&BasicProperties::default().with_headers(table(&[(TRACEPARENT, value)]))), None);
        }
    }

    #[test]
    fn the_brokers_death_is_understood() {
        let limit = DeadLetterReason { reason: "delivery_limit".to_owned(), queue: "parking.exit".to_owned() };
        let death = table(&[("reason", long("delivery_limit")), ("queue", long("parking.exit"))]);
        let list = AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::FieldTable(death)]));

        assert_eq!(
            read(&[(BROKER_REASON, long(&limit.reason)), (BROKER_QUEUE, long(&limit.queue))]),
            Some(limit.clone())
        );
        assert_eq!(read(&[(BROKER_LIST, list)]), Some(limit));
    }

    #[test]
    fn headers_of_unknown_types_are_no_death_note() {
        let odd = [AMQPValue::Void, AMQPValue::Boolean(true), AMQPValue::Timestamp(1), AMQPValue::Double(f64::NAN)];

        for value in odd {
            assert_eq!(read(&[(REASON, value.clone()), (BROKER_REASON, value.clone()), (BROKER_LIST, value)]), None);
        }
        assert_eq!(read(&[(BROKER_LIST, AMQPValue::FieldArray(FieldArray::default()))]), None);
    }
}
