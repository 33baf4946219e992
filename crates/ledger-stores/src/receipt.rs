//! The column of an event's receipt: some bytes, because nearly every event has one.
//!
//! Postcard of the door's code, the format, and how long the event was on its way to a correlator: 3 bytes if a client
//! published the event itself, 5 to 8 for an event of the gateway. A frequent format has a code; any other is stored by
//! name. Codes never change their meaning.

use matching::RecordedEvent;
use parking::{Door, FormatName, Receipt, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Error;

const DOORS: [(Door, u8); 7] = [
    (Door::Amqp, 1),
    (Door::Http, 2),
    (Door::Grpc, 3),
    (Door::Mqtt, 4),
    (Door::Camera, 5),
    (Door::File, 6),
    (Door::Simulated, 7),
];
/// Formats by their code.
const FORMATS: [&str; 4] = ["json", "ndjson", "cloud_events", "protobuf"];

/// Room for any stored receipt: two numbers of one byte, a name and its length, and a number of up to ten bytes.
const BYTES_MAX: usize = 16 + FormatName::BYTES_MAX;
/// Where the bytes of a receipt are written.
pub(super) struct Buffer([u8; BYTES_MAX]);

impl Default for Buffer {
    fn default() -> Self {
        Self([0; BYTES_MAX])
    }
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    door: u8,
    #[serde(borrow)]
    format: StoredFormat<'a>,
    /// From the receipt at the door until the correlator received the event.
    on_the_way_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum StoredFormat<'a> {
    Unknown,
    Coded(u8),
    Named(&'a str),
}

/// The bytes of an event's receipt.
pub(super) fn write<'b>(event: &RecordedEvent, buffer: &'b mut Buffer) -> Option<&'b [u8]> {
    let receipt = event.receipt.as_ref()?;
    let door = DOORS.iter().find(|(door, _)| *door == receipt.door).expect("a test checks that every door has a code");
    let format = match receipt.format.as_ref().map(FormatName::as_str) {
        None => StoredFormat::Unknown,
        Some(name) => match FORMATS.iter().zip(0..).find(|(format, _)| **format == name) {
            Some((_, code)) => StoredFormat::Coded(code),
            None => StoredFormat::Named(name),
        },
    };
    let on_the_way_ms = receipt.received_at.map(|time| event.received_at.millis_since(time));
    let stored = Stored { door: door.1, format, on_the_way_ms };
    Some(postcard::to_slice(&stored, &mut buffer.0).expect("the buffer has room for every receipt"))
}

/// The receipt of an event that the correlator received at `received_ms`.
pub(super) fn read(bytes: &[u8], received_ms: i64) -> Result<Receipt, Error> {
    let damaged = |problem: &str| Error::Corrupt(format!("the receipt of an event {problem}"));
    let Stored { door, format, on_the_way_ms } = postcard::from_bytes(bytes).map_err(|_| damaged("is damaged"))?;
    let door = DOORS.iter().find(|(_, code)| *code == door).ok_or_else(|| damaged("has an unknown door"))?;
    let format = match format {
        StoredFormat::Unknown => None,
        StoredFormat::Coded(code) => {
            Some(*FORMATS.get(usize::from(code)).ok_or_else(|| damaged("has an unknown format"))?)
        }
        StoredFormat::Named(name) => Some(name),
    };
    Ok(Receipt {
        door: door.0,
        format: format.map(FormatName::parse).transpose().map_err(|_| damaged("has an invalid format"))?,
        received_at: on_the_way_ms.map(|millis| Timestamp::from_millis(received_ms.saturating_sub(millis))),
    })
}

#[cfg(test)]
mod tests {
    use ledger::testing::vehicle;
    use matching::Flags;
    use parking::{Direction, EventKey, GateEvent};
    use uuid::Uuid;

    use super::*;

    const RECEIVED: Timestamp = Timestamp::from_millis(1_727_168_400_000);

    fn event(receipt: Option<Receipt>) -> RecordedEvent {
        let key = EventKey { time: RECEIVED, direction: Direction::Entry, id: Uuid::from_u128(1) };
        let event = GateEvent {
            vehicle: vehicle("P3", "ABC123"),
            key,
            plate_as_read: "ABC-123".into(),
            gate: None,
            confidence: None,
        };
        RecordedEvent { receipt, ..RecordedEvent::new(&event, RECEIVED, Flags::default()) }
    }

    fn written(receipt: &Receipt) -> Vec<u8> {
        write(&event(Some(receipt.clone())), &mut Buffer::default()).unwrap().to_vec()
    }

    #[test]
    fn every_receipt_is_read_as_it_was_written() {
        let formats = ["json", "ndjson", "cloud_events", "protobuf", "2n", &"x".repeat(FormatName::BYTES_MAX)];
        let formats = formats.map(|name| Some(FormatName::parse(name).unwrap()));
        let last = Timestamp::parse_rfc3339("9999-12-31T23:59:59.999Z").unwrap();
        let times = [Timestamp::from_millis(0), RECEIVED, RECEIVED.plus_millis(300_000), last];
        for door in Door::ALL {
            for format in formats.iter().chain([&None]) {
                for received_at in times.into_iter().map(Some).chain([None]) {
                    let receipt = Receipt { door, format: format.clone(), received_at };
                    assert_eq!(read(&written(&receipt), RECEIVED.as_millis()), Ok(receipt));
                }
            }
        }
        assert_eq!(write(&event(None), &mut Buffer::default()), None);
    }

    #[test]
    fn a_usual_receipt_takes_few_bytes() {
        let http = Receipt::new(Door::Http, FormatName::parse("json").ok(), RECEIVED.plus_millis(-40));
        assert_eq!(written(&http), [2, 1, 0, 1, 80]);
        assert_eq!(written(&Receipt::default()), [1, 0, 0]);
        let an_hour = Receipt { received_at: Some(RECEIVED.plus_millis(-3_600_000)), ..http };
        assert_eq!(written(&an_hour).len(), 8);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        for bytes in [&[][..], &[1], &[0, 0, 0], &[8, 0, 0], &[1, 1, 4, 0], &[1, 3, 0], &[1, 2, 1, b'A', 0]] {
            assert!(matches!(read(bytes, 0), Err(Error::Corrupt(_))), "{bytes:?}");
        }
    }
}
