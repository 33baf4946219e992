//! Converts properties and headers of a message to AMQP's types and back.
//!
//! The broker acts on some properties of a publisher: it would refuse another user's `user_id`, let a dead letter
//! expire, and copy messages to the queues named in `CC`. These travel in headers of our own and are restored on
//! receipt. `headers` reads dead-letter reasons and traces.

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};

use crate::{HeaderValue, Headers, Properties};

/// The content type of our own programs, which set no other property.
pub(super) const OWN_CONTENT_TYPE: &str = "application/json";
const PERSISTENT: u8 = 2;
/// The maximum bytes of headers: with properties and our own headers they have to fit into one frame of 128 KiB.
const HEADERS_BYTES_MAX: usize = 120 * 1024;
/// The number of headers that did not fit.
const OMITTED_HEADERS: &str = "x-dwell-headers-left-out";

const USER_ID: &str = "x-dwell-user-id";
const EXPIRATION: &str = "x-dwell-expiration";
const REPLY_TO: &str = "x-dwell-reply-to";
/// This reply queue means the publishing channel, which is a different one here.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";
/// Headers that route copies to other queues, and the headers in which they travel.
const COPY_HEADERS: [(&str, &str); 2] = [("CC", "x-dwell-cc"), ("BCC", "x-dwell-bcc")];
/// Headers that the broker adds to a delivery.
const DELIVERY_HEADERS: [&str; 2] = ["x-delivery-count", "x-acquired-count"];

/// The maximum length of a property of AMQP.
const SHORT_STRING_BYTES_MAX: usize = 255;

type WithText = fn(BasicProperties, ShortString) -> BasicProperties;

/// The context of a publish that decides which properties the broker may see.
pub(super) struct Publishing<'a> {
    /// The user of the connection.
    pub(super) user: &'a str,
    /// The message is a dead letter, which must not expire.
    pub(super) is_dead_letter: bool,
}

/// The properties and headers of a message to publish. `None` in `message.properties` means one of our own programs.
pub(super) fn to_amqp(properties: Option<&Properties>, publishing: &Publishing<'_>) -> (BasicProperties, FieldTable) {
    let usual = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let Some(properties) = properties else {
        return (usual.with_content_type(OWN_CONTENT_TYPE.into()), FieldTable::default());
    };
    let mut headers = fitting(&properties.headers);
    for (name, hidden) in COPY_HEADERS {
        if let Some(value) = properties.headers.get(name) {
            headers.remove(name);
            headers.insert(hidden.into(), value.clone().into());
        }
    }
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.into(), value);
    }
    let mut hide = |hidden: &str, value: &Option<String>, is_hidden: bool| {
        let hides = value.as_ref().filter(|_| is_hidden);
        if let Some(value) = hides {
            table.insert(hidden.into(), AMQPValue::LongString(value.as_str().into()));
        }
        if hides.is_some() { None } else { value.as_deref().map(ShortString::from) }
    };
    let is_foreign = properties.user_id.as_deref() != Some(publishing.user);
    let is_direct = properties.reply_to.as_deref() == Some(DIRECT_REPLY);
    let user_id = hide(USER_ID, &properties.user_id, is_foreign);
    let expiration = hide(EXPIRATION, &properties.expiration, publishing.is_dead_letter);
    let reply_to = hide(REPLY_TO, &properties.reply_to, is_direct);
    let text = |value: &Option<String>| value.as_deref().map(ShortString::from);
    let texts: [(Option<ShortString>, WithText); 10] = [
        (text(&properties.content_type), BasicProperties::with_content_type),
        (text(&properties.content_encoding), BasicProperties::with_content_encoding),
        (text(&properties.correlation_id), BasicProperties::with_correlation_id),
        (reply_to, BasicProperties::with_reply_to),
        (expiration, BasicProperties::with_expiration),
        (text(&properties.message_id), BasicProperties::with_message_id),
        (text(&properties.kind), BasicProperties::with_type),
        (user_id, BasicProperties::with_user_id),
        (text(&properties.app_id), BasicProperties::with_app_id),
        (text(&properties.cluster_id), BasicProperties::with_cluster_id),
    ];
    let mut amqp = usual;
    for (value, with) in texts {
        amqp = value.into_iter().fold(amqp, with);
    }
    amqp = properties.priority.into_iter().fold(amqp, BasicProperties::with_priority);
    amqp = properties.timestamp.into_iter().fold(amqp, BasicProperties::with_timestamp);
    (amqp, table)
}

/// The headers that fit into a frame, the smallest first.
fn fitting(headers: &Headers) -> std::collections::BTreeMap<String, AMQPValue> {
    let mut sizes: Vec<_> = headers.iter().map(|(name, value)| (1 + name.len() + value.bytes(), name)).collect();
    sizes.sort_unstable();
    let mut bytes = 0;
    let fits = sizes.partition_point(|(size, _)| {
        bytes += size;
        bytes <= HEADERS_BYTES_MAX
    });
    let kept = sizes[..fits].iter().filter_map(|(_, name)| Some(((*name).clone(), headers.get(*name)?.clone().into())));
    let mut kept: std::collections::BTreeMap<_, _> = kept.collect();
    let left_out = u32::try_from(sizes.len() - fits).unwrap_or(u32::MAX);
    if left_out > 0 {
        kept.insert(OMITTED_HEADERS.to_owned(), AMQPValue::LongUInt(left_out));
    }
    kept
}

/// The publisher's properties of a received message; `None` if it is from one of our own programs. Headers in `ours`
/// are read elsewhere and left out.
pub(super) fn from_amqp(amqp: &BasicProperties, ours: impl Fn(&str) -> bool) -> Option<Arc<Properties>> {
    if is_usual(amqp) {
        return None;
    }
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let fields = amqp.headers().iter().flat_map(FieldTable::inner);
    let said = fields.filter(|(name, _)| !ours(name.as_str()) && !DELIVERY_HEADERS.contains(&name.as_str()));
    let mut properties = Properties {
        content_type: text(amqp.content_type()),
        content_encoding: text(amqp.content_encoding()),
        priority: *amqp.priority(),
        correlation_id: text(amqp.correlation_id()),
        reply_to: text(amqp.reply_to()),
        expiration: text(amqp.expiration()),
        message_id: text(amqp.message_id()),
        timestamp: *amqp.timestamp(),
        kind: text(amqp.kind()),
        user_id: text(amqp.user_id()),
        app_id: text(amqp.app_id()),
        cluster_id: text(amqp.cluster_id()),
        headers: said.map(|(name, value)| (name.to_string(), value.into())).collect(),
    };
    let Properties { headers, user_id, expiration, reply_to, .. } = &mut properties;
    for (hidden, place) in [(USER_ID, user_id), (EXPIRATION, expiration), (REPLY_TO, reply_to)] {
        if place.is_none()
            && let Some(HeaderValue::Text(value)) = headers.get(hidden)
            && let Ok(value) = String::from_utf8(value.clone())
            // Any publisher can set these headers, and the broker would refuse a message with an impossible property.
            && is_possible(hidden, &value)
        {
            headers.remove(hidden);
            *place = Some(value);
        }
    }
    for (name, hidden) in COPY_HEADERS {
        if let Some(value) = headers.remove(hidden) {
            headers.insert(name.to_owned(), value);
        }
    }
    let usual = Properties { content_type: Some(OWN_CONTENT_TYPE.to_owned()), ..Properties::default() };
    (properties != usual).then(|| Arc::new(properties))
}

/// Whether a broker accepts the value as the property that travels in this header.
fn is_possible(hidden: &str, value: &str) -> bool {
    match hidden {
        // Milliseconds in 32 bits.
        EXPIRATION => value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u32>().is_ok(),
        REPLY_TO => value == DIRECT_REPLY,
        _ => value.len() <= SHORT_STRING_BYTES_MAX,
    }
}

/// Whether the message is from one of our own programs: the most frequent case, so it is checked first.
fn is_usual(amqp: &BasicProperties) -> bool {
    let others = [
        amqp.content_encoding(),
        amqp.correlation_id(),
        amqp.reply_to(),
        amqp.expiration(),
        amqp.message_id(),
        amqp.kind(),
        amqp.user_id(),
        amqp.app_id(),
        amqp.cluster_id(),
    ];
    amqp.content_type().as_ref().is_some_and(|it| it.as_str() == OWN_CONTENT_TYPE)
        && amqp.headers().is_none()
        && amqp.priority().is_none()
        && amqp.timestamp().is_none()
        && others.iter().all(|it| it.is_none())
}

impl From<HeaderValue> for AMQPValue {
    fn from(value: HeaderValue) -> Self {
        match value {
            HeaderValue::Boolean(value) => Self::Boolean(value),
            HeaderValue::Int8(value) => Self::ShortShortInt(value),
            HeaderValue::UInt8(value) => Self::ShortShortUInt(value),
            HeaderValue::Int16(value) => Self::ShortInt(value),
            HeaderValue::UInt16(value) => Self::ShortUInt(value),
            HeaderValue::Int32(value) => Self::LongInt(value),
            HeaderValue::UInt32(value) => Self::LongUInt(value),
            HeaderValue::Int64(value) => Self::LongLongInt(value),
            HeaderValue::Float(value) => Self::Float(value),
            HeaderValue::Double(value) => Self::Double(value),
            HeaderValue::Decimal { scale, value } => Self::DecimalValue(DecimalValue { scale, value }),
            HeaderValue::Text(bytes) => Self::LongString(bytes.into()),
            HeaderValue::Array(values) => {
                Self::FieldArray(FieldArray::from(values.into_iter().map(Self::from).collect::<Vec<_>>()))
            }
            HeaderValue::Timestamp(value) => Self::Timestamp(value),
            HeaderValue::Table(entries) => {
                let mut table = FieldTable::default();
                for (name, value) in entries {
                    table.insert(name.into(), value.into());
                }
                Self::FieldTable(table)
            }
            HeaderValue::Bytes(bytes) => Self::ByteArray(bytes.into()),
            HeaderValue::Void => Self::Void,
        }
    }
}

impl From<&AMQPValue> for HeaderValue {
    fn from(value: &AMQPValue) -> Self {
        match value {
            AMQPValue::Boolean(value) => Self::Boolean(*value),
            AMQPValue::ShortShortInt(value) => Self::Int8(*value),
            AMQPValue::ShortShortUInt(value) => Self::UInt8(*value),
            AMQPValue::ShortInt(value) => Self::Int16(*value),
            AMQPValue::ShortUInt(value) => Self::UInt16(*value),
            AMQPValue::LongInt(value) => Self::Int32(*value),
            AMQPValue::LongUInt(value) => Self::UInt32(*value),
            AMQPValue::LongLongInt(value) => Self::Int64(*value),
            AMQPValue::Float(value) => Self::Float(*value),
            AMQPValue::Double(value) => Self::Double(*value),
            AMQPValue::DecimalValue(value) => Self::Decimal { scale: value.scale, value: value.value },
            AMQPValue::ShortString(text) => Self::text(text.as_str()),
            AMQPValue::LongString(text) => Self::Text(text.as_bytes().to_vec()),
            AMQPValue::FieldArray(values) => Self::Array(values.as_slice().iter().map(Self::from).collect()),
            AMQPValue::Timestamp(value) => Self::Timestamp(*value),
            AMQPValue::FieldTable(table) => {
                Self::Table(table.inner().iter().map(|(name, value)| (name.to_string(), value.into())).collect())
            }
            AMQPValue::ByteArray(bytes) => Self::Bytes(bytes.as_slice().to_vec()),
            AMQPValue::Void => Self::Void,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_can_not_be_a_property_stays_a_header() {
        for (name, value) in [
            (EXPIRATION, "abc"),
            (EXPIRATION, "-1"),
            (EXPIRATION, "+1"),
            (EXPIRATION, ""),
            (EXPIRATION, "4294967296"),
            (REPLY_TO, "another"),
            (USER_ID, "u".repeat(SHORT_STRING_BYTES_MAX + 1).as_str()),
        ] {
            let mut headers = FieldTable::default();
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
            let received = from_amqp(&BasicProperties::default().with_headers(headers.clone()), |_| false).unwrap();
            let publishing = Publishing { user: "dwell", is_dead_letter: false };

            let (properties, sent) = to_amqp(Some(&received), &publishing);

            assert_eq!(
                (properties, sent),
                (BasicProperties::default().with_delivery_mode(PERSISTENT), headers),
                "{name}"
            );
        }
    }
}
