//! The service as one principal may use it. Every face asks and records through this, so that no face can forget a
//! check.
//!
//! - Scopes: a call that the principal may not make is [`Error::Denied`].
//! - Lots: a lot that the principal may not see looks like one that does not exist, in lists, counts and single
//!   answers.
//!
//! - Plates: a principal without `read_plate` sees masked plates and aliases of ids ([`seen`](crate::seen)), and can't
//!   search by plate.
//!
//! Here are the checks and what correlators and senders of summaries do; `listing` and `by_alias` have the lists of
//! sessions, `searching` finds vehicles by parts of plates, `reading` has the other queries, `accounts` manages tokens and
//! users, `webhooks` manages webhooks. What a principal is,
//! and how it proves who it is, is left to the crate `access` and the faces.

mod accounts;
mod by_alias;
mod listing;
mod reading;
mod searching;
mod webhooks;

use access::{Principal, Scope};
use futures::Stream;
use ledger::Summary;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{LotId, Timestamp};
use recorder::{CorrelatorStatus, LedgerInfo};
use service_kit::Health;
use service_kit::traces::TraceContext;
use tokio::sync::watch;

use super::seen::Sight;
use super::{CallOptions, Error, SeenPlate, SeenSession, Service, Verification};

pub(crate) use accounts::ACCOUNTS_MAX;
pub use listing::{Page, SessionList};
pub use searching::{FoundVehicles, NEWEST_SEARCHED_MAX};
pub(crate) use webhooks::WEBHOOKS_MAX;
pub use webhooks::{NewWebhook, OLD_SECRET_LIFETIME_MS, WebhookStatus};

/// The service as one principal may use it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ScopedService {
    pub(super) service: Service,
    principal: Principal,
    pub(super) sight: Sight,
}

/// The result of saving a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The session of the summary, with the plate that its sender knows.
    pub session: SeenSession,
    /// Whether this call created the session.
    pub is_new: bool,
    /// The number of the newest change at that moment. A read that includes it includes the session.
    pub sequence: u64,
}

impl Service {
    /// The service as this principal may use it.
    pub fn scoped(&self, principal: Principal) -> ScopedService {
        ScopedService { service: self.clone(), sight: self.sight(&principal), principal }
    }

    pub(super) fn sight(&self, principal: &Principal) -> Sight {
        Sight::of(principal, &self.inner.aliases)
    }
}

impl ScopedService {
    /// Who uses it.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the principal sees plates and ids as they are. Otherwise plates are masked and ids are aliases.
    pub fn sees_plates(&self) -> bool {
        self.sight.is_whole()
    }

    /// The time of this machine.
    pub fn now(&self) -> Timestamp {
        self.service.now()
    }

    /// The health of the dependencies of this process. Every face shows it.
    pub fn health(&self) -> &Health {
        self.service.health()
    }

    /// Changes whenever this process has committed something; it tells nothing else.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.service.commits()
    }

    /// The lots that the principal may read, of one that it asks for or of all.
    ///
    /// # Errors
    /// It may not read.
    pub fn readable(&self, asked: Option<&LotId>) -> Result<access::Lots, Error> {
        self.principal.require(Scope::Read)?;
        Ok(self.principal.lots().narrowed(asked))
    }

    /// Whether the principal may read all lots, and so what is counted over all of them.
    fn reads_all_lots(&self) -> bool {
        self.readable(None) == Ok(access::Lots::All)
    }

    /// Which ledger this is, and the rules to decide by.
    ///
    /// # Errors
    /// The principal is no correlator.
    pub fn info(&self) -> Result<LedgerInfo, Error> {
        self.principal.require(Scope::Record)?;
        Ok(self.service.info())
    }

    /// Loads the snapshots of many vehicles, in the order asked for.
    ///
    /// # Errors
    /// The principal is no correlator, or the ledger can't be read.
    pub async fn load(&self, requests: Vec<LoadRequest>, options: CallOptions) -> Result<Vec<Snapshot>, Error> {
        self.principal.require(Scope::Record)?;
        self.service.load(requests, options).await
    }

    /// Records units, each whole or not at all; the outcomes are in their order.
    ///
    /// # Errors
    /// The principal is no correlator, or the ledger can't be written.
    pub async fn record(&self, units: Vec<Unit>, options: CallOptions) -> Result<Vec<Outcome>, Error> {
        self.principal.require(Scope::Record)?;
        self.service.record(units, options).await
    }

    /// Leases up to `most` vehicles with a deadline that has passed.
    ///
    /// # Errors
    /// The principal is no correlator, or the ledger can't be read.
    pub async fn due(&self, most: u32, options: CallOptions) -> Result<Vec<Due>, Error> {
        self.principal.require(Scope::Record)?;
        self.service.due(most, options).await
    }

    /// Stores the report of a correlator.
    ///
    /// # Errors
    /// The principal is no correlator.
    pub fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        self.principal.require(Scope::Record)?;
        self.service.report(status);
        Ok(())
    }

    /// Verifies the whole ledger; each element of the stream is the progress so far.
    ///
    /// # Errors
    /// The principal is neither a correlator nor an administrator, or a verification is running.
    pub async fn verify(&self) -> Result<impl Stream<Item = Result<Verification, Error>> + Send + use<>, Error> {
        if !self.principal.may(Scope::Admin) {
            self.principal.require(Scope::Record)?;
        }
        self.service.verify().await
    }

    /// Saves a summary, as a part of the caller's work; the same one again changes nothing.
    ///
    /// # Errors
    /// The principal may not report events of the lot, or the ledger can't be written.
    pub async fn save_summary(&self, summary: Summary, caller: Option<TraceContext>) -> Result<Saved, Error> {
        // A summary names no gate, so a principal for some gates only can't save one.
        self.principal.check_ingest(&summary.vehicle.lot, None)?;
        let plate = summary.vehicle.plate.clone();
        let saved = self.service.save_summary(summary, caller).await?;
        // A sender that reads nothing gets the session's own id, which it can compute itself. One that reads masked
        // plates gets the id that its lists have.
        let sight = if self.principal.may(Scope::Read) { self.sight.clone() } else { Sight::Whole };
        let session = SeenSession { plate: SeenPlate::Whole(plate), ..sight.session(saved.row) };
        Ok(Saved { session, is_new: saved.is_new, sequence: saved.sequence })
    }
}

#[cfg(test)]
mod tests;
