//! How a file of the ledger is opened and brought to this version, and what its tables say about the ledger.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use parking::{GivenRules, LotId, Rules, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};
use url::Url;
use uuid::Uuid;

use super::migrations::{apply_from, has_journal, known_version};
use super::read;
use crate::{AliasKey, Error, rules_guard};

/// How long a statement waits for a lock that another program holds on the file.
pub(super) const BUSY_PATIENCE: Duration = Duration::from_secs(5);
/// The page cache of the connection that writes bulks, of the one that commits, and of each reader, KiB.
const WRITER_CACHE_KIB: i64 = 131_072;
const BESIDE_CACHE_KIB: i64 = 16_384;
const READER_CACHE_KIB: i64 = 8_192;
/// The write-ahead log's file is truncated to this size when the log restarts. It is what a backlog needs, so that only
/// a log that a reader has pinned is truncated.
pub(super) const LOG_KEPT_BYTES: i64 = 256 * 1024 * 1024;
/// Prepared statements cached by a connection: more than this program uses.
const CACHED_STATEMENTS_MAX: usize = 96;

/// Which ledger a main file holds, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) ledger: Uuid,
    pub(super) newest_event: i64,
    pub(super) newest_change: i64,
}

impl Held {
    /// Whether it is no older than another moment of the same ledger.
    pub(super) fn has_all_of(self, before: Self) -> bool {
        self.newest_event >= before.newest_event && self.newest_change >= before.newest_change
    }
}

/// What the tables say about their journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    pub(super) ledger: Uuid,
    /// The number of the last applied entry.
    pub(super) applied_entry: i64,
    /// They were not closed: the journal may have what they lack.
    pub(super) needs_journal: bool,
}

/// Creates the file readable only by its owner, because plates are personal data. SQLite gives its other files the same
/// permissions.
pub(super) fn make_private(path: &Path) -> Result<(), Error> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| {
        let file = path.display();
        Error::Config(format!(
            "can't open the ledger {file} ({error}): name a file in DWELL_DATABASE_URL that this user may write"
        ))
    })
}

/// Opens the connection that writes bulks; brings the tables to this program's version.
pub(super) fn open_writer(path: &Path, now: Timestamp) -> Result<(Connection, Uuid), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Before setting the journal mode, which can wait for a lock too.
    connection.busy_timeout(BUSY_PATIENCE)?;
    let id = prepare(&mut connection, path, now)?;
    Ok((connection, id))
}

/// Returns the ledger's rules combined with the given ones, or the reason why the given rules are refused; `None`
/// without a ledger. Only reads.
///
/// # Errors
///
/// Fails if the file does not contain a ledger that this program knows.
pub(super) fn look(path: &Path, given: &GivenRules) -> Result<Option<Result<Rules, Error>>, Error> {
    let looked = open_to_look(path).and_then(|connection| Ok((stored_version(&connection)?, connection)));
    match looked {
        Err(Error::Corrupt(problem)) => Err(foreign(path, &problem)),
        Err(error) => Err(error),
        Ok((None, _)) => Ok(None),
        Ok((Some(version), _)) if version > known_version() => Err(newer(path, version)),
        Ok((Some(_), connection)) => {
            let (stored, lots) = stored_rules(&connection)?;
            Ok(Some(rules_guard::check(stored.as_deref(), &lots, given).map(|checked| checked.rules)))
        }
    }
}

/// What the tables of a ledger say about their journal; `None` when there is no ledger, or an older one without a
/// journal. Only reads.
pub(super) fn look_at_tables(path: &Path) -> Result<Option<Tables>, Error> {
    let connection = open_to_look(path)?;
    if !stored_version(&connection)?.is_some_and(has_journal) {
        return Ok(None);
    }
    journal_tables(&connection).map(Some)
}

/// Returns what the main file contains without its log; `None` if it has no ledger yet.
pub(super) fn held(path: &Path) -> Result<Option<Held>, Error> {
    let connection = open_immutable(path)?;
    if stored_version(&connection)?.is_none() {
        return Ok(None);
    }
    let newest = |sql| Ok::<i64, Error>(connection.query_row(sql, [], |row| row.get(0))?);
    Ok(Some(Held {
        ledger: ledger_of(&connection)?,
        newest_event: newest("SELECT coalesce(max(event_no), 0) FROM event")?,
        newest_change: newest("SELECT coalesce(max(sequence), 0) FROM change")?,
    }))
}

/// Returns the id of the ledger behind a connection.
pub(super) fn ledger_of(connection: &Connection) -> Result<Uuid, Error> {
    let random: [u8; 16] = connection.query_row("SELECT ledger_id FROM ledger", [], |row| row.get(0))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid())
}

/// Returns the key of the ledger's aliases.
pub(super) fn alias_key_of(connection: &Connection) -> Result<AliasKey, Error> {
    Ok(AliasKey::new(connection.query_row("SELECT alias_key FROM ledger", [], |row| row.get(0))?))
}

/// Opens a connection that leaves no file beside the ledger. An ordinary reader creates a write-ahead log if there is
/// none, and keeps it; an immutable one does not.
pub(super) fn open_to_look(path: &Path) -> Result<Connection, Error> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if Path::new(&log).exists() {
        return open_reader(path);
    }
    open_immutable(path)
}

/// Opens a connection to the main file alone and ignores the files beside it.
pub(super) fn open_immutable(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(immutable_url(path)?, flags)?)
}

/// The name by which SQLite opens a file alone, without the files beside it.
pub(super) fn immutable_url(path: &Path) -> Result<String, Error> {
    let unusable = |problem: &dyn Display| Error::Config(format!("{} can't be opened: {problem}", path.display()));
    let whole = std::path::absolute(path).map_err(|error| unusable(&error))?;
    let url = Url::from_file_path(whole).map_err(|()| unusable(&"its path has no root"))?;
    Ok(format!("{url}?immutable=1"))
}

/// Refuses a file without a ledger, and a ledger of another schema version.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<(), Error> {
    let known = known_version();
    match stored_version(connection) {
        Err(Error::Corrupt(problem)) => Err(foreign(path, &problem)),
        Err(error) => Err(error),
        Ok(None) => Err(foreign(path, "it is empty")),
        Ok(Some(version)) if version > known => Err(newer(path, version)),
        Ok(Some(version)) if version < known => {
            let file = path.display();
            Err(Error::Config(format!(
                "{file} has the schema version {version} of an older program, and this one has {known}: use the older \
                 program, or let this one open the ledger first"
            )))
        }
        Ok(Some(_)) => Ok(()),
    }
}

/// Opens the connection of the thread that commits: it compares with the tables, and writes little but durably.
pub(super) fn open_beside(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -BESIDE_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    Ok(connection)
}

/// What the tables say about their journal.
pub(super) fn journal_tables(connection: &Connection) -> Result<Tables, Error> {
    let (applied_entry, needs_journal) =
        connection
            .query_row("SELECT applied_entry, needs_journal FROM ledger", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Tables { ledger: ledger_of(connection)?, applied_entry, needs_journal })
}

/// Records in the tables, synced, that they need their journal. Later transactions are synced only by checkpoints;
/// until then the journal has their content.
pub(super) fn rely_on_journal(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE ledger SET needs_journal = 1 WHERE needs_journal = 0", [])?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(())
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    Ok(connection)
}

fn prepare(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<Uuid, Error> {
    let version = match stored_version(connection) {
        // Before the first write, so that a file of another program stays unchanged.
        Err(Error::Corrupt(problem)) => return Err(foreign(path, &problem)),
        version => version?,
    };
    if let Some(version) = version.filter(|version| *version > known_version()) {
        return Err(newer(path, version));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let file = path.display();
        return Err(Error::Config(format!("{file} can't have a write-ahead log: keep it on a local disk")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    migrate(connection, now)
}

/// Returns the schema version of a ledger; `None` if the file is empty.
fn stored_version(connection: &Connection) -> Result<Option<i64>, Error> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|table| table == "ledger") {
        return Err(Error::Corrupt("it has tables, but not those of a ledger".into()));
    }
    let version = connection.query_row("SELECT schema_version FROM ledger", [], |row| row.get(0)).optional()?;
    Ok(version)
}

fn migrate(connection: &mut Connection, now: Timestamp) -> Result<Uuid, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = stored_version(&transaction)?;
    if version.is_none() {
        transaction.execute_batch(
            "CREATE TABLE ledger (
                schema_version INTEGER NOT NULL, ledger_id BLOB NOT NULL, created_ms INTEGER NOT NULL, rules TEXT
            ) STRICT",
        )?;
        let made = "INSERT INTO ledger VALUES (0, randomblob(16), ?1, NULL)";
        transaction.execute(made, params![now.as_millis()])?;
    }
    if let Some(version) = version.filter(|version| *version < known_version()) {
        tracing::info!(from = version, to = known_version(), "upgrading the tables of a ledger of an older version");
    }
    apply_from(&transaction, version.unwrap_or(0))?;
    let id = ledger_of(&transaction)?;
    transaction.commit()?;
    Ok(id)
}

/// Pins the given rules if the ledger's events allow them, and returns the rules to decide with.
pub(super) fn pin_rules(transaction: &Transaction<'_>, given: &GivenRules) -> Result<Rules, Error> {
    let (stored, lots) = stored_rules(transaction)?;
    let checked = rules_guard::check(stored.as_deref(), &lots, given)?;
    if let Some(text) = checked.text {
        transaction.execute("UPDATE ledger SET rules = ?1", params![text])?;
    }
    Ok(checked.rules)
}

/// Returns the stored rules as text, and the lots that have events.
fn stored_rules(connection: &Connection) -> Result<(Option<String>, Vec<LotId>), Error> {
    let rules = connection.query_row("SELECT rules FROM ledger", [], |row| row.get(0))?;
    let lots = read::lots(connection)?.into_iter().filter(|lot| lot.time.is_some());
    Ok((rules, lots.map(|lot| lot.id).collect()))
}

fn foreign(path: &Path, problem: &str) -> Error {
    let file = path.display();
    Error::Config(format!(
        "{file} is not a ledger of this program ({problem}): name another file in DWELL_DATABASE_URL; one that does \
        not exist is created"
    ))
}

fn newer(path: &Path, version: i64) -> Error {
    let (file, known) = (path.display(), known_version());
    Error::Config(format!(
        "{file} has the schema version {version} of a newer program, and this one knows up to {known}: start the newer \
         program, or name another file in DWELL_DATABASE_URL"
    ))
}
