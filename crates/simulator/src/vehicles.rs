//! The vehicles of one lot, minute by minute: who enters, for how long, and the resulting events.
//!
//! The draws of each vehicle have a fixed order and happen for any settings, so that for instance another share of
//! late events does not change plates, stays and ids. [`Traffic`](crate::Traffic) decides which event is due when.

use parking::{Direction, EventKey, GateEvent, GateId, Lot, Timestamp, Vehicle};

use crate::TrafficConfig;
use crate::plates::NumberPlate;
use crate::profile::{busyness, stay_minutes};
use crate::rng::{DeterministicRng, Key, whole_millis};

/// The interval for which vehicles are drawn together, milliseconds.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// The maximum time from a vehicle's exit to the exits of its strangers, milliseconds.
pub(crate) const STRANGER_DELAY_MAX_MS: i64 = MINUTE_MS;
/// The minimum delay of the second copy of an event, milliseconds.
const COPY_DELAY_MIN_MS: i64 = 500;
/// The maximum delay of the second copy of an event, milliseconds.
pub(crate) const COPY_DELAY_MAX_MS: i64 = 10_000;

/// A vehicle at a gate, and when its event is published.
pub(crate) struct Passage {
    pub(crate) event: GateEvent,
    /// `None` for a lost event.
    pub(crate) published: Option<Timestamp>,
    /// The second copy.
    pub(crate) published_again: Option<Timestamp>,
}

impl Passage {
    /// The time of its last publication.
    pub(crate) fn over(&self) -> Timestamp {
        self.published_again.or(self.published).unwrap_or(self.event.key.time)
    }

    /// The times of publication of its copies.
    pub(crate) fn copies(&self) -> impl Iterator<Item = Timestamp> {
        self.published.into_iter().chain(self.published_again)
    }
}

/// One vehicle's stay, and the strangers that leave after it.
pub(crate) struct Stay {
    pub(crate) entry: Passage,
    pub(crate) exit: Passage,
    /// Exits of vehicles that never entered. They follow a published exit, so that their share of the exits is right
    /// at any time of day.
    pub(crate) strangers: Vec<Passage>,
}

/// One lot as a source of traffic.
#[derive(Debug)]
pub(crate) struct Source {
    lot: Lot,
    entry_gates: [GateId; 2],
    exit_gates: [GateId; 2],
}

impl Source {
    pub(crate) fn new(lot: &Lot) -> Self {
        let gates = |direction| [1, 2].map(|number| gate(lot, direction, number));
        Self { lot: lot.clone(), entry_gates: gates("in"), exit_gates: gates("out") }
    }

    /// The vehicles that enter in a minute, which is counted from the epoch.
    pub(crate) fn arrivals(&self, config: &TrafficConfig, minute: i64) -> impl Iterator<Item = Stay> {
        // Stream 0 draws their number; the vehicles have the streams from 1 on.
        let key = Key::new(config.seed, &self.lot.id, minute);
        let begin = Timestamp::from_millis(minute.saturating_mul(MINUTE_MS));
        let mean_an_hour = self.lot.arrivals_per_hour * config.arrivals;
        let mean = mean_an_hour / 60.0 * busyness(self.lot.kind, self.lot.time_zone, begin);
        let count = key.stream(0).count(mean);
        (1..=count).map(move |number| self.stay(config, begin, &mut key.stream(number)))
    }

    fn stay(&self, config: &TrafficConfig, minute: Timestamp, rng: &mut DeterministicRng) -> Stay {
        let plate = NumberPlate::draw(rng);
        let came = minute.plus_millis(i64::from(rng.below(60_000)));
        let minutes = stay_minutes(self.lot.kind, rng.bell()) / config.stay_scale;
        let left = came.plus_millis(whole_millis(minutes * 60_000.0).max(1));
        let mut pass = |plate: &NumberPlate, direction, time, lost_share| {
            self.passage(config, rng, plate, direction, time, lost_share)
        };
        let entry = pass(&plate, Direction::Entry, came, config.lost_entry_share);
        let exit = pass(&plate, Direction::Exit, left, config.lost_exit_share);
        let strangers = if exit.published.is_some() { self.strangers(config, rng, left) } else { Vec::new() };
        Stay { entry, exit, strangers }
    }

    fn strangers(&self, config: &TrafficConfig, rng: &mut DeterministicRng, after: Timestamp) -> Vec<Passage> {
        let an_exit = config.stranger_share / (1.0 - config.stranger_share);
        let part = rng.unit();
        let mut strangers = Vec::new();
        // One for each whole number, and one more with the probability of the rest.
        let mut left = an_exit;
        while left > part {
            let time = after.plus_millis(i64::from(rng.below(60_000)));
            let plate = NumberPlate::draw(rng);
            strangers.push(self.passage(config, rng, &plate, Direction::Exit, time, 0.0));
            left -= 1.0;
        }
        strangers
    }

    fn passage(
        &self,
        config: &TrafficConfig,
        rng: &mut DeterministicRng,
        plate: &NumberPlate,
        direction: Direction,
        time: Timestamp,
        lost_share: f64,
    ) -> Passage {
        let gates = match direction {
            Direction::Entry => &self.entry_gates,
            Direction::Exit => &self.exit_gates,
        };
        let event = GateEvent {
            vehicle: Vehicle { lot: self.lot.id.clone(), plate: plate.normal() },
            key: EventKey { time, direction, id: rng.id() },
            plate_as_read: plate.spelled(rng).into(),
            gate: Some(rng.one_of(gates).clone()),
            confidence: Some(confidence(rng)),
        };
        let lost = rng.chance(lost_share);
        let late = rng.chance(config.late_share);
        let late_by = whole_millis(rng.unit() * config.late_by_millis());
        let twice = rng.chance(config.duplicate_share);
        let twice_after = COPY_DELAY_MIN_MS + i64::from(rng.below(9_500));
        let published = (!lost).then(|| if late { time.plus_millis(late_by) } else { time });
        let published_again = published.filter(|_| twice).map(|first| first.plus_millis(twice_after));
        Passage { event, published, published_again }
    }
}

/// `<lot>-in-1`; a lot name that is too long for it is truncated.
fn gate(lot: &Lot, direction: &str, number: u8) -> GateId {
    const LOT_BYTES_MAX: usize = 64 - "-out-1".len();
    let name = lot.id.as_str();
    let name = name.get(..LOT_BYTES_MAX).unwrap_or(name);
    GateId::parse(&format!("{name}-{direction}-{number}")).expect("a lot's name and this fit into 64 plain letters")
}

/// From 0.8 to 0.999, in steps of a thousandth.
fn confidence(rng: &mut DeterministicRng) -> f32 {
    let thousandths = u16::try_from(800 + rng.below(200)).expect("it is below 1000");
    f32::from(thousandths) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking::Lots;

    fn day(config: &TrafficConfig) -> Vec<Stay> {
        // 24 September 2024, UTC.
        const MIDNIGHT: i64 = 28_785_600;
        let lots = Lots::default();
        let sources: Vec<Source> = lots.iter().map(Source::new).collect();
        let minutes = (MIDNIGHT..MIDNIGHT + 24 * 60).step_by(7);
        minutes.flat_map(|minute| sources.iter().flat_map(move |source| source.arrivals(config, minute))).collect()
    }

    #[test]
    fn entry_and_exit_of_one_vehicle_agree_and_stand_in_order() {
        let stays = day(&TrafficConfig::default());
        assert!(stays.len() > 1_000);
        for Stay { entry, exit, strangers } in &stays {
            assert_eq!(entry.event.vehicle, exit.event.vehicle);
            assert_ne!(entry.event.key.id, exit.event.key.id);
            assert!(entry.event.key.time < exit.event.key.time);
            assert_eq!((entry.event.key.direction, exit.event.key.direction), (Direction::Entry, Direction::Exit));
            for stranger in strangers {
                assert_ne!(stranger.event.vehicle, exit.event.vehicle);
                assert_eq!(stranger.event.key.direction, Direction::Exit);
            }
        }
    }

    #[test]
    fn longest_name_of_a_lot_still_has_gates() {
        let mut lot = Lots::default().iter().next().unwrap().clone();
        lot.id = parking::LotId::parse(&"x".repeat(64)).unwrap();
        assert_eq!(gate(&lot, "out", 2).to_string(), "x".repeat(58) + "-out-2");
    }

    #[test]
    fn shares_leave_the_vehicles_as_they_were() {
        let plain = TrafficConfig { late_share: 0.0, duplicate_share: 0.0, ..TrafficConfig::default() };
        let busy = TrafficConfig { late_share: 1.0, duplicate_share: 1.0, lost_entry_share: 1.0, ..plain };
        let events = |config| -> Vec<_> {
            day(config).into_iter().flat_map(|stay| [stay.entry.event, stay.exit.event]).collect()
        };
        assert_eq!(events(&plain), events(&busy));
    }

    #[test]
    fn each_share_is_kept_within_chance() {
        let config = TrafficConfig {
            duplicate_share: 0.1,
            late_share: 0.2,
            lost_entry_share: 0.05,
            lost_exit_share: 0.1,
            ..TrafficConfig::default()
        };
        let stays = day(&config);
        let share = |hits: fn(&Stay) -> bool| {
            let hits = stays.iter().filter(|stay| hits(stay)).count();
            f64::from(u32::try_from(hits).unwrap()) / f64::from(u32::try_from(stays.len()).unwrap())
        };
        let shares = [
            (share(|stay| stay.entry.published.is_none()), 0.05),
            (share(|stay| stay.exit.published.is_none()), 0.1),
            (share(|stay| stay.exit.published_again.is_some()), 0.1 * 0.9),
            (share(|stay| stay.exit.published.is_some_and(|at| at > stay.exit.event.key.time)), 0.2 * 0.9),
            (share(|stay| !stay.strangers.is_empty()), 0.25 * 0.9),
        ];
        for (seen, meant) in shares {
            assert!((seen - meant).abs() < 0.02, "{seen} is not {meant} within chance: {shares:?}");
        }
    }
}
