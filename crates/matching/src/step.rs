//! The step: what new evidence about one vehicle changes.
//!
//! [`for_each_stay`] computes the sessions before and after; the step is their difference. So a late event revises
//! whatever it must, and a repeated event changes nothing. `newest` is the fast path for the usual case: the newest
//! event of its vehicle.

use std::cmp::Ordering;

use parking::{EventKey, Reason, SessionId, State, Timestamp, Vehicle};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::canonical::{Stay, for_each_stay, representative_of, unread_stay};
use crate::limits::Limits;
use crate::timeline::{Flags, Timeline, TimelineEvent};

mod newest;
mod room;
mod superseding;

pub use self::superseding::supersede;
pub(crate) use self::superseding::void_unread;

/// Why a session has its new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// An entry with nothing after it.
    Entered,
    /// An exit that directly follows its entry.
    Matched,
    /// An exit without an entry, which may still arrive.
    Held,
    /// An exit whose entry did not arrive within the hold.
    HoldEnded,
    /// An entry followed by another entry.
    ReEntered,
    /// An entry older than the longest stay.
    MaxStay,
    /// An unread plate.
    Unread,
    /// Its events belong to another session.
    Superseded,
    /// Another event supersedes one of its events.
    ReadSuperseded,
}

impl Rule {
    /// Every rule.
    pub const ALL: &[Self] = &[
        Self::Entered,
        Self::Matched,
        Self::Held,
        Self::HoldEnded,
        Self::ReEntered,
        Self::MaxStay,
        Self::Unread,
        Self::Superseded,
        Self::ReadSuperseded,
    ];

    /// The word used in the ledger, metrics, logs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Matched => "matched",
            Self::Held => "held",
            Self::HoldEnded => "hold_ended",
            Self::ReEntered => "re_entered",
            Self::MaxStay => "max_stay",
            Self::Unread => "unread",
            Self::Superseded => "superseded",
            Self::ReadSuperseded => "read_superseded",
        }
    }

    pub(crate) fn of(state: State, reason: Option<Reason>) -> Self {
        match (state, reason) {
            (_, Some(Reason::Unread)) => Self::Unread,
            (_, Some(Reason::ReEntered)) => Self::ReEntered,
            (_, Some(Reason::MaxStay)) => Self::MaxStay,
            (State::Matched, None) => Self::Matched,
            (State::HeldExit, None) => Self::Held,
            (State::UnmatchedExit, None) => Self::HoldEnded,
            (State::Void, None) => Self::Superseded,
            (State::Open | State::UnmatchedEntry, None) => Self::Entered,
        }
    }
}

/// An end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// The event's id.
    pub id: Uuid,
    /// When the vehicle was seen.
    pub time: Timestamp,
}

impl From<EventKey> for EventRef {
    fn from(key: EventKey) -> Self {
        Self { id: key.id, time: key.time }
    }
}

/// A session's new state, and its previous one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionChange {
    /// The session.
    pub session: SessionId,
    /// Its previous state; `None` for a new session.
    pub from: Option<State>,
    /// Its new state.
    pub to: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
    /// Why it has its new state.
    pub rule: Rule,
    /// Its entry. A void session keeps its last one.
    pub entry: Option<EventRef>,
    /// Its exit. A void session keeps its last one.
    pub exit: Option<EventRef>,
    /// Of a void session: the session that has its anchor event now.
    pub superseded_by: Option<SessionId>,
}

impl SessionChange {
    /// Whether later evidence revised a decision. A held exit that finds its entry is not a revision.
    pub fn is_revision(&self) -> bool {
        match self.from {
            None | Some(State::Open | State::HeldExit) => false,
            Some(State::Matched | State::UnmatchedExit | State::UnmatchedEntry | State::Void) => true,
        }
    }
}

/// The sessions that a decision changes: almost always one.
pub type Changes = SmallVec<[SessionChange; 1]>;

/// The changes by new evidence, and the timeline after them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The timeline with the new events, trimmed.
    pub timeline: Timeline,
    /// The new events, as indices into the slice of arrivals, each once, with its flags.
    pub new_events: SmallVec<[(usize, Flags); 1]>,
    /// The new events for which the timeline has no room, as indices into the slice of arrivals. Unless it is empty,
    /// the decision must not be recorded: decide again without these events.
    pub no_room: Vec<usize>,
    /// Changed flags of earlier events.
    pub flags: Vec<(EventKey, Flags)>,
    /// The sessions that changed, in the order of their anchor events.
    pub changes: Changes,
    /// Exits in a matched session for the first time.
    pub first_matched: u32,
    /// Exits unmatched for the first time.
    pub first_unmatched: u32,
}

impl Decision {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.new_events.is_empty() && self.flags.is_empty() && self.changes.is_empty()
    }
}

/// An arrival is older than the timeline reaches: the decision needs a timeline that reaches this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld(pub Timestamp);

/// Decides what `arrivals` and the end of what was awaited change for `vehicle`.
///
/// `ended` names exits whose hold has ended and entries older than the longest stay; those that meanwhile found
/// their partner are passed over.
///
/// # Errors
/// [`TooOld`] if `timeline` does not reach an arrival: decide again on a longer timeline.
pub fn step(
    vehicle: &Vehicle,
    timeline: &Timeline,
    limits: Limits,
    arrivals: &[EventKey],
    ended: &[EventKey],
) -> Result<Decision, TooOld> {
    if let ([key], []) = (arrivals, ended)
        && let Some(newest) = newest::step(timeline, limits, key)
    {
        return Ok(newest.decision(vehicle, timeline, limits));
    }
    general_step(vehicle, timeline, limits, arrivals, ended)
}

/// The general step: the difference between the sessions before and after.
// Rare and large, so it is not inlined: the fast path, which nearly every event takes, stays small.
#[inline(never)]
fn general_step(
    vehicle: &Vehicle,
    timeline: &Timeline,
    limits: Limits,
    arrivals: &[EventKey],
    ended: &[EventKey],
) -> Result<Decision, TooOld> {
    let mut after = timeline.clone();
    let mut new_indices = Vec::new();
    for (index, key) in arrivals.iter().enumerate() {
        if timeline.position(key).is_some() {
            continue;
        }
        if !timeline.reaches(key.time) {
            let oldest = arrivals.iter().map(|key| key.time).min().unwrap_or(key.time);
            return Err(TooOld(oldest));
        }
        if after.insert(*key) {
            new_indices.push(index);
        }
    }
    let mut stays = stays_of(&after, limits);
    if end_awaited(&mut after, &stays, ended) {
        stays = stays_of(&after, limits);
    }
    let new_events =
        |after: &Timeline| new_indices.iter().map(|index| (*index, flags_of(after, &arrivals[*index]))).collect();
    let mut decision = decided(vehicle, timeline, after, limits, &stays, new_events);
    decision.no_room = room::missing(&decision.timeline, limits, arrivals, new_indices);
    Ok(decision)
}

/// The decision that takes `before` to `after`, whose sessions are `stays`.
fn decided(
    vehicle: &Vehicle,
    before: &Timeline,
    mut after: Timeline,
    limits: Limits,
    stays: &[Stay],
    new_events: impl FnOnce(&Timeline) -> SmallVec<[(usize, Flags); 1]>,
) -> Decision {
    let mut decision = Decision { changes: changes(vehicle, before, &after, limits, stays), ..Decision::default() };
    mark(&mut after, stays, &mut decision);
    decision.new_events = new_events(&after);
    decision.flags = changed_flags(before, &after);
    after.trim(limits);
    decision.timeline = after;
    decision
}

/// The session change of one event with an unread plate.
pub(crate) fn unread_change(vehicle: &Vehicle, key: EventKey) -> SessionChange {
    let stay = unread_stay(0, key.direction);
    SessionChange {
        session: SessionId::of_event(vehicle, &key),
        from: None,
        to: stay.state,
        reason: stay.reason,
        rule: Rule::Unread,
        entry: stay.entry.map(|_| key.into()),
        exit: stay.exit.map(|_| key.into()),
        superseded_by: None,
    }
}

fn stays_of(timeline: &Timeline, limits: Limits) -> Vec<Stay> {
    let mut stays = Vec::with_capacity(timeline.events().len());
    for_each_stay(timeline.events(), limits, |event| event.flags.has(Flags::ENDED), |stay| stays.push(stay));
    stays
}

/// Sets the flag of ended waits that are still open; returns whether there was one.
fn end_awaited(timeline: &mut Timeline, stays: &[Stay], ended: &[EventKey]) -> bool {
    let mut any = false;
    for key in ended {
        let Some(index) = timeline.position(key) else { continue };
        let is_awaited = |stay: &Stay| stay.anchor() == index && matches!(stay.state, State::Open | State::HeldExit);
        if stays.iter().any(is_awaited) {
            any |= timeline.flags_mut(index).set(Flags::ENDED);
        }
    }
    any
}

/// Sets the flags that follow from the sessions, and counts each exit once.
fn mark(timeline: &mut Timeline, stays: &[Stay], decision: &mut Decision) {
    for stay in stays {
        timeline.flags_mut(stay.anchor()).set(Flags::ANCHOR);
        let Some(exit) = stay.exit else { continue };
        if stay.state == State::Matched && timeline.flags_mut(exit).set(Flags::COUNTED_MATCHED) {
            decision.first_matched += 1;
        }
        if stay.state == State::UnmatchedExit && timeline.flags_mut(exit).set(Flags::COUNTED_UNMATCHED) {
            decision.first_unmatched += 1;
        }
    }
}

fn flags_of(timeline: &Timeline, key: &EventKey) -> Flags {
    timeline.position(key).map(|index| timeline.events()[index].flags).unwrap_or_default()
}

fn changed_flags(before: &Timeline, after: &Timeline) -> Vec<(EventKey, Flags)> {
    let changed = |event: &&TimelineEvent| flags_of(after, &event.key) != event.flags;
    before.events().iter().filter(changed).map(|event| (event.key, flags_of(after, &event.key))).collect()
}

/// A session with the keys of its events instead of their indices.
#[derive(Debug, Clone, Copy)]
struct Resolved<'a> {
    anchor: &'a EventKey,
    entry: Option<&'a EventKey>,
    exit: Option<&'a EventKey>,
    state: State,
    reason: Option<Reason>,
}

impl<'a> Resolved<'a> {
    fn of(events: &'a [TimelineEvent], stay: Stay) -> Self {
        let key = |index: usize| &events[index].key;
        Self {
            anchor: key(stay.anchor()),
            entry: stay.entry.map(key),
            exit: stay.exit.map(key),
            state: stay.state,
            reason: stay.reason,
        }
    }
}

fn resolve<'a>(timeline: &'a Timeline, stays: &[Stay]) -> Vec<Resolved<'a>> {
    let mut resolved: Vec<_> = stays.iter().map(|stay| Resolved::of(timeline.events(), *stay)).collect();
    resolved.sort_unstable_by_key(|session| session.anchor);
    resolved
}

fn changes(vehicle: &Vehicle, before: &Timeline, after: &Timeline, limits: Limits, stays: &[Stay]) -> Changes {
    let old = resolve(before, &stays_of(before, limits));
    let new = resolve(after, stays);
    let mut changes = Changes::new();
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.anchor.cmp(new.anchor),
        };
        let gone = if order.is_le() { olds.next() } else { None };
        let there = if order.is_ge() { news.next() } else { None };
        changes.extend(match (gone, there) {
            (Some(gone), None) => Some(void(vehicle, gone, successor(vehicle, after, limits, &new, gone.anchor))),
            (None, Some(there)) => {
                let stood_before = flags_of(before, there.anchor).has(Flags::ANCHOR);
                Some(change(vehicle, there, stood_before.then_some(State::Void)))
            }
            (Some(gone), Some(there)) => {
                let same = (gone.exit, gone.state, gone.reason) == (there.exit, there.state, there.reason);
                (!same).then(|| change(vehicle, there, Some(gone.state)))
            }
            (None, None) => None,
        });
    }
}

#[inline]
fn change(vehicle: &Vehicle, session: &Resolved<'_>, from: Option<State>) -> SessionChange {
    SessionChange {
        session: SessionId::of_event(vehicle, session.anchor),
        from,
        to: session.state,
        reason: session.reason,
        rule: Rule::of(session.state, session.reason),
        entry: session.entry.copied().map(EventRef::from),
        exit: session.exit.copied().map(EventRef::from),
        superseded_by: None,
    }
}

fn void(vehicle: &Vehicle, session: &Resolved<'_>, superseded_by: Option<SessionId>) -> SessionChange {
    SessionChange {
        to: State::Void,
        reason: None,
        rule: Rule::Superseded,
        superseded_by,
        ..change(vehicle, session, Some(session.state))
    }
}

/// The session that has the event `key` now: as its entry, as its exit or as a re-read of one of them.
fn successor(
    vehicle: &Vehicle,
    after: &Timeline,
    limits: Limits,
    sessions: &[Resolved<'_>],
    key: &EventKey,
) -> Option<SessionId> {
    let index = after.position(key)?;
    let representative = &after.events()[representative_of(after.events(), limits.re_read_window_ms, index)].key;
    let owner = sessions
        .iter()
        .find(|session| session.entry == Some(representative) || session.exit == Some(representative))?;
    Some(SessionId::of_event(vehicle, owner.anchor))
}
