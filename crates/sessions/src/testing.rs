//! Fixtures for tests that need a service: one on a ledger that the test opens, usually by
//! `ledger_stores::testing::temporary`.
//!
//! Only compiled for tests, and with the feature `testing` for those of the crates above.

#![expect(clippy::unwrap_used, reason = "a fixture that can't be made ends its test")]

use std::sync::Arc;

use access::Principal;
use ledger::Ledger;
use matching::{Outcome, Unit};
use parking::{Clock, Lots, ManualClock, Rules};
use recorder::{BrokerCounts, CorrelatorStatus, QueueReport};
use service_kit::ServiceContext;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{CallOptions, ScopedService, Service};

pub use ledger::testing::{BrokenLedger, CountingLedger, How, Vehicles, minute, rules, vehicle};

/// The report of a correlator that has nothing to do.
pub fn idle_correlator(id: u128) -> CorrelatorStatus {
    let queue = QueueReport { broker: Some(BrokerCounts::default()), ..QueueReport::default() };
    CorrelatorStatus { correlator: Uuid::from_u128(id), entry: queue, exit: queue, ..CorrelatorStatus::default() }
}

/// A service on a ledger in a folder of its own.
#[derive(Debug)]
pub struct Fixture {
    /// The service.
    pub service: Service,
    /// What it runs in.
    pub context: ServiceContext,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    _folder: TempDir,
}

impl Fixture {
    /// On this ledger, in its folder, without lots that are known beforehand.
    pub fn new(place: (Arc<dyn Ledger>, TempDir)) -> Self {
        Self::with(place, Lots::default(), rules())
    }

    /// With one lot, P3, in this time zone.
    pub fn in_zone(place: (Arc<dyn Ledger>, TempDir), time_zone: &str) -> Self {
        Self::with_lots(place, &format!("[[lot]]\nid = \"P3\"\nkind = \"mall\"\ntime_zone = \"{time_zone}\""))
    }

    /// With the lots of this file.
    pub fn with_lots(place: (Arc<dyn Ledger>, TempDir), lots: &str) -> Self {
        Self::with(place, Lots::parse(lots).unwrap(), rules())
    }

    /// With these rules.
    pub fn with_rules(place: (Arc<dyn Ledger>, TempDir), rules: Rules) -> Self {
        Self::with(place, Lots::default(), rules)
    }

    fn with((ledger, folder): (Arc<dyn Ledger>, TempDir), lots: Lots, rules: Rules) -> Self {
        let clock = Arc::new(ManualClock::at(minute(0)));
        let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let service = Service::new(Arc::clone(&ledger), rules, lots, &context);
        Self { service, context, clock, ledger, _folder: folder }
    }

    /// The service for a principal that may do everything.
    pub fn local(&self) -> ScopedService {
        self.service.scoped(Principal::local())
    }

    /// Records units, and gives what became of them.
    pub async fn record(&self, units: Vec<Unit>) -> Vec<Outcome> {
        self.service.record(units, CallOptions::default()).await.unwrap()
    }

    /// The value of a series on the page of metrics.
    pub fn metric(&self, series: &str) -> Option<i64> {
        let page = service_kit::metrics::render(&self.context.registry);
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }
}
