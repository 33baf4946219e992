//! How a gate event came in.

use parking::Receipt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schemas;

/// How a gate event came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Receipt)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Receipt"))]
pub struct ReceiptView {
    /// The door: `http`, `grpc`, `mqtt`, `camera`, `file`, `simulated`, or `amqp` for an event that a client published to
    /// the queue itself.
    #[schema(schema_with = schemas::door)]
    pub door: String,
    /// The format: that of the request (`json`, `ndjson`, `cloud_events`, `protobuf`), or of the camera; null if unknown.
    #[schema(required, example = "json")]
    pub format: Option<String>,
    /// When the door received it, UTC; null if unknown.
    #[schema(format = DateTime, required)]
    pub received_at: Option<String>,
}

impl From<&Receipt> for ReceiptView {
    fn from(receipt: &Receipt) -> Self {
        Self {
            door: receipt.door.as_str().to_owned(),
            format: receipt.format.as_ref().map(ToString::to_string),
            received_at: receipt.received_at.map(|time| time.to_string()),
        }
    }
}
