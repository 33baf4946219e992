//! Both directions over a real bus: the events arrive unchanged, and one exit in five has no entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusConfig, Queue};
use parking::{Direction, EventKey, GateEvent, Timestamp, Vehicle, wire};
use service_kit::ServiceContext;
use settings::Settings;
use simulator::{Plan, Publication, Traffic, publish};

fn keys(publications: Vec<Publication>) -> Vec<EventKey> {
    publications.into_iter().map(|publication| publication.event.key).collect()
}

/// The publications of the hour before `now`, in whole minutes, as the loop begins.
fn due(traffic: &Traffic, direction: Direction, now: Timestamp) -> Vec<EventKey> {
    let hour_ago = now.as_millis() - 60 * 60_000;
    keys(traffic.events(direction, Timestamp::from_millis(hour_ago - hour_ago.rem_euclid(60_000)), now))
}

/// Takes the next `count` events from a queue.
async fn received(bus: &dyn Bus, queue: Queue, count: usize) -> Vec<GateEvent> {
    let mut consumer = bus.consume(queue, 1_000).await.expect("the bus is open");
    let acknowledger = consumer.acknowledger();
    let mut events = Vec::new();
    while events.len() < count {
        let deliveries = consumer.receive(1_000).await.expect("the bus is open");
        events.extend(deliveries.iter().map(|delivery| wire::parse_event(&delivery.body).expect("a gate event").event));
        let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
        acknowledger.acknowledge(&tags).await.expect("the bus is open");
    }
    events
}

#[tokio::test]
async fn both_directions_arrive_whole_and_one_exit_in_five_has_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::for_testing();
    let bus = bus::open(&BusConfig { data_dir: folder.path().into(), ..BusConfig::default() }, &context).unwrap();
    let Plan { traffic, backfill } = Plan::from_settings(&Settings::from_variables([]).unwrap()).unwrap();
    let now = context.clock.now();
    let inside: Vec<EventKey> =
        traffic.inside_at(now.plus_millis(-60 * 60_000)).iter().map(|entry| entry.key).collect();
    let expected_entries = [inside, due(&traffic, Direction::Entry, now)].concat();
    let expected_exits = due(&traffic, Direction::Exit, now);

    let running = [Direction::Entry, Direction::Exit].map(|direction| {
        let (traffic, bus, context) = (traffic.clone(), Arc::clone(&bus), context.clone());
        tokio::spawn(async move { publish::run(direction, traffic, bus, &context, backfill).await })
    });
    let all = async {
        tokio::join!(
            received(&*bus, Queue::Entry, expected_entries.len()),
            received(&*bus, Queue::Exit, expected_exits.len())
        )
    };
    let (entries, exits) = tokio::time::timeout(Duration::from_mins(1), all).await.expect("all of it arrives");
    context.lifecycle.stop();
    for service in running {
        service.await.unwrap().unwrap();
    }

    assert_eq!(entries.iter().map(|event| event.key).collect::<Vec<_>>(), expected_entries);
    assert_eq!(exits.iter().map(|event| event.key).collect::<Vec<_>>(), expected_exits);
    let entered: BTreeMap<&Vehicle, EventKey> = entries.iter().map(|entry| (&entry.vehicle, entry.key)).collect();
    let exits: BTreeSet<(EventKey, &Vehicle)> = exits.iter().map(|exit| (exit.key, &exit.vehicle)).collect();
    let strangers = exits.iter().filter(|(_, vehicle)| !entered.contains_key(vehicle)).count();
    assert!((15..25).contains(&(100 * strangers / exits.len())), "{strangers} of {}", exits.len());
}
