//! Timelines are cut only where nothing can change the earlier sessions, and their digests distinguish them.

use matching::cut::TRIM_ABOVE;
use matching::timeline::{FULL_AT, MAX_EVENTS};
use matching::{Flags, Timeline, TimelineEvent};
use parking::{Direction, EventKey, Timestamp};

use crate::model::{LIMITS, Ledger, entry, event, exit, vehicle};

fn visits(count: i64) -> Vec<EventKey> {
    (0..count).flat_map(|visit| [entry(visit * 1000), exit(visit * 1000 + 100)]).collect()
}

#[test]
fn a_long_life_stays_a_short_timeline() {
    let mut ledger = Ledger::default();
    for event in visits(500) {
        ledger.take(&[event], &[]);
        assert!(ledger.snapshot.timeline.events().len() <= TRIM_ABOVE);
    }
    assert_eq!((ledger.matched, ledger.reloads), (500, 0));
}

#[test]
fn a_late_event_is_decided_on_what_the_ledger_has() {
    let mut ledger = Ledger::default();
    let (late, others): (Vec<EventKey>, Vec<EventKey>) =
        visits(100).into_iter().partition(|event| event.time.as_millis() == 3100);
    for event in others {
        ledger.take(&[event], &[]);
    }
    ledger.take(&late, &[]);
    assert_eq!((ledger.matched, ledger.reloads), (100, 1));
}

#[test]
fn a_timeline_reaches_what_lies_after_its_cut() {
    let events = visits(3).into_iter().map(|key| TimelineEvent { key, flags: Flags::default() }).collect();
    let mut timeline = Timeline::new(None, events);
    timeline.cut_before(Timestamp::from_millis(1050), LIMITS);
    assert_eq!(timeline.complete_after(), Some(Timestamp::from_millis(1000)));
    assert_eq!(timeline.events().len(), 4);
    assert!(!timeline.reaches(Timestamp::from_millis(1000)));
    assert!(timeline.reaches(Timestamp::from_millis(1001)));
}

#[test]
fn reads_that_can_not_be_parted_stay_together() {
    let events: Vec<TimelineEvent> =
        (0..100).map(|read| TimelineEvent { key: entry(read * 8), flags: Flags::default() }).collect();
    let mut timeline = Timeline::new(None, events.clone());
    timeline.trim(LIMITS);
    assert_eq!(timeline, Timeline::new(None, events));
}

/// A vehicle leaves and enters at each instant, as with gates that report whole minutes.
fn turns(count: i64) -> Vec<EventKey> {
    (1..=count).flat_map(|turn| [exit(turn * 20), entry(turn * 20)]).collect()
}

#[test]
fn an_instant_with_an_exit_and_an_entry_is_cut_at_the_entry() {
    for before in [vec![], vec![entry(0)]] {
        let mut ledger = Ledger::default();
        for event in before.iter().copied().chain(turns(5_200)) {
            ledger.take(&[event], &[]);
            assert!(ledger.snapshot.timeline.events().len() <= TRIM_ABOVE);
        }
        assert_eq!((ledger.matched, ledger.reloads), (5_200, 0));
    }
}

#[test]
fn an_exit_that_stood_before_an_entry_of_its_instant_is_left_out_with_what_lies_before() {
    let events = [entry(0), entry(20), exit(20), exit(40)].map(|key| TimelineEvent { key, flags: Flags::default() });
    let mut timeline = Timeline::new(None, events.to_vec());

    timeline.cut_before(Timestamp::from_millis(30), LIMITS);

    let left = [entry(20), exit(40)].map(|key| TimelineEvent { key, flags: Flags::default() });
    assert_eq!(timeline, Timeline::new(Some(Timestamp::from_millis(20)), left.to_vec()));
}

#[test]
fn a_full_timeline_takes_only_an_event_that_leads_to_a_cut() {
    let mut ledger = Ledger::default();
    // A hundred events at each millisecond, all within the longest stay.
    let reads: Vec<EventKey> = (0..FULL_AT as u128)
        .map(|read| event(Direction::Entry, 1_000 + i64::try_from(read / 100).unwrap(), read))
        .collect();
    ledger.take(&reads, &[]);
    let no_room = |ledger: &Ledger, event| ledger.snapshot.step(&vehicle(), LIMITS, &[event], &[]).unwrap().no_room;

    let refused = [entry(1_105), entry(995), exit(1_150)].map(|event| no_room(&ledger, event));
    assert_eq!(refused, [vec![0], vec![0], vec![]]);

    ledger.take(&[exit(1_150)], &[]);
    assert_eq!(ledger.snapshot.timeline.events().len(), MAX_EVENTS);
    assert_eq!(no_room(&ledger, exit(1_155)), [0]);
    ledger.take(&[entry(1_250)], &[]);
    assert_eq!(ledger.snapshot.timeline.events().len(), 1);
}

#[test]
fn the_digest_tells_timelines_apart() {
    let timeline = |flags| Timeline::new(None, vec![TimelineEvent { key: entry(0), flags }]);
    assert_eq!(timeline(Flags::ANCHOR).digest(), timeline(Flags::ANCHOR).digest());
    assert_ne!(timeline(Flags::ANCHOR).digest(), timeline(Flags::ENDED).digest());
    assert_ne!(Timeline::default().digest(), timeline(Flags::default()).digest());
}
