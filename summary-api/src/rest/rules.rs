//! `GET /api/v1/rules`: the rules that the sessions of this ledger are decided by.

use api::{Problem, Query, RulesView};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use sessions::Service;

/// The rules that sessions are decided by. A ledger with events keeps those that it was written with.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "operation",
    responses((status = 200, description = "The rules", body = RulesView)),
)]
pub(super) async fn rules(State(service): State<Service>, uri: Uri) -> Result<Json<RulesView>, Problem> {
    Query::read(&uri, &[])?;
    Ok(Json(RulesView::from(&service.info().rules)))
}
