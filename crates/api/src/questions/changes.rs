//! The list of changes: a page of it, and numbers that it does not have.

use sessions::{MAX_PAGE, Service};
use utoipa::IntoParams;

use crate::parameters::{limit, optional, quoted};
use crate::problem::{Fault, Kind, Problem};
use crate::views::{ChangePage, ChangeView};

/// The changes of a page by default.
const LIMIT: u32 = 100;

crate::parameters! {
    /// Which changes a page has.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ChangeListParameters {
        /// The number of the last change that is known; 0 without it: from the beginning
        pub after: Option<u64> = optional(number);
        /// The most changes of a page; 100 without it
        #[param(minimum = 1, maximum = 1000)]
        pub limit: Option<u32> = optional(limit(MAX_PAGE));
    }
}

/// The page of changes that is asked for.
pub async fn page(service: &Service, asked: ChangeListParameters) -> Result<ChangePage, Problem> {
    let after = asked.after.unwrap_or(0);
    let rows = service.changed_sessions(after, asked.limit.unwrap_or(LIMIT)).await?;
    if rows.is_empty() {
        not_beyond(service, after).await?;
    }
    let changes: Vec<ChangeView> = rows.iter().map(ChangeView::from).collect();
    let next_after = changes.last().map_or(after, |change| change.sequence);
    Ok(ChangePage { changes, next_after })
}

/// The number of a change, in text.
pub fn number(text: &str) -> Result<u64, String> {
    possible(text.parse().unwrap_or(u64::MAX)).map_err(|_| no_number(text))
}

/// The number of a change, if a ledger can have it.
pub fn possible(number: u64) -> Result<u64, String> {
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(no_number(&number.to_string())) }
}

fn no_number(text: &str) -> String {
    format!("{} is not the number of a change: a whole number from 0", quoted(text))
}

/// Refuses a number that this ledger has not reached: its client followed another one, and would wait for ever.
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
