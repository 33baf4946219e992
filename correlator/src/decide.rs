//! Load, decide, record, cache: what is done with the vehicles of a batch.
//!
//! The ledger has the last word: a unit that loses its comparison is decided again from the snapshot that comes back,
//! and what a cached timeline takes for known is checked with the ledger. A ledger that is away is waited for.
//! Choosing batches and acknowledging are the worker's.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use matching::{Decision, Limits, LoadRequest, Outcome, RecordedEvent, Snapshot, Unit, unread_unit};
use parking::{EventKey, GateEvent, Refusal, Rules, Timestamp, Vehicle};
use service_kit::traces::{Kind, Traces};
use service_kit::{Backoff, Dependency, Health, Lifecycle};

use crate::decisions::Announcer;
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::recorder::{self, Recorder};
use crate::timelines::Timelines;

/// The stop came while the ledger was away: what was under way is delivered again after the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp;

/// Evidence about one vehicle.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) vehicle: Vehicle,
    /// New events, each with the time of its receipt.
    pub(crate) events: Vec<(GateEvent, Timestamp)>,
    /// Events of which what was awaited has ended.
    pub(crate) ended: Vec<EventKey>,
    /// The snapshot to decide on, when it came with the evidence.
    pub(crate) snapshot: Option<Snapshot>,
}

/// A kind of call to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Load,
    Record,
    Due,
}

impl Call {
    pub(crate) const ALL: [Self; 3] = [Self::Load, Self::Record, Self::Due];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Record => "record",
            Self::Due => "due",
        }
    }
}

/// How the ledger answers, for each kind of call: one that fails is not hidden by others that succeed.
#[derive(Debug)]
pub(crate) struct LedgerHealth {
    load: Dependency,
    record: Dependency,
    due: Dependency,
}

impl LedgerHealth {
    /// All kinds of calls are shown as one dependency, which is up once the ledger has told its terms.
    pub(crate) fn new(health: &Health) -> Self {
        let one = || {
            let call = health.dependency("summary-api");
            call.up();
            call
        };
        Self { load: one(), record: one(), due: one() }
    }

    fn of(&self, call: Call) -> &Dependency {
        match call {
            Call::Load => &self.load,
            Call::Record => &self.record,
            Call::Due => &self.due,
        }
    }
}

/// Decides and records. One for all batches and deadlines of a correlator.
#[derive(Debug)]
pub(crate) struct Decider {
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) timelines: Arc<dyn Timelines>,
    pub(crate) rules: RwLock<Arc<Rules>>,
    pub(crate) metrics: Metrics,
    pub(crate) announcer: Announcer,
    pub(crate) ledger: LedgerHealth,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) traces: Traces,
}

/// Evidence on its way through a batch.
struct Case {
    evidence: Evidence,
    keys: Vec<EventKey>,
    snapshot: Option<Snapshot>,
    /// The snapshot is the cache's word or a guess, not the ledger's.
    is_cached: bool,
    /// The timeline must reach back to this time.
    reaching: Option<Timestamp>,
}

/// What the decision about a case came to.
#[expect(clippy::large_enum_variant, reason = "nearly every verdict is the large one")]
enum Verdict {
    Record(Unit),
    Nothing,
    LoadAgain {
        reaching: Option<Timestamp>,
    },
    /// There is no room for these arrivals, by place: more re-reads of what can't be parted.
    TimelineFull {
        too_many: Vec<usize>,
    },
}

impl Decider {
    /// Settles all evidence; vehicles are distinct. Returns the events that no timeline has room for, and why.
    pub(crate) async fn settle(
        &self,
        evidence: Vec<Evidence>,
        origins: &Origins<'_>,
    ) -> Result<Vec<(GateEvent, Refusal)>, GivenUp> {
        let mut cases: Vec<Case> = evidence.into_iter().map(Case::new).collect();
        self.look_up(&mut cases).await;
        let mut refused = Vec::new();
        while !cases.is_empty() {
            self.load_missing(&mut cases, origins).await?;
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
                        refused.extend(case.refuse(&too_many));
                        again.push(case);
                    }
                }
            }
            again.extend(self.record(units, origins).await?);
            cases = again;
        }
        Ok(refused)
    }

    fn decide(&self, case: &Case) -> Verdict {
        let (vehicle, evidence) = (&case.evidence.vehicle, &case.evidence);
        let rules = self.rules();
        if rules.is_unread(&vehicle.plate) {
            let flags = matching::Flags::default();
            let events = evidence.events.iter().map(|(event, at)| RecordedEvent::new(event, *at, flags)).collect();
            return Verdict::Record(unread_unit(vehicle, events));
        }
        let Some(snapshot) = &case.snapshot else { return Verdict::LoadAgain { reaching: case.reaching } };
        let limits = Limits::of(&rules, &vehicle.lot);
        match snapshot.step(vehicle, limits, &case.keys, &evidence.ended) {
            Err(too_old) => Verdict::LoadAgain { reaching: Some(too_old.0) },
            Ok(decision) if decision.is_empty() && case.is_cached => Verdict::LoadAgain { reaching: None },
            Ok(decision) if decision.is_empty() => Verdict::Nothing,
            Ok(decision) if is_full(&decision) && case.is_cached => Verdict::LoadAgain { reaching: None },
            Ok(decision) if is_full(&decision) => Verdict::TimelineFull { too_many: decision.re_reads },
            Ok(decision) => Verdict::Record(unit(snapshot, evidence, decision)),
        }
    }

    /// Asks the cache for all vehicles in one call.
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
            // Who is not there is most likely new. Should the ledger know better, the unit is lost, and its answer is
            // what a question would have brought.
            case.snapshot = Some(found.unwrap_or_default());
            case.is_cached = true;
        }
    }

    /// Loads from the ledger, in one call, what neither the evidence nor the cache had.
    async fn load_missing(&self, cases: &mut [Case], origins: &Origins<'_>) -> Result<(), GivenUp> {
        let rules = self.rules();
        let needs = |case: &&mut Case| case.snapshot.is_none() && !rules.is_unread(&case.evidence.vehicle.plate);
        let mut wanted: Vec<&mut Case> = cases.iter_mut().filter(needs).collect();
        let request =
            |case: &&mut Case| LoadRequest { vehicle: case.evidence.vehicle.clone(), reaching: case.reaching };
        let requests: Vec<LoadRequest> = wanted.iter().map(request).collect();
        if requests.is_empty() {
            return Ok(());
        }
        let mut span = self.traces.begin(Kind::Asks, "load timelines", Some(origins.whole()));
        span.note("dwell.vehicles", requests.len());
        let snapshots = self.patiently(Call::Load, || self.recorder.load(&requests)).await?;
        for (case, snapshot) in wanted.iter_mut().zip(snapshots) {
            case.snapshot = Some(snapshot);
        }
        Ok(())
    }

    /// Records units in one call; returns the cases that lost, each with the snapshot that came back.
    async fn record(&self, units: Vec<(Case, Unit)>, origins: &Origins<'_>) -> Result<Vec<Case>, GivenUp> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let (cases, units): (Vec<Case>, Vec<Unit>) = units.into_iter().unzip();
        let mut span = self.traces.begin(Kind::Asks, "record sessions", Some(origins.whole()));
        span.note("dwell.units", units.len());
        let trace = span.context();
        let outcomes = self.patiently(Call::Record, || self.recorder.record(&units, trace)).await?;
        drop(span);
        let (mut lost, mut fresh) = (Vec::new(), Vec::new());
        for ((mut case, unit), outcome) in cases.into_iter().zip(units).zip(outcomes) {
            match outcome {
                Outcome::Recorded(_) => {
                    self.announcer.recorded(&unit, origins);
                    if unit.base.is_some() {
                        fresh.push((case.evidence.vehicle, unit.next_snapshot()));
                    }
                }
                Outcome::Lost(snapshot) => {
                    self.metrics.decided_again();
                    (case.snapshot, case.is_cached) = (Some(snapshot), false);
                    lost.push(case);
                }
            }
        }
        self.timelines.store(&fresh).await;
        Ok(lost)
    }

    /// Repeats a call until the ledger answers. Once the stop has come, a failure is the last.
    pub(crate) async fn patiently<T, F>(&self, call: Call, attempt: impl Fn() -> F) -> Result<T, GivenUp>
    where
        F: Future<Output = Result<T, recorder::Error>>,
    {
        let health = self.ledger.of(call);
        let mut backoff = Backoff::default();
        loop {
            match attempt().await {
                Ok(answer) => {
                    health.up();
                    return Ok(answer);
                }
                Err(error) => {
                    tracing::debug!(%error, "{} failed, trying again until it works", call.as_str());
                    health.down(error.to_string());
                }
            }
            if !backoff.wait(&self.lifecycle).await {
                return Err(GivenUp);
            }
            self.metrics.tried_again(call);
        }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Case {
    fn new(mut evidence: Evidence) -> Self {
        let keys = evidence.events.iter().map(|(event, _)| event.key).collect();
        let snapshot = evidence.snapshot.take();
        Self { evidence, keys, snapshot, is_cached: false, reaching: None }
    }

    /// Takes the arrivals at these places, which grow, out of the evidence.
    fn refuse(&mut self, places: &[usize]) -> Vec<(GateEvent, Refusal)> {
        let taken = places.iter().rev().map(|place| {
            self.keys.remove(*place);
            (self.evidence.events.remove(*place).0, no_room())
        });
        taken.collect()
    }
}

/// Whether the timeline has no room for further re-reads. What begins a passage is always taken: it makes a cut possible.
fn is_full(decision: &Decision) -> bool {
    decision.timeline.events().len() > matching::timeline::MAX_EVENTS && !decision.re_reads.is_empty()
}

fn no_room() -> Refusal {
    let limit = matching::timeline::MAX_EVENTS;
    let problem = format!(
        "of the vehicle has {limit} events that can't be parted, the most allowed: is it parked before a camera?"
    );
    Refusal::new("timeline", problem)
}

fn unit(snapshot: &Snapshot, evidence: &Evidence, decision: Decision) -> Unit {
    let recorded = |(place, flags): &(usize, matching::Flags)| {
        let (event, received_at) = &evidence.events[*place];
        RecordedEvent::new(event, *received_at, *flags)
    };
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
