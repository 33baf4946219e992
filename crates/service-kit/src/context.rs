//! What every part of a service gets handed: clock, metrics, lifecycle, health, the log of decisions and traces.
//!
//! Making the parts of a service from it is left to the service.

use std::sync::Arc;

use parking::{Clock, ManualClock, Timestamp};

use crate::metrics::Registry;
use crate::traces::Traces;
use crate::{DecisionLog, Health, Lifecycle};

/// One process's (or one test pipeline's) surroundings. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where metrics are registered; one `/metrics` shows all of it.
    pub registry: Registry,
    /// When to stop, and who is still working.
    pub lifecycle: Lifecycle,
    /// Which dependencies are up.
    pub health: Health,
    /// One line a decision, or one line a second.
    pub decisions: Arc<DecisionLog>,
    /// Which work followed from which.
    pub traces: Traces,
}

impl ServiceContext {
    /// Fresh surroundings in which nothing runs yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let registry = Registry::new();
        Self {
            health: Health::new(&registry),
            decisions: Arc::new(DecisionLog::new(Arc::clone(&clock))),
            lifecycle: Lifecycle::new(),
            traces: Traces::default(),
            registry,
            clock,
        }
    }

    /// Surroundings whose clock stands still at 24 September 2024, 09:00 UTC. A test that moves the clock uses
    /// [`new`](Self::new) with a [`ManualClock`] of its own.
    pub fn for_testing() -> Self {
        const NINE_O_CLOCK_MS: i64 = 1_727_168_400_000;
        Self::new(Arc::new(ManualClock::at(Timestamp::from_millis(NINE_O_CLOCK_MS))))
    }

    /// Starts what runs beside every service: the log of decisions, once a second.
    pub fn spawn_background(&self) {
        let decisions = Arc::clone(&self.decisions);
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.spawn("decision log", async move {
            decisions.run(&lifecycle).await;
            Ok(())
        });
    }
}
