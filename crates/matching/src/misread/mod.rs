//! Misread plates: exits and entries of one lot that belong together although their plates differ.
//!
//! Cameras read nine plates in ten right, so a fifth of all stays has a wrong plate at one end. The exact step leaves
//! them unmatched; what is here decides them by likelihood, as record linkage and target tracking do: each pair is
//! weighed against "this exit has no entry", the marginal posterior over all one-to-one assignments is taken, and a
//! pair stands when it is at least tau. An exact match is never touched.
//!
//! - [`reads`]: what the exact step leaves of a lot's evidence;
//! - [`letters`], [`edits`], [`index`]: which plates are near, and finding them;
//! - `rates`, `channel` and [`certainty`] (what cameras do to plates), [`plates`], [`shapes`], `variants` and `sip`
//!   (which plates there are), `likelihood` (both together), [`stays`], [`weigh`]: the weight of a pair;
//! - [`times`], [`posterior`], [`decide`](mod@decide): the decision; [`gaps`], [`re_reads`]: passages read twice with
//!   different texts;
//! - [`open_entries`] and `changing_index`: entries that come and go, and which of them one read is most likely of;
//! - [`sessions`]: the sessions that come of it; [`reasons`]: why, for people;
//! - [`model`], [`learn`](mod@learn), `learn_cameras`: the tables that all this rests on, and where they come from.
//!
//! Everything is pure, and no number depends on the machine.

pub mod certainty;
mod changing_index;
mod channel;
pub mod decide;
pub mod edits;
pub mod gaps;
mod garbled;
pub mod index;
pub mod learn;
mod learn_cameras;
pub mod letters;
mod likelihood;
pub mod marginal;
pub mod model;
#[cfg(test)]
mod naive;
pub mod number;
pub mod open_entries;
pub mod plates;
pub mod posterior;
mod rates;
pub mod re_reads;
pub mod reads;
pub mod reasons;
pub mod sessions;
pub mod shapes;
mod sip;
pub mod stays;
pub mod times;
mod variants;
pub mod weigh;

pub use decide::{Decisions, Pair, decide};
pub use gaps::GapTable;
pub use learn::{Purpose, learn};
pub use model::{Model, ModelRecord, Models, Tables};
pub use open_entries::{Found, Likely, OpenEntries};
pub use plates::{KnownPlate, PlateKey};
pub use rates::Matrix;
pub use reads::{GateRead, Lot};
pub use reasons::{Reasoner, Reasons};
pub use weigh::Weigher;
