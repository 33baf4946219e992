//! Simulated traffic with its truth, and scores of sessions against it.
//!
//! - [`world`]: vehicles, visits and what the gates report of them, from a seed;
//! - [`plates`]: countries' plates; [`camera`]: how cameras misread them; [`rng`]: chance that anybody can repeat;
//! - [`score`](mod@score): recall, false matches and wrong vehicles of pairs of entries and exits.
//!
//! Nothing here depends on how sessions are decided, so it can judge any matcher. Files, formats and clocks are left
//! to the commands that use it.

pub mod camera;
pub mod plates;
pub mod rng;
pub mod score;
pub mod stays;
pub mod world;

pub use score::{Dips, Paired, Score, dips, score};
pub use stays::Stays;
pub use world::{Report, Traffic, Visit, World};
