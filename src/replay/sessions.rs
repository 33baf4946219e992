//! Puts the sessions of settled events into the order of their ids, in little memory, and counts them.
//!
//! Ids grow with time, so the sessions are taken one span of time after the other: each span is collected in one pass
//! over all events, sorted and written. Deciding what the sessions are is done before.

use parking::{Direction, Reason, SessionId, State, Timestamp};

use super::events::{Event, SettledEvents};
use crate::session_file::Row;

/// About so many sessions are sorted at once.
const SPAN_SESSIONS: usize = 500_000;
/// One session in so many is looked at to find spans with about equal numbers of them.
const SAMPLE: usize = 512;

/// How many sessions of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) matched: u64,
    pub(super) open: u64,
    pub(super) unmatched_exits: u64,
    pub(super) re_entered: u64,
    pub(super) max_stay: u64,
    /// Of plates that say that nothing was read.
    pub(super) unread: u64,
    /// Events that are a re-read of a session's entry or exit.
    pub(super) re_reads: u64,
}

impl Tally {
    fn count(&mut self, event: &Event) {
        let count = match event.outcome() {
            None => &mut self.re_reads,
            Some(_) if event.is_matched_exit() => return,
            Some((_, Some(Reason::Unread))) => &mut self.unread,
            Some((_, Some(Reason::ReEntered))) => &mut self.re_entered,
            Some((_, Some(Reason::MaxStay))) => &mut self.max_stay,
            Some((State::Matched, None)) => &mut self.matched,
            Some((State::Open, None)) => &mut self.open,
            Some((State::UnmatchedExit | State::HeldExit | State::UnmatchedEntry | State::Void, None)) => {
                &mut self.unmatched_exits
            }
        };
        *count += 1;
    }
}

/// A session, by the places of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    id: SessionId,
    giving: usize,
    /// Of a matched session.
    exit: Option<usize>,
}

impl SettledEvents {
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.events.iter().for_each(|event| tally.count(event));
        tally
    }

    /// Visits every session, in the order of the ids.
    pub(super) fn for_each_session<E>(&self, visit: impl FnMut(&Row<'_>) -> Result<(), E>) -> Result<(), E> {
        self.for_each_session_in_spans_of(SPAN_SESSIONS, visit)
    }

    fn for_each_session_in_spans_of<E>(
        &self,
        sessions: usize,
        mut visit: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut placed = Vec::new();
        let mut after = None;
        for until in self.ends_of_spans(sessions) {
            placed.clear();
            self.collect_span(after, until, &mut placed);
            placed.sort_unstable();
            for session in &placed {
                visit(&self.row(session))?;
            }
            after = until;
        }
        Ok(())
    }

    /// The last moment of each span; `None` is the end of time.
    fn ends_of_spans(&self, sessions: usize) -> Vec<Option<Timestamp>> {
        let step = SAMPLE.min(sessions.max(1));
        let giving = self.events.iter().filter(|event| event.outcome().is_some() && !event.is_matched_exit());
        let mut sample: Vec<Timestamp> = giving.step_by(step).map(Event::time).collect();
        sample.sort_unstable();
        let mut ends: Vec<Option<Timestamp>> =
            sample.chunks(sessions / step).map(|span| span.last().copied()).collect();
        ends.dedup();
        ends.pop();
        ends.push(None);
        ends
    }

    /// Collects the sessions given later than `after` and until `until`.
    fn collect_span(&self, after: Option<Timestamp>, until: Option<Timestamp>, placed: &mut Vec<Placed>) {
        let mut start = 0;
        for events in self.events.chunk_by(|one, next| one.vehicle() == next.vehicle()) {
            // Matched entries and matched exits of a vehicle come in the same order, so they pair one by one.
            let mut exits = (start..).zip(events).filter(|(_, event)| event.is_matched_exit()).map(|(place, _)| place);
            let mut vehicle = None;
            for (giving, event) in (start..).zip(events) {
                let Some((state, _)) = event.outcome() else { continue };
                let is_matched = state == State::Matched;
                if is_matched && event.direction() == Direction::Exit {
                    continue;
                }
                let exit = if is_matched { exits.next() } else { None };
                let time = event.time();
                if after.is_none_or(|after| time > after) && until.is_none_or(|until| time <= until) {
                    let vehicle = vehicle.get_or_insert_with(|| self.vehicles.vehicle(event.vehicle()));
                    placed.push(Placed { id: SessionId::of_event(vehicle, &event.key()), giving, exit });
                }
            }
            start += events.len();
        }
    }

    fn row(&self, session: &Placed) -> Row<'_> {
        let giving = &self.events[session.giving];
        let (lot, plate) = self.vehicles.name(giving.vehicle());
        let (state, reason) = giving.outcome().expect("only events that give a session are collected");
        let (entry, exit) = match giving.direction() {
            Direction::Entry => (Some(giving), session.exit.map(|exit| &self.events[exit])),
            Direction::Exit => (None, Some(giving)),
        };
        Row {
            id: session.id,
            lot: self.vehicles.lots()[lot].id.as_str(),
            plate,
            entry_event_id: entry.map(Event::id),
            entry_time: entry.map(Event::time),
            exit_event_id: exit.map(Event::id),
            exit_time: exit.map(Event::time),
            state,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
