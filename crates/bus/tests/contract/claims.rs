//! The contract of the bus, as claims over a [`House`]: one adapter with its own queues.
//!
//! The macro [`contract!`] makes a test of each claim. Promises of one adapter alone are in its own file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Consumer, DeadLetterReason, Error, Message, Queue, Tag};
use service_kit::ServiceContext;
use service_kit::traces::TraceContext;
use testbed::wait_until;

use crate::numbered::{EVENT_DEADLINE, depth, drained, messages, number, numbers, received, sorted, within};

/// An event that does not happen for this long counts as not happening.
const NEVER_AFTER: Duration = Duration::from_millis(300);
/// The capacity of a small bus, in messages.
pub(crate) const SMALL_MESSAGES: usize = 10;

/// One adapter with its own queues, which outlast the buses opened on them.
pub(crate) trait House {
    /// Opens a bus on the queues.
    async fn open(&self, context: &ServiceContext) -> Arc<dyn Bus>;

    /// Opens a bus whose queues have a capacity of about [`SMALL_MESSAGES`].
    async fn open_small(&self, context: &ServiceContext) -> Arc<dyn Bus>;
}

macro_rules! contract {
    ($house:expr $(, $ignored:meta)?) => {
        $crate::claims::contract!(@each $house, [$($ignored)?]
            messages_are_delivered_in_the_order_of_publishing
            what_is_not_acknowledged_is_delivered_again_when_its_consumer_is_gone
            what_is_acknowledged_never_comes_again
            acknowledgements_may_come_in_any_order_and_twice
            a_consumer_holds_at_most_its_prefetch
            a_prefetch_that_needs_several_channels_is_held_whole
            a_slow_consumer_holds_up_no_other_and_no_message_goes_to_both
            many_tasks_may_publish_at_once
            a_death_note_survives_the_way
            what_a_publisher_said_survives_the_way
            the_text_of_a_header_is_read_and_any_other_value_is_empty
            a_dead_letter_keeps_what_its_publisher_said_and_does_not_expire
            what_is_done_behind_one_that_is_set_aside_is_acknowledged_at_once
            large_messages_are_handed_out_some_megabytes_at_a_time
            the_trace_of_a_message_survives_the_way
            bodies_arrive_as_they_were_whatever_their_size
            a_bus_that_is_opened_again_has_all_that_was_not_acknowledged
            a_receive_that_is_cancelled_loses_nothing
            a_full_queue_makes_its_publisher_wait_until_there_is_room
            depth_counts_what_is_ready
            the_consumers_of_a_queue_are_counted_and_each_knows_its_own
            a_stop_ends_the_wait_for_messages
        );
    };
    (@each $house:expr, $ignored:tt $($claim:ident)*) => {
        $($crate::claims::contract!(@claim $house, $ignored $claim);)*
    };
    (@claim $house:expr, [$($ignored:meta)?] $claim:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$ignored])?
        async fn $claim() {
            $crate::claims::$claim(&$house).await;
        }
    };
}
pub(crate) use contract;

pub(crate) use crate::properties::*;

pub(crate) async fn messages_are_delivered_in_the_order_of_publishing(house: &impl House) {
    let bus = fresh(house).await;

    bus.publish(Queue::Entry, messages(0..3_000)).await.unwrap();
    for number in 3_000..3_010 {
        bus.publish(Queue::Entry, messages(number..=number)).await.unwrap();
    }

    let mut consumer = bus.consume(Queue::Entry, 2_000).await.unwrap();
    assert_eq!(drained(&mut *consumer, 3_010).await, numbers(0..3_010));
}

pub(crate) async fn what_is_not_acknowledged_is_delivered_again_when_its_consumer_is_gone(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Exit, messages(0..3)).await.unwrap();
    let mut gone = bus.consume(Queue::Exit, 10).await.unwrap();
    let first = received(&mut *gone, 3).await;
    let acknowledger = gone.acknowledger();
    acknowledger.acknowledge(&[first[1].tag]).await.unwrap();

    drop(gone);
    acknowledger.acknowledge(&[first[0].tag]).await.unwrap();

    let mut consumer = bus.consume(Queue::Exit, 10).await.unwrap();
    let again = received(&mut *consumer, 2).await;
    assert_eq!(sorted(&again), numbers([0, 2]));
    assert!(first.iter().all(|delivery| !delivery.redelivered) && again.iter().all(|delivery| delivery.redelivered));
    assert_nothing_else(&*bus, &mut *consumer, Queue::Exit).await;
}

pub(crate) async fn what_is_acknowledged_never_comes_again(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..100)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 30).await.unwrap();
    drained(&mut *consumer, 100).await;
    drop((consumer, bus));

    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    assert_nothing_else(&*bus, &mut *consumer, Queue::Entry).await;
}

pub(crate) async fn acknowledgements_may_come_in_any_order_and_twice(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..10)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let deliveries = received(&mut *consumer, 10).await;
    let acknowledger = consumer.acknowledger();

    for index in [7, 3, 3, 9, 0, 1, 7, 2, 8, 5, 0, 4] {
        acknowledger.acknowledge(&[deliveries[index].tag]).await.unwrap();
    }
    drop(consumer);

    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    assert_eq!(sorted(&received(&mut *consumer, 1).await), numbers([6]));
    assert_nothing_else(&*bus, &mut *consumer, Queue::Entry).await;
}

pub(crate) async fn a_consumer_holds_at_most_its_prefetch(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..10)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 3).await.unwrap();

    let held = received(&mut *consumer, 3).await;

    assert!(tokio::time::timeout(NEVER_AFTER, consumer.receive(10)).await.is_err());
    consumer.acknowledger().acknowledge(&[held[0].tag, held[1].tag]).await.unwrap();
    assert_eq!(sorted(&received(&mut *consumer, 2).await), numbers([3, 4]));
    assert!(tokio::time::timeout(NEVER_AFTER, consumer.receive(10)).await.is_err());
}

pub(crate) async fn a_prefetch_that_needs_several_channels_is_held_whole(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..4_600)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 4_500).await.unwrap();

    let held = received(&mut *consumer, 4_500).await;
    assert!(tokio::time::timeout(NEVER_AFTER, consumer.receive(10)).await.is_err());
    // The last ones first, so that each channel holds acknowledgements back.
    let tags: Vec<Tag> = held.iter().rev().map(|delivery| delivery.tag).collect();
    for tags in tags.chunks(1_000) {
        consumer.acknowledger().acknowledge(tags).await.unwrap();
    }
    let rest = received(&mut *consumer, 100).await;
    drop(consumer);

    assert_eq!(sorted(&[held, rest.clone()].concat()), numbers(0..4_600));
    let mut consumer = bus.consume(Queue::Entry, 4_500).await.unwrap();
    assert_eq!(sorted(&received(&mut *consumer, 100).await), sorted(&rest));
    assert_nothing_else(&*bus, &mut *consumer, Queue::Entry).await;
}

pub(crate) async fn a_slow_consumer_holds_up_no_other_and_no_message_goes_to_both(house: &impl House) {
    let bus = fresh(house).await;
    let mut slow = bus.consume(Queue::Entry, 5).await.unwrap();
    bus.publish(Queue::Entry, messages(0..5)).await.unwrap();
    let held = received(&mut *slow, 5).await;
    let mut quick = bus.consume(Queue::Entry, 20).await.unwrap();

    bus.publish(Queue::Entry, messages(5..205)).await.unwrap();

    assert_eq!(sorted(&held), numbers(0..5));
    assert_eq!(drained(&mut *quick, 200).await, numbers(5..205));
}

pub(crate) async fn many_tasks_may_publish_at_once(house: &impl House) {
    let bus = fresh(house).await;

    let publishers: Vec<_> = (0..20)
        .map(|publisher| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                for message in messages(publisher * 100..publisher * 100 + 50) {
                    bus.publish(Queue::Entry, vec![message]).await.unwrap();
                }
            })
        })
        .collect();
    let mut consumer = bus.consume(Queue::Entry, 100).await.unwrap();
    let delivered = drained(&mut *consumer, 1_000).await;

    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut of_publisher: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for number in delivered {
        of_publisher.entry(number / 100).or_default().push(number % 100);
    }
    assert_eq!(of_publisher, (0..20).map(|publisher| (publisher, (0..50).collect())).collect());
}

pub(crate) async fn a_death_note_survives_the_way(house: &impl House) {
    let reason = DeadLetterReason {
        reason: "exit_date_time: no offset – “09:00”".to_owned(),
        queue: "parking.exit".to_owned(),
    };
    let letters = [Some(reason), None].map(|dead_letter| Message { dead_letter, ..Message::new("not an event") });
    let bus = fresh(house).await;
    bus.publish(Queue::Dead, letters.to_vec()).await.unwrap();
    drop(bus);

    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Dead, 10).await.unwrap();
    let found = received(&mut *consumer, 2).await;

    let found: Vec<_> = found
        .into_iter()
        .map(|delivery| Message { dead_letter: delivery.dead_letter, ..Message::new(delivery.body) })
        .collect();
    assert_eq!(found, letters);
}

pub(crate) async fn the_trace_of_a_message_survives_the_way(house: &impl House) {
    let traces = [Some(TraceContext::new()), None, Some(TraceContext::new())];
    let bus = fresh(house).await;
    let messages = traces.map(|trace| Message { trace, ..Message::new("an event") });

    bus.publish(Queue::Entry, messages.to_vec()).await.unwrap();

    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, 3).await;
    assert!(found.iter().map(|delivery| delivery.trace).eq(traces));
}

pub(crate) async fn bodies_arrive_as_they_were_whatever_their_size(house: &impl House) {
    let bodies = [0, 1, 131_064, 131_072, 3_000_000].map(|length: usize| {
        Message::new((0..length).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<u8>>())
    });
    let bus = fresh(house).await;

    bus.publish(Queue::Entry, bodies.to_vec()).await.unwrap();

    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, bodies.len()).await;
    assert!(found.iter().map(|delivery| &delivery.body).eq(bodies.iter().map(|message| &message.body)));
}

pub(crate) async fn a_bus_that_is_opened_again_has_all_that_was_not_acknowledged(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..20)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let held = received(&mut *consumer, 10).await;
    let tags: Vec<_> = held[..5].iter().map(|delivery| delivery.tag).collect();
    consumer.acknowledger().acknowledge(&tags).await.unwrap();
    drop((consumer, bus));

    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Entry, 20).await.unwrap();

    assert_eq!(sorted(&received(&mut *consumer, 15).await), numbers(5..20));
    assert_nothing_else(&*bus, &mut *consumer, Queue::Entry).await;
}

pub(crate) async fn a_receive_that_is_cancelled_loses_nothing(house: &impl House) {
    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Entry, 500).await.unwrap();
    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            for number in 0..300 {
                bus.publish(Queue::Entry, messages(number..=number)).await.unwrap();
            }
        }
    });

    let mut found = Vec::new();
    within(async {
        while found.len() < 300 {
            // Cancelled at any point: at once, or after some microseconds.
            let patience = Duration::from_micros(found.len() as u64 % 7 * 20);
            if let Ok(deliveries) = tokio::time::timeout(patience, consumer.receive(3)).await {
                found.extend(deliveries.unwrap());
            }
        }
    })
    .await;

    publishing.await.unwrap();
    assert_eq!(found.iter().map(number).collect::<Vec<_>>(), numbers(0..300));
}

pub(crate) async fn a_full_queue_makes_its_publisher_wait_until_there_is_room(house: &impl House) {
    let bus = house.open_small(&ServiceContext::for_testing()).await;
    let mut publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(Queue::Entry, messages(0..500)).await }
    });
    wait_until(EVENT_DEADLINE, "the queue to be full", async || {
        depth(&*bus, Queue::Entry).await >= SMALL_MESSAGES as u64
    })
    .await;

    assert!(tokio::time::timeout(NEVER_AFTER, &mut publishing).await.is_err());
    let mut consumer = bus.consume(Queue::Entry, 5).await.unwrap();
    let delivered: BTreeSet<_> = within(async {
        let mut delivered = BTreeSet::new();
        while delivered.len() < 500 {
            delivered.extend(drained(&mut *consumer, 1).await);
        }
        delivered
    })
    .await;

    publishing.await.unwrap().unwrap();
    assert_eq!(delivered, (0..500).collect());
}

pub(crate) async fn depth_counts_what_is_ready(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..5)).await.unwrap();
    wait_until(EVENT_DEADLINE, "five ready messages", async || depth(&*bus, Queue::Entry).await == 5).await;

    let mut consumer = bus.consume(Queue::Entry, 2).await.unwrap();
    received(&mut *consumer, 2).await;

    wait_until(EVENT_DEADLINE, "three ready messages", async || depth(&*bus, Queue::Entry).await == 3).await;
    assert_eq!(depth(&*bus, Queue::Exit).await, 0);
}

/// A prefetch above 2,000 counts as several consumers on a broker.
pub(crate) async fn the_consumers_of_a_queue_are_counted_and_each_knows_its_own(house: &impl House) {
    let bus = fresh(house).await;
    let counted = async || bus.counts(Queue::Entry).await.unwrap().map_or(0, |counts| counts.consumers);
    let (one, other) = (bus.consume(Queue::Entry, 2_001).await.unwrap(), bus.consume(Queue::Entry, 1).await.unwrap());
    let own = || one.acknowledger().consumers() + other.acknowledger().consumers();
    wait_until(EVENT_DEADLINE, "two consumers", async || own() >= 2 && counted().await == own()).await;

    let gone = one.acknowledger();
    drop(one);

    wait_until(EVENT_DEADLINE, "one consumer", async || counted().await == 1).await;
    assert_eq!((gone.consumers(), other.acknowledger().consumers()), (0, 1));
}

pub(crate) async fn a_stop_ends_the_wait_for_messages(house: &impl House) {
    let context = ServiceContext::for_testing();
    let bus = house.open(&context).await;
    bus.publish(Queue::Entry, messages(0..1)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 2).await.unwrap();
    let held = received(&mut *consumer, 1).await;
    let acknowledger = consumer.acknowledger();
    let waiting = tokio::spawn(async move { (consumer.receive(1).await, consumer) });

    context.lifecycle.stop();

    let (ended, consumer) = within(waiting).await.unwrap();
    assert_eq!(ended, Err(Error::Stopping));
    // Work in flight is still finished.
    within(bus.publish(Queue::Dead, messages(1..2))).await.unwrap();
    acknowledger.acknowledge(&[held[0].tag]).await.unwrap();
    drop((consumer, acknowledger, bus));
    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Entry, 2).await.unwrap();
    assert_nothing_else(&*bus, &mut *consumer, Queue::Entry).await;
}

/// A bus on the house's queues, in a context of its own.
pub(crate) async fn fresh(house: &impl House) -> Arc<dyn Bus> {
    house.open(&ServiceContext::for_testing()).await
}

/// Asserts that the queue has only what the consumer holds: a new message is the next delivery.
async fn assert_nothing_else(bus: &dyn Bus, consumer: &mut dyn Consumer, queue: Queue) {
    bus.publish(queue, messages([999_999])).await.unwrap();
    assert_eq!(drained(consumer, 1).await, [999_999]);
    assert_eq!(depth(bus, queue).await, 0);
}
