//! Takes the write-ahead log back into the file beside the writer, so that those who wait for a commit do not wait for
//! that.
//!
//! A thread of its own copies the log's pages while the writer goes on. The writer then copies the little that it has
//! written meanwhile, and its next transaction restarts the log at its beginning. When nothing is written for a while,
//! and at the end, the log is emptied: the file alone is then the whole ledger.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::place::Place;
use super::schema;
use crate::Error;

/// A transaction with at least this many events belongs to a backlog.
const BACKLOG_EVENTS: usize = 500;

/// The log is copied into the file when it has this many pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct MostPages {
    /// While a backlog is processed: many pages change often, and go back once.
    pub(super) of_backlog: i32,
    /// Otherwise, when somebody waits for each transaction: little at once, which holds up few of them.
    pub(super) otherwise: i32,
}

/// How long the end waits for readers of other programs.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// 200 MiB and 23 MiB.
pub(super) const MOST_PAGES: MostPages = MostPages { of_backlog: 51_200, otherwise: 6_000 };

/// The log of the connection that writes, and the thread that copies it.
pub(super) struct Log {
    most_pages: MostPages,
    place: Arc<Place>,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicI32>,
    /// Transactions that have written something.
    commits: Arc<AtomicU64>,
    /// How many there were at the last tick.
    commits_before: u64,
    is_copying: bool,
    copied: Receiver<()>,
    copy: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// The log of `connection`, whose file is at `path`.
    pub(super) fn of(
        connection: &mut Connection,
        path: &Path,
        place: &Arc<Place>,
        most_pages: MostPages,
    ) -> Result<Self, Error> {
        let (pages, commits) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicU64::new(0)));
        let (length, count) = (Arc::clone(&pages), Arc::clone(&commits));
        // In the place of SQLite's own hook, which would copy all at once.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            length.store(pages, Ordering::Relaxed);
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))?;
        let beside = schema::open_copier(path)?;
        let (copy, wanted) = sync_channel::<()>(1);
        let (done, copied) = sync_channel(1);
        let of_copies = Arc::clone(place);
        let run = move || {
            while wanted.recv().is_ok() {
                copy_all(&beside, &of_copies);
                if done.send(()).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("ledger-log".into()).spawn(run);
        let thread =
            thread.map_err(|error| Error::Unavailable(format!("can't start the thread of its log: {error}")))?;
        Ok(Self {
            most_pages,
            place: Arc::clone(place),
            pages,
            commits,
            commits_before: 0,
            is_copying: false,
            copied,
            copy: Some(copy),
            thread: Some(thread),
        })
    }

    /// To be called after each transaction, with how many events it had.
    pub(super) fn committed(&mut self, connection: &Connection, events: usize) {
        let MostPages { of_backlog, otherwise } = self.most_pages;
        let most_pages = if events >= BACKLOG_EVENTS { of_backlog } else { otherwise };
        if self.pages.load(Ordering::Relaxed) >= most_pages && self.is_copied() {
            copy_all(connection, &self.place);
        }
    }

    /// To be called about once a second: empties the log when nothing was written since the last call.
    pub(super) fn tick(&mut self, connection: &Connection) {
        let commits = self.commits.load(Ordering::Relaxed);
        let is_idle = commits == std::mem::replace(&mut self.commits_before, commits);
        if is_idle && self.place.log_bytes() > 0 && self.is_copied() {
            self.empty(connection, Duration::ZERO);
        }
    }

    /// Takes all of the log into the file, for the end; whether that could be done.
    pub(super) fn finish(&mut self, connection: &Connection) -> bool {
        self.join();
        self.empty(connection, LAST_PATIENCE)
    }

    /// Has the thread copy the log. True once it has copied what was there before, or when it has ended and leaves all to
    /// the writer.
    fn is_copied(&mut self) -> bool {
        if !self.is_copying {
            self.is_copying = self.copy.as_ref().is_some_and(|copy| copy.try_send(()).is_ok());
            if self.is_copying {
                return false;
            }
        } else if self.copied.try_recv() == Err(TryRecvError::Empty) {
            return false;
        }
        self.is_copying = false;
        true
    }

    /// Copies what is left and cuts the log's file to nothing, unless readers stand in the way for longer than that.
    fn empty(&self, connection: &Connection, patience: Duration) -> bool {
        let empty = || {
            connection.busy_timeout(patience)?;
            let emptied = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE);
            connection.busy_timeout(schema::BUSY_PATIENCE)?;
            emptied
        };
        let is_empty = self.place.checkpoint(empty);
        if is_empty {
            self.pages.store(0, Ordering::Relaxed);
        }
        is_empty
    }

    fn join(&mut self) {
        self.copy.take();
        if let Some(thread) = self.thread.take() {
            // It ended in good order, or by a panic that was reported when it happened.
            drop(thread.join());
        }
    }
}

/// Copies what no reader stands in the way of. What is not copied stays in the log, which is as durable as the file, and
/// is tried again after the next transaction.
fn copy_all(connection: &Connection, place: &Place) {
    place.checkpoint(|| connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE));
}

impl Drop for Log {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use parking::Timestamp;

    use super::*;

    const MOST: i32 = 30;
    const OF_BACKLOG: i32 = 3 * MOST;

    /// A table to write to, and the log of its file.
    fn open() -> (tempfile::TempDir, Connection, Log) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let (mut connection, id) = schema::open_writer(&path, Timestamp::from_millis(0)).unwrap();
        connection.execute_batch("CREATE TABLE note (text TEXT)").unwrap();
        let place = Arc::new(Place::of(&path, id).unwrap());
        let most_pages = MostPages { of_backlog: OF_BACKLOG, otherwise: MOST };
        let log = Log::of(&mut connection, &path, &place, most_pages).unwrap();
        (folder, connection, log)
    }

    #[test]
    fn the_log_begins_anew_while_it_is_written_to() {
        let (_folder, connection, mut log) = open();
        let (mut begun_anew, mut longest, deadline) = (0, 0, Instant::now() + Duration::from_secs(30));
        let mut notes = 0;
        while begun_anew < 3 {
            assert!(Instant::now() < deadline, "{notes} notes were written, and the log is {longest} pages long");
            let before = log.pages.load(Ordering::Relaxed);
            connection.execute("INSERT INTO note VALUES (hex(randomblob(3000)))", []).unwrap();
            notes += 1;
            log.committed(&connection, 1);
            let pages = log.pages.load(Ordering::Relaxed);
            begun_anew += i32::from(pages < before);
            longest = longest.max(pages);
        }
        assert!(longest >= MOST, "{longest}");
        drop(log);
        let kept: i64 = connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, notes);
    }

    #[test]
    fn the_writer_copies_the_log_alone_when_the_thread_has_ended_and_later_in_a_backlog() {
        let (_folder, connection, mut log) = open();
        // As after a panic: both ends of the thread's channels are gone.
        log.copy.take();
        log.thread.take().unwrap().join().unwrap();
        for (events, most) in [(1, MOST), (BACKLOG_EVENTS, OF_BACKLOG)] {
            let mut longest = 0;
            for is_copying in [false, true] {
                log.is_copying = is_copying;
                for _ in 0..100 {
                    connection.execute("INSERT INTO note VALUES (hex(randomblob(3000)))", []).unwrap();
                    longest = longest.max(log.pages.load(Ordering::Relaxed));
                    log.committed(&connection, events);
                }
            }
            assert!((most..most + MOST).contains(&longest), "{events} events: {longest}");
        }
    }
}
