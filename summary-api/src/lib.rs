//! The HTTP API that records sessions in the ledger and answers questions about them.
//!
//! - `rest`: `/api/v1` and `POST /save_summary`; `correlators`: `/internal/v1`.
//! - `graphql`: the same questions in one language, and answers that are kept for a moment.
//! - `live`: the changes as they are committed, for clients that follow.
//! - `openapi`, `reference`: the description of all these, for programs and for people.
//! - `app`: all routes and the operator's page as one, and what holds for every one of them.
//! - [`Config`]: what it is told.
//!
//! Start reading at [`run`] and [`router`]. Deciding which exit belongs to which entry is the crate `matching`'s, and
//! the correlator's to apply; what can be recorded and asked is `sessions`', how answers look is `api`'s, and the page
//! for people is `operator-page`'s.

mod access;
mod app;
mod body;
pub mod config;
mod correlators;
mod graphql;
mod limits;
mod live;
mod metrics;
pub mod offline;
mod openapi;
mod reference;
mod rest;
mod run;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use app::router;
pub use config::Config;
pub use openapi::openapi;
pub use run::{Error, TASK, run, start};
