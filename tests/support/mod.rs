//! What the tests of the whole system share: the real stays as gate events, and our programs put together.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testbed::{Program, free_port, wait_for, wait_until};

pub(crate) mod pipeline;

/// Long enough for the slowest machine that runs these tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// The secret that the programs of a test share.
pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// The folder of the real stays; `None`, with a message, if this clone has none beside it.
pub(crate) fn stays() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/parking-stays");
    let folder = std::env::var_os("PARKING_STAYS").map_or(beside, PathBuf::from);
    let misses = if !folder.join("P1.csv.gz").exists() {
        format!("{} has none; name another folder with PARKING_STAYS", folder.display())
    } else if Command::new("python3").arg("--version").output().is_err() {
        "the tool that makes gate events of them needs python3".to_owned()
    } else {
        return Some(folder);
    };
    eprintln!("NOT CHECKED on real stays: {misses}");
    None
}

/// The tool that makes gate events of stays; beside the stays' folder.
fn tool(stays: &Path) -> PathBuf {
    stays.join("../../tools/gate_events.py")
}

/// What the issue of real gates is: reads get lost, repeated and late, and strangers leave.
const FLAWS: &[&str] = &[
    "--lost-entry",
    "0.033",
    "--lost-exit",
    "0.053",
    "--duplicates",
    "0.01",
    "--late",
    "0.05",
    "--stranger-exits",
    "0.05",
];

/// Makes gate events of the real stays in `folder`; returns the file of events.
pub(crate) fn gate_events(stays: &Path, folder: &Path, more: &[&str]) -> PathBuf {
    let (events, truth) = (folder.join("events.ndjson"), folder.join("truth.csv"));
    let made = Command::new("python3")
        .arg(tool(stays))
        .arg("--stays")
        .arg(stays)
        .arg("--out")
        .arg(&events)
        .arg("--truth")
        .arg(&truth)
        .args(FLAWS)
        .args(more)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    events
}

/// Runs `dwell` with arguments to its end; all that it wrote when it fails.
pub(crate) fn dwell(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.args(arguments).envs(environment.iter().copied());
    let ran = command.output().unwrap();
    let [out, errors] = [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(ran.status.success(), "dwell {arguments:?}: {errors}{out}");
    String::from_utf8(ran.stdout).unwrap()
}

/// Begins to publish a file of gate events to a broker.
pub(crate) fn publishing(events: &Path, amqp_url: &str) -> Program {
    let program = Program::new(testbed::binary("dwell").unwrap()).arg("publish").arg(events.to_str().unwrap());
    program.env("DWELL_AMQP_URL", amqp_url).start().unwrap()
}

/// Waits until all is published.
pub(crate) async fn published(mut publishing: Program) {
    let status = publishing.wait(PATIENCE).await.unwrap();
    assert!(status.success(), "{}", publishing.output());
}

/// The canonical sessions of a file of gate events, as `dwell replay` writes them.
pub(crate) fn replayed(events: &Path) -> String {
    dwell(&["replay", events.to_str().unwrap(), "--sessions", "-"], &[])
}

/// What the ledger behind an API has, once all work is done, as `dwell export --settled` writes it.
pub(crate) fn settled(api: &str) -> String {
    dwell(&["export", "--api", api, "--sessions", "-", "--settled", "--timeout", "10m"], &[])
}

/// The whole pipeline in one process, on embedded parts.
pub(crate) fn dwell_alone(folder: &Path, port: u16) -> Program {
    Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_DATA_DIR", folder.to_str().unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .start()
        .unwrap()
}

/// A summary API of its own process.
pub(crate) fn summary_api(database_url: &str, port: u16, folder: &Path) -> Program {
    summary_api_holding(database_url, port, folder, "1s")
}

/// A summary API of its own process, with this hold.
pub(crate) fn summary_api_holding(database_url: &str, port: u16, folder: &Path, hold: &str) -> Program {
    let program = Program::new(testbed::binary("summary-api").unwrap())
        .env("DWELL_DATABASE_URL", database_url)
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_HOLD", hold)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder);
    program.start().unwrap()
}

/// A correlator of its own process.
pub(crate) fn correlator(amqp_url: &str, redis_url: &str, api_port: u16, folder: &Path) -> Program {
    let port = free_port();
    let program = Program::new(testbed::binary("correlator").unwrap())
        .env("DWELL_AMQP_URL", amqp_url)
        .env("DWELL_REDIS_URL", redis_url)
        .env("DWELL_SUMMARY_API_URL", format!("http://127.0.0.1:{api_port}"))
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder);
    program.start().unwrap()
}

/// The answer of an API as JSON.
pub(crate) async fn json(url: &str) -> Option<serde_json::Value> {
    testbed::get(url).await.ok()?.json().await.ok()
}

/// The first session of a list, once there is one.
pub(crate) async fn first_session(url: &str) -> serde_json::Value {
    wait_for(PATIENCE, "a session", async || json(url).await.and_then(|list| list["sessions"].get(0).cloned())).await
}

/// The value of an unlabelled metric on a page.
pub(crate) async fn metric(page: &str, name: &str) -> Option<f64> {
    let text = testbed::get(page).await.ok()?.text().await.ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until the program behind `port` is ready.
pub(crate) async fn ready(port: u16) {
    let url = format!("http://127.0.0.1:{port}/readyz");
    wait_until(PATIENCE, "a program to be ready", async || {
        testbed::get(&url).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
}

/// Compares two session files; tells the first difference, for they are long.
pub(crate) fn assert_same_sessions(actual: &str, expected: &str) {
    let differs = actual.lines().zip(expected.lines()).enumerate().find(|(_, (actual, expected))| actual != expected);
    assert_eq!(differs, None, "sessions differ");
    assert_eq!(actual.lines().count(), expected.lines().count());
}
