//! Made-up traffic as a pure function of seed and time, and the one loop that publishes it.
//!
//! [`Traffic`] says what the gates of some lots publish in any stretch of time, event ids included. So the entry and
//! the exit service, which each publish one direction, need not talk, and one that starts again only repeats events
//! that are known already. [`publish::run`] is the loop; [`Plan`] reads both from the settings; [`gates`] is the service
//! around them.
//!
//! The figures (hours of arrival, lengths of stay) are those of real car parks; see [`profile`]. Everything is drawn
//! from `ChaCha8` with formulas of this crate, so that no new release of a library changes what a seed means.
//!
//! Deliberately not here: what becomes of the events, and misread plates.

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
