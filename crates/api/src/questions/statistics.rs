//! What happened at a lot: which lot, when, by hour or by day.

use sessions::{Bucket, Service, StatisticsOf};

use crate::parameters::{self, Faults, Query, quoted};
use crate::problem::{Fault, Problem};
use crate::views::StatisticsView;

/// The statistics that parameters ask for.
pub async fn asked(service: &Service, query: &Query) -> Result<StatisticsView, Problem> {
    Ok(StatisticsView::from(&service.statistics(&read(query)?).await?))
}

fn read(query: &Query) -> Result<StatisticsOf, Problem> {
    let mut faults = Faults::default();
    let lot = query.one("lot_id", parameters::lot);
    let lot = lot.and_then(|lot| lot.ok_or_else(|| Fault::parameter("lot_id", "is missing: name a lot")));
    let lot = faults.check(lot);
    let from = faults.check(query.one("from", parameters::time)).flatten();
    let to = faults.check(query.one("to", parameters::time)).flatten();
    let bucket = faults.check(query.one("bucket", bucket)).flatten().unwrap_or_default();
    faults.none()?;
    Ok(StatisticsOf { lot: lot.unwrap_or_default(), from, to, bucket })
}

fn bucket(text: &str) -> Result<Bucket, String> {
    match text {
        "hour" => Ok(Bucket::Hour),
        "day" => Ok(Bucket::Day),
        _ => Err(format!("{} is neither hour nor day", quoted(text))),
    }
}
