//! The choice of a lot: which one an address names, and the field of a form that it is chosen in.

use api::parameters::lot as lot_name;
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
        None => none_known(),
    })
}

/// The problem of a page without any lot.
pub(super) fn none_known() -> Problem {
    Problem::with_faults(Kind::NotFound, vec![Fault::parameter("lot_id", "can't be chosen: no lot is known yet")])
}

/// The lots of a parameter that may be repeated, each once.
pub(super) fn lots(values: &[&str]) -> Result<Vec<LotId>, String> {
    let mut lots = Vec::new();
    for value in values {
        let lot = lot_name(value)?;
        if !lots.contains(&lot) {
            lots.push(lot);
        }
    }
    Ok(lots)
}

/// The fields of a form in which up to `most` lots are chosen: one, and further ones to open.
pub(super) fn fields(lots: &[LotStatus], chosen: &[&str], most: usize) -> Markup {
    let first = chosen.first().copied().unwrap_or_default();
    html! {
        (field(lots, first, None))
        @if lots.len() > 1 {
            details.further #further-lots open[chosen.len() > 1] {
                summary { "Further lots" }
                fieldset {
                    legend { "Below it, of these at most " (most - 1) }
                    @for lot in lots.iter().map(|lot| lot.id.as_str()).filter(|lot| *lot != first) {
                        label { input type="checkbox" name="lot_id" value=(lot) checked[chosen.contains(&lot)]; " " (lot) }
                    }
                }
            }
        }
    }
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
