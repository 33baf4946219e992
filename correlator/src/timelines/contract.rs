//! The contract of the timeline cache, tested on each adapter; and the faults of Redis.
#![cfg(test)]

use std::time::{Duration, Instant};

use matching::{ExpectedVersion, Flags, Snapshot, Timeline, TimelineEvent};
use parking::{Direction, EventKey, LotId, Plate, Timestamp, Vehicle};
use service_kit::ServiceContext;
use service_kit::metrics::render;
use settings::Redacted;
use uuid::Uuid;

use super::Timelines;

mod on_redis;

const LEDGER: Uuid = Uuid::from_u128(7);

/// Each claim is a test on each adapter.
macro_rules! claims {
    ($($claim:ident)+) => {
        mod memory {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(&super::memory()).await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            #[ignore = "needs Redis: ci/test"]
            async fn $claim() {
                let redis = testbed::Redis::start().await.unwrap();
                super::$claim(&super::on_redis::connected(&redis, &super::ServiceContext::for_testing()).await).await;
            })+
        }
    };
}

claims! {
    an_unknown_vehicle_is_not_there
    what_is_stored_is_loaded_in_the_order_asked_for
    a_newer_snapshot_takes_the_place_of_the_older_one
    the_same_plate_in_another_lot_is_another_vehicle
    many_vehicles_pass_in_one_call
    a_call_about_nothing_does_nothing
}

async fn an_unknown_vehicle_is_not_there(timelines: &dyn Timelines) {
    assert_eq!(loaded(timelines, &[vehicle("P3", 1)]).await, [None]);
}

async fn what_is_stored_is_loaded_in_the_order_asked_for(timelines: &dyn Timelines) {
    timelines.store(&[(vehicle("P3", 1), snapshot(10)), (vehicle("P3", 2), snapshot(20))]).await;

    let asked = [2, 9, 1, 2].map(|number| vehicle("P3", number));
    assert_eq!(loaded(timelines, &asked).await, [Some(snapshot(20)), None, Some(snapshot(10)), Some(snapshot(20))]);
}

async fn a_newer_snapshot_takes_the_place_of_the_older_one(timelines: &dyn Timelines) {
    timelines.store(&[(vehicle("P3", 1), snapshot(10))]).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(11))]).await;
    assert_eq!(loaded(timelines, &[vehicle("P3", 1)]).await, [Some(snapshot(11))]);
}

async fn the_same_plate_in_another_lot_is_another_vehicle(timelines: &dyn Timelines) {
    timelines.store(&[(vehicle("P3", 1), snapshot(3)), (vehicle("P4", 1), snapshot(4))]).await;
    let asked = [vehicle("P4", 1), vehicle("P3", 1), vehicle("main", 1)];
    assert_eq!(loaded(timelines, &asked).await, [Some(snapshot(4)), Some(snapshot(3)), None]);
}

async fn many_vehicles_pass_in_one_call(timelines: &dyn Timelines) {
    let vehicles: Vec<Vehicle> = (0..2_500).map(|number| vehicle("P3", number)).collect();
    let stored: Vec<_> = vehicles.iter().cloned().zip((0..).map(snapshot)).collect();

    timelines.store(&stored).await;

    let expected: Vec<_> = stored.into_iter().map(|(_, snapshot)| Some(snapshot)).collect();
    assert!(loaded(timelines, &vehicles).await == expected);
}

async fn a_call_about_nothing_does_nothing(timelines: &dyn Timelines) {
    timelines.store(&[]).await;
    assert_eq!(loaded(timelines, &[]).await, []);
}

#[tokio::test]
async fn memory_stays_within_its_limit_and_keeps_what_came_last() {
    const BYTES_MAX: u64 = 1_000_000;
    let context = ServiceContext::for_testing();
    let timelines = super::memory::Memory::new(BYTES_MAX, &context.registry).unwrap();
    for number in 0..50_000 {
        timelines.store(&[(vehicle("P3", number), snapshot(1))]).await;
    }

    let newest = loaded(&timelines, &[vehicle("P3", 49_999)]).await;

    assert_eq!(newest, [Some(snapshot(1))]);
    let bytes = metric(&context, "dwell_cache_memory_bytes");
    assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&bytes), "{bytes} bytes");
    assert_eq!(metric(&context, "dwell_cache_memory_limit_bytes"), BYTES_MAX);
}

#[tokio::test]
async fn hits_and_misses_are_counted() {
    let context = ServiceContext::for_testing();
    let timelines = super::memory::Memory::new(1_000_000, &context.registry).unwrap();
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;
    loaded(&timelines, &[1, 2, 3].map(|number| vehicle("P3", number))).await;
    assert_eq!(metric(&context, "dwell_cache_hits_total"), 1);
    assert_eq!(metric(&context, "dwell_cache_misses_total"), 2);
    assert_eq!(metric(&context, "dwell_cache_timelines"), 1);
}

async fn loaded(timelines: &dyn Timelines, vehicles: &[Vehicle]) -> Vec<Option<Snapshot>> {
    timelines.load(vehicles).await.expect("the cache answers")
}

fn memory() -> super::memory::Memory {
    super::memory::Memory::new(super::memory::BYTES_MAX, &ServiceContext::for_testing().registry).unwrap()
}

fn vehicle(lot: &str, number: u32) -> Vehicle {
    Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(&format!("A{number}")).unwrap() }
}

/// A snapshot that differs from those of other versions.
fn snapshot(version: u64) -> Snapshot {
    let time = Timestamp::from_millis(1_727_168_400_000 + i64::try_from(version).unwrap());
    let key = EventKey { time, direction: Direction::Entry, id: Uuid::from_u128(version.into()) };
    let timeline = Timeline::new(None, vec![TimelineEvent { key, flags: Flags::ANCHOR }]);
    Snapshot { base: ExpectedVersion { version, digest: timeline.digest() }, timeline }
}

/// The value of a metric without labels.
fn metric(context: &ServiceContext, name: &str) -> u64 {
    let page = render(&context.registry);
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
}
