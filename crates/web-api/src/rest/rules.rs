//! `GET /api/v1/rules`: the matching rules of the ledger.

use api::{Query, RulesView, Scoped};
use axum::Json;

/// Returns the matching rules. A ledger with events keeps the rules with which it was created.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "operation",
    responses((status = 200, description = "The rules", body = RulesView)),
)]
pub(super) async fn rules(Scoped(service): Scoped, Query(()): Query<()>) -> Json<RulesView> {
    Json(RulesView::from(&service.rules()))
}
