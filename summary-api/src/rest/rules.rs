//! `GET /api/v1/rules`: the rules that the sessions of this ledger are decided by.

use api::{Query, RulesView};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// The rules that sessions are decided by. A ledger with events keeps those that it was written with.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "operation",
    responses((status = 200, description = "The rules", body = RulesView)),
)]
pub(super) async fn rules(State(service): State<Service>, Query(()): Query<()>) -> Json<RulesView> {
    Json(RulesView::from(&service.info().rules))
}
