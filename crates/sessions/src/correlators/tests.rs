//! What the reports of correlators come to, by hand-made clocks.

use recorder::{BrokerCounts, CorrelatorStatus, QueueReport};

use super::*;
use crate::testing::idle_correlator;

/// `millis` after 24 September 2024, 09:00 UTC.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_727_168_400_000 + millis)
}

/// A correlator with a consumer of each queue, which sees `seen` of them.
fn consuming(id: u128, seen: u64) -> CorrelatorStatus {
    let queue = QueueReport {
        broker: Some(BrokerCounts { ready: 0, consumers: seen }),
        own_consumers: 1,
        ..QueueReport::default()
    };
    CorrelatorStatus { entry: queue, exit: queue, ..idle_correlator(id << 96) }
}

fn with_entries(status: CorrelatorStatus, in_flight: u64, until: Option<Timestamp>) -> CorrelatorStatus {
    let entry = QueueReport { in_flight, undecided: in_flight, ..status.entry };
    CorrelatorStatus { entry, entry_watermark: until, ..status }
}

fn ids(correlators: &Correlators, now: Timestamp) -> Vec<u128> {
    correlators.reports(now).correlators.iter().map(|one| one.status.correlator.as_u128()).collect()
}

fn waits(correlators: &Correlators, now: Timestamp) -> Vec<String> {
    correlators.reports(now).waits_for.iter().map(ToString::to_string).collect()
}

#[test]
fn a_silent_correlator_with_nothing_in_its_hands_is_forgotten_after_ten_seconds() {
    let correlators = Correlators::default();
    correlators.take(idle_correlator(1), at(0));
    correlators.take(idle_correlator(2), at(6_000));

    let known = [10_000, 10_001, 16_001].map(|now| ids(&correlators, at(now)));

    assert_eq!(known, [vec![1, 2], vec![2], vec![]]);
}

#[test]
fn a_correlator_that_misses_a_report_is_silent() {
    let one = ReportedCorrelator { status: idle_correlator(1), reported_at: at(0) };
    assert_eq!([1_000, 2_000, 2_001].map(|now| one.is_silent(at(now))), [false, false, true]);
}

#[test]
fn correlators_beyond_the_bound_push_out_the_most_silent() {
    let correlators = Correlators::default();
    (0..=1_000).for_each(|id| correlators.take(idle_correlator(id), at(i64::try_from(id).unwrap())));

    let known = ids(&correlators, at(1_000));

    assert_eq!((known.len(), known[0]), (MAX_CORRELATORS, 1));
}

#[test]
fn nothing_is_idle_while_a_stopped_correlator_keeps_its_consumers_at_the_broker() {
    let correlators = Correlators::default();
    correlators.take(consuming(1, 2), at(0));
    correlators.take(consuming(2, 2), at(0));
    assert!(correlators.reports(at(0)).is_idle);

    correlators.take(consuming(2, 2), at(60_000));

    assert!(!correlators.reports(at(60_000)).is_idle);
    let stranger =
        "that no reporting correlator has: a correlator that hangs or can't reach this summary API, or another program";
    assert_eq!(
        waits(&correlators, at(60_000)),
        [
            "correlator 00000001 has been silent for 1m and had 0 messages in flight".to_owned(),
            format!("1 consumer of the entry queue {stranger}"),
            format!("1 consumer of the exit queue {stranger}"),
        ]
    );

    // The broker has dropped its connection: what it had is ready again, or in flight elsewhere.
    correlators.take(consuming(2, 1), at(61_000));
    assert_eq!((correlators.reports(at(61_000)).is_idle, ids(&correlators, at(61_000))), (true, vec![2 << 96]));
}

#[test]
fn a_lone_correlator_that_hangs_is_remembered_until_another_one_sees_its_consumers_gone() {
    let correlators = Correlators::default();
    correlators.take(with_entries(consuming(1, 1), 300, None), at(0));

    let silent = waits(&correlators, at(3_600_000));
    assert_eq!(
        silent,
        [
            "no correlator reports (is one running, and does it know this summary API?)",
            "correlator 00000001 has been silent for 1h and had 300 messages in flight",
        ]
    );

    correlators.take(consuming(2, 1), at(3_601_000));
    assert!(correlators.reports(at(3_601_000)).is_idle);
}

#[test]
fn a_correlator_that_takes_leave_is_not_waited_for() {
    let correlators = Correlators::default();
    correlators.take(consuming(1, 2), at(0));
    correlators.take(consuming(2, 2), at(0));

    correlators.take(CorrelatorStatus { signs_off: true, ..consuming(1, 2) }, at(1_000));
    correlators.take(consuming(2, 1), at(1_000));

    assert_eq!((correlators.reports(at(1_000)).is_idle, waits(&correlators, at(1_000))), (true, vec![]));
}

#[test]
fn a_summary_api_that_was_started_anew_sees_the_consumers_of_a_correlator_that_hangs() {
    let correlators = Correlators::default();
    correlators.take(consuming(2, 2), at(0));

    assert!(!correlators.reports(at(0)).is_idle);
    assert_eq!(waits(&correlators, at(0)).len(), 2, "one consumer of each queue");
}

#[test]
fn counts_that_nobody_has_are_waited_for() {
    let correlators = Correlators::default();
    let mut uncounted = consuming(1, 1);
    uncounted.exit.broker = None;
    correlators.take(uncounted, at(0));

    let said = waits(&correlators, at(0));

    assert_eq!(said, ["the broker does not say how many messages and consumers the exit queue has"]);
}

const HOLD_MS: i64 = 30_000;

/// Whether the hold of an exit at 12:00 (in milliseconds: 0) may end.
fn hold_may_end(statuses: &[CorrelatorStatus]) -> bool {
    let correlators = Correlators::default();
    for status in statuses {
        correlators.take(status.clone(), at(0));
    }
    correlators.entries_until(at(0), HOLD_MS) >= at(0)
}

#[test]
fn a_hold_waits_for_the_entries_in_the_hands_of_every_correlator() {
    let one = || consuming(1, 2);
    assert!(!hold_may_end(&[]), "nobody knows what is in the entry queue");
    assert!(hold_may_end(&[one(), consuming(2, 2)]));
    assert!(!hold_may_end(&[one(), with_entries(consuming(2, 2), 1, None)]));
    assert!(!hold_may_end(&[one(), with_entries(consuming(2, 2), 1, Some(at(-1)))]));
    assert!(hold_may_end(&[one(), with_entries(consuming(2, 2), 1, Some(at(0)))]));
    assert!(!hold_may_end(&[one()]), "a second consumer does not report");
}

#[test]
fn a_hold_waits_for_the_entries_that_are_ready_until_one_correlator_has_reached_its_time() {
    let behind = |until| {
        let mut status = with_entries(consuming(1, 1), 0, until);
        status.entry.broker = Some(BrokerCounts { ready: 5, consumers: 1 });
        hold_may_end(&[status])
    };
    assert_eq!([behind(None), behind(Some(at(-1))), behind(Some(at(0)))], [false, false, true]);
}

#[test]
fn a_hold_waits_for_a_silent_correlator_without_end_and_for_unknown_consumers_for_five_minutes() {
    let correlators = Correlators::default();
    let may_end = |second| correlators.entries_until(at(second * 1_000), HOLD_MS) >= at(second * 1_000);
    let ends: Vec<i64> = (0..=302)
        .filter(|second| {
            correlators.take(consuming(2, 2), at(second * 1_000));
            may_end(*second)
        })
        .collect();
    assert_eq!(ends, [301, 302], "it may be the consumer of a correlator that reports to another summary API");

    correlators.take(consuming(1, 2), at(303_000));
    for second in 304..1_000 {
        correlators.take(consuming(2, 2), at(second * 1_000));
        assert_eq!(may_end(second), second <= 306, "after {second} seconds");
    }
}

#[test]
fn a_short_hold_depends_on_reports_that_are_younger_than_it() {
    let correlators = Correlators::default();
    correlators.take(consuming(1, 2), at(0));
    correlators.take(consuming(2, 2), at(1_800));

    let may_end = |hold_ms| correlators.entries_until(at(1_800), hold_ms) >= at(0);

    assert_eq!([may_end(1_500), may_end(2_000)], [false, true]);
}
