//! A correlator on embedded queues and a SQLite ledger, in the test's own process.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use access::Principal;
use bus::{Bus, BusConfig, Message, Queue};
use ledger::{Order, SessionFilter};
use parking::{Lots, Rules, Session, SessionId, SystemClock, Vehicle};
use recorder::Recorder;
use service_kit::ServiceContext;
use sessions::{Page, ScopedService, SeenSession, Service};
use settings::Settings;
use testbed::wait_until;

use super::PATIENCE;

/// Everything but the correlator, which is started on it.
pub(crate) struct Pipeline {
    pub(crate) context: ServiceContext,
    pub(crate) service: Service,
    pub(crate) bus: Arc<dyn Bus>,
    _folder: tempfile::TempDir,
}

impl Pipeline {
    pub(crate) async fn new(rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let context = ServiceContext::new(Arc::new(SystemClock));
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = ledger_stores::open(&url, &context.connector, context.clock.now()).await.unwrap();
        let service = Service::new(ledger, rules, Lots::default(), &context);
        let bus = bus::open(&BusConfig { data_dir: folder.path().into(), ..BusConfig::default() }, &context).unwrap();
        Self { context, service, bus, _folder: folder }
    }

    pub(crate) fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::new(self.service.scoped(Principal::correlator()))
    }

    fn scoped(&self) -> ScopedService {
        self.service.scoped(Principal::local())
    }

    pub(crate) async fn publish(&self, queue: Queue, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let messages = bodies.into_iter().map(Message::new).collect();
        self.bus.publish(queue, messages).await.unwrap();
    }

    /// Starts a correlator with batches of a hundred events, waits until all work is done, and stops it. Returns how many
    /// dead letters there are.
    pub(crate) async fn settle(&self, recorder: Arc<dyn Recorder>) -> u64 {
        let settings = Settings::from_variables([("DWELL_BATCH_EVENTS", "100")]).unwrap();
        let config = correlator::Config::from_settings(&settings).unwrap();
        correlator::start(config, Arc::clone(&self.bus), recorder, &self.context).await.unwrap();
        // In two reports, one after the other: what the bus has handed out may not have been received at the first.
        let since = Cell::new(None);
        wait_until(PATIENCE, "all work to be done", async || {
            let status = self.scoped().status().await.unwrap();
            let reported = status.correlators.first().map(|correlator| correlator.reported_at);
            let first = since.get().or(reported).filter(|_| status.settled);
            since.set(first);
            first.is_some() && reported > first
        })
        .await;
        let dead_letters = self.bus.depth(Queue::Dead).await.unwrap().unwrap();
        self.context.lifecycle.stop();
        self.context.lifecycle.finished(Duration::from_secs(10)).await.unwrap();
        dead_letters
    }

    /// Every session that stands.
    pub(crate) async fn standing(&self) -> BTreeMap<SessionId, Session> {
        let mut sessions = BTreeMap::new();
        let mut after = None;
        loop {
            let page = Page { limit: 1000, after, order: Order::OldestFirst };
            let rows = self.scoped().sessions(&SessionFilter::default(), page).await.unwrap().rows;
            let Some(last) = rows.last() else { return sessions };
            after = Some(last.id);
            sessions.extend(rows.iter().map(whole).map(|session| (session.id, session)));
        }
    }
}

/// A session as the ledger has it: the pipeline's own principal sees it so.
fn whole(seen: &SeenSession) -> Session {
    let plate = seen.plate.whole().unwrap().clone();
    Session {
        id: SessionId::from_uuid(seen.id),
        vehicle: Vehicle { lot: seen.lot.clone(), plate },
        entry_event_id: seen.entry_event_id,
        entry_time: seen.entry_time,
        exit_event_id: seen.exit_event_id,
        exit_time: seen.exit_time,
        state: seen.state,
        reason: seen.reason,
    }
}
