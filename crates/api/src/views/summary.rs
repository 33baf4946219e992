//! A summary that a client saves, and the response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SessionView;

/// A stay with its entry and exit times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummaryBody {
    /// The plate as read; it is stored in its normal form.
    #[schema(example = "FIN123")]
    pub vehicle_plate: String,
    /// When the vehicle entered: RFC 3339 with an offset.
    #[schema(format = DateTime, example = "2024-09-24T09:00:00Z")]
    pub entry_date_time: String,
    /// When the vehicle left: RFC 3339 with an offset, not before the entry, and at most five minutes ahead of the
    /// server's clock.
    #[schema(format = DateTime, example = "2024-09-25T10:00:00Z")]
    pub exit_date_time: String,
    /// The car park; the default is `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", example = "P3")]
    pub lot_id: Option<String>,
}

/// The response to a saved summary, also to a repeated one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SavedSummary)]
pub struct Saved {
    /// A constant text.
    #[schema(example = "Summary saved successfully")]
    pub message: String,
    /// The session of the summary.
    pub session: SessionView,
    /// The number of the newest change when it was saved: a list with `min_sequence` of this number includes the session.
    pub sequence: u64,
}
