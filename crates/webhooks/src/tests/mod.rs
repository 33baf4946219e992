//! Deliveries to real receivers on loopback, from a real ledger.

mod addressed;
mod delivered;
mod hostile;
mod receiver;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use access::{Lots, Principal};
use ledger::{Ledger, Webhook, WebhookKind};
use matching::Unit;
use parking::{Clock as _, SystemClock};
use service_kit::ServiceContext;
use sessions::testing::{Vehicles, minute, rules};
use sessions::{NewWebhook, ScopedService, Service};
use tls::Connector;

use crate::{Pace, PrivateAddresses, Sender};
use receiver::{Received, Receiver};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_mins(2);

/// A pace that repeats within milliseconds.
fn quick() -> Pace {
    Pace {
        first_retry: Duration::from_millis(5),
        retry_max: Duration::from_millis(100),
        probe_max: Duration::from_millis(100),
        poll: Duration::from_millis(50),
        save: Duration::from_millis(50),
        requests_max: 16,
        ..Pace::default()
    }
}

/// A summary API without its HTTP side, with deliveries.
struct Site {
    service: Service,
    context: ServiceContext,
    ledger: Arc<dyn Ledger>,
}

impl Site {
    /// A site on this ledger that delivers at this pace.
    fn on(ledger: &Arc<dyn Ledger>, pace: Pace) -> Self {
        let context = ServiceContext::new(Arc::new(SystemClock));
        let service = Service::new(Arc::clone(ledger), rules(), parking::Lots::default(), &context);
        let sender = Sender::new(PrivateAddresses::Allowed, &Connector::default());
        crate::spawn(&service, &sender, pace, &context).unwrap();
        Self { service, context, ledger: Arc::clone(ledger) }
    }

    fn local(&self) -> ScopedService {
        self.service.scoped(Principal::local())
    }

    async fn record(&self, steps: [Vec<Unit>; 3]) {
        record(&self.ledger, steps).await;
    }

    /// A webhook for all kinds and lots, from the first change on.
    async fn webhook(&self, receiver: &Receiver) -> Webhook {
        self.local().create_webhook(new_webhook(receiver)).await.unwrap()
    }

    /// How the webhook stands.
    async fn standing(&self, webhook: &Webhook) -> Webhook {
        self.local().webhook(webhook.id).await.unwrap().unwrap().webhook
    }

    /// Waits until the webhook stands like this.
    async fn until(&self, webhook: &Webhook, what: &str, is_so: impl Fn(&Webhook) -> bool) -> Webhook {
        testbed::wait_until(PATIENCE, what, async || is_so(&self.standing(webhook).await)).await;
        self.standing(webhook).await
    }

    /// Stops as a process does.
    async fn stop(self) {
        self.context.lifecycle.stop();
        testbed::wait_until(PATIENCE, "the stop", async || self.context.lifecycle.running().is_empty()).await;
    }
}

fn new_webhook(receiver: &Receiver) -> NewWebhook {
    NewWebhook {
        name: "test".to_owned(),
        url: receiver.url(),
        lots: Lots::All,
        kinds: WebhookKind::ALL.into_iter().collect(),
        plates: false,
        after: Some(0),
    }
}

async fn record(ledger: &Arc<dyn Ledger>, steps: impl IntoIterator<Item = Vec<Unit>>) {
    for units in steps {
        let recorded = ledger.record(units, &rules(), SystemClock.now()).await.unwrap();
        assert!(recorded.iter().all(|outcome| matches!(outcome, matching::Outcome::Recorded(_))));
    }
}

/// Four changes of two sessions for each vehicle: an entry, its exit, and a late entry between them, which takes the exit
/// from the first session.
fn vehicles(lot: &str, from: u32, count: u32) -> [Vec<Unit>; 3] {
    let mut vehicles = Vehicles::default();
    let plates: Vec<String> = (from..from + count).map(|number| format!("CAR{number}")).collect();
    let entries = plates.iter().map(|plate| vehicles.entry(lot, plate, minute(0))).collect();
    let exits = plates.iter().map(|plate| vehicles.exit(lot, plate, minute(60))).collect();
    let late = plates.iter().map(|plate| vehicles.entry(lot, plate, minute(20))).collect();
    [entries, exits, late]
}

/// Asserts that each of these changes was accepted, and that none was sent before all earlier ones of its session were.
fn assert_in_order(received: &[Received], sequences: std::ops::RangeInclusive<u64>) {
    let accepted: std::collections::BTreeSet<u64> =
        received.iter().filter(|one| one.is_accepted).map(Received::sequence).collect();
    assert!(accepted.iter().copied().eq(sequences), "{} were accepted", accepted.len());
    let mut of_sessions: std::collections::BTreeMap<String, Vec<&Received>> = std::collections::BTreeMap::new();
    for one in received {
        of_sessions.entry(one.session()).or_default().push(one);
    }
    for (session, attempts) in of_sessions {
        let mut done: Option<u64> = None;
        for attempt in &attempts {
            let sequence = attempt.sequence();
            let earlier = attempts.iter().map(|one| one.sequence()).filter(|other| *other < sequence).max();
            assert!(earlier <= done, "{session}: {sequence} was sent after {done:?}, before {earlier:?} was accepted");
            if attempt.is_accepted {
                done = done.max(Some(sequence));
            }
        }
    }
}
