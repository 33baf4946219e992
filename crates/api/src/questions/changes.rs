//! The list of changes: pages, and the check of sequence numbers.

use sessions::{MAX_PAGE, ScopedService};
use utoipa::IntoParams;

use crate::parameters::{limit, optional, quoted};
use crate::problem::{Fault, Kind, Problem};
use crate::views::{ChangePage, ChangeView};

/// The default number of changes of a page.
const LIMIT_DEFAULT: u32 = 100;

crate::parameters! {
    /// The parameters of the list of changes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ChangeListParameters {
        /// The sequence number of the last known change; the default 0 begins with the first change
        pub after: Option<u64> = optional(number);
        /// The maximum number of changes of a page; the default is 100
        #[param(minimum = 1, maximum = 1000)]
        pub limit: Option<u32> = optional(limit(MAX_PAGE));
    }
}

/// Reads a page of changes.
pub async fn page(service: &ScopedService, parameters: ChangeListParameters) -> Result<ChangePage, Problem> {
    let after = parameters.after.unwrap_or(0);
    let page = service.changed_sessions(after, parameters.limit.unwrap_or(LIMIT_DEFAULT)).await?;
    if page.looked_until == after {
        not_beyond(service, after).await?;
    }
    Ok(ChangePage { changes: page.changes.iter().map(ChangeView::from).collect(), next_after: page.looked_until })
}

/// Parses the sequence number of a change.
pub fn number(text: &str) -> Result<u64, String> {
    possible(text.parse().unwrap_or(u64::MAX)).map_err(|_| no_number(text))
}

/// Checks that a ledger can contain a change with this sequence number.
pub fn possible(number: u64) -> Result<u64, String> {
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(no_number(&number.to_string())) }
}

fn no_number(text: &str) -> String {
    format!("{} is not the sequence number of a change: a whole number from 0", quoted(text))
}

/// Refuses a sequence number that this ledger has not reached: its client followed another ledger and would wait
/// forever.
pub async fn not_beyond(service: &ScopedService, after: u64) -> Result<(), Problem> {
    if after == 0 {
        return Ok(());
    }
    let newest = service.last_change().await?;
    if after <= newest {
        return Ok(());
    }
    let problem = format!("{after} is beyond the newest change, {newest}: it belongs to another ledger; begin with 0");
    Err(Problem::with_faults(Kind::InvalidContent, vec![Fault::parameter("after", problem)]))
}
