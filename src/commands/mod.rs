//! The commands of `dwell`: each has a `command` for the command line and a `run`.
//!
//! Code that commands share with services is in the crates.

mod accounts;
mod api_client;
pub mod backup;
pub mod completions;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod export;
mod files;
pub mod gate;
pub mod publish;
mod queues;
pub mod replay;
pub mod restore;
pub mod score;
pub mod simulate;
pub mod support_bundle;
pub mod tail;
pub mod token;
pub mod user;
pub mod verify;
pub mod webhook;
