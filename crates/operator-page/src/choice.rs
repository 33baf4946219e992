//! The choice of a lot: which one an address names, and the field of a form that it is chosen in.

use api::{Fault, Kind, Problem};
use maud::{Markup, html};
use parking::LotId;
use sessions::LotStatus;

/// The lot that is asked for, else the first that has events.
pub(super) fn lot<'a>(asked: Option<&LotId>, lots: &'a [LotStatus]) -> Result<&'a LotStatus, Problem> {
    let found = match asked {
        Some(asked) => lots.iter().find(|lot| lot.id == *asked),
        None => lots.iter().find(|lot| lot.time.is_some()).or_else(|| lots.first()),
    };
    found.ok_or_else(|| match asked {
        Some(asked) => Problem::new(Kind::NotFound, format!("no lot {asked} is known, and no event names it")),
        None => Problem::with_faults(
            Kind::NotFound,
            vec![Fault::parameter("lot_id", "can't be chosen: no lot is known yet")],
        ),
    })
}

/// The field of a form; `all` is the name of the choice of all lots, where there is one.
pub(super) fn field(lots: &[LotStatus], chosen: &str, all: Option<&str>) -> Markup {
    html! {
        label { "Lot "
            select name="lot_id" {
                @if let Some(all) = all { option value="" selected[chosen.is_empty()] { (all) } }
                @for lot in lots.iter().map(|lot| lot.id.as_str()) {
                    option value=(lot) selected[lot == chosen] { (lot) }
                }
            }
        }
    }
}
