//! Finds events by their id.
//!
//! Ids come in no order: an index with a row for each event would cost a page of the file for each. So events are
//! indexed in blocks of many, each written once and never again: 256 rows a block, one for each bucket of hashes. The
//! rows of a bucket stand together, so that a look-up reads one stretch of small rows, and then the events that are in
//! no block yet.

use std::ops::ControlFlow;

use parking::EventKey;
use rusqlite::{Connection, TransactionBehavior, params};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::vehicles::uuid;
use crate::Error;
use crate::stored::column;

/// The events of a block, of which the last one's number is a multiple of it; tests have many blocks.
const BLOCK_EVENTS: usize = if cfg!(test) { 5 } else { 65_536 };
/// As many as a byte has values: the first one of an id's hash says in which bucket it is.
const BUCKETS: usize = 256;
/// A row's key is its bucket, and behind that in so many bits its block.
const BLOCK_BITS: u32 = 40;
/// An event in a row: four bytes of the hash, and its place in the block.
const ENTRY_BYTES: usize = 6;

const BUCKET: &str = "SELECT place, entries FROM event_index WHERE place BETWEEN ?1 AND ?2";

const UNINDEXED: &str = "SELECT event_no FROM event WHERE event_no > ?1 AND event_id = ?2 ORDER BY event_no";

/// The events that are in no block yet, as the writer knows them.
#[derive(Debug, Default)]
pub(super) struct Unindexed {
    /// How many blocks there are.
    blocks: i64,
    /// The hashes of the ids of the events behind them, in order of their numbers.
    hashes: Vec<u64>,
}

/// What a transaction added, for when it is committed.
#[derive(Debug, Default)]
pub(super) struct Added {
    blocks: usize,
    hashes: Vec<u64>,
}

impl Unindexed {
    /// Adds new events, in order of their numbers, and writes the blocks that are whole with them.
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

    /// Goes on after what is committed.
    pub(super) fn advance(&mut self, added: Added) {
        self.hashes.extend(added.hashes);
        self.hashes.drain(..added.blocks * BLOCK_EVENTS);
        self.blocks += column(added.blocks);
    }
}

/// Writes the blocks that are whole and missing: a ledger that an older program made has none.
pub(super) fn catch_up(connection: &mut Connection) -> Result<Unindexed, Error> {
    let mut blocks = blocks(connection)?;
    let before = blocks;
    loop {
        let hashes = hashes_after(connection, blocks)?;
        if hashes.len() < BLOCK_EVENTS {
            if blocks > before {
                tracing::info!(blocks = blocks - before, "events of the ledger are indexed by their ids");
            }
            return Ok(Unindexed { blocks, hashes });
        }
        // Each for itself: a long one would make a long log, and a stop would have it all done again.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_block(&transaction, blocks, hashes.into_iter())?;
        transaction.commit()?;
        blocks += 1;
    }
}

/// Hands over the numbers of events that may have this id, the smallest first: all that have it, hardly ever another.
/// Nothing is read behind the one at which `take` breaks.
pub(super) fn look_up(
    connection: &Connection,
    id: Uuid,
    mut take: impl FnMut(i64) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let hash = hash(id);
    let (bucket, short) = (bucket(hash), short(hash));
    let mut statement = connection.prepare_cached(BUCKET)?;
    let mut rows = statement.query(params![place(bucket, 0), place(bucket + 1, 0) - 1])?;
    while let Some(row) = rows.next()? {
        let first = (row.get::<_, i64>(0)? - place(bucket, 0)) * column(BLOCK_EVENTS) + 1;
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

/// The rows of one block: in each the entries of a bucket, sorted.
fn write_block(connection: &Connection, block: i64, hashes: impl Iterator<Item = u64>) -> Result<(), Error> {
    let mut buckets: Vec<Vec<[u8; ENTRY_BYTES]>> = vec![Vec::new(); BUCKETS];
    for (place, hash) in (0..=u16::MAX).zip(hashes) {
        let mut entry = [0; ENTRY_BYTES];
        entry[..4].copy_from_slice(&short(hash));
        entry[4..].copy_from_slice(&place.to_be_bytes());
        buckets[bucket(hash)].push(entry);
    }
    let mut insert = connection.prepare_cached("INSERT INTO event_index VALUES (?1, ?2)")?;
    for (bucket, entries) in buckets.iter_mut().enumerate() {
        entries.sort_unstable();
        insert.execute(params![place(bucket, block), entries.as_flattened()])?;
    }
    Ok(())
}

/// How many blocks there are: each has a row in the last bucket.
fn blocks(connection: &Connection) -> Result<i64, Error> {
    let mut last = connection.prepare_cached("SELECT max(place) FROM event_index")?;
    let last: Option<i64> = last.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last - place(BUCKETS - 1, 0) + 1))
}

/// The hashes of the events behind so many blocks, of one block at most.
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

/// The part of a hash that a row has.
fn short(hash: u64) -> [u8; 4] {
    let [_, _, _, _, short @ ..] = hash.to_be_bytes();
    short
}

fn place(bucket: usize, block: i64) -> i64 {
    (column(bucket) << BLOCK_BITS) + block
}
