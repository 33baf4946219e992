//! What plate-reading cameras send, read into gate events.
//!
//! [`read`] takes one [`Delivery`] (the bytes of a request or an MQTT message, and when it arrived) and the [`Gate`]
//! that it came for. It returns the [`Read`]s to publish, what was left out and why, or a refusal that names the
//! member, the reason and what is allowed. Everything here is pure: no clock, no I/O, no logging; the same delivery
//! gives the same reads with the same ids, so a retransmission is harmless.
//!
//! One file of `vendors` per vendor turns a body into *sightings*: what the camera said, in the camera's own terms.
//! `resolve` then applies the gate's configuration, in one place for all vendors: zone, direction, ignored plates, id.
//!
//! Left to the gateway: access, limits on connections, publishing, metrics, and the filters on top of a gate.

mod answer;
mod body;
mod delivery;
mod format;
mod gate;
mod identity;
mod outcome;
mod read;
mod recall;
mod resolve;
mod sighting;
mod time;
mod values;
mod vendors;

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;

pub use answer::Answer;
pub use body::{MAX_BODY_BYTES, MAX_DEPTH, MAX_NODES, MAX_PARTS, MAX_TEXT_BYTES};
pub use delivery::Delivery;
pub use format::{Format, UnknownFormat};
pub use gate::{DateOrder, Gate, GateDirection, GateError, Mapping, Mounting, WrittenGate};
pub use outcome::{MAX_READS, Outcome, Skipped};
pub use read::{Candidate, MAX_CANDIDATES, Read, TimeSource};
pub use recall::{Recall, RecentCars};
pub use resolve::read;
