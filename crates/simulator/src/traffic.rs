//! What the gates publish, as a function of time alone.
//!
//! [`Traffic::events`] returns the events of any interval; [`Upcoming`] returns them incrementally from some time on,
//! and makes each vehicle only once. [`publish`](crate::publish) sends them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use parking::{Direction, GateEvent, Lots, Timestamp};

use crate::profile::STAY_MINUTES_MAX;
use crate::rng::whole_millis;
use crate::vehicles::{COPY_DELAY_MAX_MS, MINUTE_MS, Passage, STRANGER_DELAY_MAX_MS, Source};
use crate::{TrafficConfig, WrongTraffic};

/// An event with the time of its publication: when the vehicle was seen, or later.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The time of publication.
    pub at: Timestamp,
    /// The event.
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
    /// The value out of range, and what is allowed.
    pub fn new(config: TrafficConfig, lots: &Lots) -> Result<Self, WrongTraffic> {
        config.check(lots)?;
        Ok(Self { config, sources: lots.iter().map(Source::new).collect() })
    }

    /// The configuration of this traffic.
    pub fn config(&self) -> &TrafficConfig {
        &self.config
    }

    /// The events that the gates of a direction publish in `from..to`, in order.
    pub fn events(&self, direction: Direction, from: Timestamp, to: Timestamp) -> Vec<Publication> {
        self.upcoming(direction, from).take(to, usize::MAX)
    }

    /// The events that the gates of a direction publish from `from` on, incrementally.
    ///
    /// Makes every vehicle in flight at that time: milliseconds for a few lots, seconds for millions of vehicles an
    /// hour.
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

    /// The entries, in order of time, that were published before `time` and whose exits are not all published by
    /// then. After them, the events from `time` on find the same vehicles inside as after the whole past. Takes as
    /// long as [`upcoming`](Self::upcoming).
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

    /// The maximum time from a vehicle's entry to its last publication, milliseconds.
    fn reach_millis(&self) -> i64 {
        let stay = whole_millis(STAY_MINUTES_MAX * 60_000.0 / self.config.stay_scale);
        let late = whole_millis(self.config.late_by_millis());
        stay + STRANGER_DELAY_MAX_MS + late + COPY_DELAY_MAX_MS + MINUTE_MS
    }
}

/// The minute of a time, counted from the epoch. Before the epoch there is no traffic, since events have no such
/// time.
fn minute_of(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(MINUTE_MS).max(0)
}

/// The coming publications, in order, from the requested time on. It contains those of the vehicles in flight, and
/// none of later ones.
#[derive(Debug)]
pub struct Upcoming {
    traffic: Traffic,
    direction: Direction,
    /// Everything before this time was taken.
    position: Timestamp,
    /// The vehicles of this minute, and of later ones, are not made yet.
    next_minute: i64,
    pending: BinaryHeap<Reverse<Due>>,
}

impl Upcoming {
    /// Takes up to `most` publications before `to`, in order. Fewer than `most` means that these were all.
    pub fn take(&mut self, to: Timestamp, most: usize) -> Vec<Publication> {
        let mut taken = Vec::new();
        while taken.len() < most {
            // Vehicles of the next minute publish nothing before it begins.
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

    /// Everything before this time was taken.
    pub fn position(&self) -> Timestamp {
        self.position
    }

    /// The number of events that wait for their time.
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

/// A publication in its total order: by time, then by the event's identity.
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
