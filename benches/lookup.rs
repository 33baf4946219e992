//! Look-ups at the exit over HTTP, one after the other, in a lot with 10,000 vehicles inside: misread plates, and plates
//! that were read right.
//!
//! The plates are British, of a few local districts, so that many are alike. The first look-up builds the index.

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
use uuid::Uuid;

use crate::Options;
use crate::measure::quantile;
use crate::pipeline::{Page, ledger_file, summary_api};
use crate::report::{Finding, say};

const P99_MAX_MS: f64 = 20.0;
/// Vehicles of one call.
const BATCH: usize = 1_000;
/// The time between two entries.
const GAP_MS: i64 = 2_000;
const ERRORS: Errors = Errors { misread: 0.1, alike: 0.7, cut: 0.1, dirty: false };
const SEED: u64 = 7;

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let inside = options.sized(10_000, 500);
    let mut rng = DeterministicRng::new(SEED, 1);
    let made = Plates::new(Country::Britain, &mut rng);
    let mut plates: Vec<String> = Vec::new();
    while plates.len() < inside {
        let plate = made.draw(&mut rng);
        if !plates.contains(&plate) {
            plates.push(plate);
        }
    }
    fill(folder.path(), &plates).await?;
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
    for (work, is_misread) in [("a misread plate", true), ("a plate that was read right", false)] {
        let mut times = Vec::new();
        let mut found: u32 = 0;
        for _ in 0..options.sized(5_000, 200) {
            let plate = rng.one_of(&plates).clone();
            let read = if is_misread { camera.misread(&plate, &mut rng) } else { plate.clone() };
            let begun = Instant::now();
            let answer = look_up(&page, &read).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            found += u32::from(answer.contains(&format!("\"vehicle_plate\":\"{plate}\"")));
        }
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        finding.limit(&format!("{work}, {inside} inside, p99"), p99, P99_MAX_MS, "ms");
        finding.note(format!("{work}: p50 {p50:.2} ms; {found} of {} answers have the entry", times.len()));
    }
    api.kill()?;
    Ok(finding)
}

async fn look_up(page: &Page, plate: &str) -> anyhow::Result<String> {
    page.ask("/api/v1/lookup", format!("{{\"vehicle_plate\":\"{plate}\"}}")).await
}

/// Records an entry of each plate, the last one just now.
async fn fill(folder: &Path, plates: &[String]) -> anyhow::Result<()> {
    let context = ServiceContext::new(Arc::new(SystemClock));
    let rules = Rules::default();
    let url = format!("sqlite:{}", ledger_file(folder).display());
    let ledger = ledger_stores::open(&url, &context.connector, context.clock.now()).await?;
    let service = Service::new(ledger, rules.clone(), Lots::default(), &context);
    let first = SystemClock.now().plus_millis(-GAP_MS * i64::try_from(plates.len())?);
    let mut rng = DeterministicRng::new(SEED, 2);
    for (batch, plates) in plates.chunks(BATCH).enumerate() {
        let begin = first.plus_millis(GAP_MS * i64::try_from(batch * BATCH)?);
        let units = plates
            .iter()
            .zip(0..)
            .map(|(plate, number)| entry(plate, begin.plus_millis(GAP_MS * number), rng.id(), &rules));
        let units = units.collect::<anyhow::Result<Vec<Unit>>>()?;
        let outcomes = service.scoped(Principal::correlator()).record(units, CallOptions::default()).await?;
        let is_recorded = |outcome: &Outcome| matches!(outcome, Outcome::Recorded(_));
        ensure!(outcomes.iter().all(is_recorded), "an entry was not recorded");
    }
    context.lifecycle.stop();
    context.lifecycle.finished(Duration::from_mins(1)).await.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn entry(plate: &str, time: Timestamp, id: Uuid, rules: &Rules) -> anyhow::Result<Unit> {
    let plate = Plate::from_read(plate).map_err(|problem| anyhow::anyhow!("a made-up plate {problem}"))?;
    let vehicle = Vehicle { lot: LotId::default(), plate };
    let key = EventKey { time, direction: Direction::Entry, id };
    let before = Snapshot::default();
    let limits = Limits::of(rules, &vehicle.lot);
    let decision = before.step(&vehicle, limits, &[key], &[]).map_err(|_| anyhow::anyhow!("an entry is too old"))?;
    let events = decision.new_events.iter().map(|(_, flags)| RecordedEvent {
        key,
        plate_as_read: vehicle.plate.as_str().into(),
        gate: None,
        confidence: None,
        received_at: time,
        flags: *flags,
        receipt: None,
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
