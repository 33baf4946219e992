//! `GET /api/v1/gates`: the health of each gate.

use api::{GateList, GateView, Problem, Query, Scoped};
use axum::Json;

/// Lists the health of each gate: its last event, its reads and late reads, and the difference of its clock.
#[utoipa::path(
    get, path = "/api/v1/gates", tag = "lots",
    responses((status = 200, description = "The gates", body = GateList)),
)]
pub(super) async fn gates(Scoped(service): Scoped, Query(()): Query<()>) -> Result<Json<GateList>, Problem> {
    Ok(Json(GateList { gates: service.gates()?.iter().map(GateView::from).collect() }))
}
