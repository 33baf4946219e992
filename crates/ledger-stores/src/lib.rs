//! The databases of the ledger: SQLite (a file, the default) and PostgreSQL.
//!
//! Both implement the port in `ledger` and pass one contract suite. [`open`] chooses between them by the address. What
//! a unit changes is decided in `plan`, without a database; SQL stands in `sqlite` and `postgres`.

// The whole port is implemented here, so its names stand at the root of this crate.
use ledger::{
    AliasKey, Audited, AuditedVehicle, BACKLOG_EVENTS_MAX, CHANGES_OF_SESSION_MAX, ChangeRow, Connected, Counts,
    Dwells, EVENTS_OF_ID_MAX, EVENTS_OF_VEHICLE_MAX, Error, EventRow, Ledger, LotRow, Order, Page, Pending, QUARTER_MS,
    QuarterDifference, QuarterPlace, Quarters, Recent, RecentOf, Recounted, Saved, SessionFilter, SessionList,
    SessionRow, Summary, SupersededId, Tally, Trouble, WaitingDelivery, Webhook, WebhookChange, WebhookKinds,
    WebhookProgress, quarter_of,
};

mod account_rows;
mod audit;
pub mod backup;
mod chain;
#[cfg(test)]
mod contract;
mod encoding;
mod group;
mod list;
mod looking;
mod open;
mod plan;
pub mod postgres;
mod progress;
mod receipt;
mod recount;
mod rollup;
mod rows;
mod rules_guard;
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod webhook_rows;

pub use open::{Probe, open, probe};

/// The largest clock skew between the machines that share a ledger. A stored time further in the future comes from a
/// wrong clock: a hold that began then has ended, and a lease from then is void.
const CLOCK_SKEW_MAX_MS: i64 = 10_000;
