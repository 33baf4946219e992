//! Genetec `AutoVu`: JSON with the date and the time of day apart, in UTC.
//!
//! Versions of one integration wrote the date with the year, the day or the month first. A date that can be read two
//! ways is refused unless the gate's `date_order` says which is meant.

use chrono::NaiveDate;
use parking::Refusal;

use super::{missing, texts};
use crate::body::Tree;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::{as_utc, clock, date};
use crate::values::{confidence, plate};
use crate::{DateOrder, Gate};

pub(super) fn read(tree: &Tree, gate: &Gate) -> Result<Vec<Found>, Refusal> {
    let day = tree.text("DateUtc").ok_or_else(|| missing("DateUtc"))?;
    let time = tree.text("TimeUtc").ok_or_else(|| missing("TimeUtc"))?;
    let time = clock("TimeUtc", date_utc(day, gate.date_order)?, time)?;
    if tree.at("Plate").is_none() {
        return Err(missing("Plate"));
    }
    let mut sighting = Sighting::new(plate(tree.text("Plate")), Moment::Utc(as_utc(time)));
    if !sighting.plate.is_empty() {
        let score = tree.text("ConfidenceScore").or_else(|| tree.text("Attributes/Confidence Score"));
        sighting.confidence = confidence(score, 100.0);
    }
    sighting.cameras = texts(tree, &["CameraName", "SharpName", "UnitName"]);
    let moved = tree.text("Attributes/Relative Motion").unwrap_or_default().to_ascii_lowercase();
    sighting.motion = if moved.contains("away") {
        Motion::Leaving
    } else if moved.contains("clos") || moved.contains("toward") || moved.contains("approach") {
        Motion::Approaching
    } else {
        Motion::Unknown
    };
    Ok(vec![sighting.into()])
}

fn date_utc(text: &str, order: Option<DateOrder>) -> Result<NaiveDate, Refusal> {
    const MEMBER: &str = "DateUtc";
    if text.as_bytes().iter().take_while(|byte| byte.is_ascii_digit()).count() == 4 {
        return date(MEMBER, text);
    }
    let no_date = || Refusal::new(MEMBER, "is no date such as 2026-11-18, 18/11/2026 or 11/18/2026");
    let numbers: Option<Vec<u32>> = text.split(['/', '.', '-']).take(4).map(|part| part.trim().parse().ok()).collect();
    let Some([first, second, year]) = numbers.as_deref() else { return Err(no_date()) };
    let year = i32::try_from(*year).ok().filter(|year| (2000..2100).contains(year)).ok_or_else(no_date)?;
    let (day_first, month_first) =
        (NaiveDate::from_ymd_opt(year, *second, *first), NaiveDate::from_ymd_opt(year, *first, *second));
    match (order, day_first, month_first) {
        (Some(DateOrder::DayFirst), Some(date), _)
        | (Some(DateOrder::MonthFirst), _, Some(date))
        | (None, Some(date), None)
        | (None, None, Some(date)) => Ok(date),
        (None, Some(one), Some(other)) if one == other => Ok(one),
        (None, Some(_), Some(_)) => Err(Refusal::new(
            MEMBER,
            "can be read as day/month and as month/day: set the gate's date_order to \"day_first\" or \"month_first\"",
        )),
        _ => Err(no_date()),
    }
}
