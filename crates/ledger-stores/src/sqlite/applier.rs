//! The applier: a thread that applies committed entries to the tables in bulk, and gives out leases. Requests that
//! write a few rows come between two bulks, so that no commit waits for the tables.
//!
//! The tables are written with `synchronous=NORMAL`: a power cut may undo their last transactions, which the journal
//! keeps until a checkpoint has synced the tables' file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::backlog::{Backlog, Errand, Step};
use super::event_index::Unindexed;
use super::overlay::Layer;
use super::place::Place;
use super::{apply, due, schema, superseding};
use crate::Error;

/// A checkpoint runs when the write-ahead log of the tables has this many pages: 128 MiB.
const LOG_PAGES: i32 = 32_768;
/// How long the end waits for readers of other programs.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// What the thread works on.
struct Applier {
    connection: Connection,
    place: Arc<Place>,
    backlog: Arc<Backlog>,
    unindexed: Unindexed,
    /// Pages in the write-ahead log after the last commit.
    pages: Arc<AtomicI32>,
}

/// Starts the thread. It ends once the backlog is closed, and returns whether the tables then stand without the
/// journal.
pub(super) fn start(
    mut connection: Connection,
    place: Arc<Place>,
    backlog: Arc<Backlog>,
    unindexed: Unindexed,
) -> Result<JoinHandle<bool>, Error> {
    let pages = Arc::new(AtomicI32::new(0));
    let length = Arc::clone(&pages);
    // Instead of SQLite's own hook, which would copy everything at once.
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        length.store(pages, Ordering::Relaxed);
        Ok(())
    }))?;
    let applier = Applier { connection, place, backlog, unindexed, pages };
    let thread = std::thread::Builder::new().name("ledger-tables".into()).spawn(move || applier.run());
    thread.map_err(|error| Error::Unavailable(format!("can't start the thread of its tables: {error}")))
}

impl Applier {
    fn run(mut self) -> bool {
        // Also when this thread panics, so that no reader waits for it forever.
        let _ended = Ended(Arc::clone(&self.backlog));
        loop {
            match self.backlog.next_step() {
                Step::Apply => {
                    let Some(layer) = self.backlog.overlay.next() else { continue };
                    match self.apply_layer(&layer) {
                        Ok(()) => self.is_applied(layer),
                        Err(error) => {
                            if !self.backlog.failed(error) {
                                break;
                            }
                        }
                    }
                }
                Step::Serve(Errand::Lease(lease)) => {
                    let leased = self.transact(|transaction| due::lease(transaction, &lease.work));
                    lease.answer(leased);
                }
                Step::Serve(Errand::Looked(looked)) => {
                    let done = self.transact(|transaction| superseding::done(transaction, &looked.work));
                    looked.answer(done);
                }
                Step::Idle => self.idle(),
                Step::End => break,
            }
        }
        self.finish()
    }

    /// Writes a layer to the tables, all of it or nothing.
    fn apply_layer(&mut self, layer: &Layer) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let indexed = apply::apply(&transaction, &self.unindexed, layer)?;
        transaction.commit()?;
        self.unindexed.advance(indexed);
        Ok(())
    }

    fn is_applied(&self, layer: Arc<Layer>) {
        let (entry, events) = (layer.last_entry, layer.events_and_summaries);
        self.backlog.overlay.written(layer);
        self.backlog.mark_applied(entry, events);
        if self.pages.load(Ordering::Relaxed) >= LOG_PAGES {
            self.checkpoint(CheckpointMode::PASSIVE);
        }
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.place.check()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Nothing was committed for a while: moves the write-ahead log into the file.
    fn idle(&self) {
        self.backlog.overlay.forget();
        if self.place.tables_log_bytes() > 0 || self.backlog.checkpointed() < self.backlog.last_applied() {
            self.empty_log(Duration::ZERO);
        }
    }

    /// Runs a checkpoint; whether no reader kept it from copying the whole write-ahead log. The rest is tried again after the
    /// next bulk.
    fn checkpoint(&self, mode: CheckpointMode) -> bool {
        let applied_entry = self.backlog.last_applied();
        let mut is_whole = false;
        let run = || {
            let (frames, copied) = self.connection.wal_checkpoint_v2(None::<&str>, mode)?;
            is_whole = frames == copied;
            Ok((frames, copied))
        };
        let is_done = self.place.checkpoint(run) && is_whole;
        if is_done {
            self.backlog.mark_checkpointed(applied_entry);
            self.pages.store(0, Ordering::Relaxed);
        }
        is_done
    }

    /// Runs a checkpoint that truncates the log's file, unless readers keep it from that for longer than `patience`.
    fn empty_log(&self, patience: Duration) -> bool {
        let is_emptied = self.connection.busy_timeout(patience).is_ok() && self.checkpoint(CheckpointMode::TRUNCATE);
        drop(self.connection.busy_timeout(schema::BUSY_PATIENCE));
        is_emptied
    }

    /// Moves the write-ahead log into the file; whether the tables stand without the journal.
    fn finish(self) -> bool {
        let is_complete = self.backlog.is_empty() && !self.place.is_overwritten();
        let is_alone = is_complete && self.stand_alone().is_ok();
        let is_whole = self.empty_log(CLOSE_WAIT_MAX);
        if self.place.is_overwritten() {
            // SQLite would write the log into the copy that stands in the file now.
            drop(self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
            return false;
        }
        if !is_whole {
            tracing::warn!(
                "the write-ahead log is not all in the ledger's file, because another program reads it or the disk is \
                 full: copy the file together with the one ending in -wal"
            );
        }
        is_alone
    }

    /// Records in the tables that they need no journal, and syncs that.
    fn stand_alone(&self) -> Result<(), Error> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.execute("UPDATE ledger SET needs_journal = 0", params![])?;
        Ok(())
    }
}

/// Reports the end of the thread when it is dropped, also by a panic.
struct Ended(Arc<Backlog>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.has_ended();
    }
}
