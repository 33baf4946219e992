//! `GET /api/v1/statistics`: what happened at a lot by hour or by day, how long stays lasted, and when vehicles come.

use api::questions::statistics::asked;
use api::{Problem, Query, StatisticsView};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use sessions::Service;

/// What happened at a lot by hour or by day of its own time zone. A revision of sessions changes the hours that they are in.
#[utoipa::path(
    get, path = "/api/v1/statistics", tag = "lots",
    params(
        ("lot_id" = String, Query, description = "Of this lot"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "From the bucket on that has this time: RFC 3339 with an offset; without it, a day of hours or thirty days"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "Until the bucket is over that has the moment before this time; without it, the lot's own time"),
        ("bucket" = Option<String>, Query,
            description = "hour (without it), at most 750 of them, or day, at most 400: of the lot's time zone, also where clocks change"),
    ),
    responses((status = 200, description = "The statistics", body = StatisticsView)),
)]
pub(super) async fn statistics(State(service): State<Service>, uri: Uri) -> Result<Json<StatisticsView>, Problem> {
    Ok(Json(asked(&service, &Query::read(&uri, &["lot_id", "from", "to", "bucket"])?).await?))
}
