//! The common frame of all services: `main`, logs, metrics, health, HTTP, lifecycle, traces, backoff, and the data
//! folder.
//!
//! Start reading at [`run_service`], which a `main` calls, and [`ServiceContext`], which every part of a service gets.
//! Only the log, the signals and the build are process-wide, so that several services, or two whole pipelines in one
//! test, can run side by side. Deliberately not here: the settings (crate `settings`), and anything about gate events,
//! sessions, buses or ledgers.

pub mod announce;
pub mod backoff;
pub mod causes;
mod context;
pub mod data_folder;
mod decisions;
pub mod health;
pub mod http;
mod identity;
pub mod lifecycle;
pub mod logs;
pub mod metrics;
mod run;
pub mod tls;
pub mod traces;

pub use backoff::Backoff;
pub use context::ServiceContext;
pub use decisions::DecisionLog;
pub use health::{Dependency, Health};
pub use identity::Build;
pub use lifecycle::Lifecycle;
pub use run::{Role, Unavailable, exit_code, parsed, run_program, run_service};
