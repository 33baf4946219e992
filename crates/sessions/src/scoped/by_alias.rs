//! Lists for principals that see aliases: by time, and within a millisecond by alias.
//!
//! The ledger lists sessions by id. Within a millisecond that is the order of their hashes, and a client that saves
//! summaries of known plates between others would find the hashes of the others by it. Therefore all sessions of a
//! millisecond are read, and put in the order of their aliases. A list that stops before its page is full goes on after
//! a whole millisecond.

use access::Lots;
use ledger::{Order, SessionFilter};
use parking::Timestamp;
use uuid::Uuid;

use super::{Page, ScopedService, SessionList};
use crate::{Error, MAX_PAGE, SeenSession};

/// The most sessions that may begin within one millisecond. Gates often report whole minutes.
const MOMENT_SESSIONS_MAX: usize = 20_000;
/// The bits of an id behind its time.
const HASH_BITS: u32 = 80;

impl ScopedService {
    /// One page of the sessions of these lots.
    pub(super) async fn sessions_by_alias(
        &self,
        lots: &Lots,
        filter: &SessionFilter,
        page: Page,
    ) -> Result<SessionList, Error> {
        let (mut filter, order) = (filter.clone(), page.order);
        let limit = page.limit.min(MAX_PAGE + 1);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut list = SessionList { rows: Vec::new(), sequence: u64::MAX, resume_after: None };
        if let Some(after) = page.after {
            let moment = moment(after);
            self.add_moment(&mut list, lots, &filter, moment).await?;
            list.rows.retain(|row| match order {
                Order::NewestFirst => row.id < after,
                Order::OldestFirst => row.id > after,
            });
            match order {
                Order::NewestFirst => filter.to = Some(filter.to.map_or(moment, |to| to.min(moment))),
                Order::OldestFirst => filter.from = filter.from.max(Some(moment.plus_millis(1))),
            }
        }
        if list.rows.len() < most {
            let found = self.rows(lots, &filter, ledger::Page { limit, after: None, order }).await?;
            list.sequence = list.sequence.min(found.sequence);
            let mut rows = self.sight.sessions(found.rows);
            // The last millisecond of a full page may go on behind it, and so may that in which the search stopped.
            let stop = found.resume_after.map(|stop| moment(stop.as_uuid()));
            list.resume_after = stop.map(|stop| end_of(stop, order));
            let cut = stop.or_else(|| rows.last().filter(|_| rows.len() >= most).map(|last| moment(last.id)));
            rows.retain(|row| Some(moment(row.id)) != cut);
            list.rows.append(&mut rows);
            if let Some(cut) = cut {
                self.add_moment(&mut list, lots, &filter, cut).await?;
            }
        }
        sort(&mut list.rows, order);
        list.rows.truncate(most);
        list.resume_after = list.resume_after.filter(|_| list.rows.len() < most);
        Ok(list)
    }

    /// Adds all sessions of a millisecond.
    async fn add_moment(
        &self,
        list: &mut SessionList,
        lots: &Lots,
        filter: &SessionFilter,
        moment: Timestamp,
    ) -> Result<(), Error> {
        let end = moment.plus_millis(1);
        let from = filter.from.max(Some(moment));
        let filter = SessionFilter { from, to: Some(filter.to.map_or(end, |to| to.min(end))), ..filter.clone() };
        let (mut after, before) = (None, list.rows.len());
        loop {
            let page = ledger::Page { limit: MAX_PAGE, after, order: Order::OldestFirst };
            let found = self.rows(lots, &filter, page).await?;
            list.sequence = list.sequence.min(found.sequence);
            let is_full = u32::try_from(found.rows.len()).is_ok_and(|count| count >= MAX_PAGE);
            let is_last = !is_full && found.resume_after.is_none();
            after = found.resume_after.or_else(|| found.rows.last().map(|row| row.session.id));
            list.rows.extend(self.sight.sessions(found.rows));
            if is_last {
                return Ok(());
            }
            if list.rows.len() - before > MOMENT_SESSIONS_MAX {
                return Err(Error::Refused(format!(
                    "more than {MOMENT_SESSIONS_MAX} sessions begin at {moment}, too many to list them with masked plates; \
                     ask for one lot, or for some states"
                )));
            }
        }
    }
}

/// The time that an id and its alias begin with.
fn moment(id: Uuid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.as_u128() >> HASH_BITS).unwrap_or(i64::MAX))
}

/// The position behind all sessions of a millisecond.
fn end_of(moment: Timestamp, order: Order) -> Uuid {
    let first = u128::try_from(moment.as_millis()).unwrap_or(0) << HASH_BITS;
    match order {
        Order::NewestFirst => Uuid::from_u128(first),
        Order::OldestFirst => Uuid::from_u128(first | ((1 << HASH_BITS) - 1)),
    }
}

fn sort(rows: &mut [SeenSession], order: Order) {
    rows.sort_unstable_by_key(|row| row.id);
    if order == Order::NewestFirst {
        rows.reverse();
    }
}
