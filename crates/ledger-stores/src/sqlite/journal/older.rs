//! The older formats of entries: in the first, events have no receipt; in both, they supersede nothing.
//!
//! A program that was killed may leave such entries to the next one, which is newer.

use matching::{Changes, ExpectedVersion, Flags, RecordedEvent, Timeline, Unit};
use parking::{EventKey, GateId, Receipt, Timestamp, Vehicle};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Summary;

type Work<U> = (Vec<(Vec<U>, Timestamp)>, Vec<(Summary, Timestamp)>);

#[derive(Deserialize)]
struct OldUnit<E> {
    vehicle: Vehicle,
    base: Option<ExpectedVersion>,
    timeline: Timeline,
    events: Vec<E>,
    flags: Vec<(EventKey, Flags)>,
    changes: Changes,
    first_matched: u32,
    first_unmatched: u32,
}

/// An event of format 1.
#[derive(Deserialize)]
pub(super) struct Event1 {
    key: EventKey,
    plate_as_read: String,
    gate: Option<GateId>,
    confidence: Option<f32>,
    received_at: Timestamp,
    flags: Flags,
}

/// An event of format 2.
#[derive(Deserialize)]
pub(super) struct Event2 {
    key: EventKey,
    plate_as_read: String,
    gate: Option<GateId>,
    confidence: Option<f32>,
    received_at: Timestamp,
    flags: Flags,
    receipt: Option<Receipt>,
}

impl<E: Into<RecordedEvent>> From<OldUnit<E>> for Unit {
    fn from(unit: OldUnit<E>) -> Self {
        let OldUnit { vehicle, base, timeline, events, flags, changes, first_matched, first_unmatched } = unit;
        let events = events.into_iter().map(E::into).collect();
        Self { vehicle, base, timeline, events, flags, changes, first_matched, first_unmatched }
    }
}

impl From<Event1> for RecordedEvent {
    fn from(event: Event1) -> Self {
        let Event1 { key, plate_as_read, gate, confidence, received_at, flags } = event;
        Event2 { key, plate_as_read, gate, confidence, received_at, flags, receipt: None }.into()
    }
}

impl From<Event2> for RecordedEvent {
    fn from(event: Event2) -> Self {
        let Event2 { key, plate_as_read, gate, confidence, received_at, flags, receipt } = event;
        let plate_as_read = plate_as_read.into();
        Self { key, plate_as_read, gate, confidence, received_at, flags, receipt, supersedes: None }
    }
}

/// The work of an entry with such events.
pub(super) fn decode<E>(work: &[u8]) -> Result<Work<Unit>, postcard::Error>
where
    E: Into<RecordedEvent> + DeserializeOwned,
{
    let (records, summaries): Work<OldUnit<E>> = postcard::from_bytes(work)?;
    let record = |(units, at): (Vec<OldUnit<E>>, Timestamp)| (units.into_iter().map(Unit::from).collect(), at);
    Ok((records.into_iter().map(record).collect(), summaries))
}
