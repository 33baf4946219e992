//! A dead letter in `dwell dlq list`: a row for people, or a line of JSON.
//!
//! Bodies and property values may contain plates, so they are shown only on request. No control character reaches the
//! terminal.

use std::collections::BTreeMap;

use bus::{Delivery, HeaderValue, Properties};
use parking::printable;
use parking::wire::without_byte_order_mark;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The shown parts of a letter, without its body, which may be large.
#[derive(Debug)]
pub(super) struct Shown {
    queue: String,
    reason: String,
    bytes: usize,
    event: Option<Uuid>,
    properties: Properties,
    /// Only on request.
    body: Option<String>,
}

impl Shown {
    pub(super) fn of(letter: &Delivery, with_bodies: bool) -> Self {
        let dead_letter = letter.dead_letter.as_ref();
        let known = |text: Option<&String>| {
            text.filter(|text| !text.is_empty()).cloned().unwrap_or_else(|| "unknown".to_owned())
        };
        let usual = || Properties { content_type: Some("application/json".to_owned()), ..Properties::default() };
        Self {
            queue: known(dead_letter.map(|dead_letter| &dead_letter.queue)),
            reason: known(dead_letter.map(|dead_letter| &dead_letter.reason)),
            bytes: letter.body.len(),
            event: event_id(&letter.body),
            properties: letter.properties.as_deref().cloned().unwrap_or_else(usual),
            body: with_bodies.then(|| String::from_utf8_lossy(&letter.body).into_owned()),
        }
    }

    fn row(&self, number: usize) -> String {
        let Self { queue, reason, bytes, event, .. } = self;
        let (queue, reason) = (printable::one_line(queue), printable::one_line(reason));
        let event = event.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let mut row = format!("{number:>5}  {queue:<7}  {bytes:>7}  {event:<36}  {reason}\n");
        let usual = |(name, value): &(&str, String)| *name == "content_type" && value == "application/json";
        let named: Vec<_> = self.properties.named().into_iter().filter(|property| !usual(property)).collect();
        let all = named.iter().map(|(name, value)| (*name, value.clone()));
        let headers = self.properties.headers.iter().map(|(name, value)| (name.as_str(), value.to_string()));
        for (kind, given) in [("properties", all.collect::<Vec<_>>()), ("headers", headers.collect())] {
            let words: Vec<String> = given.iter().map(|(name, value)| self.word(name, value)).collect();
            if !words.is_empty() {
                row = row + "       " + kind + ": " + &words.join(", ") + "\n";
            }
        }
        let body = self.body.as_ref().map(|body| format!("       {}\n", printable::one_line(body)));
        row + &body.unwrap_or_default()
    }

    /// A property or header: its name, and its value on request or if it can't be a plate.
    fn word(&self, name: &str, value: &str) -> String {
        let name = printable::one_line(name).into_owned();
        let is_open = self.body.is_some() || SHOWN_PROPERTIES.contains(&name.as_str());
        if is_open { format!("{name}={}", printable::one_line(value)) } else { name }
    }

    fn json(&self) -> Value {
        let Self { queue, reason, bytes, event, properties, body } = self;
        let named = properties.named();
        let property_names: Vec<_> = named.iter().map(|(name, _)| *name).collect();
        let mut line = json!({
            "queue": queue,
            "reason": reason,
            "bytes": bytes,
            "event_id": event,
            "content_type": properties.content_type,
            "content_encoding": properties.content_encoding,
            "property_names": property_names,
            "header_names": properties.headers.keys().collect::<Vec<_>>(),
        });
        if let Some(body) = body {
            line["body"] = Value::from(body.as_str());
            line["properties"] = named
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect::<Map<_, _>>()
                .into();
            line["headers"] = table(&properties.headers);
        }
        line
    }
}

/// Properties that describe the encoding of the body.
const SHOWN_PROPERTIES: [&str; 2] = ["content_type", "content_encoding"];

/// Letters as a table, each with a line about unusual properties.
pub(super) fn as_table(letters: &[Shown]) -> String {
    if letters.is_empty() {
        return String::new();
    }
    let heading = format!("{:>5}  {:<7}  {:>7}  {:<36}  reason\n", "", "queue", "bytes", "event");
    std::iter::once(heading).chain((1..).zip(letters).map(|(number, letter)| letter.row(number))).collect()
}

/// Letters as lines of JSON.
pub(super) fn as_json(letters: &[Shown]) -> String {
    letters.iter().map(|letter| letter.json().to_string() + "\n").collect()
}

fn table(headers: &BTreeMap<String, HeaderValue>) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), json_of(value))).collect::<Map<_, _>>().into()
}

fn json_of(value: &HeaderValue) -> Value {
    match value {
        HeaderValue::Boolean(value) => Value::from(*value),
        HeaderValue::Int8(value) => Value::from(*value),
        HeaderValue::UInt8(value) => Value::from(*value),
        HeaderValue::Int16(value) => Value::from(*value),
        HeaderValue::UInt16(value) => Value::from(*value),
        HeaderValue::Int32(value) => Value::from(*value),
        HeaderValue::UInt32(value) => Value::from(*value),
        HeaderValue::Int64(value) => Value::from(*value),
        HeaderValue::Timestamp(value) => Value::from(*value),
        HeaderValue::Float(value) => Value::from(*value),
        HeaderValue::Double(value) => Value::from(*value),
        HeaderValue::Array(values) => values.iter().map(json_of).collect(),
        HeaderValue::Table(entries) => table(entries),
        HeaderValue::Void => Value::Null,
        HeaderValue::Decimal { .. } | HeaderValue::Text(_) | HeaderValue::Bytes(_) => Value::from(value.to_string()),
    }
}

fn event_id(body: &[u8]) -> Option<Uuid> {
    let body: Value = serde_json::from_slice(without_byte_order_mark(body)).ok()?;
    body.get("id")?.as_str()?.parse().ok()
}
