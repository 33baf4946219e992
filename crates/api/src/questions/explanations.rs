//! Why the sessions of a plate are what they are.

use parking::Plate;
use sessions::Service;
use sessions::story::MAX_EXPLAINED;

use crate::parameters::{self, Faults, Query};
use crate::problem::{Fault, Problem};
use crate::views::{ExplanationsView, SessionView};

/// The sessions of a plate that are explained when nobody says how many.
pub const LIMIT: u32 = 3;

/// The explanations of a plate that parameters ask for.
pub async fn of_plate(service: &Service, query: &Query) -> Result<ExplanationsView, Problem> {
    let mut faults = Faults::default();
    let plate = query.one("vehicle_plate", |text| Plate::named(text).map_err(str::to_owned));
    let plate = plate.and_then(|plate| plate.ok_or_else(|| Fault::parameter("vehicle_plate", "is missing")));
    let plate = faults.check(plate);
    let lot = faults.check(query.one("lot_id", parameters::lot)).flatten();
    let limit =
        faults.check(query.one("limit", |text| parameters::limit(text, MAX_EXPLAINED))).flatten().unwrap_or(LIMIT);
    faults.none()?;
    let Some(plate) = plate else { return Ok(ExplanationsView::from([].as_slice())) };
    let explained = service.explain_plate(lot.clone(), plate.clone(), limit).await?;
    let saved = service.saved_of_plate(lot, plate, limit).await?;
    let saved = saved.iter().map(SessionView::from).collect();
    Ok(ExplanationsView { saved, ..ExplanationsView::from(explained.as_slice()) })
}
