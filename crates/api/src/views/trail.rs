//! The trail of an event: the stages of its way, each with its time.

use serde::{Deserialize, Serialize};
use sessions::trail::{Stage, Trail};
use utoipa::ToSchema;

use super::{EventView, SessionChangeView, schemas};

/// A stage of an event's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TrailStage)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "TrailStage"))]
pub struct StageView {
    /// `received`, `confirmed`, `delivered`, `recorded` or `revised`.
    #[schema(schema_with = schemas::stage)]
    pub stage: String,
    /// When, UTC; null if unknown.
    #[schema(format = DateTime, required)]
    pub at: Option<String>,
    /// What happened, or why it is unknown, without plates.
    pub text: String,
    /// Of a revision: the change to the session.
    #[schema(required)]
    pub change: Option<SessionChangeView>,
}

impl From<&Stage> for StageView {
    fn from(stage: &Stage) -> Self {
        Self {
            stage: stage.kind.as_str().to_owned(),
            at: stage.at.map(|time| time.to_string()),
            text: stage.text.clone(),
            change: stage.change.as_ref().map(SessionChangeView::from),
        }
    }
}

/// The way of an event, from the door to its session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Trail)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Trail"))]
pub struct TrailView {
    /// The event.
    pub event: EventView,
    /// Its stages: received, confirmed, delivered, recorded, and each revision in order of commit.
    pub stages: Vec<StageView>,
}

impl From<&Trail> for TrailView {
    fn from(trail: &Trail) -> Self {
        Self { event: EventView::from(&trail.event), stages: trail.stages.iter().map(StageView::from).collect() }
    }
}

/// The trails of an event: one, or several if its id was reused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Trails)]
pub struct TrailsView {
    /// The trails.
    pub trails: Vec<TrailView>,
}

impl From<&[Trail]> for TrailsView {
    fn from(trails: &[Trail]) -> Self {
        Self { trails: trails.iter().map(TrailView::from).collect() }
    }
}
