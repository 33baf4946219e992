//! The commands of `dwell`: each has a `command` for the command line and a `run`.
//!
//! What a command and a service both do is left to the crates that both use.

mod api_client;
pub mod completions;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod export;
mod files;
pub mod publish;
mod queues;
pub mod replay;
pub mod tail;
pub mod verify;
