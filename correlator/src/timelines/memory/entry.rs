//! A packed vehicle: its timeline in 48 bytes, and 23 more for each event if there are several.
//!
//! Derivable data is not stored: the timeline's digest, and the time of a cut.

use matching::{Flags, Timeline, TimelineEvent};
use parking::{Direction, EventKey, Timestamp};
use uuid::Uuid;

use super::name::Name;

/// One vehicle.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) content: Content,
}

const _: () = assert!(size_of::<Option<Entry>>() == 48);

/// The packed content of a vehicle.
#[derive(Debug)]
pub(super) struct Content {
    events: Events,
    version: u32,
    /// The timeline is complete only after its first event.
    is_cut: bool,
    /// The reference bit of the clock algorithm: used since the hand last passed.
    pub(super) is_recent: bool,
}

#[derive(Debug)]
enum Events {
    /// The usual case: a first entry, or an exit alone.
    One(PackedEvent),
    Several(Box<[PackedEvent]>),
}

/// Milliseconds, flags with direction, id. Byte arrays instead of integers: alignment 1, no padding.
#[derive(Debug, Clone, Copy)]
struct PackedEvent {
    time: [u8; 6],
    marks: u8,
    id: [u8; 16],
}

/// The bit of an exit, beside those of [`Flags`].
const EXIT_BIT: u8 = 0x80;

/// The approximate overhead of an allocation, in bytes.
const ALLOCATION_OVERHEAD_BYTES: usize = 16;

impl Entry {
    /// The memory outside of the entry itself.
    pub(super) fn bytes_elsewhere(&self) -> usize {
        let of_name = match &self.name {
            Name::Packed { .. } => 0,
            Name::Spelled(vehicle) => size_of_val::<parking::Vehicle>(vehicle) + ALLOCATION_OVERHEAD_BYTES,
        };
        of_name + self.content.bytes_elsewhere()
    }
}

impl Content {
    /// Packs a version and a timeline; `None` for data that no gate or ledger produces, such as a time before 1970.
    #[inline]
    pub(super) fn new(version: u64, timeline: &Timeline) -> Option<Self> {
        let version = u32::try_from(version).ok()?;
        let is_cut = match timeline.complete_after() {
            None => false,
            Some(after) if timeline.events().first()?.key.time == after => true,
            Some(_) => return None,
        };
        let events = match timeline.events() {
            [one] => Events::One(PackedEvent::new(one)?),
            several => Events::Several(several.iter().map(PackedEvent::new).collect::<Option<_>>()?),
        };
        Some(Self { events, version, is_cut, is_recent: false })
    }

    pub(super) fn version(&self) -> u64 {
        self.version.into()
    }

    #[inline]
    pub(super) fn timeline(&self) -> Timeline {
        match &self.events {
            Events::One(one) => Timeline::of_one(one.event(), self.is_cut),
            Events::Several(several) => {
                let complete_after = several.first().filter(|_| self.is_cut).map(PackedEvent::time);
                Timeline::of_events(complete_after, several.iter().map(PackedEvent::event))
            }
        }
    }

    fn bytes_elsewhere(&self) -> usize {
        match &self.events {
            Events::One(_) => 0,
            Events::Several(several) => size_of_val::<[PackedEvent]>(several) + ALLOCATION_OVERHEAD_BYTES,
        }
    }
}

impl PackedEvent {
    fn new(event: &TimelineEvent) -> Option<Self> {
        let [0, 0, time @ ..] = event.key.time.as_millis().to_be_bytes() else { return None };
        let flags = event.flags.bits();
        let exit = if event.key.direction == Direction::Exit { EXIT_BIT } else { 0 };
        (flags & EXIT_BIT == 0).then(|| Self { time, marks: flags | exit, id: event.key.id.into_bytes() })
    }

    fn event(&self) -> TimelineEvent {
        let direction = if self.marks & EXIT_BIT == 0 { Direction::Entry } else { Direction::Exit };
        let key = EventKey { time: self.time(), direction, id: Uuid::from_bytes(self.id) };
        TimelineEvent { key, flags: Flags::from_bits(self.marks & !EXIT_BIT) }
    }

    fn time(&self) -> Timestamp {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.time);
        Timestamp::from_millis(i64::from_be_bytes(millis))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = TimelineEvent> {
        (0..253_402_300_799_999_i64, any::<bool>(), any::<u128>(), 0..16_u8).prop_map(|(time, out, id, flags)| {
            let direction = if out { Direction::Exit } else { Direction::Entry };
            let key = EventKey { time: Timestamp::from_millis(time), direction, id: Uuid::from_u128(id) };
            TimelineEvent { key, flags: Flags::from_bits(flags) }
        })
    }

    proptest! {
        #[test]
        fn every_timeline_of_a_ledger_comes_out_as_it_went_in(
            mut events in prop::collection::vec(event(), 0..40),
            is_cut in any::<bool>(),
            version in 0..=u64::from(u32::MAX),
        ) {
            events.sort_by_key(|event| event.key);
            let complete_after = events.first().filter(|_| is_cut).map(|event| event.key.time);
            let timeline = Timeline::new(complete_after, events);
            let content = Content::new(version, &timeline).unwrap();
            prop_assert_eq!((content.version(), content.timeline()), (version, timeline));
        }

        #[test]
        fn what_does_not_fit_is_not_taken(event in event(), before in 1..1_000_i64) {
            let taken = |version, complete_after, event| {
                Content::new(version, &Timeline::new(complete_after, vec![event])).is_some()
            };
            let before_1970 = EventKey { time: Timestamp::from_millis(-before), ..event.key };
            let before_event = event.key.time.plus_millis(-before);
            let is_taken = [
                taken(1, None, event),
                taken(1 << 32, None, event),
                taken(1, Some(before_event), event),
                taken(1, None, TimelineEvent { key: before_1970, ..event }),
                taken(1, None, TimelineEvent { flags: Flags::from_bits(0x80), ..event }),
            ];
            prop_assert_eq!(is_taken, [true, false, false, false, false]);
        }
    }
}
