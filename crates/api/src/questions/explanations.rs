//! Explanations of the sessions of a plate.

use parking::{LotId, Plate};
use sessions::ScopedService;
use sessions::story::MAX_EXPLAINED;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::parameters::{body_of, limit, lot, optional, plate, required};
use crate::problem::Problem;
use crate::views::{ExplanationsView, SessionView};

/// The default number of explained sessions.
pub const LIMIT_DEFAULT: u32 = 3;

crate::parameters! {
    /// The parameters of the explanations of a plate.
    #[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ExplanationParameters {
        /// The plate, in any spelling
        #[param(value_type = String)]
        pub vehicle_plate: Plate = required(plate, "is missing");
        /// Only in this lot
        #[param(value_type = Option<String>)]
        pub lot_id: Option<LotId> = optional(lot);
        /// The maximum number of sessions; the default is 3
        #[param(minimum = 1, maximum = 20)]
        pub limit: Option<u32> = optional(limit(MAX_EXPLAINED));
    }
}

/// The body of a search for explanations: the parameters of those of a plate.
#[derive(Debug, Clone, Copy)]
pub struct ExplanationSearch;

impl PartialSchema for ExplanationSearch {
    fn schema() -> RefOr<Schema> {
        body_of(ExplanationParameters::into_params(|| None)).into()
    }
}

impl ToSchema for ExplanationSearch {}

/// Explains the newest sessions of a plate.
pub async fn of_plate(service: &ScopedService, parameters: ExplanationParameters) -> Result<ExplanationsView, Problem> {
    let ExplanationParameters { vehicle_plate: plate, lot_id: lot, limit } = parameters;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let explained = service.explain_plate(lot.clone(), plate.clone(), limit).await?;
    let saved = service.saved_of_plate(lot, plate, limit).await?;
    let saved = saved.iter().map(SessionView::from).collect();
    Ok(ExplanationsView { saved, ..ExplanationsView::from(explained.as_slice()) })
}
