//! The timeline: the recent gate events of one vehicle, with what has been decided about each.
//!
//! A timeline may begin in the middle of a vehicle's life. It is only ever cut where a session begins, since no event
//! later than that instant can change what lies before such a cut; `complete_after` says where that was.

use std::ops::Range;

use parking::{Direction, EventKey, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_64;

use crate::limits::Limits;

/// What has been decided about an event, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(u8);

impl Flags {
    /// What was awaited of it has ended: an exit's hold, an entry's longest stay.
    pub const ENDED: Self = Self(1);
    /// It has given a session its id, which may be void by now.
    pub const GAVE: Self = Self(2);
    /// An exit that has been counted as matched.
    pub const COUNTED_MATCHED: Self = Self(4);
    /// An exit that has been counted as unmatched.
    pub const COUNTED_UNMATCHED: Self = Self(8);

    /// Whether all bits of `flag` are set.
    pub const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// Sets the bits of `flag`; tells whether one was not set before.
    pub fn set(&mut self, flag: Self) -> bool {
        let before = self.0;
        self.0 |= flag.0;
        self.0 != before
    }

    /// The bits, for storage.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The bits from storage.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// One event of a timeline: only what matching needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Time, direction and id.
    pub key: EventKey,
    /// What has been decided about it.
    pub flags: Flags,
}

/// The recent gate events of one vehicle, sorted by [`EventKey`].
#[derive(Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    complete_after: Option<Timestamp>,
    /// Who is inside, or was here once, needs no memory of its own.
    events: SmallVec<[TimelineEvent; 2]>,
}

impl Clone for Timeline {
    fn clone(&self) -> Self {
        // One copy of all events; SmallVec's own clone takes them one by one.
        Self { complete_after: self.complete_after, events: SmallVec::from_slice(&self.events) }
    }
}

/// A timeline with this many events is full: it takes no further event into a passage that is there, since only reads
/// that can't be parted get so far, such as one car before a camera for hours.
pub const FULL_AT: usize = 10_000;
/// The most events of a timeline. A full one still takes an event that is a passage of its own: it makes a cut possible.
pub const MAX_EVENTS: usize = FULL_AT + 1;

/// The bytes of an event in a digest: time, direction, flags, id.
const DIGESTED_EVENT: usize = 26;
/// Enough for nine events, as most timelines have.
const DIGESTED_IN_PLACE: usize = 256;

impl Timeline {
    /// A timeline of `events`, which hold every event of the vehicle later than `complete_after` (all, when `None`).
    pub fn new(complete_after: Option<Timestamp>, events: Vec<TimelineEvent>) -> Self {
        Self::from_unsorted(complete_after, events.into())
    }

    /// The same of events that are copied from `events`.
    #[inline]
    pub fn of_events(complete_after: Option<Timestamp>, events: impl IntoIterator<Item = TimelineEvent>) -> Self {
        Self::from_unsorted(complete_after, events.into_iter().collect())
    }

    /// The same of one event, where `is_cut` says that it was cut right there.
    #[inline]
    pub fn of_one(event: TimelineEvent, is_cut: bool) -> Self {
        Self { complete_after: is_cut.then_some(event.key.time), events: smallvec![event] }
    }

    fn from_unsorted(complete_after: Option<Timestamp>, mut events: SmallVec<[TimelineEvent; 2]>) -> Self {
        if !events.is_sorted_by_key(|event| event.key) {
            events.sort_unstable_by_key(|event| event.key);
        }
        Self { complete_after, events }
    }

    /// The events, sorted by key.
    #[inline]
    pub fn events(&self) -> &[TimelineEvent] {
        &self.events
    }

    /// Every event of the vehicle later than this is here; `None`: every event.
    pub fn complete_after(&self) -> Option<Timestamp> {
        self.complete_after
    }

    /// Whether an event of that time can be decided on this timeline.
    pub fn reaches(&self, time: Timestamp) -> bool {
        self.complete_after.is_none_or(|after| time > after)
    }

    /// The place of the event with that key.
    pub fn position(&self, key: &EventKey) -> Option<usize> {
        self.events.binary_search_by_key(key, |event| event.key).ok()
    }

    /// Adds an event unless it is there.
    pub(crate) fn insert(&mut self, key: EventKey) -> bool {
        match self.events.binary_search_by_key(&key, |event| event.key) {
            Ok(_) => false,
            Err(index) => {
                self.events.insert(index, TimelineEvent { key, flags: Flags::default() });
                true
            }
        }
    }

    /// This timeline and an event that is later than all of its own, cut when it is long.
    #[inline]
    pub(crate) fn with_newest(&self, key: &EventKey, flags: Flags, limits: Limits) -> Self {
        if self.events.len() > 1 {
            return self.with_another(TimelineEvent { key: *key, flags }, limits);
        }
        // Of an event alone it is there twice, behind the end: so that both cases are one, without a branch.
        let (first, first_flags) = self.events.first().map_or((key, flags), |before| (&before.key, before.flags));
        let events = [TimelineEvent { key: *first, flags: first_flags }, TimelineEvent { key: *key, flags }];
        let events = SmallVec::from_buf_and_len(events, self.events.len() + 1);
        Self { complete_after: self.complete_after, events }
    }

    fn with_another(&self, event: TimelineEvent, limits: Limits) -> Self {
        let mut events = SmallVec::with_capacity(self.events.len() + 1);
        events.extend_from_slice(&self.events);
        events.push(event);
        let mut timeline = Self { complete_after: self.complete_after, events };
        timeline.trim(limits);
        timeline
    }

    /// Drops the events before `place`, where a session begins, and those of its instant that are `before` it too.
    pub(crate) fn cut_at(&mut self, index: usize, before: Range<usize>) {
        self.complete_after = Some(self.events[index].key.time);
        self.events.drain(before);
        self.events.drain(..index);
    }

    pub(crate) fn flags_mut(&mut self, index: usize) -> &mut Flags {
        &mut self.events[index].flags
    }

    /// A fingerprint of the content; two timelines of one version that differ are told apart by it.
    pub fn digest(&self) -> u64 {
        let mut content: SmallVec<[u8; DIGESTED_IN_PLACE]> = SmallVec::new();
        content.extend_from_slice(&self.complete_after.map_or(i64::MIN, Timestamp::as_millis).to_be_bytes());
        for event in &self.events {
            let mut bytes = [0; DIGESTED_EVENT];
            bytes[..8].copy_from_slice(&event.key.time.as_millis().to_be_bytes());
            bytes[8..10].copy_from_slice(&[u8::from(event.key.direction == Direction::Exit), event.flags.bits()]);
            bytes[10..].copy_from_slice(event.key.id.as_bytes());
            content.extend_from_slice(&bytes);
        }
        xxh3_64(&content)
    }
}
