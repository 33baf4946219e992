//! What the gates publish, as a function of time alone.
//!
//! [`Traffic::events`] answers for any stretch of time; [`Upcoming`] gives the same from some moment on, piece by piece
//! and making each vehicle only once. Sending it is left to [`publish`](crate::publish).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use parking::{Direction, GateEvent, Lots, Timestamp};

use crate::profile::LONGEST_STAY_MINUTES;
use crate::rng::whole_millis;
use crate::vehicles::{MINUTE_MS, Passage, STRANGER_AFTER_MS, Source, TWICE_AFTER_MOST_MS};
use crate::{TrafficConfig, WrongTraffic};

/// An event, and when a gate publishes it: when it was seen, or later.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// When it is published.
    pub at: Timestamp,
    /// What is published.
    pub event: GateEvent,
}

/// The traffic of some lots. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Traffic {
    config: TrafficConfig,
    sources: Arc<[Source]>,
}

impl Traffic {
    /// The traffic of these lots.
    ///
    /// # Errors
    /// Which value is out of its range, and what is allowed.
    pub fn new(config: TrafficConfig, lots: &Lots) -> Result<Self, WrongTraffic> {
        config.check(lots)?;
        Ok(Self { config, sources: lots.iter().map(Source::new).collect() })
    }

    /// What this traffic was made from.
    pub fn config(&self) -> &TrafficConfig {
        &self.config
    }

    /// Everything that the gates of a direction publish from `from` up to, not including, `to`, in order.
    pub fn events(&self, direction: Direction, from: Timestamp, to: Timestamp) -> Vec<Publication> {
        self.upcoming(direction, from).take(to, usize::MAX)
    }

    /// What the gates of a direction publish from `from` on, to be taken piece by piece.
    ///
    /// Makes everybody who is on the way then: milliseconds for a few lots, seconds for millions of vehicles an hour.
    pub fn upcoming(&self, direction: Direction, from: Timestamp) -> Upcoming {
        let mut upcoming = Upcoming {
            traffic: self.clone(),
            direction,
            position: from,
            next_minute: minute_of(from.plus_millis(-self.reach_millis())),
            pending: BinaryHeap::new(),
        };
        while upcoming.next_minute < minute_of(from) {
            upcoming.make_minute();
        }
        upcoming
    }

    /// The entries, in order of time, that were published before `time` and whose exits have not all been published by
    /// then. With them beforehand, everything that is published from `time` on finds what it found with all the past.
    /// As much work as [`upcoming`](Self::upcoming).
    pub fn inside_at(&self, time: Timestamp) -> Vec<GateEvent> {
        let minutes = minute_of(time.plus_millis(-self.reach_millis()))..=minute_of(time);
        let mut inside: Vec<GateEvent> = minutes
            .flat_map(|minute| self.sources.iter().map(move |source| (source, minute)))
            .flat_map(|(source, minute)| source.arrivals(&self.config, minute))
            .filter(|stay| stay.entry.published.is_some_and(|at| at < time) && stay.exit.over() >= time)
            .map(|stay| stay.entry.event)
            .collect();
        inside.sort_by(|one, other| one.key.cmp(&other.key).then_with(|| one.vehicle.cmp(&other.vehicle)));
        inside
    }

    /// How long after a vehicle came something of it can be published, milliseconds.
    fn reach_millis(&self) -> i64 {
        let stay = whole_millis(LONGEST_STAY_MINUTES * 60_000.0 / self.config.stay_scale);
        let late = whole_millis(self.config.late_by_millis());
        stay + STRANGER_AFTER_MS + late + TWICE_AFTER_MOST_MS + MINUTE_MS
    }
}

/// The minute of a moment, counted from the epoch; before the epoch there is no traffic, since events have no such time.
fn minute_of(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(MINUTE_MS).max(0)
}

/// What will be published, in order, from where it was asked to begin. Holds what the vehicles on their way will
/// publish, and nothing of later ones.
#[derive(Debug)]
pub struct Upcoming {
    traffic: Traffic,
    direction: Direction,
    /// Everything before this was taken.
    position: Timestamp,
    /// The vehicles of this minute, and of later ones, are not made yet.
    next_minute: i64,
    pending: BinaryHeap<Reverse<Due>>,
}

impl Upcoming {
    /// Takes what is published before `to`, in order, at most `most` of it. Less than `most` means that this was all.
    pub fn take(&mut self, to: Timestamp, most: usize) -> Vec<Publication> {
        let mut taken = Vec::new();
        while taken.len() < most {
            // Whoever comes in the next minute publishes nothing before it begins.
            let certain = Timestamp::from_millis(self.next_minute.saturating_mul(MINUTE_MS)).min(to);
            match self.pending.peek() {
                Some(Reverse(due)) if due.0.at < certain => taken.extend(self.pending.pop().map(|due| due.0.0)),
                _ if certain < to => self.make_minute(),
                _ => {
                    self.position = self.position.max(to);
                    return taken;
                }
            }
        }
        if let Some(last) = taken.last() {
            self.position = self.position.max(last.at);
        }
        taken
    }

    /// Up to when everything was taken.
    pub fn position(&self) -> Timestamp {
        self.position
    }

    /// How many events are waiting for their time.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    fn make_minute(&mut self) {
        let Self { traffic, direction, position, next_minute, pending } = self;
        let mut keep = |passage: Passage| {
            for at in passage.copies().filter(|at| *at >= *position) {
                pending.push(Reverse(Due(Publication { at, event: passage.event.clone() })));
            }
        };
        for source in traffic.sources.iter() {
            for stay in source.arrivals(&traffic.config, *next_minute) {
                match direction {
                    Direction::Entry => keep(stay.entry),
                    Direction::Exit => {
                        keep(stay.exit);
                        stay.strangers.into_iter().for_each(&mut keep);
                    }
                }
            }
        }
        *next_minute += 1;
    }
}

/// A publication in the order in which all of them stand: by time, then by what tells two events apart.
#[derive(Debug)]
struct Due(Publication);

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (&self.0, &other.0);
        one.at
            .cmp(&other.at)
            .then_with(|| one.event.key.cmp(&other.event.key))
            .then_with(|| one.event.vehicle.cmp(&other.event.vehicle))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests;
