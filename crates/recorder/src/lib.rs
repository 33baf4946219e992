//! The seam between the correlator and the owner of the ledger: the port and its messages.
//!
//! Two adapters pass one contract: [`http`], for a summary API in another process, and the service of `sessions`
//! itself in the same process. Every call is idempotent.
//!
//! - [`wire`]: the protocol over HTTP: paths, format and size limits.
//! - [`status`]: the ledger's info, and the status report of a correlator.
//! - `contract`: the contract suite of the adapters.
//!
//! Deliberately not here: retries during an outage (the correlator), answering the calls (`web-api`), and the units
//! themselves (`matching`).

use std::fmt;

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use service_kit::traces::TraceContext;

#[cfg(feature = "testing")]
pub mod contract;
pub mod http;
pub mod status;
pub mod wire;

pub use status::{BrokerCounts, CorrelatorStatus, DependencyReport, LedgerInfo, QueueReport};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Temporary: the ledger is down, slow or busy. The same call may succeed later, and may have succeeded already.
    #[error("the ledger can't be reached: {0}")]
    Unavailable(String),
    /// Permanent: settings disagree, such as a wrong token. Retrying does not help until they are changed.
    #[error("the summary API refuses this correlator: {0}")]
    Refused(String),
    /// The ledger rejects the content of the call, now and later. A call with fewer items may be accepted.
    #[error("the ledger rejects the call: {0}")]
    Rejected(String),
}

/// The port: loads timelines from the ledger and records decisions.
#[async_trait]
pub trait Recorder: Send + Sync + fmt::Debug {
    /// The ledger's id and the matching rules.
    async fn info(&self) -> Result<LedgerInfo, Error>;

    /// The snapshots of many vehicles, in the order of the request.
    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error>;

    /// Records units, each one completely or not at all; the outcomes are in their order. The units must be of
    /// different vehicles. `trace` is the context of the work.
    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error>;

    /// Leases up to `most` vehicles with ended holds or stays. Unless it is recorded soon, a vehicle is leased again.
    async fn due(&self, most: u32) -> Result<Vec<Due>, Error>;

    /// Reports the status of this correlator.
    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error>;
}
