//! Prometheus: a real server on a private loopback port, with a test's configuration.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::folder::Folder;
use crate::installed;
use crate::ports::Lease;
use crate::process::ServerProcess;

const START_DEADLINE: Duration = Duration::from_mins(1);
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A separate Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    server: Option<ServerProcess>,
    folder: Folder,
    port: Lease,
}

impl Prometheus {
    /// Starts a server with this `prometheus.yml` and waits until it answers.
    ///
    /// The scrape interval is 15 s, unless `global.scrape_interval` is less.
    pub async fn start(configuration: &str) -> anyhow::Result<Self> {
        let mut folder = Folder::create("prometheus")?;
        let port = Lease::take()?;
        let file = folder.write("prometheus.yml", configuration)?;
        let mut command = Command::new(installed::program("prometheus", "prometheus")?);
        command.arg("--config.file").arg(file).arg("--storage.tsdb.path").arg(folder.path().join("data"));
        command.arg("--web.listen-address").arg(format!("127.0.0.1:{}", port.port()));
        command.args(["--log.level", "warn"]);
        let server = ServerProcess::spawn(&mut folder, "prometheus", command)?;
        let mut prometheus = Self { server: Some(server), folder, port };
        prometheus.wait_until_ready().await?;
        Ok(prometheus)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.port())
    }

    /// Evaluates an expression now, and returns the samples: `[{"metric": {…}, "value": [time, "number"]}, …]`.
    pub async fn query(&self, expression: &str) -> anyhow::Result<Value> {
        let answer = self.get("/api/v1/query", &[("query", expression)]).await?;
        Ok(answer["data"]["result"].clone())
    }

    /// Waits until an expression has a sample that is a finite number, and returns the first such.
    pub async fn wait_for_sample(&self, expression: &str, deadline: Duration) -> anyhow::Result<f64> {
        let start = Instant::now();
        loop {
            let samples = self.query(expression).await?;
            if let Some(number) = samples.as_array().into_iter().flatten().find_map(finite) {
                return Ok(number);
            }
            if start.elapsed() > deadline {
                let targets = self.targets().await?;
                bail!("no number for {expression} after {deadline:?}: {samples}; the targets: {targets}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The active targets: an array of objects with `labels`, `scrapeUrl`, `health` and `lastError`.
    pub async fn targets(&self) -> anyhow::Result<Value> {
        let answer = self.get("/api/v1/targets", &[("state", "active")]).await?;
        Ok(answer["data"]["activeTargets"].clone())
    }

    /// Waits until there are targets and all of them are up.
    pub async fn wait_for_targets(&self, deadline: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let targets = self.targets().await?;
            let all = targets.as_array().map_or(&[][..], Vec::as_slice);
            if !all.is_empty() && all.iter().all(|target| target["health"] == "up") {
                return Ok(());
            }
            if start.elapsed() > deadline {
                bail!("not all targets are up after {deadline:?}: {targets}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// `kill -9`; returns when the server is gone. Does nothing if it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.take().map_or(Ok(()), |server| server.kill(&mut self.folder))
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (client, url) = (client()?, format!("{}/-/ready", self.url()));
        let server = self.server.as_mut().context("the server was just started")?;
        server.ready(START_DEADLINE, || answers(client.clone(), url.clone())).await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url()), query)?;
        let answer = client()?.get(url).send().await.with_context(|| format!("Prometheus does not answer {path}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("Prometheus' answer to {path} broke off"))?;
        if !status.is_success() {
            bail!("Prometheus answers {path} {query:?} with {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("Prometheus' answer to {path} is no JSON: {text}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // The folder's guardian kills what can't be killed here.
        drop(self.kill());
    }
}

async fn answers(client: reqwest::Client, url: String) -> bool {
    client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(crate::http::builder().no_proxy().pool_max_idle_per_host(0).timeout(REQUEST_DEADLINE).build()?)
}

/// The number of a sample; `None` if it is infinite or not a number (as in a division by zero).
fn finite(sample: &Value) -> Option<f64> {
    let number: f64 = sample["value"][1].as_str()?.parse().ok()?;
    number.is_finite().then_some(number)
}
