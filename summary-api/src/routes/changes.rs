//! `GET /api/v1/changes`: every change to every session, in order and without gaps, for those who poll.

use async_graphql::SimpleObject;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use sessions::{Changed, MAX_PAGE, Service};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::{self, Faults, Query, quoted};
use super::schemas;
use super::views::SessionView;
use crate::problem::{Fault, Kind, Problem};

/// The changes of a page when nobody says how many.
const LIMIT: u32 = 100;

/// One change to a session: an element of `/api/v1/changes` and a message of the live feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Change)]
#[graphql(name = "Change")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
pub struct ChangePage {
    /// The changes, in order of commit.
    pub changes: Vec<ChangeView>,
    /// What to send as `after` next time: the number of the last change here, or else the same again.
    pub next_after: u64,
}

/// Lists every change after a number, void sessions included, in order of commit and without gaps.
///
/// To follow the ledger: begin with `after=0`, do what the changes say, keep `next_after` where you keep your own data,
/// and ask again with it. A page that is shorter than `limit` was the newest; wait a little then. The same call with the
/// same `after` gives the same changes again, with their sessions as they stand by then.
#[utoipa::path(
    get, path = "/api/v1/changes", tag = "changes",
    params(
        ("after" = Option<u64>, Query, description = "The number of the last change that is known; 0 without it: from the beginning"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "The most changes of a page; 100 without it"),
    ),
    responses((status = 200, description = "A page of changes", body = ChangePage)),
)]
pub(super) async fn changes(State(service): State<Service>, uri: Uri) -> Result<Json<ChangePage>, Problem> {
    Ok(Json(page(&service, &Query::read(&uri, &["after", "limit"])?).await?))
}

/// The page that parameters ask for.
pub(super) async fn page(service: &Service, query: &Query) -> Result<ChangePage, Problem> {
    let mut faults = Faults::default();
    let after = faults.check(query.one("after", number)).flatten().unwrap_or(0);
    let limit = faults.check(query.one("limit", |text| query::limit(text, MAX_PAGE))).flatten().unwrap_or(LIMIT);
    faults.none()?;
    let rows = service.changed_sessions(after, limit).await?;
    if rows.is_empty() {
        not_beyond(service, after).await?;
    }
    let changes: Vec<ChangeView> = rows.iter().map(ChangeView::from).collect();
    let next_after = changes.last().map_or(after, |change| change.sequence);
    Ok(ChangePage { changes, next_after })
}

/// The number of a change.
pub(super) fn number(text: &str) -> Result<u64, String> {
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let number = text.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| format!("{} is not the number of a change: a whole number from 0", quoted(text)))
}

/// Refuses a number that this ledger has not reached: whoever has it followed another one, and would wait for ever.
pub(super) async fn not_beyond(service: &Service, after: u64) -> Result<(), Problem> {
    if after == 0 {
        return Ok(());
    }
    let newest = service.last_change().await?;
    if after <= newest {
        return Ok(());
    }
    let problem = format!("{after} is beyond the newest change, {newest}: it is of another ledger; begin with 0");
    Err(Problem::with_faults(Kind::InvalidContent, vec![Fault::parameter("after", problem)]))
}
