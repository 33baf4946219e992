//! What the tests of this crate share: units that the matching itself made, and a ledger in a folder of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use matching::{Due, Limits, LoadRequest, Outcome, RecordedEvent, Snapshot, Unit};
use parking::{Clock, Direction, EventKey, LotId, Lots, ManualClock, Plate, Rules, SessionId, Timestamp, Vehicle};
use service_kit::ServiceContext;
use tempfile::TempDir;
use uuid::Uuid;

use crate::Service;
use crate::ledger::{self, ChangeRow, Ledger, LotRow, Page, Pending, Saved, SessionFilter, SessionRow, Summary};

/// 24 September 2024, 09:00 UTC, and so many minutes.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_727_168_400_000).plus_millis(minutes * 60_000)
}

pub(crate) fn vehicle(lot: &str, plate: &str) -> Vehicle {
    Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
}

/// A correlator in miniature: it decides on one event after the other, as if each unit were recorded at once.
#[derive(Debug, Default)]
pub(crate) struct Vehicles {
    snapshots: BTreeMap<Vehicle, Snapshot>,
    events: u128,
}

impl Vehicles {
    pub(crate) fn entry(&mut self, lot: &str, plate: &str, time: Timestamp) -> Unit {
        self.event(vehicle(lot, plate), Direction::Entry, time)
    }

    pub(crate) fn exit(&mut self, lot: &str, plate: &str, time: Timestamp) -> Unit {
        self.event(vehicle(lot, plate), Direction::Exit, time)
    }

    fn event(&mut self, vehicle: Vehicle, direction: Direction, time: Timestamp) -> Unit {
        self.events += 1;
        let key = EventKey { time, direction, id: Uuid::from_u128(self.events) };
        let snapshot = self.snapshots.entry(vehicle.clone()).or_default();
        let limits = Limits::of(&Rules::default(), &vehicle.lot);
        let decision = snapshot.step(&vehicle, limits, &[key], &[]).unwrap();
        let event = |(_, flags): &(usize, _)| RecordedEvent {
            key,
            plate_as_read: vehicle.plate.as_str().into(),
            gate: None,
            confidence: None,
            received_at: time,
            flags: *flags,
        };
        let unit = Unit {
            events: decision.new_events.iter().map(event).collect(),
            base: Some(snapshot.base),
            timeline: decision.timeline,
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
            vehicle,
        };
        *snapshot = unit.next_snapshot();
        unit
    }
}

/// A service on SQLite in a folder of its own.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) service: Service,
    pub(crate) context: ServiceContext,
    pub(crate) clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = ledger::open(&url, minute(0)).await.unwrap();
        let clock = Arc::new(ManualClock::at(minute(0)));
        let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
        Self { service, context, clock, _folder: folder }
    }

    /// The value of a series on the page of metrics.
    pub(crate) fn metric(&self, series: &str) -> Option<i64> {
        let page = service_kit::metrics::render(&self.context.registry);
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }
}

/// How a [`BrokenLedger`] is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Away,
    Corrupt,
    Silent,
    Panics,
}

/// A ledger that can do nothing: for the ways of failing that no real one shows on demand.
#[derive(Debug)]
pub(crate) struct BrokenLedger(pub(crate) How);

impl BrokenLedger {
    /// What a store may say of itself and no client may see.
    pub(crate) const INNER: &str = "connection to 10.1.2.3 as user dwell refused: SELECT plate";

    async fn fail<T>(&self) -> Result<T, ledger::Error> {
        match self.0 {
            How::Away => Err(ledger::Error::Unavailable(Self::INNER.to_owned())),
            How::Corrupt => Err(ledger::Error::Corrupt(Self::INNER.to_owned())),
            How::Silent => std::future::pending().await,
            How::Panics => panic!("{}", Self::INNER),
        }
    }
}

#[async_trait]
impl Ledger for BrokenLedger {
    fn id(&self) -> Uuid {
        Uuid::from_u128(1)
    }
    async fn agree_on(&self, _: &Rules) -> Result<(), ledger::Error> {
        self.fail().await
    }
    async fn load(&self, _: &[LoadRequest], _: &Rules) -> Result<Vec<Snapshot>, ledger::Error> {
        self.fail().await
    }
    async fn record(&self, _: Vec<Unit>, _: &Rules, _: Timestamp) -> Result<Vec<Outcome>, ledger::Error> {
        self.fail().await
    }
    async fn due(&self, _: u32, _: &Rules, _: Timestamp, _: Timestamp) -> Result<Vec<Due>, ledger::Error> {
        self.fail().await
    }
    async fn pending(&self, _: &Rules) -> Result<Pending, ledger::Error> {
        self.fail().await
    }
    async fn save_summary(&self, _: Summary, _: Timestamp) -> Result<Saved, ledger::Error> {
        self.fail().await
    }
    async fn sessions(&self, _: &SessionFilter, _: Page) -> Result<Vec<SessionRow>, ledger::Error> {
        self.fail().await
    }
    async fn session(&self, _: SessionId) -> Result<Option<SessionRow>, ledger::Error> {
        self.fail().await
    }
    async fn lots(&self) -> Result<Vec<LotRow>, ledger::Error> {
        self.fail().await
    }
    async fn changes(&self, _: u64, _: u32) -> Result<Vec<ChangeRow>, ledger::Error> {
        self.fail().await
    }
    async fn ping(&self) -> Result<(), ledger::Error> {
        self.fail().await
    }
}
