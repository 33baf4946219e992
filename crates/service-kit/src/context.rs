//! The context of every part of a service: clock, metrics, lifecycle, health, decision log, traces and the TLS of its
//! ports.
//!
//! The service builds its parts from it.

use std::sync::Arc;

use ::tls::Connector;
use parking::{Clock, ManualClock, Timestamp};

use crate::metrics::Registry;
use crate::traces::Traces;
use crate::{DecisionLog, Health, Lifecycle, tls};

/// The context of one process, or of one test pipeline. Cheap to clone; all clones share its content.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The registry of metrics; one `/metrics` shows all of them.
    pub registry: Registry,
    /// The stops, and the running tasks.
    pub lifecycle: Lifecycle,
    /// The dependencies and their states.
    pub health: Health,
    /// The decision log.
    pub decisions: Arc<DecisionLog>,
    /// The spans.
    pub traces: Traces,
    /// The TLS of its ports, if they have one.
    pub tls: Option<tls::Listener>,
    /// The TLS of the connections that it opens.
    pub connector: Connector,
}

impl ServiceContext {
    /// A new context without running tasks.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let registry = Registry::new();
        Self {
            health: Health::new(&registry),
            decisions: Arc::new(DecisionLog::new(Arc::clone(&clock))),
            lifecycle: Lifecycle::new(),
            traces: Traces::default(),
            tls: None,
            connector: Connector::default(),
            registry,
            clock,
        }
    }

    /// A context whose clock stands still at 24 September 2024, 09:00 UTC. Tests that move the clock call
    /// [`new`](Self::new) with their own [`ManualClock`].
    pub fn for_testing() -> Self {
        const NINE_O_CLOCK_MS: i64 = 1_727_168_400_000;
        Self::new(Arc::new(ManualClock::at(Timestamp::from_millis(NINE_O_CLOCK_MS))))
    }

    /// Starts the background task of every service: the decision log, once a second.
    pub fn spawn_background(&self) {
        let decisions = Arc::clone(&self.decisions);
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.spawn("decision log", async move {
            decisions.run(&lifecycle).await;
            Ok(())
        });
    }
}
