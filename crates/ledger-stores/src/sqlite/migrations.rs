//! The tables of the ledger in SQLite, and the steps by which those of an older version become those of this one.

use rusqlite::{Transaction, params};

use super::{quarters, vehicle_log};
use crate::Error;

/// Each migration takes the tables from one schema version to the next; a new ledger applies all of them. Never change
/// a released one: add another.
///
/// Keys grow with time, so rows are appended rather than scattered. An event points to the vehicle's event recorded
/// before it (`previous_no`), a vehicle has its timeline and the end of that chain, and a session points to its events:
/// so none of them needs a secondary index. `listed` sessions are those that the chain does not lead to. `event_index`
/// finds events by id, see there. `ledger.applied_entry` is the last entry of the journal that the tables have.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE lot (
        lot_no INTEGER PRIMARY KEY, lot_id TEXT NOT NULL UNIQUE, time_ms INTEGER, inside INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE vehicle (
        vehicle_no INTEGER PRIMARY KEY, lot_no INTEGER NOT NULL, plate TEXT NOT NULL, version INTEGER NOT NULL,
        digest INTEGER NOT NULL, last_event_no INTEGER, listed_after_no INTEGER, timeline BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX vehicle_plate ON vehicle (plate, lot_no);
    CREATE TABLE event (
        event_no INTEGER PRIMARY KEY, previous_no INTEGER, vehicle_no INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        direction INTEGER NOT NULL, event_id BLOB NOT NULL, gate TEXT, plate_as_read TEXT NOT NULL, confidence REAL,
        received_ms INTEGER NOT NULL, recorded_ms INTEGER NOT NULL, flags INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE session (
        session_id BLOB PRIMARY KEY, vehicle_no INTEGER NOT NULL, lot_no INTEGER NOT NULL, state INTEGER NOT NULL,
        reason INTEGER, source INTEGER NOT NULL, entry_no INTEGER, exit_no INTEGER, entry_ms INTEGER, exit_ms INTEGER,
        superseded_by BLOB, listed INTEGER NOT NULL, recorded_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
        held_since_ms INTEGER, leased_until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_lot ON session (lot_no, session_id);
    CREATE INDEX session_open ON session (lot_no, session_id) WHERE state = 0;
    CREATE INDEX session_held ON session (held_since_ms) WHERE state = 1;
    CREATE INDEX session_exceptional ON session (session_id) WHERE state >= 3;
    CREATE INDEX session_listed ON session (vehicle_no, session_id) WHERE listed = 1;
    CREATE TABLE change (
        sequence INTEGER PRIMARY KEY, session_id BLOB NOT NULL, vehicle_version INTEGER NOT NULL, from_state INTEGER,
        to_state INTEGER NOT NULL, rule INTEGER, recorded_ms INTEGER NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE vehicle_log (number INTEGER PRIMARY KEY, heads BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE event_index (place INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE lot_hour (
        lot_no INTEGER NOT NULL, hour_no INTEGER NOT NULL, entries INTEGER NOT NULL, exits INTEGER NOT NULL,
        matched INTEGER NOT NULL, unmatched_exits INTEGER NOT NULL, unmatched_entries INTEGER NOT NULL,
        inside_ms INTEGER NOT NULL, dwell_ms INTEGER NOT NULL, dwells BLOB NOT NULL, PRIMARY KEY (lot_no, hour_no)
    ) STRICT, WITHOUT ROWID;
",
    LOT_QUARTER,
    JOURNAL,
    ALIAS_KEY,
    ACCOUNTS,
    RECEIPT,
    SUPERSEDES,
    WEBHOOKS,
];

/// Replaces counts of hours, which were hours of UTC and do not fit every time zone, by counts of quarter hours; all
/// sessions are counted after this migration. Also lists the quarter hours in which a correlator was connected.
const LOT_QUARTER: &str = "
    DROP TABLE lot_hour;
    CREATE TABLE lot_quarter (
        lot_no INTEGER NOT NULL, quarter_no INTEGER NOT NULL, entries INTEGER NOT NULL, exits INTEGER NOT NULL,
        matched INTEGER NOT NULL, unmatched_exits INTEGER NOT NULL, unmatched_entries INTEGER NOT NULL,
        inside_ms INTEGER NOT NULL, dwell_ms INTEGER NOT NULL, dwells BLOB NOT NULL, PRIMARY KEY (lot_no, quarter_no)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE connected_quarter (quarter_no INTEGER PRIMARY KEY) STRICT;
";

/// Commits go to a journal first. `vehicle_log` had states of vehicles that were newer than their rows.
const JOURNAL: &str = "
    DROP TABLE vehicle_log;
    ALTER TABLE ledger ADD COLUMN applied_entry INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE ledger ADD COLUMN needs_journal INTEGER NOT NULL DEFAULT 0;
";

/// The key of the aliases that some principals see instead of ids: made once for each ledger.
const ALIAS_KEY: &str = "
    ALTER TABLE ledger ADD COLUMN alias_key BLOB;
    UPDATE ledger SET alias_key = randomblob(32);
";

/// Tokens, users and login sessions.
const ACCOUNTS: &str = "
    CREATE TABLE token (
        token_id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, scopes TEXT NOT NULL, lots TEXT NOT NULL,
        gates TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER
    ) STRICT;
    CREATE TABLE person (
        name TEXT PRIMARY KEY, password TEXT, scopes TEXT NOT NULL, lots TEXT NOT NULL, created_ms INTEGER NOT NULL,
        generation INTEGER NOT NULL, disabled_ms INTEGER
    ) STRICT;
    CREATE TABLE login (
        hash BLOB PRIMARY KEY, name TEXT NOT NULL, generation INTEGER NOT NULL, begun_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL
    ) STRICT;
";

/// How each event came in, see `receipt`; null in rows of older programs.
const RECEIPT: &str = "ALTER TABLE event ADD COLUMN receipt BLOB";

/// The id of the event that each event replaces, and the ids to look at for that: of events that were named, or that
/// arrived with an id that was named before. `marks` counts how often an id became due. `has_superseding` says whether
/// any event ever named another one.
const SUPERSEDES: &str = "
    ALTER TABLE event ADD COLUMN supersedes BLOB;
    CREATE INDEX event_supersedes ON event (supersedes) WHERE supersedes IS NOT NULL;
    CREATE TABLE superseded_due (event_id BLOB PRIMARY KEY, marks INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    ALTER TABLE ledger ADD COLUMN has_superseding INTEGER NOT NULL DEFAULT 0;
";

/// Webhooks, and the deliveries that wait.
const WEBHOOKS: &str = "
    CREATE TABLE webhook (
        webhook_id BLOB PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL, lots TEXT NOT NULL, kinds TEXT NOT NULL,
        plates INTEGER NOT NULL, secret BLOB NOT NULL, old_secret BLOB, old_until_ms INTEGER,
        created_ms INTEGER NOT NULL, paused_ms INTEGER, paused_reason TEXT, generation INTEGER NOT NULL DEFAULT 0,
        sequence INTEGER NOT NULL, failing_ms INTEGER, problem TEXT, delivered_ms INTEGER, holder BLOB,
        leased_until_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE webhook_waiting (
        webhook_id BLOB NOT NULL, sequence INTEGER NOT NULL, session_id BLOB NOT NULL, recorded_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, PRIMARY KEY (webhook_id, sequence)
    ) STRICT, WITHOUT ROWID;
";

/// Migrates tables of schema version `version` to the newest.
pub(super) fn apply_from(transaction: &Transaction<'_>, version: i64) -> Result<(), Error> {
    let done = usize::try_from(version).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        if *step == JOURNAL {
            vehicle_log::catch_up(transaction)?;
        }
        transaction.execute_batch(step)?;
        if *step == LOT_QUARTER {
            quarters::count_all(transaction)?;
        }
    }
    if version < known_version() {
        transaction.execute("UPDATE ledger SET schema_version = ?1", params![known_version()])?;
    }
    Ok(())
}

/// Whether a ledger of this schema version has a journal.
pub(super) fn has_journal(version: i64) -> bool {
    let before = MIGRATIONS.iter().position(|step| *step == JOURNAL);
    before.and_then(|before| i64::try_from(before).ok()).is_some_and(|before| version > before)
}

/// The schema version of this program.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are only a few migrations")
}
