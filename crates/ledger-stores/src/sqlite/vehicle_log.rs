//! Takes up the log of vehicles that a ledger of schema version 5 or earlier has: what its rows of vehicles lack.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Deserializer};

use crate::Error;
use crate::encoding::column;

/// The state of a vehicle as its row has it.
#[derive(Debug, Deserialize)]
struct Logged {
    number: i64,
    /// Of its lot.
    #[expect(dead_code, reason = "a row never gets another lot")]
    lot_number: i64,
    version: u64,
    digest: u64,
    last_event: Option<i64>,
    listed_after: Option<i64>,
    #[serde(deserialize_with = "read_bytes")]
    timeline: Box<[u8]>,
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    <&[u8]>::deserialize(deserializer).map(Box::from)
}

/// Writes the rows that the log is ahead of. The log itself goes with the next step of the schema.
pub(super) fn catch_up(connection: &Connection) -> Result<(), Error> {
    let mut newest = BTreeMap::new();
    let mut statement = connection.prepare("SELECT heads FROM vehicle_log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let logged: Vec<Logged> = postcard::from_bytes(bytes)
            .map_err(|error| Error::Corrupt(format!("the log of vehicles is damaged: {error}")))?;
        newest.extend(logged.into_iter().map(|logged| (logged.number, logged)));
    }
    let mut update = connection.prepare(
        "UPDATE vehicle SET version = ?2, digest = ?3, last_event_no = ?4, listed_after_no = ?5, timeline = ?6
         WHERE vehicle_no = ?1",
    )?;
    for Logged { number, version, digest, last_event, listed_after, timeline, .. } in newest.into_values() {
        let values = params![number, column(version), digest.cast_signed(), last_event, listed_after, timeline];
        update.execute(values)?;
    }
    Ok(())
}
