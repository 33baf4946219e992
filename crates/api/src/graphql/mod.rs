//! What objects have in GraphQL beside the members of their views: fields that lead on to another object, and numbers as
//! GraphQL writes them.

pub mod errors;
pub mod loaders;

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, InputValueError, InputValueResult, Result, Scalar, ScalarType, Value};
use parking::SessionId;
use sessions::Service;

use crate::views::{EventView, LotView, Seconds, SessionView, StoryView};
use errors::refused;

/// What an explanation adds to the complexity of a request, besides its fields: it asks the ledger some five times, and
/// looks through up to two thousand sessions for near plates.
pub const EXPLANATION: usize = 500;
/// The same for a story, which asks as often again and has an explanation in it. At most twenty-nine fit into a request.
const STORY: usize = 1_000;

#[ComplexObject]
impl SessionView {
    /// The lot.
    async fn lot(&self, context: &Context<'_>) -> Result<Option<LotView>> {
        context.data::<loaders::LotLoader>()?.load_one(Arc::from(self.lot_id.as_str())).await
    }

    /// Of a void session: the session that has its giving event now.
    async fn superseding_session(&self, context: &Context<'_>) -> Result<Option<SessionView>> {
        let Some(id) = self.superseded_by else { return Ok(None) };
        context.data::<loaders::SessionLoader>()?.load_one(id).await
    }

    /// The whole story: the events as they were read, the changes, what it superseded and why.
    #[graphql(complexity = "STORY.saturating_add(child_complexity)")]
    async fn story(&self, context: &Context<'_>) -> Result<Option<StoryView>> {
        let id = SessionId::from_uuid(self.session_id);
        let story = context.data::<Service>()?.story(id).await.map_err(refused)?;
        Ok(story.as_ref().map(StoryView::from))
    }
}

#[ComplexObject]
impl EventView {
    /// How sure the reader is of the plate, 0 to 1.
    async fn confidence(&self) -> Option<f64> {
        // By its decimal digits, as JSON has it: 0.9 of 32 bits is 0.8999999761581421 of 64.
        self.confidence.and_then(|confidence| confidence.to_string().parse().ok())
    }
}

/// Seconds with at most three decimals: a JSON number.
#[Scalar]
impl ScalarType for Seconds {
    fn parse(_: Value) -> InputValueResult<Self> {
        Err(InputValueError::custom("a dwell is only ever answered"))
    }

    fn to_value(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Number(number)) => Value::Number(number),
            Ok(_) | Err(_) => Value::Null,
        }
    }
}
