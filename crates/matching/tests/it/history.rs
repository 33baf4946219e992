//! The history check finds every kind of fault, and none in a correct history.

use matching::history::{Account, Fault, check, settled_sessions};
use matching::{Flags, Timeline, TimelineEvent};
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

/// An account with open holds and stays, as a ledger would have it.
fn account() -> Account {
    let events: Vec<TimelineEvent> =
        [entry(0), exit(50), entry(100)].map(|key| TimelineEvent { key, flags: Flags::default() }).into();
    let mut keys: Vec<EventKey> = events.iter().map(|event| event.key).collect();
    let standing = settled_sessions(&vehicle(), &mut keys, &rules(), Timestamp::from_millis(100));
    Account { timeline: Timeline::new(None, events.clone()), events, standing, void: Vec::new() }
}

fn faults_of(account: &Account) -> Vec<Fault> {
    account.faults(&vehicle(), &rules(), Timestamp::from_millis(100))
}

#[test]
fn an_account_is_compared_as_it_stands_while_something_is_awaited() {
    assert_eq!(faults_of(&account()), []);
}

#[test]
fn a_timeline_that_differs_from_the_events_is_a_fault() {
    let mut lacking = account();
    lacking.timeline = Timeline::new(None, lacking.events[..2].to_vec());
    let mut inventing = account();
    inventing.events.pop();
    inventing.standing.pop();

    assert_eq!(faults_of(&lacking), [Fault::Timeline(entry(100).id)]);
    assert_eq!(faults_of(&inventing), [Fault::Timeline(entry(100).id)]);
}

#[test]
fn a_void_session_of_no_event_and_a_stay_that_was_ended_early_are_faults() {
    let mut foreign = account();
    let (of_exit, stranger) =
        (parking::SessionId::of_event(&vehicle(), &exit(50)), parking::SessionId::of_event(&vehicle(), &entry(7)));
    foreign.void = vec![of_exit, stranger];
    let mut early = account();
    early.events[2].flags.set(Flags::ENDED);
    early.standing[1].state = State::UnmatchedEntry;
    early.standing[1].reason = Some(Reason::MaxStay);

    assert_eq!(faults_of(&foreign), [Fault::Foreign(stranger)]);
    assert_eq!(faults_of(&early), [Fault::EndedEarly(entry(100).id)]);
}
