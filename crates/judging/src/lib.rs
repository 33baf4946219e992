//! Simulated traffic with its truth, and scores of sessions against it.
//!
//! - [`world`]: vehicles, visits and what the gates report of them, from a seed;
//! - [`plates`]: countries' plates; [`camera`]: how cameras misread them; [`stays`]: when they come and for how long;
//!   [`rng`]: chance that anybody can repeat;
//! - [`truth`]: what was true; [`sessions`]: what a matcher decided; both are read from CSV by `table`;
//! - [`score`](mod@score): recall, precision, false matches and wrong vehicles of pairs of entries and exits;
//!   [`dips`](mod@dips): two stays matched as one; [`passages`](mod@passages): passages that were read twice;
//!   [`mistakes`](mod@mistakes): which exits are wrong.
//!
//! Nothing here depends on how sessions are decided, so it can judge any matcher. Opening files, the formats of events
//! and the words for people are left to the commands `simulate` and `score`.

pub mod camera;
pub mod dips;
pub mod mistakes;
pub mod passages;
pub mod plates;
pub mod rng;
pub mod score;
pub mod sessions;
pub mod stays;
mod table;
pub mod truth;
pub mod world;

pub use dips::{Dips, Doubts, dips, doubts};
pub use mistakes::{Mistake, MistakeKind, mistakes};
pub use passages::{Passages, passages};
pub use score::{Paired, Score, score};
pub use sessions::Decided;
pub use stays::Stays;
pub use table::TableError;
pub use truth::{Truth, Visit};
pub use world::{Report, Traffic, World};
