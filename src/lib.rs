//! The program `dwell`: the four services in one process, and the commands.
//!
//! - [`pipeline`]: entry gates, exit gates, correlator and summary API in one process, on the configured servers, or
//!   on embedded parts.
//! - [`commands`]: one module per subcommand.
//! - [`terminal`]: standard output, progress, and the banner.
//!
//! Deliberately not here: what the services do. This crate only composes them.

pub mod commands;
pub mod pipeline;
pub mod terminal;
