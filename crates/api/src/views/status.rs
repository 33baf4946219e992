//! The work that is pending, and the correlators.

use recorder::DependencyReport;
use serde::{Deserialize, Serialize};
use sessions::{ReportedCorrelator, Status};
use utoipa::ToSchema;
use uuid::Uuid;

/// Work that the ledger waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Pending)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Pending"))]
pub struct PendingView {
    /// Held exits: they wait for a late entry.
    pub held_exits: u64,
    /// Open sessions that are longer than the longest stay, in their lot's own time, and not closed yet.
    pub overdue_stays: u64,
}

/// A correlator's last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Correlator)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Correlator"))]
pub struct CorrelatorView {
    /// The correlator's id, new at each of its starts.
    pub id: Uuid,
    /// Messages ready in the entry queue; null while the broker does not report it.
    #[schema(required)]
    pub entry_ready: Option<u64>,
    /// Messages ready in the exit queue; null while the broker does not report it.
    #[schema(required)]
    pub exit_ready: Option<u64>,
    /// Messages received and not yet acknowledged.
    pub in_flight: u64,
    /// The dependencies of its process; empty in the process of the summary API, whose `/readyz` reports them.
    pub dependencies: Vec<DependencyView>,
    /// When it reported this, UTC.
    #[schema(format = DateTime)]
    pub reported_at: String,
}

impl From<&ReportedCorrelator> for CorrelatorView {
    fn from(reported: &ReportedCorrelator) -> Self {
        let status = &reported.status;
        Self {
            id: status.correlator,
            entry_ready: status.entry.ready(),
            exit_ready: status.exit.ready(),
            in_flight: status.in_flight(),
            dependencies: status.dependencies.iter().map(DependencyView::from).collect(),
            reported_at: reported.reported_at.to_string(),
        }
    }
}

/// The health of a dependency of a correlator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dependency)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Dependency"))]
pub struct DependencyView {
    /// The name of the dependency.
    #[schema(example = "redis")]
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether the correlator can work without it.
    pub optional: bool,
    /// The error; null while it is up.
    #[schema(required, example = "Connection refused (os error 111)")]
    pub reason: Option<String>,
}

impl From<&DependencyReport> for DependencyView {
    fn from(report: &DependencyReport) -> Self {
        Self {
            name: report.name.clone(),
            up: report.away.is_none(),
            optional: report.is_optional,
            reason: report.away.clone(),
        }
    }
}

/// Whether all work is done, and the work that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Status"))]
pub struct StatusView {
    /// The time of this status, UTC.
    #[schema(format = DateTime)]
    pub now: String,
    /// Whether all work is done: a correlator reports, no message is ready or unacknowledged, and nothing is pending.
    pub settled: bool,
    /// Work that the ledger waits for.
    pub pending: PendingView,
    /// The correlators that reported within the last ten seconds, and silent ones that may hold unacknowledged messages,
    /// ordered by id.
    pub correlators: Vec<CorrelatorView>,
    /// Descriptions of silent correlators, and of queue consumers that belong to no correlator. `settled` is false while
    /// they may hold unacknowledged messages.
    #[serde(default)]
    pub waits_for: Vec<String>,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        Self {
            now: status.now.to_string(),
            settled: status.settled,
            pending: PendingView { held_exits: status.pending.held_exits, overdue_stays: status.pending.overdue_stays },
            correlators: status.correlators.iter().map(CorrelatorView::from).collect(),
            waits_for: status.waits_for.iter().map(ToString::to_string).collect(),
        }
    }
}
