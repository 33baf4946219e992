//! The indexes of this process, one a lot: built when a lot is first asked for, kept up by the ledger's list of changes,
//! and dropped when they are not used.
//!
//! All indexes stand at one sequence. An index is built from pages of the lot's open sessions; the changes since its
//! first page are applied again. That is right because applying a change sets the session as it is now.

use std::collections::BTreeMap;
use std::time::Instant;

use ledger::{ChangeRow, Order, Page, SessionFilter, SessionList};
use parking::{LotId, SessionId, State, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::lot_index::{LotIndex, OpenEntry};
use crate::statistics::unknown_lot;
use crate::{Error, MAX_PAGE, Service, within};

/// The most lots with an index; the one that was not used for longest makes room.
pub(crate) const LOTS_MAX: usize = 64;
/// The most entries of all indexes together.
pub(crate) const ENTRIES_MAX: usize = 200_000;
/// How long an index is kept after its last use, milliseconds.
pub(crate) const UNUSED_MS: i64 = 3_600_000;
/// How long counts of stays are used, milliseconds.
const COUNTED_MS: i64 = 600_000;
/// The most pages of changes that one call reads.
const PAGES_MAX: usize = 100;
/// An index that is built for one call may be dropped for another before it is used; then it is built again.
const BUILDS_MAX: usize = 3;

/// The indexes.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    kept: Mutex<Kept>,
    /// One index is built at a time.
    building: Mutex<()>,
}

#[cfg(test)]
impl Indexes {
    pub(super) async fn kept_for_testing(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().await
    }
}

/// The indexes at one sequence.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The number of the newest change that they include.
    pub(super) sequence: u64,
    lots: BTreeMap<LotId, OfLot>,
}

#[derive(Debug)]
struct OfLot {
    index: LotIndex,
    used_at: Timestamp,
    counted_at: Timestamp,
}

impl Kept {
    /// The index of a lot.
    pub(super) fn index(&mut self, lot: &LotId) -> Option<&mut LotIndex> {
        self.lots.get_mut(lot).map(|used| &mut used.index)
    }

    fn entries(&self) -> usize {
        self.lots.values().map(|used| used.index.len()).sum()
    }

    /// Drops what was not used for an hour, and what was not used for longest when there is too much.
    fn drop_unused(&mut self, now: Timestamp) {
        self.lots.retain(|_, used| now.millis_since(used.used_at) < UNUSED_MS);
        while self.lots.len() > LOTS_MAX || self.entries() > ENTRIES_MAX {
            let oldest = self.lots.iter().min_by_key(|(_, used)| used.used_at).map(|(lot, _)| lot.clone());
            let Some(oldest) = oldest else { return };
            self.lots.remove(&oldest);
        }
    }

    fn take_out(&mut self, session: SessionId) {
        self.lots.values_mut().for_each(|used| used.index.remove(session));
    }
}

impl Service {
    /// The indexes with that of a lot, as of the newest change; and whether it was there, or had to be built.
    pub(super) async fn indexed(&self, lot: &LotId) -> Result<(MutexGuard<'_, Kept>, bool), Error> {
        for builds in 0..=BUILDS_MAX {
            let mut kept = within(async { Ok(self.inner.indexes.kept.lock().await) }).await?;
            if let Some(used) = kept.lots.get_mut(lot) {
                used.used_at = self.now();
                self.catch_up(&mut kept).await?;
                if kept.lots.contains_key(lot) {
                    return Ok((kept, builds == 0));
                }
            }
            drop(kept);
            let (service, lot) = (self.clone(), lot.clone());
            // A build runs to its end when the caller no longer waits: the next call finds its result.
            let build = tokio::spawn(async move { service.build(&lot).await });
            within(async { build.await.unwrap_or(Err(Error::Defect)) }).await?;
        }
        Err(Error::Full(format!("too many lots are asked for: look-ups keep {LOTS_MAX} lots; try again later")))
    }

    /// Keeps up what there is, and drops what was not used. For a task that calls it all the time, so that a look-up has
    /// little to catch up with.
    pub(crate) async fn keep_look_ups(&self) -> Result<(), Error> {
        let now = self.now();
        let mut kept = self.inner.indexes.kept.lock().await;
        kept.drop_unused(now);
        if !kept.lots.is_empty() {
            self.catch_up(&mut kept).await?;
        }
        self.show(&kept);
        let is_stale = |used: &&OfLot| now.millis_since(used.counted_at) >= COUNTED_MS;
        let stale: Vec<LotId> =
            kept.lots.iter().filter(|(_, used)| is_stale(used)).map(|(lot, _)| lot.clone()).collect();
        drop(kept);
        for lot in stale {
            let row =
                within(async { Ok(self.inner.ledger.lots().await?) }).await?.into_iter().find(|row| row.id == lot);
            let counted = self.counted_stays(&lot, row.and_then(|row| row.time)).await?;
            if let Some(used) = self.inner.indexes.kept.lock().await.lots.get_mut(&lot) {
                used.index.set_counted(counted);
                used.counted_at = now;
            }
        }
        Ok(())
    }

    /// Applies all changes since the sequence of the indexes.
    async fn catch_up(&self, kept: &mut Kept) -> Result<(), Error> {
        for _ in 0..PAGES_MAX {
            let changes = self.changes(kept.sequence, MAX_PAGE).await?;
            let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(()) };
            self.apply(kept, &changes).await?;
            kept.sequence = last;
            kept.drop_unused(self.now());
            if u32::try_from(changes.len()).is_ok_and(|count| count < MAX_PAGE) {
                return Ok(());
            }
        }
        Err(Error::Full("more is recorded than look-ups can follow; try again later".to_owned()))
    }

    async fn apply(&self, kept: &mut Kept, changes: &[ChangeRow]) -> Result<(), Error> {
        let newest: BTreeMap<SessionId, State> = changes.iter().map(|change| (change.session, change.to)).collect();
        let opened = newest.iter().filter(|(_, state)| **state == State::Open);
        let opened: Vec<SessionId> = opened.map(|(session, _)| *session).collect();
        let rows = self.sessions_by_id(&opened).await?;
        for session in newest.into_keys() {
            kept.take_out(session);
        }
        for row in &rows {
            let used = kept.lots.get_mut(&row.session.vehicle.lot);
            if let Some((used, entry)) = used.zip(OpenEntry::of_row(row, &self.inner.rules)) {
                used.index.insert(entry);
            }
        }
        Ok(())
    }

    /// Builds the index of a lot, unless another call has.
    async fn build(&self, lot: &LotId) -> Result<(), Error> {
        let _one = self.inner.indexes.building.lock().await;
        if self.inner.indexes.kept.lock().await.lots.contains_key(lot) {
            return Ok(());
        }
        let begun = Instant::now();
        let rows = within(async { Ok(self.inner.ledger.lots().await?) }).await?;
        let row = rows.into_iter().find(|row| row.id == *lot);
        if row.is_none() && self.lot(lot).is_none() {
            return Err(unknown_lot(lot));
        }
        let (mut index, sequence) = self.read_open(lot).await?;
        index.set_counted(self.counted_stays(lot, row.and_then(|row| row.time)).await?);
        let now = self.now();
        let mut kept = self.inner.indexes.kept.lock().await;
        kept.sequence = if kept.lots.is_empty() { sequence } else { kept.sequence.min(sequence) };
        kept.lots.insert(lot.clone(), OfLot { index, used_at: now, counted_at: now });
        kept.drop_unused(now);
        self.show(&kept);
        self.inner.metrics.look_ups.built(begun.elapsed());
        Ok(())
    }

    /// An index of the open sessions of a lot, and a sequence from which on changes have to be applied.
    async fn read_open(&self, lot: &LotId) -> Result<(LotIndex, u64), Error> {
        let filter = SessionFilter { lot: Some(lot.clone()), states: vec![State::Open], ..SessionFilter::default() };
        let mut index = LotIndex::new(lot, self.inner.rules.max_stay_of(lot));
        let (mut sequence, mut after) = (u64::MAX, None);
        loop {
            let page = Page { limit: MAX_PAGE, after, order: Order::OldestFirst };
            let SessionList { rows, sequence: of_page, resume_after } = self.sessions(&filter, page).await?;
            sequence = sequence.min(of_page);
            rows.iter()
                .filter_map(|row| OpenEntry::of_row(row, &self.inner.rules))
                .for_each(|entry| index.insert(entry));
            if index.len() > ENTRIES_MAX {
                let problem = format!("more than {ENTRIES_MAX} vehicles are inside {lot}, the limit of a look-up");
                return Err(Error::Refused(problem));
            }
            let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= MAX_PAGE);
            if !is_full && resume_after.is_none() {
                return Ok((index, sequence));
            }
            after = resume_after.or_else(|| rows.last().map(|row| row.session.id));
        }
    }

    fn show(&self, kept: &Kept) {
        let bytes = kept.lots.values().map(|used| used.index.bytes()).sum();
        self.inner.metrics.look_ups.kept(kept.lots.len(), kept.entries(), bytes);
    }
}
