//! How a lot stands.

use serde::{Deserialize, Serialize};
use sessions::LotStatus;
use utoipa::ToSchema;

// It repeats the counts of `LotStatus`, which the page and the metrics use: those may change with the program, the members
// here and their order are public.
/// A lot as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Lot)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Lot"))]
pub struct LotView {
    /// Its name.
    #[schema(example = "P3")]
    pub id: String,
    /// What it serves, when it is known beforehand: `hotel`, `mall`, `market`, `industrial` or `community`.
    #[schema(required)]
    pub kind: Option<String>,
    /// How many vehicles fit in, when it is known.
    #[schema(required)]
    pub capacity: Option<u32>,
    /// Vehicles inside now: open sessions.
    pub inside: u64,
    /// The lot's own time, UTC: that of the newest event recorded there; null before the first.
    #[schema(format = DateTime, required)]
    pub time: Option<String>,
    /// Those inside for longer than 99.5 of 100 stays of the lot's last 30 days lasted: their exit was probably missed.
    /// Null until 200 stays are known.
    #[schema(required)]
    pub doubtful: Option<u64>,
    /// Those inside for longer than the lot's longest stay, until they are decided.
    pub overstays: u64,
    /// Entries of the clock hour (UTC) that the lot's own time is in, so far.
    pub entries_this_hour: u64,
    /// Exits of that hour so far.
    pub exits_this_hour: u64,
    /// Entries of the whole clock hour before it.
    pub entries_hour_before: u64,
    /// Exits of the whole clock hour before it.
    pub exits_hour_before: u64,
    /// Exits of the lot's last 24 clock hours that have their entry.
    pub matched_last_day: u64,
    /// Exits of the lot's last 24 clock hours that have none.
    pub unmatched_last_day: u64,
    /// The share of the last day's exits that has no entry, 0 to 1; null without any.
    #[schema(required)]
    pub unmatched_share_last_day: Option<f64>,
}

impl From<&LotStatus> for LotView {
    fn from(lot: &LotStatus) -> Self {
        let kind = lot.known.as_ref().and_then(|known| serde_json::to_value(known.kind).ok());
        Self {
            id: lot.id.to_string(),
            kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)),
            capacity: lot.known.as_ref().and_then(|known| known.capacity),
            inside: lot.inside,
            time: lot.time.map(|time| time.to_string()),
            doubtful: lot.doubtful,
            overstays: lot.overstays,
            entries_this_hour: lot.entries_this_hour,
            exits_this_hour: lot.exits_this_hour,
            entries_hour_before: lot.entries_hour_before,
            exits_hour_before: lot.exits_hour_before,
            matched_last_day: lot.matched_last_day,
            unmatched_last_day: lot.unmatched_last_day,
            unmatched_share_last_day: lot.unmatched_share(),
        }
    }
}

/// A page of the list of lots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LotPage {
    /// The lots, by name.
    pub lots: Vec<LotView>,
    /// What to send as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
