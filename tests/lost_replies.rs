//! A lost reply, a repeated call and a ledger that is away for a moment change no session.
//!
//! The real correlator works on the embedded queues and a SQLite ledger; only the way between them is made unreliable,
//! by a seed. What must come out is what the events say, by the definition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, BusConfig, Message, Queue};
use correlator::recorder::{Error, Recorder};
use dwell::direct::DirectRecorder;
use matching::history::{lot_times, settled_sessions};
use matching::{CorrelatorStatus, Due, LedgerTerms, LoadRequest, Outcome, Snapshot, Unit};
use parking::{
    Direction, EventKey, GateEvent, LotId, Lots, Plate, Rules, Session, SessionId, State, SystemClock, Timestamp,
    Vehicle,
};
use service_kit::{ServiceContext, Settings};
use summary_api::Service;
use summary_api::ledger::{Order, Page, SessionFilter};
use testbed::wait_until;
use uuid::Uuid;

use crate::support::PATIENCE;

const HOLD_MS: i64 = 300;

/// Loses a third of the calls or of their replies, and makes another third twice.
#[derive(Debug)]
struct Unreliable {
    recorder: DirectRecorder,
    calls: AtomicU64,
}

impl Unreliable {
    /// What happens to this call: a number from 0 to 5, the same for the same sequence of calls.
    fn fate(&self) -> u64 {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        call.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) % 6
    }

    fn lost() -> Error {
        Error::Unavailable("lost on the way".into())
    }
}

macro_rules! unreliably {
    ($self:ident, $call:expr) => {
        match $self.fate() {
            0 => Err(Unreliable::lost()),
            1 => {
                $call?;
                Err(Unreliable::lost())
            }
            2 | 3 => {
                $call?;
                $call
            }
            _ => $call,
        }
    };
}

#[async_trait]
impl Recorder for Unreliable {
    async fn terms(&self) -> Result<LedgerTerms, Error> {
        unreliably!(self, self.recorder.terms().await)
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        unreliably!(self, self.recorder.load(requests).await)
    }

    async fn record(&self, units: &[Unit]) -> Result<Vec<Outcome>, Error> {
        unreliably!(self, self.recorder.record(units).await)
    }

    async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        self.recorder.due(most).await
    }

    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        unreliably!(self, self.recorder.report(status.clone()).await)
    }
}

/// Few vehicles with many passages each, out of order, some of them twice: as much revision as can be had.
fn events() -> Vec<GateEvent> {
    let mut events = Vec::new();
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 1..=6_000_u128 {
        let seconds = i64::try_from(draw(50_000)).unwrap();
        let direction = if draw(2) == 0 { Direction::Entry } else { Direction::Exit };
        let plate = format!("CAR{}", draw(60));
        let time = Timestamp::from_millis(1_727_168_400_000 + seconds * 1000);
        let event = GateEvent {
            vehicle: Vehicle { lot: LotId::default(), plate: Plate::from_read(&plate).unwrap() },
            key: EventKey { time, direction, id: Uuid::from_u128(number) },
            plate_as_read: plate.into(),
            gate: None,
            confidence: None,
        };
        if draw(10) == 0 {
            events.push(event.clone());
        }
        events.push(event);
    }
    events
}

/// The sessions that the events say.
fn expected(events: &[GateEvent], rules: &Rules) -> BTreeMap<SessionId, Session> {
    let lot_time = lot_times(events.iter().map(|event| (&event.vehicle.lot, event.key.time)))[&LotId::default()];
    let mut vehicles: BTreeMap<&Vehicle, Vec<EventKey>> = BTreeMap::new();
    for event in events {
        vehicles.entry(&event.vehicle).or_default().push(event.key);
    }
    let sessions =
        vehicles.into_iter().flat_map(|(vehicle, mut keys)| settled_sessions(vehicle, &mut keys, rules, lot_time));
    sessions.map(|session| (session.id, session)).collect()
}

async fn publish(bus: &dyn Bus, events: &[GateEvent]) {
    for direction in [Direction::Entry, Direction::Exit] {
        let body = |event: &GateEvent| {
            let mut json = Vec::new();
            parking::wire::write_event(event, &mut json);
            Message::new(json)
        };
        let messages = events.iter().filter(|event| event.key.direction == direction).map(body).collect();
        let queue = if direction == Direction::Entry { Queue::Entry } else { Queue::Exit };
        bus.publish(queue, messages).await.unwrap();
    }
}

async fn standing(service: &Service) -> BTreeMap<SessionId, Session> {
    let mut sessions = BTreeMap::new();
    let mut after = None;
    loop {
        let page = Page { limit: 1000, after, order: Order::OldestFirst };
        let rows = service.sessions(&SessionFilter::default(), page).await.unwrap();
        let Some(last) = rows.last() else { return sessions };
        after = Some(last.session.id);
        sessions.extend(rows.into_iter().map(|row| (row.session.id, row.session)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreliable_way_to_the_ledger_changes_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let rules = Rules { hold_ms: HOLD_MS, max_stay_ms: 2 * 3_600_000, ..Rules::default() };
    let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    let ledger = summary_api::ledger::open(&url, context.clock.now()).await.unwrap();
    let service = Service::new(ledger, rules.clone(), Lots::default(), &context);
    let bus = bus::open(&BusConfig { data_dir: folder.path().into(), ..BusConfig::default() }, &context).unwrap();
    let events = events();
    publish(bus.as_ref(), &events).await;

    let recorder = Unreliable { recorder: DirectRecorder::new(service.clone()), calls: AtomicU64::new(0) };
    let config = correlator::Config {
        batch_events: 100,
        ..correlator::Config::from_settings(&Settings::from_variables([]).unwrap()).unwrap()
    };
    correlator::start(config, bus, Arc::new(recorder), &context).await.unwrap();
    wait_until(PATIENCE, "all work to be done", async || {
        let status = service.status().await.unwrap();
        status.settled && status.correlators.iter().all(|correlator| correlator.status.in_flight == 0)
    })
    .await;

    let (standing, expected) = (standing(&service).await, expected(&events, &rules));
    assert_eq!(standing.values().find(|session| Some(*session) != expected.get(&session.id)), None);
    assert_eq!(standing.len(), expected.len());
    assert!(standing.values().any(|session| session.state == State::Matched));
    context.lifecycle.stop();
    context.lifecycle.finished(Duration::from_secs(10)).await.unwrap();
}
