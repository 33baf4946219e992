//! The definition by examples.

use matching::Rule;
use parking::{Direction, EventKey, Reason, State};

use crate::model::{LIMITS, Ledger, Short, entry, event, exit, short, told};
use crate::naive;

fn sessions(events: &[EventKey]) -> Vec<Short> {
    let mut ledger = Ledger::default();
    ledger.take(events, &[]);
    let lot_time = events.iter().map(|event| event.time.as_millis()).max().unwrap();
    ledger.settle(lot_time);
    assert_eq!(ledger.standing(), naive::sessions(events, LIMITS, lot_time));
    short(&ledger.standing())
}

const RE_ENTERED: Option<Reason> = Some(Reason::ReEntered);
const MAX_STAY: Option<Reason> = Some(Reason::MaxStay);

#[test]
fn an_exit_finds_its_entry() {
    let mut ledger = Ledger::default();
    assert_eq!(told(&ledger.take(&[entry(0)], &[])), [(0, None, State::Open, Rule::Entered)]);
    assert_eq!(told(&ledger.take(&[exit(50)], &[])), [(0, Some(State::Open), State::Matched, Rule::Matched)]);
    assert_eq!((ledger.matched, ledger.unmatched), (1, 0));
}

#[test]
fn an_exit_before_its_entry_waits_for_it() {
    let mut ledger = Ledger::default();
    assert_eq!(told(&ledger.take(&[exit(50)], &[])), [(50, None, State::HeldExit, Rule::Held)]);
    let found = ledger.take(&[entry(0)], &[]);
    assert_eq!(
        told(&found),
        [(0, None, State::Matched, Rule::Matched), (50, Some(State::HeldExit), State::Void, Rule::Superseded)]
    );
    assert_eq!(found[1].superseded_by, Some(found[0].session));
    assert_eq!((ledger.matched, ledger.unmatched), (1, 0));
}

#[test]
fn an_entry_after_the_hold_revises_the_unmatched_exit() {
    let mut ledger = Ledger::default();
    ledger.take(&[exit(50)], &[]);
    assert_eq!(
        told(&ledger.take(&[], &[exit(50)])),
        [(50, Some(State::HeldExit), State::UnmatchedExit, Rule::HoldEnded)]
    );
    let found = ledger.take(&[entry(0)], &[]);
    assert_eq!(
        told(&found),
        [(0, None, State::Matched, Rule::Matched), (50, Some(State::UnmatchedExit), State::Void, Rule::Superseded)]
    );
    assert!(found[1].is_revision());
    assert_eq!((ledger.matched, ledger.unmatched), (1, 1));
}

#[test]
fn an_exit_that_found_its_entry_in_time_is_not_ended_by_its_hold() {
    let mut ledger = Ledger::default();
    ledger.take(&[exit(50)], &[]);
    ledger.take(&[entry(0)], &[]);
    assert_eq!(ledger.take(&[], &[exit(50)]), []);
}

#[test]
fn a_void_session_may_stand_again() {
    let mut ledger = Ledger::default();
    ledger.take(&[exit(50)], &[]);
    ledger.take(&[entry(0)], &[]);
    let parted = ledger.take(&[exit(30)], &[]);
    assert_eq!(
        told(&parted),
        [
            (0, Some(State::Matched), State::Matched, Rule::Matched),
            (50, Some(State::Void), State::HeldExit, Rule::Held)
        ]
    );
    assert_eq!(parted[1].superseded_by, None);
}

#[test]
fn a_stay_is_never_invented_across_a_missed_pair() {
    assert_eq!(
        sessions(&[entry(0), entry(50), exit(90)]),
        [(Some(0), None, State::UnmatchedEntry, RE_ENTERED), (Some(50), Some(90), State::Matched, None)]
    );
    assert_eq!(
        sessions(&[entry(0), exit(50), exit(90)]),
        [(Some(0), Some(50), State::Matched, None), (None, Some(90), State::UnmatchedExit, None)]
    );
}

#[test]
fn a_queue_before_the_gate_is_one_passage_however_long_it_is() {
    let reads: Vec<EventKey> = (0..10).map(|read| entry(read * 8)).chain([exit(150)]).collect();
    assert_eq!(sessions(&reads), [(Some(0), Some(150), State::Matched, None)]);
    assert_eq!(sessions(&[entry(0), entry(10), exit(150)]), [(Some(0), Some(150), State::Matched, None)]);
    assert_eq!(
        sessions(&[entry(0), entry(11), exit(150)]),
        [(Some(0), None, State::UnmatchedEntry, RE_ENTERED), (Some(11), Some(150), State::Matched, None)]
    );
}

#[test]
fn later_evidence_parts_a_re_read_from_its_passage() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0), entry(8)], &[]);
    assert_eq!(short(&ledger.standing()), [(Some(0), None, State::Open, None)]);
    ledger.take(&[exit(4)], &[]);
    assert_eq!(
        short(&ledger.standing()),
        [(Some(0), Some(4), State::Matched, None), (Some(8), None, State::Open, None)]
    );
}

#[test]
fn a_stay_of_exactly_the_longest_matches_and_one_longer_does_not() {
    assert_eq!(sessions(&[entry(0), exit(200)]), [(Some(0), Some(200), State::Matched, None)]);
    assert_eq!(
        sessions(&[entry(0), exit(201)]),
        [(Some(0), None, State::UnmatchedEntry, MAX_STAY), (None, Some(201), State::UnmatchedExit, None)]
    );
}

#[test]
fn a_late_exit_matches_an_entry_whose_stay_had_ended() {
    let mut ledger = Ledger::default();
    ledger.take(&[entry(0)], &[]);
    ledger.settle(500);
    assert_eq!(short(&ledger.standing()), [(Some(0), None, State::UnmatchedEntry, MAX_STAY)]);
    assert_eq!(
        told(&ledger.take(&[exit(100)], &[])),
        [(0, Some(State::UnmatchedEntry), State::Matched, Rule::Matched)]
    );
}

#[test]
fn at_one_instant_the_order_follows_the_event_before() {
    let with_id = |direction, id| event(direction, 50, id);
    // The vehicle is inside: out first, then in again.
    assert_eq!(
        sessions(&[entry(0), with_id(Direction::Entry, 1), with_id(Direction::Exit, 2)]),
        [(Some(0), Some(50), State::Matched, None), (Some(50), None, State::Open, None)]
    );
    // The vehicle is outside: in first, then out: a stay of zero length.
    assert_eq!(
        sessions(&[with_id(Direction::Exit, 1), with_id(Direction::Entry, 2)]),
        [(Some(50), Some(50), State::Matched, None)]
    );
    // Of several reads at one instant, the one with the lowest id represents the passage.
    let twice = [with_id(Direction::Entry, 7), with_id(Direction::Entry, 3)];
    let mut ledger = Ledger::default();
    ledger.take(&twice, &[]);
    assert_eq!(ledger.standing()[0].0, Some(twice[1]));
}

#[test]
fn a_reused_id_with_another_time_is_another_event() {
    assert_eq!(sessions(&[entry(0), exit(50), entry(100), exit(150)]).len(), 2);
}
