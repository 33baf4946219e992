//! `GET /api/v1/events/{id}/explanation` and `GET /api/v1/explanations`: why an event did or did not match.

use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::Uri;
use parking::Plate;
use sessions::Service;
use sessions::story::MAX_EXPLAINED;

use super::path_id;
use super::query::{self, Faults, Query};
use super::story_views::ExplanationsView;
use super::views::SessionView;
use crate::problem::{Fault, Kind, Problem};

/// The sessions of a plate that are explained when nobody says how many.
pub(super) const LIMIT: u32 = 3;

/// Why an event is in the session that it is in: the rule, the reads around it, what changed, and near plates.
///
/// Nearly always one; an id that was used again for another event has several.
#[utoipa::path(
    get, path = "/api/v1/events/{id}/explanation", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The event's id")),
    responses((status = 200, description = "The explanations", body = ExplanationsView)),
)]
pub(super) async fn event_explanation(
    State(service): State<Service>,
    path: RawPathParams,
) -> Result<Json<ExplanationsView>, Problem> {
    let id = path_id(&path)?;
    let explained = service.explain(id).await?;
    if explained.is_empty() {
        return Err(Problem::new(
            Kind::NotFound,
            format!("no event that is recorded has the id {id}; it may not have arrived, or lie in the dead letters"),
        ));
    }
    Ok(Json(ExplanationsView::from(explained.as_slice())))
}

/// The newest sessions of a plate, each explained by its exit, or else its entry.
#[utoipa::path(
    get, path = "/api/v1/explanations", tag = "sessions",
    params(
        ("vehicle_plate" = String, Query, description = "The plate, in any spelling"),
        ("lot_id" = Option<String>, Query, description = "In this lot only"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 20, description = "The most sessions; 3 without it"),
    ),
    responses((status = 200, description = "The explanations, the newest session first", body = ExplanationsView)),
)]
pub(super) async fn explanations(State(service): State<Service>, uri: Uri) -> Result<Json<ExplanationsView>, Problem> {
    Ok(Json(of_plate(&service, &Query::read(&uri, &["vehicle_plate", "lot_id", "limit"])?).await?))
}

/// The explanations of a plate that parameters ask for.
pub(super) async fn of_plate(service: &Service, query: &Query) -> Result<ExplanationsView, Problem> {
    let mut faults = Faults::default();
    let plate = query.one("vehicle_plate", |text| Plate::named(text).map_err(str::to_owned));
    let plate = plate.and_then(|plate| plate.ok_or_else(|| Fault::parameter("vehicle_plate", "is missing")));
    let plate = faults.check(plate);
    let lot = faults.check(query.one("lot_id", query::lot)).flatten();
    let limit = faults.check(query.one("limit", |text| query::limit(text, MAX_EXPLAINED))).flatten().unwrap_or(LIMIT);
    faults.none()?;
    let Some(plate) = plate else { return Ok(ExplanationsView::from([].as_slice())) };
    let explained = service.explain_plate(lot.clone(), plate.clone(), limit).await?;
    let saved = service.saved_of_plate(lot, plate, limit).await?;
    let saved = saved.iter().map(SessionView::from).collect();
    Ok(ExplanationsView { saved, ..ExplanationsView::from(explained.as_slice()) })
}
