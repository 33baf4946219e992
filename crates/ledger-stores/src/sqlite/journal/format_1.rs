//! The first format of entries: events have no receipt.
//!
//! A program that was killed may leave such entries to the next one, which is newer.

use matching::{Changes, ExpectedVersion, Flags, RecordedEvent, Timeline, Unit};
use parking::{EventKey, GateId, Timestamp, Vehicle};
use serde::Deserialize;

use crate::Summary;

/// The number of the format.
pub(super) const FORMAT: u8 = 1;

type Work<U> = (Vec<(Vec<U>, Timestamp)>, Vec<(Summary, Timestamp)>);

#[derive(Deserialize)]
struct OldUnit {
    vehicle: Vehicle,
    base: Option<ExpectedVersion>,
    timeline: Timeline,
    events: Vec<OldEvent>,
    flags: Vec<(EventKey, Flags)>,
    changes: Changes,
    first_matched: u32,
    first_unmatched: u32,
}

#[derive(Deserialize)]
struct OldEvent {
    key: EventKey,
    plate_as_read: String,
    gate: Option<GateId>,
    confidence: Option<f32>,
    received_at: Timestamp,
    flags: Flags,
}

impl From<OldUnit> for Unit {
    fn from(unit: OldUnit) -> Self {
        let OldUnit { vehicle, base, timeline, events, flags, changes, first_matched, first_unmatched } = unit;
        let events = events.into_iter().map(RecordedEvent::from).collect();
        Self { vehicle, base, timeline, events, flags, changes, first_matched, first_unmatched }
    }
}

impl From<OldEvent> for RecordedEvent {
    fn from(event: OldEvent) -> Self {
        let OldEvent { key, plate_as_read, gate, confidence, received_at, flags } = event;
        let plate_as_read = plate_as_read.into();
        Self { key, plate_as_read, gate, confidence, received_at, flags, receipt: None }
    }
}

/// The work of an entry.
pub(super) fn decode(work: &[u8]) -> Result<Work<Unit>, postcard::Error> {
    let (records, summaries): Work<OldUnit> = postcard::from_bytes(work)?;
    let record = |(units, at): (Vec<OldUnit>, Timestamp)| (units.into_iter().map(Unit::from).collect(), at);
    Ok((records.into_iter().map(record).collect(), summaries))
}
