//! The control messages of both sides: the ledger's info one way, the correlator's status the other.

use parking::{Rules, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a correlator must know about its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerInfo {
    /// The ledger's id, created with the ledger. Cached timelines of another ledger are ignored.
    pub ledger: Uuid,
    /// The matching rules of all correlators of this ledger.
    pub rules: Rules,
}

/// The status that a correlator reports every second. The summary API derives from it whether all work is done;
/// people see what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorrelatorStatus {
    /// The correlator's id, random at each start.
    pub correlator: Uuid,
    /// The report about the entry queue.
    pub entry: QueueReport,
    /// The report about the exit queue.
    pub exit: QueueReport,
    /// Event time of the entry that it recorded last; `None` if it does not bound the entries in flight.
    pub entry_watermark: Option<Timestamp>,
    /// The dependencies of its process. Empty in the summary API's process.
    pub dependencies: Vec<DependencyReport>,
    /// Its last report: it has stopped regularly.
    pub signs_off: bool,
}

impl CorrelatorStatus {
    /// Messages received and not yet acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.entry.in_flight.saturating_add(self.exit.in_flight)
    }
}

/// The report of a correlator about one of its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueReport {
    /// The broker's counts; `None` while it does not report them.
    pub broker: Option<BrokerCounts>,
    /// The consumers of this correlator, which the broker counts too.
    pub own_consumers: u64,
    /// Messages that this correlator has received and not yet acknowledged.
    pub in_flight: u64,
    /// Of these, the messages with an event that is neither recorded nor handed to the dead letters.
    pub undecided: u64,
}

impl QueueReport {
    /// Ready messages in the queue; `None` without a report of the broker.
    pub fn ready(&self) -> Option<u64> {
        self.broker.map(|broker| broker.ready)
    }
}

/// The broker's counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrokerCounts {
    /// Ready messages, without the unacknowledged ones.
    pub ready: u64,
    /// Consumers, of any program.
    pub consumers: u64,
}

/// The state of a correlator's dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyReport {
    /// Its name in the health report.
    pub name: String,
    /// The correlator works without it.
    pub is_optional: bool,
    /// Why it is down, as text; `None` if it is up.
    pub away: Option<String>,
}

impl DependencyReport {
    /// The maximum length of a reported reason, in characters.
    pub const REASON_CHARS_MAX: usize = 300;
}
