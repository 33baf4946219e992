//! The correlator's settings: `DWELL_PREFETCH`, `DWELL_BATCH_EVENTS`, `DWELL_BATCHES_IN_FLIGHT`, `DWELL_REDIS_URL`,
//! `DWELL_LOTS`.
//!
//! The matching rules are not here: the summary API has them, so that all correlators match by the same rules.

use parking::Lots;
use settings::{Redacted, Settings};

/// The configuration of a correlator.
#[derive(Debug, Clone)]
pub struct Config {
    /// The maximum of unacknowledged messages per queue.
    pub prefetch: u16,
    /// The maximum of events in a batch.
    pub batch_events: usize,
    /// The number of batches in flight.
    pub batches_in_flight: usize,
    /// The Redis of the shared timeline cache; `None` keeps it in memory.
    pub redis_url: Option<Redacted>,
    /// The known lots, only for their kinds: a label of a metric.
    pub lots: Lots,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first invalid setting, and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, settings::Error> {
        Ok(Self {
            prefetch: settings.number(&settings::PREFETCH, 1..=32_000)?,
            batch_events: settings.number(&settings::BATCH_EVENTS, 1..=10_000)?,
            batches_in_flight: settings.number(&settings::BATCHES_IN_FLIGHT, 1..=64)?,
            redis_url: settings.url(&settings::REDIS_URL, &redis_cache::SCHEMES)?,
            lots: settings.lots(&settings::LOTS)?,
        })
    }
}
