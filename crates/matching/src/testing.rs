//! Fixtures for tests: units made by the matching itself.
//!
//! Compiled for tests, and with the feature `testing` for tests of other crates.

#![expect(clippy::unwrap_used, reason = "a fixture that can't be made ends its test")]

use std::collections::BTreeMap;

use parking::{Direction, EventKey, LotId, Plate, Rules, Timestamp, Vehicle};
use uuid::Uuid;

use crate::{Limits, RecordedEvent, Snapshot, Unit};

/// 24 September 2024, 09:00 UTC, plus this many minutes.
pub fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_727_168_400_000).plus_millis(minutes * 60_000)
}

/// The vehicle with this plate in this lot.
pub fn vehicle(lot: &str, plate: &str) -> Vehicle {
    Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
}

/// The rules of a ledger with a short re-read window: tests often have separate events a minute apart.
pub fn rules() -> Rules {
    Rules { re_read_window_ms: 10_000, ..Rules::default() }
}

/// A correlator in miniature: it decides one event after the other, as if each unit were recorded at once.
#[derive(Debug, Default)]
pub struct Vehicles {
    snapshots: BTreeMap<Vehicle, Snapshot>,
    events: u128,
}

impl Vehicles {
    /// The unit of an entry.
    pub fn entry(&mut self, lot: &str, plate: &str, time: Timestamp) -> Unit {
        self.event(vehicle(lot, plate), Direction::Entry, time)
    }

    /// The unit of an exit.
    pub fn exit(&mut self, lot: &str, plate: &str, time: Timestamp) -> Unit {
        self.event(vehicle(lot, plate), Direction::Exit, time)
    }

    fn event(&mut self, vehicle: Vehicle, direction: Direction, time: Timestamp) -> Unit {
        self.events += 1;
        let key = EventKey { time, direction, id: Uuid::from_u128(self.events) };
        let snapshot = self.snapshots.entry(vehicle.clone()).or_default();
        let limits = Limits::of(&rules(), &vehicle.lot);
        let decision = snapshot.step(&vehicle, limits, &[key], &[]).unwrap();
        let event = |(_, flags): &(usize, _)| RecordedEvent {
            key,
            plate_as_read: vehicle.plate.as_str().into(),
            gate: None,
            confidence: None,
            received_at: time,
            flags: *flags,
            receipt: None,
            supersedes: None,
        };
        let unit = Unit {
            events: decision.new_events.iter().map(event).collect(),
            base: Some(snapshot.base),
            timeline: decision.timeline,
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
            vehicle,
        };
        *snapshot = unit.next_snapshot();
        unit
    }
}
