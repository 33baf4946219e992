//! Hot GraphQL queries over a ledger of a million sessions, with a query cache and without: alone, and while a summary
//! every 10 ms makes all cached answers stale.
//!
//! The row has no target; it shows what the cache saves.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use testbed::{Redis, free_port};
use tokio::time::{MissedTickBehavior, interval};

use crate::Options;
use crate::generator::lot;
use crate::measure::median;
use crate::pipeline::{Page, ledger_file, summary_api_with};
use crate::report::{Finding, rate, say};
use crate::stays::{Filler, LOTS, STAYS_A_VEHICLE};
use crate::wrk::{CONNECTIONS, Load, load, version};

/// The time between two saved summaries.
const SAVE_INTERVAL: Duration = Duration::from_millis(10);
/// With a smaller cohort, some vehicles would return while they are still inside.
const COHORT_VEHICLES_MIN: u64 = 50_000;
const SCRIPT: &str = "answers.lua";

/// One variant: the cache, and whether summaries are saved meanwhile.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    name: &'static str,
    cache: &'a str,
    with_saves: bool,
}

/// The result of one load.
#[derive(Debug)]
struct Seen {
    load: Load,
    /// The share of requests answered from the cache.
    hits: f64,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let sessions = options.events.map_or_else(|| options.sized(1_000_000, 20_000), |events| events / 2);
    Filler::new((sessions / STAYS_A_VEHICLE).max(COHORT_VEHICLES_MIN)).fill(folder.path(), sessions).await?;
    say(&format!("answers: {sessions} sessions are recorded"));
    let redis = Redis::start().await.context("Redis is needed: see ci/bench")?;
    redis.command(&["CONFIG", "SET", "appendonly", "no"]).await?;
    let url = redis.url();
    let way = |name, cache, with_saves| Way { name, cache, with_saves };
    let ways = [false, true].map(|with_saves| {
        [way("none", "off", with_saves), way("in memory", "memory", with_saves), way("in Redis", &url, with_saves)]
    });
    let mut seen: Vec<Vec<Seen>> = ways.iter().flatten().map(|_| Vec::new()).collect();
    for round in 0..options.runs {
        for (way, of_way) in ways.iter().flatten().zip(&mut seen) {
            of_way.push(ask(options, folder.path(), *way).await?);
        }
        say(&format!("answers: round {} of {} is done", round + 1, options.runs));
    }
    let mut finding = Finding::default();
    for (ways, seen) in ways.iter().zip(seen.chunks(ways[0].len())) {
        tell(&mut finding, ways, seen);
    }
    finding.note(format!("{sessions} sessions in SQLite; {CONNECTIONS} connections of {}", version()));
    Ok(finding)
}

/// Adds a line for each variant with a cache, compared with the first one, which has none.
fn tell(finding: &mut Finding, ways: &[Way<'_>], seen: &[Vec<Seen>]) {
    let of = |seen: &[Seen], figure: fn(&Seen) -> f64| median(seen.iter().map(figure).collect());
    let beside = if ways[0].with_saves { ", a summary saved each 10 ms" } else { "" };
    let none = of(&seen[0], |seen| seen.load.a_second);
    for (way, seen) in ways.iter().zip(seen) {
        let a_second = of(seen, |seen| seen.load.a_second);
        let (p99, hits) = (of(seen, |seen| seen.load.p99_ms), of(seen, |seen| seen.hits));
        if way.cache != ways[0].cache {
            finding.shows(&format!("answers kept {}{beside}", way.name), rate(a_second), rate(none), a_second / none);
        }
        let hits = format!("{:.1} % of the requests from the cache", hits * 100.0);
        finding.note(format!("answers kept: {}{beside}: {}, p99 {p99:.1} ms, {hits}", way.name, rate(a_second)));
    }
}

async fn ask(options: &Options, folder: &Path, way: Way<'_>) -> anyhow::Result<Seen> {
    let port = free_port();
    let url = format!("sqlite:{}", ledger_file(folder).display());
    let mut api = summary_api_with(&url, port, folder, &[("DWELL_ANSWER_CACHE", way.cache)])?;
    let page = Page::new(port);
    page.ready().await?;
    let lot = lot(0, LOTS);
    let query = format!("/graphql?query=%7Bsessions(lotId:%22{lot}%22,first:100)%7Bnodes%7BvehiclePlate%7D%7D%7D");
    let text = page.get(&query).await?;
    ensure!(text.matches("vehiclePlate").count() == 100 && !text.contains("errors"), "{query} found {text}");
    let loading = {
        let options = options.clone();
        tokio::task::spawn_blocking(move || load(&options, port, SCRIPT, &[&lot]))
    };
    let load = if way.with_saves {
        tokio::select! {
            load = loading => load??,
            saving = save(&page, port) => anyhow::bail!("a summary could not be saved: {saving:?}"),
        }
    } else {
        loading.await??
    };
    let count =
        async |result: &str| page.count(&format!("dwell_answer_cache_requests_total{{result=\"{result}\"}}")).await;
    let (mut all, hits) = (0, count("hit").await?);
    for result in ["hit", "miss", "passed", "error"] {
        all += count(result).await?;
    }
    api.kill()?;
    Ok(Seen { load, hits: crate::measure::number(hits) / crate::measure::number(all.max(1)) })
}

/// Saves different summaries one after the other until it is dropped or a request fails.
async fn save(page: &Page, port: u16) -> anyhow::Error {
    let mut each = interval(SAVE_INTERVAL);
    each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        each.tick().await;
        let begun = number % 86_400;
        let (hours, minutes, seconds) = (begun / 3_600, begun / 60 % 60, begun % 60);
        let entered = format!("2025-09-24T{hours:02}:{minutes:02}:{seconds:02}Z");
        // Each load has its own port, and its summaries use that number as the plate.
        let body = format!(
            r#"{{"vehicle_plate":"S{port}","entry_date_time":"{entered}","exit_date_time":"2025-09-26T00:00:00Z"}}"#
        );
        if let Err(error) = page.post("/save_summary", body).await {
            return error;
        }
    }
    anyhow::anyhow!("there are no more numbers")
}
