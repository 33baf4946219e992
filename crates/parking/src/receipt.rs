//! The receipt of a gate event: through which door it came in, in which format, and when.
//!
//! A door writes it into the headers of a message, and the ledger keeps it beside the event. It is for people who ask
//! how an event came in: no decision uses it, and an invalid header never costs an event.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{AHEAD_MAX_MS, Timestamp};

/// The way by which a gate event came in.
///
/// The ledger's owner and the correlator send a variant by its index, so add new ones at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// `POST /api/v1/events`.
    Http,
    /// The gateway's gRPC service.
    Grpc,
    /// The gateway's subscription to an MQTT broker.
    Mqtt,
    /// `POST /cameras/{format}/{gate_id}`.
    Camera,
    /// A client published it to the queue itself, also by a plugin of the broker.
    Amqp,
    /// A file, by `dwell publish`.
    File,
    /// A simulated gate.
    Simulated,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Http, Self::Grpc, Self::Mqtt, Self::Camera, Self::Amqp, Self::File, Self::Simulated];

    /// The word for headers and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Mqtt => "mqtt",
            Self::Camera => "camera",
            Self::Amqp => "amqp",
            Self::File => "file",
            Self::Simulated => "simulated",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.as_str().as_bytes() == text)
    }
}

/// The name of the format in which an event came in: 1 to 32 of `[a-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FormatName(CompactString);

impl FormatName {
    /// The most bytes of a name.
    pub const BYTES_MAX: usize = 32;

    /// Takes a name of 1 to 32 of `[a-z0-9._-]`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_of_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_name) {
            Ok(Self(text.into()))
        } else {
            Err("is not 1 to 32 of a-z 0-9 . _ -")
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a gate event came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The door.
    pub door: Door,
    /// The format in which it came, if the door knows it.
    pub format: Option<FormatName>,
    /// When the door received it; `None` if no door wrote it down.
    pub received_at: Option<Timestamp>,
}

impl Default for Receipt {
    /// The receipt of a message without headers.
    fn default() -> Self {
        Self { door: Door::Amqp, format: None, received_at: None }
    }
}

/// The headers of a receipt that could not be used, by [`Receipt::HEADERS`].
pub type DroppedHeaders = [bool; Receipt::HEADERS.len()];

impl Receipt {
    /// The names of its headers: door, format and time of receipt.
    pub const HEADERS: [&str; 3] = ["x-dwell-door", "x-dwell-format", "x-dwell-received"];

    /// The receipt of an event that came in at this moment.
    pub fn new(door: Door, format: Option<FormatName>, received_at: Timestamp) -> Self {
        Self { door, format, received_at: Some(received_at) }
    }

    /// The headers that carry it.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let values = [
            Some(self.door.as_str().to_owned()),
            self.format.as_ref().map(ToString::to_string),
            self.received_at.map(|time| time.to_string()),
        ];
        Self::HEADERS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }

    /// Reads the receipt of a message that arrives at `now`. `header` returns the text of a header, which is empty if the
    /// header has no text. A header with an unknown door, an invalid name, or a time that is none or more than five
    /// minutes ahead is dropped.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h [u8]>, now: Timestamp) -> (Self, DroppedHeaders) {
        let [door, format, received] = Self::HEADERS.map(header);
        let text = |bytes: &'h [u8]| std::str::from_utf8(bytes).ok();
        let is_past = |time: &Timestamp| time.millis_since(now) <= AHEAD_MAX_MS;
        let read = (
            door.map(Door::parse),
            format.map(|name| FormatName::parse(text(name)?).ok()),
            received.map(|time| Timestamp::parse_rfc3339(text(time)?).ok().filter(is_past)),
        );
        let dropped = [read.0 == Some(None), read.1 == Some(None), read.2 == Some(None)];
        let receipt = Self {
            door: read.0.flatten().unwrap_or(Door::Amqp),
            format: read.1.flatten(),
            received_at: read.2.flatten(),
        };
        (receipt, dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_125);

    fn read(headers: &[(&str, &[u8])]) -> (Receipt, DroppedHeaders) {
        let headers: HashMap<&str, &[u8]> = headers.iter().copied().collect();
        Receipt::read(|name| headers.get(name).copied(), NOW)
    }

    #[test]
    fn a_receipt_is_read_from_its_own_headers() {
        let formats = [None, Some(FormatName::parse("dahua-itsapi").unwrap())];
        for receipt in Door::ALL
            .into_iter()
            .flat_map(|door| formats.clone().map(|format| Receipt::new(door, format, NOW)))
            .chain([Receipt::default()])
        {
            let headers: HashMap<&str, String> = receipt.headers().collect();
            let read = Receipt::read(|name| headers.get(name).map(String::as_bytes), NOW);
            assert_eq!(read, (receipt, [false; 3]));
        }
    }

    #[test]
    fn a_message_without_headers_came_by_the_queue_and_nobody_knows_when() {
        assert_eq!(read(&[]), (Receipt::default(), [false; 3]));
    }

    #[test]
    fn headers_that_cannot_be_used_are_dropped_one_by_one() {
        let [door, format, received] = Receipt::HEADERS;
        let long = "x".repeat(1_000_000);
        for wrong in [&b""[..], b"HTTP", b"window", b"\xff\xfe", long.as_bytes()] {
            let expected = Receipt { door: Door::Amqp, ..Receipt::new(Door::Http, None, NOW) };
            assert_eq!(
                read(&[(door, wrong), (received, b"2024-09-24T09:00:00.125Z")]),
                (expected, [true, false, false])
            );
        }
        for wrong in [&b""[..], b"a b", b"A", "ä".as_bytes(), b"\xff", &[b'x'; 33], long.as_bytes()] {
            let expected = Receipt { door: Door::Camera, ..Receipt::default() };
            assert_eq!(read(&[(door, b"camera"), (format, wrong)]), (expected, [false, true, false]));
        }
        for wrong in [
            &b""[..],
            b"yesterday",
            b"1727168400",
            b"2024-09-24T09:05:00.126Z",
            b"9999-12-31T23:59:59Z",
            long.as_bytes(),
        ] {
            assert_eq!(read(&[(received, wrong)]), (Receipt::default(), [false, false, true]));
        }
    }

    #[test]
    fn a_clock_may_be_five_minutes_ahead() {
        let ahead = Receipt { received_at: Some(NOW.plus_millis(AHEAD_MAX_MS)), ..Receipt::default() };
        assert_eq!(read(&[(Receipt::HEADERS[2], b"2024-09-24T09:05:00.125Z")]), (ahead, [false; 3]));
    }
}
