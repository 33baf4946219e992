//! The ledger's changes for clients that follow it: each with the current state of its session, and a signal at each
//! commit of this process.

use std::collections::{HashMap, HashSet};

use access::Lots;
use ledger::{ChangeRow, SessionRow};
use parking::{LotId, SessionId, State};
use tokio::sync::watch;

use super::seen::Sight;
use super::{Error, MAX_PAGE, ScopedService, SeenChange, SeenSession, Service, within};

/// How many of the newest changes are searched for matches, and how many in one read.
const SEARCHED_CHANGES_MAX: u64 = 5_000;
const SEARCHED_PAGE_CHANGES: u64 = 250;
/// How many pages of changes one call reads to find those of some lots.
const PAGES_OF_OTHERS_MAX: usize = 10;

/// A change, and its session as it stood when the change was read. That may be later than the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What changed.
    pub change: SeenChange,
    /// The session.
    pub session: SeenSession,
}

/// A change that was read once for many principals, and is shown to each as that one may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedChange {
    change: ChangeRow,
    session: SessionRow,
}

impl FollowedChange {
    /// The number of the change.
    pub const fn sequence(&self) -> u64 {
        self.change.sequence
    }

    /// The lot of its session.
    pub const fn lot(&self) -> &LotId {
        &self.session.session.vehicle.lot
    }

    /// The change as a principal sees it that may read its lot.
    pub fn seen_by(&self, viewer: &ScopedService) -> Changed {
        viewer.sight.changed(&self.change, self.session.clone())
    }
}

/// Changes of the lots that somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPage {
    /// The changes, in order of commit.
    pub changes: Vec<Changed>,
    /// The number of the last change that was looked at: where the next page begins. Changes of other lots are looked
    /// at and left out.
    pub looked_until: u64,
}

impl Service {
    /// Up to `limit` changes (at most [`MAX_PAGE`]) after that sequence number, in order of commit.
    pub(crate) async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        within(async { Ok(self.inner.ledger.changes(after, limit.min(MAX_PAGE)).await?) }).await
    }

    /// Up to `limit` changes of these lots. When many changes of other lots are in between, the page has fewer, though
    /// there are more behind it.
    pub(crate) async fn changed_page(
        &self,
        after: u64,
        limit: u32,
        lots: &Lots,
        sight: &Sight,
    ) -> Result<ChangedPage, Error> {
        let limit = limit.min(MAX_PAGE);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut page = ChangedPage { changes: Vec::new(), looked_until: after };
        for _ in 0..PAGES_OF_OTHERS_MAX {
            let read = self.changed_sessions(page.looked_until, limit).await?;
            let is_newest = read.len() < wanted;
            for FollowedChange { change, session } in read {
                if page.changes.len() == wanted {
                    return Ok(page);
                }
                page.looked_until = change.sequence;
                if lots.contains(&session.session.vehicle.lot) {
                    page.changes.push(sight.changed(&change, session));
                }
            }
            if is_newest || page.changes.len() == wanted {
                break;
            }
        }
        Ok(page)
    }

    /// Like `changes`, each with its session.
    pub(crate) async fn changed_sessions(&self, after: u64, limit: u32) -> Result<Vec<FollowedChange>, Error> {
        let rows = self.changes(after, limit).await?;
        let mut ids: Vec<SessionId> = rows.iter().map(|change| change.session).collect();
        ids.sort_unstable();
        ids.dedup();
        let sessions = self.sessions_by_id(&ids).await?;
        let sessions: HashMap<SessionId, SessionRow> = sessions.into_iter().map(|row| (row.session.id, row)).collect();
        let with_session = |change: ChangeRow| {
            let session = sessions.get(&change.session).cloned();
            let missing = || ledger::Error::Corrupt(format!("change {} is of no session", change.sequence));
            Ok(FollowedChange { session: session.ok_or_else(missing)?, change })
        };
        rows.into_iter().map(with_session).collect()
    }

    /// The sessions that were matched last, the newest match first, at most `most`; those that no longer are left out.
    /// At most the newest 5,000 changes are looked at.
    pub(crate) async fn newest_matched(&self, most: usize, lots: &Lots) -> Result<Vec<SessionRow>, Error> {
        let newest = self.last_change().await?;
        let mut rows: Vec<SessionRow> = Vec::new();
        let mut known: HashSet<SessionId> = HashSet::new();
        let mut end = newest;
        while rows.len() < most && end > 0 && newest - end < SEARCHED_CHANGES_MAX {
            let after = end.saturating_sub(SEARCHED_PAGE_CHANGES);
            let changes = self.changes(after, u32::try_from(end - after).unwrap_or(MAX_PAGE)).await?;
            let matched = changes.iter().rev().filter(|change| change.to == State::Matched);
            let ids: Vec<SessionId> = matched.map(|change| change.session).filter(|id| known.insert(*id)).collect();
            // Nearly all are still matched. Of all lots, the first ones are therefore enough.
            let part = if *lots == Lots::All { most.max(1) } else { ids.len().max(1) };
            for ids in ids.chunks(part) {
                let found = self.sessions_by_id(ids).await?.into_iter();
                let is_wanted =
                    |row: &SessionRow| row.session.state == State::Matched && lots.contains(&row.session.vehicle.lot);
                rows.extend(found.filter(is_wanted));
                if rows.len() >= most {
                    break;
                }
            }
            end = after;
        }
        rows.truncate(most);
        Ok(rows)
    }

    /// The sessions with these ids (at most [`MAX_PAGE`]), void or not, in the order asked for; unknown ids are left
    /// out.
    pub(crate) async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        let most = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
        if ids.len() > most {
            return Err(Error::Refused(format!("{} sessions are asked for at once; {most} is the most", ids.len())));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        within(async { Ok(self.inner.ledger.sessions_by_id(ids).await?) }).await
    }

    /// The number of the newest change; 0 before the first.
    pub(crate) async fn last_change(&self) -> Result<u64, Error> {
        within(async { Ok(self.inner.ledger.last_change().await?) }).await
    }

    /// Changes whenever this process has committed something, before the writer gets its response. Commits of other
    /// processes don't count.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }

    pub(super) fn committed(&self) {
        self.inner.commits.send_modify(|commits| *commits = commits.wrapping_add(1));
    }
}
