//! One vehicle with very many events stops nothing, and costs no event that has room.

use bus::Queue;
use parking::{Rules, State};
use uuid::Uuid;

use crate::support::pipeline::Pipeline;

const HOUR_MS: i64 = 3_600_000;
/// 24 September 2024, 09:00 UTC.
const BEGIN_MS: i64 = 1_727_168_400_000;

fn event(number: u128, plate: &str, member: &str, millis: i64) -> String {
    let (id, time) = (Uuid::from_u128(number), parking::Timestamp::from_millis(BEGIN_MS + millis));
    format!(r#"{{"id":"{id}","vehicle_plate":"{plate}","{member}":"{time}"}}"#)
}

fn rules() -> Rules {
    Rules { hold_ms: 200, ..Rules::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plate_that_says_nothing_may_come_very_often() {
    const READS: u128 = 30_000;
    let pipeline = Pipeline::new(rules()).await;
    let plate = |read: u128| if read.is_multiple_of(2) { "UNKNOWN" } else { "--" };
    let reads: Vec<String> = (1..=READS).map(|read| event(read, plate(read), "exit_date_time", 0)).collect();
    let arrays = reads.chunks(500).map(|reads| format!("[{}]", reads.join(",")).into_bytes());
    pipeline.publish(Queue::Exit, arrays).await;

    let dead_letters = pipeline.settle(pipeline.recorder()).await;

    assert_eq!((pipeline.standing().await.len(), dead_letters), (30_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_parked_before_a_camera_stops_nothing_and_its_later_visits_match() {
    const READS: u128 = 10_300;
    let pipeline = Pipeline::new(rules()).await;
    let mut events: Vec<String> =
        (1..=READS).map(|read| event(read, "CAR1", "entry_date_time", i64::try_from(read).unwrap() * 1_000)).collect();
    pipeline.publish(Queue::Entry, events.drain(..).map(String::into_bytes)).await;
    let visits = [("entry_date_time", 6), ("entry_date_time", 8)].map(|(member, hour)| (member, hour * HOUR_MS));
    let left = [("exit_date_time", 5), ("exit_date_time", 7), ("exit_date_time", 9)]
        .map(|(member, hour)| (member, hour * HOUR_MS));
    let body = |(number, (member, millis)): (u128, (&str, i64))| event(number, "CAR1", member, millis).into_bytes();
    pipeline.publish(Queue::Entry, (100_000..).zip(visits).map(body)).await;
    pipeline.publish(Queue::Exit, (200_000..).zip(left).map(body)).await;

    let dead_letters = pipeline.settle(pipeline.recorder()).await;

    let states: Vec<State> = pipeline.standing().await.values().map(|session| session.state).collect();
    assert!(states.ends_with(&[State::Matched; 3]), "{states:?}");
    // Only re-reads are refused. What comes in one batch with the exit has room again: there the timeline can be cut.
    assert!((1..=300).contains(&dead_letters), "{dead_letters} re-reads were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_leaves_and_comes_in_at_thousands_of_instants_stops_nothing_and_loses_nothing() {
    const INSTANTS: u128 = 5_200;
    let pipeline = Pipeline::new(rules()).await;
    let turns = |member| {
        let turn =
            move |turn: u128, offset| event(turn * 2 + offset, "CAR1", member, i64::try_from(turn).unwrap() * 20_000);
        let offset = u128::from(member == "exit_date_time");
        (1..=INSTANTS).map(move |number| turn(number, offset).into_bytes())
    };
    pipeline.publish(Queue::Exit, turns("exit_date_time")).await;
    pipeline.publish(Queue::Entry, turns("entry_date_time")).await;
    pipeline.publish(Queue::Entry, [event(1, "OTHER1", "entry_date_time", 0).into_bytes()]).await;

    let dead_letters = pipeline.settle(pipeline.recorder()).await;

    let matched = pipeline.standing().await.values().filter(|session| session.state == State::Matched).count();
    assert_eq!((matched, dead_letters), (5_200, 0));
}
