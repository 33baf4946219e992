//! The journal: a file beside the ledger's own, to which a commit appends what it changes before it is acknowledged.
//!
//! It is a SQLite file with one row for each commit: the accepted units and summaries. The tables store the number of
//! the last applied entry (`applied_entry`). Entries are deleted once a checkpoint has synced the tables' file, except
//! the newest one, whose number shows whether a journal is older than its tables. Both files carry the ledger's id.

use std::path::Path;
use std::time::Duration;

use matching::Unit;
use parking::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::pairing::{self, Pairing, TRY_OUT, file};
use super::schema::{self, BUSY_PATIENCE, Tables};
use crate::group::Accepted;
use crate::{Error, Summary};

mod older;

/// The first byte of an entry is its format: a checksum follows, and the bytes that it covers. An entry without any
/// byte has no work.
const FORMAT: u8 = 3;
const CHECKSUM_BYTES: usize = size_of::<u64>();
/// SQLite checkpoints the journal's own write-ahead log at this many pages: 16 MiB.
const LOG_PAGES: i64 = 4_096;
/// The size to which SQLite truncates the journal's write-ahead log.
const KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// The size of an entry that only tests whether the disk has room.
const ROOM_BYTES: i64 = 64 * 1024;

const TABLES: &str = "
    CREATE TABLE journal (schema_version INTEGER NOT NULL, ledger_id BLOB NOT NULL) STRICT;
    CREATE TABLE entry (number INTEGER PRIMARY KEY, updates BLOB NOT NULL) STRICT;
    INSERT INTO journal VALUES (1, ?1);
";

/// The work of an entry.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) records: Vec<(Vec<Unit>, Timestamp)>,
    pub(super) summaries: Vec<(Summary, Timestamp)>,
}

/// The journal of an open ledger.
#[derive(Debug)]
pub(super) struct Journal {
    connection: Connection,
    ledger: Uuid,
    /// All entries up to this one are deleted, except the newest.
    trimmed: i64,
}

/// Encodes an entry.
pub(super) fn encode(accepted: &Accepted<'_>) -> Vec<u8> {
    let begin = vec![FORMAT; 1 + CHECKSUM_BYTES];
    let mut bytes =
        postcard::to_extend(accepted, begin).expect("memory takes what is written, and every part has a length");
    let (begin, work) = bytes.split_at_mut(1 + CHECKSUM_BYTES);
    begin[1..].copy_from_slice(&xxh3_64(work).to_le_bytes());
    bytes
}

fn decode(number: i64, bytes: &[u8]) -> Result<Entry, Error> {
    let damaged = |problem: &str| Error::Corrupt(format!("the entry {number} of its journal is damaged: {problem}"));
    let (format, rest) = match bytes.split_first() {
        None => return Ok(Entry { number, ..Entry::default() }),
        Some((format @ 1..=FORMAT, rest)) => (*format, rest),
        Some((format, _)) => {
            return Err(Error::Corrupt(format!(
                "the entry {number} of its journal has the format {format}, and known are 1 to {FORMAT}"
            )));
        }
    };
    let (checksum, work) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
    if u64::from_le_bytes(*checksum) != xxh3_64(work) {
        return Err(damaged("its checksum does not match"));
    }
    let decoded = match format {
        1 => older::decode::<older::Event1>(work),
        2 => older::decode::<older::Event2>(work),
        _ => postcard::from_bytes(work),
    };
    let (records, summaries) = decoded.map_err(|error| damaged(&error.to_string()))?;
    Ok(Entry { number, records, summaries })
}

impl Journal {
    /// Opens the journal of the ledger at `path`; creates it when it is missing and the tables need none.
    ///
    /// # Errors
    /// [`Error::Config`] when journal and tables don't belong together.
    pub(super) fn open(path: &Path, tables: Tables) -> Result<Self, Error> {
        let file = file(path);
        if tables.needs_journal && !file.exists() {
            return Err(pairing::missing(path, &file));
        }
        schema::make_private(&file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&file, flags)?;
        connection.busy_timeout(BUSY_PATIENCE)?;
        let stored = match pairing::stored_ledger(&connection) {
            Err(Error::Corrupt(problem)) => {
                let file = file.display();
                return Err(Error::Config(format!(
                    "{file} is not the journal of a ledger ({problem}): move it away and bring the right one back"
                )));
            }
            stored => stored?,
        };
        if stored.is_none() && tables.needs_journal {
            return Err(pairing::missing(path, &file));
        }
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            let file = file.display();
            return Err(Error::Config(format!("{file} can't have a write-ahead log: keep it on a local disk")));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", KEPT_BYTES)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match stored {
            None => {
                let of = |sql: &str| sql.replace("?1", &format!("x'{}'", tables.ledger.simple()));
                transaction.execute_batch(&of(TABLES))?;
                reset(&transaction, tables)?;
            }
            Some(ledger) => {
                transaction.execute("DELETE FROM entry WHERE number = ?1", params![TRY_OUT])?;
                if pairing::pair(path, &file, pairing::held_by(&transaction, ledger)?, tables)? == Pairing::Begin {
                    reset(&transaction, tables)?;
                }
            }
        }
        transaction.commit()?;
        Ok(Self { connection, ledger: tables.ledger, trimmed: 0 })
    }

    /// Passes the entries that the tables lack to `take`, in order, and returns the number of the newest entry.
    pub(super) fn replay(
        &self,
        applied_entry: i64,
        mut take: impl FnMut(Entry) -> Result<(), Error>,
    ) -> Result<i64, Error> {
        let mut statement =
            self.connection.prepare("SELECT number, updates FROM entry WHERE number > ?1 ORDER BY number")?;
        let mut rows = statement.query(params![applied_entry])?;
        let mut newest = applied_entry;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            if number != newest + 1 {
                return Err(Error::Corrupt(format!("the entry {} of its journal is missing", newest + 1)));
            }
            take(decode(number, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?)?;
            newest = number;
        }
        Ok(newest)
    }

    /// Appends an entry and syncs it. The same transaction deletes the entries up to `checkpointed`.
    pub(super) fn append(&mut self, number: i64, updates: &[u8], checkpointed: i64) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if checkpointed > self.trimmed {
            delete(&transaction, checkpointed)?;
        }
        transaction.prepare_cached("INSERT INTO entry VALUES (?1, ?2)")?.execute(params![number, updates])?;
        transaction.commit()?;
        self.trimmed = self.trimmed.max(checkpointed);
        Ok(())
    }

    /// Deletes the entries up to `checkpointed`, and empties the write-ahead log.
    pub(super) fn trim(&mut self, checkpointed: i64) -> Result<(), Error> {
        if checkpointed > self.trimmed {
            delete(&self.connection, checkpointed)?;
            self.trimmed = checkpointed;
        }
        self.empty_log()
    }

    /// Deletes all entries except the mark of the newest: the tables stand alone.
    pub(super) fn finish(&mut self, applied_entry: i64) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        reset(&transaction, Tables { ledger: self.ledger, applied_entry, needs_journal: false })?;
        transaction.commit()?;
        self.empty_log()
    }

    /// Cuts the write-ahead log's file to nothing, unless a reader, such as a backup, stands in the way: commits wait for
    /// this.
    fn empty_log(&self) -> Result<(), Error> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(BUSY_PATIENCE)?;
        Ok(emptied?)
    }

    /// Writes an entry about as large as a group commit, and deletes it again.
    pub(super) fn try_out(&mut self) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("INSERT OR REPLACE INTO entry VALUES (?1, zeroblob(?2))", params![TRY_OUT, ROOM_BYTES])?;
        transaction.commit()?;
        self.connection.execute("DELETE FROM entry WHERE number = ?1", params![TRY_OUT])?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn limit_pages(&self, more: Option<i64>) -> Result<(), Error> {
        let pages: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let most = more.map_or(1_i64 << 31, |more| pages + more);
        Ok(self.connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?)
    }
}

/// Deletes all entries up to that one, except the newest.
fn delete(connection: &Connection, up_to: i64) -> Result<(), Error> {
    let delete = "DELETE FROM entry WHERE number <= ?1 AND number < (SELECT max(number) FROM entry)";
    connection.prepare_cached(delete)?.execute(params![up_to])?;
    Ok(())
}

fn reset(connection: &Connection, tables: Tables) -> Result<(), Error> {
    connection.execute("UPDATE journal SET ledger_id = ?1", params![tables.ledger.as_bytes()])?;
    connection.execute("DELETE FROM entry", [])?;
    connection.execute("INSERT INTO entry VALUES (?1, x'')", params![tables.applied_entry])?;
    Ok(())
}
