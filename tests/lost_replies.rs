//! A lost reply, a repeated call and a ledger that is down for a moment change no session.
//!
//! The real correlator works on the embedded queues and a SQLite ledger; only the way between them is made unreliable,
//! by a seed. What must come out is what the events say, by the definition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bus::Queue;
use matching::history::{lot_times, settled_sessions};
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{Direction, EventKey, GateEvent, LotId, Plate, Rules, Session, SessionId, State, Timestamp, Vehicle};
use recorder::{CorrelatorStatus, Error, LedgerInfo, Recorder};
use service_kit::metrics::render;
use service_kit::traces::TraceContext;
use uuid::Uuid;

use crate::support::pipeline::Pipeline;

const HOLD_MS: i64 = 300;

/// Loses a third of the calls or of their replies, and makes another third twice.
#[derive(Debug)]
struct Unreliable {
    recorder: Arc<dyn Recorder>,
    calls: AtomicU64,
    /// Calls that load or record, and got no answer.
    unanswered: Arc<AtomicU64>,
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

    fn counted<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        answer.inspect_err(|_| _ = self.unanswered.fetch_add(1, Ordering::SeqCst))
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
    async fn info(&self) -> Result<LedgerInfo, Error> {
        unreliably!(self, self.recorder.info().await)
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        self.counted(unreliably!(self, self.recorder.load(requests).await))
    }

    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error> {
        self.counted(unreliably!(self, self.recorder.record(units, trace).await))
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

async fn publish(pipeline: &Pipeline, events: &[GateEvent]) {
    for (direction, queue) in [(Direction::Entry, Queue::Entry), (Direction::Exit, Queue::Exit)] {
        let body = |event: &GateEvent| {
            let mut json = Vec::new();
            parking::wire::write_event(event, &mut json);
            json
        };
        pipeline.publish(queue, events.iter().filter(|event| event.key.direction == direction).map(body)).await;
    }
}

fn retries(pipeline: &Pipeline, call: &str) -> u64 {
    let (page, series) =
        (render(&pipeline.context.registry), format!("dwell_ledger_retries_total{{call=\"{call}\"}} "));
    page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreliable_way_to_the_ledger_changes_no_session() {
    let rules = Rules { hold_ms: HOLD_MS, max_stay_ms: 2 * 3_600_000, ..Rules::default() };
    let pipeline = Pipeline::new(rules.clone()).await;
    let events = events();
    publish(&pipeline, &events).await;

    let unanswered = Arc::new(AtomicU64::new(0));
    let recorder =
        Unreliable { recorder: pipeline.recorder(), calls: AtomicU64::new(0), unanswered: Arc::clone(&unanswered) };
    pipeline.settle(Arc::new(recorder)).await;

    let (standing, expected) = (pipeline.standing().await, expected(&events, &rules));
    assert_eq!(standing.values().find(|session| Some(*session) != expected.get(&session.id)), None);
    assert_eq!(standing.len(), expected.len());
    assert!(standing.values().any(|session| session.state == State::Matched));
    let tried_again = ["load", "record"].map(|call| retries(&pipeline, call));
    // The stop may cut off the last one: what was recorded without an answer is settled already.
    let (all, unanswered) = (tried_again.iter().sum::<u64>(), unanswered.load(Ordering::SeqCst));
    assert!((all..=all + 1).contains(&unanswered), "{unanswered} calls without an answer, {tried_again:?} tried again");
    assert!(tried_again.iter().all(|count| *count > 0), "{tried_again:?}");
}
