//! `POST /save_summary`, durable, with 32 connections of wrk, compared with the same route in `FastAPI` that appends to
//! a file.

use anyhow::ensure;
use testbed::{Program, free_port};

use crate::Options;
use crate::measure::median;
use crate::pipeline::{Page, summary_api, wait};
use crate::report::{Finding, rate, say, version_of};
use crate::wrk::{CONNECTIONS, Load, YARDSTICKS, load, version};

const SCRIPT: &str = "save_summary.lua";

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.runs {
        ours.push(summaries(options).await?);
        theirs.push(fastapi(options).await?);
        say(&format!("save-summary: round {} of {} is done", round + 1, options.runs));
    }
    let p99 = |runs: &[Load]| median(runs.iter().map(|load| load.p99_ms).collect());
    let a_second = |runs: &[Load]| median(runs.iter().map(|load| load.a_second).collect());
    let (mine, its) = (a_second(&ours), a_second(&theirs));
    let mut finding = Finding::default();
    finding.at_least("POST /save_summary", rate(mine), rate(its), mine / its, 8.0);
    finding.note(format!("p99 {:.1} ms against {:.1} ms", p99(&ours), p99(&theirs)));
    let packages = "import fastapi, uvicorn; print('FastAPI', fastapi.__version__ + ', uvicorn', uvicorn.__version__)";
    let python = options.python.display().to_string();
    finding.note(format!(
        "{}, one process without its access log; {CONNECTIONS} connections of {}",
        version_of(&python, &["-c", packages]),
        version()
    ));
    Ok(finding)
}

async fn summaries(options: &Options) -> anyhow::Result<Load> {
    let folder = options.folder()?;
    let (port, file) = (free_port(), crate::pipeline::ledger_file(folder.path()));
    let mut api = summary_api(&format!("sqlite:{}", file.display()), port, folder.path())?;
    Page::new(port).ready().await?;
    let load = load(options, port, SCRIPT, &[])?;
    api.kill()?;
    Ok(load)
}

async fn fastapi(options: &Options) -> anyhow::Result<Load> {
    let folder = options.folder()?;
    let port = free_port();
    let python = std::path::absolute(&options.python)?;
    ensure!(python.is_file(), "{} is missing: run ci/bench, which creates it", python.display());
    let mut server = Program::new(python)
        .args(["-m", "uvicorn", "fastapi_summary:app", "--host", "127.0.0.1", "--no-access-log"])
        .args(["--port".to_owned(), port.to_string()])
        .args(["--app-dir", YARDSTICKS])
        .env("SUMMARY_FILE", folder.path().join("summary.txt"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .start()?;
    let page = Page::new(port);
    wait("FastAPI to answer", async || page.get("/openapi.json").await.is_ok()).await?;
    let load = load(options, port, SCRIPT, &[])?;
    server.kill()?;
    Ok(load)
}
