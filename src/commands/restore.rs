//! `dwell restore`: puts a backup in the place of the ledger, after it has verified the backup.
//!
//! Nothing of the old ledger is deleted. For PostgreSQL its own tools do that, and the command names them.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use ledger_stores::backup;
use parking::readable::counted;
use service_kit::ServiceContext;
use service_kit::data_folder::{self, DataFolder};
use settings::{OF_COMMANDS, OF_LINKS, Settings};
use summary_api::Config;

use crate::commands::backup::{READ, copy};
use crate::commands::verify;
use crate::terminal::output;

const BACKUP: &str = "BACKUP";

const EXAMPLES: &str = "\
Examples:
  dwell restore ledger-backup.sqlite
  dwell restore ledger-2026-11-29.sqlite --data-dir /var/lib/dwell";

const AFTER: &str = "\
Stop the summary API (or `dwell`) first; correlators and gates may go on, they wait. The backup is copied and verified before
anything changes. The old ledger is moved into a folder beside it, whose name begins with old-ledger-; delete that once you are sure.

Events that were recorded after the backup are missing then. Publish them again if you have them: too many do no harm.

Exit codes: 0 restored; 1 not, and the old ledger is unchanged; 2 unknown flag; 69 the ledger is in use; 78 wrong settings.";

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("nothing is restored")]
    Config(#[from] settings::Error),
    /// The ledger is in PostgreSQL.
    #[error(
        "nothing is restored: the ledger is in PostgreSQL, whose own tools restore it into an empty database:\n  \
         pg_restore --no-owner --exit-on-error --dbname=\"$DWELL_DATABASE_URL\" {0}\n  \
         dwell verify --database-url \"$DWELL_DATABASE_URL\""
    )]
    Postgres(String),
    /// The data folder is in use.
    #[error("nothing is restored")]
    Folder(#[from] data_folder::Error),
    /// The backup can't be copied or verified.
    #[error("nothing is restored")]
    Copy(#[from] copy::Error),
    /// The backup disagrees with its events.
    #[error("nothing is restored: {0} found in the backup. Use another backup")]
    Faults(String),
    /// The files can't be put in place.
    #[error("the ledger is not replaced")]
    Replace(#[from] ledger::Error),
    /// No room, or no permission, beside the ledger.
    #[error("nothing is restored: {folder} can't be written ({problem})")]
    Beside {
        /// The folder of the ledger.
        folder: String,
        /// The system's error.
        problem: std::io::Error,
    },
    /// The result can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// The stop came first.
    #[error("the restore was stopped; the ledger is unchanged")]
    Stopped,
}

/// The command line.
pub fn command() -> Command {
    let command = Command::new("restore")
        .about("Put a backup in the place of the ledger, after verifying it")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .arg(
            Arg::new(BACKUP)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("A file that `dwell backup` wrote, or another copy of a ledger"),
        );
    settings::reading(command, &[&READ, OF_LINKS, OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// Nothing was restored; the text says why.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let backup = matches.get_one::<PathBuf>(BACKUP).cloned().unwrap_or_default();
    Ok(restore(&backup, settings, context).await?)
}

async fn restore(from: &Path, settings: &Settings, context: &ServiceContext) -> Result<(), Error> {
    let config = Config::read(settings)?;
    let url = config.database_url();
    let Some(ledger) = backup::file_of(url.expose()) else {
        return Err(Error::Postgres(from.display().to_string()));
    };
    let folder = copy::parent(&ledger);
    let _lock = config.embedded_ledger().is_some().then(|| DataFolder::lock(folder)).transpose()?;
    let beside = |problem| Error::Beside { folder: folder.display().to_string(), problem };
    let new = copy::folder_beside(&ledger).map_err(beside)?;
    let copied = new.path().join("ledger.sqlite");
    let verifying = Box::pin(copy::make(from, &copied, settings, context));
    let found = tokio::select! {
        done = verifying => done?,
        () = context.lifecycle.stopping() => return Err(Error::Stopped),
    };
    if found.faults > 0 {
        return Err(Error::Faults(counted(found.faults, "fault")));
    }
    let had_ledger = ledger.exists();
    let old = folder.join(format!("old-ledger-{}", context.clock.now().to_datetime().format("%Y-%m-%dT%H%M%SZ")));
    backup::replace(&ledger, &copied, &old).await?;
    let mut text = format!("{}{} is restored from {}\n", verify::summary(&found), ledger.display(), from.display());
    if had_ledger {
        text.extend(["the old ledger is in ", &old.display().to_string(), "\n"]);
    }
    text.push_str("start the summary API, and publish again what was recorded after the backup\n");
    output::print(&text).map_err(Error::Output)?;
    Ok(())
}
