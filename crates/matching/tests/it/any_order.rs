//! Any order, duplication and batch size, with restarts in between, result in the canonical sessions.

use std::collections::BTreeSet;

use parking::{Direction, EventKey, State};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{LIMITS, Ledger, event};
use crate::naive;

/// Few instants and few ids, so that ties, re-reads and repeated events are common.
fn events(most: usize, span: i64) -> impl Strategy<Value = Vec<EventKey>> {
    let one = (any::<bool>(), 0..span, 1u128..4)
        .prop_map(|(out, time, id)| event(if out { Direction::Exit } else { Direction::Entry }, time * 5, id));
    prop::collection::vec(one, 1..most)
}

/// Takes the events in batches whose sizes cycle through `sizes`; before each batch, due holds and stays may end.
fn live(arrivals: &[EventKey], sizes: &[usize], ends: &[bool]) -> Ledger {
    let mut ledger = Ledger::default();
    let (mut sizes, mut ends) = (sizes.iter().cycle(), ends.iter().cycle());
    let mut rest = arrivals;
    let mut lot_time = i64::MIN;
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (batch, after) = rest.split_at(size);
        rest = after;
        ledger.take(batch, &[]);
        lot_time = batch.iter().map(|event| event.time.as_millis()).max().unwrap_or(lot_time).max(lot_time);
        if ends.next().copied().unwrap_or(false) {
            ledger.settle(lot_time);
        }
    }
    ledger.settle(lot_time);
    ledger
}

fn shuffled(events: &[EventKey], order: &[Index]) -> Vec<EventKey> {
    let mut shuffled = events.to_vec();
    for (position, index) in order.iter().enumerate().take(events.len()) {
        let other = index.index(events.len());
        shuffled.swap(position, other);
    }
    shuffled
}

fn lot_time(events: &[EventKey]) -> i64 {
    events.iter().map(|event| event.time.as_millis()).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn sessions_depend_on_the_set_of_events_alone(
        events in events(30, 60),
        order in prop::collection::vec(any::<Index>(), 30),
        repeats in prop::collection::vec(any::<Index>(), 0..10),
        sizes in prop::collection::vec(1usize..6, 1..5),
        ends in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        let mut arrivals = shuffled(&events, &order);
        for repeat in repeats {
            arrivals.push(events[repeat.index(events.len())]);
        }
        let ledger = live(&arrivals, &sizes, &ends);
        prop_assert_eq!(ledger.standing(), naive::sessions(&events, LIMITS, lot_time(&events)));
    }

    #[test]
    fn long_lives_are_cut_and_still_exact(
        events in events(300, 600),
        late in prop::collection::vec((any::<Index>(), any::<Index>()), 0..20),
        sizes in prop::collection::vec(1usize..6, 1..5),
        ends in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        let mut arrivals = events.clone();
        arrivals.sort_by_key(|event| event.time);
        for (from, to) in late {
            let event = arrivals.remove(from.index(arrivals.len()));
            arrivals.insert(to.index(arrivals.len() + 1), event);
        }
        let ledger = live(&arrivals, &sizes, &ends);
        prop_assert_eq!(ledger.standing(), naive::sessions(&events, LIMITS, lot_time(&events)));
    }

    #[test]
    fn every_event_is_in_one_session_or_a_re_read_of_one(events in events(30, 60), sizes in prop::collection::vec(1usize..6, 1..5)) {
        let ledger = live(&events, &sizes, &[false]);
        let set: BTreeSet<EventKey> = events.iter().copied().collect();
        let recorded: BTreeSet<EventKey> = ledger.events.keys().copied().collect();
        prop_assert_eq!(&recorded, &set);
        let ends: Vec<EventKey> = ledger.standing().iter().flat_map(|(entry, exit, _, _)| [*entry, *exit]).flatten().collect();
        let distinct: BTreeSet<EventKey> = ends.iter().copied().collect();
        prop_assert_eq!(distinct.len(), ends.len(), "an event is in two sessions");
        for event in set.difference(&distinct) {
            let passage_before = |end: &&EventKey| end.direction == event.direction && end.time <= event.time;
            prop_assert!(distinct.iter().any(|end| passage_before(&end)), "a re-read of nothing");
        }
    }

    #[test]
    fn each_exit_is_counted_once_as_matched_and_once_as_unmatched_at_most(
        events in events(30, 60),
        sizes in prop::collection::vec(1usize..6, 1..5),
        ends in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        let ledger = live(&events, &sizes, &ends);
        let exits = u32::try_from(events.iter().filter(|event| event.direction == Direction::Exit).collect::<BTreeSet<_>>().len()).unwrap();
        let standing = |state| u32::try_from(ledger.standing().iter().filter(|session| session.2 == state).count()).unwrap();
        prop_assert!((standing(State::Matched)..=exits).contains(&ledger.matched));
        prop_assert!((standing(State::UnmatchedExit)..=exits).contains(&ledger.unmatched));
    }

    #[test]
    fn what_the_ledger_has_changes_nothing(events in events(30, 60)) {
        let mut ledger = live(&events, &[3], &[false, true]);
        let before = ledger.snapshot.timeline.clone();
        let again: Vec<EventKey> = events.iter().copied().filter(|event| before.reaches(event.time)).collect();
        prop_assert_eq!(ledger.take(&again, &[]), vec![]);
        prop_assert_eq!(&ledger.snapshot.timeline, &before);
    }
}
