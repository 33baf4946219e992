//! The HTTP API that records sessions in the ledger and reads them.
//!
//! - `rest`: `/api/v1` and `POST /save_summary`; `correlators`: `/internal/v1`.
//! - `graphql`: the GraphQL schema and its query cache.
//! - `live`: the live feed of committed changes.
//! - `openapi`, `reference`: the OpenAPI description, and a page that shows it.
//! - `app`: all routes and the operator's page as one router, with their common layers.
//! - [`Config`]: the configuration.
//!
//! Start reading at [`run`] and [`router`]. Matching is in the crate `matching`, which the correlator calls; recording
//! and reading sessions is in `sessions`, the JSON views are in `api`, and the operator's page is in `operator-page`.

mod access;
mod app;
mod body;
mod config;
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
