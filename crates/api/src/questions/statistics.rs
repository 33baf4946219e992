//! What happened at a lot: which lot, when, by hour or by day.

use parking::{LotId, Timestamp};
use sessions::{Bucket, StatisticsOf};
use utoipa::IntoParams;

use crate::parameters::{lot, optional, quoted, required, time};

crate::parameters! {
    /// Which statistics are asked for.
    #[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct StatisticsParameters {
        /// Of this lot
        #[param(value_type = String)]
        pub lot_id: LotId = required(lot, "is missing: name a lot");
        /// From the bucket on that has this time: RFC 3339 with an offset; without it, a day of hours or thirty days
        #[param(value_type = Option<String>, format = DateTime)]
        pub from: Option<Timestamp> = optional(time);
        /// Until the bucket is over that has the moment before this time; without it, the lot's own time
        #[param(value_type = Option<String>, format = DateTime)]
        pub to: Option<Timestamp> = optional(time);
        /// hour (without it), at most 750 of them, or day, at most 400: of the lot's time zone, also where clocks change
        #[param(value_type = Option<String>)]
        pub bucket: Option<Bucket> = optional(bucket);
    }
}

impl From<StatisticsParameters> for StatisticsOf {
    fn from(asked: StatisticsParameters) -> Self {
        let StatisticsParameters { lot_id, from, to, bucket } = asked;
        Self { lot: lot_id, from, to, bucket: bucket.unwrap_or_default() }
    }
}

/// A bucket's name.
pub fn bucket(text: &str) -> Result<Bucket, String> {
    match text {
        "hour" => Ok(Bucket::Hour),
        "day" => Ok(Bucket::Day),
        _ => Err(format!("{} is neither hour nor day", quoted(text))),
    }
}
