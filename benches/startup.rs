//! The time until each service is ready, and its CPU time and memory while idle.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::{Program, free_port};

use crate::Options;
use crate::measure::{cpu_of_tree, median, memory, number};
use crate::pipeline::{Page, Servers};
use crate::report::{Finding, say};

const READY_MAX_MS: f64 = 100.0;
const IDLE_MAX_PERCENT: f64 = 1.0;
const RESIDENT_MAX_MIB: f64 = 40.0;

/// The measurements of one start.
#[derive(Debug, Clone, Copy)]
struct Start {
    ready_ms: f64,
    idle_percent: f64,
    resident_mib: f64,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let servers = Servers::start(false).await?;
    let folder = options.folder()?;
    let api_port = free_port();
    let (amqp, redis) = (servers.broker.amqp_url(), servers.redis.url());
    let api_url = format!("http://127.0.0.1:{api_port}");
    // The other services run too: a correlator is ready only if it has a summary API.
    let ledger = format!("sqlite:{}", folder.path().join("beside.sqlite").display());
    let _beside = crate::pipeline::summary_api(&ledger, api_port, folder.path())?;
    Page::new(api_port).ready().await?;
    let own_ledger = format!("sqlite:{}", folder.path().join("own.sqlite").display());
    let token = ("DWELL_INTERNAL_TOKEN", "a-token-of-the-benchmarks");
    let gates: &[(&str, &str)] = &[("DWELL_AMQP_URL", &amqp), ("DWELL_ARRIVALS", "0")];
    let services: [(&str, &[(&str, &str)]); 5] = [
        ("summary-api", &[("DWELL_DATABASE_URL", &own_ledger), token]),
        (
            "correlator",
            &[("DWELL_AMQP_URL", &amqp), ("DWELL_REDIS_URL", &redis), ("DWELL_SUMMARY_API_URL", &api_url), token],
        ),
        ("entry-service", gates),
        ("exit-service", gates),
        ("dwell", &[("DWELL_ARRIVALS", "0")]),
    ];
    let mut finding = Finding::default();
    for (name, environment) in services {
        let mut starts = Vec::new();
        for _ in 0..options.runs {
            starts.push(start(options, name, environment, folder.path()).await?);
        }
        let of = |value: fn(&Start) -> f64| median(starts.iter().map(value).collect());
        finding.limit(&format!("{name}, start to ready"), of(|start| start.ready_ms), READY_MAX_MS, "ms");
        finding.limit(&format!("{name}, idle"), of(|start| start.idle_percent), IDLE_MAX_PERCENT, "% of a core");
        finding.limit(&format!("{name}, resident"), of(|start| start.resident_mib), RESIDENT_MAX_MIB, "MiB");
        say(&format!("startup: {name} is done"));
    }
    finding.note(format!("all servers are up before; the gates have no traffic; {}", servers.versions));
    Ok(finding)
}

async fn start(options: &Options, name: &str, environment: &[(&str, &str)], folder: &Path) -> anyhow::Result<Start> {
    let port = free_port();
    let page = Page::new(port);
    let begun = Instant::now();
    let mut program = Program::new(testbed::binary(name)?)
        .envs(environment.iter().copied())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder)
        .start()?;
    page.ready().await?;
    let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
    // Waits for the remaining work of the start, which is not idle time.
    tokio::time::sleep(Duration::from_secs(options.sized(3, 1))).await;
    let length = Duration::from_secs(options.sized(20, 3));
    let before = cpu_of_tree(program.pid());
    tokio::time::sleep(length).await;
    let spent = cpu_of_tree(program.pid()).saturating_sub(before);
    let resident_mib = number(memory(program.pid(), "VmRSS").unwrap_or(0)) / (1024.0 * 1024.0);
    program.kill()?;
    Ok(Start { ready_ms, idle_percent: 100.0 * spent.as_secs_f64() / length.as_secs_f64(), resident_mib })
}
