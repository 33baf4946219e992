//! Pages of sessions and plate search over a ledger of 1 and of 10 million sessions.
//!
//! The ledger is filled by the service itself, from matched stays in order of time. Vehicles come eight times each, a tenth
//! of them after the other, so that a vehicle of the small ledger has as many sessions as one of the large.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use matching::{Flags, Limits, Outcome, RecordedEvent, Snapshot, Unit};
use parking::{Direction, EventKey, LotId, Lots, Plate, Rules, SystemClock, Timestamp, Vehicle};
use service_kit::ServiceContext;
use summary_api::Service;
use testbed::free_port;
use uuid::Uuid;

use crate::Options;
use crate::generator::{Dice, lot, plate};
use crate::measure::quantile;
use crate::pipeline::{Page, ledger_file, summary_api};
use crate::report::{Finding, say};

const LOTS: u64 = 50;
const STAYS_A_VEHICLE: u64 = 8;
/// Stays that are recorded in one call.
const BATCH: u64 = 2_000;
const BEGIN_MS: i64 = 1_709_251_200_000;
/// A stay begins so long after the one before it, milliseconds.
const GAP_MS: u64 = 100;
const STAY_MS: i64 = 75 * 60_000;
const P99_MOST_MS: f64 = 10.0;
/// How much dearer a page may be over ten times as many sessions, to count as flat.
const FLAT: f64 = 1.25;

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let most = options.events.map_or_else(|| options.sized(10_000_000, 50_000), |events| events / 2);
    let sizes = [most / 10, most];
    let cohort = (sizes[0] / STAYS_A_VEHICLE).max(1);
    let mut filler = Filler { cohort, snapshots: Vec::new(), dice: Dice::new(3), next: 0 };
    let mut finding = Finding::default();
    let mut medians: Vec<Vec<f64>> = Vec::new();
    for size in sizes {
        let begun = Instant::now();
        filler.fill(folder.path(), size).await?;
        say(&format!("pages: {size} sessions are there after {:.0} s more", begun.elapsed().as_secs_f64()));
        let mut of_size = Vec::new();
        for (work, mut times) in ask(options, folder.path(), size).await? {
            let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
            finding.limit(&format!("{work}, {size} sessions, p99"), p99, P99_MOST_MS, "ms");
            finding.note(format!("{work}, {size} sessions: p50 {p50:.2} ms, {} requests", times.len()));
            of_size.push(p50);
        }
        medians.push(of_size);
    }
    if let [few, many] = medians.as_slice() {
        let growth = few.iter().zip(many).map(|(few, many)| many / few).fold(0.0, f64::max);
        let text = format!("{growth:.2} ×");
        finding.add(
            "growth of p50 from a tenth, at most",
            text.clone(),
            "-".into(),
            text,
            format!("≤ {FLAT} ×"),
            growth <= FLAT,
        );
    }
    Ok(finding)
}

/// Asks pages one after the other; how long each took, milliseconds.
async fn ask(options: &Options, folder: &Path, sessions: u64) -> anyhow::Result<Vec<(&'static str, Vec<f64>)>> {
    let port = free_port();
    let mut api = summary_api(&format!("sqlite:{}", ledger_file(folder).display()), port, folder)?;
    let page = Page::new(port)?;
    page.ready().await?;
    let mut dice = Dice::new(11);
    let moment = |number: u64| Timestamp::from_millis(BEGIN_MS + i64::try_from(number * GAP_MS).unwrap_or(0));
    let known = (sessions / STAYS_A_VEHICLE).max(1);
    let mut kinds: Vec<(&'static str, Paths)> = Vec::new();
    let mut own = dice.clone();
    kinds.push((
        "plate search",
        Box::new(move || format!("/api/v1/sessions?vehicle_plate={}&limit=20", plate(own.below(known)))),
    ));
    let mut own = Dice::new(dice.next());
    kinds.push((
        "a page from anywhere",
        Box::new(move || format!("/api/v1/sessions?to={}&limit=100", moment(own.below(sessions)))),
    ));
    let mut own = Dice::new(dice.next());
    kinds.push((
        "a page of a lot from anywhere",
        Box::new(move || {
            let lot = lot(own.below(LOTS), LOTS);
            format!("/api/v1/sessions?lot_id={lot}&to={}&limit=100", moment(own.below(sessions)))
        }),
    ));
    let mut found = Vec::new();
    for (work, mut path) in kinds {
        let mut times = Vec::new();
        for _ in 0..options.sized(2_000, 200) {
            let path = path();
            let begun = Instant::now();
            let text = page.get(&path).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            ensure!(work != "plate search" || text.contains("matched"), "{path} found nothing: {text}");
        }
        found.push((work, times));
    }
    api.kill()?;
    Ok(found)
}

/// Makes the path of the next request.
type Paths = Box<dyn FnMut() -> String>;

/// Fills a ledger with stays.
struct Filler {
    /// So many vehicles take turns until each has come eight times; then come others.
    cohort: u64,
    /// Of the vehicles that take turns now.
    snapshots: Vec<Snapshot>,
    dice: Dice,
    /// The number of the next stay.
    next: u64,
}

impl Filler {
    async fn fill(&mut self, folder: &Path, sessions: u64) -> anyhow::Result<()> {
        let context = ServiceContext::new(Arc::new(SystemClock));
        let rules = Rules::default();
        let url = format!("sqlite:{}", ledger_file(folder).display());
        let ledger = summary_api::ledger::open(&url, context.clock.now()).await?;
        let service = Service::new(ledger, rules.clone(), Lots::default(), &context);
        while self.next < sessions {
            // A call takes a vehicle once only.
            let end = (self.next + BATCH.min(self.cohort)).min(sessions);
            let units = (self.next..end).map(|stay| self.unit(stay, &rules)).collect::<anyhow::Result<Vec<Unit>>>()?;
            self.next = end;
            let outcomes = service.record(units).await?;
            let lost = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Lost(_))).count();
            ensure!(lost == 0, "{lost} stays were not recorded");
        }
        context.lifecycle.stop();
        context.lifecycle.finished(Duration::from_mins(1)).await.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// One stay of the vehicle whose turn it is.
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
            id: Uuid::from_u128(self.dice.id()),
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
