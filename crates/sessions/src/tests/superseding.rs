//! Claims about reads that another read supersedes: they are taken out, counted, and shown with what replaced them.

use matching::{Flags, RecordedEvent};
use parking::{Direction, EventKey, GateEvent, State};
use uuid::Uuid;

use super::*;
use crate::trail::StageKind;

const FIRST: Uuid = Uuid::from_u128(1);
const BETTER: Uuid = Uuid::from_u128(2);

/// A unit whose event supersedes another one.
fn better(mut unit: Unit, supersedes: Uuid) -> Unit {
    unit.events[0].supersedes = Some(supersedes);
    unit
}

/// Looks until nothing is due.
async fn take_out(fixture: &Fixture) {
    while fixture.service.supersede_due().await.unwrap() {}
}

#[tokio::test]
async fn a_superseded_read_is_taken_out_counted_and_shown_with_the_one_that_replaces_it() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    fixture.clock.advance_millis(1_000);
    fixture.record(vec![vehicles.entry("P3", "A8C123", minute(0))]).await;
    fixture.clock.advance_millis(1_000);
    fixture.record(vec![better(vehicles.entry("P3", "ABC123", minute(0)), FIRST)]).await;
    fixture.clock.advance_millis(1_000);

    take_out(&fixture).await;

    let metric = |name: &str| fixture.metric(name).unwrap();
    assert_eq!(metric("dwell_session_changes_total{rule=\"read_superseded\"}"), 1);
    let trail = fixture.local().trails(FIRST).await.unwrap().remove(0);
    let revised = trail.stages.iter().filter(|stage| stage.kind == StageKind::Revised);
    let texts: Vec<&str> = revised.map(|stage| stage.text.as_str()).collect();
    assert_eq!(texts, ["its session changed from open to void, rule read_superseded"]);
    assert_eq!((trail.event.supersedes, trail.event.superseded_by), (None, Some(BETTER)));
    let explained = fixture.local().explain(BETTER).await.unwrap().remove(0);
    assert!(explained.text.ends_with(&format!(" It supersedes event {FIRST}.")), "{}", explained.text);
    let explained = fixture.local().explain(FIRST).await.unwrap().remove(0);
    let why = format!(
        "The entry of {} (event {FIRST}) is superseded by another read of its gate, so it counts as not having happened. \
         It is superseded by event {BETTER}.",
        minute(0)
    );
    assert_eq!((explained.text, explained.session.unwrap().state), (why, State::Void));
    let story = fixture.local().story(trail_session(&explained.explanation)).await.unwrap().unwrap();
    assert_eq!(story.reads.iter().map(|read| read.superseded_by).collect::<Vec<_>>(), [Some(BETTER)]);
}

fn trail_session(explanation: &matching::Explanation) -> Uuid {
    explanation.session.as_uuid()
}

#[tokio::test]
async fn a_read_without_a_plate_that_is_superseded_counts_for_nothing() {
    let fixture = Fixture::new(temporary().await);
    let key = EventKey { time: minute(0), direction: Direction::Exit, id: FIRST };
    let nothing = vehicle("P3", "NOPLATE");
    let event =
        GateEvent { vehicle: nothing.clone(), key, plate_as_read: "NOPLATE".into(), gate: None, confidence: None };
    let read = RecordedEvent::new(&event, minute(0), Flags::default());
    fixture.record(vec![unread_unit(&nothing, vec![read])]).await;
    let mut vehicles = Vehicles::default();
    vehicles.entry("P3", "OTHER1", minute(0));
    fixture.record(vec![better(vehicles.exit("P3", "ABC123", minute(0)), FIRST)]).await;

    take_out(&fixture).await;
    take_out(&fixture).await;

    let explained = fixture.local().explain(FIRST).await.unwrap().remove(0);
    assert_eq!(explained.session.map(|session| session.state), Some(State::Void));
    let states = explained.changes.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>();
    assert_eq!(states, [(None, State::UnmatchedExit), (Some(State::UnmatchedExit), State::Void)]);
}

#[tokio::test]
async fn work_is_settled_once_superseded_reads_are_taken_out() {
    let fixture = Fixture::new(temporary().await);
    fixture.service.report(idle_correlator(1));
    let mut vehicles = Vehicles::default();
    fixture.record(vec![vehicles.entry("P3", "A8C123", minute(0))]).await;
    fixture.record(vec![better(vehicles.entry("P3", "ABC123", minute(0)), FIRST)]).await;

    let before = fixture.service.status().await.unwrap().settled;
    take_out(&fixture).await;
    let after = fixture.service.status().await.unwrap().settled;

    assert_eq!((before, after), (false, true));
}
