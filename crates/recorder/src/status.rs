//! What both sides tell each other beside the work: the terms of the ledger one way, how a correlator stands the other.

use parking::{Rules, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a correlator must know of the ledger that it works for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTerms {
    /// The ledger's own id, made with the ledger: cached timelines of another one are not taken.
    pub ledger: Uuid,
    /// The rules that all correlators of this ledger decide by.
    pub rules: Rules,
}

/// What a correlator says of itself each second, so that the summary API can tell whether all work is done, and people
/// what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorrelatorStatus {
    /// Which correlator: made anew at each start.
    pub correlator: Uuid,
    /// How it stands with the entry queue.
    pub entry: QueueReport,
    /// How it stands with the exit queue.
    pub exit: QueueReport,
    /// Event time of the entry that it recorded last; `None` when that says nothing of the entries in flight.
    pub entry_watermark: Option<Timestamp>,
    /// What its process needs. Empty when that is the summary API's process.
    pub dependencies: Vec<DependencyReport>,
    /// It has stopped in good order: its last report.
    pub takes_leave: bool,
}

impl CorrelatorStatus {
    /// Messages received and not yet acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.entry.in_flight.saturating_add(self.exit.in_flight)
    }
}

/// How a correlator stands with one of its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueReport {
    /// What the broker counts; `None` while it does not say.
    pub broker: Option<BrokerCounts>,
    /// The consumers of this correlator, which are among those that the broker counts.
    pub own_consumers: u64,
    /// Messages that this correlator has received and not yet acknowledged.
    pub in_flight: u64,
    /// Of these the ones with an event that is not yet recorded, nor on its way to the dead letters.
    pub undecided: u64,
}

impl QueueReport {
    /// Messages ready in the queue; `None` while the broker does not say.
    pub fn ready(&self) -> Option<u64> {
        self.broker.map(|broker| broker.ready)
    }
}

/// What the broker counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrokerCounts {
    /// Messages that are ready, those delivered and not acknowledged left out.
    pub ready: u64,
    /// Consumers, of any program.
    pub consumers: u64,
}

/// How a dependency of a correlator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyReport {
    /// The name that it is shown under.
    pub name: String,
    /// The correlator can do without it.
    pub is_optional: bool,
    /// Why it can't be used, for people; `None`: it is up.
    pub away: Option<String>,
}

impl DependencyReport {
    /// The longest reason that is reported, characters.
    pub const REASON_MAX: usize = 300;
}
