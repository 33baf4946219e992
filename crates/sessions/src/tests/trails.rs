//! Claims about trails: each stage has its time, or is unknown with the reason, and a re-read and a void session have a
//! trail too.

use parking::{Door, FormatName, Receipt};
use uuid::Uuid;

use super::*;
use crate::trail::{StageKind, Trail};

const RECORDED: i64 = 2_000;

fn at_door(milliseconds: i64) -> Receipt {
    Receipt::new(Door::Camera, FormatName::parse("hikvision").ok(), minute(0).plus_millis(milliseconds))
}

/// Records units a second apart, the first two seconds after minute 0; each event has a receipt.
async fn recorded(units: impl IntoIterator<Item = Unit>) -> Fixture {
    let fixture = Fixture::new(temporary().await);
    fixture.clock.advance_millis(RECORDED - 1_000);
    for (number, mut unit) in (0_i64..).zip(units) {
        fixture.clock.advance_millis(1_000);
        unit.events.iter_mut().for_each(|event| event.receipt = Some(at_door(number)));
        fixture.record(vec![unit]).await;
    }
    fixture
}

async fn trail(fixture: &Fixture, event: u128) -> Trail {
    fixture.local().trails(Uuid::from_u128(event)).await.unwrap().remove(0)
}

fn stages(trail: &Trail) -> Vec<(StageKind, Option<i64>, &str)> {
    let millis = |time: Timestamp| time.millis_since(minute(0));
    trail.stages.iter().map(|stage| (stage.kind, stage.at.map(millis), stage.text.as_str())).collect()
}

const CAME_IN: &str = "from a camera by HTTP, format hikvision";
const CONFIRMED: &str =
    "unknown: the gateway alone knows when the broker confirmed, and answered its sender after that";
const DELIVERED: &str = "a correlator received it from the queue";
const BY_LEDGER: &str = "the ledger recorded it";

#[tokio::test]
async fn a_trail_has_every_stage_and_the_revisions_after_the_event_was_recorded() {
    let mut vehicles = Vehicles::default();
    let units = [vehicles.exit("P3", "ABC123", minute(60)), vehicles.entry("P3", "ABC123", minute(0))];
    let fixture = recorded(units).await;

    let (exit, entry) = (trail(&fixture, 1).await, trail(&fixture, 2).await);

    assert_eq!(exit.event.receipt, Some(at_door(0)));
    assert_eq!(
        stages(&exit),
        [
            (StageKind::Received, Some(0), CAME_IN),
            (StageKind::Confirmed, None, CONFIRMED),
            (StageKind::Delivered, Some(3_600_000), DELIVERED),
            (StageKind::Recorded, Some(RECORDED), BY_LEDGER),
            (StageKind::Revised, Some(RECORDED + 1_000), "its session changed from new to matched, rule matched"),
            (StageKind::Revised, Some(RECORDED + 1_000), "its session changed from held_exit to void, rule superseded"),
        ]
    );
    assert_eq!(
        stages(&entry),
        [
            (StageKind::Received, Some(1), CAME_IN),
            (StageKind::Confirmed, None, CONFIRMED),
            (StageKind::Delivered, Some(0), DELIVERED),
            (StageKind::Recorded, Some(RECORDED + 1_000), BY_LEDGER),
        ]
    );
    let changes = fixture.ledger.changes(0, 10).await.unwrap();
    assert_eq!(exit.stages[5].change.as_ref().map(|change| change.sequence), Some(changes[2].sequence));
}

#[tokio::test]
async fn two_commits_of_one_millisecond_are_told_apart() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    for unit in [vehicles.entry("P3", "ABC123", minute(0)), vehicles.exit("P3", "ABC123", minute(60))] {
        fixture.record(vec![unit]).await;
    }

    let revisions = [trail(&fixture, 1).await, trail(&fixture, 2).await]
        .map(|trail| trail.stages[4..].iter().map(|stage| stage.text.clone()).collect::<Vec<_>>());

    assert_eq!(revisions, [vec!["its session changed from open to matched, rule matched".to_owned()], vec![]]);
}

#[tokio::test]
async fn a_re_read_and_an_unread_plate_have_a_trail() {
    let mut vehicles = Vehicles::default();
    let unread = vehicles.entry("P3", "NOPLATE", minute(0)).events;
    let units = [
        unread_unit(&vehicle("P3", "NOPLATE"), unread),
        vehicles.entry("P3", "ABC123", minute(0)),
        vehicles.entry("P3", "ABC123", minute(0).plus_millis(5_000)),
        vehicles.exit("P3", "ABC123", minute(60)),
    ];
    let fixture = recorded(units).await;

    let times = |trail: &Trail| stages(trail).iter().map(|(_, at, _)| *at).collect::<Vec<_>>();
    assert_eq!(times(&trail(&fixture, 1).await), [Some(0), None, Some(0), Some(RECORDED)]);
    assert_eq!(
        times(&trail(&fixture, 3).await),
        [Some(2), None, Some(5_000), Some(RECORDED + 2_000), Some(RECORDED + 3_000)]
    );
}

#[tokio::test]
async fn what_no_part_has_written_down_is_unknown() {
    let mut vehicles = Vehicles::default();
    let units = [1, 2, 3].map(|number| vehicles.entry("P3", &format!("CAR{number}"), minute(0)));
    let fixture = Fixture::new(temporary().await);
    let simulated = Receipt { door: Door::Simulated, ..Receipt::default() };
    for (mut unit, receipt) in units.into_iter().zip([None, Some(Receipt::default()), Some(simulated)]) {
        unit.events[0].receipt = receipt;
        fixture.record(vec![unit]).await;
    }

    let mut found = Vec::new();
    for event in 1..=3 {
        let trail = trail(&fixture, event).await;
        assert_eq!((trail.stages[0].at, trail.stages[1].at), (None, None));
        found.push((trail.stages[0].text.clone(), trail.stages[1].text.clone()));
    }
    let no_time = "; when is unknown, because the message does not contain it";
    assert_eq!(
        found,
        [
            ("unknown: recorded by a program that did not keep how events came in".to_owned(), "unknown".to_owned()),
            (
                format!("a client published it to the queue{no_time}"),
                "unknown: the client that published it may not have asked for a confirm".to_owned()
            ),
            (
                format!("from a simulated gate{no_time}"),
                "unknown: its publisher alone knows when the broker confirmed".to_owned()
            ),
        ]
    );
    assert_eq!(fixture.local().trails(Uuid::from_u128(99)).await.unwrap(), []);
}

#[tokio::test]
async fn a_receipt_that_no_parser_would_make_is_refused() {
    let fixture = Fixture::new(temporary().await);
    let mut unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    unit.events[0].receipt = Some(Receipt::new(Door::Http, None, Timestamp::from_millis(i64::MAX)));

    let refused = fixture.service.record(vec![unit], CallOptions::default()).await;

    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}
