//! `GET /api/v1/lots`: who is inside, by lot.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use parking::LotId;
use sessions::{Error, LotStatus, MAX_PAGE, Service};

use super::cursor::List;
use super::query::{self, Faults, Query};
use super::views::{LotPage, LotView};
use crate::problem::Problem;

/// Lists the lots that are known beforehand, have events or have saved summaries, by name.
#[utoipa::path(
    get, path = "/api/v1/lots", tag = "lots",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "The most lots of a page; 1000 without it"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "A page of lots", body = LotPage)),
)]
pub(super) async fn lots(State(service): State<Service>, uri: Uri) -> Result<Json<LotPage>, Problem> {
    let query = Query::read(&uri, &["limit", "cursor"])?;
    let list = List::of(&["lots"]);
    let mut faults = Faults::default();
    let limit = faults.check(query.one("limit", |text| query::limit(text, MAX_PAGE))).flatten().unwrap_or(MAX_PAGE);
    let after = faults.check(query.one("cursor", |text| after(list, text))).flatten();
    faults.none()?;
    let (page, goes_on) = page(&service, after.as_ref(), limit).await?;
    let go_on_after = page.last().filter(|_| goes_on);
    let next_cursor = go_on_after.map(|lot| list.after(lot.id.as_str().as_bytes()));
    Ok(Json(LotPage { lots: page.iter().map(LotView::from).collect(), next_cursor }))
}

/// The lots behind the one whose name is `after`, at most `limit` of them, which is a page unless it is there.
pub(super) async fn behind(service: &Service, query: &Query) -> Result<Vec<LotView>, Problem> {
    let mut faults = Faults::default();
    let limit = faults.check(query.one("limit", |text| query::limit(text, MAX_PAGE))).flatten().unwrap_or(MAX_PAGE);
    let after = faults.check(query.one("after", query::lot)).flatten();
    faults.none()?;
    let (page, _) = page(service, after.as_ref(), limit).await?;
    Ok(page.iter().map(LotView::from).collect())
}

/// So many lots behind that one, and whether there are more.
async fn page(service: &Service, after: Option<&LotId>, limit: u32) -> Result<(Vec<LotStatus>, bool), Error> {
    let mut lots = service.lots().await?;
    lots.drain(..after.map_or(0, |after| lots.partition_point(|lot| lot.id <= *after)));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = lots.len() > limit;
    lots.truncate(limit);
    Ok((lots, goes_on))
}

fn after(list: List, cursor: &str) -> Result<LotId, String> {
    let key = list.key(cursor)?;
    let name = std::str::from_utf8(&key).ok().and_then(|name| LotId::parse(name).ok());
    name.ok_or_else(|| "is not a next_cursor of this list; begin without one".to_owned())
}
