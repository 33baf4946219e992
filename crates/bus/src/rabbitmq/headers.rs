//! Death notes as headers of a message: our own, and those that the broker writes when it gives a message up.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::DeathNote;

const REASON: &str = "x-dwell-reason";
const QUEUE: &str = "x-dwell-queue";
/// What `RabbitMQ` writes: the first death, and the list of all of them, the newest first.
const BROKER_REASON: &str = "x-first-death-reason";
const BROKER_QUEUE: &str = "x-first-death-queue";
const BROKER_LIST: &str = "x-death";

const PERSISTENT: u8 = 2;

/// The properties of a message that we publish.
pub(super) fn properties(death: Option<&DeathNote>) -> BasicProperties {
    let properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type("application/json".into());
    let Some(DeathNote { reason, queue }) = death else { return properties };
    let mut headers = FieldTable::default();
    headers.insert(REASON.into(), AMQPValue::LongString(reason.as_str().into()));
    headers.insert(QUEUE.into(), AMQPValue::LongString(queue.as_str().into()));
    properties.with_headers(headers)
}

/// The death note of a message that we receive, ours before the broker's. Headers of any type are fine.
pub(super) fn death_note(properties: &BasicProperties) -> Option<DeathNote> {
    let headers = properties.headers().as_ref()?;
    note(headers, REASON, QUEUE)
        .or_else(|| note(headers, BROKER_REASON, BROKER_QUEUE))
        .or_else(|| headers.inner().get(BROKER_LIST).and_then(newest_death))
}

fn newest_death(deaths: &AMQPValue) -> Option<DeathNote> {
    let newest = deaths.as_array()?.as_slice().first()?;
    note(newest.as_field_table()?, "reason", "queue")
}

fn note(table: &FieldTable, reason: &str, queue: &str) -> Option<DeathNote> {
    let reason = text(table.inner().get(reason)?)?;
    let queue = table.inner().get(queue).and_then(text).unwrap_or_default();
    Some(DeathNote { reason, queue })
}

fn text(value: &AMQPValue) -> Option<String> {
    let short = value.as_short_string().map(ToString::to_string);
    short.or_else(|| value.as_long_string().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

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

    fn read(headers: &[(&str, AMQPValue)]) -> Option<DeathNote> {
        death_note(&BasicProperties::default().with_headers(table(headers)))
    }

    #[test]
    fn our_death_note_comes_back_as_it_went() {
        let note = DeathNote { reason: "no entry time".to_owned(), queue: "parking.entry".to_owned() };

        assert_eq!(death_note(&properties(Some(&note))), Some(note));
        assert_eq!(death_note(&properties(None)), None);
    }

    #[test]
    fn the_brokers_death_is_understood() {
        let limit = DeathNote { reason: "delivery_limit".to_owned(), queue: "parking.exit".to_owned() };
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
