//! `dwell export`: the sessions of a running summary API as a session file.
//!
//! Read-only: page by page, oldest first. With `--settled` it first waits until all work is done (`settled`).
//! [`session_file`](event_files::session_file) defines the format.

mod settled;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::{SessionPage, SessionView};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event_files::atomic_file;
use event_files::session_file::{Row, SessionFile};
use parking::readable::counted;
use parking::{LotId, Plate, Reason, SessionId, State, Timestamp};
use service_kit::ServiceContext;
use settings::Settings;
use tls::Connector;

use crate::commands::api_client::{self, Client, Patience, address};
use crate::terminal::progress::Progress;

const SESSIONS: &str = "sessions";
const SETTLED: &str = "settled";
const TIMEOUT: &str = "timeout";
const PAGE_SESSIONS: &str = "1000";

const EXAMPLES: &str = "\
Examples:
  dwell export --sessions sessions.csv
  dwell export --api http://parking.example:5000 --sessions sessions.csv --settled --timeout 1h
  dwell export --sessions - | grep unmatched";

const AFTER: &str = "\
Without --settled the file shows the ledger as it is: exits may still be held (held_exit), and a session that changes
while the pages are read may be there in its older form. Void sessions are left out.

Exit codes: 0 done; 1 failed, or not settled in time; 2 unknown flag; 69 no summary API answers (--settled
retries later outages until its timeout); 78 wrong settings.";

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("the export can't start")]
    Config(#[from] settings::Error),
    /// The summary API gave no usable answer.
    #[error("the export is not complete; nothing was written")]
    Api(#[from] api_client::Error),
    /// The session file can't be written.
    #[error("the export is not complete")]
    Output(#[from] atomic_file::Error),
    /// The pipeline did not settle in time.
    #[error(
        "not settled within {}: {left}; nothing was written. Wait longer with --timeout, or leave --settled out",
        humantime::format_duration(*.timeout)
    )]
    NotSettled {
        /// How long the command waited.
        timeout: Duration,
        /// The unfinished work.
        left: String,
    },
    /// An invalid session.
    #[error("the summary API answered something that is no session ({problem}); is it of the same version?")]
    NoSession {
        /// What is wrong with it; never a plate.
        problem: String,
    },
    /// The stop came first.
    #[error("the export was stopped; nothing was written")]
    Stopped,
}

/// The command line.
pub fn command() -> Command {
    let duration =
        |text: &str| humantime::parse_duration(text).map_err(|error| format!("{error}; allowed is for example 10m"));
    let command = Command::new("export")
        .about("Write the ledger's sessions as a session file")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            api_client::flag(),
            Arg::new(SESSIONS)
                .long(SESSIONS)
                .value_name("OUT.csv")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The session file to write; - is standard output"),
            Arg::new(SETTLED)
                .long(SETTLED)
                .action(ArgAction::SetTrue)
                .help("First wait until queues, batches in flight and due work are empty"),
            Arg::new(TIMEOUT)
                .long(TIMEOUT)
                .value_name("DURATION")
                .default_value("10m")
                .value_parser(duration)
                .help("How long --settled may wait"),
        ]);
    api_client::reading(command)
}

/// Runs the command.
///
/// # Errors
/// The summary API can't be read, or the file can't be written.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let exporting = Box::pin(export(matches, settings));
    tokio::select! {
        done = exporting => Ok(done?),
        () = context.lifecycle.stopping() => Err(Error::Stopped.into()),
    }
}

async fn export(matches: &ArgMatches, settings: &Settings) -> Result<(), Error> {
    let begun = Instant::now();
    let client = Client::new(&address(matches, settings)?, &Connector::from_settings(settings)?)?;
    let client = client.showing(api_client::token(settings)?);
    let path = matches.get_one::<PathBuf>(SESSIONS).cloned().unwrap_or_default();
    // First: an output that can't be written is reported before the work, not after it.
    let mut file = SessionFile::create(&path)?;
    let has_answered = matches.get_flag(SETTLED);
    if has_answered {
        let timeout = matches.get_one::<Duration>(TIMEOUT).copied().unwrap_or_default();
        let progress = Progress::of_waiting("waiting");
        settled::wait(&client, timeout, &progress).await?;
        progress.finish();
    }
    let progress = Progress::of_things("sessions");
    let sessions = write_pages(&client, &mut file, &progress, has_answered).await?;
    file.finish()?;
    progress.finish();
    let seconds = begun.elapsed().as_secs_f64();
    progress.say(&format!("{} written in {seconds:.2} s", counted(sessions, "session")));
    Ok(())
}

/// An address that has not answered before is reported at once; an outage later is retried for a while.
async fn write_pages(
    client: &Client,
    file: &mut SessionFile,
    progress: &Progress,
    has_answered: bool,
) -> Result<u64, Error> {
    let mut cursor: Option<String> = None;
    let mut last: Option<SessionId> = None;
    let mut written = 0;
    loop {
        let mut query = vec![("order", "oldest"), ("limit", PAGE_SESSIONS)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let patience = if has_answered || cursor.is_some() { Patience::Some } else { Patience::None };
        let page: SessionPage = client.get("api/v1/sessions", &query, patience).await?;
        for view in &page.sessions {
            let row = row(view)?;
            if last.is_some_and(|last| last >= row.id) {
                return Err(Error::NoSession { problem: format!("{} is not behind the one before it", row.id) });
            }
            last = Some(row.id);
            file.write(&row)?;
        }
        written += page.sessions.len() as u64;
        progress.advance(page.sessions.len() as u64);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(written),
        }
    }
}

/// Everything is checked, since a session file has no quoting.
fn row(view: &SessionView) -> Result<Row<'_>, Error> {
    let id = SessionId::from_uuid(view.session_id);
    let no_session = |problem: String| Error::NoSession { problem: format!("session {id}: {problem}") };
    LotId::parse(&view.lot_id).map_err(|problem| no_session(format!("its lot {problem}")))?;
    // A token that may not read plates gets them masked.
    let unmasked = view.vehicle_plate.replace(access::MASK, "0");
    let plate = Plate::from_read(&unmasked).map_err(|problem| no_session(format!("its plate {problem}")))?;
    if plate.as_str() != unmasked {
        return Err(no_session("its plate is not in the normal form".to_owned()));
    }
    let time = |text: &Option<String>| {
        let time = text.as_deref().map(Timestamp::parse_rfc3339).transpose();
        time.map_err(|problem| no_session(format!("one of its times {problem}")))
    };
    let state: State = view.state.parse().map_err(|problem| no_session(format!("its state: {problem}")))?;
    let reason = view.reason.as_deref().map(str::parse::<Reason>).transpose();
    Ok(Row {
        id,
        lot: &view.lot_id,
        plate: &view.vehicle_plate,
        entry_event_id: view.entry_event_id,
        entry_time: time(&view.entry_date_time)?,
        exit_event_id: view.exit_event_id,
        exit_time: time(&view.exit_date_time)?,
        state,
        reason: reason.map_err(|problem| no_session(format!("its reason: {problem}")))?,
    })
}

#[cfg(test)]
mod tests;
