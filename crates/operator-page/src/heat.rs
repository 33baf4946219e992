//! Heat map of entries by weekday and hour: the darker, the more entries; empty without data.

use maud::{Markup, html};
use sessions::Arrivals;

use super::text::number;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The number of shades from few to most; zero has its own.
const SHADES: i64 = 5;

/// The table of `arrivals` by weekday, Monday first, and hour.
pub(super) fn table(arrivals: &Arrivals, zone: &str) -> Markup {
    let most = arrivals.iter().flatten().filter_map(|entries| *entries).max().unwrap_or(0);
    html! {
        div.scroll role="group" aria-label="Entries by weekday and hour" tabindex="0" {
            table.heat {
                caption { "Entries by weekday and hour" span.zone { ", of the last four weeks, in " (zone) } }
                thead { tr {
                    th scope="col" { span.hidden { "Weekday" } }
                    @for hour in 0..24 { th scope="col" { (format!("{hour:02}")) } }
                } }
                tbody {
                    @for (day, hours) in DAYS.iter().zip(arrivals) {
                        tr {
                            th scope="row" { (day) }
                            @for entries in hours {
                                @match entries {
                                    Some(entries) => td.{ "shade-" (shade(*entries, most)) } { (number(entries.unsigned_abs())) },
                                    None => td.shade-0 title="no data" { span.none { "–" } span.hidden { " no data" } },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The shade from 0, for no entries, to [`SHADES`].
fn shade(entries: i64, most: i64) -> i64 {
    if entries <= 0 || most <= 0 { 0 } else { (entries * SHADES + most - 1) / most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_darker_the_more_come() {
        assert_eq!([0, 1, 20, 21, 100].map(|entries| shade(entries, 100)), [0, 1, 1, 2, 5]);
        assert_eq!(shade(0, 0), 0);
    }
}
