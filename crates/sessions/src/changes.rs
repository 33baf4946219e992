//! The ledger's changes as those want them who follow it: each with its session as it stands now, and a signal at each
//! commit of this process.

use std::collections::HashMap;

use ledger::{ChangeRow, SessionRow};
use parking::{SessionId, State};
use tokio::sync::watch;

use super::{Error, MAX_PAGE, Service, within};

/// How many of the newest changes are searched for matches, and how many in one read.
const SEARCHED_CHANGES_MAX: u64 = 5_000;
const SEARCHED_PAGE_CHANGES: u64 = 250;

/// A change, and its session as it stood when the change was read. That may be later than the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What changed.
    pub change: ChangeRow,
    /// The session.
    pub session: SessionRow,
}

impl Service {
    /// Up to `limit` changes (at most [`MAX_PAGE`]) after that sequence number, in order of commit.
    pub async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        within(async { Ok(self.inner.ledger.changes(after, limit.min(MAX_PAGE)).await?) }).await
    }

    /// Like `changes`, each with its session.
    pub async fn changed_sessions(&self, after: u64, limit: u32) -> Result<Vec<Changed>, Error> {
        let rows = self.changes(after, limit).await?;
        let mut ids: Vec<SessionId> = rows.iter().map(|change| change.session).collect();
        ids.sort_unstable();
        ids.dedup();
        let sessions = self.sessions_by_id(&ids).await?;
        let sessions: HashMap<SessionId, SessionRow> = sessions.into_iter().map(|row| (row.session.id, row)).collect();
        let with_session = |change: ChangeRow| {
            let session = sessions.get(&change.session).cloned();
            let missing = || ledger::Error::Corrupt(format!("change {} is of no session", change.sequence));
            Ok(Changed { session: session.ok_or_else(missing)?, change })
        };
        rows.into_iter().map(with_session).collect()
    }

    /// The sessions that were matched last, the newest match first, at most `most`; those that no longer are left out. At
    /// most the newest 5,000 changes are looked at.
    pub async fn newest_matched(&self, most: usize) -> Result<Vec<SessionRow>, Error> {
        let newest = self.last_change().await?;
        let mut ids: Vec<SessionId> = Vec::new();
        let mut end = newest;
        while ids.len() < most && end > 0 && newest - end < SEARCHED_CHANGES_MAX {
            let after = end.saturating_sub(SEARCHED_PAGE_CHANGES);
            let changes = self.changes(after, u32::try_from(end - after).unwrap_or(MAX_PAGE)).await?;
            for change in changes.iter().rev().filter(|change| change.to == State::Matched) {
                if ids.len() < most && !ids.contains(&change.session) {
                    ids.push(change.session);
                }
            }
            end = after;
        }
        let mut rows = self.sessions_by_id(&ids).await?;
        rows.retain(|row| row.session.state == State::Matched);
        Ok(rows)
    }

    /// The sessions with these ids (at most [`MAX_PAGE`]), void or not, in the order asked for; unknown ids are left out.
    pub async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
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
    pub async fn last_change(&self) -> Result<u64, Error> {
        within(async { Ok(self.inner.ledger.last_change().await?) }).await
    }

    /// Changes whenever this process has committed something, before the writer gets its response. Commits of other processes
    /// don't count.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }

    pub(super) fn committed(&self) {
        self.inner.commits.send_modify(|commits| *commits = commits.wrapping_add(1));
    }
}
