//! What every service needs around its own work: a frame for its `main`, logs, metrics, health, HTTP, lifecycle, traces,
//! backoff, and a data folder of its own.
//!
//! Start reading at [`run_service`], which a `main` calls, and [`ServiceContext`], which every part of a service gets.
//! Nothing here is process-wide but the log and the signals, so that several services, or two whole pipelines in one
//! test, stand side by side. Deliberately not here: the settings (the crate `settings`), and anything about
//! gate events, sessions, buses or ledgers.

pub mod announce;
pub mod backoff;
pub mod causes;
mod context;
pub mod data_folder;
mod decisions;
pub mod health;
pub mod http;
pub mod lifecycle;
pub mod logs;
pub mod metrics;
mod run;
pub mod traces;

pub use backoff::Backoff;
pub use context::ServiceContext;
pub use decisions::DecisionLog;
pub use health::{Dependency, Health};
pub use lifecycle::Lifecycle;
pub use run::{Role, Unavailable, exit_code, parsed, run_program, run_service};
