//! Claims about the service over a real ledger, and about ledgers that fail.

use std::time::Duration;

use ledger::Summary;
use matching::{Applied, LoadRequest, Outcome, Snapshot, Unit, unread_unit};
use parking::Lots;
use recorder::QueueReport;

use super::*;

mod any_events;
mod superseding;
mod trails;

use crate::testing::{BrokenLedger, Fixture, How, Vehicles, idle_correlator, minute, rules, vehicle};
use ledger_stores::testing::temporary;

fn summary() -> Summary {
    Summary { vehicle: vehicle("P3", "FIN123"), entry: minute(0), exit: minute(90) }
}

fn on(how: How) -> Service {
    Service::new(Arc::new(BrokenLedger(how)), Rules::default(), Lots::default(), &ServiceContext::for_testing())
}

#[tokio::test]
async fn each_exit_is_counted_once_whatever_is_sent_again() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    let units = [
        vehicles.entry("P3", "ABC123", minute(0)),
        vehicles.exit("P3", "ABC123", minute(60)),
        vehicles.exit("P3", "OTHER1", minute(60)),
    ];

    for unit in &units {
        let outcomes = fixture.record(vec![unit.clone()]).await;
        assert!(matches!(outcomes[..], [Outcome::Recorded(Applied { events: 1, .. })]), "{outcomes:?}");
        let again = fixture.record(vec![unit.clone()]).await;
        assert!(matches!(again[..], [Outcome::Lost(_)]), "{again:?}");
    }

    let metric = |name: &str| fixture.metric(name).unwrap();
    assert_eq!([metric("matched_events"), metric("unmatched_events")], [1, 0]);
    assert_eq!(metric("dwell_recorded_events_total"), 3);
    assert_eq!(metric("dwell_record_units_total{outcome=\"recorded\"}"), 3);
    assert_eq!(metric("dwell_record_units_total{outcome=\"lost\"}"), 3);
    let rules =
        ["entered", "matched", "held"].map(|rule| metric(&format!("dwell_session_changes_total{{rule=\"{rule}\"}}")));
    assert_eq!(rules, [1, 1, 1]);
    assert_eq!(metric("dwell_stay_duration_seconds_sum{lot=\"P3\"}"), 3_600);
}

#[tokio::test]
async fn a_re_read_is_counted_when_it_is_recorded_and_whoever_speaks_for_its_passage_is_none() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    let second = |seconds: i64| minute(0).plus_millis(seconds * 1_000);
    let units = [
        vehicles.entry("P3", "ABC123", second(10)),
        vehicles.entry("P3", "ABC123", second(15)),
        vehicles.exit("P3", "ABC123", second(3_600)),
        vehicles.exit("P3", "ABC123", second(3_605)),
        vehicles.entry("P3", "ABC123", second(5)),
    ];

    let mut counted = Vec::new();
    for unit in units {
        for _ in 0..2 {
            fixture.record(vec![unit.clone()]).await;
        }
        counted.push(fixture.metric("dwell_re_reads_total").unwrap());
    }

    assert_eq!(counted, [0, 1, 1, 2, 2]);
}

#[tokio::test]
async fn unread_plates_are_counted_once_too() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    let events = [vehicles.entry("P3", "NOPLATE", minute(0)), vehicles.exit("P3", "NOPLATE", minute(1))];
    let events: Vec<_> = events.into_iter().flat_map(|unit| unit.events).collect();
    let unit = unread_unit(&vehicle("P3", "NOPLATE"), events);

    for _ in 0..2 {
        fixture.record(vec![unit.clone()]).await;
    }

    let metric = |name: &str| fixture.metric(name).unwrap();
    assert_eq!([metric("matched_events"), metric("unmatched_events")], [0, 1]);
    assert_eq!(metric("dwell_session_changes_total{rule=\"unread\"}"), 2);
    assert_eq!(metric("dwell_unmatched_entries_total{reason=\"unread\"}"), 1);
    assert_eq!(metric("dwell_re_reads_total"), 0);
}

#[tokio::test]
async fn a_record_whose_caller_goes_away_is_recorded_and_counted() {
    let fixture = Fixture::new(temporary().await);
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));

    let mut record = Box::pin(fixture.service.record(vec![unit], CallOptions::default()));
    let begun = futures::poll!(&mut record);
    drop(record);

    let counted = async {
        while fixture.metric("dwell_recorded_events_total") != Some(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("the event is counted in the end");
    assert!(begun.is_pending());
}

#[tokio::test]
async fn the_same_summary_again_is_counted_once() {
    let fixture = Fixture::new(temporary().await);

    let first = fixture.service.save_summary(summary(), None).await.unwrap();
    let second = fixture.service.save_summary(summary(), None).await.unwrap();

    assert!(first.is_new && !second.is_new);
    assert_eq!(first.row, second.row);
    assert_eq!(fixture.metric("matched_events"), Some(1));
    assert_eq!(fixture.metric("dwell_summaries_saved_total"), Some(1));
}

#[tokio::test]
async fn what_no_correct_caller_sends_is_refused_and_changes_nothing() {
    let fixture = Fixture::new(temporary().await);
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    let unbased = Unit { base: None, changes: matching::Changes::new(), ..unit.clone() };
    let backwards = Summary { exit: minute(-1), ..summary() };

    let refusals = [
        fixture.service.record(vec![unit.clone(), unit.clone()], CallOptions::default()).await.unwrap_err(),
        fixture.service.record(vec![unbased], CallOptions::default()).await.unwrap_err(),
        fixture.service.save_summary(backwards, None).await.unwrap_err(),
    ];

    assert!(
        refusals.iter().all(|error| matches!(error, Error::Refused(text) if !text.contains("ABC123"))),
        "{refusals:?}"
    );
    assert_eq!(fixture.service.changes(0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn all_is_settled_when_a_correlator_says_so_and_nothing_is_awaited() {
    let fixture = Fixture::new(temporary().await);
    let settled = async || fixture.service.status().await.unwrap().settled;
    assert!(!settled().await, "nobody reports");

    let idle = idle_correlator(1).entry;
    fixture.service.report(idle_correlator(1));
    assert!(settled().await);

    fixture.service.report(CorrelatorStatus { entry: QueueReport { in_flight: 1, ..idle }, ..idle_correlator(2) });
    assert!(!settled().await, "a batch is in flight");

    fixture.service.report(CorrelatorStatus { exit: QueueReport { broker: None, ..idle }, ..idle_correlator(2) });
    assert!(!settled().await, "nobody knows what waits in the exit queue");

    fixture.service.report(idle_correlator(2));
    fixture.record(vec![Vehicles::default().exit("P3", "ABC123", minute(0))]).await;
    let status = fixture.service.status().await.unwrap();
    assert_eq!((status.settled, status.pending), (false, Pending { held_exits: 1, overdue_stays: 0 }));

    fixture.clock.advance_millis(11_000);
    assert_eq!(fixture.service.status().await.unwrap().correlators, []);
}

#[tokio::test]
async fn what_is_due_is_leased_once() {
    let fixture = Fixture::new(temporary().await);
    fixture.record(vec![Vehicles::default().exit("P3", "ABC123", minute(0))]).await;
    fixture.clock.advance_millis(31_000);
    fixture.service.report(idle_correlator(1));

    let first = fixture.service.due(u32::MAX, CallOptions::default()).await.unwrap();
    let second = fixture.service.due(u32::MAX, CallOptions::default()).await.unwrap();

    assert_eq!(first.iter().map(|due| &due.vehicle).collect::<Vec<_>>(), [&vehicle("P3", "ABC123")]);
    assert_eq!(second, []);
}

#[tokio::test]
async fn lots_are_those_with_events_and_those_known_beforehand() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    let units = vec![vehicles.entry("central-mall", "ABC123", minute(3)), vehicles.entry("P3", "ABC123", minute(4))];
    fixture.record(units).await;

    let lots = fixture.service.lots().await.unwrap();
    fixture.service.refresh().await.unwrap();

    let shown: Vec<_> = lots
        .iter()
        .map(|lot| (lot.id.as_str(), lot.known.as_ref().and_then(|known| known.capacity), lot.inside, lot.time))
        .collect();
    assert_eq!(
        shown,
        [
            ("P3", None, 1, Some(minute(4))),
            ("central-mall", Some(120), 1, Some(minute(3))),
            ("grand-hotel", Some(100), 0, None),
            ("old-market", Some(60), 0, None),
        ]
    );
    assert_eq!(fixture.metric("dwell_inside{lot=\"P3\"}"), Some(1));
    assert_eq!(fixture.metric("dwell_inside{lot=\"old-market\"}"), Some(0));
}

#[tokio::test]
async fn terms_name_the_ledger_and_a_vehicle_that_is_not_known_is_at_version_0() {
    let fixture = Fixture::new(temporary().await);
    let request = LoadRequest { vehicle: vehicle("P3", "ABC123"), reaching: None };

    let loaded = fixture.service.load(vec![request], CallOptions::default()).await.unwrap();

    assert_eq!(loaded, [Snapshot::default()]);
    assert_eq!(fixture.service.info().rules, rules());
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_fails_fails_the_call_in_time() {
    let record = async |how| {
        on(how)
            .record(vec![Vehicles::default().entry("P3", "A1", minute(0))], CallOptions::default())
            .await
            .unwrap_err()
    };
    assert!(record(How::Down).await.is_temporary());
    assert_eq!(record(How::Silent).await, Error::TooSlow);
    assert_eq!(record(How::Panics).await, Error::Defect);
    assert!(!record(How::Corrupt).await.is_temporary());
    assert_eq!(on(How::Silent).status().await, Err(Error::TooSlow));
}
