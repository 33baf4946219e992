//! Chance that anybody can repeat: one generator, keyed by seed and purpose, and the formulas that turn its bits into
//! numbers. Only additions, multiplications, divisions and the logarithms and exponentials of `libm` are used.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// Draws numbers.
#[derive(Debug)]
pub struct DeterministicRng(ChaCha8Rng);

impl DeterministicRng {
    /// The rng of one purpose, named by a number, of a seed.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(purpose);
        Self(generator)
    }

    /// Evenly from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// True in this share of all draws.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Evenly one of `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize fits");
        let scaled = (u64::from(self.0.next_u32()) * end) >> 32;
        usize::try_from(scaled).expect("it is below `end`")
    }

    /// One of a few, evenly.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// A place of `weights`, by weight.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len() - 1
    }

    /// A place below `end`, the first most often: with the weight 1/rank.
    pub fn ranked(&mut self, end: usize) -> usize {
        let weights: Vec<f64> =
            (1..=u32::try_from(end).unwrap_or(u32::MAX)).map(|rank| 1.0 / f64::from(rank)).collect();
        self.weighted(&weights)
    }

    /// Normal with mean 0 and deviation 1 (the sum of twelve).
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Pareto with this exponent, from 1.
    pub fn pareto(&mut self, exponent: f64) -> f64 {
        libm::exp(-libm::log(1.0 - self.unit()) / exponent)
    }

    /// A UUID of version 8.
    pub fn id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        for word in bytes.chunks_exact_mut(4) {
            word.copy_from_slice(&self.0.next_u32().to_le_bytes());
        }
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}
