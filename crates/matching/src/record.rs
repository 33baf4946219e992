//! The messages between correlator and ledger: snapshots of timelines one way, units the other.
//!
//! A unit is all changes of one batch to one vehicle (optimistic concurrency). The ledger records it completely if
//! the vehicle still has the version and digest of the decision; otherwise it rejects it and returns the newer
//! snapshot.

use compact_str::CompactString;
use parking::{EventKey, GateEvent, GateId, Receipt, Timestamp, Vehicle};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::Limits;
use crate::step::{Changes, Decision, TooOld, step, supersede, unread_change, void_unread};
use crate::timeline::{Flags, Timeline};

/// The expected version of a vehicle, which the ledger compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExpectedVersion {
    /// Incremented by each recorded unit; 0 for a vehicle that the ledger does not know.
    pub version: u64,
    /// The digest of the stored timeline; 0 at version 0.
    pub digest: u64,
}

/// A vehicle's timeline, and its version when it was read.
///
/// A timeline that was loaded to reach further back is longer than the stored one, whose digest is in `base`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version in the ledger.
    pub base: ExpectedVersion,
    /// Its recent events.
    pub timeline: Timeline,
}

impl Snapshot {
    /// The changes by new evidence about `vehicle`; see [`step`].
    ///
    /// # Errors
    /// [`TooOld`] if the decision needs a timeline that reaches further back.
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

/// A request for a vehicle's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// The vehicle.
    pub vehicle: Vehicle,
    /// The time that the timeline must reach; `None` for the stored one.
    pub reaching: Option<Timestamp>,
}

/// A gate event with its recorded data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Time, direction and id.
    pub key: EventKey,
    /// The original plate text.
    pub plate_as_read: CompactString,
    /// The gate, if known.
    pub gate: Option<GateId>,
    /// The reader's confidence in the plate, 0 to 1.
    pub confidence: Option<f32>,
    /// When the correlator received it.
    pub received_at: Timestamp,
    /// Its flags.
    pub flags: Flags,
    /// How it came in; `None` if the record is of a program that did not keep that.
    pub receipt: Option<Receipt>,
    /// The id of the event of the same lot and gate that this one replaces.
    pub supersedes: Option<Uuid>,
}

impl RecordedEvent {
    /// The gate event of the record, without a receipt, and superseding nothing.
    pub fn new(event: &GateEvent, received_at: Timestamp, flags: Flags) -> Self {
        let (plate_as_read, gate) = (event.plate_as_read.clone(), event.gate.clone());
        let (key, confidence) = (event.key, event.confidence);
        Self { key, plate_as_read, gate, confidence, received_at, flags, receipt: None, supersedes: None }
    }
}

/// All changes of one batch to one vehicle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The vehicle.
    pub vehicle: Vehicle,
    /// The expected version. `None` for an unread plate: each of its events is a session of its own, with one entry
    /// in `changes`, and the ledger skips those that it has.
    pub base: Option<ExpectedVersion>,
    /// The timeline after the changes.
    pub timeline: Timeline,
    /// The events that are new to the ledger.
    pub events: Vec<RecordedEvent>,
    /// Changed flags of earlier events.
    pub flags: Vec<(EventKey, Flags)>,
    /// The changed sessions.
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

    /// Whether an event of this unit is recorded as a re-read: another event represents its passage.
    pub fn is_re_read(&self, event: &RecordedEvent) -> bool {
        // An event that represents its passage anchors a session or is counted. An unread event is neither, and not a
        // re-read.
        self.base.is_some() && event.flags == Flags::default()
    }

    /// The snapshot after the unit is recorded.
    pub fn next_snapshot(&self) -> Snapshot {
        let base = ExpectedVersion { version: self.next_version(), digest: self.timeline.digest() };
        Snapshot { base, timeline: self.timeline.clone() }
    }
}

/// The effect of a recorded unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied {
    /// New events.
    pub events: u32,
    /// Exits counted as matched; each exit counts at most once.
    pub matched: u32,
    /// Exits counted as unmatched; each exit counts at most once.
    pub unmatched: u32,
}

/// The outcome of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is recorded.
    Recorded(Applied),
    /// Version conflict: decide again on this snapshot.
    Lost(Snapshot),
}

/// A vehicle with a hold or a stay that has ended, leased to one correlator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The vehicle.
    pub vehicle: Vehicle,
    /// Its timeline, reaching back to the oldest of `ended`.
    pub snapshot: Snapshot,
    /// Exits whose hold has ended, and entries older than the longest stay on the lot's clock.
    pub ended: Vec<EventKey>,
}

/// The unit by which these events of `vehicle` count as not having happened; `None` if nothing changes.
///
/// # Errors
/// [`TooOld`] if the decision needs a timeline that reaches further back.
pub fn superseding_unit(
    vehicle: &Vehicle,
    snapshot: &Snapshot,
    limits: Limits,
    superseded: &[EventKey],
) -> Result<Option<Unit>, TooOld> {
    let decision = supersede(vehicle, &snapshot.timeline, limits, superseded)?;
    Ok((!decision.is_empty()).then(|| Unit {
        vehicle: vehicle.clone(),
        base: Some(snapshot.base),
        timeline: decision.timeline,
        events: Vec::new(),
        flags: decision.flags,
        changes: decision.changes,
        first_matched: decision.first_matched,
        first_unmatched: decision.first_unmatched,
    }))
}

/// Like [`superseding_unit`], for events with an unread plate, which are on no timeline. None of them may be superseded
/// already.
pub fn superseding_unread_unit(vehicle: &Vehicle, base: ExpectedVersion, superseded: &[EventKey]) -> Unit {
    let superseded = superseded.iter().copied();
    Unit {
        vehicle: vehicle.clone(),
        base: Some(base),
        timeline: Timeline::default(),
        events: Vec::new(),
        flags: superseded.clone().map(|key| (key, Flags::SUPERSEDED)).collect(),
        changes: superseded.map(|key| void_unread(vehicle, key)).collect(),
        first_matched: 0,
        first_unmatched: 0,
    }
}

/// The unit of events with an unread plate: each event is a session of its own, and is never matched.
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
