//! How often a passage is read twice with different texts, and how far apart the two reads are.

use serde::{Deserialize, Serialize};

use super::number::Nats;

/// Where the bins of the gap end, seconds.
const BIN_ENDS: [f64; 2] = [10.0, 30.0];
/// Share of passages that are read twice, at the start.
const START_SHARE: f64 = 0.005;
/// Densities a second in each bin: most follow within seconds.
const START_DENSITIES: [f64; 3] = [0.06, 0.015, 0.003];

/// How often a passage is read twice with different texts, and how far apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapTable {
    /// rho: share of passages.
    pub share: Nats,
    /// g: density a second of the gap, up to ten seconds, up to thirty, and up to sixty.
    pub bins: [Nats; 3],
}

impl Default for GapTable {
    fn default() -> Self {
        Self { share: Nats::of(START_SHARE), bins: START_DENSITIES.map(Nats::of) }
    }
}

impl GapTable {
    /// rho g(gap), a second.
    pub(crate) fn density(&self, gap: f64) -> f64 {
        let bin = BIN_ENDS.iter().take_while(|end| gap > **end).count();
        self.share.value() * self.bins[bin].value()
    }
}
