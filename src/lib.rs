//! The program `dwell`: the four services in one process, and the commands.
//!
//! - [`pipeline`]: entry gates, exit gates, correlator and summary API, wired in one process on whatever servers the
//!   settings name, and on embedded parts where they name none. [`direct`] is the correlator's way to the ledger there.
//! - [`replay`]: correlates files of gate events offline.
//! - [`publish`]: sends files of gate events to the queues.
//! - [`export`]: writes the ledger's sessions as a session file.
//! - [`dlq`]: lists and requeues dead letters.
//!
//! What the services do is theirs; here they are only put together.

pub mod banner;
pub mod direct;
pub mod dlq;
pub mod event_files;
pub mod export;
pub mod pipeline;
mod progress;
pub mod publish;
mod queues;
pub mod replay;
pub mod session_file;
mod turns;
mod whole_file;
