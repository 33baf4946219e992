//! Checks a dump of a ledger in PostgreSQL, and names the command that makes one.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::Command;

/// The first bytes of a dump in the custom format of `pg_dump`.
const MAGIC: [u8; 5] = *b"PGDMP";
/// Tables without which a dump is no ledger's.
const TABLES: [&str; 5] = ["ledger", "vehicle", "event", "session", "change"];
const PROGRAM: &str = "pg_restore";

/// Why a dump is not checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none yet.
    #[error(
        "the ledger is in PostgreSQL, whose own tool makes the backup while the service runs. Run this, and then \
         `dwell backup {0}` again, which checks the file:\n  pg_dump --format=custom --file={0} \"$DWELL_DATABASE_URL\""
    )]
    Missing(String),
    /// It can't be read.
    #[error("{file} can't be read ({problem})")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's error.
        problem: std::io::Error,
    },
    /// It is another kind of file.
    #[error("{0} is no dump in pg_dump's custom format: make it with pg_dump --format=custom")]
    Foreign(String),
    /// PostgreSQL's tool is not installed here.
    #[error(
        "{PROGRAM} can't be started ({problem}), and it reads dumps: install PostgreSQL's client programs (Debian: \
         postgresql-client), or check {file} where they are installed"
    )]
    NoTool {
        /// The file.
        file: String,
        /// The system's error.
        problem: std::io::Error,
    },
    /// PostgreSQL's tool can't read it to its end.
    #[error("{PROGRAM} can't read {file}: {problem}")]
    Damaged {
        /// The file.
        file: String,
        /// What the tool says.
        problem: String,
    },
    /// It lacks tables.
    #[error("{file} is no dump of a whole ledger: it has no rows of the tables {tables}")]
    Incomplete {
        /// The file.
        file: String,
        /// The tables.
        tables: String,
    },
}

/// Checks a dump; returns what to say of it.
pub(super) fn check(dump: &Path) -> Result<String, Error> {
    let file = dump.display().to_string();
    let mut begin = [0; MAGIC.len()];
    match File::open(dump).and_then(|mut opened| opened.read_exact(&mut begin)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::Missing(file)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Error::Foreign(file)),
        Err(problem) => return Err(Error::Unreadable { file, problem }),
        Ok(()) if begin != MAGIC => return Err(Error::Foreign(file)),
        Ok(()) => {}
    }
    // Writing it as SQL to nowhere reads every row; a list would read only the table of contents.
    let read = run(dump, &["--file=/dev/null"])?;
    drop(read);
    let list = run(dump, &["--list"])?;
    let has = |table: &&str| list.lines().any(|line| line.contains(&format!(" TABLE DATA public {table} ")));
    let missing: Vec<_> = TABLES.into_iter().filter(|table| !has(table)).collect();
    if !missing.is_empty() {
        return Err(Error::Incomplete { file, tables: missing.join(", ") });
    }
    Ok(format!(
        "{file} is a whole dump of a ledger. Restore it into an empty database now and then, and verify that one\n"
    ))
}

fn run(dump: &Path, arguments: &[&str]) -> Result<String, Error> {
    let file = dump.display().to_string();
    let ran = Command::new(PROGRAM).args(arguments).arg(dump).output();
    let ran = ran.map_err(|problem| Error::NoTool { file: file.clone(), problem })?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let problem = String::from_utf8_lossy(&ran.stderr).lines().last().unwrap_or("without a reason").to_owned();
    Err(Error::Damaged { file, problem })
}
