//! `GET /problems/{kind}`: the meaning of a kind of problem; and problems that several routes have.

use api::{Kind, Problem};
use axum::extract::RawPathParams;
use uuid::Uuid;

/// No event has this id, as far as the principal may see.
pub(super) fn unknown_event(id: Uuid) -> Problem {
    let detail = format!("no recorded event has the id {id}; it may not have arrived yet, or be a dead letter");
    Problem::new(Kind::NotFound, detail)
}

/// Returns the meaning of a kind of problem, and what to do.
#[utoipa::path(get, path = "/problems/{kind}", tag = "operation",
    params(("kind" = String, Path, description = "The last part of a problem's type")),
    responses((status = 200, description = "The meaning, as text", body = String, content_type = "text/plain")))]
pub(super) async fn problem_type(path: RawPathParams) -> Result<&'static str, Problem> {
    let code = path.iter().next().map_or("", |(_, value)| value);
    let kind = Kind::ALL.iter().find(|kind| kind.code() == code);
    kind.map(|kind| kind.meaning()).ok_or_else(|| Problem::new(Kind::NotFound, "unknown kind of problem"))
}
