//! Whether all work is done, and the correlators that do it.

use recorder::DependencyReport;
use serde::{Deserialize, Serialize};
use sessions::{ReportedCorrelator, Status};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the ledger still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Pending)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Pending"))]
pub struct PendingView {
    /// Exits that are held for a late entry.
    pub held_exits: u64,
    /// Open sessions beyond the longest stay on their lot's own time that are not decided yet.
    pub overdue_stays: u64,
}

/// A correlator's last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Correlator)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Correlator"))]
pub struct CorrelatorView {
    /// Made anew at each start of the correlator.
    pub id: Uuid,
    /// Messages ready in the entry queue; null while the broker does not say.
    #[schema(required)]
    pub entry_ready: Option<u64>,
    /// Messages ready in the exit queue, likewise.
    #[schema(required)]
    pub exit_ready: Option<u64>,
    /// Messages received and not yet acknowledged.
    pub in_flight: u64,
    /// What its process needs; empty when that is the summary API's own, whose `/readyz` says it.
    pub dependencies: Vec<DependencyView>,
    /// When it said so, UTC.
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

/// How a dependency of a correlator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Dependency)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Dependency"))]
pub struct DependencyView {
    /// Its name.
    #[schema(example = "redis")]
    pub name: String,
    /// Whether it answers.
    pub up: bool,
    /// Whether the correlator can do without it.
    pub optional: bool,
    /// Why it can't be used; null while it is up.
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

/// Whether all work is done, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Status"))]
pub struct StatusView {
    /// When this was asked, UTC.
    #[schema(format = DateTime)]
    pub now: String,
    /// A correlator reports, no message is ready or in anybody's hands, and the ledger waits for nothing.
    pub settled: bool,
    /// What the ledger still waits for.
    pub pending: PendingView,
    /// The correlators that reported within the last ten seconds, and silent ones that may have messages in their hands,
    /// by id.
    pub correlators: Vec<CorrelatorView>,
    /// Silent correlators, and consumers of the queues that belong to no correlator, in words: `settled` stays false while
    /// they may have messages in their hands.
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
