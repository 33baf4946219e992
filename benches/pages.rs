//! Pages of sessions and plate search over a ledger of 1 and of 10 million sessions.
//!
//! Each vehicle comes eight times, with a tenth of the vehicles at a time, so that a vehicle of the small ledger has as
//! many sessions as one of the large.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use parking::Timestamp;
use testbed::free_port;

use crate::Options;
use crate::generator::{DeterministicRng, lot, plate};
use crate::measure::quantile;
use crate::pipeline::{Page, ledger_file, summary_api};
use crate::report::{Finding, say};
use crate::stays::{BEGIN_MS, Filler, GAP_MS, LOTS, STAYS_A_VEHICLE};

const P99_MAX_MS: f64 = 10.0;
/// The maximum growth of a page's cost over ten times as many sessions that counts as flat.
const FLAT_GROWTH_MAX: f64 = 1.25;

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let most = options.events.map_or_else(|| options.sized(10_000_000, 50_000), |events| events / 2);
    let sizes = [most / 10, most];
    let cohort = (sizes[0] / STAYS_A_VEHICLE).max(1);
    let mut filler = Filler::new(cohort);
    let mut finding = Finding::default();
    let mut medians: Vec<Vec<f64>> = Vec::new();
    for size in sizes {
        let begun = Instant::now();
        filler.fill(folder.path(), size).await?;
        say(&format!("pages: {size} sessions are recorded, in {:.0} s more", begun.elapsed().as_secs_f64()));
        let mut of_size = Vec::new();
        for (work, mut times) in ask(options, folder.path(), size).await? {
            let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
            finding.limit(&format!("{work}, {size} sessions, p99"), p99, P99_MAX_MS, "ms");
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
            format!("≤ {FLAT_GROWTH_MAX} ×"),
            growth <= FLAT_GROWTH_MAX,
        );
    }
    Ok(finding)
}

/// Requests pages one after the other; returns the latency of each in milliseconds.
async fn ask(options: &Options, folder: &Path, sessions: u64) -> anyhow::Result<Vec<(&'static str, Vec<f64>)>> {
    let port = free_port();
    let mut api = summary_api(&format!("sqlite:{}", ledger_file(folder).display()), port, folder)?;
    let page = Page::new(port);
    page.ready().await?;
    let mut rng = DeterministicRng::new(11);
    let moment = |number: u64| Timestamp::from_millis(BEGIN_MS + i64::try_from(number * GAP_MS).unwrap_or(0));
    let known = (sessions / STAYS_A_VEHICLE).max(1);
    let mut kinds: Vec<(&'static str, Paths)> = Vec::new();
    let mut own = rng.clone();
    kinds.push((
        "plate search",
        Box::new(move || format!("/api/v1/sessions?vehicle_plate={}&limit=20", plate(own.below(known)))),
    ));
    let mut own = DeterministicRng::new(rng.next());
    kinds.push((
        "a page from anywhere",
        Box::new(move || format!("/api/v1/sessions?to={}&limit=100", moment(own.below(sessions)))),
    ));
    let mut own = DeterministicRng::new(rng.next());
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

/// Returns the path of the next request.
type Paths = Box<dyn FnMut() -> String>;
