//! The queries of one principal: each narrowed to the lots that it may see.

use std::collections::BTreeSet;

use access::Lots;
use futures::future::try_join_all;
use ledger::{Order, Page, SessionFilter, SessionList, SessionRow};
use parking::{Lot, LotId, Plate, Rules, SessionId, Source, State};
use uuid::Uuid;

use super::ScopedService;
use crate::correlators::{ReportedCorrelator, Wait};
use crate::gates::GateStatus;
use crate::story::{Explained, MAX_EXPLAINED, Story};
use crate::{
    ChangedPage, Error, LotStatus, MAX_PAGE, SessionExplanation, Statistics, StatisticsOf, Status, statistics,
};

/// For an unknown plate, similar ones are searched among this many of the newest sessions.
const NEAR_SESSIONS_MAX: u32 = 1_000;
/// The lots of one list that are read at once.
const LOTS_AT_ONCE: usize = 4;

impl ScopedService {
    /// One page of sessions, at most [`MAX_PAGE`] and one more, so that a caller can tell whether the list goes on.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error> {
        match self.readable(filter.lot.as_ref())? {
            Lots::All => self.service.sessions(filter, page).await,
            Lots::Only(lots) => self.sessions_of(lots, filter, page).await,
        }
    }

    /// Merges the pages of several lots, which are all in the order of ids.
    async fn sessions_of(
        &self,
        lots: BTreeSet<LotId>,
        filter: &SessionFilter,
        page: Page,
    ) -> Result<SessionList, Error> {
        // Before the pages, so that each of them includes at least this change.
        let sequence = self.service.last_change().await?;
        let filters: Vec<_> = lots.into_iter().map(|lot| SessionFilter { lot: Some(lot), ..filter.clone() }).collect();
        let mut pages = Vec::with_capacity(filters.len());
        // A few at once: a token may have hundreds of lots.
        for some in filters.chunks(LOTS_AT_ONCE) {
            pages.extend(try_join_all(some.iter().map(|filter| self.service.sessions(filter, page))).await?);
        }
        let mut rows: Vec<SessionRow> = pages.into_iter().flat_map(|page| page.rows).collect();
        rows.sort_unstable_by_key(|row| row.session.id);
        if page.order == Order::NewestFirst {
            rows.reverse();
        }
        rows.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
        Ok(SessionList { rows, sequence })
    }

    /// One session, void or not.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        let lots = self.readable(None)?;
        Ok(self.service.session(id).await?.filter(|row| lots.contains(&row.session.vehicle.lot)))
    }

    /// The sessions with these ids (at most [`MAX_PAGE`]), void or not, in the order asked for; unknown ids are left out.
    ///
    /// # Errors
    /// The principal may not read, there are too many ids, or the ledger can't be read.
    pub async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        let lots = self.readable(None)?;
        let mut rows = self.service.sessions_by_id(ids).await?;
        rows.retain(|row| lots.contains(&row.session.vehicle.lot));
        Ok(rows)
    }

    /// The whole story of a session, void or not; `None` when there is none.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn story(&self, id: SessionId) -> Result<Option<Story>, Error> {
        match self.session(id).await? {
            Some(_) => self.service.story(id).await,
            None => Ok(None),
        }
    }

    /// Explains the events with this id: none when it is not known, several when the id was used again.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn explain(&self, event: Uuid) -> Result<Vec<Explained>, Error> {
        self.service.explain(event, &self.readable(None)?).await
    }

    /// Explains the newest sessions of a plate, at most [`MAX_EXPLAINED`]: of each its exit, or else its entry. Summaries
    /// are left out.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn explain_plate(&self, lot: Option<LotId>, plate: Plate, limit: u32) -> Result<Vec<Explained>, Error> {
        let rows = self.newest_of_plate(lot, plate, limit).await?;
        self.service.explain_rows(&rows).await
    }

    /// Of the newest sessions of a plate, as many as [`explain_plate`](Self::explain_plate) looks at: those that a client
    /// saved, which rest on no events.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn saved_of_plate(&self, lot: Option<LotId>, plate: Plate, limit: u32) -> Result<Vec<SessionRow>, Error> {
        let mut rows = self.newest_of_plate(lot, plate, limit).await?;
        rows.retain(|row| row.source == Source::Summary);
        Ok(rows)
    }

    async fn newest_of_plate(&self, lot: Option<LotId>, plate: Plate, limit: u32) -> Result<Vec<SessionRow>, Error> {
        let filter = SessionFilter { lot, plate: Some(plate), ..SessionFilter::default() };
        let page = Page { limit: limit.min(MAX_EXPLAINED), after: None, order: Order::NewestFirst };
        Ok(self.sessions(&filter, page).await?.rows)
    }

    /// Explains sessions, at most a page of them, in their order; `None` for a summary.
    ///
    /// # Errors
    /// The principal may not read one of them, or the ledger can't be read.
    pub async fn session_explanations(&self, rows: &[SessionRow]) -> Result<Vec<Option<SessionExplanation>>, Error> {
        let lots = self.readable(None)?;
        if rows.iter().any(|row| !lots.contains(&row.session.vehicle.lot)) {
            return Err(Error::Refused("a session of another lot can't be explained".to_owned()));
        }
        self.service.session_explanations(rows).await
    }

    /// The plates of the newest sessions that are similar to a plate, the most similar first.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn near_plates(&self, plate: &Plate) -> Result<Vec<Plate>, Error> {
        let page = Page { limit: NEAR_SESSIONS_MAX, after: None, order: Order::NewestFirst };
        let rows = self.sessions(&SessionFilter::default(), page).await?.rows;
        Ok(self.service.near_plates(plate, &rows))
    }

    /// Up to `limit` changes (at most [`MAX_PAGE`]) after that sequence number, each with its session.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn changed_sessions(&self, after: u64, limit: u32) -> Result<ChangedPage, Error> {
        self.service.changed_page(after, limit, &self.readable(None)?).await
    }

    /// The sessions that were matched last, the newest match first, at most `most`; those that no longer are left out. At
    /// most the newest 5,000 changes are looked at.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn newest_matched(&self, most: usize) -> Result<Vec<SessionRow>, Error> {
        self.service.newest_matched(most, &self.readable(None)?).await
    }

    /// The number of the newest change; 0 before the first.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn last_change(&self) -> Result<u64, Error> {
        self.readable(None)?;
        self.service.last_change().await
    }

    /// Every lot that is known beforehand or has sessions, by name.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn lots(&self) -> Result<Vec<LotStatus>, Error> {
        let seen = self.readable(None)?;
        let mut lots = self.service.lots().await?;
        lots.retain(|lot| seen.contains(&lot.id));
        Ok(lots)
    }

    /// What is known of a lot beforehand.
    pub fn lot(&self, id: &LotId) -> Option<&Lot> {
        self.service.lot(id).filter(|lot| self.principal.sees(&lot.id))
    }

    /// The statistics of a lot.
    ///
    /// # Errors
    /// The principal may not read, there is no such lot, the period is too long, or the ledger can't be read.
    pub async fn statistics(&self, asked: &StatisticsOf) -> Result<Statistics, Error> {
        if self.readable(Some(&asked.lot))?.is_empty() {
            return Err(statistics::unknown_lot(&asked.lot));
        }
        self.service.statistics(asked).await
    }

    /// How the gates do whose events this process has recorded, by lot and gate. The one of all further gates is counted
    /// over all lots.
    ///
    /// # Errors
    /// The principal may not read.
    pub fn gates(&self) -> Result<Vec<GateStatus>, Error> {
        let lots = self.readable(None)?;
        let mut gates = self.service.gates();
        gates.retain(|gate| gate.place.as_ref().map_or(lots == Lots::All, |(lot, _)| lots.contains(lot)));
        Ok(gates)
    }

    /// The rules of the ledger. Those of lots that the principal may not see are left out.
    pub fn rules(&self) -> Rules {
        let mut rules = self.service.info().rules;
        rules.retain_lots(|lot| self.principal.sees(lot));
        rules
    }

    /// Whether all work is done, and what is not. A principal of some lots learns what is pending in these, and nothing of
    /// the correlators, which serve all lots.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn status(&self) -> Result<Status, Error> {
        let lots = self.readable(None)?;
        let status = self.service.status().await?;
        if lots == Lots::All {
            return Ok(status);
        }
        let held = SessionFilter { states: vec![State::HeldExit], ..SessionFilter::default() };
        let page = Page { limit: MAX_PAGE, after: None, order: Order::OldestFirst };
        let (held, lots) = tokio::try_join!(self.sessions(&held, page), self.lots())?;
        let pending = ledger::Pending {
            held_exits: u64::try_from(held.rows.len()).unwrap_or(u64::MAX),
            overdue_stays: lots.iter().map(|lot| lot.overstays).sum(),
        };
        Ok(Status { pending, correlators: Vec::new(), waits_for: Vec::new(), ..status })
    }

    /// The correlators that reported lately, and silent ones that may hold messages; none for a principal of some lots.
    pub fn correlators(&self) -> Vec<ReportedCorrelator> {
        if self.reads_all_lots() { self.service.correlators() } else { Vec::new() }
    }

    /// The correlators and the consumers that are waited for; none for a principal of some lots.
    pub fn waits_for(&self) -> Vec<Wait> {
        if self.reads_all_lots() { self.service.waits_for() } else { Vec::new() }
    }

    /// Exits matched and exits unmatched since the process began; `None` for a principal of some lots.
    pub fn exits(&self) -> Option<(u64, u64)> {
        self.reads_all_lots().then(|| self.service.exits())
    }
}
