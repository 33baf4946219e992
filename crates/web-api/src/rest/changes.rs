//! `GET /api/v1/changes`: every change to every session, in order of commit, for clients that poll.

use api::questions::changes::{ChangeListParameters, page};
use api::{ChangePage, Problem, Query, Scoped};
use axum::Json;

/// Lists the changes after a sequence number, including those of void sessions, in order of commit and without gaps.
///
/// To follow the ledger: begin with `after=0`, apply the changes, store `next_after` together with your own data, and
/// use it in the next request. A page shorter than `limit` is the newest: wait a little. A repeated request returns
/// equal changes, with the current state of their sessions.
#[utoipa::path(
    get, path = "/api/v1/changes", tag = "changes",
    params(ChangeListParameters),
    responses((status = 200, description = "A page of changes", body = ChangePage)),
)]
pub(super) async fn changes(
    Scoped(service): Scoped,
    Query(parameters): Query<ChangeListParameters>,
) -> Result<Json<ChangePage>, Problem> {
    Ok(Json(page(&service, parameters).await?))
}
