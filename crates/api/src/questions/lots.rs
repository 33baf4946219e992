//! The list of lots: pages.

use parking::LotId;
use sessions::{Error, LotStatus, MAX_PAGE, ScopedService};
use utoipa::IntoParams;

use crate::cursor::{Cursor, List};
use crate::parameters::{limit, optional};
use crate::problem::{Fault, Kind, Problem};
use crate::views::{LotPage, LotView};

crate::parameters! {
    /// The parameters of the list of lots.
    #[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    #[expect(clippy::doc_markdown, reason = "the text is the description of the route, where names stand bare")]
    pub struct LotListParameters {
        /// The maximum number of lots of a page; the default is 1000
        #[param(minimum = 1, maximum = 1000)]
        pub limit: Option<u32> = optional(limit(MAX_PAGE));
        /// The next_cursor of the previous page
        #[param(value_type = Option<String>)]
        pub cursor: Option<Cursor> = optional(Cursor::parse);
    }
}

/// Reads a page of lots.
///
/// # Errors
/// The cursor belongs to another list, or the ledger can't be read.
pub async fn page(service: &ScopedService, parameters: &LotListParameters) -> Result<LotPage, Problem> {
    let list = List::of(&["lots"]);
    let after = parameters.cursor.as_ref().map(|cursor| name(list, cursor)).transpose();
    let after = after
        .map_err(|problem| Problem::with_faults(Kind::InvalidContent, vec![Fault::parameter("cursor", problem)]))?;
    let (lots, goes_on) = self::after(service, after.as_ref(), parameters.limit).await?;
    let go_on_after = lots.last().filter(|_| goes_on);
    let next_cursor = go_on_after.map(|lot| list.after(lot.id.as_str().as_bytes()));
    Ok(LotPage { lots: lots.iter().map(LotView::from).collect(), next_cursor })
}

/// The lots whose names follow `after`, at most `limit` or a full page, and whether there are more.
pub async fn after(
    service: &ScopedService,
    after: Option<&LotId>,
    limit: Option<u32>,
) -> Result<(Vec<LotStatus>, bool), Error> {
    let mut lots = service.lots().await?;
    lots.drain(..after.map_or(0, |after| lots.partition_point(|lot| lot.id <= *after)));
    let limit = usize::try_from(limit.unwrap_or(MAX_PAGE)).unwrap_or(usize::MAX);
    let goes_on = lots.len() > limit;
    lots.truncate(limit);
    Ok((lots, goes_on))
}

fn name(list: List, cursor: &Cursor) -> Result<LotId, String> {
    let name = std::str::from_utf8(list.key(cursor)?).ok().and_then(|name| LotId::parse(name).ok());
    name.ok_or_else(|| "is not a next_cursor of this list; begin without one".to_owned())
}
