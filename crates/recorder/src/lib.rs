//! The seam between the correlator and the owner of the ledger: the port, and what travels through it.
//!
//! Two adapters, held to one contract: [`http`], for a summary API in another process, and the service of `sessions`
//! itself in the same one. Every call may be repeated: what is recorded twice is recorded once.
//!
//! - [`wire`]: where the calls are over HTTP, in which format, and how large they may be.
//! - [`status`]: the terms of the ledger, and how a correlator stands.
//! - [`contract`]: what every adapter promises, for tests.
//!
//! Not here: waiting out an outage (the correlator's), answering the calls (summary-api's), and the units themselves
//! (`matching`'s).

use std::fmt;

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use service_kit::traces::TraceContext;

#[cfg(feature = "testing")]
pub mod contract;
pub mod http;
pub mod status;
pub mod wire;

pub use status::{BrokerCounts, CorrelatorStatus, DependencyReport, LedgerTerms, QueueReport};

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The ledger is away, slow or busy: the same call may succeed later, and may have succeeded already.
    #[error("the ledger can't be reached: {0}")]
    Unavailable(String),
    /// Settings disagree, such as a wrong token; trying again will not help until somebody changes them.
    #[error("the summary API refuses this correlator: {0}")]
    Refused(String),
    /// The call is well-formed, but the ledger does not take its content, now or later. Fewer items at once may be taken.
    #[error("the ledger does not take it: {0}")]
    Rejected(String),
}

/// Loads timelines from the ledger and records what was decided.
#[async_trait]
pub trait Recorder: Send + Sync + fmt::Debug {
    /// Which ledger this is, and the rules to decide by.
    async fn terms(&self) -> Result<LedgerTerms, Error>;

    /// The snapshots of many vehicles, in the order asked for.
    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error>;

    /// Records units, each whole or not at all; the outcomes are in their order. Units are of different vehicles. `trace`
    /// is the work that this belongs to.
    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error>;

    /// Leases up to `most` vehicles of which something awaited has ended. What is not recorded soon is leased again.
    async fn due(&self, most: u32) -> Result<Vec<Due>, Error>;

    /// Says how this correlator stands.
    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error>;
}
