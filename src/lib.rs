//! The program `dwell`: the four services in one process, and the commands.
//!
//! - [`pipeline`]: entry gates, exit gates, correlator and summary API, wired in one process on whatever servers the
//!   settings name, and on embedded parts where they name none.
//! - [`commands`]: one module a subcommand.
//! - [`terminal`]: standard output, progress, and the banner.
//!
//! What the services do is theirs; here they are only put together.

pub mod commands;
pub mod pipeline;
pub mod terminal;
