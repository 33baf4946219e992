//! `dwell replay`: the canonical sessions of files of gate events, without any server.
//!
//! The crate `replay` does the work; here are the command line and the final summary.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use event_files::{Observer, Verdict};
use parking::readable::{counted, grouped};
use parking::{Reason, Rules, State};
use replay::{Replay, Tally};
use service_kit::ServiceContext;
use settings::{LOTS, MAX_STAY, MISREADS, OF_COMMANDS, RE_READ_WINDOW, Settings, UNREAD_PLATES};

use crate::commands::files;
use crate::terminal::progress::Progress;

const SESSIONS: &str = "sessions";
const REASONS: &str = "reasons";
/// After the stop, the work gets this time to notice it and to clean up.
const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  dwell replay events.ndjson --sessions sessions.csv
  dwell replay 2024-*.csv.gz --sessions sessions.csv --refused refused.csv
  dwell replay week.ndjson --sessions sessions.csv --misreads --reasons reasons.csv
  zcat archive.gz | dwell replay - --sessions - --max-stay 12h | head";

const AFTER: &str = "\
An event is a JSON object (on a line of its own, on several, or in an array), or a CSV record below a header with the
same members: id, vehicle_plate, entry_date_time or exit_date_time, and if known lot_id, gate_id, confidence,
character_confidences, candidates, supersedes. Equal events count once, one that another of its lot and gate names in
supersedes not at all, and the order of events and files does not matter. The rows are in the order of their session_id.
docs/files.md has the details.

--misreads (or DWELL_MISREADS=on) matches what cameras misread: a pair of different plates counts when it is right with
a probability of at least 0.8 (or more, so that at most 1 % of the exits without an entry are expected to be given one).
The session file then has four more columns: exit_vehicle_plate, match_method (exact or misread), match_probability
(empty for exact matches) and doubt (the chance that an exact match is two stays, above 0.2). All events are kept in
memory. --reasons lists each misread match, and each pair with a probability above 0.2 that is none, with the reasons:
the plates and how they differ, each factor, the next likely entry, the model.

Of the settings, DWELL_RE_READ_WINDOW, DWELL_MAX_STAY, DWELL_UNREAD_PLATES, DWELL_MISREADS and DWELL_LOTS (max_stay and
re_read_window of a lot) count. One that is not set has the value of a new ledger; to compare with a ledger that has other rules (its
start and /api/v1/rules tell them), set those. A lot's own time is that of its newest event in all files together.

Exit codes: 0 done; 1 failed, or events were refused without --refused (the sessions of the others are written); 2
unknown flag; 78 wrong settings.";

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("the replay can't start")]
    Config(#[from] settings::Error),
    /// There would be nothing to give reasons for.
    #[error("--reasons explains misread matches: set --misreads (or DWELL_MISREADS=on) too")]
    ReasonsWithoutMisreads,
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
        .args(files::arguments())
        .arg(
            Arg::new(SESSIONS)
                .long(SESSIONS)
                .value_name("OUT.csv")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The session file to write; - is standard output"),
        )
        .arg(
            Arg::new(REASONS)
                .long(REASONS)
                .value_name("REASONS.csv")
                .value_parser(value_parser!(PathBuf))
                .help("Write why each misread match, and each uncertain one, was decided (with --misreads)"),
        );
    settings::reading(command, &[&[&RE_READ_WINDOW, &MAX_STAY, &UNREAD_PLATES, &LOTS, &MISREADS], OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// An input can't be read, an output can't be written, or lines were refused and not collected.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let job = read(matches, settings)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut work = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || replay(&job, &stop)
    });
    let done = tokio::select! {
        done = &mut work => Some(done),
        // The work notices the stop by itself, unless it waits for standard input.
        () = context.lifecycle.stopping() => {
            stop.store(true, Ordering::Relaxed);
            tokio::time::timeout(STOP_WAIT_MAX, work).await.ok()
        }
    };
    let verdict = done.ok_or(replay::Error::Stopped)?.map_err(Error::from)??;
    Ok(verdict.check()?)
}

fn read(matches: &ArgMatches, settings: &Settings) -> anyhow::Result<Replay> {
    let (files, refused) = files::read(matches).map_err(replay::Error::from)?;
    let sessions = matches.get_one::<PathBuf>(SESSIONS).cloned().unwrap_or_default();
    let lots = settings.lots(&LOTS).map_err(Error::from)?;
    let rules = settings.rules(&lots).map_err(Error::from)?.over(Rules::default());
    let misreads = settings.is_on(&MISREADS).map_err(Error::from)?;
    let reasons = matches.get_one::<PathBuf>(REASONS).cloned();
    if reasons.is_some() && !misreads {
        return Err(Error::ReasonsWithoutMisreads.into());
    }
    Ok(Replay { files, sessions, refused, rules, misreads, reasons })
}

fn replay(job: &Replay, stop: &AtomicBool) -> Result<Verdict, replay::Error> {
    let begun = Instant::now();
    let progress = Progress::of_bytes("reading", event_files::total_bytes(&job.files));
    let observer: Arc<dyn Observer> = Arc::new(progress.clone());
    let replay::Outcome { tally, lots, refused } = job.run(&observer, stop)?;
    progress.finish();
    progress.say(&summary(&tally, lots, refused.count(), begun.elapsed()));
    Ok(refused.finish()?)
}

fn summary(tally: &Tally, lots: usize, refused: u64, took: Duration) -> String {
    let Tally { vehicles, repeated, superseded, re_reads, .. } = tally;
    let count = |state, reason| tally.sessions(state, reason);
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
        (*superseded, "superseded by a later read"),
        (*re_reads, "re-reads"),
        (count(State::Matched, None), "matched sessions"),
        (tally.misread_matches, "of these by likelihood, with different plates"),
        (tally.doubts, "of these in doubt: may be two stays"),
        (count(State::UnmatchedExit, None), "unmatched exits"),
        (count(State::UnmatchedEntry, Some(Reason::ReEntered)), "unmatched entries: entered again"),
        (count(State::UnmatchedEntry, Some(Reason::MaxStay)), "unmatched entries: longest stay is over"),
        (count(State::UnmatchedEntry, unread) + count(State::UnmatchedExit, unread), "unmatched: plate not read"),
        (count(State::Open, None), "open sessions"),
    ];
    let is_rare = |what: &str| what.starts_with("of these") || what.starts_with("superseded");
    let is_shown = |(count, what): &(u64, &str)| *count > 0 || !is_rare(what);
    let lines = counts.into_iter().filter(is_shown).map(|(count, what)| format!("\n{:>14}  {what}", grouped(count)));
    std::iter::once(heading).chain(lines).collect()
}
