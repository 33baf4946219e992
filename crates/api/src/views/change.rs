//! One change to a session, and a page of the list of all changes.

use serde::{Deserialize, Serialize};
use sessions::Changed;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SessionView, schemas};

/// One change to a session: an element of `/api/v1/changes` and a message of the live feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Change)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Change"))]
pub struct ChangeView {
    /// Its number: 1, 2, 3 … in order of commit, without gaps.
    #[schema(minimum = 1)]
    pub sequence: u64,
    /// Which session changed.
    pub session_id: Uuid,
    /// The state before; null when the session is new.
    #[schema(schema_with = schemas::state_before, required)]
    pub from_state: Option<String>,
    /// The state after.
    #[schema(schema_with = schemas::state)]
    pub to_state: String,
    /// Why; null for a saved summary.
    #[schema(schema_with = schemas::rule_of_change, required)]
    pub rule: Option<String>,
    /// The vehicle's version once the change was recorded; 0 for a saved summary.
    pub vehicle_version: u64,
    /// When it was recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
    /// The session as it stands now. That may be later than this change; what came between has numbers of its own.
    pub session: SessionView,
}

impl From<&Changed> for ChangeView {
    fn from(changed: &Changed) -> Self {
        let change = &changed.change;
        Self {
            sequence: change.sequence,
            session_id: change.session.as_uuid(),
            from_state: change.from.map(|state| state.to_string()),
            to_state: change.to.to_string(),
            rule: change.rule.map(|rule| rule.as_str().to_owned()),
            vehicle_version: change.vehicle_version,
            recorded_at: change.recorded_at.to_string(),
            session: SessionView::from(&changed.session),
        }
    }
}

/// Some changes, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct ChangePage {
    /// The changes, in order of commit.
    pub changes: Vec<ChangeView>,
    /// What to send as `after` next time: the number of the last change here, or else the same again.
    pub next_after: u64,
}
