//! Simulated traffic as a pure function of seed and time, and the loop that publishes it.
//!
//! [`Traffic`] computes what the gates of some lots publish in any interval, with the event ids. So the entry and the
//! exit service, which each publish one direction, need not communicate, and a restarted one only repeats known
//! events. [`publish::run`] is the loop; [`Plan`] reads the configuration of both from the settings; [`gates`] is the
//! service around them.
//!
//! The figures (arrivals by hour, lengths of stay) are those of real car parks; see [`profile`]. All random numbers
//! come from `ChaCha8` with formulas of this crate, so that no release of a library changes the meaning of a seed.
//!
//! Deliberately not here: the further way of the events, and misread plates.

mod config;
pub mod gates;
mod metrics;
mod plates;
pub mod profile;
pub mod publish;
mod rng;
mod traffic;
mod vehicles;

pub use config::{Plan, TrafficConfig, WrongTraffic};
pub use traffic::{Publication, Traffic, Upcoming};
