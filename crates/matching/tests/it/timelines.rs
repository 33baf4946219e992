//! Timelines are cut where nothing can change what lies before, and their digests tell them apart.

use matching::cut::TRIM_ABOVE;
use matching::{Flags, Timeline, TimelineEvent};
use parking::{EventKey, Timestamp};

use crate::model::{LIMITS, Ledger, entry, exit};

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

#[test]
fn the_digest_tells_timelines_apart() {
    let timeline = |flags| Timeline::new(None, vec![TimelineEvent { key: entry(0), flags }]);
    assert_eq!(timeline(Flags::GAVE).digest(), timeline(Flags::GAVE).digest());
    assert_ne!(timeline(Flags::GAVE).digest(), timeline(Flags::ENDED).digest());
    assert_ne!(Timeline::default().digest(), timeline(Flags::default()).digest());
}
