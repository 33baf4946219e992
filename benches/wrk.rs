//! Generates HTTP load with wrk and a script of `yardsticks`, and reads its result.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::measure::{self, number};
use crate::report::version_of;
use crate::{Options, PROGRAM_DURATION_MAX};

/// The folder of the scripts.
pub(crate) const YARDSTICKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/yardsticks");
/// The number of concurrent connections.
pub(crate) const CONNECTIONS: &str = "32";

/// The result of wrk.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) a_second: f64,
    pub(crate) p99_ms: f64,
}

/// Lets a script send requests to a local port. Fails if a request does.
pub(crate) fn load(options: &Options, port: u16, script: &str, arguments: &[&str]) -> anyhow::Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c", CONNECTIONS, "-d", options.sized("10s", "2s"), "--latency", "-s"]);
    command.arg(Path::new(YARDSTICKS).join(script)).arg(format!("http://127.0.0.1:{port}")).arg("--").args(arguments);
    let run = measure::run(&mut command, PROGRAM_DURATION_MAX).context("wrk is needed: see ci/bench")?;
    let line = run.output.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line = line.context("wrk printed no result")?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, failed, p99_micros] = numbers.as_slice() else {
        anyhow::bail!("wrk printed {line:?} instead of four numbers")
    };
    ensure!(*failed == 0, "{failed} of {requests} requests failed");
    Ok(Load { a_second: number(*requests) * 1e6 / number(*micros), p99_ms: number(*p99_micros) / 1000.0 })
}

/// Returns the version of wrk.
pub(crate) fn version() -> String {
    version_of("wrk", &["-v"]).split(" Copyright").next().unwrap_or("wrk").to_owned()
}
