//! The current state of a lot.

use serde::{Deserialize, Serialize};
use sessions::LotStatus;
use utoipa::ToSchema;

// Repeats the counts of `LotStatus`, which the page and the metrics use: that type is internal and may change; these
// members and their order are public.
/// The current state of a lot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Lot)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Lot"))]
pub struct LotView {
    /// Its name.
    #[schema(example = "P3")]
    pub id: String,
    /// Its kind, if known: `hotel`, `mall`, `market`, `industrial` or `community`.
    #[schema(required)]
    pub kind: Option<String>,
    /// The number of spaces, if known.
    #[schema(required)]
    pub capacity: Option<u32>,
    /// Vehicles inside: open sessions.
    pub inside: u64,
    /// The lot's own time, UTC: the time of its newest recorded event; null before the first.
    #[schema(format = DateTime, required)]
    pub time: Option<String>,
    /// Vehicles inside for longer than 99.5 % of the lot's stays of the last 30 days: their exit was probably missed.
    /// Null until there are 200 stays.
    #[schema(required)]
    pub doubtful: Option<u64>,
    /// Vehicles inside for longer than the lot permits (`permitted_stay` of the lots file); 0 where it has no such rule.
    pub overstays: u64,
    /// Entries so far in the clock hour (UTC) of the lot's own time.
    pub entries_this_hour: u64,
    /// Exits so far in the clock hour (UTC) of the lot's own time.
    pub exits_this_hour: u64,
    /// Entries in the previous clock hour.
    pub entries_hour_before: u64,
    /// Exits in the previous clock hour.
    pub exits_hour_before: u64,
    /// Matched exits in the lot's last 24 clock hours.
    pub matched_last_day: u64,
    /// Unmatched exits in the lot's last 24 clock hours.
    pub unmatched_last_day: u64,
    /// Unmatched exits divided by all exits of the last 24 clock hours, 0 to 1; null without exits.
    #[schema(required)]
    pub unmatched_share_last_day: Option<f64>,
    /// Spaces without a vehicle: the capacity without the vehicles inside, not below zero; null if the capacity is unknown.
    #[schema(required)]
    pub free_spaces: Option<u64>,
    /// The day of the lot's own time, in its time zone; null before the first event.
    #[schema(format = Date, required)]
    pub date: Option<String>,
    /// Entries on this day so far.
    pub entries_today: u64,
    /// Exits on this day so far.
    pub exits_today: u64,
    /// Matched exits on this day so far.
    pub matched_today: u64,
    /// Unmatched exits on this day so far, without held exits.
    pub unmatched_today: u64,
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
            free_spaces: lot.free_spaces(),
            date: lot.date.map(|date| date.to_string()),
            entries_today: lot.today.entries,
            exits_today: lot.today.exits,
            matched_today: lot.today.matched,
            unmatched_today: lot.today.unmatched,
        }
    }
}

/// A page of the list of lots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LotPage {
    /// The lots, ordered by name.
    pub lots: Vec<LotView>,
    /// The value of `cursor` for the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
