//! How far the tables lag behind the journal, and how the writer, readers and the applier wait for each other.
//!
//! The applier applies all that is committed, without a pause. A read sees what was acknowledged before it, so it waits
//! for the tables; in a large backlog only reads that need the latest state wait. At the limit, recording waits
//! (back-pressure).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matching::Due;
use tokio::sync::watch;

pub(super) use self::steps::Step;
use super::due;
use super::overlay::Overlay;
use crate::group::Request;
use crate::{BACKLOG_EVENTS_MAX, Error, SupersededId};

mod steps;

/// A bulk is closed at this many events and summaries.
const BULK_EVENTS: usize = 65_536;
/// Reads of [`Freshness::Recent`] wait for the tables while at most this many events and summaries are not applied.
const RECENT_EVENTS_MAX: i64 = 8_192;
/// Limits how long a read waits for the tables. Tests compare what was recorded, also where a disk stalls.
const CATCH_UP_MAX: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 2 });

/// How bulks are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// A bulk is closed at this many events and summaries.
    pub(crate) most_events: usize,
    /// Nothing is applied before a read or the writer waits for it.
    pub(crate) is_on_demand: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { most_events: BULK_EVENTS, is_on_demand: false }
    }
}

/// How much of what was acknowledged a read must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// All that was acknowledged before the read.
    Latest,
    /// Like `Latest` while the tables keep up, otherwise what they have.
    Recent,
}

/// The committed entries that the tables lack.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) overlay: Overlay,
    pub(super) pace: Pace,
    /// The last entry that the tables had when this process opened them.
    begun_at: i64,
    state: Mutex<State>,
    changed: Condvar,
    /// The number of the last applied entry.
    applied_entry: watch::Sender<i64>,
}

/// A request for what is due.
pub(super) type Lease = Request<due::Call, Vec<Due>>;
/// A request to note that ids were looked at.
pub(super) type Looked = Request<Vec<SupersededId>, ()>;

/// A request for the applier, which it serves between two bulks.
#[derive(Debug)]
pub(super) enum Errand {
    Lease(Lease),
    Looked(Looked),
}

impl Errand {
    fn refuse(self) {
        match self {
            Self::Lease(lease) => lease.answer(Err(ended())),
            Self::Looked(looked) => looked.answer(Err(ended())),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    committed: i64,
    applied_entry: i64,
    /// A read or the writer waits for all entries up to this one.
    asked: i64,
    /// The last entry that a checkpoint has synced to the tables' file.
    checkpointed: i64,
    /// Events and summaries that are not applied.
    waiting: i64,
    errands: VecDeque<Errand>,
    is_closing: bool,
    has_ended: bool,
    failing: Option<Error>,
}

impl Backlog {
    /// An empty backlog of tables that have all entries up to `applied_entry`.
    pub(super) fn new(pace: Pace, applied_entry: i64) -> Self {
        let state = State { committed: applied_entry, applied_entry, ..State::default() };
        Self {
            overlay: Overlay::default(),
            pace,
            begun_at: applied_entry,
            state: Mutex::new(state),
            changed: Condvar::new(),
            applied_entry: watch::Sender::new(applied_entry),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events and summaries that are not applied.
    pub(super) fn waiting(&self) -> u64 {
        u64::try_from(self.state().waiting).unwrap_or(0)
    }

    /// Counts an entry that is in the journal and in memory, with this number of events and summaries.
    pub(super) fn committed(&self, entry: i64, events: usize) {
        let mut state = self.state();
        state.committed = entry;
        state.waiting += crate::encoding::column(events);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until there is room for further entries.
    ///
    /// # Errors
    /// When there will be none, because the tables can't be written.
    pub(super) fn wait_for_room(&self) -> Result<(), Error> {
        let mut state = self.state();
        while state.waiting >= crate::encoding::column(BACKLOG_EVENTS_MAX) {
            if let Some(error) = &state.failing {
                return Err(error.clone());
            }
            if state.has_ended {
                return Err(ended());
            }
            state.asked = state.committed;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until the tables have everything. To be called by the thread that commits.
    ///
    /// # Errors
    /// When they can't be written.
    pub(super) fn wait_until_empty(&self) -> Result<(), Error> {
        let mut state = self.state();
        while state.applied_entry < state.committed {
            if let Some(error) = &state.failing {
                return Err(error.clone());
            }
            if state.has_ended {
                return Err(ended());
            }
            state.asked = state.committed;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until what is committed now is applied; a read of [`Freshness::Recent`] does not wait in a large backlog.
    ///
    /// # Errors
    /// When a read of [`Freshness::Latest`] has waited for two seconds.
    pub(super) async fn catch_up(&self, freshness: Freshness) -> Result<(), Error> {
        self.catch_up_within(freshness, CATCH_UP_MAX).await
    }

    /// Like [`catch_up`](Self::catch_up), with another limit.
    pub(super) async fn catch_up_within(&self, freshness: Freshness, patience: Duration) -> Result<(), Error> {
        let mut applied_entry = self.applied_entry.subscribe();
        let committed = {
            let mut state = self.state();
            let goes_without = state.waiting > RECENT_EVENTS_MAX || state.failing.is_some();
            if state.applied_entry >= state.committed || (freshness == Freshness::Recent && goes_without) {
                return Ok(());
            }
            state.asked = state.committed;
            state.committed
        };
        self.changed.notify_all();
        let applied = applied_entry.wait_for(|applied| *applied >= committed);
        let waited = tokio::time::timeout(patience, applied).await;
        if matches!(waited, Ok(Ok(_))) || freshness == Freshness::Recent {
            return Ok(());
        }
        let state = self.state();
        let waiting = state.waiting;
        Err(state.failing.clone().unwrap_or_else(|| {
            Error::Unavailable(format!(
                "its tables are {waiting} events behind its journal, and did not have what was recorded last within \
                 {patience:?}"
            ))
        }))
    }

    /// Hands a request to the applier.
    pub(super) fn hand_over(&self, errand: Errand) {
        let mut state = self.state();
        if state.has_ended {
            errand.refuse();
            return;
        }
        state.errands.push_back(errand);
        drop(state);
        self.changed.notify_all();
    }

    /// The last entry that a checkpoint has synced to the tables' file.
    pub(super) fn checkpointed(&self) -> i64 {
        self.state().checkpointed
    }

    /// The last entry that the tables had when this process opened them.
    pub(super) fn begun_at(&self) -> i64 {
        self.begun_at
    }

    /// The last entry of the journal that was acknowledged.
    pub(super) fn last_committed(&self) -> i64 {
        self.state().committed
    }

    /// Why the last bulk was not applied.
    pub(super) fn failing(&self) -> Option<Error> {
        self.state().failing.clone()
    }

    /// Has the applier apply everything and end.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.changed.notify_all();
    }

    /// Whether the tables have everything.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.applied_entry >= state.committed
    }
}

fn ended() -> Error {
    crate::group::ended()
}
