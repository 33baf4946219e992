//! When vehicles come and how long they stay: pairs of a minute of the day and a length, drawn from real stays or made up.

use crate::rng::DeterministicRng;

/// Stays to draw from.
#[derive(Debug, Clone)]
pub struct Stays {
    /// Minute of the day, length in minutes.
    stays: Vec<(u32, u32)>,
}

/// Longer stays are left out: a simulation lasts days.
const LONGEST_MINUTES: u32 = 7 * 24 * 60;

impl Stays {
    /// Real stays: minute of the day of the arrival and length in minutes.
    pub fn real(stays: impl IntoIterator<Item = (u32, u32)>) -> Option<Self> {
        let stays: Vec<_> = stays.into_iter().filter(|(_, length)| *length <= LONGEST_MINUTES).collect();
        (!stays.is_empty()).then_some(Self { stays })
    }

    /// Made up: a day with a peak in the morning and one at noon, and lognormal stays.
    pub fn made_up() -> Self {
        let mut rng = DeterministicRng::new(0, 0);
        let stay = |_| {
            let middle = if rng.chance(0.5) { 9.0 } else { 14.0 };
            let hour = middle + 3.0 * rng.normal();
            let length = libm::exp(4.4 + 1.3 * rng.normal()).min(2880.0);
            (whole((hour * 60.0).clamp(0.0, 1439.0)), whole(length))
        };
        Self { stays: (0..20_000).map(stay).collect() }
    }

    /// A stay: minute of the day and length in minutes.
    pub fn draw(&self, rng: &mut DeterministicRng) -> (u32, u32) {
        *rng.one_of(&self.stays)
    }

    /// Vehicles inside, on average, for each arrival a day.
    pub fn mean_days(&self) -> f64 {
        let sum: f64 = self.stays.iter().map(|(_, length)| f64::from(*length)).sum();
        sum / f64::from(u32::try_from(self.stays.len()).unwrap_or(u32::MAX)) / 1440.0
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and some thousands")]
fn whole(value: f64) -> u32 {
    libm::round(value) as u32
}
