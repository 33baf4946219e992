//! The list of changes: a page of it, and numbers that it does not have.

use sessions::{MAX_PAGE, Service};

use crate::parameters::{self, Faults, Query, quoted};
use crate::problem::{Fault, Kind, Problem};
use crate::views::{ChangePage, ChangeView};

/// The changes of a page when nobody says how many.
const LIMIT: u32 = 100;

/// The page that parameters ask for.
pub async fn page(service: &Service, query: &Query) -> Result<ChangePage, Problem> {
    let mut faults = Faults::default();
    let after = faults.check(query.one("after", number)).flatten().unwrap_or(0);
    let limit = faults.check(query.one("limit", |text| parameters::limit(text, MAX_PAGE))).flatten().unwrap_or(LIMIT);
    faults.none()?;
    let rows = service.changed_sessions(after, limit).await?;
    if rows.is_empty() {
        not_beyond(service, after).await?;
    }
    let changes: Vec<ChangeView> = rows.iter().map(ChangeView::from).collect();
    let next_after = changes.last().map_or(after, |change| change.sequence);
    Ok(ChangePage { changes, next_after })
}

/// The number of a change.
pub fn number(text: &str) -> Result<u64, String> {
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let number = text.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| format!("{} is not the number of a change: a whole number from 0", quoted(text)))
}

/// Refuses a number that this ledger has not reached: whoever has it followed another one, and would wait for ever.
pub async fn not_beyond(service: &Service, after: u64) -> Result<(), Problem> {
    if after == 0 {
        return Ok(());
    }
    let newest = service.last_change().await?;
    if after <= newest {
        return Ok(());
    }
    let problem = format!("{after} is beyond the newest change, {newest}: it is of another ledger; begin with 0");
    Err(Problem::with_faults(Kind::InvalidContent, vec![Fault::parameter("after", problem)]))
}
