//! `dwell verify`: does the ledger account for every recorded event exactly once, and does every session agree with
//! its events?
//!
//! A ledger that a flag names is opened here, with its lock. Without such a flag a running summary API verifies its own
//! ledger, and if none answers, the configured ledger is opened here. `sessions` defines the comparison.

use std::time::Duration;

use access::Principal;
use clap::{ArgMatches, Command};
use futures::StreamExt as _;
use parking::readable::counted;
use service_kit::{ServiceContext, Unavailable};
use sessions::{ScopedService, Verification};
use settings::{API_TOKEN, DATA_DIR, DATABASE_URL, INTERNAL_TOKEN, OF_COMMANDS, OF_LINKS, Setting, Settings};
use summary_api::offline;
use tls::Connector;

use crate::commands::api_client::{self, Client, address};
use crate::terminal::output;
use crate::terminal::progress::Progress;

/// The timeout of one part: it takes seconds, more for a large ledger on a slow disk.
const PART_TIMEOUT: Duration = Duration::from_mins(10);
const ROUTE: &str = "internal/v1/verify";
/// The maximum length of an answer's line: a hundred faults of some hundred bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The settings that name a ledger. As a flag each means this ledger, not the one of a running summary API.
const LEDGER_FLAGS: [&Setting; 2] = [&DATABASE_URL, &DATA_DIR];

/// The other settings that it reads, besides those of all commands.
const READ: [&Setting; 5] = [&settings::SUMMARY_API_URL, &API_TOKEN, &INTERNAL_TOKEN, &DATABASE_URL, &DATA_DIR];

const EXAMPLES: &str = "\
Examples:
  dwell verify
  dwell verify --api http://parking.example:5000 --internal-token \"$TOKEN\"
  dwell verify --data-dir /var/lib/dwell        (while nothing runs there)
  dwell verify --database-url sqlite:copy.sqlite
                                                (a copy, beside a running summary API)";

const AFTER: &str = "\
Compares every vehicle's events with its sessions, the stored timelines with the events, the list of changes with the
sessions, the counts of every quarter hour (the statistics) with the sessions, and the occupancy with the open sessions. It
only reads, and may run beside the pipeline: what is counted over the whole ledger is then left out while events come in.
A ledger of an older program is brought up to this one first.

--database-url and --data-dir open that ledger here, whatever summary API runs. Without them the summary API verifies its
own ledger.

Exit codes: 0 no fault; 1 faults, or the ledger can't be read; 2 unknown flag; 69 no summary API answers and no ledger is
here; 78 wrong settings.";

/// Why there is no verdict, or a bad one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("nothing can be verified")]
    Config(#[from] settings::Error),
    /// The summary API gave no usable answer.
    #[error("the ledger is not verified")]
    Api(#[from] api_client::Error),
    /// The ledger can't be opened here.
    #[error("the ledger is not verified")]
    Ledger(#[from] offline::Error),
    /// A flag names a ledger, and none is there.
    #[error("the ledger is not verified")]
    Absent(#[source] Unavailable),
    /// The ledger can't be read.
    #[error("the ledger is not verified")]
    Service(#[from] sessions::Error),
    /// The verification ended before its last part.
    #[error("the verification broke off ({0}); the log of the summary API says why")]
    BrokenOff(String),
    /// The ledger disagrees with its events.
    #[error("{0} found: the ledger disagrees with its events. Keep a copy of it, and report this")]
    Faults(String),
    /// The verdict can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// The stop came first.
    #[error("the verification was stopped")]
    Stopped,
}

/// The command line.
pub fn command() -> Command {
    let command = Command::new("verify")
        .about("Compare the whole ledger with its events: is each accounted for, exactly once?")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .arg(api_client::flag().conflicts_with_all(LEDGER_FLAGS.map(|flag| flag.name)));
    settings::reading(command, &[&READ, OF_LINKS, OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// There are faults, or no verdict.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let verifying = Box::pin(verify(matches, settings, context));
    tokio::select! {
        done = verifying => Ok(done?),
        () = context.lifecycle.stopping() => Err(Error::Stopped.into()),
    }
}

async fn verify(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> Result<(), Error> {
    let progress = Progress::of_things("vehicles");
    let found = if let Some(flag) = LEDGER_FLAGS.iter().copied().find(|flag| settings.is_flag(flag)) {
        here(settings, context, &progress).await?.ok_or_else(|| absent(flag))?
    } else {
        match ask(matches, settings, &progress).await {
            // An address that was given explicitly has no fallback.
            Err(Error::Api(api_client::Error::Unavailable(reason))) if !api_client::is_named(matches, settings) => {
                here(settings, context, &progress).await?.ok_or(api_client::Error::Unavailable(reason))?
            }
            asked => asked?,
        }
    };
    progress.finish();
    output::write(summary(&found).as_bytes()).map_err(Error::Output)?;
    if found.faults > 0 {
        return Err(Error::Faults(counted(found.faults, "fault")));
    }
    Ok(())
}

/// Verifies the ledger by the running summary API.
async fn ask(matches: &ArgMatches, settings: &Settings, progress: &Progress) -> Result<Verification, Error> {
    let token = api_client::token_of_correlators(settings)?;
    let client = Client::of_streams(&address(matches, settings)?, PART_TIMEOUT, &Connector::from_settings(settings)?)?;
    let client = client.showing(token);
    let mut answer = client.open(ROUTE, &[]).await?;
    let (mut line, mut last) = (Vec::new(), Verification::default());
    loop {
        let chunk = answer.chunk().await.map_err(|error| Error::BrokenOff(api_client::deepest(&error)))?;
        let Some(chunk) = chunk else { break };
        line.extend_from_slice(&chunk);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let part: Verification = serde_json::from_slice(&line[..end]).map_err(|error| {
                client.strange(format!("a line of /{ROUTE} has an error at column {}", error.column()))
            })?;
            line.drain(..=end);
            progress.advance(part.vehicles - last.vehicles.min(part.vehicles));
            last = part;
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(client.strange(format!("a line of /{ROUTE} is longer than {LINE_BYTES_MAX} bytes")).into());
        }
    }
    if last.done { Ok(last) } else { Err(Error::BrokenOff("before its last part".to_owned())) }
}

fn absent(flag: &Setting) -> Error {
    let reason = format!("there is none where --{} says", flag.flag());
    Error::Absent(Unavailable { name: "the ledger", reason })
}

/// Verifies the configured ledger, opened here; `None` when there is none.
async fn here(
    settings: &Settings,
    context: &ServiceContext,
    progress: &Progress,
) -> Result<Option<Verification>, Error> {
    let Some(opened) = offline::open(settings, context).await? else { return Ok(None) };
    let found = verify_parts(&opened.service.scoped(Principal::local()), progress).await;
    opened.service.close().await;
    found.map(Some)
}

/// Verifies a ledger part by part.
pub(crate) async fn verify_parts(service: &ScopedService, progress: &Progress) -> Result<Verification, Error> {
    let mut parts = std::pin::pin!(service.verify().await?);
    let mut last = Verification::default();
    while let Some(part) = parts.next().await {
        let part = part?;
        progress.advance(part.vehicles - last.vehicles.min(part.vehicles));
        last = part;
    }
    Ok(last)
}

/// The verdict in words, with the faults.
pub(crate) fn summary(found: &Verification) -> String {
    let Verification { faults, shown, totals_compared, .. } = found;
    let heading = format!(
        "{} of {}: {} and {}, {} of summaries, {}, {}",
        counted(found.events, "event"),
        counted(found.vehicles, "vehicle"),
        counted(found.sessions, "session"),
        counted(found.void, "void session"),
        counted(found.summaries, "session"),
        counted(found.changes, "change"),
        counted(found.quarters, "quarter hour"),
    );
    let hidden = faults - shown.len() as u64;
    let told = shown.iter().map(|fault| format!("fault: {fault}"));
    let more = (hidden > 0).then(|| format!("… and {}", counted(hidden, "more fault")));
    let left_out = "events were recorded meanwhile: the counts over the whole ledger are not compared".to_owned();
    let verdict = (*faults == 0).then(|| "every event is accounted for, exactly once".to_owned());
    let lines = std::iter::once(heading).chain(told).chain(more).chain((!totals_compared).then_some(left_out));
    lines.chain(verdict).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_faults_and_how_many_more_there_are() {
        let found = Verification {
            vehicles: 1,
            events: 2_000,
            faults: 3,
            shown: vec!["event 1 is lost".to_owned()],
            done: true,
            ..Verification::default()
        };
        assert_eq!(
            summary(&found),
            "2,000 events of 1 vehicle: 0 sessions and 0 void sessions, 0 sessions of summaries, 0 changes, \
             0 quarter hours\n\
             fault: event 1 is lost\n\
             … and 2 more faults\n\
             events were recorded meanwhile: the counts over the whole ledger are not compared\n"
        );
    }
}
