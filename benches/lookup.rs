//! Look-ups at the exit over HTTP, one after the other, in a lot with 10,000 vehicles inside: misread plates, plates
//! that were read right, and vehicles that are not inside.
//!
//! The plates are British, of a few local districts, so that many are alike. 40,000 vehicles have left before. The
//! first look-up builds the index.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Principal;
use anyhow::ensure;
use judging::camera::{Camera, Errors};
use judging::plates::{Country, Plates};
use judging::rng::DeterministicRng;
use matching::{Limits, Outcome, RecordedEvent, Snapshot, Unit};
use parking::{Clock as _, Direction, EventKey, LotId, Lots, Plate, Rules, SystemClock, Timestamp, Vehicle};
use service_kit::ServiceContext;
use sessions::{CallOptions, Service};
use testbed::free_port;

use crate::Options;
use crate::measure::quantile;
use crate::pipeline::{Page, ledger_file, summary_api};
use crate::report::{Finding, say};

const P99_MAX_MS: f64 = 20.0;
/// Vehicles of one call.
const BATCH: usize = 1_000;
/// The time between two entries.
const GAP_MS: i64 = 2_000;
/// The stays of the vehicles that have left.
const STAY_MS: i64 = 75 * 60_000;
const ERRORS: Errors = Errors { misread: 0.1, alike: 0.7, cut: 0.1, dirty: false };
const SEED: u64 = 7;

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let (inside, left) = (options.sized(10_000, 500), options.sized(40_000, 1_000));
    let mut rng = DeterministicRng::new(SEED, 1);
    let made = Plates::new(Country::Britain, &mut rng);
    let (mut known, mut plates) = (BTreeSet::new(), Vec::new());
    while plates.len() < inside + left {
        let plate = made.draw(&mut rng);
        if known.insert(plate.clone()) {
            plates.push(plate);
        }
    }
    fill(folder.path(), &plates, inside).await?;
    plates.drain(..left);
    say(&format!("lookup: {inside} vehicles are inside"));
    let port = free_port();
    let mut api = summary_api(&format!("sqlite:{}", ledger_file(folder.path()).display()), port, folder.path())?;
    let page = Page::new(port);
    page.ready().await?;
    let mut finding = Finding::default();
    let built = Instant::now();
    look_up(&page, &plates[0]).await?;
    finding.note(format!("the first look-up, which builds the index: {:.0} ms", built.elapsed().as_secs_f64() * 1e3));
    let camera = Camera::new(ERRORS, 0, &mut rng);
    for kind in [Kind::Misread, Kind::Right, Kind::Stranger] {
        let mut times = Vec::new();
        let mut found: u32 = 0;
        for _ in 0..options.sized(5_000, 200) {
            let plate = if kind == Kind::Stranger { made.draw(&mut rng) } else { rng.one_of(&plates).clone() };
            let read = if kind == Kind::Misread { camera.misread(&plate, &mut rng) } else { plate.clone() };
            let begun = Instant::now();
            let answer = look_up(&page, &read).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            found += u32::from(is_found(kind, &answer, &plate)?);
        }
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        let (work, expected) = kind.words();
        finding.limit(&format!("{work}, {inside} inside, p99"), p99, P99_MAX_MS, "ms");
        finding.note(format!("{work}: p50 {p50:.2} ms; {found} of {} answers {expected}", times.len()));
    }
    api.kill()?;
    Ok(finding)
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Misread,
    Right,
    /// A vehicle that is not inside, of the same districts.
    Stranger,
}

impl Kind {
    /// What the plate is, and what an answer should have.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Misread => ("a misread plate", "have the entry"),
            Self::Right => ("a plate that was read right", "have the entry"),
            Self::Stranger => ("a vehicle that is not inside", "name an entry with at least 0.8"),
        }
    }
}

/// Whether an answer counts: it has the entry of the plate, or is very sure of that of a stranger.
fn is_found(kind: Kind, answer: &str, plate: &str) -> anyhow::Result<bool> {
    if kind != Kind::Stranger {
        return Ok(answer.matches(&format!("\"vehicle_plate\":\"{plate}\"")).count() > 0);
    }
    let answer: serde_json::Value = serde_json::from_str(answer)?;
    let is_sure = answer["entries"][0]["probability"].as_f64().is_some_and(|probability| probability >= 0.8);
    Ok(is_sure || answer["outcome"] == "exact")
}

async fn look_up(page: &Page, plate: &str) -> anyhow::Result<String> {
    page.ask("/api/v1/lookup", format!("{{\"vehicle_plate\":\"{plate}\"}}")).await
}

/// Records an entry of each plate, the last one just now, and an exit of all but the last `inside`.
async fn fill(folder: &Path, plates: &[String], inside: usize) -> anyhow::Result<()> {
    let context = ServiceContext::new(Arc::new(SystemClock));
    let rules = Rules::default();
    let url = format!("sqlite:{}", ledger_file(folder).display());
    let ledger = ledger_stores::open(&url, &context.connector, context.clock.now()).await?;
    let service = Service::new(ledger, rules.clone(), Lots::default(), &context);
    let first = SystemClock.now().plus_millis(-GAP_MS * i64::try_from(plates.len())?);
    let mut rng = DeterministicRng::new(SEED, 2);
    let left = plates.len() - inside;
    for (batch, plates) in plates.chunks(BATCH).enumerate() {
        let units = plates.iter().zip(batch * BATCH..).map(|(plate, number)| {
            let entered = first.plus_millis(GAP_MS * i64::try_from(number)?);
            let exit = (number < left).then(|| entered.plus_millis(STAY_MS));
            unit(plate, entered, exit, &mut rng, &rules)
        });
        let units = units.collect::<anyhow::Result<Vec<Unit>>>()?;
        let outcomes = service.scoped(Principal::correlator()).record(units, CallOptions::default()).await?;
        let is_recorded = |outcome: &Outcome| matches!(outcome, Outcome::Recorded(_));
        ensure!(outcomes.iter().all(is_recorded), "an entry was not recorded");
    }
    context.lifecycle.stop();
    context.lifecycle.finished(Duration::from_mins(1)).await.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn unit(
    plate: &str,
    entered: Timestamp,
    exit: Option<Timestamp>,
    rng: &mut DeterministicRng,
    rules: &Rules,
) -> anyhow::Result<Unit> {
    let plate = Plate::from_read(plate).map_err(|problem| anyhow::anyhow!("a made-up plate {problem}"))?;
    let vehicle = Vehicle { lot: LotId::default(), plate };
    let ends = [(Some(entered), Direction::Entry), (exit, Direction::Exit)];
    let keys = ends.into_iter().filter_map(|(time, direction)| Some(EventKey { time: time?, direction, id: rng.id() }));
    let (keys, before) = (keys.collect::<Vec<EventKey>>(), Snapshot::default());
    let limits = Limits::of(rules, &vehicle.lot);
    let decision = before.step(&vehicle, limits, &keys, &[]).map_err(|_| anyhow::anyhow!("an entry is too old"))?;
    let events = decision.new_events.iter().map(|(place, flags)| RecordedEvent {
        key: keys[*place],
        plate_as_read: vehicle.plate.as_str().into(),
        gate: None,
        confidence: None,
        received_at: keys[*place].time,
        flags: *flags,
        receipt: None,
        supersedes: None,
    });
    Ok(Unit {
        events: events.collect(),
        base: Some(before.base),
        timeline: decision.timeline,
        flags: decision.flags,
        changes: decision.changes,
        first_matched: decision.first_matched,
        first_unmatched: decision.first_unmatched,
        vehicle,
    })
}
