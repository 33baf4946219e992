//! The contract of the recorder, for every adapter.
//!
//! Each claim is a function of a [`Site`]; the macro [`contract`](crate::contract!) makes a test of each. Promises of
//! one adapter alone are tested beside that adapter.

#![expect(clippy::unwrap_used, reason = "what fails in a claim fails the test")]

use std::any::Any;
use std::sync::Arc;

use matching::testing::{Vehicles, minute, rules, vehicle};
use matching::{LoadRequest, Outcome, Snapshot, Unit};
use parking::{ManualClock, Vehicle};
use service_kit::traces::TraceContext;
use uuid::Uuid;

use crate::wire::VEHICLES_MAX;
use crate::{BrokerCounts, CorrelatorStatus, Error, QueueReport, Recorder};

/// A recorder on an empty ledger with [`rules`].
pub struct Site {
    /// The recorder.
    pub recorder: Arc<dyn Recorder>,
    /// The clock of the ledger's owner, at [`minute`] 0.
    pub clock: Arc<ManualClock>,
    /// Keeps servers alive while the recorder is used.
    pub keeps: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}

impl Site {
    async fn load(&self, vehicles: &[Vehicle]) -> Vec<Snapshot> {
        let request = |vehicle: &Vehicle| LoadRequest { vehicle: vehicle.clone(), reaching: None };
        let requests: Vec<LoadRequest> = vehicles.iter().map(request).collect();
        self.recorder.load(&requests).await.unwrap()
    }

    async fn record(&self, units: &[Unit]) -> Result<Vec<Outcome>, Error> {
        self.recorder.record(units, TraceContext::new()).await
    }
}

fn is_recorded(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Recorded(applied) if applied.events == 1)
}

/// The info has the ledger's id and rules, and does not change.
pub async fn terms_are_the_same_each_time(site: Site) {
    let first = site.recorder.info().await.unwrap();
    let second = site.recorder.info().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.rules, rules());
}

/// Recorded units can be loaded, in the order of the request; an unknown vehicle is at version 0.
pub async fn what_is_recorded_is_loaded_in_the_order_asked_for(site: Site) {
    let mut vehicles = Vehicles::default();
    let units = [vehicles.entry("P3", "AAA111", minute(0)), vehicles.exit("P9", "BBB222", minute(1))];
    assert!(site.record(&units).await.unwrap().iter().all(is_recorded));

    let loaded = site.load(&[vehicle("P9", "BBB222"), vehicle("P9", "NOBODY"), vehicle("P3", "AAA111")]).await;

    assert_eq!(loaded, [units[1].next_snapshot(), Snapshot::default(), units[0].next_snapshot()]);
}

/// A repeated unit is rejected with the vehicle's current snapshot.
pub async fn a_unit_that_is_sent_again_is_recorded_once(site: Site) {
    let unit = Vehicles::default().entry("P3", "AAA111", minute(0));
    assert!(is_recorded(&site.record(std::slice::from_ref(&unit)).await.unwrap()[0]));

    let again = site.record(std::slice::from_ref(&unit)).await.unwrap();

    assert_eq!(again, [Outcome::Lost(unit.next_snapshot())]);
}

/// Each unit is recorded or rejected individually, and the outcomes are in the order of the units.
pub async fn outcomes_are_in_the_order_of_their_units(site: Site) {
    let mut vehicles = Vehicles::default();
    let known = vehicles.entry("P3", "AAA111", minute(0));
    site.record(std::slice::from_ref(&known)).await.unwrap();

    let outcomes = site.record(&[vehicles.entry("P3", "BBB222", minute(1)), known.clone()]).await.unwrap();

    assert!(is_recorded(&outcomes[0]), "{outcomes:?}");
    assert_eq!(outcomes[1..], [Outcome::Lost(known.next_snapshot())]);
}

/// A call that no correct correlator sends is rejected, and nothing of it is recorded.
pub async fn a_call_that_makes_no_sense_is_rejected_whole(site: Site) {
    let unit = Vehicles::default().entry("P3", "AAA111", minute(0));

    let refused = site.record(&[unit.clone(), unit.clone()]).await.unwrap_err();

    assert!(matches!(refused, Error::Rejected(_)), "{refused:?}");
    assert_eq!(site.load(&[unit.vehicle]).await, [Snapshot::default()]);
}

/// More vehicles than fit into one call are answered as one list.
pub async fn more_vehicles_than_one_call_carries_are_loaded(site: Site) {
    let known = Vehicles::default().entry("P3", "LAST", minute(0));
    site.record(std::slice::from_ref(&known)).await.unwrap();
    let others = (0..VEHICLES_MAX).map(|number| vehicle("P3", &format!("A{number}")));
    let vehicles: Vec<Vehicle> = others.chain([known.vehicle.clone()]).collect();

    let loaded = site.load(&vehicles).await;

    assert_eq!(loaded.len(), VEHICLES_MAX + 1);
    assert_eq!(loaded.last(), Some(&known.next_snapshot()));
}

/// An exit whose hold has ended is leased to one correlator at a time, once a correlator reports that no entry is in
/// flight.
pub async fn a_hold_that_has_ended_is_due_once(site: Site) {
    let exit = Vehicles::default().exit("P3", "AAA111", minute(0));
    site.record(std::slice::from_ref(&exit)).await.unwrap();
    let queue = QueueReport { broker: Some(BrokerCounts::default()), ..QueueReport::default() };
    let idle =
        CorrelatorStatus { correlator: Uuid::from_u128(1), entry: queue, exit: queue, ..CorrelatorStatus::default() };
    assert_eq!(site.recorder.due(10).await.unwrap(), []);

    site.clock.advance_millis(rules().hold_ms + 1_000);
    site.recorder.report(idle).await.unwrap();
    let due = site.recorder.due(10).await.unwrap();

    assert_eq!(due.iter().map(|due| &due.vehicle).collect::<Vec<_>>(), [&exit.vehicle]);
    assert_eq!(due[0].snapshot, exit.next_snapshot());
    assert_eq!(site.recorder.due(10).await.unwrap(), []);
}

/// An unreachable ledger is a temporary error: no call reports a wrong setting or content.
pub async fn a_ledger_that_is_away_is_unavailable(site: Site) {
    let unit = Vehicles::default().entry("P3", "AAA111", minute(0));
    let request = LoadRequest { vehicle: unit.vehicle.clone(), reaching: None };
    let errors = [
        site.recorder.load(&[request]).await.unwrap_err(),
        site.record(&[unit]).await.unwrap_err(),
        site.recorder.due(10).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, Error::Unavailable(_))), "{errors:?}");
}

/// Makes a test of each claim: `$site` makes a [`Site`], `$away` one with an unreachable ledger.
#[macro_export]
macro_rules! contract {
    ($site:path, $away:path) => {
        $crate::contract!(@claims $site:
            terms_are_the_same_each_time,
            what_is_recorded_is_loaded_in_the_order_asked_for,
            a_unit_that_is_sent_again_is_recorded_once,
            outcomes_are_in_the_order_of_their_units,
            a_call_that_makes_no_sense_is_rejected_whole,
            more_vehicles_than_one_call_carries_are_loaded,
            a_hold_that_has_ended_is_due_once,
        );
        $crate::contract!(@claims $away: a_ledger_that_is_away_is_unavailable,);
    };
    (@claims $site:path: $($claim:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                $crate::contract::$claim($site().await).await;
            }
        )+
    };
}
