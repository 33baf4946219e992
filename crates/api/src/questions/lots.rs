//! The list of lots, in pages.

use parking::LotId;
use sessions::{Error, LotStatus, MAX_PAGE, Service};

use crate::cursor::List;
use crate::parameters::{self, Faults, Query};
use crate::problem::Problem;
use crate::views::{LotPage, LotView};

/// The page that parameters ask for.
///
/// # Errors
/// A parameter is wrong, or the service can't answer.
pub async fn page(service: &Service, query: &Query) -> Result<LotPage, Problem> {
    let list = List::of(&["lots"]);
    let mut faults = Faults::default();
    let limit =
        faults.check(query.one("limit", |text| parameters::limit(text, MAX_PAGE))).flatten().unwrap_or(MAX_PAGE);
    let after = faults.check(query.one("cursor", |text| after(list, text))).flatten();
    faults.none()?;
    let (page, goes_on) = some(service, after.as_ref(), limit).await?;
    let go_on_after = page.last().filter(|_| goes_on);
    let next_cursor = go_on_after.map(|lot| list.after(lot.id.as_str().as_bytes()));
    Ok(LotPage { lots: page.iter().map(LotView::from).collect(), next_cursor })
}

/// The lots behind the one whose name is `after`, at most `limit` of them, which is a page unless it is there.
pub async fn behind(service: &Service, query: &Query) -> Result<Vec<LotView>, Problem> {
    let mut faults = Faults::default();
    let limit =
        faults.check(query.one("limit", |text| parameters::limit(text, MAX_PAGE))).flatten().unwrap_or(MAX_PAGE);
    let after = faults.check(query.one("after", parameters::lot)).flatten();
    faults.none()?;
    let (page, _) = some(service, after.as_ref(), limit).await?;
    Ok(page.iter().map(LotView::from).collect())
}

/// So many lots behind that one, and whether there are more.
async fn some(service: &Service, after: Option<&LotId>, limit: u32) -> Result<(Vec<LotStatus>, bool), Error> {
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
