//! Reproducible random numbers: one generator, and the formulas that turn its bits into distributions.
//!
//! The generator is `ChaCha8`, a fixed algorithm, keyed by `XXH3` of seed, lot and minute. Each vehicle of a minute
//! has its own stream, so the draws of one never shift those of another. The formulas are written out here and use
//! only additions, multiplications, divisions and rounding, which are bit-exact on every machine; a library's
//! distributions or the system's `exp` may change with a release.

use parking::LotId;
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The key of the random numbers of one lot in one minute.
#[derive(Clone, Copy)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The key of a minute, counted from the epoch.
    pub(crate) fn new(seed: u64, lot: &LotId, minute: i64) -> Self {
        let mut text = [seed.to_le_bytes(), minute.to_le_bytes()].concat();
        text.extend_from_slice(lot.as_str().as_bytes());
        let mut key = [0; 32];
        let (low, high) = key.split_at_mut(16);
        low.copy_from_slice(&xxh3_128_with_seed(&text, 0).to_le_bytes());
        high.copy_from_slice(&xxh3_128_with_seed(&text, 1).to_le_bytes());
        Self(key)
    }

    /// The generator of one stream of the minute.
    pub(crate) fn stream(self, stream: u64) -> DeterministicRng {
        let mut generator = ChaCha8Rng::from_seed(self.0);
        generator.set_stream(stream);
        DeterministicRng(generator)
    }
}

/// Draws numbers. It only uses 32-bit words of the generator, so that their order is obvious.
pub(crate) struct DeterministicRng(ChaCha8Rng);

impl DeterministicRng {
    fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in [0, 1), in steps of 2⁻³².
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// True with this probability. Uses one word for any probability.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Uniform in `0..end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let scaled = (u64::from(self.word()) * u64::from(end)) >> 32;
        u32::try_from(scaled).expect("a product with a number below 1 is below `end`")
    }

    /// One of a few choices, uniform.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let count = u32::try_from(choices.len()).expect("the lists to choose from are short");
        &choices[self.below(count) as usize]
    }

    /// A UUID of version 8.
    pub(crate) fn id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        for word in bytes.chunks_exact_mut(4) {
            word.copy_from_slice(&self.word().to_le_bytes());
        }
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// A Poisson number with this mean, by Knuth's products.
    pub(crate) fn count(&mut self, mean: f64) -> u64 {
        // `exp` of a large negative number is zero; a large mean is the sum of small ones.
        const POISSON_PART_MAX: f64 = 16.0;
        let mut count = 0;
        let mut left = mean;
        while left > 0.0 {
            let part = left.min(POISSON_PART_MAX);
            left -= part;
            let least = exp(-part);
            let mut product = self.unit();
            while product > least {
                count += 1;
                product *= self.unit();
            }
        }
        count
    }

    /// A normal number with mean 0 and deviation 1, approximated by the sum of twelve uniform ones (never beyond ±6).
    pub(crate) fn bell(&mut self) -> f64 {
        (0..12).fold(-6.0, |sum, _| sum + self.unit())
    }
}

/// The exponential function, by halving or doubling a short series.
pub(crate) fn exp(power: f64) -> f64 {
    let doublings = (power / std::f64::consts::LN_2).round();
    let rest = power - doublings * std::f64::consts::LN_2;
    let series = (1..=14).rev().fold(1.0, |sum, term| 1.0 + rest / f64::from(term) * sum);
    let (factor, mut left) = if doublings < 0.0 { (0.5, -doublings) } else { (2.0, doublings) };
    let mut value = series;
    while left > 0.5 {
        value *= factor;
        left -= 1.0;
    }
    value
}

/// A duration in whole milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "callers give at most weeks, which are far below 2^53 ms")]
pub(crate) fn whole_millis(millis: f64) -> i64 {
    millis.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    fn rng(stream: u64) -> DeterministicRng {
        Key::new(1, &LotId::default(), 0).stream(stream)
    }

    fn mean(draw: impl FnMut(u32) -> f64) -> f64 {
        (0..DRAWS).map(draw).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn seed_lot_minute_and_stream_each_change_what_is_drawn() {
        let main = LotId::default();
        let other = LotId::parse("other").unwrap();
        let first = |seed, lot: &LotId, minute, stream| Key::new(seed, lot, minute).stream(stream).id();
        let all = [
            first(1, &main, 0, 0),
            first(2, &main, 0, 0),
            first(1, &other, 0, 0),
            first(1, &main, 1, 0),
            first(1, &main, 0, 1),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(first(1, &main, 0, 0), all[0]);
    }

    #[test]
    fn exponential_agrees_with_the_systems() {
        for tenth in -300..=300 {
            let power = f64::from(tenth) / 10.0;
            let relative = exp(power) / power.exp() - 1.0;
            assert!(relative.abs() < 1e-13, "exp({power}) is off by {relative}");
        }
    }

    #[test]
    fn counts_have_the_mean_and_the_spread_of_independent_happenings() {
        for expected in [0.0, 0.3, 4.0, 40.0] {
            let mut rng = rng(7);
            let counts: Vec<f64> =
                (0..20_000).map(|_| f64::from(u32::try_from(rng.count(expected)).unwrap())).collect();
            let mean = counts.iter().sum::<f64>() / 20_000.0;
            let spread = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - expected).abs() <= 0.03 * expected, "mean {mean} of {expected}");
            assert!((spread - expected).abs() <= 0.06 * expected, "variance {spread} of {expected}");
        }
    }

    #[test]
    fn bell_curve_has_mean_0_and_deviation_1() {
        let (mut one, mut two) = (rng(1), rng(1));
        assert!(mean(|_| one.bell()).abs() < 0.02);
        assert!((mean(|_| two.bell().powi(2)) - 1.0).abs() < 0.02);
    }

    #[test]
    fn choices_are_even() {
        let mut rng = rng(3);
        let mut hits = [0_u32; 5];
        for _ in 0..DRAWS {
            hits[rng.below(5) as usize] += 1;
        }
        assert!(hits.iter().all(|hits| hits.abs_diff(DRAWS / 5) < DRAWS / 100), "{hits:?}");
    }
}
