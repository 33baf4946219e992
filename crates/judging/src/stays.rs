//! When vehicles come and how long they stay: pairs of a minute of the day and a length, drawn from real stays or made
//! up.

use std::io;

use crate::rng::DeterministicRng;
use crate::table::{Table, TableError};

/// Stays to draw from.
#[derive(Debug, Clone)]
pub struct Stays {
    /// Minute of the day, length in minutes.
    stays: Vec<(u32, u32)>,
}

const MINUTE_MS: i64 = 60_000;
/// Longer stays are left out: a simulation lasts days.
const LONGEST_MINUTES: u32 = 7 * 24 * 60;
/// A mean stay counts as at least this, so that lots of drivers who turn back at once can be simulated.
const MEAN_MINUTES_MIN: f64 = 1.0;

impl Stays {
    /// Real stays: minute of the day of the arrival and length in minutes.
    pub fn real(stays: impl IntoIterator<Item = (u32, u32)>) -> Option<Self> {
        let stays: Vec<_> = stays.into_iter().filter(|(_, length)| *length <= LONGEST_MINUTES).collect();
        (!stays.is_empty()).then_some(Self { stays })
    }

    /// The stays of a session file: the rows with both times. `None` when there is none of at most seven days.
    ///
    /// # Errors
    /// It is not a CSV table with `entry_date_time` and `exit_date_time`, or a time is wrong.
    pub fn read(from: impl io::Read) -> Result<Option<Self>, TableError> {
        let mut table = Table::new(from)?;
        let [entered, left] = [table.required("entry_date_time")?, table.required("exit_date_time")?];
        let mut stays = Vec::new();
        while let Some(row) = table.next_row()? {
            let (Some(entered), Some(left)) = (row.time(entered)?, row.time(left)?) else { continue };
            let minute = entered.as_millis().div_euclid(MINUTE_MS).rem_euclid(24 * 60);
            let length = left.millis_since(entered) / MINUTE_MS;
            stays.extend(u32::try_from(minute).ok().zip(u32::try_from(length).ok()));
        }
        Ok(Self::real(stays))
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
        let mean = sum / f64::from(u32::try_from(self.stays.len()).unwrap_or(u32::MAX));
        mean.max(MEAN_MINUTES_MIN) / 1440.0
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and some thousands")]
fn whole(value: f64) -> u32 {
    libm::round(value) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stays_of_a_session_file_are_those_with_both_times() {
        let file = "session_id,entry_date_time,exit_date_time\n\
                    1,2024-09-24T09:30:10Z,2024-09-24T10:31:00Z\n\
                    2,2024-09-24T09:30:00Z,\n\
                    3,,2024-09-24T09:30:00Z\n\
                    4,2024-09-24T09:30:00Z,2024-10-24T09:30:00Z\n";
        let stays = Stays::read(file.as_bytes()).unwrap().unwrap();
        assert_eq!(stays.stays, [(570, 60)]);
        assert!(Stays::read(&b"entry_date_time,exit_date_time\n"[..]).unwrap().is_none());
        assert!(Stays::read(&b"entry_date_time\n"[..]).is_err());
    }
}
