//! `dwell replay`: the canonical sessions of files of gate events, without any server.
//!
//! The same events give the same bytes, in whatever order and however often they stand in the files. What a session is
//! is said by `matching`; reading the files is [`event_files`]'s, writing the sessions [`session_file`](crate::session_file)'s.
//!
//! Events are put on shelves by vehicle (`events`), each shelf is decided on (`settling`) and its sessions are put on
//! shelves by time, each of which is sorted and written (`sessions`). `names` has vehicles as numbers, `spread` sorts what
//! a shelf holds, `work` does all of it on all processors, and the `depot` keeps the shelves in bounded memory.

mod depot;
mod events;
mod names;
mod sessions;
mod settling;
mod spread;
mod work;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use parking::{Reason, Rules, State};
use service_kit::{Lifecycle, ServiceContext};
use settings::{LOTS, MAX_STAY, OF_COMMANDS, RE_READ_WINDOW, Settings, UNREAD_PLATES};

use self::depot::Depot;
use self::settling::{OUTCOMES, Tally};
use self::work::Work;
use crate::event_files::{self, RefusedLines};
use crate::progress::{Progress, counted, grouped};
use crate::session_file::SessionFile;
use crate::whole_file::{self, STDOUT};

const SESSIONS: &str = "sessions";
/// So much of the events and of the sessions is kept in memory; the rest goes to a temporary file.
const MEMORY_BYTES: usize = 208 * 1024 * 1024;
/// After the stop, the work gets this long to notice it and to clean up.
const STOP_MAX: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  dwell replay events.ndjson --sessions sessions.csv
  dwell replay 2024-*.csv.gz --sessions sessions.csv --refused refused.csv
  zcat archive.gz | dwell replay - --sessions - --max-stay 12h | head";

const AFTER: &str = "\
An event is a JSON object (on a line of its own, on several, or in an array), or a CSV record below a header with the
same members: id, vehicle_plate, entry_date_time or exit_date_time, and if known lot_id, gate_id, confidence. Equal
events count once, and the order of events and files does not matter. The rows are in the order of their session_id.
docs/files.md has the details.

Of the settings, DWELL_RE_READ_WINDOW, DWELL_MAX_STAY, DWELL_UNREAD_PLATES and DWELL_LOTS (max_stay and re_read_window
of a lot) count. One that is not set has the value of a new ledger; to compare with a ledger that has other rules (its
start and /api/v1/rules tell them), set those. A lot's own time is that of its newest event in all files together.

Exit codes: 0 done; 1 failed, or events were refused without --refused (the sessions of the others are written); 2
unknown flag; 78 wrong settings.";

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
    Config(#[from] settings::Error),
    /// Events that don't fit into the memory meant for them can't be kept.
    #[error(
        "cannot keep events in a temporary file in {folder}: may this user write in it, and is there room for about as much as the events and the sessions?"
    )]
    Temporary {
        /// Where the file should be.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// More names than can be numbered.
    #[error(
        "the files name more lots and unusual plates (long or not of A-Z 0-9) than fit (4 GiB): replay one lot after \
         the other"
    )]
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
    let command = Command::new("replay")
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
        );
    settings::reading(command, &[&[&RE_READ_WINDOW, &MAX_STAY, &UNREAD_PLATES, &LOTS], OF_COMMANDS])
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
        let rules = settings.rules(&settings.lots(&LOTS)?)?.over(Rules::default());
        Ok(Self { files, sessions, refused, rules, lifecycle })
    }

    fn run(&self) -> Result<event_files::Verdict, Error> {
        let begun = Instant::now();
        let progress = Progress::of_bytes("reading", event_files::total_bytes(&self.files));
        // Both first: that they can't be written should not turn out at the end.
        let mut out = SessionFile::create(&self.sessions)?;
        let mut refused = RefusedLines::new(self.refused.as_deref(), &progress)?;
        let depot = Depot::new(&self.folder_for_temporary_file(), MEMORY_BYTES);
        let work = Work::new(&depot, &self.lifecycle);
        let read = work.read(&self.files, &progress, &mut refused)?;
        progress.show("matching");
        let settled = work.settle(read, &self.rules)?;
        progress.show("writing");
        work.write(&settled, &mut out)?;
        out.finish()?;
        progress.finish();
        progress.say(&summary(&settled.tally, settled.names.lots().len(), refused.count(), begun.elapsed()));
        Ok(refused.finish()?)
    }

    /// There must be room for the sessions anyway.
    fn folder_for_temporary_file(&self) -> PathBuf {
        let is_file =
            self.sessions.as_os_str() != STDOUT && !self.sessions.metadata().is_ok_and(|there| !there.is_file());
        let beside = self.sessions.parent().filter(|_| is_file);
        match beside {
            Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
            Some(folder) => folder.to_owned(),
            None => std::env::temp_dir(),
        }
    }
}

fn summary(tally: &Tally, lots: usize, refused: u64, took: Duration) -> String {
    let Tally { vehicles, repeated, re_reads, sessions } = tally;
    let count = |state, reason| {
        let of_these = |(outcome, count): (&_, &u64)| if *outcome == (state, reason) { *count } else { 0 };
        OUTCOMES.iter().zip(sessions).map(of_these).sum::<u64>()
    };
    let unread = Some(Reason::Unread);
    let read = tally.events();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for a person to read")]
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person to read")]
    let rate = (read as f64 / took.as_secs_f64().max(0.001)) as u64;
    let heading = format!(
        "{} of {} in {} read in {:.2} s ({} events/s)",
        counted(read, "event"),
        counted(*vehicles, "vehicle"),
        counted(lots as u64, "lot"),
        took.as_secs_f64(),
        grouped(rate),
    );
    let counts = [
        (*repeated, "repeated events"),
        (refused, "refused"),
        (*re_reads, "re-reads"),
        (count(State::Matched, None), "matched sessions"),
        (count(State::UnmatchedExit, None), "unmatched exits"),
        (count(State::UnmatchedEntry, Some(Reason::ReEntered)), "unmatched entries: entered again"),
        (count(State::UnmatchedEntry, Some(Reason::MaxStay)), "unmatched entries: longest stay is over"),
        (count(State::UnmatchedEntry, unread) + count(State::UnmatchedExit, unread), "unmatched: plate not read"),
        (count(State::Open, None), "open sessions"),
    ];
    let lines = counts.into_iter().map(|(count, what)| format!("\n{:>14}  {what}", grouped(count)));
    std::iter::once(heading).chain(lines).collect()
}
