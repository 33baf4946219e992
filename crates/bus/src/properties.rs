//! The publisher's properties of a message: AMQP properties and headers, so that a dead letter keeps them.
//!
//! Each adapter converts them to its own types.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The headers of a message, by name.
pub type Headers = BTreeMap<String, HeaderValue>;

/// The properties and headers of a message. Messages are always persistent, so the delivery mode is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Properties {
    /// The MIME type of the body.
    pub content_type: Option<String>,
    /// The encoding of the body, such as `gzip`.
    pub content_encoding: Option<String>,
    /// The priority in the queue.
    pub priority: Option<u8>,
    /// Relates a reply to its request.
    pub correlation_id: Option<String>,
    /// The queue for a reply.
    pub reply_to: Option<String>,
    /// The broker drops the message after this many milliseconds. Kept in a dead letter, but without effect there.
    pub expiration: Option<String>,
    /// The publisher's own id of the message.
    pub message_id: Option<String>,
    /// The publisher's own time of the message, seconds since 1970.
    pub timestamp: Option<u64>,
    /// The kind of the message; AMQP calls it `type`.
    pub kind: Option<String>,
    /// The user that published it.
    pub user_id: Option<String>,
    /// The program that published it.
    pub app_id: Option<String>,
    /// Unused by AMQP, but passed on.
    pub cluster_id: Option<String>,
    /// The headers.
    pub headers: Headers,
}

/// The value of a header: every type of AMQP 0-9-1 in `RabbitMQ`.
///
/// The embedded bus stores a variant by its index, so add new ones at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is named as its AMQP type")]
pub enum HeaderValue {
    Boolean(bool),
    Int8(i8),
    UInt8(u8),
    Int16(i16),
    UInt16(u16),
    Int32(i32),
    UInt32(u32),
    Int64(i64),
    Float(f32),
    Double(f64),
    Decimal { scale: u8, value: u32 },
    Text(Vec<u8>),
    Array(Vec<Self>),
    Timestamp(u64),
    Table(BTreeMap<String, Self>),
    Bytes(Vec<u8>),
    Void,
}

impl Properties {
    /// The properties of a JSON body, with these headers as text.
    pub fn of_json(headers: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let header = |(name, value): (&str, String)| (name.to_owned(), HeaderValue::Text(value.into_bytes()));
        let headers = headers.into_iter().map(header).collect();
        Self { content_type: Some("application/json".to_owned()), headers, ..Self::default() }
    }

    /// The text of a header, which is empty if it has another type; `None` without that header.
    pub fn header_text(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(|value| if let HeaderValue::Text(text) = value { text.as_slice() } else { b"" })
    }

    /// The properties that are set, with AMQP's names, without headers.
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let (priority, timestamp) = (self.priority.map(|it| it.to_string()), self.timestamp.map(|it| it.to_string()));
        let all = [
            ("content_type", &self.content_type),
            ("content_encoding", &self.content_encoding),
            ("priority", &priority),
            ("correlation_id", &self.correlation_id),
            ("reply_to", &self.reply_to),
            ("expiration", &self.expiration),
            ("message_id", &self.message_id),
            ("timestamp", &timestamp),
            ("type", &self.kind),
            ("user_id", &self.user_id),
            ("app_id", &self.app_id),
            ("cluster_id", &self.cluster_id),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    /// Their approximate size on the wire in bytes.
    pub fn bytes(&self) -> usize {
        // Every message is measured some times on its way, so this allocates nothing.
        let texts = [
            &self.content_type,
            &self.content_encoding,
            &self.correlation_id,
            &self.reply_to,
            &self.expiration,
            &self.message_id,
            &self.kind,
            &self.user_id,
            &self.app_id,
            &self.cluster_id,
        ];
        let named: usize = texts.into_iter().flatten().map(|text| 1 + text.len()).sum();
        let numbers = self.priority.map_or(0, |_| size_of::<u8>()) + self.timestamp.map_or(0, |_| size_of::<u64>());
        named + numbers + self.headers.iter().map(|(name, value)| name.len() + value.bytes()).sum::<usize>()
    }
}

impl HeaderValue {
    /// A text value.
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// Its size on the wire in bytes, with type and length.
    pub fn bytes(&self) -> usize {
        const TYPE_BYTES: usize = 1;
        const LENGTH_BYTES: usize = 4;
        TYPE_BYTES
            + match self {
                Self::Void => 0,
                Self::Boolean(_) | Self::Int8(_) | Self::UInt8(_) => 1,
                Self::Int16(_) | Self::UInt16(_) => 2,
                Self::Int32(_) | Self::UInt32(_) | Self::Float(_) => 4,
                Self::Decimal { .. } => 5,
                Self::Int64(_) | Self::Double(_) | Self::Timestamp(_) => 8,
                Self::Text(bytes) | Self::Bytes(bytes) => LENGTH_BYTES + bytes.len(),
                Self::Array(values) => LENGTH_BYTES + values.iter().map(Self::bytes).sum::<usize>(),
                Self::Table(table) => {
                    LENGTH_BYTES + table.iter().map(|(name, value)| 1 + name.len() + value.bytes()).sum::<usize>()
                }
            }
    }
}

impl fmt::Display for HeaderValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Int8(value) => value.fmt(formatter),
            Self::UInt8(value) => value.fmt(formatter),
            Self::Int16(value) => value.fmt(formatter),
            Self::UInt16(value) => value.fmt(formatter),
            Self::Int32(value) => value.fmt(formatter),
            Self::UInt32(value) => value.fmt(formatter),
            Self::Int64(value) => value.fmt(formatter),
            Self::Timestamp(value) => value.fmt(formatter),
            Self::Float(value) => value.fmt(formatter),
            Self::Double(value) => value.fmt(formatter),
            Self::Decimal { scale, value } => write!(formatter, "{value}e-{scale}"),
            Self::Text(bytes) | Self::Bytes(bytes) => formatter.write_str(&String::from_utf8_lossy(bytes)),
            Self::Array(values) => formatter.debug_list().entries(values.iter().map(Nested)).finish(),
            Self::Table(table) => {
                formatter.debug_map().entries(table.iter().map(|(name, value)| (name, Nested(value)))).finish()
            }
            Self::Void => formatter.write_str("null"),
        }
    }
}

/// A value within another one: quoted, unless it has values itself. Quoting these too would double the text at each
/// level.
struct Nested<'a>(&'a HeaderValue);

impl fmt::Debug for Nested<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.0, HeaderValue::Array(_) | HeaderValue::Table(_)) {
            fmt::Display::fmt(self.0, formatter)
        } else {
            fmt::Debug::fmt(&self.0.to_string(), formatter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_nested_headers_grows_with_their_number_only() {
        let nested = |inner: HeaderValue, level: usize| {
            if level.is_multiple_of(2) {
                HeaderValue::Table([("t".to_owned(), inner)].into())
            } else {
                HeaderValue::Array(vec![inner])
            }
        };
        let shown = |levels: usize| (0..levels).fold(HeaderValue::text("text"), nested).to_string();
        assert_eq!(shown(0), "text");
        assert_eq!(shown(3), r#"{"t": [{"t": "text"}]}"#);
        assert!(shown(64).len() < 1_000, "{}", shown(64).len());
    }
}
