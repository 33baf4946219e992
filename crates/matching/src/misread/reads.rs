//! The evidence of one lot: its reads, and what the exact step leaves of them for the likelihood to match.
//!
//! `E` are the entries without an exit and `X` the exits without an entry, both by the canonical sessions. An entry
//! that has an exact exit is a candidate too for exits long before that one: when they were decided, it was still
//! inside.

use std::collections::{BTreeMap, BTreeSet};

use parking::{Direction, EventKey, GateEvent, GateId, Plate, Timestamp};

use super::certainty::{Certainty, CertaintyRates, Factors};
use super::letters::Letters;
use super::times::SETTLE_MS;
use crate::Limits;
use crate::canonical::for_each_stay;
use crate::timeline::{Timeline, TimelineEvent};

/// One read as a gate reported it.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRead {
    /// The plate in its normal form.
    pub plate: Plate,
    /// Time, direction and id.
    pub key: EventKey,
    /// The gate, when it is known.
    pub gate: Option<GateId>,
    /// How sure the camera is of the whole plate, 0 to 1.
    pub confidence: Option<f32>,
    /// How sure it is of each letter; empty when it does not say.
    pub letter_confidences: Vec<f32>,
    /// What else it may have been.
    pub candidates: Vec<Plate>,
}

/// A read as it is weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Time, direction and id.
    pub key: EventKey,
    /// The plate.
    pub letters: Letters,
    /// The place of the gate among the lot's; 0 when it is not known.
    pub gate: usize,
    /// What the camera said of its certainty.
    pub certainty: Option<Box<Certainty>>,
}

impl Read {
    /// The read of a gate at that place among the lot's, with the letters of its plate.
    pub(crate) fn new(event: &GateRead, letters: Letters, gate: usize) -> Self {
        let others: Vec<Letters> = event.candidates.iter().map(Letters::of).filter(|other| *other != letters).collect();
        let certainty = Certainty::new(&letters, event.confidence, &event.letter_confidences, &others);
        Self { key: event.key, letters, gate, certainty: certainty.map(Box::new) }
    }

    /// When the vehicle was seen.
    pub fn time(&self) -> Timestamp {
        self.key.time
    }

    /// What the read's errors are multiplied by.
    pub(crate) fn factors<'a>(&'a self, rates: &'a CertaintyRates) -> Factors<'a> {
        Factors::new(self.certainty.as_deref(), rates)
    }
}

/// An entry that lacks an exit, or did for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The anchor read of its passage.
    pub read: Read,
    /// When its plate was seen next.
    pub next: Option<Timestamp>,
    /// The exact match has it: an exit of its own plate, at `next`.
    pub is_matched: bool,
}

/// An exit without an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The anchor read of its passage.
    pub read: Read,
    /// When its plate was last seen leaving before.
    pub gone_at: Option<Timestamp>,
}

/// An exact match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact {
    /// The entry.
    pub entry: Read,
    /// The exit.
    pub exit: Read,
}

/// The evidence of one lot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lot {
    /// The gates by name, the unknown one first.
    pub gates: Vec<Option<GateId>>,
    /// The lot's own time: that of its newest event.
    pub time: Timestamp,
    /// The time of its oldest event.
    pub since: Timestamp,
    /// The longest stay, milliseconds.
    pub max_stay_ms: i64,
    /// Entries that exits may belong to, in order of their keys; equal keys by plate.
    pub entries: Vec<Entry>,
    /// Exits without an entry, in the same order.
    pub exits: Vec<Exit>,
    /// The exact matches, in the order of their entries.
    pub exact: Vec<Exact>,
}

/// An entry with an exact exit is a candidate only after a stay of at least this, or near the end of the evidence.
const LONG_MS: i64 = SETTLE_MS;

impl Lot {
    /// What the exact step leaves of a lot's reads, in any order. Of equal events the one with the least gate counts, and of
    /// these the one with the least confidences.
    /// `is_unread` says of a plate that nothing was read: such reads are in neither set.
    pub fn of_reads(reads: &[GateRead], limits: Limits, is_unread: impl Fn(&Plate) -> bool) -> Self {
        let mut vehicles: BTreeMap<&Plate, Vec<&GateRead>> = BTreeMap::new();
        let mut gates = BTreeSet::from([None]);
        for read in reads {
            gates.insert(read.gate.clone());
            if !is_unread(&read.plate) {
                vehicles.entry(&read.plate).or_default().push(read);
            }
        }
        let times = || reads.iter().map(|read| read.key.time);
        let (time, since) = (times().max().unwrap_or_default(), times().min().unwrap_or_default());
        let gates = gates.into_iter().collect();
        let mut lot = Self { gates, time, since, max_stay_ms: limits.max_stay_ms, ..Self::default() };
        for (plate, events) in &mut vehicles {
            events.sort_by(|one, other| one.order(other));
            events.dedup_by_key(|read| read.key);
            lot.add_vehicle(plate, events, limits);
        }
        lot.entries.sort_by(|one, other| order(&one.read, &other.read));
        lot.exits.sort_by(|one, other| order(&one.read, &other.read));
        lot.exact.sort_by(|one, other| order(&one.entry, &other.entry));
        lot
    }

    fn add_vehicle(&mut self, plate: &Plate, events: &[&GateRead], limits: Limits) {
        let events_of = events.iter().map(|read| TimelineEvent { key: read.key, flags: crate::Flags::default() });
        let timeline = Timeline::of_events(None, events_of);
        let mut stays = Vec::new();
        for_each_stay(timeline.events(), limits, |_| true, |stay| stays.push(stay));
        let letters = Letters::of(plate);
        let mut gone_at = None;
        for (number, stay) in stays.iter().enumerate() {
            let at = |place: usize| events[place].key.time;
            let following = stays.get(number + 1).map(|next| at(next.anchor()));
            match (stay.entry, stay.exit) {
                (Some(entry), Some(exit)) => {
                    let is_long = at(exit).millis_since(at(entry)) >= LONG_MS;
                    if is_long || self.time.millis_since(at(exit)) <= LONG_MS {
                        let read = self.read(events[entry], letters);
                        self.entries.push(Entry { read, next: Some(at(exit)), is_matched: true });
                    }
                    let (entry, exit) = (self.read(events[entry], letters), self.read(events[exit], letters));
                    self.exact.push(Exact { entry, exit });
                }
                (Some(entry), None) => {
                    let read = self.read(events[entry], letters);
                    self.entries.push(Entry { read, next: following, is_matched: false });
                }
                (None, Some(exit)) => self.exits.push(Exit { read: self.read(events[exit], letters), gone_at }),
                (None, None) => {}
            }
            gone_at = stay.exit.map(at).or(gone_at);
        }
    }

    fn read(&self, event: &GateRead, letters: Letters) -> Read {
        Read::new(event, letters, self.gates.binary_search(&event.gate).unwrap_or_default())
    }
}

fn order(one: &Read, other: &Read) -> std::cmp::Ordering {
    one.key.cmp(&other.key).then_with(|| one.letters.cmp(&other.letters))
}

impl GateRead {
    /// The read of a gate event, with what its camera says of its certainty.
    pub fn new(event: &GateEvent, certainty: Option<&parking::Certainty>) -> Self {
        let candidates = certainty.map_or(&[][..], |certainty| &certainty.candidates[..]);
        Self {
            plate: event.vehicle.plate.clone(),
            key: event.key,
            gate: event.gate.clone(),
            confidence: event.confidence,
            letter_confidences: certainty.map_or_else(Vec::new, |certainty| certainty.characters.clone()),
            candidates: candidates.iter().map(|candidate| candidate.plate.clone()).collect(),
        }
    }

    /// A read of which only plate and key are known.
    pub fn plain(plate: Plate, key: EventKey) -> Self {
        Self { plate, key, gate: None, confidence: None, letter_confidences: Vec::new(), candidates: Vec::new() }
    }

    /// A total order of the reads of one plate, by key first.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let bits = |read: &Self| -> Vec<u32> {
            read.confidence.iter().chain(&read.letter_confidences).map(|confidence| confidence.to_bits()).collect()
        };
        let by_key = self.key.cmp(&other.key).then_with(|| self.gate.cmp(&other.gate));
        by_key.then_with(|| bits(self).cmp(&bits(other))).then_with(|| self.candidates.cmp(&other.candidates))
    }

    /// Whether it is an entry.
    pub fn is_entry(&self) -> bool {
        self.key.direction == Direction::Entry
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    pub(crate) fn read(plate: &str) -> Read {
        let key = EventKey { time: Timestamp::from_millis(0), direction: Direction::Entry, id: Uuid::from_u128(1) };
        Read { key, letters: Letters::of(&Plate::from_read(plate).unwrap()), gate: 0, certainty: None }
    }

    fn gate_read(plate: &str, minute: i64, direction: Direction) -> GateRead {
        let id = Uuid::from_u128(u128::from(minute.unsigned_abs()) + 1);
        let key = EventKey { time: Timestamp::from_millis(minute * 60_000), direction, id };
        GateRead::plain(Plate::from_read(plate).unwrap(), key)
    }

    #[test]
    fn what_the_exact_step_leaves_is_weighed() {
        const DAY: i64 = 24 * 60;
        let (entry, exit) = (Direction::Entry, Direction::Exit);
        let reads = [
            gate_read("AAA", 0, entry),
            gate_read("AAA", 30, exit),
            gate_read("AAA", 60, exit),
            gate_read("BBB", 10, entry),
            gate_read("BBB", 20, entry),
            gate_read("LONG", 40, entry),
            gate_read("LONG", 41 + DAY, exit),
            gate_read("NONE", 50, exit),
            gate_read("ZZZ", 3 * DAY, entry),
        ];
        let limits = Limits { re_read_window_ms: 60_000, max_stay_ms: 30 * 86_400_000 };

        let lot = Lot::of_reads(&reads, limits, |plate| plate.as_str() == "NONE");

        let minutes = |time: Option<Timestamp>| time.map(|time| time.as_millis() / 60_000);
        let entries: Vec<_> = lot.entries.iter().map(|entry| (minutes(entry.next), entry.is_matched)).collect();
        assert_eq!(entries, [(Some(20), false), (None, false), (Some(41 + DAY), true), (None, false)]);
        let exits: Vec<_> = lot.exits.iter().map(|exit| (exit.read.key.time, minutes(exit.gone_at))).collect();
        assert_eq!(exits, [(Timestamp::from_millis(3_600_000), Some(30))]);
        assert_eq!(lot.exact.len(), 2);
        let mut turned = reads.to_vec();
        turned.reverse();
        assert_eq!(Lot::of_reads(&turned, limits, |plate| plate.as_str() == "NONE"), lot);
    }
}
