//! `GET /api/v1/gates`: how each gate does.

use api::{GateList, GateView, Query};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// How each gate does: when it last saw a vehicle, how many, how late it tells, how its clock stands.
#[utoipa::path(
    get, path = "/api/v1/gates", tag = "lots",
    responses((status = 200, description = "The gates", body = GateList)),
)]
pub(super) async fn gates(State(service): State<Service>, Query(()): Query<()>) -> Json<GateList> {
    Json(GateList { gates: service.gates().iter().map(GateView::from).collect() })
}
