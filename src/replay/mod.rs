//! `dwell replay`: the canonical sessions of files of gate events, without any server.
//!
//! The same events give the same bytes, in whatever order and however often they stand in the files. What a session is
//! is said by `matching`; reading the files is [`event_files`]'s, writing the sessions [`session_file`](crate::session_file)'s.

mod events;
mod sessions;
mod vehicles;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use parking::Rules;
use service_kit::{Lifecycle, ServiceContext, Settings};
use summary_api::config::{read_lots, read_rules};

use self::events::{Events, SettledEvents};
use self::sessions::Tally;
use crate::event_files::{self, Item, RefusedLines};
use crate::progress::{Progress, counted, grouped};
use crate::session_file::SessionFile;
use crate::whole_file;

const SESSIONS: &str = "sessions";
/// The stop is looked for once in so many events.
const STOP_INTERVAL: u64 = 4_096;
/// After the stop, the work gets this long to notice it and to clean up.
const STOP_MAX: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  dwell replay events.ndjson --sessions sessions.csv
  dwell replay 2024-*.csv.gz --sessions sessions.csv --refused refused.csv
  zcat archive.gz | dwell replay - --sessions - --max-stay 12h | head";

const AFTER: &str = "\
An event is a JSON object on a line of its own (or an array of them), or a CSV record below a header with the same
members: id, vehicle_plate, entry_date_time or exit_date_time, and if known lot_id, gate_id, confidence. Equal events
count once, and the order of events and files does not matter. The rows are in the order of their session_id.

Of the settings, DWELL_RE_READ_WINDOW, DWELL_MAX_STAY, DWELL_UNREAD_PLATES and DWELL_LOTS (max_stay of a lot) count.
A lot's own time is that of its newest event in all files together.

Exit codes: 0 done; 1 failed, or events were refused without --refused (the sessions of the others are written).";

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input can't be read to its end.
    #[error("nothing was written")]
    Input(#[from] event_files::Error),
    /// An output can't be written.
    #[error("the replay is not whole")]
    Output(#[from] whole_file::Error),
    /// A setting is wrong.
    #[error("the replay can't start")]
    Config(#[from] service_kit::config::Error),
    /// More names than can be numbered.
    #[error("the files name more vehicles than fit (4 GiB of lots and plates): replay one lot after the other")]
    TooManyVehicles,
    /// The stop came first.
    #[error("the replay was stopped; nothing was written")]
    Stopped,
    /// The work panicked: a defect of the program.
    #[error("the replay broke off")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// The command line.
pub fn command() -> Command {
    Command::new("replay")
        .about("Correlate files of gate events offline, and write the sessions")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args(event_files::arguments())
        .arg(
            Arg::new(SESSIONS)
                .long(SESSIONS)
                .value_name("OUT.csv")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The session file to write; - is standard output"),
        )
}

/// Runs the command.
///
/// # Errors
/// What can't be read or written, and refused events that nobody collects.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let job = Job::read(matches, settings, context.lifecycle.clone())?;
    let mut work = tokio::task::spawn_blocking(move || job.run());
    let done = tokio::select! {
        done = &mut work => Some(done),
        // The work notices the stop by itself, unless it waits for standard input.
        () = context.lifecycle.stopping() => tokio::time::timeout(STOP_MAX, work).await.ok(),
    };
    let verdict = done.ok_or(Error::Stopped)?.map_err(Error::from)??;
    Ok(verdict.check()?)
}

/// All that a replay is told.
#[derive(Debug)]
struct Job {
    files: Vec<PathBuf>,
    sessions: PathBuf,
    refused: Option<PathBuf>,
    rules: Rules,
    lifecycle: Lifecycle,
}

impl Job {
    fn read(matches: &ArgMatches, settings: &Settings, lifecycle: Lifecycle) -> Result<Self, Error> {
        let (files, refused) = event_files::arguments_of(matches)?;
        let sessions = matches.get_one::<PathBuf>(SESSIONS).cloned().unwrap_or_default();
        let rules = read_rules(settings, &read_lots(settings)?)?;
        Ok(Self { files, sessions, refused, rules, lifecycle })
    }

    fn run(&self) -> Result<event_files::Verdict, Error> {
        let begun = Instant::now();
        let progress = Progress::of_bytes("reading", event_files::total_bytes(&self.files));
        // Both first: that they can't be written should not turn out at the end.
        let mut out = SessionFile::create(&self.sessions)?;
        let mut refused = RefusedLines::new(self.refused.as_deref(), &progress)?;
        let (events, read) = self.read_events(&mut refused, &progress)?;
        progress.show("matching");
        let settled = events.settle(&self.rules);
        self.go_on()?;
        progress.show("writing");
        settled.for_each_session(|row| out.write(row))?;
        self.go_on()?;
        out.finish()?;
        progress.finish();
        progress.say(&summary(&settled, read, refused.count(), begun.elapsed()));
        Ok(refused.finish()?)
    }

    fn read_events(&self, refused: &mut RefusedLines, progress: &Progress) -> Result<(Events, u64), Error> {
        let mut events = Events::default();
        let mut read = 0;
        let mut failed = None;
        event_files::read(&self.files, progress, &mut |item| {
            let taken = match item {
                Item::Event { event, .. } => {
                    read += 1;
                    events.push(&event)
                }
                Item::Refused(line) => refused.take(&line).map_err(Error::from),
            };
            let is_due = (read + refused.count()).is_multiple_of(STOP_INTERVAL);
            match taken.and_then(|()| if is_due { self.go_on() } else { Ok(()) }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        self.go_on()?;
        failed.map_or(Ok((events, read)), Err)
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.lifecycle.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }
}

fn summary(settled: &SettledEvents, read: u64, refused: u64, took: Duration) -> String {
    let Tally { matched, open, unmatched_exits, re_entered, max_stay, unread, re_reads } = settled.tally();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a person to read")]
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person to read")]
    let rate = (read as f64 / took.as_secs_f64().max(0.001)) as u64;
    let heading = format!(
        "{} of {} in {} read in {:.2} s ({} events/s)",
        counted(read, "event"),
        counted(settled.vehicles.len() as u64, "vehicle"),
        counted(settled.vehicles.lots().len() as u64, "lot"),
        took.as_secs_f64(),
        grouped(rate),
    );
    let counts = [
        (settled.repeated, "repeated events"),
        (refused, "refused"),
        (re_reads, "re-reads"),
        (matched, "matched sessions"),
        (unmatched_exits, "unmatched exits"),
        (re_entered, "unmatched entries: entered again"),
        (max_stay, "unmatched entries: longest stay is over"),
        (unread, "unmatched: plate not read"),
        (open, "open sessions"),
    ];
    let lines = counts.into_iter().map(|(count, what)| format!("\n{:>14}  {what}", grouped(count)));
    std::iter::once(heading).chain(lines).collect()
}
