//! What the ledger refuses is dead-lettered with the reason, and stops nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use bus::Queue;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{Rules, Vehicle};
use recorder::{CorrelatorStatus, Error, LedgerInfo, Recorder};
use service_kit::traces::TraceContext;
use uuid::Uuid;

use crate::support::pipeline::Pipeline;

/// 24 September 2024, 09:00 UTC.
const BEGIN_MS: i64 = 1_727_168_400_000;
const REASON: &str = "a plate that nobody likes";

/// A ledger that rejects each call with something of the vehicle `BAD1`, as a summary API that finds it wrong would.
#[derive(Debug)]
struct Rejecting {
    inner: Arc<dyn Recorder>,
    loads: bool,
    records: bool,
}

fn check<'a>(rejects: bool, mut vehicles: impl Iterator<Item = &'a Vehicle>) -> Result<(), Error> {
    let is_bad = rejects && vehicles.any(|vehicle| vehicle.plate.as_str() == "BAD1");
    if is_bad { Err(Error::Rejected(REASON.to_owned())) } else { Ok(()) }
}

#[async_trait]
impl Recorder for Rejecting {
    async fn info(&self) -> Result<LedgerInfo, Error> {
        self.inner.info().await
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        check(self.loads, requests.iter().map(|request| &request.vehicle))?;
        self.inner.load(requests).await
    }

    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error> {
        check(self.records, units.iter().map(|unit| &unit.vehicle))?;
        self.inner.record(units, trace).await
    }

    async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        self.inner.due(most).await
    }

    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        self.inner.report(status).await
    }
}

fn entry(number: u128, plate: &str, visit: i64) -> String {
    let (id, time) = (Uuid::from_u128(number), parking::Timestamp::from_millis(BEGIN_MS + visit * 120_000));
    format!(r#"{{"id":"{id}","vehicle_plate":"{plate}","entry_date_time":"{time}"}}"#)
}

/// Settles these entries of one message; returns how many sessions stand, and each dead letter's id and reason.
async fn settled(entries: &[String], loads: bool, records: bool) -> (usize, Vec<(Uuid, String)>) {
    let pipeline = Pipeline::new(Rules { hold_ms: 200, re_read_window_ms: 10_000, ..Rules::default() }).await;
    pipeline.publish(Queue::Entry, [format!("[{}]", entries.join(",")).into_bytes()]).await;
    let mut dead = pipeline.bus.consume(Queue::Dead, 100).await.unwrap();
    let read = async {
        let mut letters = Vec::new();
        // Until the stop, which comes when all is settled.
        while let Ok(deliveries) = dead.receive(100).await {
            for delivery in deliveries {
                let event = parking::wire::parse_event(&delivery.body).unwrap().event;
                letters.push((event.key.id, delivery.dead_letter.unwrap().reason));
            }
        }
        letters
    };

    let recorder = Rejecting { inner: pipeline.recorder(), loads, records };
    let (_, letters) = tokio::join!(pipeline.settle(Arc::new(recorder)), read);

    (pipeline.standing().await.len(), letters)
}

fn reason() -> String {
    format!("ledger rejects the update of the vehicle: {REASON}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_the_ledger_refuses_is_dead_lettered_and_the_rest_of_its_batch_is_recorded() {
    let mut entries: Vec<String> = (1..=50).map(|number| entry(number, &format!("CAR{number}"), 0)).collect();
    entries.insert(31, entry(100, "BAD1", 0));

    let settled = settled(&entries, false, true).await;

    assert_eq!(settled, (50, vec![(Uuid::from_u128(100), reason())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_timeline_the_ledger_does_not_give_is_dead_lettered_and_stops_no_other() {
    // A batch has a hundred events: those of the first make a timeline that does not reach the one behind them.
    let mut entries: Vec<String> = (1..=100_u8).map(|number| entry(number.into(), "BAD1", number.into())).collect();
    entries.push(entry(101, "BAD1", 0));
    entries.extend((102..=106).map(|number| entry(number, &format!("CAR{number}"), 0)));

    let settled = settled(&entries, true, false).await;

    assert_eq!(settled, (105, vec![(Uuid::from_u128(101), reason())]));
}
