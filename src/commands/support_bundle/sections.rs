//! Collects the sections of a support bundle. A section that can't be collected says why.
//!
//! `scrub` and `Settings::hide_secrets` hide secrets and plates.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use parking::printable;
use reqwest::Client;
use service_kit::Build;
use settings::{LISTEN, SUMMARY_API_URL, Settings, redact};

use super::scrub;
use crate::commands::api_client::deepest;
use crate::commands::doctor::{self, Looked};

/// The end of a log that is taken.
const LOG_BYTES_MAX: u64 = 1024 * 1024;
/// The part of an answer that is taken.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One section.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name, unique in the bundle.
    pub(super) name: String,
    /// Its content in a sentence.
    pub(super) about: String,
    /// Its text.
    pub(super) text: String,
}

impl Section {
    fn new(name: impl Into<String>, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), about: about.into(), text: text.into() }
    }

    /// The section without secrets and without values of plates.
    pub(super) fn scrubbed(self, given: &Settings) -> Self {
        let hide = |text: &str| {
            let hidden = given.hide_secrets(text);
            let lines: Vec<String> = hidden.lines().map(scrub::named_values).collect();
            printable::lines(&lines.join("\n")).into_owned()
        };
        Self { name: hide(&self.name), about: hide(&self.about), text: hide(&self.text) }
    }
}

/// The version of this program and its machine.
pub(super) fn versions() -> Section {
    let of_file = |path: &str, lines: usize| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().take(lines).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let threads = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = format!(
        "dwell {}\n{}\n{}\nprocessors: {threads}\n{}",
        Build::current(),
        of_file("/proc/version", 1),
        of_file("/etc/os-release", 3),
        of_file("/proc/meminfo", 3)
    );
    Section::new("versions", "this program and its machine", text)
}

/// Every setting with its effective value and its origin.
pub(super) fn settings(looked: &Looked) -> Section {
    Section::new(
        "settings",
        "effective values and their origins, without secrets",
        doctor::table(&looked.settings.rows()),
    )
}

/// What `dwell doctor` finds.
pub(super) async fn doctor(looked: &Looked, timeout: Duration) -> Section {
    let findings = doctor::diagnosis(looked, timeout).await;
    Section::new("doctor", "what dwell doctor reports", doctor::findings_as_text(&findings, false))
}

/// The base address of the service of these settings that listens here.
pub(super) fn here(looked: &Looked) -> Option<String> {
    let address = looked.settings.listen(&LISTEN, 0).ok().filter(|address| address.port != 0)?;
    let scheme = if looked.has_tls() { "https" } else { "http" };
    Some(format!("{scheme}://{}", address.as_seen_from_here()))
}

/// The base addresses of the services of these settings: the one that listens here, the summary API, and `more`.
pub(super) fn bases(here: Option<&str>, settings: &Settings, more: &[String]) -> Vec<String> {
    let here = here.map(str::to_owned);
    let api = settings.url(&SUMMARY_API_URL, &["http", "https"]).ok().flatten().map(|url| url.expose().to_owned());
    let mut bases: Vec<String> = Vec::new();
    for base in here.into_iter().chain(api).chain(more.iter().cloned()) {
        let base = base.trim_end_matches('/').to_owned();
        if !bases.contains(&base) {
            bases.push(base);
        }
    }
    bases
}

/// The readiness and the metrics of a service, which it shows to everybody.
pub(super) async fn service(base: &str, client: Result<Client, String>) -> [Section; 2] {
    let shown = redact(base);
    let [ready, metrics] = ["/readyz?verbose", "/metrics"].map(|path| answer(base, path, client.as_ref()));
    [
        Section::new(format!("readiness of {shown}"), "dependencies and their states", ready.await),
        Section::new(
            format!("metrics of {shown}"),
            "all metrics, with the versions in dwell_build_info",
            metrics.await,
        ),
    ]
}

async fn answer(base: &str, path: &str, client: Result<&Client, &String>) -> String {
    let client = match client {
        Ok(client) => client,
        Err(reason) => return format!("(no answer: {reason})"),
    };
    let asked = async {
        let mut response = client.get(format!("{base}{path}")).send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                body.truncate(ANSWER_BYTES_MAX);
                break;
            }
        }
        Ok::<_, reqwest::Error>(String::from_utf8_lossy(&body).into_owned())
    };
    asked.await.unwrap_or_else(|error| format!("(no answer: {})", deepest(&error)))
}

/// The end of a log, without words that look like plates.
pub(super) fn log(path: &Path) -> Section {
    let text = end_of(path).unwrap_or_else(|error| format!("(the file can't be read: {error})"));
    let lines: Vec<String> = text.lines().map(scrub::plate_like_words).collect();
    let about = format!("the last {} KiB at most, without words that look like plates", LOG_BYTES_MAX / 1024);
    Section::new(format!("log {}", path.display()), about, lines.join("\n"))
}

fn end_of(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(LOG_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line is not whole.
    let whole = if start > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.to_owned())
}
