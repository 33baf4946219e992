//! How each gate does: when it last saw a vehicle, how many, how late it tells, how its clock stands. Pure.
//!
//! In memory, and since the process began: what is recorded by another process of the same ledger is in that one. Only
//! events that name their gate and that the ledger took as new count. The last hour is sixty minutes by the clock of
//! this process; the minute that it is in counts whole.
//!
//! How late an event is and what it says of the gate's clock is judged only of vehicles seen since the process began:
//! what is older waited in a queue or a file meanwhile, which is not the gate's doing.

use std::collections::BTreeMap;

use matching::{RecordedEvent, Unit};
use parking::{GateId, LotId, Timestamp};

/// The most gates that stand for themselves.
pub const MAX_GATES: usize = 1_000;
/// A read that is received more than this after the vehicle was seen is late, milliseconds.
pub(crate) const LATE_MS: i64 = 60_000;
/// The name under which metrics and the API show everything beyond a bound. No lot or gate can have it, since names
/// have no parentheses.
pub(crate) const OTHER: &str = "(other)";
/// A time further ahead than this comes from a wrong clock, milliseconds.
const AHEAD_MAX_MS: i64 = 5 * 60_000;
/// The clock difference is the median of this many of the newest reads.
const DIFFERENCE_READS: usize = 63;
/// Minutes of the last hour.
const MINUTES: i64 = 60;
const PLACES: usize = 60;
const MINUTE_MS: i64 = 60_000;

/// What is remembered of an event of a gate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    gate: GateId,
    seen: Timestamp,
    received: Timestamp,
    confidence: Option<f32>,
    /// It is a re-read of a passage.
    repeats: bool,
}

impl Read {
    /// Of an event of that unit that names its gate.
    pub(crate) fn of(event: &RecordedEvent, unit: &Unit) -> Option<Self> {
        Some(Self {
            gate: event.gate.clone()?,
            seen: event.key.time,
            received: event.received_at,
            confidence: event.confidence,
            repeats: unit.is_re_read(event),
        })
    }
}

/// How a gate does.
#[derive(Debug, Clone, PartialEq)]
pub struct GateStatus {
    /// Its lot and its own name; `None` for all gates beyond the bound together.
    pub place: Option<(LotId, GateId)>,
    /// When the vehicle was seen that it saw last.
    pub last_event: Timestamp,
    /// When its last event was received.
    pub last_received: Timestamp,
    /// Reads of the last hour.
    pub reads_last_hour: u64,
    /// Those of them that were received more than a minute after the vehicle was seen.
    pub late_last_hour: u64,
    /// Those of them that are re-reads of a passage.
    pub re_reads_last_hour: u64,
    /// How sure its reader was in the last hour, 0 to 1, the mean; `None` when it does not say.
    pub confidence: Option<f64>,
    /// How long after a vehicle was seen its event is received, the median of the last reads, milliseconds. Below zero the
    /// gate's clock is ahead; far above, it is behind or the way is slow. 0 before the first read that says something.
    pub clock_difference_ms: i64,
    /// Reads since the process began.
    pub reads: u64,
    /// Late ones since the process began.
    pub late: u64,
}

impl GateStatus {
    /// The name of its lot, as metrics and the API show it.
    pub fn lot_name(&self) -> &str {
        self.place.as_ref().map_or(OTHER, |(lot, _)| lot.as_str())
    }

    /// The name of the gate, as metrics and the API show it.
    pub fn gate_name(&self) -> &str {
        self.place.as_ref().map_or(OTHER, |(_, gate)| gate.as_str())
    }
}

/// All gates that have told of a vehicle.
#[derive(Debug)]
pub(crate) struct Gates {
    begun: Timestamp,
    lots: BTreeMap<LotId, BTreeMap<GateId, Box<Gate>>>,
    count: usize,
    others: Option<Box<Gate>>,
}

impl Gates {
    /// No gates yet; the process began then.
    pub(crate) fn since(begun: Timestamp) -> Self {
        Self { begun, lots: BTreeMap::new(), count: 0, others: None }
    }

    /// Takes a read that was recorded at `now`. What a clock that was wrong left in the future gives way.
    pub(crate) fn take(&mut self, lot: &LotId, read: &Read, now: Timestamp) {
        if is_in_the_future(self.begun, now) {
            self.begun = now;
        }
        let is_judged = read.seen >= self.begun;
        self.gate(lot, &read.gate).take(read, is_judged, now);
    }

    fn gate(&mut self, lot: &LotId, gate: &GateId) -> &mut Gate {
        let is_known = self.lots.get(lot).is_some_and(|gates| gates.contains_key(gate));
        if !is_known && self.count >= MAX_GATES {
            return self.others.get_or_insert_default();
        }
        self.count += usize::from(!is_known);
        if !self.lots.contains_key(lot) {
            self.lots.insert(lot.clone(), BTreeMap::new());
        }
        let gates = self.lots.get_mut(lot).expect("it was inserted when it was not there");
        if !is_known {
            gates.insert(gate.clone(), Box::default());
        }
        gates.get_mut(gate).expect("it was inserted when it was not there")
    }

    /// How they do at `now`, by lot and gate; those that have no place of their own come last, as one.
    pub(crate) fn status(&self, now: Timestamp) -> Vec<GateStatus> {
        let known = self.lots.iter().flat_map(|(lot, gates)| gates.iter().map(move |(name, gate)| (lot, name, gate)));
        let known = known.map(|(lot, name, gate)| gate.status(Some((lot.clone(), name.clone())), now));
        let others = self.others.iter().map(|others| others.status(None, now));
        known.chain(others).collect()
    }
}

/// What a gate did in one minute.
#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    reads: u32,
    late: u32,
    re_reads: u32,
    confidences: u32,
    confidence: f32,
}

#[derive(Debug)]
struct Gate {
    last_event: Timestamp,
    last_received: Timestamp,
    reads: u64,
    late: u64,
    /// Reads of vehicles that were seen since the process began.
    judged: u64,
    /// The newest minute that has a place among the minutes.
    newest: i64,
    minutes: [Minute; PLACES],
    /// The newest differences in a ring; the next one goes to `judged` modulo its length.
    differences: [i64; DIFFERENCE_READS],
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            last_event: Timestamp::default(),
            last_received: Timestamp::default(),
            reads: 0,
            late: 0,
            judged: 0,
            newest: 0,
            minutes: [Minute::default(); PLACES],
            differences: [0; DIFFERENCE_READS],
        }
    }
}

impl Gate {
    fn take(&mut self, read: &Read, is_judged: bool, now: Timestamp) {
        let difference = read.received.millis_since(read.seen);
        let is_late = is_judged && difference > LATE_MS;
        if is_judged {
            let place = self.judged % DIFFERENCE_READS as u64;
            self.differences[usize::try_from(place).unwrap_or_default()] = difference;
            self.judged += 1;
        }
        self.last_event = latest(self.last_event, read.seen, now);
        self.last_received = latest(self.last_received, read.received, now);
        self.reads += 1;
        self.late += u64::from(is_late);
        let minute = self.minute(now);
        minute.reads += 1;
        minute.late += u32::from(is_late);
        minute.re_reads += u32::from(read.repeats);
        if let Some(confidence) = read.confidence {
            minute.confidences += 1;
            minute.confidence += confidence;
        }
    }

    /// The minute of `now`; a clock that was set back a little counts on in the newest, one that was set back by more than
    /// these minutes restarts.
    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        if minute_of(now) + MINUTES <= self.newest {
            self.minutes = [Minute::default(); PLACES];
            self.newest = minute_of(now);
        }
        let minute = minute_of(now).max(self.newest);
        let passed = minute - self.newest;
        if passed >= MINUTES {
            self.minutes = [Minute::default(); PLACES];
        } else {
            for empty in self.newest + 1..=minute {
                self.minutes[place_of(empty)] = Minute::default();
            }
        }
        self.newest = minute;
        &mut self.minutes[place_of(minute)]
    }

    fn last_hour(&self, now: Timestamp) -> impl Iterator<Item = &Minute> {
        let first = minute_of(now) + 1 - MINUTES;
        let oldest = self.newest + 1 - MINUTES;
        // Minutes that lie a whole hour ahead are those of a clock that was wrong.
        let first = if minute_of(now) < oldest { i64::MAX } else { first };
        (first.max(oldest)..=self.newest).map(|minute| &self.minutes[place_of(minute)])
    }

    fn status(&self, place: Option<(LotId, GateId)>, now: Timestamp) -> GateStatus {
        let sum = |count: fn(&Minute) -> u32| self.last_hour(now).map(|minute| u64::from(count(minute))).sum::<u64>();
        let (reads_last_hour, late_last_hour) = (sum(|minute| minute.reads), sum(|minute| minute.late));
        let confidence: f64 = self.last_hour(now).map(|minute| f64::from(minute.confidence)).sum();
        let confidences = u32::try_from(sum(|minute| minute.confidences)).unwrap_or(u32::MAX);
        GateStatus {
            place,
            last_event: self.last_event,
            last_received: self.last_received,
            reads_last_hour,
            late_last_hour,
            re_reads_last_hour: sum(|minute| minute.re_reads),
            confidence: (confidences > 0).then(|| confidence / f64::from(confidences)),
            clock_difference_ms: self.median(),
            reads: self.reads,
            late: self.late,
        }
    }

    fn median(&self) -> i64 {
        let known = usize::try_from(self.judged).unwrap_or(usize::MAX).min(DIFFERENCE_READS);
        let mut differences = self.differences;
        let known = &mut differences[..known];
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or_default()
    }
}

/// The later of two moments, unless the known one is one of a clock that was wrong.
fn latest(known: Timestamp, new: Timestamp, now: Timestamp) -> Timestamp {
    if is_in_the_future(known, now) { new } else { known.max(new) }
}

fn is_in_the_future(time: Timestamp, now: Timestamp) -> bool {
    time.millis_since(now) > AHEAD_MAX_MS
}

fn minute_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(MINUTE_MS)
}

fn place_of(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(MINUTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
