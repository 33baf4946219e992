//! The summary API as a process: it opens the ledger and serves the HTTP faces of `web-api` over it.
//!
//! - [`Config`]: the configuration.
//! - [`run`]: the port first, then the ledger, until the shutdown.
//! - [`offline`]: the ledger for a command, while no summary API runs.
//!
//! Matching is in the crate `matching`, which the correlator calls; recording and reading sessions is in `sessions`.

mod config;
pub mod offline;
mod run;
#[cfg(test)]
mod tests;
mod tokens_file;

pub use config::Config;
pub use run::{Error, FurtherRoutes, TASK, run, start};
