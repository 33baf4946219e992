//! The fast path of the step: one event that is later than all others of its vehicle.
//!
//! It can only change the last session, so no sessions are compared. Other cases, such as two events at the last
//! instant, take the general path. Both paths agree wherever this one answers.

use parking::{Direction, EventKey, Reason, State, Vehicle};
use smallvec::SmallVec;

use super::{Changes, Decision, Resolved, SessionChange, change};
use crate::canonical::{Stay, for_each_stay};
use crate::limits::Limits;
use crate::timeline::{FULL_AT, Flags, Timeline, TimelineEvent};

/// The changes by a newest event.
pub(super) struct Newest<'a> {
    key: &'a EventKey,
    flags: Flags,
    /// The session of the event; `None` for a re-read.
    session: Option<Changed<'a>>,
    /// The previous session, if the new entry shows that its exit was missed.
    missed: Option<Changed<'a>>,
}

/// A session's new and previous state.
struct Changed<'a> {
    to: Resolved<'a>,
    from: Option<State>,
}

/// The changes by `key`; `None` if it needs the general path.
#[inline]
pub(super) fn step<'a>(timeline: &'a Timeline, limits: Limits, key: &'a EventKey) -> Option<Newest<'a>> {
    let events = timeline.events();
    if !timeline.reaches(key.time) || !is_plainly_later(events, key) {
        return None;
    }
    let inside = inside(events, limits)?;
    if events.last().is_some_and(|last| is_re_read(&last.key, key, limits)) {
        return Some(Newest { key, flags: Flags::default(), session: None, missed: None });
    }
    Some(match (key.direction, inside) {
        (Direction::Entry, inside) => Newest {
            key,
            flags: Flags::ANCHOR,
            session: Some(Changed::entered(key)),
            missed: inside.map(|inside| inside.missed(Reason::ReEntered)),
        },
        (Direction::Exit, Some(inside)) if key.time.millis_since(inside.entry.time) <= limits.max_stay_ms => {
            Newest { key, flags: Flags::COUNTED_MATCHED, session: Some(inside.left(key)), missed: None }
        }
        (Direction::Exit, inside) => Newest {
            key,
            flags: Flags::ANCHOR,
            session: Some(Changed::held(key)),
            missed: inside.filter(|inside| inside.state == State::Open).map(|inside| inside.missed(Reason::MaxStay)),
        },
    })
}

impl Newest<'_> {
    /// The decision if the event is the only arrival.
    #[inline]
    pub(super) fn decision(&self, vehicle: &Vehicle, timeline: &Timeline, limits: Limits) -> Decision {
        let Self { key, flags, session, missed } = self;
        let decision = |changes, no_room| Decision {
            timeline: timeline.with_newest(key, *flags, limits),
            new_events: SmallVec::from_buf([(0, *flags)]),
            no_room,
            flags: Vec::new(),
            changes,
            first_matched: u32::from(flags.has(Flags::COUNTED_MATCHED)),
            first_unmatched: 0,
        };
        match (missed, session) {
            (None, Some(session)) => decision(Changes::from_buf([session.change(vehicle)]), Vec::new()),
            (missed, Some(session)) => {
                decision(missed.iter().chain([session]).map(|session| session.change(vehicle)).collect(), Vec::new())
            }
            (_, None) => {
                let mut re_read = decision(Changes::new(), Vec::new());
                if re_read.timeline.events().len() > FULL_AT {
                    re_read.no_room.push(0);
                }
                re_read
            }
        }
    }
}

impl<'a> Changed<'a> {
    fn entered(key: &'a EventKey) -> Self {
        let to = Resolved { anchor: key, entry: Some(key), exit: None, state: State::Open, reason: None };
        Self { to, from: None }
    }

    fn held(key: &'a EventKey) -> Self {
        let to = Resolved { anchor: key, entry: None, exit: Some(key), state: State::HeldExit, reason: None };
        Self { to, from: None }
    }

    #[inline]
    fn change(&self, vehicle: &Vehicle) -> SessionChange {
        change(vehicle, &self.to, self.from)
    }
}

fn is_re_read(before: &EventKey, key: &EventKey, limits: Limits) -> bool {
    before.direction == key.direction && key.time.millis_since(before.time) <= limits.re_read_window_ms
}

/// Whether the event is later than all others, and the last of these counts and is alone at its instant. Then the event
/// is also the last one in the order of matching.
fn is_plainly_later(events: &[TimelineEvent], key: &EventKey) -> bool {
    match events {
        [] => true,
        [last] => last.key.time < key.time && !last.flags.has(Flags::SUPERSEDED),
        [.., before, last] => {
            before.key.time < last.key.time && last.key.time < key.time && !last.flags.has(Flags::SUPERSEDED)
        }
    }
}

/// An entry without a following event: only its session can still change.
struct Inside<'a> {
    entry: &'a EventKey,
    state: State,
}

impl<'a> Inside<'a> {
    fn left(&self, exit: &'a EventKey) -> Changed<'a> {
        let (entry, state) = (self.entry, State::Matched);
        let to = Resolved { anchor: entry, entry: Some(entry), exit: Some(exit), state, reason: None };
        Changed { to, from: Some(self.state) }
    }

    fn missed(&self, reason: Reason) -> Changed<'a> {
        let (entry, state) = (self.entry, State::UnmatchedEntry);
        let to = Resolved { anchor: entry, entry: Some(entry), exit: None, state, reason: Some(reason) };
        Changed { to, from: Some(self.state) }
    }
}

/// The vehicle's last entry, if it is inside; `None` if flags of other events would change.
#[expect(clippy::option_option, reason = "outside, and sessions without their flags, are different cases")]
#[inline]
fn inside(events: &[TimelineEvent], limits: Limits) -> Option<Option<Inside<'_>>> {
    let has_ended = |event: &TimelineEvent| event.flags.has(Flags::ENDED);
    let inside_of = |stay: Stay| {
        let is_inside = stay.exit.is_none();
        is_inside.then(|| Inside { entry: &events[stay.anchor()].key, state: stay.state })
    };
    match events {
        [] => Some(None),
        [event] => {
            let stay = Stay::of_one(0, event.key.direction, has_ended(event));
            is_marked(events, stay).then(|| inside_of(stay))
        }
        several => {
            let mut last = None;
            let mut are_marked = true;
            for_each_stay(several, limits, has_ended, |stay| {
                are_marked &= is_marked(events, stay);
                last = Some(stay);
            });
            are_marked.then(|| last.and_then(inside_of))
        }
    }
}

#[inline]
fn is_marked(events: &[TimelineEvent], stay: Stay) -> bool {
    let exit_has = |flag| stay.exit.is_none_or(|exit| events[exit].flags.has(flag));
    events[stay.anchor()].flags.has(Flags::ANCHOR)
        && (stay.state != State::Matched || exit_has(Flags::COUNTED_MATCHED))
        && (stay.state != State::UnmatchedExit || exit_has(Flags::COUNTED_UNMATCHED))
}

#[cfg(test)]
mod tests {
    use parking::{LotId, Plate, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::general_step;
    use super::*;

    const LIMITS: Limits = Limits { re_read_window_ms: 10, max_stay_ms: 60 };

    fn vehicle() -> Vehicle {
        Vehicle { lot: LotId::default(), plate: Plate::from_read("ABC123").unwrap() }
    }

    fn event(direction: Direction, millis: i64, id: u128) -> EventKey {
        EventKey { time: Timestamp::from_millis(millis), direction, id: Uuid::from_u128(id) }
    }

    /// Few instants and few ids, so that ties, re-reads and repeated events are common.
    fn any_event(most_time: i64) -> impl Strategy<Value = EventKey> {
        (any::<bool>(), 0..most_time, 1..4_u128)
            .prop_map(|(out, time, id)| event(if out { Direction::Exit } else { Direction::Entry }, time * 5, id))
    }

    /// Events, each with whether its hold or stay ends at once.
    fn lives(most_time: i64, most: usize) -> impl Strategy<Value = Vec<(EventKey, bool)>> {
        prop::collection::vec((any_event(most_time), any::<bool>()), 0..most)
    }

    /// The timeline after these events; holds and stays end at once where the flag is set.
    fn lived(events: &[(EventKey, bool)]) -> Timeline {
        let mut timeline = Timeline::default();
        for (key, ends) in events {
            let ended = if *ends { std::slice::from_ref(key) } else { &[] };
            if let Ok(decision) = general_step(&vehicle(), &timeline, LIMITS, &[*key], ended) {
                timeline = decision.timeline;
            }
        }
        timeline
    }

    fn agrees(timeline: &Timeline, key: EventKey) -> Result<bool, TestCaseError> {
        let Some(short) = step(timeline, LIMITS, &key) else { return Ok(false) };
        let short = short.decision(&vehicle(), timeline, LIMITS);
        prop_assert_eq!(Ok(short), general_step(&vehicle(), timeline, LIMITS, &[key], &[]));
        Ok(true)
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_general_one_on_every_life(
            mut events in prop_oneof![3 => lives(3, 12), 1 => lives(40, 50)],
            in_order in any::<bool>(),
            arrival in any_event(60),
            later in prop_oneof![3 => 1..12_i64, 1 => 1..100_i64],
        ) {
            if in_order {
                events.sort_by_key(|(key, _)| *key);
            }
            let timeline = lived(&events);
            agrees(&timeline, arrival)?;
            let newest = timeline.events().last().map_or(arrival.time, |last| last.key.time);
            agrees(&timeline, EventKey { time: newest.plus_millis(later), ..arrival })?;
        }

        #[test]
        fn the_short_way_agrees_with_the_general_one_whatever_the_flags_say(
            events in prop::collection::vec((any_event(6), 0..32_u8), 0..6),
            cut_ms in prop::option::of(0..30_i64),
            arrival in any_event(8),
        ) {
            let flagged = |(key, bits): &(EventKey, u8)| TimelineEvent { key: *key, flags: Flags::from_bits(*bits) };
            let mut events: Vec<_> = events.iter().map(flagged).collect();
            events.sort_by_key(|event| event.key);
            events.dedup_by_key(|event| event.key);
            agrees(&Timeline::new(cut_ms.map(Timestamp::from_millis), events), arrival)?;
        }

        #[test]
        fn the_newest_event_of_a_life_in_order_goes_the_short_way(
            gaps in prop::collection::vec((any::<bool>(), 1..100_i64), 1..50),
        ) {
            let (mut timeline, mut now) = (Timeline::default(), 0);
            for (out, gap) in gaps {
                now += gap;
                let key = event(if out { Direction::Exit } else { Direction::Entry }, now, 1);
                prop_assert!(agrees(&timeline, key)?);
                timeline = lived_on(&timeline, key);
            }
        }
    }

    fn lived_on(timeline: &Timeline, key: EventKey) -> Timeline {
        general_step(&vehicle(), timeline, LIMITS, &[key], &[]).unwrap().timeline
    }
}
