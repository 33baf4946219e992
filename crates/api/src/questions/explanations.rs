//! Why the sessions of a plate are what they are.

use parking::{LotId, Plate};
use sessions::Service;
use sessions::story::MAX_EXPLAINED;
use utoipa::IntoParams;

use crate::parameters::{limit, lot, optional, plate, required};
use crate::problem::Problem;
use crate::views::{ExplanationsView, SessionView};

/// The sessions of a plate that are explained by default.
pub const LIMIT: u32 = 3;

crate::parameters! {
    /// Which sessions are explained.
    #[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ExplanationParameters {
        /// The plate, in any spelling
        #[param(value_type = String)]
        pub vehicle_plate: Plate = required(plate, "is missing");
        /// In this lot only
        #[param(value_type = Option<String>)]
        pub lot_id: Option<LotId> = optional(lot);
        /// The most sessions; 3 without it
        #[param(minimum = 1, maximum = 20)]
        pub limit: Option<u32> = optional(limit(MAX_EXPLAINED));
    }
}

/// The explanations of a plate that are asked for.
pub async fn of_plate(service: &Service, asked: ExplanationParameters) -> Result<ExplanationsView, Problem> {
    let ExplanationParameters { vehicle_plate: plate, lot_id: lot, limit } = asked;
    let limit = limit.unwrap_or(LIMIT);
    let explained = service.explain_plate(lot.clone(), plate.clone(), limit).await?;
    let saved = service.saved_of_plate(lot, plate, limit).await?;
    let saved = saved.iter().map(SessionView::from).collect();
    Ok(ExplanationsView { saved, ..ExplanationsView::from(explained.as_slice()) })
}
