//! Stories and explanations of sessions: gate events, changes, and the rule that put an event into its session.

use matching::{Passage, Rule};
use parking::EventKey;
use serde::{Deserialize, Serialize};
use sessions::story::{Explained, NearPlates, NearSession, Story};
use sessions::{SeenChange, SeenEvent, SeenSession};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ReceiptView, SessionView, schemas};

/// The number of elements of a list in a story or explanation, for the complexity of a GraphQL request. Such a list has
/// no pages and is shorter for nearly all stays.
#[cfg(feature = "graphql")]
const LIST_ELEMENTS: usize = 10;

#[cfg(feature = "graphql")]
const fn listed(of_element: usize) -> usize {
    LIST_ELEMENTS.saturating_mul(of_element).saturating_add(1)
}

/// A recorded gate event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Event", complex))]
pub struct EventView {
    /// The event's id, or its alias.
    pub event_id: Uuid,
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// The plate in its normal form, or masked; empty if no letter and no digit was read.
    #[schema(example = "ABC123")]
    pub vehicle_plate: String,
    /// `entry` or `exit`.
    #[schema(example = "entry")]
    pub direction: String,
    /// The event time, UTC.
    #[schema(format = DateTime)]
    pub date_time: String,
    /// The gate, if known.
    #[schema(required)]
    pub gate_id: Option<String>,
    /// The plate as the gate read it; where plates are masked, the mask of its normal form.
    #[schema(example = "ABC-123")]
    pub plate_as_read: String,
    /// The confidence of the reader in the plate, 0 to 1, if known.
    #[schema(required)]
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub confidence: Option<f32>,
    /// How the event came in; null if it was recorded by a release that did not keep that.
    #[schema(required)]
    pub receipt: Option<ReceiptView>,
    /// The event of the same lot and gate that this one replaces, or its alias.
    #[schema(required)]
    pub supersedes: Option<Uuid>,
    /// The event that replaces this one, or its alias: this one then counts as not having happened.
    #[schema(required)]
    pub superseded_by: Option<Uuid>,
    /// When a correlator received the event, UTC.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// When the event was recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
}

impl From<&SeenEvent> for EventView {
    fn from(row: &SeenEvent) -> Self {
        Self {
            event_id: row.key.id,
            lot_id: row.lot.to_string(),
            vehicle_plate: row.plate.to_string(),
            direction: row.key.direction.as_str().to_owned(),
            date_time: row.key.time.to_string(),
            gate_id: row.gate.as_ref().map(ToString::to_string),
            plate_as_read: row.plate_as_read.clone(),
            confidence: row.confidence,
            receipt: row.receipt.as_ref().map(ReceiptView::from),
            supersedes: row.supersedes,
            superseded_by: row.superseded_by,
            received_at: row.received_at.to_string(),
            recorded_at: row.recorded_at.to_string(),
        }
    }
}

/// A change to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SessionChange)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "SessionChange"))]
pub struct SessionChangeView {
    /// Its sequence number among all changes, in order of commit.
    pub sequence: u64,
    /// The session that changed.
    pub session_id: Uuid,
    /// The vehicle's version after the change; each recorded event increments it. 0 for a saved summary.
    pub vehicle_version: u64,
    /// The state before the change; null if the session was new.
    #[schema(schema_with = schemas::state_before, required)]
    pub from_state: Option<String>,
    /// The state after the change.
    #[schema(schema_with = schemas::state)]
    pub to_state: String,
    /// The rule that caused the change; null for a saved summary.
    #[schema(schema_with = schemas::rule_of_change, required)]
    pub rule: Option<String>,
    /// When the change was recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
}

impl From<&SeenChange> for SessionChangeView {
    fn from(row: &SeenChange) -> Self {
        Self {
            sequence: row.sequence,
            session_id: row.session,
            vehicle_version: row.vehicle_version,
            from_state: row.from.map(|state| state.to_string()),
            to_state: row.to.to_string(),
            rule: row.rule.map(|rule| Rule::as_str(rule).to_owned()),
            recorded_at: row.recorded_at.to_string(),
        }
    }
}

/// A passage: consecutive reads of a vehicle in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Passage)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Passage"))]
pub struct PassageView {
    /// `entry` or `exit`.
    pub direction: String,
    /// The event that represents the passage: its first.
    pub event_id: Uuid,
    /// The time of that event, UTC.
    #[schema(format = DateTime)]
    pub date_time: String,
    /// The other events of the passage.
    pub re_reads: Vec<Uuid>,
}

impl From<&Passage> for PassageView {
    fn from(passage: &Passage) -> Self {
        let EventKey { time, direction, id } = passage.representative;
        Self {
            direction: direction.as_str().to_owned(),
            event_id: id,
            date_time: time.to_string(),
            re_reads: passage.re_reads.iter().map(|key| key.id).collect(),
        }
    }
}

/// A session with a similar plate that lacks the counterpart that another session has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = NearPlate)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "NearPlate"))]
pub struct NearPlateView {
    /// The edit distance of the plates; characters that readers confuse (0 and O, 8 and B) count as half an edit.
    #[schema(example = 0.5)]
    pub distance: f64,
    /// The session.
    pub session: SessionView,
}

impl From<&NearSession> for NearPlateView {
    fn from(near: &NearSession) -> Self {
        let half_edits = u32::try_from(near.half_edits).unwrap_or(u32::MAX);
        Self { distance: f64::from(half_edits) / 2.0, session: SessionView::from(&near.session) }
    }
}

/// The explanation why an event belongs to its session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Explanation)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Explanation"))]
pub struct ExplanationView {
    /// The explained event.
    pub event: EventView,
    /// The explanation as text, without plates: the reads, the rule, and what would change the result.
    pub text: String,
    /// The rule that gave the session its state.
    #[schema(schema_with = schemas::rule)]
    pub rule: String,
    /// The reason why the rule applies.
    #[schema(schema_with = schemas::cause)]
    pub cause: String,
    /// The id of the event's session.
    pub session_id: Uuid,
    /// The event's session.
    #[schema(required)]
    pub session: Option<SessionView>,
    /// For a re-read: the event that represents its passage.
    #[schema(required)]
    pub re_read_of: Option<Uuid>,
    /// The passage of the event.
    pub passage: PassageView,
    /// The previous passage of the vehicle.
    #[schema(required)]
    pub before: Option<PassageView>,
    /// The next passage of the vehicle.
    #[schema(required)]
    pub after: Option<PassageView>,
    /// Reads of the vehicle around the event, ordered by time.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub reads: Vec<EventView>,
    /// The changes to the session, and to other sessions that the event anchored, in order of commit.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub changes: Vec<SessionChangeView>,
    /// Sessions of the lot with similar plates that lack the counterpart; the most similar first. Empty where plates
    /// are masked.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub near_plates: Vec<NearPlateView>,
    /// The number of sessions that were searched for similar plates.
    pub near_searched: usize,
    /// Whether the search left out sessions further away in time.
    pub near_is_cut: bool,
}

impl From<&Explained> for ExplanationView {
    fn from(explained: &Explained) -> Self {
        let Explained { event, explanation, text, session, reads, changes, near } = explained;
        let NearPlates { sessions, searched, is_cut } = near;
        Self {
            event: EventView::from(event),
            text: text.clone(),
            rule: explanation.rule.as_str().to_owned(),
            cause: explanation.cause.as_str().to_owned(),
            session_id: explanation.session.as_uuid(),
            session: session.as_ref().map(SessionView::from),
            re_read_of: explanation.is_re_read().then_some(explanation.passage.representative.id),
            passage: PassageView::from(&explanation.passage),
            before: explanation.before.as_ref().map(PassageView::from),
            after: explanation.after.as_ref().map(PassageView::from),
            reads: reads.iter().map(EventView::from).collect(),
            changes: changes.iter().map(SessionChangeView::from).collect(),
            near_plates: sessions.iter().map(NearPlateView::from).collect(),
            near_searched: *searched,
            near_is_cut: *is_cut,
        }
    }
}

/// Explanations: of an event one, or several if its id was reused; of a plate one a session, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Explanations)]
pub struct ExplanationsView {
    /// The explanations.
    pub explanations: Vec<ExplanationView>,
    /// Stays of the plate that clients saved as summaries: they have no events, so there is nothing to explain.
    #[serde(default)]
    pub saved: Vec<SessionView>,
}

impl From<&[Explained]> for ExplanationsView {
    fn from(explained: &[Explained]) -> Self {
        Self { explanations: explained.iter().map(ExplanationView::from).collect(), saved: Vec::new() }
    }
}

/// The story of a session: its events, changes and explanation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Story)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Story"))]
pub struct StoryView {
    /// The session.
    pub session: SessionView,
    /// Its events including re-reads, ordered by time; none for a summary.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub reads: Vec<EventView>,
    /// Its changes, and those of the sessions that it superseded, in order of commit.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub changes: Vec<SessionChangeView>,
    /// For a void session: the session that contains its anchor event now.
    #[schema(required)]
    pub superseded_by: Option<SessionView>,
    /// Void sessions whose anchor events this session contains now.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(child_complexity)"))]
    pub supersedes: Vec<SessionView>,
    /// The explanation of its exit, or of its entry if it has no exit; for a void session, of its anchor event; null
    /// for a summary.
    #[schema(required)]
    pub explanation: Option<ExplanationView>,
}

impl From<&Story> for StoryView {
    fn from(story: &Story) -> Self {
        let views = |rows: &[SeenSession]| rows.iter().map(SessionView::from).collect();
        Self {
            session: SessionView::from(&story.session),
            reads: story.reads.iter().map(EventView::from).collect(),
            changes: story.changes.iter().map(SessionChangeView::from).collect(),
            superseded_by: story.superseded_by.as_ref().map(SessionView::from),
            supersedes: views(&story.supersedes),
            explanation: story.explained.as_ref().map(ExplanationView::from),
        }
    }
}
