//! The ids of reads: hashes of the gate and of what the vendor keeps stable. The plate never goes in, because a masked
//! plate could be found by trying plates until the id is right.

use parking::Timestamp;
use uuid::{Builder, Uuid};
use xxhash_rust::xxh3::xxh3_128;

use crate::Gate;

/// What tells a read from another of the same gate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Identity {
    /// The vendor's id of the read, which stays the same when it is sent again.
    Vendor(String),
    /// The sender has no ids: the time of capture, and the place in the message.
    Place,
    /// One of several reads of one car, each of which replaces the one before.
    Revision {
        /// The vendor's id of the car.
        car: String,
        /// Which read of the car, from 0. Each replaces the one of the stage before.
        stage: usize,
        /// Whether stages may be missing: then the read is published for each stage between the first and its own, so that the
        /// chain has no gap. All but the last are replaced at once.
        links: bool,
    },
}

/// A UUID (version 8) of the gate and `parts`.
pub(crate) fn event_id(gate: &Gate, parts: &[&str]) -> Uuid {
    let hash = hash([gate.id.as_str(), gate.format.as_str()].iter().chain(parts));
    Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}

/// The id of a read by time and place.
pub(crate) fn placed_id(gate: &Gate, time: Timestamp, place: usize) -> Uuid {
    event_id(gate, &["place", &time.as_millis().to_string(), &place.to_string()])
}

/// The id of a read that the vendor has an id for. The time makes ids of counters that restart different ones.
pub(crate) fn vendor_id(gate: &Gate, id: &str, time: Option<Timestamp>) -> Uuid {
    let time = time.map(|time| time.as_millis().to_string()).unwrap_or_default();
    event_id(gate, &["vendor", id, &time])
}

/// The id of a stage of a car.
pub(crate) fn stage_id(gate: &Gate, car: &str, stage: usize) -> Uuid {
    event_id(gate, &["stage", car, &stage.to_string()])
}

/// A hash of texts; where one ends and the next begins makes a difference.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a &'a str>) -> u128 {
    let mut bytes = Vec::with_capacity(128);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    xxh3_128(&bytes)
}
