//! The HTTP API that records sessions in the ledger and answers questions about them.
//!
//! - [`routes`]: the routes of programs: `POST /save_summary`, `/api/v1` and `/internal/v1`, `/openapi.json`.
//! - `app`: all routes as one, and what holds for every one of them.
//! - `live`: the changes as they are committed, for clients that follow.
//! - `answers`: what many ask of GraphQL at once, answered once.
//! - [`Config`]: what it is told.
//!
//! Start reading at [`run`] and [`router`]. Deciding which exit belongs to which entry is the crate `matching`'s, and
//! the correlator's to apply; what can be recorded and asked is `sessions`', how answers look is `api`'s, and the page
//! for people is `operator-page`'s.

mod access;
mod answers;
mod app;
pub mod config;
mod limits;
mod live;
mod metrics;
pub mod offline;
pub mod routes;
mod run;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use app::router;
pub use config::Config;
pub use routes::openapi;
pub use run::{Error, TASK, run, start};
