//! `GET /problems/{kind}`: what a kind of problem means.

use api::{Kind, Problem};
use axum::extract::RawPathParams;

/// What a kind of problem means and what to do about it.
#[utoipa::path(get, path = "/problems/{kind}", tag = "operation",
    params(("kind" = String, Path, description = "The last part of a problem's type")),
    responses((status = 200, description = "In words", body = String, content_type = "text/plain")))]
pub(super) async fn problem_type(path: RawPathParams) -> Result<&'static str, Problem> {
    let code = path.iter().next().map_or("", |(_, value)| value);
    let kind = Kind::ALL.iter().find(|kind| kind.code() == code);
    kind.map(|kind| kind.meaning()).ok_or_else(|| Problem::new(Kind::NotFound, "there is no such kind of problem"))
}
