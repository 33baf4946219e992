//! A read that another one supersedes counts as not having happened, in whatever order the two arrive.

use std::collections::BTreeSet;

use matching::explanation::Cause;
use matching::{Flags, Rule, explain};
use parking::{Direction, EventKey, State};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{LIMITS, Ledger, entry, event, exit, short, told, vehicle};
use crate::naive;

/// What happens to a vehicle, as the ledger's owner sees it.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Arrives(EventKey),
    /// An event that supersedes this one is recorded.
    IsSuperseded(EventKey),
}

/// Few instants and few ids, so that ties, re-reads and repeated events are common.
fn events(most: usize, span: i64) -> impl Strategy<Value = Vec<EventKey>> {
    let one = (any::<bool>(), 0..span, 1u128..4)
        .prop_map(|(out, time, id)| event(if out { Direction::Exit } else { Direction::Entry }, time * 5, id));
    prop::collection::vec(one, 1..most)
}

fn without(events: &[EventKey], superseded: &BTreeSet<EventKey>) -> Vec<EventKey> {
    events.iter().filter(|event| !superseded.contains(event)).copied().collect()
}

/// An event whose superseding one was recorded before is marked as soon as it is recorded itself.
fn live(happenings: &[Happening], ends: &[bool]) -> Ledger {
    let (mut ledger, mut named, mut lot_time) = (Ledger::default(), BTreeSet::new(), i64::MIN);
    for (happening, ends) in happenings.iter().zip(ends.iter().cycle()) {
        let key = match happening {
            Happening::Arrives(key) => {
                ledger.take(&[*key], &[]);
                lot_time = lot_time.max(key.time.as_millis());
                key
            }
            Happening::IsSuperseded(key) => {
                named.insert(*key);
                key
            }
        };
        if named.contains(key) && ledger.events.contains_key(key) {
            ledger.supersede(&[*key]);
        }
        if *ends {
            ledger.settle(lot_time);
        }
    }
    ledger.settle(lot_time);
    ledger
}

fn lot_time(events: &[EventKey]) -> i64 {
    events.iter().map(|event| event.time.as_millis()).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn superseded_events_count_as_not_having_happened_in_any_order(
        events in prop_oneof![events(30, 60), events(200, 600)],
        superseded in prop::collection::vec(any::<Index>(), 0..12),
        order in prop::collection::vec(any::<Index>(), 60),
        ends in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        let superseded: BTreeSet<EventKey> = superseded.iter().map(|index| events[index.index(events.len())]).collect();
        let arrive = events.iter().copied().map(Happening::Arrives);
        let mut happenings: Vec<Happening> =
            arrive.chain(superseded.iter().copied().map(Happening::IsSuperseded)).collect();
        for (position, index) in order.iter().enumerate().take(happenings.len()) {
            let other = index.index(happenings.len());
            happenings.swap(position, other);
        }

        let ledger = live(&happenings, &ends);

        let counting = without(&events, &superseded);
        prop_assert_eq!(ledger.standing(), naive::sessions(&counting, LIMITS, lot_time(&events)));
        let marked: BTreeSet<EventKey> =
            ledger.events.iter().filter(|(_, flags)| flags.has(Flags::SUPERSEDED)).map(|(key, _)| *key).collect();
        prop_assert_eq!(marked, superseded);
    }

    #[test]
    fn superseding_an_event_again_changes_nothing(events in events(30, 60), index in any::<Index>()) {
        let mut ledger = Ledger::default();
        ledger.take(&events, &[]);
        let superseded = events[index.index(events.len())];
        ledger.supersede(&[superseded]);
        let before = (ledger.events.clone(), ledger.standing());

        prop_assert_eq!(ledger.supersede(&[superseded]), vec![]);
        prop_assert_eq!((ledger.events.clone(), ledger.standing()), before);
    }
}

#[test]
fn the_session_of_a_superseded_entry_is_void() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0)], &[]);

    let changes = ledger.supersede(&[entry(0)]);

    assert_eq!(told(&changes), [(0, Some(State::Open), State::Void, Rule::ReadSuperseded)]);
    assert_eq!(changes[0].superseded_by, None);
    assert_eq!(ledger.standing(), []);
}

#[test]
fn a_stay_whose_exit_is_superseded_is_open_again_and_finds_the_next_exit() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), exit(50)], &[]);

    let opened = ledger.supersede(&[exit(50)]);
    let matched = ledger.take(&[exit(90)], &[]);

    assert_eq!(told(&opened), [(0, Some(State::Matched), State::Open, Rule::ReadSuperseded)]);
    assert_eq!(told(&matched), [(0, Some(State::Open), State::Matched, Rule::Matched)]);
    assert_eq!(ledger.matched, 2);
}

#[test]
fn an_exit_whose_entry_is_superseded_is_held() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), exit(50)], &[]);

    let changes = ledger.supersede(&[entry(0)]);

    let void = (0, Some(State::Matched), State::Void, Rule::ReadSuperseded);
    assert_eq!(told(&changes), [void, (50, None, State::HeldExit, Rule::Held)]);
}

#[test]
fn the_next_read_of_a_passage_represents_it_when_the_first_is_superseded() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), entry(5), exit(50)], &[]);

    ledger.supersede(&[entry(0)]);

    assert_eq!(short(&ledger.standing()), [(Some(5), Some(50), State::Matched, None)]);
}

#[test]
fn a_superseded_re_read_changes_no_session_but_no_longer_joins_two_reads() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), entry(8), entry(16)], &[]);
    assert_eq!(short(&ledger.standing()), [(Some(0), None, State::Open, None)]);

    ledger.supersede(&[entry(8)]);

    let left = (Some(0), None, State::UnmatchedEntry, Some(parking::Reason::ReEntered));
    assert_eq!(short(&ledger.standing()), [left, (Some(16), None, State::Open, None)]);
}

#[test]
fn a_superseded_event_is_explained_as_such() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), exit(50)], &[]);
    ledger.supersede(&[entry(0)]);

    let explained = explain(&vehicle(), &ledger.snapshot.timeline, LIMITS, &entry(0)).unwrap().unwrap();

    assert_eq!((explained.cause, explained.state, explained.is_re_read()), (Cause::Superseded, State::Void, false));
    assert_eq!(explained.session, parking::SessionId::of_event(&vehicle(), &entry(0)));
}
