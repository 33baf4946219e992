//! Each correlator reports once a second, whether or not the broker counts its queues; a count is reported for its
//! queue.

use std::sync::Arc;

use access::Principal;
use async_trait::async_trait;
use bus::{Bus, Consumer, Counts, Error, Message, Queue};
use parking::Rules;
use service_kit::metrics;
use settings::Settings;
use testbed::{wait_for, wait_until};

use crate::support::PATIENCE;
use crate::support::pipeline::Pipeline;

/// The counts that a broker reports of its queues.
#[derive(Debug, Clone, Copy)]
enum Depths {
    /// No answer, without end.
    Silent,
    /// Unknown: the broker is down.
    NotKnown,
    /// This many messages.
    Known(fn(Queue) -> u64),
}

/// A bus that counts in its own way, and else is the one within.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Bus>,
    depths: Depths,
}

#[async_trait]
impl Bus for Counting {
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error> {
        self.inner.publish(queue, messages).await
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.inner.consume(queue, prefetch).await
    }

    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error> {
        match self.depths {
            Depths::Silent => std::future::pending().await,
            Depths::NotKnown => Ok(None),
            Depths::Known(depth) => Ok(Some(Counts { ready: depth(queue), consumers: 1 })),
        }
    }
}

/// A correlator on a bus that counts so.
async fn correlator(depths: Depths) -> Pipeline {
    let pipeline = Pipeline::new(Rules::default()).await;
    let bus = Arc::new(Counting { inner: Arc::clone(&pipeline.bus), depths });
    let config = correlator::Config::from_settings(&Settings::from_variables([]).unwrap()).unwrap();
    correlator::start(config, bus, pipeline.recorder(), &pipeline.context).await.unwrap();
    pipeline
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correlator_goes_on_reporting_while_the_broker_is_silent_or_away() {
    for depths in [Depths::Silent, Depths::NotKnown] {
        let pipeline = correlator(depths).await;
        let report = || pipeline.service.scoped(Principal::local()).correlators().into_iter().next();
        let mut last = None;
        for _ in 0..3 {
            let next = wait_for(PATIENCE, "another report", async || {
                report().filter(|report| last.is_none_or(|last| report.reported_at > last))
            })
            .await;
            let status = &next.status;
            let known = (status.entry.broker, status.exit.broker, status.in_flight());
            assert_eq!(known, (None, None, 0), "{depths:?}");
            last = Some(next.reported_at);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_metric_of_a_queue_is_of_that_queue() {
    let pipeline = correlator(Depths::Known(|queue| match queue {
        Queue::Entry => 3,
        Queue::Exit => 5,
        Queue::Dead => 7,
    }))
    .await;
    let shown =
        ["dwell_queue_ready{queue=\"entry\"} 3", "dwell_queue_ready{queue=\"exit\"} 5", "dwell_dead_letters_waiting 7"];

    wait_until(PATIENCE, "the depths to be shown", async || {
        let page = metrics::render(&pipeline.context.registry);
        shown.iter().all(|series| page.lines().any(|line| line == *series))
    })
    .await;
}
