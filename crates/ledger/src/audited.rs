//! The shapes of an audit: everything that a ledger has about some vehicles. The adapters collect it, and
//! `matching::history` judges it.

use matching::history::Account;
use parking::{Session, Vehicle};
use uuid::Uuid;

/// Some vehicles with everything that the ledger has about them, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audited {
    /// The vehicles, by number.
    pub vehicles: Vec<AuditedVehicle>,
    /// The first vehicle number of the next part; `None` after the last vehicle.
    pub next: Option<i64>,
}

/// A vehicle with everything that the ledger has about it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedVehicle {
    /// The vehicle's number.
    pub number: i64,
    /// Lot and plate.
    pub vehicle: Vehicle,
    /// The vehicle's events and sessions.
    pub account: Account,
    /// Events that are missing from the chain of the vehicle's events, so that late events would be decided without
    /// them. If the chain is circular, all events are missing.
    pub unchained: Vec<Uuid>,
    /// Events that are marked as superseded and are not, or the other way round. Those that are due to be looked at are
    /// left out.
    pub mismarked: Vec<Uuid>,
    /// Saved summaries.
    pub summaries: Vec<Session>,
}
