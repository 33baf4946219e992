//! Unread plates are never matched: each event is a session of its own, in any order, number and batch.

use std::collections::BTreeSet;

use matching::history::settled_sessions;
use matching::{Flags, RecordedEvent, unread_unit};
use parking::{Direction, EventKey, LotId, Plate, Reason, Rules, SessionId, State, Timestamp, Vehicle};
use proptest::prelude::*;

use crate::model::event;

fn as_read() -> impl Strategy<Value = String> {
    let words = "(?i)no.?plate|none|n/a|null|nan|un(known|read|defined)|不?无车牌";
    prop_oneof![words, "[-?. _*]{0,20}", "[0 -]{1,16}"]
        .prop_filter("no such word", |text| Rules::default().is_unread(&Plate::from_read(text).unwrap()))
}

fn events() -> impl Strategy<Value = Vec<EventKey>> {
    let one = (any::<bool>(), 0..20_i64, 1..9_u128)
        .prop_map(|(out, time, id)| event(if out { Direction::Exit } else { Direction::Entry }, time * 20_000, id));
    prop::collection::vec(one, 1..40)
}

/// Session, entry, exit, state and reason.
type Told = (SessionId, Option<Timestamp>, Option<Timestamp>, State, Option<Reason>);

fn alone(vehicle: &Vehicle, key: &EventKey) -> Told {
    let (id, reason) = (SessionId::of_event(vehicle, key), Some(Reason::Unread));
    match key.direction {
        Direction::Entry => (id, Some(key.time), None, State::UnmatchedEntry, reason),
        Direction::Exit => (id, None, Some(key.time), State::UnmatchedExit, reason),
    }
}

proptest! {
    #[test]
    fn plates_that_say_nothing_are_never_paired_in_any_order(
        as_read in as_read(),
        events in events(),
        size in 1..7_usize,
    ) {
        let vehicle = Vehicle { lot: LotId::default(), plate: Plate::from_read(&as_read).unwrap() };
        let expected: BTreeSet<Told> = events.iter().map(|key| alone(&vehicle, key)).collect();

        let settled = settled_sessions(&vehicle, &mut events.clone(), &Rules::default(), Timestamp::from_millis(0));
        let settled: Vec<Told> = settled
            .into_iter()
            .map(|session| (session.id, session.entry_time, session.exit_time, session.state, session.reason))
            .collect();
        prop_assert_eq!(settled.len(), expected.len());
        prop_assert_eq!(&settled.into_iter().collect::<BTreeSet<_>>(), &expected);

        let record = |key: &EventKey| RecordedEvent {
            key: *key,
            plate_as_read: as_read.as_str().into(),
            gate: None,
            confidence: None,
            received_at: key.time,
            flags: Flags::default(),
            receipt: None,
            supersedes: None,
        };
        let units = events.chunks(size).map(|batch| unread_unit(&vehicle, batch.iter().map(record).collect()));
        let changes = units.inspect(|unit| assert!(unit.base.is_none() && unit.timeline.events().is_empty()));
        let live: BTreeSet<Told> = changes
            .flat_map(|unit| unit.changes)
            .map(|change| {
                (change.session, change.entry.map(|end| end.time), change.exit.map(|end| end.time), change.to, change.reason)
            })
            .collect();
        prop_assert_eq!(live, expected);
    }
}
