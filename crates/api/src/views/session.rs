//! A session, and a page of the list of sessions.

use parking::Timestamp;
use serde::{Deserialize, Serialize};
use sessions::SeenSession;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Seconds, schemas};

/// A session: the current state of one stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Session)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Session", complex))]
pub struct SessionView {
    /// A UUID of version 8, derived from the session's anchor event; ids sort by the time of that event. A token
    /// without the scope `read_plate` gets an alias, here and for events, which is equally valid in its requests.
    pub session_id: Uuid,
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// The plate in its normal form; empty if no letter and no digit was read. For a token without the scope
    /// `read_plate` it is masked: `AB•••34` shows the first and last two characters of seven or more, `••••••` only the
    /// length of a shorter one.
    #[schema(example = "ABC123")]
    pub vehicle_plate: String,
    /// The id of the entry event.
    #[schema(required)]
    pub entry_event_id: Option<Uuid>,
    /// When the vehicle entered, UTC.
    #[schema(format = DateTime, example = "2024-09-24T09:00:00.125Z", required)]
    pub entry_date_time: Option<String>,
    /// The id of the exit event.
    #[schema(required)]
    pub exit_event_id: Option<Uuid>,
    /// When the vehicle left, UTC.
    #[schema(format = DateTime, example = "2024-09-24T10:47:12.000Z", required)]
    pub exit_date_time: Option<String>,
    /// Exit time minus entry time of a matched session, with at most three decimals.
    #[schema(value_type = Option<f64>, example = 6431.875, required)]
    pub dwell_seconds: Option<Seconds>,
    /// `open`, `matched`, `held_exit`, `unmatched_exit`, `unmatched_entry` or `void`.
    #[schema(schema_with = schemas::state)]
    pub state: String,
    /// The reason why it is unmatched: `re_entered`, `max_stay` or `unread`.
    #[schema(schema_with = schemas::reason, required)]
    pub reason: Option<String>,
    /// `events` or `summary`.
    #[schema(schema_with = schemas::source)]
    pub source: String,
    /// The gate of the entry, if known.
    #[schema(required)]
    pub entry_gate_id: Option<String>,
    /// The gate of the exit, if known.
    #[schema(required)]
    pub exit_gate_id: Option<String>,
    /// For a void session: the session that contains its anchor event now.
    #[schema(required)]
    pub superseded_by: Option<Uuid>,
    /// When the session was first recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
    /// When the session last changed, UTC.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl From<&SeenSession> for SessionView {
    fn from(session: &SeenSession) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            session_id: session.id,
            lot_id: session.lot.to_string(),
            vehicle_plate: session.plate.to_string(),
            entry_event_id: session.entry_event_id,
            entry_date_time: time(session.entry_time),
            exit_event_id: session.exit_event_id,
            exit_date_time: time(session.exit_time),
            dwell_seconds: session.dwell_ms().map(|millis| Seconds { millis }),
            state: session.state.to_string(),
            reason: session.reason.map(|reason| reason.to_string()),
            source: session.source.to_string(),
            entry_gate_id: session.entry_gate.as_ref().map(ToString::to_string),
            exit_gate_id: session.exit_gate.as_ref().map(ToString::to_string),
            superseded_by: session.superseded_by,
            recorded_at: session.recorded_at.to_string(),
            updated_at: session.updated_at.to_string(),
        }
    }
}

/// A page of the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionPage {
    /// The sessions, in the requested order.
    pub sessions: Vec<SessionView>,
    /// The value of `cursor` for the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
