//! The audit chain: who looked up which plate, exported, corrected, erased, signed in or was refused.
//!
//! Each record carries a keyed hash over itself and the hash before it, so a record that was changed, deleted or moved
//! fails verification, and nobody who has only the ledger, without the key, can build a valid chain. A chain alone
//! cannot show that its newest records are missing: for that a [`Head`] is kept elsewhere and passed to the
//! [`Verifier`].
//!
//! - [`entry`](Entry): what is recorded. Plates stand in it as keyed hashes only.
//! - [`record`](Record): an entry with its place in the chain.
//! - [`verify`](Verifier): finds what was done to a chain.
//! - [`cut`](cut_point): where old records may be cut off, and how the rest goes on from there.
//! - [`throttle`](Throttle): which lists are recorded, when one user sees hundreds an hour.
//!
//! Storing is left to the ledger, which appends in the transaction of what it records.

mod cut;
mod entry;
mod record;
mod throttle;
mod verify;

pub use cut::{cut_entry, cut_point};
pub use entry::{Action, Entry, Outcome};
pub use record::{Head, Record};
pub use throttle::Throttle;
pub use verify::{Fault, Verifier};

#[cfg(test)]
mod tests;
