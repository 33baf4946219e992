//! Compares the whole ledger with the definition of the sessions: is every event accounted for, exactly once?
//!
//! Vehicles and then the counts of quarter hours are read part by part, each part as of one moment, so the ledger may
//! be in use meanwhile. Totals of the whole ledger (changes, occupancy) are compared only when nothing was recorded in
//! between.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{Stream, stream};
use ledger::{AuditedVehicle, QuarterPlace};
use parking::{LotId, Session, SessionId, State, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::{Error, Service};

/// How many faults are listed; further ones are only counted.
pub const FAULTS_SHOWN: usize = 100;
/// Changes are read in pages of this size.
const CHANGES_PAGE: u32 = 10_000;

/// What a verification has found so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verification {
    /// Vehicles compared.
    pub vehicles: u64,
    /// Gate events compared, re-reads included.
    pub events: u64,
    /// Sessions that stand.
    pub sessions: u64,
    /// Void sessions.
    pub void: u64,
    /// Saved summaries.
    pub summaries: u64,
    /// Quarter hours whose stored counts were compared with the sessions.
    #[serde(default)]
    pub quarters: u64,
    /// Changes in the list of all changes.
    pub changes: u64,
    /// Places where the ledger disagrees with the definition or with itself.
    pub faults: u64,
    /// The first [`FAULTS_SHOWN`] of them; no plate is among them.
    pub shown: Vec<String>,
    /// Whether the counts over the whole ledger were compared: nothing was recorded meanwhile.
    pub totals_compared: bool,
    /// Whether all parts were read.
    pub done: bool,
}

impl Verification {
    fn fault(&mut self, text: impl FnOnce() -> String) {
        self.faults += 1;
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push(text());
        }
    }
}

/// A verification under way.
struct Verifier {
    service: Service,
    found: Verification,
    totals: Totals,
    next: Next,
    first_change: u64,
    _turn: OwnedSemaphorePermit,
}

/// The next step of a verification.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// Compare the vehicles from this number on.
    Vehicles(i64),
    /// Compare the quarter hours from here on.
    Quarters(QuarterPlace),
    /// Compare the totals of all parts.
    Totals,
}

/// What is counted over all parts.
#[derive(Debug, Default)]
struct Totals {
    inside: BTreeMap<LotId, u64>,
    states: BTreeMap<State, u64>,
}

impl Service {
    /// Verifies the whole ledger: a stream of what was found after each part, the last one `done`.
    ///
    /// # Errors
    /// A verification is running already, or the ledger can't be asked. The stream ends with the error of a later part.
    pub(crate) async fn verify(&self) -> Result<impl Stream<Item = Result<Verification, Error>> + Send + use<>, Error> {
        let turn = Arc::clone(&self.inner.verifications).try_acquire_owned();
        let turn = turn.map_err(|_| Error::Full("a verification is running already; try again later".to_owned()))?;
        let first_change = self.inner.ledger.last_change().await?;
        let (found, totals) = (Verification::default(), Totals::default());
        let verifier =
            Verifier { service: self.clone(), found, totals, next: Next::Vehicles(0), first_change, _turn: turn };
        Ok(stream::unfold(Some(verifier), |verifier| async {
            let mut verifier = verifier?;
            match verifier.advance().await {
                Ok(()) => {
                    let found = verifier.found.clone();
                    Some((Ok(found), (!verifier.found.done).then_some(verifier)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

impl Verifier {
    async fn advance(&mut self) -> Result<(), Error> {
        match self.next {
            Next::Vehicles(from) => self.part(from).await,
            Next::Quarters(from) => self.recount(from).await,
            Next::Totals => self.finish().await,
        }
    }

    async fn part(&mut self, from: i64) -> Result<(), Error> {
        let service = self.service.clone();
        let (ledger, rules) = (&service.inner.ledger, &service.inner.rules);
        let part = ledger.audit(rules, from).await?;
        // Behind the part: a lot's time only grows.
        let times: BTreeMap<LotId, Timestamp> =
            ledger.lots().await?.into_iter().filter_map(|lot| Some((lot.id, lot.time?))).collect();
        for audited in &part.vehicles {
            let lot_time = times.get(&audited.vehicle.lot).copied().unwrap_or_default();
            for fault in audited.account.faults(&audited.vehicle, rules, lot_time) {
                self.found.fault(|| fault.to_string());
            }
            for event in &audited.unchained {
                self.found.fault(|| format!("event {event} is not in the chain of its vehicle's events"));
            }
            for event in &audited.mismarked {
                self.found
                    .fault(|| format!("event {event} is marked as superseded and is not, or the other way round"));
            }
            self.count(audited);
        }
        self.next = part.next.map_or(Next::Quarters(QuarterPlace::FIRST), Next::Vehicles);
        Ok(())
    }

    /// Compares the stored counts of some quarter hours with the sessions.
    async fn recount(&mut self, from: QuarterPlace) -> Result<(), Error> {
        let part = self.service.inner.ledger.recount(from).await?;
        self.found.quarters += part.quarters;
        self.found.faults += part.different - part.differences.len() as u64;
        for difference in part.differences {
            self.found.fault(|| difference.to_string());
        }
        self.next = part.next.map_or(Next::Totals, Next::Quarters);
        Ok(())
    }

    fn count(&mut self, audited: &AuditedVehicle) {
        let AuditedVehicle { vehicle, account, summaries, .. } = audited;
        self.found.vehicles += 1;
        self.found.events += account.events.len() as u64;
        self.found.sessions += account.standing.len() as u64;
        self.found.void += account.void.len() as u64;
        self.found.summaries += summaries.len() as u64;
        for session in summaries.iter().filter(|session| !is_summary(session)) {
            self.found.fault(|| format!("summary {} is not the session of its two times", session.id));
        }
        *self.totals.states.entry(State::Void).or_default() += account.void.len() as u64;
        for session in account.standing.iter().chain(summaries) {
            *self.totals.states.entry(session.state).or_default() += 1;
            if session.state == State::Open {
                *self.totals.inside.entry(vehicle.lot.clone()).or_default() += 1;
            }
        }
    }

    /// Compares what is counted over the whole ledger.
    async fn finish(&mut self) -> Result<(), Error> {
        let ledger = Arc::clone(&self.service.inner.ledger);
        let listed = self.read_changes().await?;
        let lots = ledger.lots().await?;
        self.found.totals_compared = ledger.last_change().await? == self.first_change;
        if self.found.totals_compared {
            for state in State::ALL {
                let counted = self.totals.states.get(state).copied().unwrap_or_default();
                let listed = listed.get(state).copied().unwrap_or_default();
                if listed != i128::from(counted) {
                    self.found.fault(|| format!("{counted} sessions are {state}, and {listed} by the list of changes"));
                }
            }
            for lot in lots {
                let counted = self.totals.inside.get(&lot.id).copied().unwrap_or_default();
                if counted != lot.inside {
                    let inside = lot.inside;
                    self.found
                        .fault(|| format!("lot {}: {counted} sessions are open, and {inside} are counted", lot.id));
                }
            }
        }
        self.found.done = true;
        Ok(())
    }

    /// How many sessions are in each state by the list of changes, which must have no gap.
    async fn read_changes(&mut self) -> Result<BTreeMap<State, i128>, Error> {
        let mut states: BTreeMap<State, i128> = BTreeMap::new();
        let mut last = 0;
        while last < self.first_change {
            let page = self.service.inner.ledger.changes(last, CHANGES_PAGE).await?;
            if page.is_empty() {
                self.found.fault(|| format!("the list of changes ends after {last}"));
                break;
            }
            for change in page {
                let expected = last + 1;
                last = change.sequence;
                if last != expected {
                    self.found.fault(|| format!("the list of changes goes on with {last} where {expected} is next"));
                }
                *states.entry(change.to).or_default() += 1;
                if let Some(from) = change.from {
                    *states.entry(from).or_default() -= 1;
                }
                self.found.changes += 1;
            }
        }
        Ok(states)
    }
}

fn is_summary(session: &Session) -> bool {
    let times = session.entry_time.zip(session.exit_time);
    times.is_some_and(|(entry, exit)| SessionId::of_summary(&session.vehicle, entry, exit) == session.id)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use ledger::Summary;

    use super::*;
    use crate::testing::{Fixture, Vehicles, minute, vehicle};
    use ledger_stores::testing::temporary;

    async fn verified(fixture: &Fixture) -> Verification {
        let parts: Vec<_> = fixture.service.verify().await.unwrap().collect().await;
        parts.into_iter().last().unwrap().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_ledger_that_the_pipeline_wrote_has_no_fault() {
        let fixture = Fixture::new(temporary().await);
        let mut vehicles = Vehicles::default();
        let units = [
            vehicles.entry("P3", "AAA111", minute(0)),
            vehicles.exit("P3", "BBB222", minute(1)),
            vehicles.entry("P9", "AAA111", minute(2)),
            vehicles.exit("P3", "AAA111", minute(45)),
            vehicles.entry("P3", "BBB222", minute(0)),
        ];
        for unit in units {
            fixture.record(vec![unit]).await;
        }
        let summary = Summary { vehicle: vehicle("P3", "AAA111"), entry: minute(0), exit: minute(5) };
        fixture.service.save_summary(summary, None).await.unwrap();

        let found = verified(&fixture).await;

        let expected = Verification {
            vehicles: 3,
            events: 5,
            sessions: 3,
            void: 1,
            summaries: 1,
            quarters: 3,
            changes: 7,
            totals_compared: true,
            done: true,
            ..Verification::default()
        };
        assert_eq!(found, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_verification_runs_at_a_time() {
        let fixture = Fixture::new(temporary().await);
        let running = fixture.service.verify().await.unwrap();
        assert!(matches!(fixture.service.verify().await, Err(Error::Full(_))));
        drop(running);
        assert_eq!(verified(&fixture).await.faults, 0);
    }
}
