//! The data table of a chart, for screen readers and for exact numbers.

use maud::{Markup, html};

/// A collapsed table; the first cell of a row is its head, the others are numbers.
pub(super) fn table<const N: usize>(
    id: &str,
    caption: &str,
    heads: [&str; N],
    rows: impl Iterator<Item = [Markup; N]>,
) -> Markup {
    html! {
        details id=(id) {
            summary { "Show as a table" }
            div.scroll role="group" aria-label=(caption) tabindex="0" {
                table {
                    caption { (caption) }
                    thead { tr {
                        @for (place, head) in heads.iter().enumerate() { th scope="col" .number[place > 0] { (head) } }
                    } }
                    tbody { @for row in rows { tr { @for (place, cell) in row.iter().enumerate() {
                        @if place == 0 { th scope="row" { (cell) } } @else { td.number { (cell) } }
                    } } } }
                }
            }
        }
    }
}
