//! Explains one event: its passage, the passages before and after it, its session, and the cause of the session's
//! state.
//!
//! [`for_each_stay`] computes the session, as everywhere; only the cause is looked up beside it. The caller supplies
//! the names of gates to [`Explanation::text`].

use parking::{Direction, EventKey, Reason, SessionId, State, Vehicle};

use crate::canonical::{Stay, for_each_stay, passages, unread_stay};
use crate::limits::Limits;
use crate::step::{Rule, TooOld};
use crate::timeline::{Flags, Timeline, TimelineEvent};

mod text;

pub use text::{Naming, first_sentence};

/// The reads of one passage, in the order of matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The first read, which represents the passage.
    pub representative: EventKey,
    /// The other reads.
    pub re_reads: Vec<EventKey>,
}

impl Passage {
    /// All its reads.
    pub fn reads(&self) -> impl Iterator<Item = &EventKey> {
        std::iter::once(&self.representative).chain(&self.re_reads)
    }
}

/// The cause of a session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing follows the entry.
    Inside,
    /// The exit directly follows the entry.
    Matched,
    /// Another entry follows the entry: the exit between them was missed.
    ReEntered,
    /// No exit followed the entry within the longest stay.
    NoExit,
    /// An exit follows the entry, but after the longest stay.
    ExitTooLate,
    /// Nothing precedes the exit.
    NothingBefore,
    /// Another exit precedes the exit, and matched this entry.
    EntryTaken(EventKey),
    /// Another exit without an entry precedes the exit.
    ExitBefore,
    /// An entry precedes the exit, but longer ago than the longest stay.
    EntryTooOld,
    /// The plate is unread.
    Unread,
    /// Another event supersedes the event.
    Superseded,
}

impl Cause {
    /// The words for all causes.
    pub const WORDS: &[&str] = &[
        "inside",
        "matched",
        "re_entered",
        "no_exit",
        "exit_too_late",
        "nothing_before",
        "entry_taken",
        "exit_before",
        "entry_too_old",
        "unread",
        "superseded",
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[match self {
            Self::Inside => 0,
            Self::Matched => 1,
            Self::ReEntered => 2,
            Self::NoExit => 3,
            Self::ExitTooLate => 4,
            Self::NothingBefore => 5,
            Self::EntryTaken(_) => 6,
            Self::ExitBefore => 7,
            Self::EntryTooOld => 8,
            Self::Unread => 9,
            Self::Superseded => 10,
        }]
    }
}

/// The explanation of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The event; a re-read unless it represents its passage.
    pub event: EventKey,
    /// The passage that it is in.
    pub passage: Passage,
    /// The passage before that one.
    pub before: Option<Passage>,
    /// The passage after it.
    pub after: Option<Passage>,
    /// The session that the passage is in.
    pub session: SessionId,
    /// The session's state.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
    /// The rule that gave it its state.
    pub rule: Rule,
    /// Its entry.
    pub entry: Option<EventKey>,
    /// Its exit.
    pub exit: Option<EventKey>,
    /// The cause of the state.
    pub cause: Cause,
}

impl Explanation {
    /// Whether another event represents the passage of this one.
    pub fn is_re_read(&self) -> bool {
        self.event != self.passage.representative
    }

    /// Whether the session has one end only, and a read of another plate may be the other one.
    pub fn misses_an_end(&self) -> bool {
        !matches!(self.cause, Cause::Matched | Cause::Unread | Cause::Superseded)
    }
}

/// Explains an event of `timeline`, which must reach its time; `None` if the timeline does not contain it.
///
/// # Errors
/// [`TooOld`] if the events before its passage were cut off: call again with a timeline that reaches that time.
pub fn explain(
    vehicle: &Vehicle,
    timeline: &Timeline,
    limits: Limits,
    event: &EventKey,
) -> Result<Option<Explanation>, TooOld> {
    let events = timeline.events();
    let passages = passages(events, limits.re_read_window_ms);
    let index = timeline.position(event);
    if index.is_some_and(|index| events[index].flags.has(Flags::SUPERSEDED)) {
        return Ok(Some(explain_superseded(vehicle, event)));
    }
    let number = index.and_then(|index| passages.iter().position(|passage| passage.contains(&index)));
    match number {
        Some(0) if timeline.complete_after().is_some() => Err(TooOld(events[passages[0][0]].key.time)),
        Some(number) => Ok(explain_passage(vehicle, events, limits, event, &passages, number)),
        None => Ok(None),
    }
}

fn explain_passage(
    vehicle: &Vehicle,
    events: &[TimelineEvent],
    limits: Limits,
    event: &EventKey,
    passages: &[Vec<usize>],
    number: usize,
) -> Option<Explanation> {
    let passage_at = |number: usize| passages.get(number).map(|indices| passage(events, indices));
    let representative = passages[number][0];
    let before = number.checked_sub(1).map(|before| passages[before][0]);
    let (mut stay, mut taken) = (None, None);
    for_each_stay(
        events,
        limits,
        |event| event.flags.has(Flags::ENDED),
        |found| {
            if found.entry == Some(representative) || found.exit == Some(representative) {
                stay = Some(found);
            }
            if before.is_some() && found.exit == before {
                taken = found.entry;
            }
        },
    );
    let key = |index: usize| events[index].key;
    let (before_key, after) = (before.map(key), passage_at(number + 1));
    let cause = cause(&stay?, before_key, after.as_ref(), taken.map(key));
    let before = number.checked_sub(1).and_then(passage_at);
    Some(Explanation { before, after, ..of_stay(vehicle, events, stay?, *event, passage_at(number)?, cause) })
}

/// Explains an event that another one supersedes: its session, if it had one, is void.
pub fn explain_superseded(vehicle: &Vehicle, event: &EventKey) -> Explanation {
    let only = |direction| (event.direction == direction).then_some(*event);
    Explanation {
        event: *event,
        passage: Passage { representative: *event, re_reads: Vec::new() },
        before: None,
        after: None,
        session: SessionId::of_event(vehicle, event),
        state: State::Void,
        reason: None,
        rule: Rule::ReadSuperseded,
        entry: only(Direction::Entry),
        exit: only(Direction::Exit),
        cause: Cause::Superseded,
    }
}

/// Explains an event with an unread plate: it is a session of its own.
pub fn explain_unread(vehicle: &Vehicle, event: &EventKey) -> Explanation {
    let passage = Passage { representative: *event, re_reads: Vec::new() };
    let events = [TimelineEvent { key: *event, flags: Flags::default() }];
    of_stay(vehicle, &events, unread_stay(0, event.direction), *event, passage, Cause::Unread)
}

fn of_stay(
    vehicle: &Vehicle,
    events: &[TimelineEvent],
    stay: Stay,
    event: EventKey,
    passage: Passage,
    cause: Cause,
) -> Explanation {
    let key = |index: usize| events[index].key;
    Explanation {
        event,
        passage,
        before: None,
        after: None,
        session: SessionId::of_event(vehicle, &key(stay.anchor())),
        state: stay.state,
        reason: stay.reason,
        rule: Rule::of(stay.state, stay.reason),
        entry: stay.entry.map(key),
        exit: stay.exit.map(key),
        cause,
    }
}

fn passage(events: &[TimelineEvent], indices: &[usize]) -> Passage {
    let re_reads = indices[1..].iter().map(|index| events[*index].key).collect();
    Passage { representative: events[indices[0]].key, re_reads }
}

fn cause(stay: &Stay, before: Option<EventKey>, after: Option<&Passage>, taken: Option<EventKey>) -> Cause {
    match (stay.entry, stay.exit) {
        (Some(_), Some(_)) => Cause::Matched,
        (Some(_), None) => match (stay.state, after.map(|after| after.representative.direction)) {
            (State::Open, _) => Cause::Inside,
            (_, None) => Cause::NoExit,
            (_, Some(Direction::Entry)) => Cause::ReEntered,
            (_, Some(Direction::Exit)) => Cause::ExitTooLate,
        },
        (None, _) => match (before.map(|before| before.direction), taken) {
            (None, _) => Cause::NothingBefore,
            (Some(Direction::Entry), _) => Cause::EntryTooOld,
            (Some(Direction::Exit), Some(entry)) => Cause::EntryTaken(entry),
            (Some(Direction::Exit), None) => Cause::ExitBefore,
        },
    }
}
