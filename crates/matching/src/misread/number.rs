//! Numbers that are the same on every machine: logarithms in fixed point, and conversions without surprises.
//!
//! Additions, multiplications and divisions of `f64` are exact to the bit everywhere; logarithms and exponentials are
//! `libm`'s, which is plain Rust. What is kept in a model is an integer.

use serde::{Deserialize, Serialize};

/// One nat in fixed point.
const NAT: f64 = 1024.0;
/// The logarithm of what cannot happen: far below every probability that is computed with.
const NEVER: i32 = -100 * 1024;

/// The natural logarithm of a probability or of a rate, in 1/1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nats(pub i32);

impl Nats {
    /// The logarithm of `value`, to the nearest 1/1024.
    pub fn of(value: f64) -> Self {
        if value <= 0.0 { Self(NEVER) } else { Self(whole(libm::log(value) * NAT).max(NEVER)) }
    }

    /// The number that this is the logarithm of.
    pub fn value(self) -> f64 {
        if self.0 <= NEVER { 0.0 } else { libm::exp(f64::from(self.0) / NAT) }
    }
}

/// The nearest integer.
#[expect(clippy::cast_possible_truncation, reason = "a cast of f64 to i32 stops at the ends, and rounding is wanted")]
pub(crate) fn whole(value: f64) -> i32 {
    libm::round(value) as i32
}

/// A count as a real number.
pub(crate) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a thousand years are exact in f64")]
pub(crate) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_in_fixed_point_gives_the_number_back_to_a_thousandth() {
        for value in [1e-30, 2.5e-7, 0.3, 1.0, 77.0, 1e12] {
            let back = Nats::of(value).value();
            assert!((back / value - 1.0).abs() < 6e-4, "{value}: {back}");
        }
        assert_eq!(Nats::of(1.0), Nats(0));
        assert!(Nats::of(0.0).value() == 0.0 && Nats::of(-1.0).value() == 0.0);
    }
}
