//! Webhooks: each change to a session goes to the receivers that subscribed to it, signed as Standard Webhooks defines
//! it, in order per session, at least once.
//!
//! - [`spawn`] (`worker`) takes the leases of webhooks, and starts a `deliverer` for each.
//! - Pure: `queue` (what is to be sent, in which order), `breaker` (a receiver that is down), `pace` (delays and limits),
//!   `message` (bodies and ids), and `addresses` (where messages may go).
//! - `sender`: HTTP.
//!
//! Deliberately not here: storing webhooks and their progress (the ledger), who may manage them (`sessions`), and the
//! routes for that (`web-api`).

mod addresses;
mod breaker;
mod deliverer;
mod message;
mod metrics;
mod pace;
mod queue;
mod sender;
#[cfg(test)]
mod tests;
mod worker;

pub use addresses::PrivateAddresses;
pub use pace::Pace;
pub use sender::Sender;
pub use worker::{TASK, spawn};
