//! The words of a car park, shared by every part of Dwell.
//!
//! | word | meaning |
//! | --- | --- |
//! | gate event | one read of one plate at one gate: an *entry* or an *exit*. Its time is when the vehicle was seen |
//! | lot | one car park. Events without a lot belong to the lot `main` |
//! | vehicle | a plate (in its normal form) within a lot: the key that events are matched on |
//! | timeline | the recent gate events of one vehicle, in order of time (crate `matching`) |
//! | session | one stay: an entry and its exit, or one of the two alone. A row of the ledger |
//! | dwell | exit time minus entry time of a matched session |
//! | ledger | the durable record of sessions and of every change to them, owned by the summary API |
//! | working state | the timelines that the correlator keeps at hand: a cache of the ledger |
//!
//! Start reading at [`GateEvent`] and [`wire`]. Everything here is plain data: nothing waits, and only
//! [`SystemClock`] looks at a clock. Deciding which exit belongs to which entry is the crate `matching`'s.

mod certainty;
mod clock;
mod event;
mod lot;
mod lots;
mod permitted_stay;
mod plate;
pub mod printable;
pub mod readable;
mod receipt;
mod refusal;
mod rules;
mod session;
pub mod session_row;
pub mod text_file;
mod time;
pub mod wire;

pub use certainty::{Candidate, Certainty};
pub use clock::{AHEAD_MAX_MS, Clock, ManualClock, SystemClock};
pub use event::{Direction, EventKey, GateEvent, Vehicle};
pub use lot::{GateId, LotId};
pub use lots::{Lot, LotKind, Lots, LotsError};
pub use permitted_stay::PermittedStay;
pub use plate::{PLATE_NORMAL_FORM, Plate};
pub use receipt::{Door, DroppedHeaders, FormatName, Receipt};
pub use refusal::Refusal;
pub use rules::{GivenRules, Rules, duration_ms, exact_duration, plate_list};
pub use session::{Reason, Session, SessionId, Source, State, UnknownWord};
pub use time::Timestamp;
