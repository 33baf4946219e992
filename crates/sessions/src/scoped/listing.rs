//! Sessions by id, and lists of them, each narrowed to the lots that the principal may see.
//!
//! Rows of the ledger stay in here: what is public gives them as the principal may see them.

use std::collections::BTreeSet;

use access::{Lots, Scope};
use futures::future::try_join_all;
use ledger::{Order, SessionFilter, SessionRow};
use parking::{LotId, SessionId};
use uuid::Uuid;

use super::ScopedService;
use crate::{Error, LotTimeFilter, SeenSession};

/// The lots of one list that are read at once.
const LOTS_AT_ONCE: usize = 4;

/// Selects one page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The maximum number of sessions.
    pub limit: u32,
    /// Continue after this session, by the id that the principal sees.
    pub after: Option<Uuid>,
    /// The order of the list.
    pub order: Order,
}

/// One page of a list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionList {
    /// The sessions, in the requested order.
    pub rows: Vec<SeenSession>,
    /// The number of the newest change that the list includes; 0 before the first.
    pub sequence: u64,
    /// Where the list goes on if the page is not full, because a page looks at a limited number of sessions.
    pub resume_after: Option<Uuid>,
}

impl ScopedService {
    /// One page of sessions, at most [`MAX_PAGE`](crate::MAX_PAGE) and one more, so that a caller can tell whether the
    /// list goes on.
    ///
    /// # Errors
    /// The principal may not read, or filters by a plate without `read_plate`; or the ledger can't be read.
    pub async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error> {
        let lots = self.listed(filter)?;
        if !self.sight.is_whole() {
            // Its future is large, and most lists have ids.
            return Box::pin(self.sessions_by_alias(&lots, filter, page)).await;
        }
        let Page { limit, after, order } = page;
        let after = after.map(|after| self.sight.own_session(after));
        let list = self.rows(&lots, filter, ledger::Page { limit, after, order }).await?;
        let resume_after = list.resume_after.map(SessionId::as_uuid);
        Ok(SessionList { rows: self.sight.sessions(list.rows), sequence: list.sequence, resume_after })
    }

    /// The filter, narrowed by the time of each lot.
    ///
    /// # Errors
    /// The principal may not read, or filters by a plate without `read_plate`; or the ledger can't be read.
    pub async fn narrowed(&self, filter: SessionFilter, by: LotTimeFilter) -> Result<SessionFilter, Error> {
        self.listed(&filter)?;
        self.service.narrowed(filter, by).await
    }

    /// One session, void or not.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn session(&self, id: Uuid) -> Result<Option<SeenSession>, Error> {
        Ok(self.row(id).await?.map(|row| self.sight.session(row)))
    }

    /// The sessions with these ids (at most [`MAX_PAGE`](crate::MAX_PAGE)), void or not, in the order asked for;
    /// unknown ids are left out.
    ///
    /// # Errors
    /// The principal may not read, there are too many ids, or the ledger can't be read.
    pub async fn sessions_by_id(&self, ids: &[Uuid]) -> Result<Vec<SeenSession>, Error> {
        Ok(self.sight.sessions(self.rows_by_id(ids).await?))
    }

    /// The lots of a list with this filter. A filter by plate tells whether the plate is there, and so is a search.
    pub(crate) fn listed(&self, filter: &SessionFilter) -> Result<Lots, Error> {
        let lots = self.readable(filter.lot.as_ref())?;
        if filter.plate.is_some() || filter.plate_prefix.is_some() || filter.plate_part.is_some() {
            self.principal.require(Scope::ReadPlate)?;
        }
        Ok(lots)
    }

    pub(super) async fn row(&self, id: Uuid) -> Result<Option<SessionRow>, Error> {
        let lots = self.readable(None)?;
        let row = self.service.session(self.sight.own_session(id)).await?;
        Ok(row.filter(|row| lots.contains(&row.session.vehicle.lot)))
    }

    pub(super) async fn rows_by_id(&self, ids: &[Uuid]) -> Result<Vec<SessionRow>, Error> {
        let lots = self.readable(None)?;
        let ids: Vec<SessionId> = ids.iter().map(|id| self.sight.own_session(*id)).collect();
        let mut rows = self.service.sessions_by_id(&ids).await?;
        rows.retain(|row| lots.contains(&row.session.vehicle.lot));
        Ok(rows)
    }

    /// One page of the sessions of these lots, in the order of their ids.
    pub(super) async fn rows(
        &self,
        lots: &Lots,
        filter: &SessionFilter,
        page: ledger::Page,
    ) -> Result<ledger::SessionList, Error> {
        match lots {
            Lots::All => self.service.sessions(filter, page).await,
            Lots::Only(lots) => self.rows_of(lots, filter, page).await,
        }
    }

    /// Merges the pages of several lots.
    async fn rows_of(
        &self,
        lots: &BTreeSet<LotId>,
        filter: &SessionFilter,
        page: ledger::Page,
    ) -> Result<ledger::SessionList, Error> {
        // Before the pages, so that each of them includes at least this change.
        let sequence = self.service.last_change().await?;
        let filters: Vec<_> =
            lots.iter().map(|lot| SessionFilter { lot: Some(lot.clone()), ..filter.clone() }).collect();
        let mut pages = Vec::with_capacity(filters.len());
        // A few at once: a token may have hundreds of lots.
        for some in filters.chunks(LOTS_AT_ONCE) {
            pages.extend(try_join_all(some.iter().map(|filter| self.service.sessions(filter, page))).await?);
        }
        // Behind the nearest position at which one of them stopped, this page would have gaps.
        let stops = pages.iter().filter_map(|page| page.resume_after);
        let stop = if page.order == Order::NewestFirst { stops.max() } else { stops.min() };
        let mut rows: Vec<SessionRow> = pages.into_iter().flat_map(|page| page.rows).collect();
        rows.sort_unstable_by_key(|row| row.session.id);
        if page.order == Order::NewestFirst {
            rows.reverse();
        }
        rows.retain(|row| match (stop, page.order) {
            (Some(stop), Order::NewestFirst) => row.session.id >= stop,
            (Some(stop), Order::OldestFirst) => row.session.id <= stop,
            (None, _) => true,
        });
        let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
        rows.truncate(most);
        Ok(ledger::SessionList { resume_after: stop.filter(|_| rows.len() < most), rows, sequence })
    }
}
