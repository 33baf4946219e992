//! Matches exits with entries, one vehicle at a time.
//!
//! Everything here is pure: events, timeline and ended waits are the input, session changes the output. Nothing
//! waits, reads a clock, logs or fails, so a test can replay every order of arrival.
//!
//! - [`canonical`]: the definition of the sessions of a set of gate events, used by the live pipeline and the replay.
//! - [`step`](mod@step): the changes by new evidence: the difference between the sessions before and after.
//! - [`timeline`]: the recent events of a vehicle; [`cut`]: where they may be cut.
//! - [`record`]: the units in which decisions are sent to the ledger.
//! - [`explanation`]: why an event is in its session; [`similar_plates`]: plates that a gate may have confused.
//! - [`history`]: checks a finished ledger against the definition.
//! - [`misread`]: exits and entries that belong together although their plates differ, by likelihood.
//!
//! Start reading at [`step::step`]. Deliberately not here: loading and recording (the correlator's worker), when a
//! hold ends (the ledger's index), and the encoding of units (`recorder`).

// A naive implementation stands among the integration tests and serves the unit tests too, by the crate's name.
#[cfg(test)]
extern crate self as matching;

pub mod canonical;
pub mod cut;
pub mod explanation;
pub mod history;
mod limits;
pub mod misread;
pub mod record;
pub mod similar_plates;
pub mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timeline;

pub use canonical::{Stay, for_each_stay};
pub use explanation::{Cause, Explanation, Passage, explain, explain_superseded, explain_unread};
pub use limits::Limits;
pub use record::{
    Applied, Due, ExpectedVersion, LoadRequest, Outcome, RecordedEvent, Snapshot, Unit, superseding_unit,
    superseding_unread_unit, unread_unit,
};
pub use step::{Changes, Decision, EventRef, Rule, SessionChange, TooOld, step, supersede};
pub use timeline::{Flags, Timeline, TimelineEvent};
