//! The correlator's settings: `DWELL_PREFETCH`, `DWELL_BATCH_EVENTS`, `DWELL_BATCHES_IN_FLIGHT`, `DWELL_REDIS_URL`.
//!
//! The matching rules are not here: they are the summary API's, so that all correlators decide alike.

use settings::{Masked, Settings};

/// How a correlator works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Messages of each queue that may be unacknowledged.
    pub prefetch: u16,
    /// The most events of a batch.
    pub batch_events: usize,
    /// Batches that are worked on at once.
    pub batches_in_flight: usize,
    /// The shared cache of timelines; in memory, when there is none.
    pub redis_url: Option<Masked>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first setting that is wrong, and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, settings::Error> {
        Ok(Self {
            prefetch: settings.number(&settings::PREFETCH, 1..=32_000)?,
            batch_events: settings.number(&settings::BATCH_EVENTS, 1..=10_000)?,
            batches_in_flight: settings.number(&settings::BATCHES_IN_FLIGHT, 1..=64)?,
            redis_url: settings.url(&settings::REDIS_URL, &["redis"])?,
        })
    }
}
