//! What travels between correlator and ledger: snapshots of timelines one way, units of work the other.
//!
//! A unit is all that one batch changes about one vehicle. The ledger takes it only if the vehicle still stands where
//! the decision found it (version and digest), whole or not at all; else the unit comes back with the newer snapshot.

use compact_str::CompactString;
use parking::{EventKey, GateEvent, GateId, Timestamp, Vehicle};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::step::{Changes, Decision, TooOld, step, unread_change};
use crate::timeline::{Flags, Timeline};

/// Where a vehicle stands in the ledger: what a unit is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Base {
    /// Raised by each recorded event; 0 is a vehicle that the ledger does not know.
    pub version: u64,
    /// Fingerprint of the timeline that the ledger stores; 0 at version 0.
    pub digest: u64,
}

/// A vehicle's timeline, and where the vehicle stood when it was read.
///
/// A timeline that was loaded to reach further back is longer than the stored one, whose digest `base` has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Where the vehicle stands.
    pub base: Base,
    /// Its recent events.
    pub timeline: Timeline,
}

impl Snapshot {
    /// What new evidence about `vehicle` changes, from here; see [`step`].
    ///
    /// # Errors
    /// [`TooOld`] when the decision needs a timeline that reaches further back.
    pub fn step(
        &self,
        vehicle: &Vehicle,
        limits: Limits,
        arrivals: &[EventKey],
        ended: &[EventKey],
    ) -> Result<Decision, TooOld> {
        step(vehicle, &self.timeline, limits, arrivals, ended)
    }
}

/// Asks for a vehicle's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// Which vehicle.
    pub vehicle: Vehicle,
    /// The timeline must be able to take an event of this time; `None`: the stored one will do.
    pub reaching: Option<Timestamp>,
}

/// A gate event as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Time, direction and id.
    pub key: EventKey,
    /// The plate as the gate read it.
    pub plate_as_read: CompactString,
    /// The gate, when it is known.
    pub gate: Option<GateId>,
    /// How sure the reader is of the plate, 0 to 1.
    pub confidence: Option<f32>,
    /// When the correlator received it.
    pub received_at: Timestamp,
    /// What was decided about it.
    pub flags: Flags,
}

impl RecordedEvent {
    /// A gate event as it is recorded.
    pub fn new(event: &GateEvent, received_at: Timestamp, flags: Flags) -> Self {
        let (plate_as_read, gate) = (event.plate_as_read.clone(), event.gate.clone());
        Self { key: event.key, plate_as_read, gate, confidence: event.confidence, received_at, flags }
    }
}

/// All that one batch changes about one vehicle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Which vehicle.
    pub vehicle: Vehicle,
    /// Where the decision found the vehicle. `None` for a plate that says that nothing was read: such events stand each
    /// alone, `changes` has one for each, and the ledger leaves out those that it has.
    pub base: Option<Base>,
    /// The timeline from now on.
    pub timeline: Timeline,
    /// The events that are new to the ledger.
    pub events: Vec<RecordedEvent>,
    /// Flags that changed of events recorded before.
    pub flags: Vec<(EventKey, Flags)>,
    /// The sessions that changed.
    pub changes: Changes,
    /// Exits in a matched session for the first time.
    pub first_matched: u32,
    /// Exits unmatched for the first time.
    pub first_unmatched: u32,
}

impl Unit {
    /// The vehicle's version once the unit is recorded.
    pub fn next_version(&self) -> u64 {
        let events = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.base.map_or(0, |base| base.version).saturating_add(events.max(1))
    }

    /// Whether an event of this unit is a re-read as it is recorded: another event speaks for its passage.
    pub fn is_re_read(&self, event: &RecordedEvent) -> bool {
        // Whoever speaks for its passage gives a session or is counted; an unread plate is neither, and no re-read.
        self.base.is_some() && event.flags == Flags::default()
    }

    /// The snapshot that stands once the unit is recorded.
    pub fn next_snapshot(&self) -> Snapshot {
        let base = Base { version: self.next_version(), digest: self.timeline.digest() };
        Snapshot { base, timeline: self.timeline.clone() }
    }
}

/// What a recorded unit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied {
    /// Events that were new.
    pub events: u32,
    /// Exits counted as matched, each once for ever.
    pub matched: u32,
    /// Exits counted as unmatched, each once for ever.
    pub unmatched: u32,
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is recorded.
    Recorded(Applied),
    /// The vehicle stands elsewhere by now: decide again from here.
    Lost(Snapshot),
}

/// A vehicle of which something awaited has ended, leased to one correlator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Which vehicle.
    pub vehicle: Vehicle,
    /// Its timeline, reaching back to the oldest of `ended`.
    pub snapshot: Snapshot,
    /// Exits whose hold has ended, and entries older than the longest stay on their lot's own time.
    pub ended: Vec<EventKey>,
}

/// The unit for events whose plate says that nothing was read: each is a session of its own, and none is ever paired.
pub fn unread_unit(vehicle: &Vehicle, events: Vec<RecordedEvent>) -> Unit {
    let changes = events.iter().map(|event| unread_change(vehicle, event.key)).collect();
    Unit {
        vehicle: vehicle.clone(),
        base: None,
        timeline: Timeline::default(),
        events,
        flags: Vec::new(),
        changes,
        first_matched: 0,
        first_unmatched: 0,
    }
}
