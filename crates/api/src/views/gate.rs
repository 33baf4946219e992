//! The health of a gate.

use serde::{Deserialize, Serialize};
use sessions::gates::GateStatus;
use utoipa::ToSchema;

use super::Seconds;

/// The health of a gate. Values of the last hour use the clock of the summary API; totals count from the start of its
/// process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Gate)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Gate"))]
pub struct GateView {
    /// Its car park; `(other)` for the combined gates beyond the first thousand.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// Its name; `(other)` for the combined gates beyond the first thousand.
    #[schema(example = "P3-in-1")]
    pub gate_id: String,
    /// The event time of its newest event, UTC.
    #[schema(format = DateTime)]
    pub last_event_date_time: String,
    /// When a correlator received its last event, UTC.
    #[schema(format = DateTime)]
    pub last_received_at: String,
    /// Reads in the last hour.
    pub reads_last_hour: u64,
    /// Reads in the last hour that were received more than a minute after their event time.
    pub late_last_hour: u64,
    /// Late reads divided by all reads of the last hour, 0 to 1; null without reads.
    #[schema(required)]
    pub late_share_last_hour: Option<f64>,
    /// Reads in the last hour that are re-reads of a passage.
    pub re_reads_last_hour: u64,
    /// Mean confidence of the reader in the last hour, 0 to 1; null if the reader reports none.
    #[schema(required)]
    pub mean_confidence_last_hour: Option<f64>,
    /// Median delay from event time to receipt of the last 63 reads. A negative value means that the gate's clock is
    /// ahead; a large one means that the clock is behind or the transport is slow.
    #[schema(value_type = f64)]
    pub clock_difference_seconds: Seconds,
    /// Reads since the start of the process.
    pub reads: u64,
    /// Late reads since the start of the process.
    pub late: u64,
}

impl From<&GateStatus> for GateView {
    fn from(gate: &GateStatus) -> Self {
        let (late, reads) = (gate.late_last_hour, gate.reads_last_hour);
        #[expect(clippy::cast_precision_loss, reason = "reads of an hour are far fewer than 2^52")]
        let late_share = (reads > 0).then(|| late as f64 / reads as f64);
        Self {
            lot_id: gate.lot_name().to_owned(),
            gate_id: gate.gate_name().to_owned(),
            last_event_date_time: gate.last_event.to_string(),
            last_received_at: gate.last_received.to_string(),
            reads_last_hour: reads,
            late_last_hour: late,
            late_share_last_hour: late_share,
            re_reads_last_hour: gate.re_reads_last_hour,
            mean_confidence_last_hour: gate.confidence,
            clock_difference_seconds: Seconds { millis: gate.clock_difference_ms },
            reads: gate.reads,
            late: gate.late,
        }
    }
}

/// The gates, ordered by lot and name: at most a thousand, and one entry for all others combined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateList {
    /// The gates whose events this process has recorded.
    pub gates: Vec<GateView>,
}
