//! An explanation agrees with the definition about each event, and its cause is true.

use std::collections::BTreeSet;

use matching::explanation::{Naming, first_sentence};
use matching::{Cause, Explanation, Flags, Rule, Timeline, TimelineEvent, TooOld, explain, explain_unread};
use parking::{Direction, EventKey, GateId, Reason, Rules, SessionId, State};
use proptest::prelude::*;

use crate::model::{LIMITS, entry, event, exit, vehicle};
use crate::naive::{self, Naive};

/// The timeline of some events when every hold and stay has ended.
fn settled(events: &[EventKey]) -> Timeline {
    let set: BTreeSet<EventKey> = events.iter().copied().collect();
    let newest = set.iter().map(|key| key.time.as_millis()).max().unwrap_or(0);
    let flags = |key: &EventKey| {
        let is_old = newest - key.time.as_millis() > LIMITS.max_stay_ms;
        if key.direction == Direction::Exit || is_old { Flags::ENDED } else { Flags::default() }
    };
    Timeline::new(None, set.iter().map(|key| TimelineEvent { key: *key, flags: flags(key) }).collect())
}

fn explained(timeline: &Timeline, event: &EventKey) -> Explanation {
    explain(&vehicle(), timeline, LIMITS, event).unwrap().expect("the timeline has the event")
}

/// Whether the cause is true of the neighbouring passages.
fn holds(explanation: &Explanation) -> bool {
    let Explanation { passage, before, after, entry, exit, cause, .. } = explanation;
    let apart = |one: &EventKey, other: &EventKey| other.time.millis_since(one.time);
    let neighbour = |passage: &Option<matching::Passage>, direction| {
        passage.as_ref().map(|passage| passage.representative).filter(|key| key.direction == direction)
    };
    match cause {
        Cause::Matched => {
            entry.zip(*exit).is_some_and(|(entry, exit)| (0..=LIMITS.max_stay_ms).contains(&apart(&entry, &exit)))
        }
        Cause::Inside | Cause::NoExit => after.is_none() && entry.is_some() && exit.is_none(),
        Cause::ReEntered => neighbour(after, Direction::Entry).is_some(),
        Cause::ExitTooLate => neighbour(after, Direction::Exit)
            .is_some_and(|exit| apart(&passage.representative, &exit) > LIMITS.max_stay_ms),
        Cause::NothingBefore => before.is_none() && exit.is_some(),
        Cause::EntryTaken(taken) => neighbour(before, Direction::Exit).is_some_and(|exit| apart(taken, &exit) >= 0),
        Cause::ExitBefore => neighbour(before, Direction::Exit).is_some(),
        Cause::EntryTooOld => neighbour(before, Direction::Entry)
            .is_some_and(|entry| apart(&entry, &passage.representative) > LIMITS.max_stay_ms),
        Cause::Unread | Cause::Superseded => false,
    }
}

fn events() -> impl Strategy<Value = Vec<EventKey>> {
    let one = (any::<bool>(), 0..80_i64, 1u128..4)
        .prop_map(|(out, time, id)| event(if out { Direction::Exit } else { Direction::Entry }, time * 7, id));
    prop::collection::vec(one, 1..30)
}

proptest! {
    #[test]
    fn each_event_is_explained_by_the_session_that_has_it(events in events()) {
        let timeline = settled(&events);
        let newest = timeline.events().last().unwrap().key.time.as_millis();
        let sessions = naive::sessions(&events, LIMITS, newest);
        let mut explained_ends = BTreeSet::new();
        for TimelineEvent { key, .. } in timeline.events() {
            let told = explained(&timeline, key);
            let session: Naive = (told.entry, told.exit, told.state, told.reason);
            prop_assert!(sessions.contains(&session), "{told:?} is not among {sessions:?}");
            prop_assert!(told.entry == Some(told.passage.representative) || told.exit == Some(told.passage.representative));
            prop_assert!(told.passage.reads().any(|read| read == key));
            prop_assert_eq!(told.session, SessionId::of_event(&vehicle(), &told.entry.or(told.exit).unwrap()));
            prop_assert!(holds(&told), "{told:?}");
            if !told.is_re_read() {
                explained_ends.insert(*key);
            }
        }
        let ends: BTreeSet<EventKey> = sessions.iter().flat_map(|(entry, exit, _, _)| [*entry, *exit]).flatten().collect();
        prop_assert_eq!(explained_ends, ends, "the representative of a passage is not a re-read, and the others are");
    }

    #[test]
    fn a_timeline_that_reaches_the_event_explains_it_as_the_whole_one_does(events in events()) {
        let whole = settled(&events);
        for TimelineEvent { key, .. } in whole.events() {
            let reaching = |time| {
                let mut cut = whole.clone();
                cut.cut_before(time, LIMITS);
                cut
            };
            let told = match explain(&vehicle(), &reaching(key.time), LIMITS, key) {
                Err(TooOld(time)) => explained(&reaching(time), key),
                told => told.unwrap().unwrap(),
            };
            prop_assert_eq!(told, explained(&whole, key));
        }
    }
}

fn causes(timeline: &Timeline) -> Vec<Cause> {
    timeline.events().iter().map(|event| explained(timeline, &event.key).cause).collect()
}

#[test]
fn every_cause_is_told() {
    let events = [exit(0), exit(50), entry(100), exit(150), exit(170), entry(200), entry(220), exit(500), entry(600)];
    assert_eq!(
        causes(&settled(&events)),
        [
            Cause::NothingBefore,
            Cause::ExitBefore,
            Cause::Matched,
            Cause::Matched,
            Cause::EntryTaken(entry(100)),
            Cause::ReEntered,
            Cause::ExitTooLate,
            Cause::EntryTooOld,
            Cause::Inside,
        ]
    );
    let ended = Timeline::new(None, vec![TimelineEvent { key: entry(0), flags: Flags::ENDED }]);
    assert_eq!(causes(&ended), [Cause::NoExit]);
    let unread = explain_unread(&vehicle(), &exit(0));
    assert_eq!((unread.state, unread.reason, unread.rule), (State::UnmatchedExit, Some(Reason::Unread), Rule::Unread));
}

fn told(timeline: &Timeline, event: &EventKey) -> String {
    let rules = Rules { re_read_window_ms: 10, max_stay_ms: 200, ..Rules::default() };
    let gate = |key: &EventKey| (key.time.as_millis() != 0).then(|| GateId::parse("P3-1").unwrap());
    explained(timeline, event).text(&vehicle().lot, &rules, Naming::in_full(&gate))
}

#[test]
fn the_text_names_reads_times_gates_and_what_would_change_it() {
    let timeline = settled(&[entry(0), entry(8), exit(50), exit(170)]);
    assert_eq!(
        told(&timeline, &exit(170)),
        "The exit of 1970-01-01T00:00:00.170Z at P3-1 (event 00000000-0000-0000-0000-000000000001) follows the exit of \
         1970-01-01T00:00:00.050Z at P3-1 (event 00000000-0000-0000-0000-000000000001), which took the entry of \
         1970-01-01T00:00:00.000Z (event 00000000-0000-0000-0000-000000000001): between the two exits no entry is \
         known. Its hold of 30s has ended; an entry between the two exits that still arrives matches it."
    );
    let re_read = told(&timeline, &entry(8));
    assert!(re_read.starts_with("The entry of 1970-01-01T00:00:00.008Z at P3-1 (event "), "{re_read}");
    assert!(re_read.contains(" is a re-read: it is of one passage with the entry of 1970-01-01T00:00:00.000Z (event "));
    assert!(re_read.contains("0.05s later and within the longest stay here, 0.2s: the two are one stay."), "{re_read}");
}

#[test]
fn an_exit_that_is_held_says_so() {
    let held = Timeline::new(None, vec![TimelineEvent { key: exit(50), flags: Flags::default() }]);
    let text = told(&held, &exit(50));
    assert!(text.starts_with("Nothing is known of the vehicle before the exit of 1970-01-01T00:00:00.050Z"), "{text}");
    assert!(text.ends_with("It is held for 30s from when it was recorded; an entry from 1969-12-31T23:59:59.850Z on matches it, then or later."), "{text}");
}

#[test]
fn what_is_still_awaited_between_two_reads_has_to_be_within_the_longest_stay() {
    let far = settled(&[exit(50), exit(251), entry(300), entry(501)]);
    let near = settled(&[exit(50), exit(250), entry(300), entry(500)]);
    let ends = |timeline, event, end: &str| {
        let text = told(timeline, &event);
        assert!(text.ends_with(end), "{text}");
    };

    ends(&far, exit(251), "; an entry from 1970-01-01T00:00:00.051Z on that still arrives matches it.");
    ends(&far, entry(300), ". An exit up to 1970-01-01T00:00:00.500Z that still arrives matches it.");
    ends(&near, exit(250), "; an entry between the two exits that still arrives matches it.");
    ends(&near, entry(300), ". An exit between the two that still arrives matches it.");
}

#[test]
fn a_text_may_name_moments_as_people_do_and_leave_ids_away() {
    let events = [entry(0), entry(600_000)];
    let timeline = settled(&events);
    let naming =
        Naming { gate: &|_| None, time: &|time| format!("second {}", time.as_millis() / 1_000), has_ids: false };

    let text = explained(&timeline, &events[0]).text(&vehicle().lot, &Rules::default(), naming);

    let (first, rest) = first_sentence(&text);
    assert_eq!(
        first,
        "The entry of second 0 is followed by the entry of second 600: the exit between them was missed, and no stay is \
         made up."
    );
    assert_eq!(rest, "An exit between the two that still arrives matches it.");
    assert_eq!(first_sentence(rest), (rest, ""));
}

#[test]
fn a_gate_whose_name_ends_with_a_dot_ends_no_sentence() {
    let event = entry(0);
    let gate = |_: &EventKey| GateId::parse("in.").ok();
    let naming = Naming { gate: &gate, time: &|time| time.to_string(), has_ids: false };

    let text = explained(&settled(&[event]), &event).text(&vehicle().lot, &Rules::default(), naming);

    let (first, rest) = first_sentence(&text);
    assert_eq!(
        first,
        "The entry of 1970-01-01T00:00:00.000Z at in. is the newest read of the vehicle, which so counts as inside."
    );
    assert!(rest.starts_with("An exit up to "), "{rest}");
}
