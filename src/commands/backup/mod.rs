//! `dwell backup`: a copy of the ledger in one file, made while the service runs, and verified.
//!
//! `copy` makes and verifies copies in SQLite, for `dwell restore` too. PostgreSQL has `pg_dump`: `dump` names the
//! command and checks its result.

pub(crate) mod copy;
mod dump;

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use ledger_stores::backup;
use parking::readable::counted;
use service_kit::ServiceContext;
use settings::{DATA_DIR, DATABASE_URL, OF_COMMANDS, OF_LINKS, Setting, Settings};
use summary_api::Config;

use crate::commands::verify;
use crate::terminal::output;

const TARGET: &str = "TARGET";

/// The settings that name a ledger.
pub(crate) const READ: [&Setting; 2] = [&DATABASE_URL, &DATA_DIR];

const EXAMPLES: &str = "\
Examples:
  dwell backup ledger-backup.sqlite
  dwell backup \"ledger-$(date +%F).sqlite\" --data-dir /var/lib/dwell
  dwell backup dwell.dump --database-url postgres://dwell@db/dwell    (checks a dump, or says how to make it)";

const AFTER: &str = "\
A ledger in SQLite is copied as of one moment, also while a summary API records: everything that was acknowledged before is in
the copy. The copy is opened, verified like `dwell verify` does, and becomes one file that only you can read. TARGET must not exist.

PostgreSQL has its own tool. While the file TARGET is missing, the error names the command that makes it. A TARGET that exists
is checked: is it a whole dump of a ledger?

docs/backup-and-restore.md says what else to keep, and how often.

Exit codes: 0 made, or checked; 1 not, or the ledger disagrees with its events; 2 unknown flag; 78 wrong settings.";

/// Why there is no backup, or a doubtful one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("there is no backup")]
    Config(#[from] settings::Error),
    /// The ledger could not be copied or verified.
    #[error("there is no backup")]
    Copy(#[from] copy::Error),
    /// The target exists.
    #[error("{0} exists, and a backup replaces nothing: use a new name for each one")]
    Exists(String),
    /// The copy can't get its name.
    #[error(
        "{target} can't be written ({problem}): name a file in a folder that exists, that you may write, and that has room"
    )]
    Target {
        /// The file.
        target: String,
        /// The system's error.
        problem: std::io::Error,
    },
    /// The dump of PostgreSQL is missing or useless.
    #[error("there is no checked backup")]
    Dump(#[from] dump::Error),
    /// The copy is as wrong as the ledger.
    #[error("the backup is made, but {0} found in the ledger: keep older backups, and report this")]
    Faults(String),
    /// The result can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// The stop came first.
    #[error("the backup was stopped; nothing was written")]
    Stopped,
}

/// The command line.
pub fn command() -> Command {
    let command = Command::new("backup")
        .about("Copy the ledger into one file while the service runs, and verify the copy")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .arg(
            Arg::new(TARGET)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The file to write; on PostgreSQL the dump to check"),
        );
    settings::reading(command, &[&READ, OF_LINKS, OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// No backup was made, or it is doubtful.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let making = Box::pin(make(matches, settings, context));
    tokio::select! {
        done = making => Ok(done?),
        () = context.lifecycle.stopping() => Err(Error::Stopped.into()),
    }
}

async fn make(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> Result<(), Error> {
    let target = matches.get_one::<PathBuf>(TARGET).cloned().unwrap_or_default();
    let url = Config::read(settings)?.database_url();
    let Some(ledger) = backup::file_of(url.expose()) else {
        let checked = dump::check(&target)?;
        output::print(&checked).map_err(Error::Output)?;
        return Ok(());
    };
    if target.exists() {
        return Err(Error::Exists(target.display().to_string()));
    }
    let failed = |problem| Error::Target { target: target.display().to_string(), problem };
    let folder = copy::folder_beside(&target).map_err(failed)?;
    let copied = folder.path().join("ledger.sqlite");
    let found = copy::make(&ledger, &copied, settings, context).await?;
    place(&copied, &target).map_err(failed)?;
    let shown = target.display();
    let text = format!("{}{shown} is the ledger as of one moment: dwell restore {shown}\n", verify::summary(&found));
    output::print(&text).map_err(Error::Output)?;
    if found.faults > 0 { Err(Error::Faults(counted(found.faults, "fault"))) } else { Ok(()) }
}

/// Gives a finished copy its name, durably, unless that is taken.
fn place(copied: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::File::open(copied)?.sync_all()?;
    tempfile::TempPath::try_from_path(copied)?.persist_noclobber(target).map_err(|error| error.error)?;
    std::fs::File::open(copy::parent(target))?.sync_all()
}
