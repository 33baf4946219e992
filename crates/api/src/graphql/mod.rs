//! The GraphQL fields that objects have besides the members of their views: links to other objects, and numbers in
//! GraphQL's format.

pub mod errors;
pub mod loaders;

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, InputValueError, InputValueResult, Result, Scalar, ScalarType, Value};
use sessions::ScopedService;

use crate::views::{EventView, LotView, Seconds, SessionView, StoryView};
use errors::refused;

/// The complexity of an explanation, besides its fields: it reads the ledger about five times, and searches up to two
/// thousand sessions for similar plates.
pub const EXPLANATION_COMPLEXITY: usize = 500;
/// The complexity of a story, besides its fields: it contains an explanation and reads the ledger as often again. At
/// most 29 stories fit into a request.
const STORY_COMPLEXITY: usize = 1_000;

#[ComplexObject]
impl SessionView {
    /// The lot of the session.
    async fn lot(&self, context: &Context<'_>) -> Result<Option<LotView>> {
        context.data::<loaders::LotLoader>()?.load_one(Arc::from(self.lot_id.as_str())).await
    }

    /// For a void session: the session that contains its anchor event now.
    async fn superseding_session(&self, context: &Context<'_>) -> Result<Option<SessionView>> {
        let Some(id) = self.superseded_by else { return Ok(None) };
        context.data::<loaders::SessionLoader>()?.load_one(id).await
    }

    /// The story of the session: its events, its changes, the sessions that it superseded, and the explanation.
    #[graphql(complexity = "STORY_COMPLEXITY.saturating_add(child_complexity)")]
    async fn story(&self, context: &Context<'_>) -> Result<Option<StoryView>> {
        let story = context.data::<ScopedService>()?.story(self.session_id).await.map_err(refused)?;
        Ok(story.as_ref().map(StoryView::from))
    }
}

#[ComplexObject]
impl EventView {
    /// The confidence of the reader in the plate, 0 to 1, if known.
    async fn confidence(&self) -> Option<f64> {
        // Converts the decimal digits, as JSON does: 0.9 as f32 is 0.8999999761581421 as f64.
        self.confidence.and_then(|confidence| confidence.to_string().parse().ok())
    }
}

/// Seconds with at most three decimals: a JSON number.
#[Scalar]
impl ScalarType for Seconds {
    fn parse(_: Value) -> InputValueResult<Self> {
        Err(InputValueError::custom("seconds are an output type only"))
    }

    fn to_value(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Number(number)) => Value::Number(number),
            Ok(_) | Err(_) => Value::Null,
        }
    }
}
