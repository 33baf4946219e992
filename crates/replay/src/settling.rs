//! Matches the events, one vehicle at a time, and partitions the sessions by time.
//!
//! `matching` defines the sessions. [`sessions`](super::sessions) sorts each partition.

use matching::history::{Settling, for_each_settled_stay};
use matching::{Flags, Limits, Stay, TimelineEvent};
use parking::{EventKey, Plate, Reason, Rules, State, Timestamp};

use super::Error;
use super::events::{EVENT_WORDS, EventRecord, Sorter, Survey, gate_of, key_of};
use super::interner::{InternedNames, PLAIN_LETTERS, PlateBuffer, VehicleKey, plain_plate, plain_plate_of};
use super::spill_store::{PartitionWriter, Partitions};
use super::superseded::Superseded;

/// Vehicle, time and outcome of the anchor event, its id in two halves, and of a matched session the exit's time and
/// id.
pub(super) type SessionRecord = [u64; SESSION_WORDS];
pub(super) const SESSION_WORDS: usize = 7;

/// The index into [`OUTCOMES`] is in the lowest bits of the word with the time.
pub(super) const OUTCOME_BITS: u32 = 3;

/// The possible final states of a session, with their reasons.
pub(super) const OUTCOMES: [(State, Option<Reason>); 7] = [
    (State::Matched, None),
    (State::Open, None),
    (State::UnmatchedExit, None),
    (State::UnmatchedEntry, Some(Reason::ReEntered)),
    (State::UnmatchedEntry, Some(Reason::MaxStay)),
    (State::UnmatchedEntry, Some(Reason::Unread)),
    (State::UnmatchedExit, Some(Reason::Unread)),
];

/// Each partition has the sessions of about this many events, which are sorted at once.
const SPAN_EVENTS: u64 = 40_000;
/// Each thread has an open block for each partition.
const SPANS_MAX: u64 = 384;

/// The counts of events and sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Vehicles that were seen.
    pub vehicles: u64,
    /// Repeated copies of events.
    pub repeated: u64,
    /// Events that another one supersedes: they count as not having happened.
    pub superseded: u64,
    /// Events that are a re-read of a session's entry or exit.
    pub re_reads: u64,
    /// Matched sessions whose two plates differ.
    pub misread_matches: u64,
    /// Exact matches that may be two stays.
    pub doubts: u64,
    /// The number of sessions of each of the [`OUTCOMES`].
    pub(super) sessions: [u64; OUTCOMES.len()],
}

impl Tally {
    /// The number of events, with repeated copies.
    pub fn events(&self) -> u64 {
        let of_session =
            |((state, _), count): (&(State, _), &u64)| count * if *state == State::Matched { 2 } else { 1 };
        self.repeated
            + self.superseded
            + self.re_reads
            + OUTCOMES.iter().zip(&self.sessions).map(of_session).sum::<u64>()
    }

    /// The number of sessions with this state and reason.
    pub fn sessions(&self, state: State, reason: Option<Reason>) -> u64 {
        OUTCOMES
            .iter()
            .zip(self.sessions)
            .filter(|(outcome, _)| **outcome == (state, reason))
            .map(|(_, count)| count)
            .sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.vehicles += other.vehicles;
        self.repeated += other.repeated;
        self.superseded += other.superseded;
        self.re_reads += other.re_reads;
        for (sum, more) in self.sessions.iter_mut().zip(other.sessions) {
            *sum += more;
        }
    }
}

/// The spans of time by which sessions are partitioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans {
    /// The last moment of each span but the last one.
    ends: Vec<Timestamp>,
}

impl Spans {
    /// Spans with about equal numbers of events.
    pub(super) fn of(survey: &mut Survey) -> Self {
        Self::with_count((survey.count / SPAN_EVENTS).clamp(1, SPANS_MAX), &mut survey.sample)
    }

    pub(super) fn with_count(count: u64, sample: &mut [Timestamp]) -> Self {
        sample.sort_unstable();
        let count = usize::try_from(count).unwrap_or(1);
        let mut ends: Vec<Timestamp> =
            (1..count).filter_map(|span| sample.get(sample.len() * span / count)).copied().collect();
        ends.dedup();
        Self { ends }
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len() + 1
    }

    fn span_of(&self, time: Timestamp) -> usize {
        self.ends.partition_point(|end| *end < time)
    }
}

/// Rules, names and spans: the constant input of all deciders.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    rules: &'a Rules,
    names: &'a InternedNames,
    spans: &'a Spans,
    /// The limits of each lot, and the time of its newest event, by its number.
    of_lots: Vec<(Limits, Timestamp)>,
    /// The packed plates that mean an unread plate, sorted.
    unread: Vec<u64>,
    superseded: &'a Superseded,
}

impl<'a> Terms<'a> {
    pub(super) fn new(rules: &'a Rules, names: &'a InternedNames, survey: &'a Survey, spans: &'a Spans) -> Self {
        let of_lot = |(lot, newest): (_, &Timestamp)| (Limits::of(rules, lot), *newest);
        let of_lots = names.lots().iter().zip(&survey.newest).map(of_lot).collect();
        // No letter at all, or zeros alone.
        let zeros = (0..=PLAIN_LETTERS).filter_map(|length| plain_plate("0".repeat(length).as_bytes()));
        let listed = rules.unread_plates.iter().filter_map(|plate| plain_plate(plate.as_str().as_bytes()));
        let mut unread: Vec<u64> = zeros.chain(listed).collect();
        unread.sort_unstable();
        Self { rules, names, spans, of_lots, unread, superseded: &survey.superseded }
    }

    fn flags_of(&self, record: &EventRecord, key: &EventKey) -> Flags {
        let mut flags = Flags::default();
        let lot = || u32::try_from(self.names.lot(record[0])).unwrap_or(u32::MAX);
        if self.superseded.has(lot, gate_of(record), key.id) {
            flags.set(Flags::SUPERSEDED);
        }
        flags
    }

    fn settling(&self, vehicle: VehicleKey) -> Settling {
        let (limits, lot_time) = self.of_lots[self.names.lot(vehicle)];
        Settling { is_unread: self.is_unread(vehicle), limits, lot_time }
    }

    /// Like `Rules::is_unread`, but without unpacking a packed plate.
    fn is_unread(&self, vehicle: VehicleKey) -> bool {
        if let Some(plate) = plain_plate_of(vehicle) {
            return self.unread.binary_search(&plate).is_ok();
        }
        let plate = Plate::from_read(self.names.plate(vehicle, &mut PlateBuffer::default()));
        plate.is_ok_and(|plate| self.rules.is_unread(&plate))
    }
}

/// Matches the vehicles of one thread.
#[derive(Debug)]
pub(super) struct Decider<'a> {
    terms: &'a Terms<'a>,
    sorter: Sorter,
    writer: PartitionWriter<'a, SESSION_WORDS>,
    timeline: Vec<TimelineEvent>,
    tally: Tally,
}

impl<'a> Decider<'a> {
    pub(super) fn new(terms: &'a Terms<'a>, sessions: &'a Partitions<'_, SESSION_WORDS>) -> Self {
        let (sorter, timeline) = (Sorter::default(), Vec::new());
        Self { terms, sorter, writer: sessions.writer(), timeline, tally: Tally::default() }
    }

    /// Matches all vehicles of a partition.
    pub(super) fn settle(&mut self, events: &Partitions<'_, EVENT_WORDS>, partition: usize) -> Result<(), Error> {
        let Self { terms, sorter, writer, timeline, tally } = self;
        for events in sorter.sorted(events, partition)?.chunk_by(|one, next| one[0] == next[0]) {
            fill(timeline, terms, events);
            let superseded = timeline.iter().filter(|event| event.flags.has(Flags::SUPERSEDED)).count();
            tally.vehicles += u64::from(superseded < timeline.len());
            tally.repeated += (events.len() - timeline.len()) as u64;
            tally.superseded += superseded as u64;
            tally.re_reads += (timeline.len() - superseded) as u64;
            settle_vehicle(terms, events[0][0], timeline, tally, writer)?;
        }
        Ok(())
    }

    /// Flushes the open blocks and returns the counts.
    pub(super) fn finish(self) -> Tally {
        self.writer.finish();
        self.tally
    }
}

/// Makes the timeline of one vehicle's sorted records, each event once.
fn fill(timeline: &mut Vec<TimelineEvent>, terms: &Terms<'_>, records: &[EventRecord]) {
    timeline.clear();
    let (mut last, mut is_sorted) = (None, true);
    for record in records {
        if last.replace(record) == Some(record) {
            continue;
        }
        let key = key_of(record);
        is_sorted &= timeline.last().is_none_or(|before| before.key < key);
        timeline.push(TimelineEvent { key, flags: terms.flags_of(record, &key) });
    }
    // Events of one moment at several gates, or copies that differ in their gate: one of them is named, or none.
    if !is_sorted {
        timeline.sort_unstable_by_key(|event| event.key);
        timeline.dedup_by(|later, kept| {
            let is_same = later.key == kept.key;
            if is_same {
                kept.flags.set(later.flags);
            }
            is_same
        });
    }
}

fn settle_vehicle(
    terms: &Terms<'_>,
    vehicle: VehicleKey,
    timeline: &[TimelineEvent],
    tally: &mut Tally,
    writer: &mut PartitionWriter<'_, SESSION_WORDS>,
) -> Result<(), Error> {
    let mut put = Ok(());
    for_each_settled_stay(timeline, terms.settling(vehicle), |stay| {
        let (outcome, record) = session_of(vehicle, timeline, &stay);
        tally.sessions[outcome] += 1;
        tally.re_reads -= 1 + u64::from(stay.state == State::Matched);
        if put.is_ok()
            && let Err(error) = writer.push(terms.spans.span_of(timeline[stay.anchor()].key.time), &record)
        {
            put = Err(error);
        }
    });
    put
}

fn session_of(vehicle: VehicleKey, timeline: &[TimelineEvent], stay: &Stay) -> (usize, SessionRecord) {
    let outcome = match (stay.state, stay.reason) {
        (State::Matched, _) => 0,
        (State::Open, _) => 1,
        (State::UnmatchedEntry, Some(Reason::ReEntered)) => 3,
        (State::UnmatchedEntry, Some(Reason::MaxStay)) => 4,
        (State::UnmatchedEntry, _) => 5,
        (State::UnmatchedExit, Some(Reason::Unread)) => 6,
        (State::UnmatchedExit | State::HeldExit | State::Void, _) => 2,
    };
    let anchor = timeline[stay.anchor()].key;
    // A time is never before 1970, and even the year 9999 leaves room for the outcome.
    let moment = anchor.time.as_millis().unsigned_abs() << OUTCOME_BITS | outcome as u64;
    let (high, low) = anchor.id.as_u64_pair();
    let exit = if stay.state == State::Matched { stay.exit.map(|exit| timeline[exit].key) } else { None };
    let (exit_time, (exit_high, exit_low)) =
        exit.map_or((0, (0, 0)), |exit| (exit.time.as_millis().unsigned_abs(), exit.id.as_u64_pair()));
    (outcome, [vehicle, moment, high, low, exit_time, exit_high, exit_low])
}

/// What a record says of the anchor event: its time and what came of it.
pub(super) fn anchor_of(record: &SessionRecord) -> (Timestamp, (State, Option<Reason>)) {
    let outcome = usize::try_from(record[1] & ((1 << OUTCOME_BITS) - 1)).unwrap_or(0);
    (Timestamp::from_millis((record[1] >> OUTCOME_BITS).cast_signed()), OUTCOMES[outcome])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use parking::{Direction, EventKey};
    use uuid::Uuid;

    use super::super::interner::VehicleInterner;
    use super::*;

    proptest! {
        #[test]
        fn a_plate_is_unread_as_the_rules_have_it(plate in "|0{1,12}|NOPLATE|UNKNOWN|TEST|ÄÖÜ|[0-9A-Z]{1,12}") {
            let rules = Rules {
                unread_plates: ["NOPLATE", "TEST", "ÄÖÜ", "ABCDEF123456"].map(|text| Plate::from_read(text).unwrap()).into(),
                ..Rules::default()
            };
            let names = VehicleInterner::default();
            let vehicle = names.interner().key(b"P1", plate.as_bytes(), Timestamp::default()).unwrap();
            let (names, spans) = (names.finish(), Spans { ends: Vec::new() });
            let survey = Survey { newest: vec![Timestamp::default()], ..Survey::default() };

            let terms = Terms::new(&rules, &names, &survey, &spans);

            prop_assert_eq!(terms.is_unread(vehicle), rules.is_unread(&Plate::from_read(&plate).unwrap()));
        }
    }

    #[test]
    fn every_outcome_is_remembered() {
        let event = |millis| {
            let time = Timestamp::from_millis(millis);
            let key = EventKey { time, direction: Direction::Entry, id: Uuid::from_u128(9) };
            TimelineEvent { key, flags: Flags::default() }
        };
        let timeline = [event(5), event(70)];
        for (state, reason) in OUTCOMES {
            let is_exit = state == State::UnmatchedExit;
            let (entry, exit) = ((!is_exit).then_some(0), (is_exit || state == State::Matched).then_some(1));
            let (outcome, record) = session_of(7, &timeline, &Stay { entry, exit, state, reason });
            let time = Timestamp::from_millis(if is_exit { 70 } else { 5 });
            assert_eq!((OUTCOMES[outcome], anchor_of(&record)), ((state, reason), (time, (state, reason))));
        }
    }

    #[test]
    fn spans_cover_all_time_without_overlap() {
        let at = Timestamp::from_millis;
        let spans = Spans::with_count(4, &mut [1, 2, 3, 4, 5, 6, 7, 8].map(at));
        assert_eq!(spans.ends, [3, 5, 7].map(at));
        assert_eq!([0, 3, 4, 5, 7, 8, 99].map(|millis| spans.span_of(at(millis))), [0, 0, 1, 1, 2, 3, 3]);
        assert_eq!(Spans::with_count(9, &mut []).count(), 1);
    }
}
