//! `GET /api/v1/lots`: who is inside, by lot.

use api::questions::lots::page;
use api::{LotPage, Problem, Query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use sessions::Service;

/// Lists the lots that are known beforehand, have events or have saved summaries, by name.
#[utoipa::path(
    get, path = "/api/v1/lots", tag = "lots",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "The most lots of a page; 1000 without it"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "A page of lots", body = LotPage)),
)]
pub(super) async fn lots(State(service): State<Service>, uri: Uri) -> Result<Json<LotPage>, Problem> {
    Ok(Json(page(&service, &Query::read(&uri, &["limit", "cursor"])?).await?))
}
