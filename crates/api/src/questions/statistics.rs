//! Statistics of a lot: the lot, the range of time, and the width of a bucket.

use parking::{LotId, Timestamp};
use sessions::{Bucket, StatisticsOf};
use utoipa::IntoParams;

use crate::parameters::{lot, optional, quoted, required, time};

crate::parameters! {
    /// The parameters of the statistics of a lot.
    #[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct StatisticsParameters {
        /// The lot
        #[param(value_type = String)]
        pub lot_id: LotId = required(lot, "is missing");
        /// The first bucket is the one that contains this time: RFC 3339 with an offset; the default is 24 hours or 30 days before the end
        #[param(value_type = Option<String>, format = DateTime)]
        pub from: Option<Timestamp> = optional(time);
        /// The end, exclusive: the last bucket is the one that contains the millisecond before this time; the default is the lot's own time
        #[param(value_type = Option<String>, format = DateTime)]
        pub to: Option<Timestamp> = optional(time);
        /// The width of a bucket in the lot's time zone: hour (the default), at most 750 buckets, or day, at most 400
        #[param(value_type = Option<String>)]
        pub bucket: Option<Bucket> = optional(bucket);
    }
}

impl From<StatisticsParameters> for StatisticsOf {
    fn from(parameters: StatisticsParameters) -> Self {
        let StatisticsParameters { lot_id, from, to, bucket } = parameters;
        Self { lot: lot_id, from, to, bucket: bucket.unwrap_or_default() }
    }
}

/// Parses the width of a bucket.
pub fn bucket(text: &str) -> Result<Bucket, String> {
    match text {
        "hour" => Ok(Bucket::Hour),
        "day" => Ok(Bucket::Day),
        _ => Err(format!("{} is neither hour nor day", quoted(text))),
    }
}
