//! The block index of event ids.
//!
//! Ids arrive in random order: an index with one row for each event would cost one page write for each. So the index
//! has blocks of many events. Each block is written once and never changed: 256 rows, one for each bucket of hashes.
//! All rows of a bucket are adjacent, so a lookup reads one range of small rows, and then the events that are in no
//! block yet.

use std::ops::ControlFlow;

use parking::EventKey;
use rusqlite::{Connection, TransactionBehavior, params};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::vehicles::uuid;
use crate::Error;
use crate::encoding::column;

/// The number of events in a block. The number of its last event is a multiple of this. Tests use a small number, to
/// have many blocks.
const BLOCK_EVENTS: usize = if cfg!(test) { 5 } else { 65_536 };
/// One bucket for each value of a byte: the first byte of an id's hash selects the bucket.
const BUCKETS: usize = 256;
/// The key of a row has the bucket in its upper bits, and the block in this many lower bits.
const BLOCK_BITS: u32 = 40;
/// The size of an event's entry in a row: four bytes of the hash, and the event's index in the block.
const ENTRY_BYTES: usize = 6;

const BUCKET: &str = "SELECT place, entries FROM event_index WHERE place BETWEEN ?1 AND ?2";

const UNINDEXED: &str = "SELECT event_no FROM event WHERE event_no > ?1 AND event_id = ?2 ORDER BY event_no";

/// The writer's buffer of events that are in no block yet.
#[derive(Debug, Default)]
pub(super) struct Unindexed {
    /// The number of complete blocks.
    blocks: i64,
    /// The hashes of the ids of later events, in order of event numbers.
    hashes: Vec<u64>,
}

/// What a transaction added to the index, to be applied to [`Unindexed`] after the commit.
#[derive(Debug, Default)]
pub(super) struct Added {
    blocks: usize,
    hashes: Vec<u64>,
}

impl Unindexed {
    /// Adds new events in order of their numbers, and writes the blocks that they complete.
    pub(super) fn add<'a>(
        &self,
        connection: &Connection,
        events: impl Iterator<Item = &'a EventKey>,
    ) -> Result<Added, Error> {
        let hashes: Vec<u64> = events.map(|key| hash(key.id)).collect();
        let blocks = (self.hashes.len() + hashes.len()) / BLOCK_EVENTS;
        let mut waiting = self.hashes.iter().chain(&hashes).copied();
        for block in (self.blocks..).take(blocks) {
            write_block(connection, block, waiting.by_ref().take(BLOCK_EVENTS))?;
        }
        Ok(Added { blocks, hashes })
    }

    /// Applies what a committed transaction added.
    pub(super) fn advance(&mut self, added: Added) {
        self.hashes.extend(added.hashes);
        self.hashes.drain(..added.blocks * BLOCK_EVENTS);
        self.blocks += column(added.blocks);
    }
}

/// Writes missing blocks. The ledger of an older program has none.
pub(super) fn catch_up(connection: &mut Connection) -> Result<Unindexed, Error> {
    let mut blocks = blocks(connection)?;
    let before = blocks;
    loop {
        let hashes = hashes_after(connection, blocks)?;
        if hashes.len() < BLOCK_EVENTS {
            if blocks > before {
                tracing::info!(blocks = blocks - before, "indexed the events of the ledger by their ids");
            }
            return Ok(Unindexed { blocks, hashes });
        }
        // One transaction for each block: a long one would grow the write-ahead log, and an interruption would lose all
        // its work.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_block(&transaction, blocks, hashes.into_iter())?;
        transaction.commit()?;
        blocks += 1;
    }
}

/// Passes the numbers of all events that may have this id to `take`, in ascending order; very rarely one of them has
/// another id. Stops reading when `take` breaks.
pub(super) fn look_up(
    connection: &Connection,
    id: Uuid,
    mut take: impl FnMut(i64) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let hash = hash(id);
    let (bucket, short) = (bucket(hash), short(hash));
    let mut statement = connection.prepare_cached(BUCKET)?;
    let mut rows = statement.query(params![row_key(bucket, 0), row_key(bucket + 1, 0) - 1])?;
    while let Some(row) = rows.next()? {
        let first = (row.get::<_, i64>(0)? - row_key(bucket, 0)) * column(BLOCK_EVENTS) + 1;
        let entries = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        let begin = entries.partition_point(|entry| entry[..4] < short[..]);
        for entry in entries[begin..].iter().take_while(|entry| entry[..4] == short) {
            if take(first + i64::from(u16::from_be_bytes([entry[4], entry[5]])))?.is_break() {
                return Ok(());
            }
        }
    }
    let mut statement = connection.prepare_cached(UNINDEXED)?;
    let mut rows = statement.query(params![blocks(connection)? * column(BLOCK_EVENTS), id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        if take(row.get(0)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Writes the rows of one block: the sorted entries of each bucket.
fn write_block(connection: &Connection, block: i64, hashes: impl Iterator<Item = u64>) -> Result<(), Error> {
    let mut buckets: Vec<Vec<[u8; ENTRY_BYTES]>> = vec![Vec::new(); BUCKETS];
    for (index, hash) in (0..=u16::MAX).zip(hashes) {
        let mut entry = [0; ENTRY_BYTES];
        entry[..4].copy_from_slice(&short(hash));
        entry[4..].copy_from_slice(&index.to_be_bytes());
        buckets[bucket(hash)].push(entry);
    }
    let mut insert = connection.prepare_cached("INSERT INTO event_index VALUES (?1, ?2)")?;
    for (bucket, entries) in buckets.iter_mut().enumerate() {
        entries.sort_unstable();
        insert.execute(params![row_key(bucket, block), entries.as_flattened()])?;
    }
    Ok(())
}

/// Returns the number of blocks: each has a row in the last bucket.
fn blocks(connection: &Connection) -> Result<i64, Error> {
    let mut last = connection.prepare_cached("SELECT max(place) FROM event_index")?;
    let last: Option<i64> = last.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last - row_key(BUCKETS - 1, 0) + 1))
}

/// Returns the hashes of the events after the given number of blocks, for one block at most.
fn hashes_after(connection: &Connection, blocks: i64) -> Result<Vec<u64>, Error> {
    let select = "SELECT event_no, event_id FROM event WHERE event_no > ?1 ORDER BY event_no LIMIT ?2";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query(params![blocks * column(BLOCK_EVENTS), column(BLOCK_EVENTS)])?;
    let mut hashes = Vec::new();
    let mut expected = blocks * column(BLOCK_EVENTS);
    while let Some(row) = rows.next()? {
        expected += 1;
        if row.get::<_, i64>(0)? != expected {
            return Err(Error::Corrupt(format!("the event {expected} is missing")));
        }
        hashes.push(hash(uuid(row, 1)?));
    }
    Ok(hashes)
}

fn hash(id: Uuid) -> u64 {
    xxh3_64(id.as_bytes())
}

fn bucket(hash: u64) -> usize {
    usize::from(hash.to_be_bytes()[0])
}

/// Returns the part of a hash that is stored in a row.
fn short(hash: u64) -> [u8; 4] {
    let [_, _, _, _, short @ ..] = hash.to_be_bytes();
    short
}

fn row_key(bucket: usize, block: i64) -> i64 {
    (column(bucket) << BLOCK_BITS) + block
}
