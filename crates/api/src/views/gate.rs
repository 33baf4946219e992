//! How a gate does.

use serde::{Deserialize, Serialize};
use sessions::gates::GateStatus;
use utoipa::ToSchema;

use super::Seconds;

/// How a gate does. The last hour is by the clock of the summary API, all time since its process began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Gate)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Gate"))]
pub struct GateView {
    /// Its lot; `(other)` for all gates beyond the first thousand together.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// Its name; `(other)` for all gates beyond the first thousand together.
    #[schema(example = "P3-in-1")]
    pub gate_id: String,
    /// When the vehicle was seen that it saw last, UTC.
    #[schema(format = DateTime)]
    pub last_event_date_time: String,
    /// When its last event was received, UTC.
    #[schema(format = DateTime)]
    pub last_received_at: String,
    /// Reads of the last hour.
    pub reads_last_hour: u64,
    /// Those of them that were received more than a minute after the vehicle was seen.
    pub late_last_hour: u64,
    /// Their share of the reads, 0 to 1; null without reads.
    #[schema(required)]
    pub late_share_last_hour: Option<f64>,
    /// Reads of the last hour that are re-reads of a passage.
    pub re_reads_last_hour: u64,
    /// How sure the reader was in the last hour, 0 to 1, the mean; null when it does not say.
    #[schema(required)]
    pub mean_confidence_last_hour: Option<f64>,
    /// How long after a vehicle was seen its event is received, the median of the last 63 reads. Below zero the gate's clock
    /// is ahead; far above, it is behind or the way is slow.
    #[schema(value_type = f64)]
    pub clock_difference_seconds: Seconds,
    /// Reads since the process began.
    pub reads: u64,
    /// Late ones since the process began.
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

/// The gates, by lot and gate: at most a thousand, and one that stands for all beyond.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateList {
    /// The gates whose events this process has recorded.
    pub gates: Vec<GateView>,
}
