//! `dwell score`: session files against the truth.
//!
//! The crate `judging` counts; here are the command line and the words.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event_files::atomic_file::{self, AtomicFile};
use judging::{Decided, Doubts, Passages, Score, TableError, Truth, mistakes};
use parking::Timestamp;
use parking::readable::grouped;
use settings::OF_COMMANDS;
use uuid::Uuid;

use crate::terminal::output;

const SESSIONS: &str = "sessions";
const TRUTH: &str = "truth";
const FROM: &str = "from";
const MISTAKES: &str = "mistakes";

const EXAMPLES: &str = "\
Examples:
  dwell score sessions.csv --truth truth.csv
  dwell score sessions.csv --truth truth.csv --from 2024-09-25T00:00:00Z --mistakes mistakes.csv
  dwell score all.csv --truth p1.csv --truth p2.csv";

const AFTER: &str = "\
A session file has at least entry_event_id and exit_event_id (and as dwell replay writes it, exit_date_time, state,
reason, exit_vehicle_plate, match_probability, doubt). The truth has one row a stay: vehicle_plate, entry_event_id,
exit_event_id, each id empty where the passage was not read, and if known entry_date_time, exit_date_time and
re_read_event_ids (second reads of a passage, with blanks between them). dwell simulate writes such a file. An exit that
no row names counts as one without an entry.

recall: exits whose entry was seen and that are matched with it. precision: matches that are right. false matches: exits
whose entry was not seen and that were given one of another plate. docs/misreads.md explains all figures.

Exit codes: 0 done, whatever the figures; 1 a file can't be read or written, or nothing can be judged; 2 unknown flag;
78 wrong settings.";

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be opened.
    #[error("cannot open {file}")]
    Open {
        /// The file.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not the table that it should be.
    #[error("{file} is not {what}")]
    Table {
        /// The file.
        file: String,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        source: TableError,
    },
    /// An event stands in two stays.
    #[error("the truth has the event {0} twice: simulate each lot with a --seed of its own")]
    Twice(Uuid),
    /// The files have no event in common.
    #[error("no event of the truth is in the session files: do they belong together?")]
    Strange,
    /// There is no exit to judge.
    #[error("no exit of the truth is judged: is --from later than all of them?")]
    Nothing,
    /// The mistakes can't be written.
    #[error("the mistakes are not listed")]
    Mistakes(#[from] atomic_file::Error),
    /// The figures can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

/// The command line.
pub fn command() -> Command {
    let time = |text: &str| {
        Timestamp::parse_rfc3339(text).map_err(|problem| format!("{problem}; for example 2024-09-25T00:00:00Z"))
    };
    let command = Command::new("score")
        .about("Compare session files with the truth: how many stays were found, how many are wrong?")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            Arg::new(SESSIONS)
                .value_name("SESSIONS.csv")
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(PathBuf))
                .help("Session files, as dwell replay and dwell export write them"),
            Arg::new(TRUTH)
                .long(TRUTH)
                .value_name("TRUTH.csv")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("The true stays; may be given several times"),
            Arg::new(FROM)
                .long(FROM)
                .value_name("TIME")
                .value_parser(time)
                .help("Judge only exits from here on, after some days from which the rules have learned"),
            Arg::new(MISTAKES)
                .long(MISTAKES)
                .value_name("OUT.csv")
                .value_parser(value_parser!(PathBuf))
                .help("List each judged exit that is wrong: missed, false_match, wrong_vehicle, other_stay"),
        ]);
    settings::reading(command, &[OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// A file can't be read or written, or nothing can be judged.
pub fn run(matches: &ArgMatches) -> Result<(), Error> {
    let paths = |name: &str| matches.get_many::<PathBuf>(name).into_iter().flatten();
    let mut truth = Truth::default();
    for path in paths(TRUTH) {
        let rows = Truth::read(open(path)?).map_err(not_a("a table of true stays", path))?;
        truth.visits.extend(rows.visits);
    }
    let mut decided = Decided::default();
    for path in paths(SESSIONS) {
        decided.read(open(path)?).map_err(not_a("a session file", path))?;
    }
    if let Some(id) = truth.repeated_id() {
        return Err(Error::Twice(id));
    }
    if !decided.knows(&truth) {
        return Err(Error::Strange);
    }
    truth.judged_from = matches.get_one::<Timestamp>(FROM).copied().unwrap_or_default();
    let passages = judging::passages(&truth, &decided);
    let truth = decided.with_strangers(truth);
    let score = judging::score(&truth, &decided.pairs);
    if score.with_entry + score.without_entry == 0 {
        return Err(Error::Nothing);
    }
    let doubts = judging::doubts(&truth, &decided.pairs, &decided.doubtful);
    if let Some(path) = matches.get_one::<PathBuf>(MISTAKES) {
        write_mistakes(path, &truth, &decided)?;
    }
    output::write(text(&score, &doubts, &passages).as_bytes()).map_err(Error::Output)?;
    Ok(())
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    let cannot = |source| Error::Open { file: path.display().to_string(), source };
    File::open(path).map(BufReader::new).map_err(cannot)
}

fn not_a(what: &'static str, path: &Path) -> impl FnOnce(TableError) -> Error {
    let file = path.display().to_string();
    move |source| Error::Table { file, what, source }
}

fn write_mistakes(path: &Path, truth: &Truth, decided: &Decided) -> Result<(), atomic_file::Error> {
    let mut file = AtomicFile::create(path)?;
    let mut rows = mistakes::HEADER.as_bytes().to_vec();
    for mistake in mistakes(truth, &decided.pairs) {
        mistake.append_row(&mut rows);
    }
    file.write(&rows)?;
    file.finish()
}

fn text(score: &Score, doubts: &Doubts, passages: &Passages) -> String {
    let number = |count: u32| grouped(count.into());
    let percent = |share: f64| format!("{share:.2} %");
    let Score { found, with_entry, without_entry, unequal, expected_bad, .. } = score;
    let (found, with_entry, without_entry) = (number(*found), number(*with_entry), number(*without_entry));
    let [exactly, paired, falsely, wrong] = [score.found_exactly, score.paired, score.falsely, score.wrong].map(number);
    let [caught, in_doubt, read_twice, read] =
        [doubts.dips_in_doubt, doubts.in_doubt, passages.read_twice, passages.read].map(number);
    let rates = [
        ("recall", score.recall(), format!("{found} of {with_entry} exits whose entry was seen are matched with it")),
        ("  exact", score.exact_recall(), format!("{exactly} of them by equal plates")),
        ("precision", score.precision(), format!("{found} of {paired} matches are right")),
        (
            "false matches",
            score.false_rate(),
            format!("{falsely} of {without_entry} exits whose entry was not seen were given one of another plate"),
        ),
    ];
    let wrong =
        format!("{wrong} of {with_entry} exits whose entry was seen were given one of another vehicle and plate");
    let bad = format!("of {} of different plates; {expected_bad:.1} by their match_probability", number(*unequal));
    let dips = format!("exact matches join two stays; {caught} of them are among the {in_doubt} in doubt");
    let ghosts = format!("sessions too many, of {read_twice} passages that were read twice");
    let merged = format!("of {read} passages have no session: merged with other reads");
    let counts = [
        ("wrong vehicles", format!("{:.3} %", score.wrong_rate()), wrong),
        ("bad matches", number(score.bad), bad),
        ("double dips", number(doubts.dips), dips),
        ("ghosts", number(passages.ghosts), ghosts),
        ("merged", number(passages.merged), merged),
    ];
    let rates = rates.into_iter().map(|(name, share, told)| (name, percent(share), told));
    let is_shown = |(name, ..): &(&str, String, String)| match *name {
        "ghosts" => passages.read_twice > 0,
        "merged" => passages.merged > 0,
        _ => true,
    };
    let line = |(name, figure, told)| format!("{name:<15}{figure:>10}  {told}\n");
    let lines: Vec<String> = rates.chain(counts).filter(is_shown).map(line).collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_aligned_and_each_says_what_it_counts() {
        let score = Score {
            with_entry: 2_000,
            found: 1_968,
            found_exactly: 1_700,
            wrong: 1,
            paired: 1_980,
            without_entry: 500,
            falsely: 3,
            dips: 8,
            unequal: 272,
            bad: 4,
            expected_bad: 3.25,
        };
        let doubts = Doubts { dips: 8, dips_in_doubt: 5, in_doubt: 9 };
        let passages = Passages { read_twice: 60, ghosts: 2, read: 4_200, merged: 0 };
        assert_eq!(
            text(&score, &doubts, &passages).lines().collect::<Vec<_>>(),
            [
                "recall            98.40 %  1,968 of 2,000 exits whose entry was seen are matched with it",
                "  exact           85.00 %  1,700 of them by equal plates",
                "precision         99.39 %  1,968 of 1,980 matches are right",
                "false matches      0.60 %  3 of 500 exits whose entry was not seen were given one of another plate",
                "wrong vehicles    0.050 %  1 of 2,000 exits whose entry was seen were given one of another vehicle and plate",
                "bad matches             4  of 272 of different plates; 3.2 by their match_probability",
                "double dips             8  exact matches join two stays; 5 of them are among the 9 in doubt",
                "ghosts                  2  sessions too many, of 60 passages that were read twice",
            ]
        );
    }
}
