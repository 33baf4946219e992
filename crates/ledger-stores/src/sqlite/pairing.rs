//! Whether tables and journal belong together: the ledger's id, and whether the journal has all entries that the tables
//! lack.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use uuid::Uuid;

use super::schema::{self, BUSY_PATIENCE, Tables};
use crate::Error;

/// The number of an entry that only tests whether the disk has room.
pub(super) const TRY_OUT: i64 = -1;

/// What a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) ledger: Uuid,
    /// The numbers of the oldest and of the newest entry.
    first: i64,
    newest: i64,
    entries: i64,
    has_work: bool,
}

impl Held {
    /// Whether it has every entry after `checkpointed`, at least up to `committed`.
    pub(super) fn has_all(&self, checkpointed: i64, committed: i64) -> bool {
        let Self { first, newest, entries, .. } = *self;
        first <= checkpointed + 1 && newest >= committed && entries == newest - first + 1
    }
}

/// The journal of the ledger at `path`, beside the file that a symbolic link leads to.
pub(super) fn file(path: &Path) -> PathBuf {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = real.into_os_string();
    name.push(".journal");
    PathBuf::from(name)
}

/// What the journal in a file holds, by a new connection that only reads; `None` when it is empty.
pub(super) fn held(file: &Path) -> Result<Option<Held>, Error> {
    held_in(&schema::open_reader(file)?)
}

fn held_in(connection: &Connection) -> Result<Option<Held>, Error> {
    stored_ledger(connection)?.map(|ledger| held_by(connection, ledger)).transpose()
}

/// What the journal of this ledger holds, without an entry that tests the room.
pub(super) fn held_by(connection: &Connection, ledger: Uuid) -> Result<Held, Error> {
    let sql = "
        SELECT coalesce(min(number), 0), coalesce(max(number), 0), count(*), coalesce(max(length(updates)), 0) > 0
        FROM entry WHERE number > ?1";
    Ok(connection.query_row(sql, params![TRY_OUT], |row| {
        Ok(Held { ledger, first: row.get(0)?, newest: row.get(1)?, entries: row.get(2)?, has_work: row.get(3)? })
    })?)
}

/// Whether a start would accept the journal beside the tables at `path`. Only reads.
///
/// # Errors
/// [`Error::Config`] when journal and tables don't belong together.
pub(super) fn look(path: &Path, tables: Tables) -> Result<(), Error> {
    let file = file(path);
    let found = if file.exists() { held_in(&schema::open_to_look(&file)?)? } else { None };
    match found {
        Some(held) => pair(path, &file, held, tables).map(drop),
        None if tables.needs_journal => Err(missing(path, &file)),
        None => Ok(()),
    }
}

/// Refuses to create a ledger beside the journal of one that was not closed.
pub(super) fn check_tables_exist(path: &Path) -> Result<(), Error> {
    let file = file(path);
    if path.metadata().is_ok_and(|tables| tables.len() > 0) || !file.exists() {
        return Ok(());
    }
    let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    let Some(ledger) = stored_ledger(&connection)? else { return Ok(()) };
    let has_work = "SELECT count(*) > 0 FROM entry WHERE length(updates) > 0";
    if connection.query_row(has_work, [], |row| row.get(0))? {
        let (main, journal) = (path.display(), file.display());
        return Err(Error::Config(format!(
            "{main} is missing, and its journal {journal} is there, of the ledger {ledger}: bring the ledger back, or move \
             the journal away to begin a new one"
        )));
    }
    Ok(())
}

/// The ledger that a journal belongs to; `None` when the file is empty.
pub(super) fn stored_ledger(connection: &Connection) -> Result<Option<Uuid>, Error> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|table| table == "journal") {
        return Err(Error::Corrupt("it has tables, but none of a journal".into()));
    }
    let (version, ledger): (i64, [u8; 16]) =
        connection
            .query_row("SELECT schema_version, ledger_id FROM journal", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if version != 1 {
        return Err(Error::Corrupt(format!("it has the version {version} of a newer program")));
    }
    Ok(Some(Uuid::from_bytes(ledger)))
}

/// How the tables and a journal that belong together go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// The tables have everything: the journal starts empty.
    Begin,
    /// The journal may have what the tables lack.
    GoOn,
}

/// Checks that the journal has what the tables lack, and is no older than they are.
pub(super) fn pair(path: &Path, file: &Path, held: Held, tables: Tables) -> Result<Pairing, Error> {
    let Held { ledger, first, newest, has_work, .. } = held;
    let Tables { applied_entry, needs_journal, .. } = tables;
    let (journal, main) = (file.display(), path.display());
    if ledger != tables.ledger {
        if needs_journal || has_work {
            return Err(Error::Config(format!(
                "{journal} is the journal of the ledger {ledger}, and {main} is the ledger {}: bring back the two files \
                 that belong together, or move the journal away if the ledger was closed",
                tables.ledger
            )));
        }
        return Ok(Pairing::Begin);
    }
    if !needs_journal && (!has_work || newest <= applied_entry) {
        return Ok(Pairing::Begin);
    }
    if newest < applied_entry {
        return Err(Error::Config(format!(
            "{journal} is older than {main}: it ends at the entry {newest}, and the ledger has all up to {applied_entry}. Bring \
             back the two files that belong together"
        )));
    }
    if first > applied_entry + 1 || (!has_work && newest > applied_entry) {
        return Err(Error::Config(format!(
            "{main} is older than its journal {journal}: it has all up to the entry {applied_entry}, and the journal begins at \
             {first}. Bring back the two files that belong together; to go on from an older copy alone, move the journal \
             away"
        )));
    }
    Ok(Pairing::GoOn)
}

/// The refusal of tables that need a journal which is not there.
pub(super) fn missing(path: &Path, file: &Path) -> Error {
    let (main, journal) = (path.display(), file.display());
    Error::Config(format!(
        "{main} was not closed, or is a copy of an open ledger, and its journal {journal} is missing: what was recorded last \
         stands there. Bring it back, or restore another backup; to go on without what only the journal had: sqlite3 {main} \
         \"UPDATE ledger SET needs_journal = 0\""
    ))
}
