//! Fills a ledger with matched stays, recorded by the service itself in order of time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::Principal;
use anyhow::{Context as _, ensure};
use matching::{Flags, Limits, Outcome, RecordedEvent, Snapshot, Unit};
use parking::{Direction, EventKey, LotId, Lots, Plate, Rules, SystemClock, Timestamp, Vehicle};
use service_kit::ServiceContext;
use sessions::{CallOptions, Service};
use uuid::Uuid;

use crate::generator::{DeterministicRng, lot, plate};
use crate::pipeline::ledger_file;

/// The number of lots.
pub(crate) const LOTS: u64 = 50;
/// The number of stays of each vehicle.
pub(crate) const STAYS_A_VEHICLE: u64 = 8;
/// The start of the first stay.
pub(crate) const BEGIN_MS: i64 = 1_709_251_200_000;
/// The time between the starts of two stays, in milliseconds.
pub(crate) const GAP_MS: u64 = 100;
/// The number of stays recorded by one call.
const BATCH_STAYS: u64 = 2_000;
const STAY_MS: i64 = 75 * 60_000;

/// Fills a ledger with stays.
pub(crate) struct Filler {
    /// The number of vehicles that alternate until each has come eight times; then others follow.
    cohort: u64,
    /// The snapshots of the vehicles that alternate now.
    snapshots: Vec<Snapshot>,
    rng: DeterministicRng,
    /// The number of the next stay.
    next: u64,
}

impl Filler {
    /// Creates a filler with a cohort of this many vehicles.
    pub(crate) fn new(cohort: u64) -> Self {
        Self { cohort, snapshots: Vec::new(), rng: DeterministicRng::new(3), next: 0 }
    }

    /// Fills the ledger in a folder until it has this many sessions.
    pub(crate) async fn fill(&mut self, folder: &Path, sessions: u64) -> anyhow::Result<()> {
        let context = ServiceContext::new(Arc::new(SystemClock));
        let rules = Rules::default();
        let url = format!("sqlite:{}", ledger_file(folder).display());
        let ledger = ledger_stores::open(&url, &context.connector, context.clock.now()).await?;
        let service = Service::new(ledger, rules.clone(), Lots::default(), &context);
        while self.next < sessions {
            // A call may contain each vehicle only once.
            let end = (self.next + BATCH_STAYS.min(self.cohort)).min(sessions);
            let units = (self.next..end).map(|stay| self.unit(stay, &rules)).collect::<anyhow::Result<Vec<Unit>>>()?;
            self.next = end;
            let outcomes = service.scoped(Principal::correlator()).record(units, CallOptions::default()).await?;
            let lost = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Lost(_))).count();
            ensure!(lost == 0, "{lost} stays were not recorded");
        }
        context.lifecycle.stop();
        context.lifecycle.finished(Duration::from_mins(1)).await.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// Returns a stay of the next vehicle.
    fn unit(&mut self, stay: u64, rules: &Rules) -> anyhow::Result<Unit> {
        let (cohorts_before, turn) = (stay / (self.cohort * STAYS_A_VEHICLE), stay % self.cohort);
        let number = cohorts_before * self.cohort + turn;
        let wrong = |problem: &str| anyhow::anyhow!("a made-up vehicle {problem}");
        let vehicle = Vehicle {
            lot: LotId::parse(&lot(number, LOTS)).map_err(wrong)?,
            plate: Plate::from_read(&plate(number)).map_err(wrong)?,
        };
        let entered = BEGIN_MS + i64::try_from(stay * GAP_MS)?;
        let mut key = |time, direction| EventKey {
            time: Timestamp::from_millis(time),
            direction,
            id: Uuid::from_u128(self.rng.id()),
        };
        let keys = [key(entered, Direction::Entry), key(entered + STAY_MS, Direction::Exit)];
        if stay.is_multiple_of(self.cohort * STAYS_A_VEHICLE) {
            self.snapshots.clear();
        }
        let place = usize::try_from(turn)?;
        let before = self.snapshots.get(place).cloned().unwrap_or_default();
        let limits = Limits::of(rules, &vehicle.lot);
        let decision = before.step(&vehicle, limits, &keys, &[]).ok().context("a stay is older than its timeline")?;
        let event = |(place, flags): &(usize, Flags)| RecordedEvent {
            key: keys[*place],
            plate_as_read: vehicle.plate.as_str().into(),
            gate: None,
            confidence: None,
            received_at: keys[*place].time,
            flags: *flags,
            receipt: None,
            supersedes: None,
        };
        let unit = Unit {
            base: Some(before.base),
            events: decision.new_events.iter().map(event).collect(),
            timeline: decision.timeline,
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
            vehicle,
        };
        if place == self.snapshots.len() {
            self.snapshots.push(Snapshot::default());
        }
        self.snapshots[place] = unit.next_snapshot();
        Ok(unit)
    }
}
