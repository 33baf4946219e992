//! A change to a session, and a page of the list of changes.

use serde::{Deserialize, Serialize};
use sessions::Changed;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SessionView, schemas};

/// A change to a session: an element of `/api/v1/changes` and a message of the live feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Change)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Change"))]
pub struct ChangeView {
    /// Its sequence number: 1, 2, 3 … in order of commit, without gaps.
    #[schema(minimum = 1)]
    pub sequence: u64,
    /// The session that changed.
    pub session_id: Uuid,
    /// The state before the change; null if the session is new.
    #[schema(schema_with = schemas::state_before, required)]
    pub from_state: Option<String>,
    /// The state after the change.
    #[schema(schema_with = schemas::state)]
    pub to_state: String,
    /// The rule that caused the change; null for a saved summary.
    #[schema(schema_with = schemas::rule_of_change, required)]
    pub rule: Option<String>,
    /// The vehicle's version after the change; 0 for a saved summary.
    pub vehicle_version: u64,
    /// When the change was recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
    /// The current session. It may include later changes, which have sequence numbers of their own.
    pub session: SessionView,
}

impl From<&Changed> for ChangeView {
    fn from(changed: &Changed) -> Self {
        let change = &changed.change;
        Self {
            sequence: change.sequence,
            session_id: change.session,
            from_state: change.from.map(|state| state.to_string()),
            to_state: change.to.to_string(),
            rule: change.rule.map(|rule| rule.as_str().to_owned()),
            vehicle_version: change.vehicle_version,
            recorded_at: change.recorded_at.to_string(),
            session: SessionView::from(&changed.session),
        }
    }
}

/// A page of changes, and the position of the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct ChangePage {
    /// The changes, in order of commit.
    pub changes: Vec<ChangeView>,
    /// The value of `after` for the next request: the sequence number of the last change of this page, or the `after` of
    /// this request if the page is empty.
    pub next_after: u64,
}
