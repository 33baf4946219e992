//! The program `dwell`: the four services in one process, and the commands.
//!
//! - [`pipeline`]: entry gates, exit gates, correlator and summary API, wired in one process on whatever servers the
//!   settings name, and on embedded parts where they name none. [`direct`] is the correlator's way to the ledger there.
//! - [`replay`]: correlates files of gate events offline.
//! - [`publish`]: sends files of gate events to the queues.
//! - [`export`]: writes the ledger's sessions as a session file.
//! - [`explain`]: says why an event did or did not match.
//! - [`tail`]: shows the live feed in a terminal.
//! - [`verify`]: compares the whole ledger with its events.
//! - [`dlq`]: lists and requeues dead letters.
//! - [`completions`]: completes the command line in a shell.
//! - [`doctor`]: checks the settings and what they lead to; says cause and fix.
//!
//! What the services do is theirs; here they are only put together.

mod api_client;
pub mod banner;
pub mod completions;
pub mod direct;
pub mod dlq;
pub mod doctor;
pub mod event_files;
pub mod explain;
pub mod export;
pub mod output;
pub mod pipeline;
mod progress;
pub mod publish;
mod queues;
pub mod replay;
pub mod session_file;
pub mod tail;
mod turns;
pub mod verify;
mod whole_file;
