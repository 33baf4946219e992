//! Walks the chain of a vehicle's events: builds timelines that reach further back than the stored one, and selects
//! events around a time.

use matching::{Flags, Limits, Snapshot, Timeline, TimelineEvent};
use parking::{EventKey, Timestamp};

use super::EVENTS_OF_VEHICLE_MAX;
use super::rows::StoredVehicle;

/// An event in a vehicle's chain.
#[derive(Debug)]
pub(super) struct ChainEvent {
    pub(super) number: i64,
    pub(super) key: EventKey,
    pub(super) flags: Flags,
}

impl StoredVehicle {
    /// Whether the stored timeline contains all these events.
    pub(super) fn holds(&self, keys: &[EventKey]) -> bool {
        keys.iter().all(|key| self.timeline.position(key).is_some())
    }

    /// Returns the snapshot with the stored timeline.
    pub(super) fn into_snapshot(self) -> Snapshot {
        Snapshot { base: self.base, timeline: self.timeline }
    }

    /// Returns the snapshot with a timeline that reaches back to `time`, built from all events of the vehicle.
    pub(super) fn reaching(&self, time: Timestamp, chain: &[ChainEvent], limits: Limits) -> Snapshot {
        let event = |event: &ChainEvent| {
            // The flags of an event are in the stored timeline as long as the event is.
            let decided = self.timeline.position(&event.key).map(|index| self.timeline.events()[index].flags);
            TimelineEvent { key: event.key, flags: decided.unwrap_or(event.flags) }
        };
        let mut timeline = Timeline::new(None, chain.iter().map(event).collect());
        timeline.cut_before(time, limits);
        Snapshot { base: self.base, timeline }
    }
}

/// Selects up to `limit` events of a chain in the order of their keys: those around a time, or the newest.
pub(super) fn window(mut chain: Vec<ChainEvent>, around: Option<Timestamp>, limit: u32) -> Vec<ChainEvent> {
    chain.sort_unstable_by_key(|event| event.key);
    let limit = usize::try_from(limit.min(EVENTS_OF_VEHICLE_MAX)).unwrap_or(usize::MAX);
    let middle = around.map(|time| chain.partition_point(|event| event.key.time <= time));
    let end = middle.map_or(chain.len(), |middle| (middle + limit / 2).max(limit).min(chain.len()));
    chain.truncate(end);
    chain.split_off(end.saturating_sub(limit))
}
