//! Lists by what depends on the time of each lot: how long a vehicle is inside, the exits of the last day, and periods of
//! whole days.
//!
//! They become times for each lot, those that the numbers of the lot are counted with: so a list has as many sessions
//! as its number says, as long as nothing is recorded in between.

use std::ops::Range;

use ledger::{LotRow, LotWindow, SessionFilter, start_of};
use parking::{Source, State, Timestamp};

use super::{ClockHours, REST_OF_DAY, calendar_of};
use crate::{Days, Error, PeriodOf, Service, within};

/// Selects the sessions of a list by the time of their lot. The default selects all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LotTimeFilter {
    /// Only sessions whose anchor event is at least this long ago, milliseconds.
    pub min_age_ms: Option<i64>,
    /// Only the vehicles that [`LotStatus::doubtful`](crate::LotStatus::doubtful) counts.
    pub is_doubtful: bool,
    /// Only the vehicles that [`LotStatus::overstays`](crate::LotStatus::overstays) counts.
    pub is_overstay: bool,
    /// Only sessions with an exit of the lot's last 24 clock hours, as the numbers of the last day count.
    pub is_of_last_day: bool,
    /// Only sessions of these days of each lot: by their anchor event, or by what statistics count.
    pub days: Option<(Days, Option<PeriodOf>)>,
}

/// The states of the sessions whose entry statistics count.
const ENTERED: [State; 3] = [State::Open, State::Matched, State::UnmatchedEntry];

impl Service {
    /// The filter, with the limits of each lot.
    pub(crate) async fn narrowed(&self, filter: SessionFilter, by: LotTimeFilter) -> Result<SessionFilter, Error> {
        if by == LotTimeFilter::default() {
            return Ok(filter);
        }
        let is_inside = by.is_doubtful || by.is_overstay;
        if is_inside && !filter.states.is_empty() && !filter.states.contains(&State::Open) {
            return Ok(SessionFilter { windows: Some(Vec::new()), ..filter });
        }
        let mut states = if is_inside { vec![State::Open] } else { filter.states.clone() };
        let counted = by.days.and_then(|(_, of)| of);
        if counted == Some(PeriodOf::Entries) {
            states = ENTERED.into_iter().filter(|state| states.is_empty() || states.contains(state)).collect();
            if states.is_empty() {
                return Ok(SessionFilter { windows: Some(Vec::new()), ..filter });
            }
        }
        let source = if by.is_of_last_day || counted.is_some() { Some(Source::Events) } else { filter.source };
        let mut rows = within(async { Ok(self.inner.ledger.lots().await?) }).await?;
        rows.retain(|row| filter.lot.as_ref().is_none_or(|lot| *lot == row.id));
        if by.is_doubtful {
            self.learn_what_is_usual(&rows).await?;
        }
        let windows = rows.iter().map(|row| self.window(row, by, &states)).collect();
        Ok(SessionFilter { states, source, windows: Some(windows), ..filter })
    }

    fn window(&self, row: &LotRow, by: LotTimeFilter, states: &[State]) -> LotWindow {
        let time = row.time.unwrap_or_default();
        let before = |end: Timestamp| Timestamp::from_millis(i64::MIN)..end;
        let known = self.inner.lots.get(&row.id);
        let mut began = match known {
            _ if !by.is_overstay => vec![before(Timestamp::from_millis(i64::MAX))],
            Some(lot) => lot.overstayed(time),
            None => Vec::new(),
        };
        let mut narrow = |limit: Range<Timestamp>| {
            for range in &mut began {
                *range = range.start.max(limit.start)..range.end.min(limit.end);
            }
            began.retain(|range| range.start < range.end);
        };
        if let Some(age) = by.min_age_ms {
            narrow(before(time.plus_millis(age.saturating_neg()).plus_millis(1)));
        }
        if by.is_doubtful {
            let usual = self.inner.usual.get(&row.id).and_then(|learned| learned.dwell_ms).unwrap_or(i64::MAX);
            narrow(before(time.plus_millis(usual.saturating_neg())));
        }
        // The anchor of an exit without an entry is the exit itself, that of a stay is an entry of any length before.
        let is_exit = |state: &State| matches!(state, State::HeldExit | State::UnmatchedExit);
        let has_entries = states.is_empty() || !states.iter().all(is_exit);
        let longest_ms = if has_entries { self.inner.rules.max_stay_of(&row.id) } else { 0 };
        let mut exits: Option<Range<Timestamp>> = None;
        if by.is_of_last_day {
            let since = start_of(ClockHours::of(row.time, known).this - REST_OF_DAY);
            exits = Some(since..Timestamp::from_millis(i64::MAX));
        }
        if let Some((days, of)) = by.days {
            let times = days.times(calendar_of(known), row.time.unwrap_or_else(|| self.now()));
            if of == Some(PeriodOf::Exits) {
                exits = Some(exits.map_or_else(|| times.clone(), |last| last.start.max(times.start)..times.end));
            } else {
                narrow(times);
            }
        }
        if let Some(exits) = &exits {
            narrow(exits.start.plus_millis(longest_ms.saturating_neg())..exits.end);
        }
        LotWindow { lot: row.id.clone(), began, exits }
    }
}
