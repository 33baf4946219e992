//! Matches exits with entries, one vehicle at a time.
//!
//! Everything here is pure: events, timeline and what has ended go in, session changes come out. Nothing waits,
//! reads a clock, logs or fails, so every order of arrival can be replayed in a test.
//!
//! - [`canonical`]: which sessions a set of gate events is: the definition, used by the live pipeline and the replay.
//! - [`step`](mod@step): what new evidence changes: the difference between the sessions before and after.
//! - [`timeline`]: the recent events of a vehicle; [`cut`]: where they may be cut.
//! - [`record`]: the units in which decisions travel to the ledger.
//! - [`explanation`]: why an event is in the session that it is in; [`similar_plates`]: plates that a gate may have misread for one another.
//! - [`history`]: checks a finished ledger against the definition.
//!
//! Start reading at [`step::step`]. Loading and recording (the correlator's worker) and choosing when a hold ends
//! (the ledger's index) are not here; how units travel is `recorder`'s.

pub mod canonical;
pub mod cut;
pub mod explanation;
pub mod history;
mod limits;
pub mod record;
pub mod similar_plates;
pub mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timeline;

pub use canonical::{Stay, for_each_stay};
pub use explanation::{Cause, Explanation, Passage, explain, explain_unread};
pub use limits::Limits;
pub use record::{Applied, Base, Due, LoadRequest, Outcome, RecordedEvent, Snapshot, Unit, unread_unit};
pub use step::{Changes, Decision, EventRef, Rule, SessionChange, TooOld, step};
pub use timeline::{Flags, Timeline, TimelineEvent};
