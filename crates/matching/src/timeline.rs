//! The timeline: the recent gate events of one vehicle, with their flags.
//!
//! A timeline may begin in the middle of a vehicle's life. It is only cut where a session begins, since no later
//! event can change the sessions before a cut; `complete_after` is the time of the cut.

use std::ops::Range;

use parking::{Direction, EventKey, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_64;

use crate::limits::Limits;

/// The flags of an event, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(u8);

impl Flags {
    /// The hold of an exit, or the longest stay of an entry, has ended.
    pub const ENDED: Self = Self(1);
    /// It has anchored a session, which may be void by now.
    pub const ANCHOR: Self = Self(2);
    /// An exit counted as matched.
    pub const COUNTED_MATCHED: Self = Self(4);
    /// An exit counted as unmatched.
    pub const COUNTED_UNMATCHED: Self = Self(8);
    /// Another event supersedes it: it counts as not having happened.
    pub const SUPERSEDED: Self = Self(16);

    /// Whether all bits of `flag` are set.
    pub const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// Sets the bits of `flag`; returns whether one of them was not set.
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

/// An event of a timeline: only the data that matching needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Time, direction and id.
    pub key: EventKey,
    /// Its flags.
    pub flags: Flags,
}

/// The recent gate events of one vehicle, sorted by [`EventKey`].
#[derive(Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    complete_after: Option<Timestamp>,
    /// Inline, because most vehicles have few events.
    events: SmallVec<[TimelineEvent; 2]>,
}

impl Clone for Timeline {
    fn clone(&self) -> Self {
        // One copy of all events; SmallVec's own clone copies them one by one.
        Self { complete_after: self.complete_after, events: SmallVec::from_slice(&self.events) }
    }
}

/// A timeline with this many events is full: it accepts no further event in an existing passage. Only reads that
/// can't be separated get this far, such as a car in front of a camera for hours.
pub const FULL_AT: usize = 10_000;
/// The maximum length of a timeline. A full one still accepts an event in a passage of its own, which allows a cut.
pub const MAX_EVENTS: usize = FULL_AT + 1;

/// The bytes of an event in a digest: time, direction, flags, id.
const DIGEST_EVENT_BYTES: usize = 26;
/// Enough for nine events, as most timelines have.
const DIGEST_STACK_BYTES: usize = 256;

impl Timeline {
    /// A timeline of `events`, which must contain every event of the vehicle later than `complete_after` (all, if
    /// `None`).
    pub fn new(complete_after: Option<Timestamp>, events: Vec<TimelineEvent>) -> Self {
        Self::from_unsorted(complete_after, events.into())
    }

    /// Like `new`, but copies the events from an iterator.
    #[inline]
    pub fn of_events(complete_after: Option<Timestamp>, events: impl IntoIterator<Item = TimelineEvent>) -> Self {
        Self::from_unsorted(complete_after, events.into_iter().collect())
    }

    /// Like `new` for one event; `is_cut` means that the timeline was cut at that event.
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

    /// Every later event of the vehicle is in this timeline; `None` means every event.
    pub fn complete_after(&self) -> Option<Timestamp> {
        self.complete_after
    }

    /// Whether an event of that time can be decided on this timeline.
    pub fn reaches(&self, time: Timestamp) -> bool {
        self.complete_after.is_none_or(|after| time > after)
    }

    /// The index of the event with that key.
    pub fn position(&self, key: &EventKey) -> Option<usize> {
        self.events.binary_search_by_key(key, |event| event.key).ok()
    }

    /// Adds an event unless it is there already.
    pub(crate) fn insert(&mut self, key: EventKey) -> bool {
        match self.events.binary_search_by_key(&key, |event| event.key) {
            Ok(_) => false,
            Err(index) => {
                self.events.insert(index, TimelineEvent { key, flags: Flags::default() });
                true
            }
        }
    }

    /// The timeline with an event that is later than all of its own, trimmed.
    #[inline]
    pub(crate) fn with_newest(&self, key: &EventKey, flags: Flags, limits: Limits) -> Self {
        if self.events.len() > 1 {
            return self.with_another(TimelineEvent { key: *key, flags }, limits);
        }
        // For a single event the slot after the end has the same event, so that both cases need no branch.
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

    /// Drops the events before `index`, where a session begins, and the events of its instant in `before`.
    pub(crate) fn cut_at(&mut self, index: usize, before: Range<usize>) {
        self.complete_after = Some(self.events[index].key.time);
        self.events.drain(before);
        self.events.drain(..index);
    }

    pub(crate) fn flags_mut(&mut self, index: usize) -> &mut Flags {
        &mut self.events[index].flags
    }

    /// A digest of the content, which distinguishes two timelines of one version.
    pub fn digest(&self) -> u64 {
        let mut content: SmallVec<[u8; DIGEST_STACK_BYTES]> = SmallVec::new();
        content.extend_from_slice(&self.complete_after.map_or(i64::MIN, Timestamp::as_millis).to_be_bytes());
        for event in &self.events {
            let mut bytes = [0; DIGEST_EVENT_BYTES];
            bytes[..8].copy_from_slice(&event.key.time.as_millis().to_be_bytes());
            bytes[8..10].copy_from_slice(&[u8::from(event.key.direction == Direction::Exit), event.flags.bits()]);
            bytes[10..].copy_from_slice(event.key.id.as_bytes());
            content.extend_from_slice(&bytes);
        }
        xxh3_64(&content)
    }
}
