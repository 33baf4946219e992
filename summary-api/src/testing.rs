//! What the tests of this crate share: units that the matching itself made, and a ledger in a folder of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use matching::{
    BrokerCounts, CorrelatorStatus, Due, Limits, LoadRequest, Outcome, QueueReport, RecordedEvent, Snapshot, Unit,
};
use parking::{
    Clock, Direction, EventKey, GivenRules, LotId, Lots, ManualClock, Plate, Rules, SessionId, Timestamp, Vehicle,
};
use service_kit::ServiceContext;
use tempfile::TempDir;
use uuid::Uuid;

use crate::Service;
use crate::ledger::{
    self, Audited, ChangeRow, Connected, EventRow, Ledger, LotRow, Page, Pending, Quarters, Recent, RecentOf, Saved,
    SessionFilter, SessionRow, Summary,
};

/// 24 September 2024, 09:00 UTC, and so many minutes.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_727_168_400_000).plus_millis(minutes * 60_000)
}

pub(crate) fn vehicle(lot: &str, plate: &str) -> Vehicle {
    Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
}

/// The rules of a ledger with a short re-read window: events of tests that are no re-reads are often a minute apart.
pub(crate) fn rules() -> Rules {
    Rules { re_read_window_ms: 10_000, ..Rules::default() }
}

/// The report of a correlator that has nothing to do.
pub(crate) fn idle_correlator(id: u128) -> CorrelatorStatus {
    let queue = QueueReport { broker: Some(BrokerCounts::default()), ..QueueReport::default() };
    CorrelatorStatus { correlator: Uuid::from_u128(id), entry: queue, exit: queue, ..CorrelatorStatus::default() }
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
        let limits = Limits::of(&rules(), &vehicle.lot);
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
    pub(crate) ledger: Arc<dyn Ledger>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Lots::default(), rules()).await
    }

    /// With one lot, P3, in this time zone.
    pub(crate) async fn in_zone(time_zone: &str) -> Self {
        let lots = format!("[[lot]]\nid = \"P3\"\nkind = \"mall\"\ntime_zone = \"{time_zone}\"");
        Self::with(Lots::parse(&lots).unwrap(), rules()).await
    }

    pub(crate) async fn with_rules(rules: Rules) -> Self {
        Self::with(Lots::default(), rules).await
    }

    async fn with(lots: Lots, rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = ledger::open(&url, minute(0)).await.unwrap();
        let clock = Arc::new(ManualClock::at(minute(0)));
        let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let service = Service::new(Arc::clone(&ledger), rules, lots, &context);
        Self { service, context, clock, ledger, _folder: folder }
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
    async fn agree_on(&self, _: &GivenRules) -> Result<Rules, ledger::Error> {
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
    async fn sessions_by_id(&self, _: &[SessionId]) -> Result<Vec<SessionRow>, ledger::Error> {
        self.fail().await
    }
    async fn lots(&self) -> Result<Vec<LotRow>, ledger::Error> {
        self.fail().await
    }
    async fn quarters(&self, _: &LotId, _: Range<i64>) -> Result<Quarters, ledger::Error> {
        self.fail().await
    }
    async fn note_connected(&self, _: i64) -> Result<(), ledger::Error> {
        self.fail().await
    }
    async fn connected(&self, _: Range<i64>) -> Result<Connected, ledger::Error> {
        self.fail().await
    }
    async fn recent(&self, _: &[RecentOf]) -> Result<Vec<Recent>, ledger::Error> {
        self.fail().await
    }
    async fn changes(&self, _: u64, _: u32) -> Result<Vec<ChangeRow>, ledger::Error> {
        self.fail().await
    }
    async fn last_change(&self) -> Result<u64, ledger::Error> {
        self.fail().await
    }
    async fn events_with_id(&self, _: Uuid) -> Result<Vec<EventRow>, ledger::Error> {
        self.fail().await
    }
    async fn vehicle_events(&self, _: &Vehicle, _: Option<Timestamp>, _: u32) -> Result<Vec<EventRow>, ledger::Error> {
        self.fail().await
    }
    async fn changes_between(&self, _: SessionId, _: Timestamp, _: Timestamp) -> Result<Vec<ChangeRow>, ledger::Error> {
        self.fail().await
    }
    async fn audit(&self, _: &Rules, _: i64) -> Result<Audited, ledger::Error> {
        self.fail().await
    }
    async fn ping(&self) -> Result<(), ledger::Error> {
        self.fail().await
    }
}

/// Records stays of an hour and a half, one begun each hour of twelve, and a vehicle that stays; returns their lot.
pub(crate) async fn fill_some_hours(ledger: &impl Ledger) -> LotId {
    let mut vehicles = Vehicles::default();
    for hour in 0..12 {
        let plate = format!("CAR{}", hour % 3);
        for unit in
            [vehicles.entry("P3", &plate, minute(hour * 60)), vehicles.exit("P3", &plate, minute(hour * 60 + 90))]
        {
            ledger.record(vec![unit], &rules(), minute(0)).await.unwrap();
        }
    }
    let stays = vehicles.entry("P3", "STAYS", minute(0));
    ledger.record(vec![stays], &rules(), minute(0)).await.unwrap();
    LotId::parse("P3").unwrap()
}

/// A ledger that remembers what it was asked.
#[derive(Debug)]
pub(crate) struct CountingLedger {
    inner: Arc<dyn Ledger>,
    calls: Mutex<Vec<&'static str>>,
}

impl CountingLedger {
    pub(crate) fn of(inner: Arc<dyn Ledger>) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    /// The names of all calls, in their order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn called(&self, name: &'static str) -> &dyn Ledger {
        self.calls.lock().unwrap().push(name);
        &*self.inner
    }
}

#[async_trait]
impl Ledger for CountingLedger {
    fn id(&self) -> Uuid {
        self.inner.id()
    }
    async fn agree_on(&self, given: &GivenRules) -> Result<Rules, ledger::Error> {
        self.called("agree_on").agree_on(given).await
    }
    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, ledger::Error> {
        self.called("load").load(requests, rules).await
    }
    async fn record(&self, units: Vec<Unit>, rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, ledger::Error> {
        self.called("record").record(units, rules, now).await
    }
    async fn due(
        &self,
        most: u32,
        rules: &Rules,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Due>, ledger::Error> {
        self.called("due").due(most, rules, now, lease_until).await
    }
    async fn pending(&self, rules: &Rules) -> Result<Pending, ledger::Error> {
        self.called("pending").pending(rules).await
    }
    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, ledger::Error> {
        self.called("save_summary").save_summary(summary, now).await
    }
    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<Vec<SessionRow>, ledger::Error> {
        self.called("sessions").sessions(filter, page).await
    }
    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, ledger::Error> {
        self.called("session").session(id).await
    }
    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, ledger::Error> {
        self.called("sessions_by_id").sessions_by_id(ids).await
    }
    async fn lots(&self) -> Result<Vec<LotRow>, ledger::Error> {
        self.called("lots").lots().await
    }
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, ledger::Error> {
        self.called("changes").changes(after, limit).await
    }
    async fn last_change(&self) -> Result<u64, ledger::Error> {
        self.called("last_change").last_change().await
    }
    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, ledger::Error> {
        self.called("quarters").quarters(lot, quarters).await
    }
    async fn note_connected(&self, quarter: i64) -> Result<(), ledger::Error> {
        self.called("note_connected").note_connected(quarter).await
    }
    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, ledger::Error> {
        self.called("connected").connected(quarters).await
    }
    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, ledger::Error> {
        self.called("recent").recent(lots).await
    }
    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, ledger::Error> {
        self.called("events_with_id").events_with_id(id).await
    }
    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, ledger::Error> {
        self.called("vehicle_events").vehicle_events(vehicle, around, limit).await
    }
    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, ledger::Error> {
        self.called("changes_between").changes_between(session, from, to).await
    }
    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, ledger::Error> {
        self.called("audit").audit(rules, from).await
    }
    async fn ping(&self) -> Result<(), ledger::Error> {
        self.called("ping").ping().await
    }
}
