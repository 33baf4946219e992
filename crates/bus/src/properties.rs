//! What a publisher says beside the body: the properties of AMQP and its headers, so that a dead letter keeps them.
//!
//! What they mean is left to who reads them; turning them into AMQP's own types is left to the adapter.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The headers of a message, by name.
pub type Headers = BTreeMap<String, HeaderValue>;

/// The properties and headers of a message. Messages are always persistent, so the delivery mode is not among them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Properties {
    /// The MIME type of the body.
    pub content_type: Option<String>,
    /// How the body is encoded, such as `gzip`.
    pub content_encoding: Option<String>,
    /// The priority among the messages of a queue.
    pub priority: Option<u8>,
    /// Ties a reply to its request.
    pub correlation_id: Option<String>,
    /// Where a reply goes to.
    pub reply_to: Option<String>,
    /// After how many milliseconds the broker gives the message up. Kept for a dead letter, but not in force there.
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
    /// Not used by AMQP any more, but carried.
    pub cluster_id: Option<String>,
    /// The headers.
    pub headers: Headers,
}

/// The value of a header: every type that AMQP 0-9-1 has in `RabbitMQ`.
///
/// The embedded bus stores the variants by their place, so new ones go to the end.
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
    /// The properties that are set, headers left out, with AMQP's names for them.
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

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        let named: usize = self.named().iter().map(|(name, value)| name.len() + value.len()).sum();
        named + self.headers.iter().map(|(name, value)| name.len() + value.bytes()).sum::<usize>()
    }
}

impl HeaderValue {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// As many bytes as it takes on the way, its type and length included.
    pub fn bytes(&self) -> usize {
        const TYPE: usize = 1;
        const LENGTH: usize = 4;
        TYPE + match self {
            Self::Void => 0,
            Self::Boolean(_) | Self::Int8(_) | Self::UInt8(_) => 1,
            Self::Int16(_) | Self::UInt16(_) => 2,
            Self::Int32(_) | Self::UInt32(_) | Self::Float(_) => 4,
            Self::Decimal { .. } => 5,
            Self::Int64(_) | Self::Double(_) | Self::Timestamp(_) => 8,
            Self::Text(bytes) | Self::Bytes(bytes) => LENGTH + bytes.len(),
            Self::Array(values) => LENGTH + values.iter().map(Self::bytes).sum::<usize>(),
            Self::Table(table) => {
                LENGTH + table.iter().map(|(name, value)| 1 + name.len() + value.bytes()).sum::<usize>()
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
            Self::Array(values) => formatter.debug_list().entries(values.iter().map(ToString::to_string)).finish(),
            Self::Table(table) => {
                let entries = table.iter().map(|(name, value)| (name, value.to_string()));
                formatter.debug_map().entries(entries).finish()
            }
            Self::Void => formatter.write_str("null"),
        }
    }
}
