//! Statistics of a lot: the lot, the range of time or the period of days, and the width of a bucket.

use chrono::NaiveDate;
use parking::{LotId, Timestamp};
use sessions::{Bucket, Days, ScopedService, StatisticsOf};
use utoipa::IntoParams;

use crate::parameters::{Faults, lot, optional, quoted, required, time};
use crate::problem::{Fault, Problem};
use crate::questions::days;
use crate::views::StatisticsView;

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
        /// Days of the lot's own time instead of from and to: today (the day of its newest event), yesterday, 7d or 28d. The total of the days before is then in `before`; buckets of up to 7 days are hours by default, others days
        #[param(value_type = Option<String>)]
        pub period: Option<Days> = optional(days::period);
        /// The first day, in the lot's time zone: a date such as 2024-09-24
        #[param(value_type = Option<String>, format = Date)]
        pub from_date: Option<NaiveDate> = optional(days::date);
        /// The last day, which is included; of the two dates, one alone is a single day
        #[param(value_type = Option<String>, format = Date)]
        pub to_date: Option<NaiveDate> = optional(days::date);
    }
}

/// Reads the statistics of a lot.
///
/// # Errors
/// The parameters contradict each other, there is no such lot, the period is too long, or the ledger can't be read.
pub async fn of_lot(service: &ScopedService, asked: StatisticsParameters) -> Result<StatisticsView, Problem> {
    let StatisticsParameters { lot_id: lot, from, to, bucket, period, from_date, to_date } = asked;
    let mut faults = Faults::default();
    let days = days::chosen(period, from_date, to_date, &mut faults);
    if days.is_some() && (from.is_some() || to.is_some()) {
        let both = "is not possible together with period, from_date and to_date";
        faults.check::<()>(Err(Fault::parameter(if from.is_some() { "from" } else { "to" }, both)));
    }
    faults.none()?;
    let Some(days) = days else {
        let of = StatisticsOf { lot, from, to, bucket: bucket.unwrap_or_default() };
        return Ok(StatisticsView::from(&service.statistics(&of).await?));
    };
    let statistics = service.statistics_of_days(&lot, days, bucket).await?;
    let before = service.total_before(&lot, days).await?;
    Ok(StatisticsView::from(&statistics).compared_with(before.as_ref()))
}

/// Parses the width of a bucket.
pub fn bucket(text: &str) -> Result<Bucket, String> {
    match text {
        "hour" => Ok(Bucket::Hour),
        "day" => Ok(Bucket::Day),
        _ => Err(format!("{} is neither hour nor day", quoted(text))),
    }
}
