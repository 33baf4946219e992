//! How long stays are, `f(d | hour)` and `S(d | hour)`, and how many vehicles pass in which hour.
//!
//! A histogram of 48 logarithmic classes of stay times twelve two-hour classes of entry, each backed off to all hours
//! with the weight of 60 stays. Hours are those of UTC: a lot's own clock would only shift them.

use parking::Timestamp;
use serde::{Deserialize, Serialize};

use super::number::seconds;

/// Classes of stay.
pub const CLASSES: usize = 48;
/// Classes of the hour of entry.
pub const HOURS: usize = 12;
/// Weight of all hours together in each hour, in stays.
const BACK_OFF: f64 = 60.0;
/// Least count of a class, in stays.
const FLOOR: f64 = 0.2;
/// The longest stay of the last class, minutes: forty days.
const LONGEST_MINUTES: f64 = 57_600.0;
/// The shortest width of the first class, minutes.
const FIRST_MINUTES: f64 = 1.0;

/// Stays and passages as they are counted in a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StayTable {
    /// For each class of hour, each class of stay: exact matches.
    pub stays: Vec<u32>,
    /// For each direction (entry, exit), each hour of the day: passages.
    pub passages: [[u32; 24]; 2],
    /// The time in which they were counted, seconds.
    pub seconds: u32,
}

/// The start: stays from minutes to days, evenly by their logarithm between, and a passage every two minutes.
impl Default for StayTable {
    fn default() -> Self {
        let class = |class: usize| if (8..36).contains(&class) { 20 } else { 2 };
        let stays = (0..CLASSES * HOURS).map(|at| class(at % CLASSES)).collect();
        Self { stays, passages: [[30; 24]; 2], seconds: 86_400 }
    }
}

impl StayTable {
    /// Nothing counted.
    pub(crate) fn empty(seconds: u32) -> Self {
        Self { stays: vec![0; CLASSES * HOURS], passages: [[0; 24]; 2], seconds }
    }

    /// A table of what was counted in `seconds` of a lot's time: matched stays, each with when it began, its length in
    /// milliseconds and how many there were; and passages by direction (entry, exit), each with its time and number.
    pub fn of_counts(
        seconds: u32,
        stays: impl IntoIterator<Item = (Timestamp, i64, u32)>,
        passages: impl IntoIterator<Item = (Timestamp, [u32; 2])>,
    ) -> Self {
        let (mut table, bounds) = (Self::empty(seconds), Bounds::new());
        for (entry, dwell_ms, count) in stays {
            let class = bounds.class(super::number::seconds(dwell_ms));
            let known = &mut table.stays[hour_class(entry) * CLASSES + class];
            *known = known.saturating_add(count);
        }
        for (time, counts) in passages {
            for (hours, count) in table.passages.iter_mut().zip(counts) {
                hours[hour(time)] = hours[hour(time)].saturating_add(count);
            }
        }
        table
    }

    pub(crate) fn add_stay(&mut self, bounds: &Bounds, entry: Timestamp, exit: Timestamp) {
        let class = bounds.class(seconds(exit.millis_since(entry)));
        self.stays[hour_class(entry) * CLASSES + class] += 1;
    }

    pub(crate) fn add_passage(&mut self, direction: usize, time: Timestamp) {
        self.passages[direction][hour(time)] += 1;
    }
}

fn hour(time: Timestamp) -> usize {
    usize::try_from(time.as_millis().rem_euclid(86_400_000) / 3_600_000).expect("a day has 24 hours")
}

fn hour_class(time: Timestamp) -> usize {
    hour(time) / 2
}

/// Where the classes of stay begin, seconds.
#[derive(Debug, Clone)]
pub(crate) struct Bounds([f64; CLASSES + 1]);

impl Bounds {
    pub(crate) fn new() -> Self {
        let step = libm::log(1.0 + LONGEST_MINUTES / FIRST_MINUTES) / super::number::real(CLASSES);
        let bound = |class: usize| 60.0 * FIRST_MINUTES * (libm::exp(step * super::number::real(class)) - 1.0);
        Self(std::array::from_fn(bound))
    }

    fn class(&self, seconds: f64) -> usize {
        self.0[1..CLASSES].partition_point(|bound| *bound <= seconds)
    }
}

/// A [`StayTable`] as densities and shares, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Stays {
    bounds: Bounds,
    /// For each class of hour, each class of stay: density a second, and the share that stays until the class begins.
    densities: Vec<[f64; CLASSES]>,
    survivals: Vec<[f64; CLASSES + 1]>,
    /// Passages a second by direction and hour.
    rates: [[f64; 24]; 2],
}

impl Stays {
    pub(crate) fn new(table: &StayTable) -> Self {
        let bounds = Bounds::new();
        let count = |at: usize| table.stays.get(at).copied().map_or(0.0, f64::from);
        let of_class = |class: usize| (0..HOURS).map(|hour| count(hour * CLASSES + class)).sum::<f64>() + FLOOR;
        let all: [f64; CLASSES] = std::array::from_fn(of_class);
        let total: f64 = all.iter().sum();
        let (mut densities, mut survivals) = (Vec::new(), Vec::new());
        for hour in 0..HOURS {
            let of_hour: f64 = (0..CLASSES).map(|class| count(hour * CLASSES + class)).sum();
            let share =
                |class: usize| (count(hour * CLASSES + class) + BACK_OFF * all[class] / total) / (of_hour + BACK_OFF);
            let width = |class: usize| bounds.0[class + 1] - bounds.0[class];
            densities.push(std::array::from_fn(|class| share(class) / width(class)));
            let mut survival = [1.0; CLASSES + 1];
            for class in 0..CLASSES {
                survival[class + 1] = (survival[class] - share(class)).max(0.0);
            }
            survivals.push(survival);
        }
        let of_day = f64::from(table.seconds).max(1.0) / 24.0;
        let rates = table.passages.map(|hours| hours.map(|count| (f64::from(count) + 1.0) / of_day));
        Self { bounds, densities, survivals, rates }
    }

    /// f: the chance that a stay ends in the second after `stay` seconds.
    pub(crate) fn density(&self, entry: Timestamp, stay: f64) -> f64 {
        self.densities[hour_class(entry)][self.bounds.class(stay)]
    }

    /// S: the share of stays that are longer.
    pub(crate) fn survival(&self, entry: Timestamp, stay: f64) -> f64 {
        let class = self.bounds.class(stay);
        let (from, to) = (self.bounds.0[class], self.bounds.0[class + 1]);
        let passed = ((stay - from) / (to - from)).clamp(0.0, 1.0);
        let survival = &self.survivals[hour_class(entry)];
        survival[class] + (survival[class + 1] - survival[class]) * passed
    }

    /// Entries a second at that hour.
    pub(crate) fn entries(&self, time: Timestamp) -> f64 {
        self.rates[0][hour(time)]
    }

    /// Exits a second at that hour.
    pub(crate) fn exits(&self, time: Timestamp) -> f64 {
        self.rates[1][hour(time)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    #[test]
    fn the_density_adds_up_to_what_the_survival_loses() {
        let stays = Stays::new(&StayTable::default());
        let mut ended = 0.0;
        for at in 0..600 {
            ended += 60.0 * stays.density(minute(0), 60.0 * f64::from(at) + 30.0);
        }
        assert!((ended - (1.0 - stays.survival(minute(0), 36_000.0))).abs() < 0.01, "{ended}");
        assert!((stays.survival(minute(0), 0.0) - 1.0).abs() < 1e-9);
        assert!(stays.survival(minute(0), 40.0 * 86_400.0) < 1e-9);
    }

    #[test]
    fn a_table_of_counts_equals_one_of_single_stays_and_passages() {
        let (mut single, bounds) = (StayTable::empty(86_400), Bounds::new());
        for (entry, exit) in [(60, 120), (60, 120), (600, 1200)] {
            single.add_stay(&bounds, minute(entry), minute(exit));
            single.add_passage(0, minute(entry));
            single.add_passage(1, minute(exit));
        }
        let stays = [(minute(60), 3_600_000, 2), (minute(600), 36_000_000, 1)];
        let passages = [(minute(60), [2, 0]), (minute(120), [0, 2]), (minute(600), [1, 0]), (minute(1200), [0, 1])];
        assert_eq!(StayTable::of_counts(86_400, stays, passages), single);
    }

    #[test]
    fn usual_stays_are_likely_at_their_own_hour() {
        let (mut table, bounds) = (StayTable::empty(86_400), Bounds::new());
        for _ in 0..500 {
            table.add_stay(&bounds, minute(60), minute(120));
            table.add_stay(&bounds, minute(600), minute(1200));
        }
        let stays = Stays::new(&table);
        assert!(stays.density(minute(60), 3600.0) > 5.0 * stays.density(minute(600), 3600.0));
        assert!(stays.density(minute(1400), 3600.0) > 0.0, "an hour without stays has those of all");
    }
}
