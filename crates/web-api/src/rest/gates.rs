//! `GET /api/v1/gates`: the health of each gate.

use api::{GateList, GateView, Query};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// Lists the health of each gate: its last event, its reads and late reads, and the difference of its clock.
#[utoipa::path(
    get, path = "/api/v1/gates", tag = "lots",
    responses((status = 200, description = "The gates", body = GateList)),
)]
pub(super) async fn gates(State(service): State<Service>, Query(()): Query<()>) -> Json<GateList> {
    Json(GateList { gates: service.gates().iter().map(GateView::from).collect() })
}
