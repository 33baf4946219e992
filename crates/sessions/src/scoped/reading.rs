//! The queries of one principal besides lists of sessions: each narrowed to the lots that it may see, with ids and
//! plates as it may see them.

use std::collections::HashMap;

use access::{Lots, Scope};
use ledger::{Order, SessionFilter, SessionRow};
use parking::{Lot, LotId, Plate, Rules, Source, State};
use uuid::Uuid;

use super::{Page, ScopedService};
use crate::correlators::{ReportedCorrelator, Wait};
use crate::gates::GateStatus;
use crate::lookup::{LookUp, LookedUp};
use crate::story::{Explained, MAX_EXPLAINED, Story};
use crate::trail::Trail;
use crate::{
    Bucket, BucketStatistics, ChangedPage, DayCounts, Days, Error, FollowedChange, LotStatus, MAX_PAGE, SeenSession,
    SessionExplanation, Statistics, StatisticsOf, Status, statistics,
};

impl ScopedService {
    /// The whole story of a session, void or not; `None` when there is none.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn story(&self, id: Uuid) -> Result<Option<Story>, Error> {
        match self.row(id).await? {
            Some(row) => self.service.story(row, &self.sight).await.map(Some),
            None => Ok(None),
        }
    }

    /// Explains the events with this id: none when it is not known, several when the id was used again.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn explain(&self, event: Uuid) -> Result<Vec<Explained>, Error> {
        let lots = self.readable(None)?;
        // An explanation reads the ledger many times, and its future is as large.
        Box::pin(self.service.explain(self.sight.own_event(event), &lots, &self.sight)).await
    }

    /// The trails of the events with this id: none when it is not known, several when the id was used again.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn trails(&self, event: Uuid) -> Result<Vec<Trail>, Error> {
        let lots = self.readable(None)?;
        Box::pin(self.service.trails(self.sight.own_event(event), &lots, &self.sight)).await
    }

    /// Explains the newest sessions of a plate, at most [`MAX_EXPLAINED`]: of each its exit, or else its entry.
    /// Summaries are left out.
    ///
    /// # Errors
    /// The principal may not read plates, or the ledger can't be read.
    pub async fn explain_plate(&self, lot: Option<LotId>, plate: Plate, limit: u32) -> Result<Vec<Explained>, Error> {
        let rows = self.newest_of_plate(lot, plate, limit).await?;
        self.service.explain_rows(&rows, &self.sight).await
    }

    /// Of the newest sessions of a plate, as many as [`explain_plate`](Self::explain_plate) looks at: those that a
    /// client saved, which rest on no events.
    ///
    /// # Errors
    /// The principal may not read plates, or the ledger can't be read.
    pub async fn saved_of_plate(
        &self,
        lot: Option<LotId>,
        plate: Plate,
        limit: u32,
    ) -> Result<Vec<SeenSession>, Error> {
        let mut rows = self.newest_of_plate(lot, plate, limit).await?;
        rows.retain(|row| row.source == Source::Summary);
        Ok(self.sight.sessions(rows))
    }

    async fn newest_of_plate(&self, lot: Option<LotId>, plate: Plate, limit: u32) -> Result<Vec<SessionRow>, Error> {
        let filter = SessionFilter { lot, plate: Some(plate), ..SessionFilter::default() };
        let page = ledger::Page { limit: limit.min(MAX_EXPLAINED), after: None, order: Order::NewestFirst };
        Ok(self.rows(&self.listed(&filter)?, &filter, page).await?.rows)
    }

    /// Explains sessions, at most a page of them, in their order; `None` for a summary, and for a session that is gone.
    ///
    /// # Errors
    /// The principal may not read one of them, or the ledger can't be read.
    pub async fn session_explanations(
        &self,
        sessions: &[SeenSession],
    ) -> Result<Vec<Option<SessionExplanation>>, Error> {
        let lots = self.readable(None)?;
        if sessions.iter().any(|session| !lots.contains(&session.lot)) {
            return Err(Error::Refused("a session of another lot can't be explained".to_owned()));
        }
        let whole: Option<Vec<SessionRow>> = sessions.iter().map(SeenSession::whole).collect();
        if let Some(rows) = whole {
            return self.service.session_explanations(&rows, &self.sight).await;
        }
        // A mask does not lead back to its vehicle.
        let rows = self.rows_by_id(&sessions.iter().map(|session| session.id).collect::<Vec<_>>()).await?;
        let ids = rows.iter().map(|row| self.sight.session_id(row.session.id));
        let explained = ids.zip(self.service.session_explanations(&rows, &self.sight).await?);
        let mut explained: HashMap<Uuid, Option<SessionExplanation>> = explained.collect();
        Ok(sessions.iter().map(|session| explained.remove(&session.id).flatten()).collect())
    }

    /// Up to `limit` changes (at most [`MAX_PAGE`]) after that sequence number, each with its session.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn changed_sessions(&self, after: u64, limit: u32) -> Result<ChangedPage, Error> {
        self.service.changed_page(after, limit, &self.readable(None)?, &self.sight).await
    }

    /// Up to `limit` changes of all lots, to show them to other principals: for a worker of Dwell itself.
    ///
    /// # Errors
    /// The principal may not read all plates of all lots, or the ledger can't be read.
    pub async fn followed_changes(&self, after: u64, limit: u32) -> Result<Vec<FollowedChange>, Error> {
        self.principal.require(Scope::ReadPlate)?;
        if self.readable(None)? != Lots::All {
            return Err(Error::Refused("changes are followed for all lots at once".to_owned()));
        }
        self.service.changed_sessions(after, limit).await
    }

    /// The sessions that were matched last, the newest match first, at most `most`; those that no longer are left out.
    /// At most the newest 5,000 changes are looked at.
    ///
    /// # Errors
    /// The principal may not read, or the ledger can't be read.
    pub async fn newest_matched(&self, most: usize) -> Result<Vec<SeenSession>, Error> {
        Ok(self.sight.sessions(self.service.newest_matched(most, &self.readable(None)?).await?))
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
        self.require_lot(&asked.lot)?;
        self.service.statistics(asked).await
    }

    /// The statistics of a lot for a period of its own days, by the hour or by the day: by default by the hour for up to
    /// seven days.
    ///
    /// # Errors
    /// The principal may not read, there is no such lot, the period is too long, or the ledger can't be read.
    pub async fn statistics_of_days(
        &self,
        lot: &LotId,
        days: Days,
        bucket: Option<Bucket>,
    ) -> Result<Statistics, Error> {
        self.require_lot(lot)?;
        self.service.statistics_of_days(lot, days, bucket).await
    }

    /// All of the days that a period is compared with: the same weekdays, whole weeks before, and of a period that is not
    /// over, up to the same time. `None` if not all of them are known.
    ///
    /// # Errors
    /// The principal may not read, there is no such lot, or the ledger can't be read.
    pub async fn total_before(&self, lot: &LotId, days: Days) -> Result<Option<BucketStatistics>, Error> {
        self.require_lot(lot)?;
        self.service.total_before(lot, days).await
    }

    /// For each of these lots, what passed on the same weekday a week before up to the same time; `None` where that is
    /// unknown.
    ///
    /// # Errors
    /// The principal may not read one of them, or the ledger can't be read.
    pub async fn week_before(&self, lots: &[LotStatus]) -> Result<Vec<Option<DayCounts>>, Error> {
        lots.iter().try_for_each(|lot| self.require_lot(&lot.id))?;
        self.service.week_before(lots).await
    }

    fn require_lot(&self, lot: &LotId) -> Result<(), Error> {
        if self.readable(Some(lot))?.is_empty() { Err(statistics::unknown_lot(lot)) } else { Ok(()) }
    }

    /// Looks up which open session a vehicle at the exit belongs to, or most likely belongs to. Nothing is recorded.
    ///
    /// # Errors
    /// The principal may not read plates, there is no such lot, the lot has too many vehicles inside, or the ledger can't
    /// be read.
    pub async fn look_up(&self, asked: &LookUp) -> Result<LookedUp, Error> {
        let lots = self.readable(Some(&asked.lot))?;
        self.principal.require(Scope::ReadPlate)?;
        if lots.is_empty() {
            return Err(statistics::unknown_lot(&asked.lot));
        }
        Box::pin(self.service.look_up(asked)).await
    }

    /// How the gates do whose events this process has recorded, by lot and gate. The one of all further gates is
    /// counted over all lots.
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

    /// Whether all work is done, and what is not. A principal of some lots learns what is pending in these, and nothing
    /// of the correlators, which serve all lots.
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
            overdue_stays: lots.iter().map(|lot| lot.overdue_stays).sum(),
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
