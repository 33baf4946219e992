//! What travels between correlator and ledger: snapshots of timelines one way, units of work the other.
//!
//! A unit is all that one batch changes about one vehicle. The ledger takes it only if the vehicle still stands where
//! the decision found it (version and digest), whole or not at all; else the unit comes back with the newer snapshot.

use compact_str::CompactString;
use parking::{EventKey, GateEvent, GateId, Rules, Timestamp, Vehicle};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// What a correlator must know of the ledger that it works for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTerms {
    /// The ledger's own id, made with the ledger: cached timelines of another one are not taken.
    pub ledger: Uuid,
    /// The rules that all correlators of this ledger decide by.
    pub rules: Rules,
}

/// What a correlator says of itself each second, so that the summary API can tell whether all work is done, and people
/// what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorrelatorStatus {
    /// Which correlator: made anew at each start.
    pub correlator: Uuid,
    /// How it stands with the entry queue.
    pub entry: QueueReport,
    /// How it stands with the exit queue.
    pub exit: QueueReport,
    /// Event time of the entry that it recorded last; `None` when that says nothing of the entries in flight.
    pub entries_until: Option<Timestamp>,
    /// What its process needs. Empty when that is the summary API's process.
    pub dependencies: Vec<DependencyReport>,
    /// It has stopped in good order: its last report.
    pub takes_leave: bool,
}

impl CorrelatorStatus {
    /// Messages received and not yet acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.entry.in_flight.saturating_add(self.exit.in_flight)
    }
}

/// How a correlator stands with one of its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueReport {
    /// What the broker counts; `None` while it does not say.
    pub broker: Option<BrokerCounts>,
    /// The consumers of this correlator, which are among those that the broker counts.
    pub own_consumers: u64,
    /// Messages that this correlator has received and not yet acknowledged.
    pub in_flight: u64,
    /// Of these the ones with an event that is not yet recorded, nor on its way to the dead letters.
    pub undecided: u64,
}

impl QueueReport {
    /// Messages ready in the queue; `None` while the broker does not say.
    pub fn ready(&self) -> Option<u64> {
        self.broker.map(|broker| broker.ready)
    }
}

/// What the broker counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrokerCounts {
    /// Messages that are ready, those delivered and not acknowledged left out.
    pub ready: u64,
    /// Consumers, of any program.
    pub consumers: u64,
}

/// How a dependency of a correlator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyReport {
    /// The name that it is shown under.
    pub name: String,
    /// The correlator can do without it.
    pub is_optional: bool,
    /// Why it can't be used, for people; `None`: it is up.
    pub away: Option<String>,
}

impl DependencyReport {
    /// The longest reason that is reported, characters.
    pub const REASON_MAX: usize = 300;
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
