//! `POST /api/v1/lookup`: a vehicle at the exit whose barrier stays closed.

use api::questions::lookup::LookUpQuestion;
use api::{LookUpBody, LookedUpView, Problem, Scoped};
use axum::Json;
use axum::body::Body;
use axum::http::HeaderMap;
use parking::wire::without_byte_order_mark;

use crate::body::{self, SMALL_BYTES_MAX};

/// Looks up a vehicle at the exit: its open session, or the open sessions that it most likely belongs to.
///
/// With the open session of exactly this plate there is nothing to choose. Otherwise open sessions of similar plates are
/// weighed as misread plates are matched, each with its probability, and so is the chance that there is none. Nothing is
/// recorded: neither an event nor a session. It needs the scopes `read` and `read_plate`.
#[utoipa::path(
    post, path = "/api/v1/lookup", tag = "sessions",
    request_body(content = LookUpBody, content_type = "application/json", description = "The vehicle at the exit"),
    responses((status = 200, description = "Its session, or the likely ones", body = LookedUpView)),
)]
pub(super) async fn look_up(
    Scoped(service): Scoped,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LookedUpView>, Problem> {
    let json = body::json_of(&headers, body, SMALL_BYTES_MAX).await?;
    let question = LookUpQuestion::parse(without_byte_order_mark(&json), service.now())?;
    Ok(Json(question.answer(&service).await?))
}
