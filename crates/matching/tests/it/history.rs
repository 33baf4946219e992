//! The history check finds every kind of fault, and none where there is none.

use matching::history::{Fault, check, settled_sessions};
use parking::{EventKey, LotId, Plate, Reason, Rules, Session, State, Timestamp, Vehicle};

use crate::model::{entry, exit, vehicle};

fn rules() -> Rules {
    Rules { re_read_window_ms: 10, max_stay_ms: 200, ..Rules::default() }
}

fn history() -> (Vec<EventKey>, Vec<Session>) {
    let mut events = vec![exit(50), entry(0), entry(100), entry(0), entry(180), exit(1000)];
    let sessions = settled_sessions(&vehicle(), &mut events, &rules(), Timestamp::from_millis(1000));
    (events, sessions)
}

fn faults(sessions: &[Session]) -> Vec<Fault> {
    check(&vehicle(), &mut history().0, sessions, &rules(), Timestamp::from_millis(1000))
}

#[test]
fn a_right_history_has_no_fault() {
    let (events, sessions) = history();
    assert_eq!(events.len(), 5, "a repeated event counts once");
    let states: Vec<State> = sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [State::Matched, State::UnmatchedEntry, State::UnmatchedEntry, State::UnmatchedExit]);
    assert_eq!(faults(&sessions), []);
}

#[test]
fn a_held_exit_counts_as_unmatched() {
    let (_, mut sessions) = history();
    sessions[3].state = State::HeldExit;
    assert_eq!(faults(&sessions), []);
}

#[test]
fn every_kind_of_fault_is_found() {
    let (_, sessions) = history();
    let mut wrong = sessions.clone();
    let lost = wrong.remove(1);
    wrong[0].exit_time = Some(Timestamp::from_millis(51));
    let stranger = Session { id: parking::SessionId::of_event(&vehicle(), &entry(7)), ..sessions[0].clone() };
    wrong.push(stranger.clone());
    assert_eq!(
        faults(&wrong),
        [Fault::Different(sessions[0].id), Fault::Unexpected(stranger.id), Fault::Missing(lost.id)]
    );
}

#[test]
fn a_lot_may_have_a_re_read_window_and_a_longest_stay_of_its_own() {
    let lot = LotId::parse("P3").unwrap();
    let own = Vehicle { lot: lot.clone(), ..vehicle() };
    let rules = Rules {
        re_read_window_of_lot_ms: [(lot.clone(), 60)].into(),
        max_stay_of_lot_ms: [(lot, 300)].into(),
        ..rules()
    };
    let states = |vehicle: &Vehicle| -> Vec<State> {
        let mut events = vec![entry(0), entry(50), exit(290)];
        let sessions = settled_sessions(vehicle, &mut events, &rules, Timestamp::from_millis(290));
        sessions.iter().map(|session| session.state).collect()
    };
    assert_eq!(states(&own), [State::Matched]);
    assert_eq!(states(&vehicle()), [State::UnmatchedEntry, State::UnmatchedEntry, State::UnmatchedExit]);
}

#[test]
fn plates_that_say_nothing_are_never_paired() {
    let unread = Vehicle { lot: LotId::default(), plate: Plate::from_read("NO PLATE").unwrap() };
    let sessions =
        settled_sessions(&unread, &mut vec![exit(50), entry(0), exit(55)], &rules(), Timestamp::from_millis(1000));
    let told: Vec<(State, Option<Reason>)> = sessions.iter().map(|session| (session.state, session.reason)).collect();
    let unread = Some(Reason::Unread);
    assert_eq!(told, [(State::UnmatchedEntry, unread), (State::UnmatchedExit, unread), (State::UnmatchedExit, unread)]);
}
