//! `dwell simulate`: made-up traffic of one lot with misread plates, and the truth beside it.
//!
//! The crate `judging` makes the traffic; here are the command line and the files.

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event_files::atomic_file::{self, AtomicFile, STDOUT};
use judging::camera::Errors;
use judging::plates::Country;
use judging::{Report, Stays, TableError, Traffic, Truth, World, truth};
use parking::readable::counted;
use parking::wire::write_event_with;
use parking::{Candidate, Certainty, GateEvent, GateId, LotId, Plate, Vehicle};
use service_kit::ServiceContext;
use settings::{LOST_ENTRY_SHARE, LOST_EXIT_SHARE, OF_COMMANDS, SEED, Settings};

use crate::terminal::progress::Progress;

const EVENTS: &str = "events";
const TRUTH: &str = "truth";
const LOT: &str = "lot";
const INSIDE: &str = "inside";
const DAYS: &str = "days";
const COUNTRY: &str = "country";
const STAYS: &str = "stays";
const MISREAD_SHARE: &str = "misread-share";
const LOOK_ALIKE_SHARE: &str = "look-alike-share";
const CUT_SHARE: &str = "cut-share";
const DIRTY_LENSES: &str = "dirty-lenses";
const CONFIDENCES: &str = "confidences";
const RE_READ_SHARE: &str = "re-read-share";
/// All traffic is kept in memory, some hundred bytes a stay.
const STAYS_MAX: f64 = 5_000_000.0;
/// A line is written with others.
const WRITE_BYTES: usize = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  dwell simulate --events events.ndjson --truth truth.csv
  dwell simulate --events events.ndjson --truth truth.csv --stays sessions.csv --inside 1200 --misread-share 0.05
  dwell simulate --events p2.ndjson --truth p2.csv --lot P2 --seed 2 --country germany --lost-exit-share 0.05";

const AFTER: &str = "\
Regulars, fleets with consecutive plates and vehicles that come once; cameras that take letters for others, lose or add
some, each in its own way. The same arguments always give the same files. dwell replay --misreads decides the events,
dwell score compares the sessions with the truth. --stays takes arrivals and lengths of stay from a session file of your
own (dwell export --sessions sessions.csv), so that the traffic is like yours; without it a day has two peaks.

The truth has one row a stay: its true plate, times and event ids (empty where a read was lost or had no plate), and the
ids of second reads of a passage.

Exit codes: 0 done; 1 failed; 2 unknown flag, or a wrong value; 78 wrong settings.";

/// Why no traffic was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("the simulation can't start")]
    Config(#[from] settings::Error),
    /// The file of stays can't be opened.
    #[error("cannot open {file}")]
    Open {
        /// The file.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// The file of stays is none.
    #[error("{file} is not a session file")]
    Stays {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: TableError,
    },
    /// No row has both times.
    #[error("{0} has no stay with both times, of seven days at most: is it a session file with matched sessions?")]
    NoStays(String),
    /// It does not fit into memory.
    #[error("{0:.0} stays are too many (allowed are 5,000,000): choose fewer vehicles inside or fewer days")]
    TooMany(f64),
    /// Both files have one name.
    #[error("--events and --truth name the same file")]
    OneFile,
    /// A file can't be written.
    #[error("the simulation is not complete")]
    Output(#[from] atomic_file::Error),
    /// The work panicked: a defect of the program.
    #[error("the simulation broke off")]
    BrokenOff(#[from] tokio::task::JoinError),
    /// The stop came first.
    #[error("the simulation was stopped")]
    Stopped,
}

/// The command line.
pub fn command() -> Command {
    let command = Command::new("simulate")
        .about("Make traffic with misread plates, and the truth beside it")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            file(EVENTS, "OUT.ndjson").required(true).help("The file of gate events to write; - is standard output"),
            file(TRUTH, "OUT.csv").required(true).help("The file of true stays to write; - is standard output"),
            file(STAYS, "SESSIONS.csv")
                .help("Arrivals and lengths of stay are drawn from this session file (times in UTC)"),
            Arg::new(LOT)
                .long(LOT)
                .value_name("LOT")
                .default_value(LotId::MAIN)
                .value_parser(LotId::parse)
                .help("The lot's name"),
            number(INSIDE, "300", 1..=100_000).help("Vehicles inside, on average at an exit"),
            number(DAYS, "4", 1..=60).help("Days of traffic; judge those after the first half"),
            Arg::new(COUNTRY)
                .long(COUNTRY)
                .value_name("COUNTRY")
                .default_value(Country::Britain.as_str())
                .hide_possible_values(true)
                .value_parser(PossibleValuesParser::new(Country::ALL.map(Country::as_str)))
                .help("Where nine plates in ten are from: britain, germany, france, … (a wrong name lists all)"),
            share(MISREAD_SHARE, "0.1")
                .help("Share of reads with a wrong plate, on average over cameras, hours and vehicles"),
            share(LOOK_ALIKE_SHARE, "0.7").help("Share of errors that take a letter for one that looks like it"),
            share(CUT_SHARE, "0").help("Share of errors that cut one or two letters off the end"),
            share(RE_READ_SHARE, "0").help("Share of passages that are read twice with different plates"),
            Arg::new(DIRTY_LENSES)
                .long(DIRTY_LENSES)
                .action(ArgAction::SetTrue)
                .help("Every second camera reads one letter wrong nine times in ten"),
            Arg::new(CONFIDENCES)
                .long(CONFIDENCES)
                .action(ArgAction::SetTrue)
                .help("Cameras give confidences of each character, and other candidates"),
        ]);
    settings::reading(command, &[&[&SEED, &LOST_ENTRY_SHARE, &LOST_EXIT_SHARE], OF_COMMANDS])
}

fn file(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
}

fn number(name: &'static str, default: &'static str, allowed: std::ops::RangeInclusive<i64>) -> Arg {
    Arg::new(name).long(name).value_name("N").default_value(default).value_parser(value_parser!(u32).range(allowed))
}

fn share(name: &'static str, default: &'static str) -> Arg {
    let parse = |text: &str| match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it is not a share from 0 to 1, for instance 0.1"),
    };
    Arg::new(name).long(name).value_name("SHARE").default_value(default).value_parser(parse)
}

/// What to simulate, and where to write it.
#[derive(Debug)]
struct Job {
    world: World,
    stays: Option<PathBuf>,
    lot: LotId,
    events: PathBuf,
    truth: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// The stays can't be read, or a file can't be written.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let job = read(matches, settings)?;
    let work = tokio::task::spawn_blocking(move || job.run());
    tokio::select! {
        done = work => Ok(done.map_err(Error::from)??),
        () = context.lifecycle.stopping() => Err(Error::Stopped.into()),
    }
}

fn read(matches: &ArgMatches, settings: &Settings) -> Result<Job, Error> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let share = |name: &str| matches.get_one::<f64>(name).copied().unwrap_or_default();
    let number = |name: &str| matches.get_one::<u32>(name).copied().unwrap_or_default();
    let country = matches.get_one::<String>(COUNTRY).and_then(|name| Country::named(name));
    let days = number(DAYS);
    let world = World {
        seed: settings.number(&SEED, 0..=u64::MAX)?,
        inside: number(INSIDE),
        country: country.unwrap_or(Country::Britain),
        days,
        warm_up_days: days / 2,
        errors: Errors {
            misread: share(MISREAD_SHARE),
            alike: share(LOOK_ALIKE_SHARE),
            cut: share(CUT_SHARE),
            dirty: matches.get_flag(DIRTY_LENSES),
        },
        certain: matches.get_flag(CONFIDENCES),
        re_read: share(RE_READ_SHARE),
        lost_entries: settings.share(&LOST_ENTRY_SHARE)?,
        lost_exits: settings.share(&LOST_EXIT_SHARE)?,
    };
    let (events, truth) = (path(EVENTS).unwrap_or_default(), path(TRUTH).unwrap_or_default());
    if events == truth {
        return Err(Error::OneFile);
    }
    let lot = matches.get_one::<LotId>(LOT).cloned().unwrap_or_default();
    Ok(Job { world, stays: path(STAYS), lot, events, truth })
}

impl Job {
    fn run(&self) -> Result<(), Error> {
        let stays = self.stays.as_deref().map_or_else(|| Ok(Stays::made_up()), read_stays)?;
        let expected = self.world.arrivals_a_day(&stays) * f64::from(self.world.days);
        // Where all entries are lost, the number is infinite.
        if expected.is_nan() || expected > STAYS_MAX {
            return Err(Error::TooMany(expected));
        }
        // Both first: an output that can't be written is reported before the work, not after it.
        let (events, truth) = (AtomicFile::create(&self.events)?, AtomicFile::create(&self.truth)?);
        let Traffic { reports, truth: stays } = self.world.traffic(&stays);
        write_lines(events, &[], &reports, |report, text| {
            write_event_with(&event(&self.lot, report), Some(&certainty(report)), None, text);
            text.push(b'\n');
        })?;
        write_lines(truth, truth::HEADER.as_bytes(), &stays.visits, |visit, text| {
            truth::append_row(&self.lot, visit, text);
        })?;
        self.say(reports.len(), &stays);
        Ok(())
    }

    fn say(&self, events: usize, stays: &Truth) {
        let name = |path: &Path| if path.as_os_str() == STDOUT { "…".to_owned() } else { path.display().to_string() };
        let (file, truth) = (name(&self.events), name(&self.truth));
        let (events, count) = (counted(events as u64, "event"), counted(stays.visits.len() as u64, "stay"));
        Progress::of_things("stays").say(&format!(
            "{events} of {count} written. Next:\n  dwell replay {file} --misreads --sessions sessions.csv\n  dwell score \
             sessions.csv --truth {truth} --from {}",
            stays.judged_from,
        ));
    }
}

fn read_stays(path: &Path) -> Result<Stays, Error> {
    let name = || path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| Error::Open { file: name(), source })?;
    let stays = Stays::read(io::BufReader::new(file)).map_err(|source| Error::Stays { file: name(), source })?;
    stays.ok_or_else(|| Error::NoStays(name()))
}

fn event(lot: &LotId, report: &Report) -> GateEvent {
    GateEvent {
        vehicle: Vehicle { lot: lot.clone(), plate: report.plate.clone() },
        key: report.key,
        plate_as_read: report.plate.as_str().into(),
        gate: GateId::parse(&report.gate).ok(),
        confidence: None,
    }
}

fn certainty(report: &Report) -> Certainty {
    let candidate = |text: &String| Plate::named(text).ok().map(|plate| Candidate { plate, confidence: None });
    Certainty {
        characters: report.certainty.letters.clone(),
        candidates: report.certainty.candidates.iter().filter_map(candidate).collect(),
    }
}

fn write_lines<T>(
    mut file: AtomicFile,
    header: &[u8],
    rows: &[T],
    mut append: impl FnMut(&T, &mut Vec<u8>),
) -> Result<(), Error> {
    let mut text = header.to_vec();
    for row in rows {
        append(row, &mut text);
        if text.len() > WRITE_BYTES {
            file.write(&text)?;
            text.clear();
        }
    }
    file.write(&text)?;
    Ok(file.finish()?)
}
