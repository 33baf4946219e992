//! `GET /api/v1/changes`: every change to every session, in order and without gaps, for those who poll.

use api::questions::changes::{ChangeListParameters, page};
use api::{ChangePage, Problem, Query};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// Lists every change after a number, void sessions included, in order of commit and without gaps.
///
/// To follow the ledger: begin with `after=0`, do what the changes say, keep `next_after` where you keep your own data,
/// and ask again with it. A page that is shorter than `limit` was the newest; wait a little then. The same call with the
/// same `after` gives the same changes again, with their sessions as they stand by then.
#[utoipa::path(
    get, path = "/api/v1/changes", tag = "changes",
    params(ChangeListParameters),
    responses((status = 200, description = "A page of changes", body = ChangePage)),
)]
pub(super) async fn changes(
    State(service): State<Service>,
    Query(asked): Query<ChangeListParameters>,
) -> Result<Json<ChangePage>, Problem> {
    Ok(Json(page(&service, asked).await?))
}
