//! Load, decide, record, cache: the processing of a batch's vehicles.
//!
//! Optimistic concurrency: the ledger rejects an update whose expected version is outdated and returns the current
//! snapshot, on which the vehicle is decided again. Events that a cached timeline already has are confirmed with the
//! ledger. `calls` retries while the ledger is down; `worker` makes batches, dead letters and acknowledgements.

use std::sync::{Arc, PoisonError, RwLock};

use matching::{Decision, Limits, LoadRequest, Outcome, Snapshot, Unit, unread_unit};
use parking::{EventKey, GateEvent, Refusal, Rules, Timestamp, Vehicle};
use service_kit::Lifecycle;
use service_kit::traces::{Kind, Traces};

use crate::batch_trace::BatchTrace;
use crate::calls::{Ask, Calls, Rejected, ShutDown};
use crate::decisions::DecisionLogger;
use crate::ledger_health::Call;
use crate::metrics::Metrics;
use crate::new_event::NewEvent;
use crate::timelines::Timelines;

/// The new evidence about one vehicle.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) vehicle: Vehicle,
    /// New events.
    pub(crate) events: Vec<NewEvent>,
    /// Events whose hold or longest stay has ended.
    pub(crate) ended: Vec<EventKey>,
    /// The snapshot to decide on, if it came with the evidence.
    pub(crate) snapshot: Option<Snapshot>,
}

/// An event that the ledger rejects, and why.
#[derive(Debug)]
pub(crate) struct Unrecorded {
    pub(crate) event: GateEvent,
    pub(crate) refusal: Refusal,
}

/// Decides and records. All batches and deadlines of a correlator share it.
#[derive(Debug)]
pub(crate) struct Decider {
    pub(crate) calls: Calls,
    pub(crate) timelines: Arc<dyn Timelines>,
    pub(crate) rules: RwLock<Arc<Rules>>,
    pub(crate) metrics: Metrics,
    pub(crate) decision_logger: DecisionLogger,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) traces: Traces,
}

/// The processing state of one vehicle's evidence.
struct Case {
    evidence: Evidence,
    keys: Vec<EventKey>,
    snapshot: Option<Snapshot>,
    /// The snapshot is from the cache or a guess, not from the ledger.
    is_cached: bool,
    /// The timeline must reach back to this time.
    reaching: Option<Timestamp>,
    /// The ledger rejects all of it.
    is_rejected: bool,
}

/// The result of deciding a case.
#[expect(clippy::large_enum_variant, reason = "nearly every verdict is the large one")]
enum Verdict {
    Record(Unit),
    Nothing,
    LoadAgain {
        reaching: Option<Timestamp>,
    },
    /// The timeline has no room for these arrivals, by index: more reads of one passage, which can't be separated.
    TimelineFull {
        too_many: Vec<usize>,
    },
}

impl Decider {
    /// Settles all evidence. The vehicles must be distinct. Returns the events that are not recorded, with the
    /// reasons.
    pub(crate) async fn settle(
        &self,
        evidence: Vec<Evidence>,
        trace: &BatchTrace<'_>,
    ) -> Result<Vec<Unrecorded>, ShutDown> {
        let mut cases: Vec<Case> = evidence.into_iter().map(Case::new).collect();
        self.look_up(&mut cases).await;
        let mut unrecorded = Vec::new();
        while !cases.is_empty() {
            unrecorded.extend(self.load_missing(&mut cases, trace).await?);
            let (mut again, mut units) = (Vec::new(), Vec::new());
            for mut case in cases {
                match self.decide(&case) {
                    Verdict::Record(unit) => units.push((case, unit)),
                    Verdict::Nothing => self.metrics.known_already(case.keys.len()),
                    Verdict::LoadAgain { reaching } => {
                        (case.snapshot, case.is_cached, case.reaching) = (None, false, reaching);
                        self.metrics.reloaded();
                        again.push(case);
                    }
                    Verdict::TimelineFull { too_many } => {
                        unrecorded.extend(case.refuse(&too_many));
                        again.push(case);
                    }
                }
            }
            unrecorded.extend(self.record(units, trace, &mut again).await?);
            cases = again;
        }
        Ok(unrecorded)
    }

    fn decide(&self, case: &Case) -> Verdict {
        let (vehicle, evidence) = (&case.evidence.vehicle, &case.evidence);
        let rules = self.rules();
        if rules.is_unread(&vehicle.plate) {
            let flags = matching::Flags::default();
            let events = evidence.events.iter().map(|new| new.record(flags)).collect();
            return Verdict::Record(unread_unit(vehicle, events));
        }
        let Some(snapshot) = &case.snapshot else { return Verdict::LoadAgain { reaching: case.reaching } };
        let limits = Limits::of(&rules, &vehicle.lot);
        match snapshot.step(vehicle, limits, &case.keys, &evidence.ended) {
            Err(too_old) => Verdict::LoadAgain { reaching: Some(too_old.0) },
            Ok(decision) if decision.is_empty() && case.is_cached => Verdict::LoadAgain { reaching: None },
            Ok(decision) if decision.is_empty() => Verdict::Nothing,
            Ok(decision) if !decision.no_room.is_empty() && case.is_cached => Verdict::LoadAgain { reaching: None },
            Ok(decision) if !decision.no_room.is_empty() => Verdict::TimelineFull { too_many: decision.no_room },
            Ok(decision) => Verdict::Record(unit(snapshot, evidence, decision)),
        }
    }

    /// Looks up all vehicles in the cache, in one call.
    async fn look_up(&self, cases: &mut [Case]) {
        let rules = self.rules();
        let needs = |case: &&mut Case| case.snapshot.is_none() && !rules.is_unread(&case.evidence.vehicle.plate);
        let mut wanted: Vec<&mut Case> = cases.iter_mut().filter(needs).collect();
        let vehicles: Vec<Vehicle> = wanted.iter().map(|case| case.evidence.vehicle.clone()).collect();
        if vehicles.is_empty() {
            return;
        }
        let Some(found) = self.timelines.load(&vehicles).await else { return };
        for (case, found) in wanted.iter_mut().zip(found) {
            // A miss most likely means a new vehicle. If not, the ledger rejects the update and returns the snapshot
            // that we would have loaded.
            case.snapshot = Some(found.unwrap_or_default());
            case.is_cached = true;
        }
    }

    /// Loads the missing snapshots from the ledger, in one call. Removes the cases that the ledger rejects, and
    /// returns their events.
    async fn load_missing(&self, cases: &mut Vec<Case>, trace: &BatchTrace<'_>) -> Result<Vec<Unrecorded>, ShutDown> {
        let rules = self.rules();
        let needs = |case: &&mut Case| case.snapshot.is_none() && !rules.is_unread(&case.evidence.vehicle.plate);
        let mut wanted: Vec<&mut Case> = cases.iter_mut().filter(needs).collect();
        let request =
            |case: &&mut Case| LoadRequest { vehicle: case.evidence.vehicle.clone(), reaching: case.reaching };
        let requests: Vec<LoadRequest> = wanted.iter().map(request).collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut span = self.traces.begin(Kind::Asks, "load timelines", Some(trace.whole()));
        span.note("dwell.vehicles", requests.len());
        let ask: Ask<LoadRequest, Snapshot> = |recorder, requests, _| recorder.load(requests);
        let snapshots = self.calls.in_parts(Call::Load, &requests, span.context(), ask).await?;
        let mut unrecorded = Vec::new();
        for (case, snapshot) in wanted.iter_mut().zip(snapshots) {
            match snapshot {
                Ok(snapshot) => case.snapshot = Some(snapshot),
                Err(rejected) => {
                    unrecorded.extend(case.reject(&rejected, |_| true));
                    case.is_rejected = true;
                }
            }
        }
        cases.retain(|case| !case.is_rejected);
        Ok(unrecorded)
    }

    /// Records units in one call. Cases with a version conflict go to `again`, with the current snapshot; the events
    /// of rejected units are returned.
    async fn record(
        &self,
        units: Vec<(Case, Unit)>,
        trace: &BatchTrace<'_>,
        again: &mut Vec<Case>,
    ) -> Result<Vec<Unrecorded>, ShutDown> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let (cases, units): (Vec<Case>, Vec<Unit>) = units.into_iter().unzip();
        let mut span = self.traces.begin(Kind::Asks, "record sessions", Some(trace.whole()));
        span.note("dwell.units", units.len());
        let ask: Ask<Unit, Outcome> = |recorder, units, trace| recorder.record(units, trace);
        let outcomes = self.calls.in_parts(Call::Record, &units, span.context(), ask).await?;
        drop(span);
        let (mut unrecorded, mut fresh) = (Vec::new(), Vec::new());
        for ((mut case, unit), outcome) in cases.into_iter().zip(units).zip(outcomes) {
            match outcome {
                Ok(Outcome::Recorded(_)) => {
                    self.decision_logger.recorded(&unit, trace);
                    if unit.base.is_some() {
                        fresh.push((case.evidence.vehicle, unit.next_snapshot()));
                    }
                }
                Ok(Outcome::Lost(snapshot)) => {
                    self.metrics.decided_again();
                    (case.snapshot, case.is_cached) = (Some(snapshot), false);
                    again.push(case);
                }
                Err(rejected) => {
                    // Events of the case that are not in the unit are recorded already.
                    let is_new = |event: &GateEvent| unit.events.iter().any(|new| new.key == event.key);
                    unrecorded.extend(case.reject(&rejected, is_new));
                }
            }
        }
        self.timelines.store(&fresh).await;
        Ok(unrecorded)
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Case {
    fn new(mut evidence: Evidence) -> Self {
        let keys = evidence.events.iter().map(|new| new.event.key).collect();
        let snapshot = evidence.snapshot.take();
        Self { evidence, keys, snapshot, is_cached: false, reaching: None, is_rejected: false }
    }

    /// Removes the arrivals at these ascending indices from the evidence.
    fn refuse(&mut self, indices: &[usize]) -> Vec<Unrecorded> {
        let taken = indices.iter().rev().map(|index| {
            self.keys.remove(*index);
            Unrecorded { event: self.evidence.events.remove(*index).event, refusal: no_room() }
        });
        taken.collect()
    }

    /// The events of a rejected unit.
    fn reject(&mut self, rejected: &Rejected, is_new: impl Fn(&GateEvent) -> bool) -> Vec<Unrecorded> {
        let Rejected(reason) = rejected;
        if !self.evidence.ended.is_empty() {
            tracing::error!(%reason, "the ledger rejects the end of a hold or of a stay: please report this as a defect");
        }
        let events = std::mem::take(&mut self.evidence.events).into_iter().map(|new| new.event).filter(is_new);
        let refusal = || Refusal::new("ledger", format!("rejects the update of the vehicle: {reason}"));
        events.map(|event| Unrecorded { event, refusal: refusal() }).collect()
    }
}

fn no_room() -> Refusal {
    let limit = matching::timeline::FULL_AT;
    let problem =
        format!("of the vehicle has {limit} events of one passage, the maximum: is it parked in front of a camera?");
    Refusal::new("timeline", problem)
}

fn unit(snapshot: &Snapshot, evidence: &Evidence, decision: Decision) -> Unit {
    let recorded = |(index, flags): &(usize, matching::Flags)| evidence.events[*index].record(*flags);
    Unit {
        vehicle: evidence.vehicle.clone(),
        base: Some(snapshot.base),
        events: decision.new_events.iter().map(recorded).collect(),
        timeline: decision.timeline,
        flags: decision.flags,
        changes: decision.changes,
        first_matched: decision.first_matched,
        first_unmatched: decision.first_unmatched,
    }
}
